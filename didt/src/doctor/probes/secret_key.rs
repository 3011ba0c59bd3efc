//! Does the secret key work, and of which application is it?

use crate::doctor::examination::Examination;
use crate::doctor::finding::{Found, Inconclusive, Outcome, Severity};
use crate::doctor::probe::{Probe, everywhere};
use tower_didt::magic::MagicError;

/// Only where there is a key to try.
pub(in crate::doctor) const PROBE: Probe = Probe {
    name: "secret-key",
    severity: Severity::Serious,
    claim: "Magic takes the secret key, and it is of the gateway's application",
    why: "With a key that Magic refuses nobody can sign in, and with another application's \
          key Magic knows none of the people who do.",
    mend: &[everywhere(
        "copy the secret key (sk_live_…) of this application from Magic's dashboard into \
         `magic.secret_key_file`",
    )],
    run: |examination| Box::pin(run(examination)),
};

async fn run(examination: &Examination) -> Outcome {
    let Some(secret_key) = &examination.secret_key else {
        return Err(Inconclusive::skipped("it needs a secret key: --secret-key-file"));
    };
    let id = match secret_key.api.client_id().await {
        Ok(id) => id,
        Err(error @ (MagicError::Unavailable(_) | MagicError::RateLimited { .. })) => {
            return Err(Inconclusive::unknown(error.to_string()));
        }
        Err(error) => return Ok(Found::Failed(vec![error.to_string()])),
    };
    match &secret_key.audience {
        Some(audience) if *audience != id => Ok(Found::Failed(vec![format!(
            "the secret key is of the application {id}, and --audience says {audience}"
        )])),
        _ => Ok(Found::Passed(format!("of the application {id}"))),
    }
}
