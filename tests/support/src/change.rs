//! A change of a session's data while its store fails: it is made once or not at all.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tower_didt::SessionRecord;
use tower_didt::store::{DataUpdate, SessionData, SessionStore};

use crate::proxy::Proxy;
use crate::sessions::{Times, eventually, now, sign_in, unavailable, warm};

/// What is attached by the change. A proxy waits for these words.
const WORDS: &str = "words of the change";

/// A session whose data has been changed once, and is about to be changed again.
#[derive(Debug)]
pub struct Change {
    ticket: String,
    read: Arc<SessionRecord>,
}

impl Change {
    /// Signs in, and makes the first change.
    pub async fn begin(store: &impl SessionStore) -> Self {
        let (ticket, _) = sign_in(store, "alice").await;
        let load = async || store.load(&ticket, now()).await.expect("an answer").expect("it");
        let read = load().await;
        let first = read.data.changed_to(&SessionData::new(&"first").expect("JSON"));
        let update = store.update_data(&read, first, now()).await.expect("an answer");
        assert!(matches!(update, DataUpdate::Stored { .. }), "{update:?}");
        let read = load().await;
        Self { ticket, read }
    }

    /// The change itself, computed from what was read before.
    fn of<'a>(
        &'a self,
        store: &'a impl SessionStore,
    ) -> impl Future<Output = Result<DataUpdate, tower_didt::StoreError>> + 'a {
        let words = SessionData::new(&WORDS).expect("JSON");
        store.update_data(&self.read, self.read.data.changed_to(&words), now())
    }

    /// Each try is an error in time.
    pub async fn fails(&self, store: &impl SessionStore, limit: Duration) {
        for _ in 0..3 {
            let begin = Instant::now();
            unavailable(self.of(store).await);
            assert!(begin.elapsed() < limit, "{:?}", begin.elapsed());
        }
    }

    /// Once the store answers again: whoever loads the session sees whether the change was made, and
    /// the same change is made once in the end, however often it was tried.
    pub async fn is_made_once(&self, store: &impl SessionStore) {
        eventually(async || store.ready().await.is_ok()).await;
        let made = match self.found(store).await {
            (words, 1) if words == "first" => false,
            (words, 2) if words == WORDS => true,
            other => panic!("{other:?}"),
        };
        match self.of(store).await.expect("an answer") {
            DataUpdate::Stored { .. } => assert!(!made, "it was made twice"),
            DataUpdate::Conflict { current } => {
                assert!(current.is_none_or(|current| current.data.version() == 2));
            }
            other => panic!("the session was lost: {other:?}"),
        }
        assert_eq!(self.found(store).await, (WORDS.to_owned(), 2));
    }

    /// Nobody knows whether it was made: sent again, it would find its own and say that another was
    /// faster.
    pub async fn is_made_though_its_answer_is_lost(
        &self,
        store: &impl SessionStore,
        proxy: &Proxy,
    ) {
        // The server has said something by then; what it does takes less than this.
        let has_done = async || {
            tokio::time::sleep(Duration::from_millis(50)).await;
            true
        };
        unavailable(proxy.lose_answer(WORDS.as_bytes(), self.of(store), has_done).await);
        self.is_made_once(store).await;
    }

    /// Changes made `here` are read `there`, twenty times, each by a copy that is taken away; reports how
    /// long that took.
    pub async fn reach(here: &impl SessionStore, there: &impl SessionStore) {
        let mut times = Vec::new();
        for _ in 0..20 {
            times.push(Self::begin(here).await.reaches(here, there).await);
        }
        Times::new(times).report("changed here, read there");
    }

    /// Made through one store, it is read through another that has a copy of the session; how long
    /// that took. What the other then computes from its copy does not undo it.
    async fn reaches(&self, here: &impl SessionStore, there: &impl SessionStore) -> Duration {
        warm(there, &self.ticket).await;
        assert_eq!(self.found(there).await, ("first".to_owned(), 1));
        let update = self.of(here).await.expect("an answer");
        assert!(matches!(update, DataUpdate::Stored { .. }), "{update:?}");
        let took = eventually(async || self.found(there).await == (WORDS.to_owned(), 2)).await;
        let late = self.of(there).await.expect("an answer");
        assert!(matches!(late, DataUpdate::Conflict { .. }), "{late:?}");
        took
    }

    /// What is attached, and how often it was changed.
    async fn found(&self, store: &impl SessionStore) -> (String, u64) {
        let found = store.load(&self.ticket, now()).await.expect("an answer").expect("a session");
        (found.data.read().expect("words").expect("words"), found.data.version())
    }
}
