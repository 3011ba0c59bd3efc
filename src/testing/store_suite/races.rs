//! Calls at the same time, and what must hold after them.

use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use super::Task;
use super::fixture::{Fixture, Live, Outcome, Spawner, Violation, at_most, ensure};

/// How often a race is run: what goes wrong in one interleaving of a few may
/// need many tries to be seen.
const ROUNDS: usize = 32;

pub(super) async fn a_touch_does_not_outrun_a_revocation(f: Fixture) -> Outcome {
    for _ in 0..ROUNDS {
        let mut live = f.sign_in("alice").await?;
        let (issuer, handle) = (live.record.issuer, live.record.handle);
        let (store, now) = (Arc::clone(&f.store), f.now);
        let ending: Call =
            Box::pin(async move { store.revoke(issuer, handle, now).await.map(drop) });
        race_touches_with(&f, &mut live, ending).await?;
        f.is_gone(&live).await?;
    }
    Ok(())
}

pub(super) async fn a_touch_does_not_outrun_the_revocation_of_all(f: Fixture) -> Outcome {
    for round in 0..ROUNDS {
        let mut live = f.sign_in(&format!("user {round}")).await?;
        let issuer = live.record.issuer;
        let (store, now) = (Arc::clone(&f.store), f.now);
        let ending: Call = Box::pin(async move { store.revoke_all(issuer, now).await });
        race_touches_with(&f, &mut live, ending).await?;
        f.is_gone(&live).await?;
    }
    Ok(())
}

/// Whichever of the two comes first, no session may live that a list does not
/// show, or that the next revocation does not find.
pub(super) async fn a_mint_beside_a_revocation_of_all_is_ended_or_can_be(f: Fixture) -> Outcome {
    for round in 0..ROUNDS {
        let user = format!("user {round}");
        // Of tokens that are younger than the revocation.
        let (minted, alive) = mint_beside_a_revocation_of_all(&f, &user, 1).await?;
        if f.store.lists_sessions() {
            let listed = f.all_of(f.issuer(&user)).await?;
            let mut listed: Vec<_> = listed.iter().map(|record| record.handle).collect();
            let mut alive: Vec<_> = alive.iter().map(|live| live.record.handle).collect();
            listed.sort_unstable();
            alive.sort_unstable();
            ensure(listed == alive, "the sessions that live are not those that are listed")?;
        }
        f.store.revoke_all(f.issuer(&user), f.now).await?;
        for live in &minted {
            f.is_gone(live).await?;
        }
    }
    Ok(())
}

/// Whichever of the two comes first, the token was issued before the revocation.
pub(super) async fn a_mint_beside_a_revocation_of_all_leaves_no_session_of_an_older_token(
    f: Fixture,
) -> Outcome {
    for round in 0..ROUNDS {
        let user = format!("user {round}");
        let (_, alive) = mint_beside_a_revocation_of_all(&f, &user, 0).await?;
        ensure(alive.is_empty(), "an older token has a session after all was revoked")?;
    }
    Ok(())
}

/// Mints sessions of tokens issued at a second while all are revoked: all that were made, and
/// those that live afterwards.
async fn mint_beside_a_revocation_of_all(
    f: &Fixture,
    user: &str,
    second: i64,
) -> Outcome<(Vec<Arc<Live>>, Vec<Arc<Live>>)> {
    let mut calls: Vec<Racer<Option<Live>>> = Vec::new();
    for _ in 0..4 {
        let (f, session) = (f.clone(), f.session_issued(user, second)?);
        calls.push(Box::pin(async move { f.mint_unless_revoked(session).await }));
    }
    let (store, issuer, now) = (Arc::clone(&f.store), f.issuer(user), f.now);
    let ending = async move { Ok(store.revoke_all(issuer, now).await.map(|()| None)?) };
    calls.insert(2, Box::pin(ending));
    let minted = race(&f.spawner, calls).await?.into_iter().flatten().map(Arc::new);
    let (minted, mut alive): (Vec<_>, Vec<_>) = (minted.collect(), Vec::new());
    for live in &minted {
        if f.store.load(live.ticket(), f.now).await?.is_some() {
            alive.push(Arc::clone(live));
        }
    }
    Ok((minted, alive))
}

