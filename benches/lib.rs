//! What the benchmarks share.

pub mod calls;
mod rounds;

pub use rounds::Rounds;

/// A Magic client id for which all tokens here are made.
pub const AUDIENCE: &str = "did:magic:f54168e9-9ce9-47f2-81c8-7cb2a96b26ba";

/// The middle one; not a number if there is none.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
