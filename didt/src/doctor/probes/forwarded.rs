//! Is a client believed that claims to ask for something else?

use crate::doctor::examination::Examination;
use crate::doctor::finding::{Found, Outcome, Severity};
use crate::doctor::probe::{Probe, at};
use crate::doctor::wire::Request;

pub(super) const PROBE: Probe = Probe {
    name: "forwarded-headers",
    severity: Severity::Critical,
    claim: "a client's own X-Forwarded-* and X-Original-* headers open nothing",
    why: "The check decides by these headers. A client that can set them asks about \
          the public page and gets the private one.",
    mend: &[
        at(
            "nginx",
            "set X-Original-Method, -Scheme, -Host, -URI, -Upgrade, an empty \
                     X-Original-URL and all X-Forwarded-* in the check's location: headers that are not set there pass through",
        ),
        at("Traefik", "no `trustForwardHeader`, no `forwardedHeaders.insecure`"),
        at("Caddy", "`trusted_proxies` only for proxies that are really in front"),
        at("HAProxy", "let the script send its own values only"),
    ],
    run: |examination| Box::pin(run(examination)),
};

async fn run(examination: &Examination) -> Outcome {
    let claimed = examination.public().map_or("/", |public| public.path.as_str());
    let host = &examination.guarded.authority;
    let url = format!("{}{claimed}", examination.guarded.origin());
    let claims: Vec<(&str, &str)> = vec![
        ("X-Forwarded-Uri", claimed),
        ("X-Forwarded-Path", claimed),
        ("X-Forwarded-Prefix", claimed),
        ("X-Forwarded-Method", "OPTIONS"),
        ("X-Forwarded-Host", "didt-doctor.invalid"),
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Real-IP", "127.0.0.1"),
        ("X-Original-URL", &url),
        ("X-Original-URL", claimed),
        ("X-Original-URI", claimed),
        ("X-Original-Method", "OPTIONS"),
        ("X-Original-Host", "didt-doctor.invalid"),
        ("X-Original-Scheme", "http"),
        ("X-Host", "didt-doctor.invalid"),
        ("X-Forwarded-Server", "didt-doctor.invalid"),
        ("X-Forwarded-Port", "80"),
        ("X-Forwarded-Scheme", "http"),
        ("X-Forwarded-Ssl", "off"),
        ("X-Forwarded-User", "didt-doctor"),
        ("X-Forwarded-Email", "didt-doctor@didt-doctor.invalid"),
        ("True-Client-IP", "127.0.0.1"),
        ("X-Client-IP", "127.0.0.1"),
        ("Proxy", "http://didt-doctor.invalid"),
        ("X-Rewrite-URL", claimed),
        ("X-HTTP-Method-Override", "OPTIONS"),
        ("X-Auth-Request-Redirect", claimed),
        ("Forwarded", "for=127.0.0.1;proto=https"),
    ];
    let plain = || Request::get(&examination.guarded);
    let mut wrong = Vec::new();
    for (name, value) in &claims {
        let what = format!("a request with {name}: {value}");
        wrong.extend(examination.must_refuse(&what, &plain().header(*name, *value)).await?);
    }
    let all = claims.iter().fold(plain(), |request, (name, value)| request.header(*name, *value));
    wrong.extend(examination.must_refuse("a request with all of them", &all).await?);
    let one = plain()
        .header("X-Forwarded-Uri", claimed)
        .header("X-Forwarded-Host", host)
        .header("X-Forwarded-Method", "GET");
    wrong.extend(examination.must_refuse("a request that claims to be another", &one).await?);
    Ok(Found::unless(wrong, format!("{} claims open nothing", claims.len() + 2)))
}
