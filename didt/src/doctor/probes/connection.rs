//! Can a client have the identity removed on its way?

use crate::doctor::examination::{Examination, Reply};
use crate::doctor::finding::{Found, Inconclusive, Outcome, Severity};
use crate::doctor::probe::{Probe, at, everywhere};
use crate::doctor::probes::identity;
use crate::doctor::seen::Seen;

pub(super) const PROBE: Probe = Probe {
    name: "connection-header",
    severity: Severity::Critical,
    claim: "a client cannot remove the identity by naming its header in Connection",
    why: "What Connection names is removed by the next hop (RFC 9110 section 7.6.1). An upstream \
          that treats a missing identity as an internal request lets such a client do anything.",
    mend: &[
        at(
            "Caddy",
            "refuse it: `@c header_regexp Connection (?i)(auth|cookie)` and `respond @c 400`",
        ),
        at("Traefik", "3.1.3, 2.11.9 or newer"),
        at("HAProxy", "`http-request deny if { req.hdr(connection) -m reg -i (auth|cookie) }`"),
        everywhere(
            "pass the client's Connection to the check: `didt serve` refuses one that names \
                    an identity or credential header",
        ),
    ],
    run: |examination| Box::pin(run(examination)),
};

async fn run(examination: &Examination) -> Outcome {
    let session = examination.session().await?;
    let mut values: Vec<_> = examination.identity.clone();
    values.extend(examination.identity.first().map(|name| format!("close, {name}")));
    values.extend(examination.identity.first().map(|name| name.to_ascii_uppercase()));
    values.extend(["Authorization", "Cookie", "close, Cookie"].map(str::to_owned));
    let mut wrong = Vec::new();
    for value in &values {
        let request = examination.signed("GET", session).header("Connection", value);
        let Reply::Upstream(answer) = examination.ask(&request).await? else { continue };
        let seen =
            Seen::read(&answer).ok_or_else(|| Inconclusive::unknown("an answer was garbled"))?;
        let mut faults = identity::faults(examination, session, &seen);
        faults.extend(removed(examination, &session.seen, &seen));
        wrong.extend(faults.into_iter().map(|fault| format!("with Connection: {value}, {fault}")));
    }
    Ok(Found::unless(wrong, format!("{} values of Connection remove nothing", values.len())))
}

/// The identity headers that a plain request has at the upstream, and this one has not.
fn removed(examination: &Examination, plain: &Seen, seen: &Seen) -> Vec<String> {
    let rest = examination.identity.iter().skip(1);
    let gone = rest.filter(|name| !plain.all(name).is_empty() && seen.all(name).is_empty());
    gone.map(|name| format!("{name} does not reach the upstream")).collect()
}
