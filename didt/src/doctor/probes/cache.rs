//! Does one caller get the answer that was made for another?

use crate::doctor::examination::{Examination, Reply};
use crate::doctor::finding::{Found, Inconclusive, Outcome, Severity};
use crate::doctor::probe::{Probe, at, everywhere};
use crate::doctor::seen::Seen;
use crate::doctor::wire::Request;

pub(super) const ANSWERS: Probe = Probe {
    name: "shared-cache",
    severity: Severity::Critical,
    claim: "an answer to one session is not given to others",
    why: "A cache that ignores the cookie gives one user's page to everyone, even \
          after that user has signed out.",
    mend: &[
        at(
            "nginx",
            "no `proxy_cache` in guarded locations, or `$didt_session` (the check's \
                     X-Auth-Session) in `proxy_cache_key` and `proxy_no_cache` where it is empty; \
                     for the check itself `proxy_cache off`",
        ),
        at("Varnish, CDN", "`Cache-Control: private` from the upstream, and no rule against it"),
        everywhere("never cache the check's answers"),
    ],
    run: |examination| Box::pin(answers(examination)),
};

pub(super) const REFUSALS: Probe = Probe {
    name: "kept-refusal",
    severity: Severity::Serious,
    claim: "a refusal of a stranger is not repeated to a session",
    why: "A cache that keeps the check's answers or the gateway's refusals and \
          ignores the cookie locks users out, and lets strangers in when a user asks first.",
    mend: &[
        at("nginx", "no `proxy_cache` in the check's location"),
        everywhere("never cache the check's answers"),
    ],
    run: |examination| Box::pin(refusals(examination)),
};

async fn refusals(examination: &Examination) -> Outcome {
    let session = examination.session().await?;
    let plain = examination.fresh("GET");
    if let Some(wrong) = examination.must_refuse("a stranger", &plain).await? {
        return Err(Inconclusive::unknown(wrong));
    }
    let wrong = match examination.ask(&plain.header("Cookie", &session.cookie)).await? {
        Reply::Upstream(_) => None,
        _ => Some("a session is refused a page that a stranger has just requested".to_owned()),
    };
    Ok(Found::unless(wrong.into_iter().collect(), "a session passes where a stranger was refused"))
}

async fn answers(examination: &Examination) -> Outcome {
    let session = examination.session().await?;
    let other = examination.other_user().await?;
    let (mut wrong, mut untold) = (Vec::new(), false);
    for cache in ["", "&cache=60"] {
        let target = format!("{}?{}{cache}", examination.guarded.path, examination.unique());
        let plain = Request::get(&examination.guarded).target(target);
        let first = pass(examination, &plain, &session.cookie).await?;
        // Whether a cache that answers knows users takes two of them to tell.
        match &other {
            Some(other) => {
                let Ok(second) = pass(examination, &plain, other).await else {
                    let address = examination.other_address().map(|it| it.to_string());
                    return Err(Inconclusive::unknown(format!(
                        "this needs two users, and the second is not let in: add {} to the list",
                        address.unwrap_or_default()
                    )));
                };
                if second.request == first.request {
                    wrong.push("one user's answer is given to another".to_owned());
                }
            }
            None => {
                untold |=
                    pass(examination, &plain, &session.cookie).await?.request == first.request;
            }
        }
        let stranger = format!("{}=another", session.cookie_name);
        let cacheable = if cache.is_empty() { "" } else { " (Cache-Control: public)" };
        let what = format!("without a cookie, a page that a session has just requested{cacheable}");
        wrong.extend(examination.must_refuse(&what, &plain).await?);
        let what =
            format!("with another cookie, a page that a session has just requested{cacheable}");
        wrong.extend(examination.must_refuse(&what, &plain.header("Cookie", stranger)).await?);
    }
    if let Some(other) = &other {
        examination.sign_out(other).await?;
    }
    if untold && wrong.is_empty() {
        return Err(Inconclusive::unknown(
            "a cache answers; whether it distinguishes users needs two users to \
             find out: --seed and --audience",
        ));
    }
    Ok(Found::unless(wrong, "a session's answers go to nobody else"))
}

/// What the upstream saw of a request with this cookie, now or before.
async fn pass(
    examination: &Examination,
    plain: &Request,
    cookie: &str,
) -> Result<Seen, Inconclusive> {
    match examination.ask(&plain.clone().header("Cookie", cookie)).await? {
        Reply::Upstream(answer) => {
            Seen::read(&answer).ok_or_else(|| Inconclusive::unknown("an answer was garbled"))
        }
        _ => Err(Inconclusive::unknown("a session does not pass with a query")),
    }
}
