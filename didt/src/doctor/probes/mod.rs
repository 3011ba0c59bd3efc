//! The mistakes that are looked for, in the order in which they are.

mod ambiguous;
mod cache;
mod connection;
mod credentials;
mod cross_site;
mod denial;
mod forwarded;
mod guarded;
mod hosts;
mod identity;
mod paths;
mod private;
mod sign_in;
mod sign_out;
mod spoofing;
mod stored_cookie;
mod tricks;
mod upgrade;
mod upstream;

use std::pin::Pin;

use super::examination::Examination;
use super::finding::{Outcome, Severity};
use super::report::Mend;

/// One mistake: how to find it, why it matters, how to mend it.
pub(super) struct Probe {
    pub(super) name: &'static str,
    pub(super) severity: Severity,
    /// What holds where the mistake was not made.
    pub(super) claim: &'static str,
    pub(super) why: &'static str,
    pub(super) mend: &'static [Mend],
    pub(super) run: for<'a> fn(&'a Examination) -> Running<'a>,
}

pub(super) type Running<'a> = Pin<Box<dyn Future<Output = Outcome> + 'a>>;

/// The last two end the session that the others use.
pub(super) const PROBES: &[Probe] = &[
    upstream::PROBE,
    guarded::PROBE,
    denial::PROBE,
    spoofing::STRANGER,
    spoofing::SIGNED_IN,
    spoofing::PUBLIC,
    connection::PROBE,
    upgrade::PROBE,
    paths::THROUGH_PUBLIC,
    paths::AROUND_GUARDED,
    paths::CASE,
    forwarded::PROBE,
    hosts::PROBE,
    identity::PROBE,
    credentials::PROBE,
    ambiguous::PROBE,
    cross_site::UNSAFE_METHOD,
    cross_site::WEBSOCKET,
    cache::ANSWERS,
    cache::REFUSALS,
    stored_cookie::PROBE,
    private::PROBE,
    sign_in::PROBE,
    sign_out::PROBE,
    sign_out::COOKIE,
];

/// A remedy at one gateway.
const fn at(gateway: &'static str, text: &'static str) -> Mend {
    Mend { gateway, text }
}

/// A remedy everywhere.
const fn everywhere(text: &'static str) -> Mend {
    Mend { gateway: "any", text }
}
