//! Does the upstream get to see credentials that it has no use for?

use crate::doctor::examination::{Examination, Reply};
use crate::doctor::finding::{Found, Outcome, Severity};
use crate::doctor::probe::{Probe, at};
use crate::doctor::seen::Seen;

pub(super) const PROBE: Probe = Probe {
    name: "upstream-credentials",
    severity: Severity::Warning,
    claim: "the session cookie and the token stay at the gateway",
    why: "An upstream that sees them can act as the user everywhere, and so can anyone who \
          reads its logs.",
    mend: &[
        at(
            "nginx",
            "`proxy_set_header Authorization \"\";`, and Cookie through a `map` \
                     that removes the session cookie",
        ),
        at("Caddy", "`header_up -Authorization` and a replacement in `header_up Cookie`"),
        at("HAProxy", "`http-request del-header Authorization`, and `replace-header Cookie`"),
        at("Envoy", "`request_headers_to_remove: [authorization]`; the cookie by Lua"),
    ],
    run: |examination| Box::pin(run(examination)),
};

async fn run(examination: &Examination) -> Outcome {
    let session = examination.session().await?;
    let mut wrong = Vec::new();
    if session.seen.all("cookie").iter().any(|cookie| cookie.contains(&session.cookie)) {
        wrong.push(format!("the upstream sees the cookie {}", session.cookie_name));
    }
    let token = examination
        .fresh("GET")
        .header("Authorization", format!("Bearer {}", examination.token()?));
    if let Reply::Upstream(answer) = examination.ask(&token).await?
        && Seen::read(&answer).is_some_and(|seen| !seen.all("authorization").is_empty())
    {
        wrong.push("the upstream sees Authorization".to_owned());
    }
    Ok(Found::unless(wrong, "the upstream sees neither of them"))
}
