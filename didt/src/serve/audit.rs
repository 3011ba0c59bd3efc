//! What is written down about sessions, at every log level: who signed in, who was refused and
//! why, which sessions were ended and by whom.
//!
//! Every event has the fields `event` and, where it is known, `issuer`, `session` (the handle,
//! from which no cookie can be made), `client` (the address of whoever asked). Never a token, a
//! cookie or a session id.

use std::net::IpAddr;

use tower_didt::{Issuer, SessionHandle};
use tracing::field::{DisplayValue, display};
use tracing::info;

/// The target of all of these events.
pub(crate) const TARGET: &str = "didt::audit";

/// An issuer signed in. No session where none was made: the token was used before, or the store
/// keeps none.
pub(crate) fn login(issuer: Issuer, session: Option<SessionHandle>, client: Option<IpAddr>) {
    info!(
        target: TARGET,
        event = "login",
        %issuer,
        session = shown(session),
        client = shown(client),
        "signed in",
    );
}

/// A request was refused. `reason` is [`Rejection::name`](tower_didt::Rejection::name) or a word of
/// our own; `at` is the kind of the gateway that asked, or which endpoint of ours it was.
pub(crate) fn refusal(reason: &str, client: Option<IpAddr>, at: &str) {
    info!(target: TARGET, event = "refusal", reason, client = shown(client), at, "refused");
}

/// An issuer ended a session, or all of them.
pub(crate) fn sign_out(
    issuer: Issuer,
    session: Option<SessionHandle>,
    everywhere: bool,
    client: Option<IpAddr>,
) {
    info!(
        target: TARGET,
        event = "sign_out",
        %issuer,
        session = shown(session),
        everywhere,
        client = shown(client),
        "signed out",
    );
}

/// An administrator ended a session of an issuer or, without one, all of them.
pub(crate) fn revoked(issuer: Issuer, session: Option<SessionHandle>) {
    info!(
        target: TARGET,
        event = "revoked",
        %issuer,
        session = shown(session),
        everywhere = session.is_none(),
        "revoked by an administrator",
    );
}

/// A field that is left out where there is no value.
fn shown<T: std::fmt::Display>(value: Option<T>) -> Option<DisplayValue<T>> {
    value.map(display)
}
