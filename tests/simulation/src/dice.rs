//! Chance that can be replayed.

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

#[derive(Debug)]
pub(crate) struct Dice(Xoshiro256PlusPlus);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    /// One of `0..below`; 0 if there is none.
    pub(crate) fn below(&mut self, below: usize) -> usize {
        if below == 0 { 0 } else { self.0.random_range(0..below) }
    }

    /// From `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        self.0.random_range(low..=high.max(low))
    }

    /// Up to `most` in either direction.
    pub(crate) fn either_way(&mut self, most: u64) -> i64 {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        self.0.random_range(-most..=most)
    }

    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.0.random_bool(probability.clamp(0.0, 1.0))
    }

    /// A span until the next of many independent events, which are `mean` apart on average.
    pub(crate) fn until_next(&mut self, mean: u64) -> u64 {
        let uniform: f64 = self.0.random_range(f64::EPSILON..1.0);
        (-uniform.ln() * mean as f64) as u64
    }
}
