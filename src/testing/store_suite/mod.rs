//! What every [`SessionStore`] has to pass, your own included.
//!
//! ```
//! use tower_didt::MemoryStore;
//! use tower_didt::testing::store_suite;
//!
//! # async fn test() {
//! store_suite::run(|| async { MemoryStore::new() }).await;
//! # }
//! ```
//!
//! One behaviour after the other is tried on a store that `make` makes for it;
//! at the end [`run`] panics with one line for each that failed. The suite waits
//! for no time to pass: it hands every call a `now` that begins at the system's
//! clock and runs ahead by seconds to hours. Users are new ones in every case and
//! every run, so a store of a server need not be emptied in between. A store that
//! [lists no sessions](SessionStore::lists_sessions) is held to saying so, and
//! else to all the rest.
//!
//! Several calls at a time are made from threads of the suite's own. A store
//! whose futures need a runtime around them brings it:
//!
//! ```
//! use tower_didt::MemoryStore;
//! use tower_didt::testing::store_suite::StoreSuite;
//!
//! # async fn test() {
//! StoreSuite::new(|| async { MemoryStore::new() })
//!     .with_spawner(|task| drop(tokio::spawn(task)))
//!     .run()
//!     .await;
//! # }
//! ```

mod data;
mod ending;
mod fixture;
mod issuers;
mod lists;
mod lookup;
mod newest;
mod once;
mod races;
mod revoked;
mod touching;

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use self::fixture::{Fixture, Outcome, Spawner, Violation};
use self::races::on_a_thread;
use crate::did::{Clock, SystemClock};
use crate::session::SessionStore;

/// A task to run to its end, concurrently with others.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs the whole suite, each case on a new store.
///
/// # Panics
///
/// If the store fails a case. The message names all that it fails.
pub async fn run<S, F>(make: impl Fn() -> F + 'static)
where
    S: SessionStore,
    F: Future<Output = S> + 'static,
{
    StoreSuite::new(make).run().await;
}

/// The suite, for stores that need something set.
pub struct StoreSuite {
    make: Box<dyn Fn() -> Making>,
    spawner: Spawner,
    only: Option<Box<str>>,
}

type Making = Pin<Box<dyn Future<Output = Arc<dyn SessionStore>>>>;

impl StoreSuite {
    /// The suite for the stores that `make` makes: one for every case.
    ///
    /// They may share what they keep, as clients of one server do.
    #[must_use]
    pub fn new<S, F>(make: impl Fn() -> F + 'static) -> Self
    where
        S: SessionStore,
        F: Future<Output = S> + 'static,
    {
        let make = move || -> Making {
            let making = make();
            Box::pin(async move { Arc::new(making.await) as Arc<dyn SessionStore> })
        };
        Self { make: Box::new(make), spawner: Arc::new(on_a_thread), only: None }
    }

    /// How to run a task concurrently, such as a runtime's `spawn`. Defaults to a
    /// thread for each task. Where tasks take turns instead of running in parallel,
    /// the cases about races prove less.
    #[must_use]
    pub fn with_spawner(mut self, spawn: impl Fn(Task) + Send + Sync + 'static) -> Self {
        self.spawner = Arc::new(spawn);
        self
    }

    /// Runs only the case of this name. Defaults to all cases.
    #[must_use]
    pub fn only(mut self, case: &str) -> Self {
        self.only = Some(case.into());
        self
    }

    /// Runs the suite.
    ///
    /// # Panics
    ///
    /// If the store fails a case, or if there is no case of the given name.
    pub async fn run(&self) {
        let failures = self.failures().await;
        let lines: String = failures.iter().map(|failure| format!("\n  {failure}")).collect();
        assert!(failures.is_empty(), "the store fails {} case(s):{lines}", failures.len());
    }

    /// Runs the suite and returns the failures. A panic inside the store is a failure too.
    ///
    /// # Panics
    ///
    /// If there is no case of the given name.
    pub async fn failures(&self) -> Vec<Failure> {
        let chosen = |case: &&Case| self.only.as_deref().is_none_or(|name| name == case.name);
        let cases: Vec<_> = CASES.iter().filter(chosen).collect();
        assert!(!cases.is_empty(), "there is no case of that name; see `case_names`");
        let mut failures = Vec::new();
        for case in cases {
            let store = (self.make)().await;
            let fixture = Fixture::new(store, Arc::clone(&self.spawner), SystemClock.now());
            if let Err(violation) = without_panic((case.run)(fixture)).await {
                failures.push(Failure { case: case.name, violation });
            }
        }
        failures
    }
}

impl fmt::Debug for StoreSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreSuite").field("only", &self.only).finish_non_exhaustive()
    }
}

/// A case that a store fails.
#[derive(Debug)]
pub struct Failure {
    case: &'static str,
    violation: Violation,
}

impl Failure {
    /// The name of the case: the behaviour that is missing, in snake case.
    #[must_use]
    pub const fn case(&self) -> &'static str {
        self.case
    }
}

