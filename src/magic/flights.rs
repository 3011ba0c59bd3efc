//! One call answers everyone who asks the same question at the same time.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::error::{MagicError, Unavailable};
use super::{MagicUser, exchange::SharedError};
use crate::did::Issuer;

/// How many issuers may be asked about at a time. Each takes a task and a place in the queue for a
/// call; beyond that, look-ups fail at once, and clients retry.
const MAX_FLIGHTS: usize = 4096;

type Outcome = Result<MagicUser, MagicError>;

/// The look-ups under way, by issuer.
#[derive(Clone, Debug, Default)]
pub(super) struct Flights(Arc<Mutex<HashMap<Issuer, Landing>>>);

/// Where the outcome of a look-up arrives.
#[derive(Clone, Debug)]
pub(super) struct Landing(watch::Receiver<Option<Outcome>>);

impl Flights {
    /// Joins the look-up of an issuer, or begins it as a task of its own: it goes on if
    /// nobody waits for it any more.
    pub(super) fn join<F>(
        &self,
        issuer: Issuer,
        ask: impl FnOnce() -> F,
    ) -> Result<Landing, MagicError>
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = flights.len() < MAX_FLIGHTS;
        let vacant = match flights.entry(issuer) {
            Entry::Occupied(under_way) => return Ok(under_way.get().clone()),
            Entry::Vacant(_) if !room => return Err(MagicError::Unavailable(Unavailable::Busy)),
            Entry::Vacant(vacant) => vacant,
        };
        let runtime = Handle::try_current().map_err(|error| {
            let error: SharedError = Arc::new(error);
            MagicError::Unavailable(Unavailable::Connection(error))
        })?;
        let (sender, receiver) = watch::channel(None);
        let landing = vacant.insert(Landing(receiver)).clone();
        let (asking, end) = (ask(), End { flights: self.clone(), issuer });
        runtime.spawn(async move {
            let outcome = asking.await;
            // Off the list first: who asks from now on finds the answer in the cache.
            drop(end);
            sender.send_replace(Some(outcome));
        });
        Ok(landing)
    }
}

impl Landing {
    /// The outcome. It comes within the time budget of the look-up.
    pub(super) async fn outcome(mut self) -> Outcome {
        let ended = |outcome: &Option<Outcome>| outcome.is_some();
        match self.0.wait_for(ended).await.ok().and_then(|outcome| outcome.clone()) {
            Some(outcome) => outcome,
            // The task ended without an outcome: the runtime shuts down, or a hook panicked.
            None => Err(MagicError::Unavailable(Unavailable::TimedOut)),
        }
    }
}

/// Takes a look-up off the list, however it ends.
struct End {
    flights: Flights,
    issuer: Issuer,
}

impl Drop for End {
    fn drop(&mut self) {
        self.flights.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.issuer);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::did::Address;

    fn issuer(number: u32) -> Issuer {
        let mut bytes = [0; Address::LEN];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        Address::from_bytes(bytes).into()
    }

    #[tokio::test]
    async fn who_asks_the_same_at_the_same_time_shares_one_call() {
        let (flights, calls) = (Flights::default(), Arc::new(AtomicUsize::new(0)));
        let landings: Vec<_> = (0..1000)
            .map(|_| {
                let calls = Arc::clone(&calls);
                let asking = move || async move {
                    calls.fetch_add(1, Ordering::Relaxed);
                    Err(MagicError::NoSuchUser)
                };
                flights.join(issuer(1), asking).expect("room")
            })
            .collect();
        for landing in landings {
            assert!(matches!(landing.outcome().await, Err(MagicError::NoSuchUser)));
        }
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        assert!(flights.0.lock().expect("a lock").is_empty());
    }

    #[tokio::test]
    async fn a_call_that_panics_ends_its_look_up_for_everybody() {
        let flights = Flights::default();
        let landing = flights.join(issuer(1), || async { panic!("a hook") }).expect("room");
        assert!(landing.outcome().await.is_err());
        assert!(flights.0.lock().expect("a lock").is_empty());
    }

    #[tokio::test]
    async fn look_ups_under_way_are_bounded() {
        let flights = Flights::default();
        let wait = || std::future::pending::<Outcome>();
        let mut number = 0;
        let error = loop {
            match flights.join(issuer(number), wait) {
                Ok(_) => number += 1,
                Err(error) => break error,
            }
        };
        assert_eq!((number as usize, error.name()), (MAX_FLIGHTS, "busy"));
        // One more for an issuer who is asked about already is not another call.
        assert!(flights.join(issuer(0), wait).is_ok());
    }
}
