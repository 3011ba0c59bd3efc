//! How long something takes, where the feature `metrics` wants to know.

/// Measures how long something takes; holds nothing without the feature `metrics`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(#[cfg(feature = "metrics")] std::time::Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(
            #[cfg(feature = "metrics")]
            std::time::Instant::now(),
        )
    }

    #[cfg(feature = "metrics")]
    pub(crate) fn elapsed(self) -> std::time::Duration {
        self.0.elapsed()
    }
}
