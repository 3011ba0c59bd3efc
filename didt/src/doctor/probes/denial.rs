//! Is a refusal recognisable, and kept out of caches?

use crate::doctor::examination::{Examination, Reply};
use crate::doctor::finding::{Found, Inconclusive, Outcome, Severity};
use crate::doctor::probe::{Probe, at, everywhere};
use crate::doctor::wire::{Answer, Request};

pub(super) const PROBE: Probe = Probe {
    name: "denial",
    severity: Severity::Serious,
    claim: "a 401 has WWW-Authenticate, and no refusal is cacheable",
    why: "Clients learn from WWW-Authenticate how to sign in (RFC 9110 section 11.6.1). A cached \
          refusal is shown to users who have signed in since.",
    mend: &[
        at(
            "nginx",
            "it passes the check's WWW-Authenticate on with its own 401; with \
                     `error_page 401` add it there: `auth_request_set` and `add_header … always`",
        ),
        at(
            "HAProxy",
            "copy the check's headers to the answer: `http-request return status 401 hdr \
                       WWW-Authenticate …`",
        ),
        everywhere(
            "no `expires`, no Cache-Control with max-age on what the gateway answers \
                    itself; redirect with 302 or 303, never 301 or 308",
        ),
    ],
    run: |examination| Box::pin(run(examination)),
};

async fn run(examination: &Examination) -> Outcome {
    let Reply::Refused(answer) = examination.ask(&Request::get(&examination.guarded)).await? else {
        return Err(Inconclusive::unknown("the route did not refuse"));
    };
    let mut wrong = Vec::new();
    if answer.status == 401 && !answer.has("www-authenticate") {
        wrong.push("a 401 without WWW-Authenticate".to_owned());
    }
    wrong.extend(cacheable(&answer).map(|how| format!("a {} that {how}", answer.status)));
    Ok(Found::unless(wrong, format!("a proper {}", answer.status)))
}

/// RFC 9111 section 3: neither 401, 403, 302 nor 303 is stored unless it says so.
fn cacheable(answer: &Answer) -> Option<&'static str> {
    let directives = || {
        let values = answer.all("cache-control").flat_map(|value| value.split(','));
        values.map(|directive| directive.trim().to_ascii_lowercase())
    };
    if directives().any(|directive| matches!(&*directive, "no-store" | "private" | "no-cache")) {
        return None;
    }
    let fresh = |directive: &str| {
        let (name, seconds) = directive.split_once('=').unwrap_or((directive, "0"));
        matches!(name, "max-age" | "s-maxage") && seconds != "0"
    };
    if directives().any(|directive| directive == "public" || fresh(&directive)) {
        return Some("caches may keep, by its Cache-Control");
    }
    if answer.has("expires")
        && answer.header("expires") != Some("0")
        && !answer.has("cache-control")
    {
        return Some("caches may keep, by its Expires");
    }
    matches!(answer.status, 301 | 308).then_some("caches keep for good")
}
