//! Which of Magic's APIs the stub is.

use serde::Deserialize;

/// The two generations of Magic's API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Generation {
    /// `https://api.toaster.magic.link`: bare objects.
    #[default]
    New,
    /// `https://api.magic.link`: objects in `{"data": …, "status": "ok"}`. It answers the new
    /// generation's paths in this form, too, so that a client can be tried with either.
    Old,
}
