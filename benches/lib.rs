//! What the benchmarks share.

pub mod calls;
mod rounds;

pub use rounds::Rounds;
use tower_didt::testing::Wallet;

/// A Magic client id for which all tokens here are made.
pub const AUDIENCE: &str = "did:magic:f54168e9-9ce9-47f2-81c8-7cb2a96b26ba";

/// A token of an issuer of its own for each number.
#[must_use]
pub fn token(number: usize) -> String {
    Wallet::from_seed(number.to_string()).token(AUDIENCE).mint()
}

/// The middle one; not a number if there is none.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