pub(super) async fn mints_at_once_stay_within_the_limit(f: Fixture) -> Outcome {
    if !f.store.lists_sessions() {
        return Ok(());
    }
    let mut calls = Vec::new();
    for _ in 0..16 {
        let (f, session) = (f.clone(), f.session("alice")?);
        let session = session.with_limit(at_most(3));
        calls.push(async move { f.mint(session, f.now).await });
    }
    let minted = race(&f.spawner, calls).await?;
    let mut alive = 0;
    for live in &minted {
        alive += usize::from(f.store.load(live.ticket(), f.now).await?.is_some());
    }
    let listed = f.all_of(f.issuer("alice")).await?.len();
    ensure(
        (alive, listed) == (3, 3),
        format!("of at most 3 sessions {alive} live and {listed} are listed"),
    )
}

/// Touches a session from two sides while `ending` ends it.
async fn race_touches_with(f: &Fixture, live: &mut Live, ending: Call) -> Outcome {
    let mut calls: Vec<Racer<Option<String>>> = Vec::new();
    for second in [60, 120] {
        let (store, record, at) = (Arc::clone(&f.store), Arc::clone(&live.record), f.at(second));
        calls.push(Box::pin(async move {
            let renewed = store.touch(&record, at).await?.renewed;
            Ok(renewed.map(|ticket| ticket.expose_secret().to_owned()))
        }));
    }
    calls.insert(1, Box::pin(async move { Ok(ending.await.map(|()| None)?) }));
    for ticket in race(&f.spawner, calls).await?.into_iter().flatten() {
        live.renew(ticket);
    }
    Ok(())
}

type Boxed<T> = std::pin::Pin<Box<dyn Future<Output = T> + Send>>;
type Call = Boxed<Result<(), crate::session::StoreError>>;
type Racer<T> = Boxed<Outcome<T>>;

/// Runs calls at the same time, from one starting shot on; what each gave, in their order.
pub(super) async fn race<T, R>(
    spawner: &Spawner,
    calls: impl IntoIterator<Item = R>,
) -> Outcome<Vec<T>>
where
    T: Send + 'static,
    R: Future<Output = Outcome<T>> + Send + 'static,
{
    let race = Arc::new(Race::default());
    let mut runners = 0;
    for call in calls {
        let lane = Lane { race: Arc::clone(&race), number: runners };
        lane.lock().results.push(None);
        runners += 1;
        spawner(Box::pin(async move {
            lane.at_the_start().await;
            let result = call.await;
            lane.finish(result);
        }));
    }
    poll_fn(|cx| race.wait(cx, |state| state.ready + state.done >= runners)).await;
    race.change(|state| state.started = true);
    poll_fn(|cx| race.wait(cx, |state| state.done == runners)).await;
    let results = std::mem::take(&mut race.lock().results);
    let lost = || Err(Violation::new("a call panicked or was dropped"));
    results.into_iter().map(|result| result.unwrap_or_else(lost)).collect()
}

struct Race<T>(Mutex<State<T>>);

struct State<T> {
    ready: usize,
    started: bool,
    done: usize,
    results: Vec<Option<Outcome<T>>>,
    waiting: Vec<Waker>,
}

impl<T> Default for Race<T> {
    fn default() -> Self {
        let (results, waiting) = (Vec::new(), Vec::new());
        Self(Mutex::new(State { ready: 0, started: false, done: 0, results, waiting }))
    }
}

impl<T> Race<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State<T>)) {
        let mut state = self.lock();
        change(&mut state);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }

    fn wait(&self, cx: &Context<'_>, until: impl Fn(&State<T>) -> bool) -> Poll<()> {
        let mut state = self.lock();
        if until(&state) {
            return Poll::Ready(());
        }
        state.waiting.push(cx.waker().clone());
        Poll::Pending
    }
}

/// One runner's part of a race. Dropped, it counts as arrived, whatever became of it.
struct Lane<T> {
    race: Arc<Race<T>>,
    number: usize,
}

impl<T> Lane<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.race.lock()
    }

    async fn at_the_start(&self) {
        self.race.change(|state| state.ready += 1);
        poll_fn(|cx| self.race.wait(cx, |state| state.started)).await;
    }

    fn finish(&self, result: Outcome<T>) {
        if let Some(place) = self.lock().results.get_mut(self.number) {
            *place = Some(result);
        }
    }
}

impl<T> Drop for Lane<T> {
    fn drop(&mut self) {
        self.race.change(|state| state.done += 1);
    }
}

/// Runs a task on a new thread.
pub(super) fn on_a_thread(mut task: Task) {
    thread::spawn(move || {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut cx = Context::from_waker(&waker);
        while task.as_mut().poll(&mut cx).is_pending() {
            thread::park();
        }
    });
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
