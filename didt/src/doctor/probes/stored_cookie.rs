//! Can a cache store an answer that carries the session cookie?

use std::time::Duration;

use crate::doctor::examination::{Examination, Reply};
use crate::doctor::finding::{Found, Outcome, Severity};
use crate::doctor::probe::{Probe, at, everywhere};
use crate::doctor::wire::{Answer, Request};

pub(super) const PROBE: Probe = Probe {
    name: "stored-cookie",
    severity: Severity::Critical,
    claim: "no cache may store an answer that sets or removes the session cookie",
    why: "A shared cache may store an answer with Set-Cookie (RFC 9111 section 7.3). It then gives \
          one visitor's renewed session to the next, or signs the next one out.",
    mend: &[
        at(
            "nginx, Caddy, HAProxy, Envoy",
            "where the check's cookie is added: Cache-Control: no-store in place \
             of the application's, and no Expires, Surrogate-Control, *-Cache-Control",
        ),
        at("Traefik", "no `addAuthCookiesToResponse`: the application's Cache-Control stays"),
        everywhere("omit the cookie if the gateway cannot replace Cache-Control"),
    ],
    run: |examination| Box::pin(run(examination)),
};

/// How often the probe looks for a renewed cookie.
const PAUSE: Duration = Duration::from_millis(500);

async fn run(examination: &Examination) -> Outcome {
    let session = examination.session().await?;
    let (mut wrong, mut carried, mut beside) = (Vec::new(), 0_usize, 0_usize);
    let mut look = |what: &str, answer: &Answer| {
        if !sets(answer, &session.cookie_name) {
            return false;
        }
        carried += 1;
        wrong.extend(storable(answer).map(|how| format!("{what} carries the cookie and {how}")));
        true
    };
    let cacheable = |path: &str| {
        let target = format!("{path}?{}&cache=60", examination.unique());
        Request::get(&examination.guarded).target(target)
    };
    let dead = format!("{}={}", session.cookie_name, "A".repeat(43));
    let mut paths = vec![examination.guarded.path.as_str()];
    paths.extend(examination.public().map(|public| public.path.as_str()));
    for path in paths {
        match examination.ask(&cacheable(path).header("Cookie", &dead)).await? {
            Reply::Upstream(answer) | Reply::Given(answer) => {
                beside += usize::from(look("an answer to a dead cookie", &answer));
            }
            Reply::Refused(answer) => drop(look("a refusal of a dead cookie", &answer)),
            Reply::Closed => {}
        }
    }
    let path = examination.guarded.path.as_str();
    let mut waited = Duration::ZERO;
    loop {
        let signed = cacheable(path).header("Cookie", &session.cookie);
        if let Reply::Upstream(answer) = examination.ask(&signed).await?
            && look("the application's answer to a session", &answer)
        {
            beside += 1;
            break;
        }
        if waited >= examination.renewal_wait {
            break;
        }
        tokio::time::sleep(PAUSE).await;
        waited += PAUSE;
    }
    let seen = match beside {
        0 => "none of them from the application: no renewal was seen (--renewal-wait)".to_owned(),
        beside => format!("{beside} of them from the application"),
    };
    Ok(Found::unless(
        wrong,
        format!("{carried} answers with the cookie stay out of caches, {seen}"),
    ))
}

/// Whether the answer sets this cookie, or removes it.
fn sets(answer: &Answer, name: &str) -> bool {
    answer
        .all("set-cookie")
        .any(|cookie| cookie.split_once('=').is_some_and(|(set, _)| set.trim() == name))
}

/// The way in which some cache may store the answer. `Cache-Control` does not bind a cache that
/// reads a targeted field (RFC 9213), so each of those must forbid it too, or be absent.
fn storable(answer: &Answer) -> Option<String> {
    if !forbids(answer, "cache-control") {
        return Some("no Cache-Control forbids storing it".to_owned());
    }
    let targeted = answer.names().find(|name| is_targeted(name) && !forbids(answer, name))?;
    Some(format!("{targeted} lets caches store it"))
}

fn is_targeted(name: &str) -> bool {
    name.ends_with("-cache-control")
        || matches!(name, "surrogate-control" | "edge-control" | "x-accel-expires" | "expires")
}

/// `0` is of `Expires` and `X-Accel-Expires`: stale at once.
fn forbids(answer: &Answer, name: &str) -> bool {
    let mut directives = answer.all(name).flat_map(|value| value.split(','));
    directives.any(|directive| {
        matches!(&*directive.trim().to_ascii_lowercase(), "no-store" | "private" | "0")
    })
}
