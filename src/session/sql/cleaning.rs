//! Removes what nobody needs any more, a little at a time.

use std::sync::Weak;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::session::StoreError;

/// How many rows of each table one step of cleaning removes: some milliseconds of work.
const CLEANED_AT_ONCE: i32 = 1000;

/// How many steps one round of cleaning takes at most: with [`CLEANED_AT_ONCE`] rows of each table,
/// far more than one round's time brings, and an end.
const MAX_CLEANING_STEPS: u32 = 10_000;

/// A database that can be cleaned in steps.
pub(in crate::session) trait Clean: Send + Sync + 'static {
    /// What a step knows of those before it in the same round.
    type Progress: Send;

    /// What the first step of a round knows.
    fn begin() -> Self::Progress;

    /// Removes up to so many rows of each table; how many rows it removed. 0 ends the round.
    fn step(
        &self,
        rows: i32,
        progress: &mut Self::Progress,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Says how a round in the background went: how many rows it removed, one at least, or why it failed.
    fn report(outcome: Result<u64, &StoreError>);
}

/// Cleans at regular times, until the store is gone.
pub(in crate::session) async fn clean_for_ever<C: Clean>(store: Weak<C>, interval: Duration) {
    loop {
        sleep(interval).await;
        let Some(store) = store.upgrade() else { return };
        match clean(&*store).await {
            Ok(0) => {}
            outcome => C::report(outcome.as_ref().copied()),
        }
    }
}

/// Cleans step by step until nothing is left to remove; how many rows it removed. After each step it
/// pauses for as long as the step took, so that others have at least half of the database's time.
pub(in crate::session) async fn clean<C: Clean>(store: &C) -> Result<u64, StoreError> {
    let (mut rows, mut progress) = (0, C::begin());
    for _ in 0..MAX_CLEANING_STEPS {
        let begin = Instant::now();
        let removed = store.step(CLEANED_AT_ONCE, &mut progress).await?;
        rows += removed;
        if removed == 0 {
            break;
        }
        sleep(begin.elapsed()).await;
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// How long a step takes.
    const STEP: Duration = Duration::from_secs(1);

    /// Rows to remove, how many steps and rounds were begun, and the step that fails.
    struct Rows {
        left: AtomicU64,
        steps: AtomicU64,
        rounds: AtomicU64,
        fails: u64,
    }

    impl Rows {
        fn new(left: u64) -> Self {
            let [steps, rounds] = [0, 0].map(AtomicU64::new);
            Self { left: AtomicU64::new(left), steps, rounds, fails: 0 }
        }

        fn left(&self) -> u64 {
            self.left.load(Ordering::Relaxed)
        }

        fn steps(&self) -> u64 {
            self.steps.load(Ordering::Relaxed)
        }
    }

    impl Clean for Rows {
        /// How many steps of the round were made.
        type Progress = u64;

        fn begin() -> u64 {
            0
        }

        async fn step(&self, rows: i32, progress: &mut u64) -> Result<u64, StoreError> {
            sleep(STEP).await;
            self.rounds.fetch_add(u64::from(*progress == 0), Ordering::Relaxed);
            *progress += 1;
            let step = self.steps.fetch_add(1, Ordering::Relaxed) + 1;
            if step == self.fails {
                return Err(StoreError::Unsupported);
            }
            let removed = self.left().min(u64::try_from(rows).expect("a count"));
            self.left.fetch_sub(removed, Ordering::Relaxed);
            Ok(removed)
        }

        fn report(_: Result<u64, &StoreError>) {}
    }

    #[tokio::test(start_paused = true)]
    async fn a_round_removes_all_in_steps_and_rests_for_as_long_as_it_works() {
        let (rows, begin) = (Rows::new(2_500), Instant::now());
        assert_eq!(clean(&rows).await.expect("an answer"), 2_500);
        assert_eq!((rows.left(), rows.steps()), (0, 4), "three steps, and one that finds nothing");
        // (Time that is only counted.)
        assert_eq!(begin.elapsed(), 7 * STEP);
    }

    #[tokio::test(start_paused = true)]
    async fn a_round_without_end_stops_after_its_last_step() {
        let rows = Rows::new(u64::MAX);
        clean(&rows).await.expect("an answer");
        assert_eq!(rows.steps(), u64::from(MAX_CLEANING_STEPS));
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_ends_the_round_and_the_next_one_goes_on_until_the_store_is_gone() {
        let rows = Arc::new(Rows { fails: 3, ..Rows::new(5_500) });
        let cleaning = tokio::spawn(clean_for_ever(Arc::downgrade(&rows), Duration::from_secs(60)));
        sleep(Duration::from_secs(59)).await;
        assert_eq!(rows.steps(), 0, "nothing before the first interval");
        sleep(Duration::from_secs(31)).await;
        assert_eq!((rows.left(), rows.steps()), (3_500, 3));
        sleep(Duration::from_secs(120)).await;
        assert_eq!((rows.left(), rows.rounds.load(Ordering::Relaxed)), (0, 3));
        drop(rows);
        cleaning.await.expect("no panic");
    }
}
