//! The task that keeps a connection up: one at a time, and another one where its runtime has ended.
//!
//! Whoever needs the connection makes sure that it is kept. Where the task has ended, or has not run
//! for longer than it ever sleeps, a task of the caller's runtime takes its place, and what the earlier one
//! does from then on counts for nothing.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::reports::{Pauses, Rhythm};
use crate::sync::locked;

/// A connection that a [`Keeper`] keeps up.
pub(in crate::session) trait Kept: Send + Sync + 'static {
    /// Why it failed.
    type Fault: Send;

    /// The fault of a connection that failed for this reason.
    fn fault_of(reason: &'static str) -> Self::Fault;

    /// Its keeper.
    fn keeper(&self) -> &Keeper;

    /// Connects, and asks at regular times whether all is well. Returns when it is not.
    fn stay_up(
        &self,
        term: &Term<'_>,
    ) -> impl Future<Output = Result<Infallible, Self::Fault>> + Send;

    /// Tells operators that the connection is lost, or could not be made.
    fn report(&self, fault: &Self::Fault, was_up: bool);

    /// Notes why there is no connection. Called under the keeper's lock, before [`hang_up`](Self::hang_up).
    fn note(&self, fault: Self::Fault);

    /// From now on nothing that came by the connection is good. Called under the keeper's lock.
    fn hang_up(&self);
}

/// The place of the task that keeps a connection up.
#[derive(Debug)]
pub(in crate::session) struct Keeper {
    /// After how long a task that has not run is replaced.
    standstill: Duration,
    epoch: Instant,
    /// When the task last ran, in nanoseconds since `epoch`.
    ran_at: AtomicU64,
    post: Mutex<Post>,
}

/// Who has the place. Whatever a task changes it changes under this lock, and only while it has the place.
#[derive(Debug, Default)]
struct Post {
    task: Option<JoinHandle<()>>,
    #[cfg(feature = "redis")]
    runtime: Option<tokio::runtime::Id>,
    number: u64,
    closed: bool,
}

impl Keeper {
    /// A place that nobody has yet.
    pub(in crate::session) fn new(rhythm: Rhythm) -> Self {
        Self {
            standstill: rhythm.standstill(),
            epoch: Instant::now(),
            ran_at: AtomicU64::new(0),
            post: Mutex::default(),
        }
    }

    /// Starts a task of this runtime, in the place of any other.
    pub(in crate::session) fn start<K: Kept>(kept: &Arc<K>, runtime: &Handle) {
        let keeper = kept.keeper();
        let mut post = locked(&keeper.post);
        post.number += 1;
        keeper.note_that_it_runs();
        kept.hang_up();
        #[cfg(feature = "redis")]
        {
            post.runtime = Some(runtime.id());
        }
        let task = runtime.spawn(keep_up(Arc::clone(kept), post.number));
        let old = post.task.replace(task);
        drop(post);
        if let Some(old) = old {
            old.abort();
        }
    }

    /// Makes sure that a task keeps the connection up. Where the runtime that did has ended, or does not
    /// run, the caller's takes over. `false` if it is closed.
    pub(in crate::session) fn is_kept<K: Kept>(kept: &Arc<K>) -> bool {
        let keeper = kept.keeper();
        let idle = {
            let post = locked(&keeper.post);
            if post.closed {
                return false;
            }
            let since = keeper.now().saturating_sub(keeper.ran_at.load(Ordering::Acquire));
            Duration::from_nanos(since) > keeper.standstill
                || post.task.as_ref().is_some_and(JoinHandle::is_finished)
        };
        if idle && let Ok(runtime) = Handle::try_current() {
            Self::start(kept, &runtime);
        }
        true
    }

    /// Ends the connection for good.
    pub(in crate::session) fn close(kept: &impl Kept) {
        let mut post = locked(&kept.keeper().post);
        post.closed = true;
        post.number += 1;
        kept.hang_up();
        let task = post.task.take();
        drop(post);
        if let Some(task) = task {
            task.abort();
        }
    }

    /// Whether another runtime than the caller's moves the bytes.
    #[cfg(feature = "redis")]
    pub(in crate::session) fn is_of_another_runtime(&self) -> bool {
        let here = Handle::try_current().ok().map(|runtime| runtime.id());
        let there = locked(&self.post).runtime;
        there.is_some() && here.is_some() && here != there
    }

    /// Does `change` if the task of this number still has the place.
    fn change(&self, number: u64, change: impl FnOnce()) {
        let post = locked(&self.post);
        if post.number == number {
            change();
        }
    }

    fn note_that_it_runs(&self) {
        self.ran_at.store(self.now(), Ordering::Release);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// The time for which a task has the place, as [`Kept::stay_up`] sees it.
#[derive(Debug)]
pub(in crate::session) struct Term<'a> {
    keeper: &'a Keeper,
    number: u64,
    was_up: AtomicBool,
}

impl Term<'_> {
    /// The connection is up: does `change` if this task still has the place.
    pub(in crate::session) fn is_up(&self, change: impl FnOnce()) {
        self.was_up.store(true, Ordering::Relaxed);
        self.keeper.change(self.number, change);
    }
}

/// The end of a task, also when its runtime ends: nobody hears of changes any more.
struct Ending<K: Kept> {
    kept: Arc<K>,
    number: u64,
}

impl<K: Kept> Drop for Ending<K> {
    fn drop(&mut self) {
        let kept = &self.kept;
        kept.keeper().change(self.number, || {
            kept.note(K::fault_of("the tokio runtime that kept the connection has ended"));
            kept.hang_up();
        });
    }
}

/// Connects, again and again, and notes that it runs.
async fn keep_up<K: Kept>(kept: Arc<K>, number: u64) {
    let ending = Ending { kept, number };
    let kept = &*ending.kept;
    let mut connecting = pin!(connect_for_ever(kept, number));
    std::future::poll_fn(|cx| {
        kept.keeper().note_that_it_runs();
        connecting.as_mut().poll(cx)
    })
    .await;
}

async fn connect_for_ever<K: Kept>(kept: &K, number: u64) {
    let keeper = kept.keeper();
    let mut pauses = Pauses::new();
    loop {
        let term = Term { keeper, number, was_up: AtomicBool::new(false) };
        let fault = match kept.stay_up(&term).await {
            Err(fault) => fault,
            Ok(never) => match never {},
        };
        let was_up = term.was_up.into_inner();
        kept.report(&fault, was_up);
        keeper.change(number, || {
            kept.note(fault);
            kept.hang_up();
        });
        sleep(pauses.random(was_up)).await;
    }
}
