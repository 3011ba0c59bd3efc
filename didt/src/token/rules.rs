//! What the command line demands of a token.

use std::time::Duration;

use clap::Args;
use tower_didt::{Audiences, Verifier};

use crate::arguments::{self, At};

/// What a token must fulfil.
#[derive(Args)]
#[command(next_help_heading = "Requirements")]
pub(crate) struct Rules {
    /// Your application's Magic client id; repeat it to accept several
    #[arg(
        long = "audience",
        value_name = "AUD",
        required_unless_present = "batch",
        value_parser = arguments::audience
    )]
    pub(crate) audiences: Vec<String>,

    /// The token's `add` must be the issuer's signature over this text
    #[arg(long, value_name = "TEXT")]
    pub(crate) attachment: Option<String>,

    /// Reject a token that was issued longer ago than this, whatever its expiry
    #[arg(long, value_name = "SECONDS", value_parser = arguments::seconds)]
    max_age: Option<Duration>,

    #[command(flatten)]
    pub(crate) at: At,
}

impl Rules {
    /// The audiences of the command line.
    pub(crate) fn audiences(&self) -> Audiences {
        self.audiences.iter().map(String::as_str).collect()
    }

    /// A verifier with these rules, for these audiences and this attachment.
    pub(crate) fn verifier(&self, audiences: Audiences, attachment: Option<&str>) -> Verifier {
        let mut verifier = Verifier::new(audiences);
        if let Some(attachment) = attachment {
            verifier = verifier.with_attachment(attachment);
        }
        if let Some(max_age) = self.max_age {
            verifier = verifier.with_max_age(max_age);
        }
        verifier
    }
}
