//! Are the private endpoints out of reach?

use crate::doctor::examination::{Examination, Reply};
use crate::doctor::finding::{Found, Inconclusive, Outcome, Severity};
use crate::doctor::probe::{Probe, at, everywhere};
use crate::doctor::wire::{Answer, Request};

pub(super) const PROBE: Probe = Probe {
    name: "private-endpoints",
    severity: Severity::Serious,
    claim: "health, metrics, administration and the checks are not reachable through the gateway",
    why: "Metrics show how many people sign in; administration ends sessions; a check \
          that anyone may ask reveals which tokens and cookies are valid, and believes the headers that come with the question.",
    mend: &[
        at("nginx", "`internal;` in the check's location; pass on nothing but the sign-in prefix"),
        everywhere(
            "pass through only the sign-in endpoints of `didt serve`, and keep its \
                    private listener on an address that the gateway has no route to",
        ),
    ],
    run: |examination| Box::pin(run(examination)),
};

const ENDPOINTS: [(&str, &str); 13] = [
    ("GET", "/metrics"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("POST", "/admin/revoke"),
    ("GET", "/admin/sessions"),
    ("GET", "/check/nginx"),
    ("GET", "/check/caddy"),
    ("GET", "/check/traefik"),
    ("GET", "/check/haproxy"),
    ("GET", "/check/envoy/"),
    ("GET", "/check/apisix"),
    ("GET", "/check"),
    ("GET", "/_didt_check"),
];

async fn run(examination: &Examination) -> Outcome {
    let session = match examination.session().await {
        Ok(session) => Some(session.cookie.as_str()),
        Err(Inconclusive::Skipped(_)) => None,
        Err(stop) => return Err(stop),
    };
    let prefixes = ["", &examination.auth_path("")];
    let mut wrong = Vec::new();
    for cookie in [None, session] {
        for prefix in prefixes {
            for (method, path) in ENDPOINTS {
                let ask = |path: String| {
                    let request =
                        told(examination, Request::to(method, &examination.guarded).target(path));
                    match cookie {
                        Some(cookie) => request.header("Cookie", cookie),
                        None => request,
                    }
                };
                // What the gateway says to a path that nobody knows tells its habits.
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                let folder = if folder.starts_with("/check") { "" } else { folder };
                let nobody = examination
                    .ask(&ask(format!("{prefix}{folder}/{}", examination.unique())))
                    .await?;
                let target = format!("{prefix}{path}");
                let reply = examination.ask(&ask(target.clone())).await?;
                wrong.extend(judge(examination, &format!("{method} {target}"), &reply, &nobody));
            }
        }
    }
    wrong.sort();
    wrong.dedup();
    Ok(Found::unless(wrong, format!("{} endpoints are out of reach", ENDPOINTS.len())))
}

/// Adds everything that a gateway states to a check. Without it a check refuses, which looks like a
/// gateway without one.
fn told(examination: &Examination, request: Request) -> Request {
    let about = examination.public().unwrap_or(&examination.guarded);
    request
        .header("X-Original-Method", "GET")
        .header("X-Original-Scheme", if about.https { "https" } else { "http" })
        .header("X-Original-Host", &about.authority)
        .header("X-Original-URI", &about.path)
        .header("X-Forwarded-Method", "GET")
        .header("X-Forwarded-Proto", if about.https { "https" } else { "http" })
        .header("X-Forwarded-Host", &about.authority)
        .header("X-Forwarded-Uri", &about.path)
}

fn judge(examination: &Examination, what: &str, reply: &Reply, nobody: &Reply) -> Option<String> {
    let (Reply::Given(answer) | Reply::Refused(answer)) = reply else { return None };
    let tells = |name: &String| answer.has(name);
    if examination.identity.iter().any(tells) {
        return Some(format!("{what} says who is calling: it is a check"));
    }
    if matches!(reply, Reply::Given(_)) && !same(answer, nobody) {
        return Some(format!("{what} is answered with {}", answer.status));
    }
    if answer.all("www-authenticate").any(|challenge| challenge.contains("didt administration")) {
        return Some(format!("{what} asks for the administration secret"));
    }
    // An endpoint that is there may refuse the method.
    let refuses = matches!(answer.status, 400 | 405 | 415 | 422);
    (refuses && !same(answer, nobody))
        .then(|| format!("{what} is answered with {}: something is there", answer.status))
}

/// A gateway that answers every path alike (a single-page app) has no endpoint there.
fn same(answer: &Answer, nobody: &Reply) -> bool {
    match nobody {
        Reply::Given(other) | Reply::Refused(other) => {
            other.status == answer.status
                && other.header("content-type") == answer.header("content-type")
        }
        Reply::Upstream(_) | Reply::Closed => false,
    }
}
