//! Does the session cookie arrive at the client as it should?

use crate::doctor::examination::Examination;
use crate::doctor::finding::{Found, Outcome, Severity};
use crate::doctor::probe::{Probe, at, everywhere};
use crate::doctor::session::session_cookie;
use crate::doctor::wire::Answer;

pub(super) const PROBE: Probe = Probe {
    name: "sign-in-cookie",
    severity: Severity::Serious,
    claim: "signing in sets one cookie, with __Host-, Secure, HttpOnly and SameSite",
    why: "Without these attributes, scripts can read the session, plain HTTP reveals \
          it, and other hosts can replace it. Without the cookie, nobody can sign in.",
    mend: &[
        at(
            "nginx",
            "proxy the sign-in endpoints with a plain `proxy_pass`; no `proxy_hide_header \
                     Set-Cookie`, `proxy_cookie_flags`, `proxy_cookie_domain`",
        ),
        at(
            "Traefik",
            "`addAuthCookiesToResponse` is only for checks: sign-in \
                       has its own router",
        ),
        everywhere("`insecure_*` settings of the cookie are for development over HTTP only"),
    ],
    run: |examination| Box::pin(run(examination)),
};

async fn run(examination: &Examination) -> Outcome {
    let answer = examination.signed_in().await?;
    let Some((name, _)) = session_cookie(answer) else {
        return Ok(Found::Failed(vec!["signing in sets no cookie".to_owned()]));
    };
    Ok(Found::unless(faults(answer, name), format!("{name}, once, with all attributes")))
}

/// What is wrong with the `Set-Cookie` of this name.
pub(super) fn faults(answer: &Answer, name: &str) -> Vec<String> {
    let named = |cookie: &&str| cookie.split_once('=').is_some_and(|(other, _)| other == name);
    let cookies: Vec<_> = answer.all("set-cookie").filter(named).collect();
    let [cookie] = cookies[..] else {
        return vec![format!("{name} is set {} times", cookies.len())];
    };
    let attributes: Vec<_> =
        cookie.split(';').skip(1).map(|text| text.trim().to_ascii_lowercase()).collect();
    let has = |attribute: &str| attributes.iter().any(|other| other == attribute);
    let has_domain = attributes.iter().any(|attribute| attribute.starts_with("domain="));
    let rows = [
        (name.starts_with("__Host-") || name.starts_with("__Secure-"), "has no __Host- prefix"),
        (!(name.starts_with("__Host-") && has_domain), "has a Domain in spite of its __Host-"),
        (has("secure"), "is not Secure"),
        (has("httponly"), "is not HttpOnly"),
        (has("samesite=lax") || has("samesite=strict"), "is neither SameSite=Lax nor Strict"),
        (has("path=/"), "has not Path=/"),
    ];
    let broken = rows.into_iter().filter(|(holds, _)| !holds);
    broken.map(|(_, fault)| format!("{name} {fault}")).collect()
}
