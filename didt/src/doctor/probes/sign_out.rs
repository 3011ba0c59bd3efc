//! Does signing out end the session at once, and take the cookie away?

use super::sign_in;
use crate::doctor::examination::{Examination, Reply};
use crate::doctor::finding::{Found, Inconclusive, Outcome, Severity};
use crate::doctor::probe::{Probe, at, everywhere};

pub(super) const PROBE: Probe = Probe {
    name: "sign-out",
    severity: Severity::Critical,
    claim: "a cookie is refused as soon as its session is signed out",
    why: "People who sign out on a shared computer, or revoke a stolen session, rely on \
          it. A cached yes lets the cookie pass until it leaves the cache.",
    mend: &[
        at("nginx", "no `proxy_cache` in the check's location"),
        at("Envoy", "no cache filter in front of ext_authz"),
        everywhere("with sealed sessions on several machines, one ledger of revocations for all"),
    ],
    run: |examination| Box::pin(run(examination)),
};

async fn run(examination: &Examination) -> Outcome {
    let session = examination.session().await?;
    let plain = examination.signed("GET", session);
    let target = format!("{}?{}&cache=60", examination.guarded.path, examination.unique());
    let cached = plain.clone().target(target);
    for request in [&plain, &cached] {
        if !matches!(examination.ask(request).await?, Reply::Upstream(_)) {
            return Err(Inconclusive::unknown("the session does not pass any more"));
        }
    }
    examination.signed_out().await?;
    let mut wrong = Vec::new();
    wrong.extend(examination.must_refuse("the cookie of a signed-out session", &plain).await?);
    wrong.extend(
        examination.must_refuse("with it, a page that was requested before", &cached).await?,
    );
    Ok(Found::unless(wrong, "the old cookie is refused at once"))
}

pub(super) const COOKIE: Probe = Probe {
    name: "sign-out-cookie",
    severity: Severity::Serious,
    claim: "signing out clears the cookie, with the attributes it was set with",
    why: "Browsers do not remove a __Host- cookie for a Set-Cookie without Secure and Path=/.",
    mend: &[everywhere("pass the sign-in endpoints' Set-Cookie to the client unchanged")],
    run: |examination| Box::pin(cookie(examination)),
};

async fn cookie(examination: &Examination) -> Outcome {
    let session = examination.session().await?;
    let answer = examination.signed_out().await?;
    let name = &session.cookie_name;
    let named = |cookie: &str| cookie.split_once('=').is_some_and(|(other, _)| other == name);
    let Some(cookie) = answer.all("set-cookie").find(|cookie| named(cookie)) else {
        return Ok(Found::Failed(vec!["signing out sets no cookie".to_owned()]));
    };
    let mut wrong = sign_in::faults(answer, name);
    let empty = cookie.starts_with(&format!("{name}=;"));
    if !empty || !cookie.to_ascii_lowercase().contains("max-age=0") {
        wrong.push(format!("{name} is not cleared"));
    }
    Ok(Found::unless(wrong, format!("{name} is cleared")))
}
