//! Can a client have the identity removed on its way?

use super::{Probe, at, everywhere};
use crate::doctor::bench::{Bench, Reply};
use crate::doctor::finding::{Found, Outcome, Severity, Stop};
use crate::doctor::probes::identity;
use crate::doctor::seen::Seen;

pub(super) const PROBE: Probe = Probe {
    name: "connection-header",
    severity: Severity::Critical,
    claim: "a client cannot have the identity removed by naming its header in Connection",
    why: "What Connection names is removed by the next hop (RFC 9110 section 7.6.1). An upstream \
          that takes a missing identity for an internal request lets such a client do anything.",
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
    run: |bench| Box::pin(run(bench)),
};

async fn run(bench: &Bench) -> Outcome {
    let session = bench.session().await?;
    let mut values: Vec<_> = bench.identity.clone();
    values.extend(bench.identity.first().map(|name| format!("close, {name}")));
    values.extend(bench.identity.first().map(|name| name.to_ascii_uppercase()));
    values.extend(["Authorization", "Cookie", "close, Cookie"].map(str::to_owned));
    let mut wrong = Vec::new();
    for value in &values {
        let request = bench.signed("GET", session).header("Connection", value);
        let Reply::Upstream(answer) = bench.ask(&request).await? else { continue };
        let seen = Seen::read(&answer).ok_or_else(|| Stop::unknown("an answer came garbled"))?;
        let mut faults = identity::faults(bench, session, &seen);
        faults.extend(removed(bench, &session.seen, &seen));
        wrong.extend(faults.into_iter().map(|fault| format!("with Connection: {value}, {fault}")));
    }
    Ok(Found::unless(wrong, format!("{} values of Connection remove nothing", values.len())))
}

/// The identity headers that a plain request has at the upstream, and this one has not.
fn removed(bench: &Bench, plain: &Seen, seen: &Seen) -> Vec<String> {
    let rest = bench.identity.iter().skip(1);
    let gone = rest.filter(|name| !plain.all(name).is_empty() && seen.all(name).is_empty());
    gone.map(|name| format!("{name} does not reach the upstream")).collect()
}
