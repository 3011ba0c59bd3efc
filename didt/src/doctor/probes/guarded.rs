//! Does anything pass without a session?

use crate::doctor::examination::{Examination, Reply};
use crate::doctor::finding::{Found, Inconclusive, Outcome, Severity};
use crate::doctor::probe::{Probe, at};
use crate::doctor::wire::Request;

pub(super) const PROBE: Probe = Probe {
    name: "guarded",
    severity: Severity::Critical,
    claim: "without a session, no method reaches the guarded route",
    why: "Anyone who finds a method that is not checked needs no session at all. \
          Preflights (OPTIONS) are requests like any other: their answers may contain secrets, and upstreams may let the method be overridden.",
    mend: &[
        at(
            "nginx",
            "`auth_request` in the server block, outside of `limit_except`; no `return` \
                     or `satisfy any` in a guarded location",
        ),
        at(
            "Caddy",
            "`forward_auth` before `reverse_proxy` within one `route`, without a method \
                     matcher",
        ),
        at(
            "HAProxy",
            "end with a deny rule that needs the check's success: without one it fails \
                       open; no `unless METH_OPTIONS`",
        ),
        at(
            "Envoy",
            "no `failure_mode_allow`, no per-route `disabled`; CORS filter after ext_authz",
        ),
    ],
    run: |examination| Box::pin(run(examination)),
};

/// No application knows `BREW` (RFC 2324 aside): unknown methods must not pass either.
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"];

async fn run(examination: &Examination) -> Outcome {
    let mut wrong = Vec::new();
    for method in METHODS {
        let request = Request::to(method, &examination.guarded);
        wrong.extend(judge(method, examination.ask(&request).await?));
    }
    let old = Request::get(&examination.guarded).http_1_0();
    wrong.extend(judge("GET over HTTP/1.0", examination.ask(&old).await?));
    let nameless = old.hosts(&[]);
    wrong.extend(examination.must_refuse("GET over HTTP/1.0 without a Host", &nameless).await?);
    match examination.ask(&Request::get(&examination.guarded)).await? {
        Reply::Refused(answer) if matches!(answer.status, 300..=399 | 401 | 403) => {}
        Reply::Refused(answer) => {
            let status = answer.status;
            return Err(Inconclusive::unknown(format!(
                "{} answers {status}, which is neither 401, 403 nor a redirect: does the route exist?",
                examination.guarded
            )));
        }
        _ => {}
    }
    Ok(Found::unless(wrong, format!("{} kinds of requests are refused", METHODS.len() + 2)))
}

fn judge(what: &str, reply: Reply) -> Option<String> {
    match reply {
        Reply::Upstream(_) => Some(format!("{what} reaches the upstream")),
        // A gateway may answer preflights itself: nothing of the upstream's is in it.
        Reply::Given(answer) if what == "OPTIONS" && answer.body.is_empty() => None,
        Reply::Given(answer) => Some(format!("{what} is answered with {}", answer.status)),
        Reply::Refused(_) | Reply::Closed => None,
    }
}