impl fmt::Display for Failure {
    /// The case's name, and a sentence about what went wrong.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.case, self.violation)
    }
}

/// The names of all cases, in the order in which they run.
pub fn case_names() -> impl Iterator<Item = &'static str> {
    CASES.iter().map(|case| case.name)
}

struct Case {
    name: &'static str,
    run: fn(Fixture) -> Pin<Box<dyn Future<Output = Outcome> + Send>>,
}

macro_rules! cases {
    ($($(#[$only:meta])? $rule:ident::$name:ident,)*) => {
        &[$($(#[$only])? Case { name: stringify!($name), run: |fixture| Box::pin($rule::$name(fixture)) },)*]
    };
}

/// Every case. Add one here and it runs for every store.
const CASES: &[Case] = cases![
    once::a_token_makes_one_session,
    once::of_many_mints_at_once_one_makes_a_session,
    once::a_claimed_token_makes_no_session,
    once::a_token_that_made_a_session_cannot_be_claimed,
    once::of_mints_and_claims_at_once_one_succeeds,
    once::a_token_is_used_from_then_on_and_no_other_is,
    once::a_used_token_stays_used_until_it_is_refused_anyway,
    once::a_mint_with_a_used_token_changes_nothing,
    once::the_end_of_a_session_does_not_free_its_token,
    #[cfg(feature = "layer")]
    once::what_is_nobodys_is_used_up_whoever_brings_it,
    newest::a_newer_token_supersedes_older_ones,
    newest::a_token_from_the_future_locks_nobody_out,
    newest::the_newest_token_is_not_used_by_being_the_newest,
    newest::signing_out_does_not_bring_older_tokens_back,
    lookup::a_session_is_found_as_it_was_minted,
    lookup::two_sessions_have_two_tickets_and_two_handles,
    lookup::a_ticket_can_be_put_into_a_cookie,
    lookup::strange_tickets_open_nothing,
    lookup::a_ticket_that_was_changed_opens_nothing,
    lookup::a_handle_is_no_ticket,
    lookup::data_comes_back_as_it_was_attached,
    lookup::a_store_that_answers_is_ready,
    lookup::sessions_are_listed_oldest_first,
    lookup::expired_sessions_are_not_listed,
    issuers::issuers_with_sessions_are_listed_and_no_others,
    lists::a_list_comes_in_pages_oldest_first,
    lists::no_page_is_longer_than_the_longest,
    lists::a_cursor_survives_the_sessions_around_it,
    lists::a_cursor_that_was_made_up_shows_nothing_of_others,
    lists::expired_sessions_do_not_stop_a_list,
    lists::an_issuer_has_256_sessions_unless_it_is_said_otherwise,
    lists::a_limit_that_was_lowered_holds_in_bounded_steps,
    touching::touching_moves_last_seen_forward_and_never_back,
    touching::touching_changes_nothing_else,
    touching::touching_brings_no_session_back,
    data::changed_data_is_found_by_the_next_load,
    data::data_can_be_attached_and_taken_away,
    data::a_remembered_session_stays_remembered,
    data::changing_data_changes_nothing_else,
    data::of_two_changes_of_the_same_data_one_is_refused,
    data::of_many_changes_at_once_one_is_stored,
    data::changing_data_brings_no_session_back,
    data::nobody_changes_the_data_of_another_issuer,
    ending::revoking_ends_one_session,
    ending::nobody_ends_the_session_of_another_issuer,
    ending::unknown_handles_end_nothing,
    ending::revoking_all_ends_every_older_session_and_no_younger_one,
    ending::revoking_all_leaves_other_issuers_alone,
    revoked::revoking_all_ends_older_tokens_used_or_not,
    revoked::revoking_all_ends_tokens_dated_ahead_that_were_presented,
    revoked::after_revoking_all_a_fresh_token_signs_in,
    revoked::revoked_tokens_stay_revoked_when_clocks_differ,
    revoked::revoking_all_leaves_tokens_of_others_alone,
    revoked::revoking_one_session_leaves_tokens_alone,
    ending::a_replaced_session_ends,
    ending::a_replaced_session_of_another_issuer_ends,
    ending::the_oldest_session_makes_room,
    races::a_touch_does_not_outrun_a_revocation,
    races::a_touch_does_not_outrun_the_revocation_of_all,
    races::a_mint_beside_a_revocation_of_all_is_ended_or_can_be,
    races::a_mint_beside_a_revocation_of_all_leaves_no_session_of_an_older_token,
    races::mints_at_once_stay_within_the_limit,
    // Last: a store that all cases share may take older tokens for used afterwards.
    lookup::extreme_times_do_no_harm,
];

/// Turns a panic into a violation, so that it is reported with the case's name.
async fn without_panic(mut case: Pin<Box<dyn Future<Output = Outcome> + Send>>) -> Outcome {
    std::future::poll_fn(|cx| {
        let poll = catch_unwind(AssertUnwindSafe(|| case.as_mut().poll(cx)));
        poll.unwrap_or_else(|_| Poll::Ready(Err(Violation::new("the store panicked"))))
    })
    .await
}
