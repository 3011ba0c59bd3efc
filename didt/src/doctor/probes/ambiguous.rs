//! Credentials that two readers could read differently.

use crate::doctor::examination::{Examination, Reply};
use crate::doctor::finding::{Found, Inconclusive, Outcome, Severity};
use crate::doctor::probe::{Probe, at, everywhere};

pub(super) const PROBE: Probe = Probe {
    name: "ambiguous-credentials",
    severity: Severity::Serious,
    claim: "duplicate credentials are refused",
    why: "If the gateway asks about one and the upstream reads the other, a request \
          passes as one user and acts as another.",
    mend: &[
        at(
            "nginx",
            "use 1.23 or newer, which refuses a second Authorization; pass Cookie on unchanged",
        ),
        at(
            "HAProxy",
            "`http-request deny if { req.hdr_cnt(authorization) gt 1 }`, and do not \
                       join or pick headers in the script",
        ),
        everywhere(
            "pass all Authorization and Cookie headers to the check as they came: `didt \
                    serve` refuses duplicates",
        ),
    ],
    run: |examination| Box::pin(run(examination)),
};

async fn run(examination: &Examination) -> Outcome {
    let session = examination.session().await?;
    let plain = || examination.fresh("GET");
    let mut wrong = Vec::new();

    // Of a living session and a cookie that opens nothing the former counts; of two living ones
    // none.
    let cookies = match (&session.cookie, examination.other_user().await?) {
        (one, Some(two)) => vec![
            plain().header("Cookie", format!("{one}; {two}")),
            plain().header("Cookie", format!("{two}; {one}")),
            plain().header("Cookie", one).header("Cookie", &two),
            plain().header("Cookie", &two).header("Cookie", one),
        ],
        (_, None) => Vec::new(),
    };
    for request in &cookies {
        wrong.extend(
            examination.must_refuse("a request with the cookies of two users", request).await?,
        );
    }

    let bearer = || examination.token().map(|token| format!("Bearer {token}"));
    let single = plain().header("Authorization", bearer()?);
    if !matches!(examination.ask(&single).await?, Reply::Upstream(_)) {
        wrong.dedup();
        return if wrong.is_empty() {
            Err(Inconclusive::unknown(
                "the cookies of two users are refused; two tokens were not tried, as even one \
                               token does not pass",
            ))
        } else {
            Ok(Found::Failed(wrong))
        };
    }
    let token = bearer()?;
    let tokens = [
        plain().header("Authorization", &token).header("Authorization", &token),
        plain().header("Authorization", &token).header("Authorization", "Bearer another"),
        plain().header("Authorization", "Basic YTpi").header("Authorization", &token),
        plain().header("Authorization", format!("{token}, {token}")),
        plain().header("Authorization", format!("{token}, Basic YTpi")),
        plain().header("Authorization", format!("Basic YTpi, {token}")),
    ];
    for request in &tokens {
        wrong.extend(examination.must_refuse("a request with two credentials", request).await?);
    }
    wrong.dedup();
    Ok(Found::unless(wrong, format!("{} duplicates are refused", cookies.len() + tokens.len())))
}
