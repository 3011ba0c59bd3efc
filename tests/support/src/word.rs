//! How long word of a change takes from one machine to another.

use std::time::{Duration, Instant};

use tower_didt::store::{DataUpdate, SessionData, SessionStore};

use crate::sessions::{Times, now, opens, sign_in, warm};

/// From a revocation on one machine to the refusal on another.
pub async fn of_revocations(
    a: &impl SessionStore,
    b: &impl SessionStore,
    everywhere: bool,
) -> Times {
    let mut times = Vec::new();
    for n in 0..250 {
        let (ticket, record) = sign_in(a, &format!("user {n}")).await;
        warm(b, &ticket).await;
        let begin = Instant::now();
        if everywhere {
            a.revoke_all(record.issuer, now()).await.expect("an answer");
        } else {
            assert!(a.revoke(record.issuer, record.handle, now()).await.expect("an answer"));
        }
        assert!(!opens(a, &ticket).await, "refused at once where it was revoked");
        while opens(b, &ticket).await {
            assert!(begin.elapsed() < Duration::from_secs(5), "the session never ends");
            tokio::task::yield_now().await;
        }
        times.push(begin.elapsed());
    }
    Times::new(times)
}

/// From a change of a session's data on one machine to reading it on another.
pub async fn of_changed_data(a: &impl SessionStore, b: &impl SessionStore) -> Times {
    let (ticket, _) = sign_in(a, "alice").await;
    let mut times = Vec::new();
    for n in 0..250 {
        warm(a, &ticket).await;
        warm(b, &ticket).await;
        let read = a.load(&ticket, now()).await.expect("an answer").expect("a session");
        let new = read.data.changed_to(&SessionData::new(&n).expect("JSON"));
        let begin = Instant::now();
        let update = a.update_data(&read, new, now()).await.expect("an answer");
        assert!(matches!(update, DataUpdate::Stored { .. }), "{update:?}");
        assert_eq!(number(a, &ticket).await, Some(n), "at once where it was changed");
        while number(b, &ticket).await != Some(n) {
            assert!(begin.elapsed() < Duration::from_secs(5), "it is never read");
            tokio::task::yield_now().await;
        }
        times.push(begin.elapsed());
        // Who has read the data from before changes nothing, whatever its own copies say.
        let late = read.data.changed_to(&SessionData::new(&1_000).expect("JSON"));
        let update = b.update_data(&read, late, now()).await.expect("an answer");
        let DataUpdate::Conflict { current: Some(current) } = update else {
            panic!("{update:?}");
        };
        assert_eq!(current.data.read::<u32>().expect("a number"), Some(n));
    }
    Times::new(times)
}

/// The number attached to a session, as a machine sees it.
async fn number(store: &impl SessionStore, ticket: &str) -> Option<u32> {
    let record = store.load(ticket, now()).await.expect("an answer").expect("a session");
    record.data.read().expect("a number")
}
