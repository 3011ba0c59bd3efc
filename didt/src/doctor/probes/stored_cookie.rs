//! May others store an answer that carries the session cookie?

use super::{Probe, at, everywhere};
use crate::doctor::bench::{Bench, Reply};
use crate::doctor::finding::{Found, Outcome, Severity};
use crate::doctor::wire::{Answer, Request};

pub(super) const PROBE: Probe = Probe {
    name: "stored-cookie",
    severity: Severity::Critical,
    claim: "an answer that sets or takes away the session cookie is stored by nobody",
    why: "The check may renew a session's cookie, or take a dead one away, on the application's answer. A cache \
          that stores the answer (RFC 9111 section 7.3 permits it) gives the cookie to the next visitor.",
    mend: &[
        at(
            "nginx",
            "beside `add_header Set-Cookie $didt_cookie`, `proxy_hide_header Cache-Control` and \
                     `add_header Cache-Control $didt_cache_control`: see the sample",
        ),
        at("Traefik", "no `addAuthCookiesToResponse`"),
        everywhere(
            "with the cookie, `Cache-Control: no-store` in place of the application's, and none of \
             CDN-Cache-Control, Surrogate-Control and their like",
        ),
    ],
    run: |bench| Box::pin(run(bench)),
};

async fn run(bench: &Bench) -> Outcome {
    let public = bench.public()?;
    let name = &bench.session().await?.cookie_name;
    // A cookie that opens nothing is taken away where a rule lets strangers pass.
    let target = format!("{}?{}&cache=60", public.path, bench.unique());
    let dead = format!("{name}=didt-doctor");
    let plain = Request::get(&bench.guarded).target(target).header("Cookie", dead);
    let (Reply::Upstream(answer) | Reply::Given(answer)) = bench.ask(&plain).await? else {
        return Ok(Found::unless(Vec::new(), "no answer came with the cookie"));
    };
    if !answer.all("set-cookie").any(|cookie| cookie.starts_with(&format!("{name}="))) {
        return Ok(Found::unless(Vec::new(), "a dead cookie is not taken away there"));
    }
    Ok(Found::unless(storable(&answer), "the answer is stored by nobody"))
}

/// What lets some cache store the answer.
fn storable(answer: &Answer) -> Vec<String> {
    const TARGETED: [&str; 6] = [
        "cdn-cache-control",
        "surrogate-control",
        "cloudflare-cdn-cache-control",
        "edge-control",
        "x-accel-expires",
        "expires",
    ];
    let control = answer.all("cache-control").collect::<Vec<_>>().join(", ").to_ascii_lowercase();
    let mut wrong = Vec::new();
    if !control.split(',').any(|directive| directive.trim() == "no-store") {
        wrong.push(format!("the cookie comes with Cache-Control: {control}"));
    }
    let targeted = TARGETED.iter().filter(|name| answer.has(name));
    wrong.extend(targeted.map(|name| format!("the cookie comes with {name}")));
    wrong
}
