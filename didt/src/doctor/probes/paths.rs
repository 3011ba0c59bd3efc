//! Do path tricks get past the rules?

use super::tricks;
use crate::doctor::examination::{Examination, Reply};
use crate::doctor::finding::{Found, Inconclusive, Outcome, Severity};
use crate::doctor::probe::{Mend, Probe, at, everywhere};
use crate::doctor::seen::Seen;
use crate::doctor::wire::Request;

pub(super) const THROUGH_PUBLIC: Probe = Probe {
    name: "paths-public",
    severity: Severity::Critical,
    claim: "no path that looks public leads to the guarded route",
    why: "Gateway, check and upstream read paths differently: `..`, encodings, `;`, `#`. A path \
          that is public to the rules and private to the upstream needs no session.",
    mend: MEND,
    run: |examination| {
        Box::pin(async {
            let public = examination.public()?;
            let targets = tricks::through_public(&public.path, &examination.guarded.path);
            try_all(examination, targets).await
        })
    },
};

pub(super) const AROUND_GUARDED: Probe = Probe {
    name: "paths-guarded",
    claim: "no other spelling of the guarded path leads to it",
    run: |examination| {
        Box::pin(try_all(examination, tricks::around_guarded(&examination.guarded.path)))
    },
    ..THROUGH_PUBLIC
};

pub(super) const CASE: Probe = Probe {
    name: "path-case",
    severity: Severity::Warning,
    claim: "the guarded path in capitals does not reach the upstream",
    why: "It matters if the upstream ignores letter case (Windows, IIS, some \
          frameworks): there, it is the guarded page.",
    mend: &[everywhere(
        "let the policy's default be `required`, so that unknown paths are guarded",
    )],
    run: |examination| Box::pin(case(examination)),
};

const MEND: &[Mend] = &[
    at(
        "nginx",
        "`proxy_set_header X-Original-URI $request_uri;` in the \
                 check's location, not $uri; no regular expressions for public locations; \
                 `merge_slashes on`",
    ),
    at(
        "Caddy",
        "no `path_regexp` and no `handle_path` for public paths; ask \
                 `forward_auth` about everything",
    ),
    at(
        "HAProxy",
        "`http-request normalize-uri path-strip-dotdot` is not enough: let the check \
                   see the raw path",
    ),
    at(
        "Envoy",
        "`normalize_path: true`, `merge_slashes: true`, \
                 `path_with_escaped_slashes_action: REJECT_REQUEST`",
    ),
    everywhere(
        "let `didt serve` decide what is public, by its policy: it refuses paths that can \
                be read in two ways",
    ),
];

async fn try_all(examination: &Examination, targets: Vec<String>) -> Outcome {
    // Where the gateway takes a prefix off, the upstream knows the route by another path.
    let session = examination.session().await.ok();
    let at_upstream = session.map(|session| {
        let target = &session.seen.target;
        target.split_once('?').map_or(target.as_str(), |(path, _)| path).to_owned()
    });
    let is_guarded = |target: &str| {
        let paths = [Some(&examination.guarded.path), at_upstream.as_ref()];
        paths.into_iter().flatten().any(|path| tricks::could_be(target, path))
    };
    let (mut wrong, mut untold) = (Vec::new(), None);
    for target in &targets {
        let request = Request::get(&examination.guarded).target(target);
        match examination.ask(&request).await? {
            Reply::Upstream(answer) => {
                let seen = Seen::read(&answer);
                let seen =
                    seen.ok_or_else(|| Inconclusive::unknown("an answer was garbled"))?.target;
                if is_guarded(&seen) {
                    wrong.push(format!("{target:?} reaches the upstream as {seen:?}"));
                }
            }
            Reply::Given(answer) => untold = untold.or(Some((target, answer.status))),
            Reply::Refused(_) | Reply::Closed => {}
        }
    }
    // It may be the guarded page, or one for everybody.
    if wrong.is_empty()
        && let Some((target, status)) = untold
    {
        return Err(Inconclusive::unknown(format!(
            "{target:?} is answered with {status}, but not by didt echo: which page is that?"
        )));
    }
    Ok(Found::unless(wrong, format!("{} paths lead nowhere", targets.len())))
}

async fn case(examination: &Examination) -> Outcome {
    let capitals = examination.guarded.path.to_ascii_uppercase();
    if capitals == examination.guarded.path {
        return Err(Inconclusive::skipped("the guarded path has no lower-case letters"));
    }
    let request = Request::get(&examination.guarded).target(&capitals);
    let wrong =
        examination.must_refuse(&format!("without a session, {capitals}"), &request).await?;
    Ok(Found::unless(wrong.into_iter().collect(), format!("{capitals} is refused")))
}
