//! The signal to stop, which all tasks receive.

use tokio::sync::watch;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
enum Phase {
    Serving,
    Finishing,
    Over,
}

/// Signals shutdown to all [`Stop`]s; dropping it signals that it is over.
#[derive(Debug)]
pub(crate) struct Stopper(watch::Sender<Phase>);

impl Stopper {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(Phase::Serving))
    }

    pub(crate) fn stop(&self) -> Stop {
        Stop(self.0.subscribe())
    }

    /// Nothing new is begun; what was begun is finished.
    pub(crate) fn finish(&self) {
        self.advance_to(Phase::Finishing);
    }

    /// What is not finished now never is.
    pub(crate) fn end(&self) {
        self.advance_to(Phase::Over);
    }

    fn advance_to(&self, next: Phase) {
        self.0.send_if_modified(|phase| {
            let later = *phase < next;
            if later {
                *phase = next;
            }
            later
        });
    }
}

/// Hears when to stop.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Receiver<Phase>);

impl Stop {
    /// Waits until nothing new is to be begun.
    pub(crate) async fn finishing(&mut self) {
        self.at_least(Phase::Finishing).await;
    }

    /// Waits until it is over.
    pub(crate) async fn over(&mut self) {
        self.at_least(Phase::Over).await;
    }

    /// Whether nothing new is to be begun.
    pub(crate) fn is_finishing(&self) -> bool {
        *self.0.borrow() >= Phase::Finishing
    }

    async fn at_least(&mut self, wanted: Phase) {
        // An error is that whoever could tell is gone: then it is over.
        let _ = self.0.wait_for(|phase| *phase >= wanted).await;
    }
}
