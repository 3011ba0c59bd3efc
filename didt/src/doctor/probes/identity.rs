//! Does the upstream learn who is calling?

use crate::doctor::examination::Examination;
use crate::doctor::finding::{Found, Inconclusive, Outcome, Severity};
use crate::doctor::probe::{Probe, at, everywhere};
use crate::doctor::seen::Seen;
use crate::doctor::session::Session;

pub(super) const PROBE: Probe = Probe {
    name: "identity",
    severity: Severity::Critical,
    claim: "the upstream gets the session's issuer exactly once",
    why: "It is all that the upstream knows about the caller. A missing value, or a placeholder \
          that is the same for everyone, makes all users one.",
    mend: &[
        at(
            "nginx",
            "`auth_request_set $i $upstream_http_x_auth_issuer;` and `proxy_set_header \
                     X-Auth-Issuer $i;` in the very location that has the `proxy_pass`",
        ),
        at(
            "Caddy",
            "name the header in `copy_headers`; one that the check's \
                     answer lacks becomes a literal placeholder",
        ),
        at("HAProxy", "`http-request set-header X-Auth-Issuer %[var(txn.…)]` after the check"),
        at("Traefik", "name the header in `authResponseHeaders`"),
        at("Envoy", "name the header in `allowed_upstream_headers`"),
        everywhere("the first --identity-header must be the one with the issuer"),
    ],
    run: |examination| Box::pin(run(examination)),
};

async fn run(examination: &Examination) -> Outcome {
    let session = examination.session().await?;
    if session.issuer.is_none() {
        let path = examination.auth_path("/session");
        return Err(Inconclusive::unknown(format!("{path} does not say whose session it is")));
    }
    Ok(Found::unless(faults(examination, session, &session.seen), "the upstream gets the issuer"))
}

/// What is wrong with the identity of a request with this session.
pub(super) fn faults(examination: &Examination, session: &Session, seen: &Seen) -> Vec<String> {
    let Some(name) = examination.identity.first() else { return Vec::new() };
    let mut faults = placeholders(examination, seen);
    let expected = session.issuer.as_deref();
    match seen.alike(name).collect::<Vec<_>>()[..] {
        [] => faults.push(format!("{name} does not reach the upstream")),
        [(header, value)] if header.eq_ignore_ascii_case(name) => {
            if value.is_empty() {
                faults.push(format!("{name} reaches the upstream empty"));
            } else if expected.is_some_and(|issuer| issuer != value) && faults.is_empty() {
                faults.push(format!("{name} is {value:?} at the upstream, the session another's"));
            }
        }
        [(header, _)] => faults.push(format!("{name} reaches the upstream as {header:?}")),
        ref several => faults.push(format!("{name} reaches the upstream {} times", several.len())),
    }
    faults
}

/// Caddy's, where the check's answer has no such header; and the like of others.
pub(super) fn is_placeholder(value: &str) -> bool {
    value.contains("{http.") || value.starts_with('$') || value.contains("%[") || value == "-"
}

/// The identity headers that have one.
fn placeholders(examination: &Examination, seen: &Seen) -> Vec<String> {
    let headers = examination.identity.iter().flat_map(|name| seen.alike(name));
    let literal = headers.filter(|(_, value)| is_placeholder(value));
    literal.map(|(name, value)| format!("{name} is the literal placeholder {value:?}")).collect()
}
