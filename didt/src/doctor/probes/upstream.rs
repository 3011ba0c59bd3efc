//! Is `didt echo` behind the gateway? If not, what reached the upstream cannot be seen.

use crate::doctor::examination::{Examination, Reply};
use crate::doctor::finding::{Found, Inconclusive, Outcome, Severity};
use crate::doctor::probe::{Probe, everywhere};
use crate::doctor::wire::Request;

pub(super) const PROBE: Probe = Probe {
    name: "upstream",
    severity: Severity::Serious,
    claim: "didt echo is the upstream of the routes",
    why: "Only didt echo shows what came through the gateway. With another upstream, the \
          other probes may pass although something is wrong.",
    mend: &[everywhere(
        "make `didt echo --listen ADDRESS` the routes' upstream for the time being",
    )],
    run: |examination| Box::pin(run(examination)),
};

async fn run(examination: &Examination) -> Outcome {
    let session = examination.session().await;
    let public = examination.public();
    if let (Err(Inconclusive::Skipped(_)), Err(_)) = (&session, &public) {
        return Err(Inconclusive::skipped("it needs a session, or a public route: --public"));
    }
    let mut wrong = Vec::new();
    match session {
        Ok(_) | Err(Inconclusive::Skipped(_)) => {}
        Err(Inconclusive::Unknown(reason)) => return Err(Inconclusive::Unknown(reason)),
    }
    if let Ok(public) = public {
        match examination.ask(&Request::get(public)).await? {
            Reply::Upstream(_) => {}
            Reply::Given(answer) | Reply::Refused(answer) => {
                wrong.push(format!("{public} answers {}, but not as didt echo", answer.status));
            }
            Reply::Closed => wrong.push(format!("{public} does not answer")),
        }
    }
    Ok(Found::unless(wrong, "didt echo is the upstream"))
}
