//! One question about a thing at a time, shared by all who came before it was asked.
//!
//! When a connection comes back, or a copy has become invalid, many requests need the same session at
//! the same moment. The first of them asks. Those who come meanwhile wait, since the server may have
//! answered before they came, and share the next question: it is asked after all of them had come, so its answer
//! is as fresh as one of their own. Where the first answer could be copied there is no next question.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::sync::locked;

/// How many may ask or wait at a time: some 2 MB in all. Further ones are refused at once, as they would
/// be after their time behind so many others.
const MAX_LOADING: usize = 10_000;

/// How often, at most, it is looked who has given up, where too many ask or wait. Looking takes some 0.1 ms:
/// done for each request that is refused, it would cost more than any answer.
const LEAST_BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// The questions that are being asked, by the names of what they are about.
#[derive(Debug)]
pub(in crate::session) struct Flights<N: Copy + Eq + Hash, A>(Arc<Mutex<State<N, A>>>);

#[derive(Debug)]
struct State<N: Copy + Eq + Hash, A> {
    flights: HashMap<N, Flight<N, A>>,
    /// All who wait, in `flights` and in turns.
    waiting: usize,
    /// Of the latest flight.
    number: u64,
    /// When it was looked last who has given up.
    looked_at: Option<Instant>,
}

#[derive(Debug)]
struct Flight<N: Copy + Eq + Hash, A> {
    number: u64,
    /// When whoever asks has given up, unless its runtime has stopped: then others go on.
    until: Instant,
    waiting: Vec<Tell<N, A>>,
}

type Tell<N, A> = oneshot::Sender<Word<N, A>>;

/// What somebody who waits is told.
#[derive(Debug)]
enum Word<N: Copy + Eq + Hash, A> {
    Answer(A),
    /// To ask, for the others of the turn too.
    Ask(Turn<N, A>),
}

enum Place<N: Copy + Eq + Hash, A> {
    Turn(Turn<N, A>),
    Waiting(oneshot::Receiver<Word<N, A>>),
}

/// The right to ask. It passes to one who waits, whatever becomes of its owner.
#[derive(Debug)]
struct Turn<N: Copy + Eq + Hash, A> {
    state: Option<Arc<Mutex<State<N, A>>>>,
    name: N,
    number: u64,
    limit: Duration,
    /// Those who share the answer.
    others: Vec<Tell<N, A>>,
}

impl<N: Copy + Eq + Hash, A> Default for Flights<N, A> {
    fn default() -> Self {
        let flights = HashMap::new();
        Self(Arc::new(Mutex::new(State { flights, waiting: 0, number: 0, looked_at: None })))
    }
}

impl<N: Copy + Eq + Hash, A: Clone> Flights<N, A> {
    /// The answer about `name`: what is `known` after somebody else has asked, or what `ask` returns, or
    /// what it returned to somebody who asked after this call. `None` if too many wait.
    ///
    /// Within `limit` the caller gives up.
    pub(in crate::session) async fn load(
        &self,
        name: N,
        limit: Duration,
        known: impl FnOnce() -> Option<A>,
        ask: impl Future<Output = A>,
    ) -> Option<A> {
        let (turn, known) = loop {
            match self.turn_or_wait(name, limit)? {
                Place::Turn(turn) => break (turn, None),
                Place::Waiting(waiting) => match waiting.await {
                    Ok(Word::Answer(answer)) => return Some(answer),
                    Ok(Word::Ask(turn)) => break (turn, known()),
                    // Whoever asked was taken for dead, and has come back.
                    Err(_) => {}
                },
            }
        };
        let answer = match known {
            Some(answer) => answer,
            None => ask.await,
        };
        turn.tell(&answer);
        Some(answer)
    }

    fn turn_or_wait(&self, name: N, limit: Duration) -> Option<Place<N, A>> {
        let now = Instant::now();
        let mut state = locked(&self.0);
        if state.loading() >= MAX_LOADING {
            state.forget_those_who_gave_up(now);
            if state.loading() >= MAX_LOADING {
                return None;
            }
        }
        state.number += 1;
        let number = state.number;
        let until = now + limit;
        let State { flights, waiting: all_waiting, .. } = &mut *state;
        let others = match flights.entry(name) {
            Entry::Occupied(mut flight) if now <= flight.get().until => {
                let (tell, waiting) = oneshot::channel();
                flight.get_mut().waiting.push(tell);
                *all_waiting += 1;
                return Some(Place::Waiting(waiting));
            }
            Entry::Occupied(flight) => {
                let flight = flight.into_mut();
                (flight.number, flight.until) = (number, until);
                std::mem::take(&mut flight.waiting)
            }
            Entry::Vacant(place) => {
                place.insert(Flight { number, until, waiting: Vec::new() });
                Vec::new()
            }
        };
        let state = Some(Arc::clone(&self.0));
        Some(Place::Turn(Turn { state, name, number, limit, others }))
    }
}

impl<N: Copy + Eq + Hash, A> State<N, A> {
    fn loading(&self) -> usize {
        self.flights.len() + self.waiting
    }

    /// Those who wait no longer; and those who asked, are polled no longer, and have nobody waiting
    /// who could ask in their place.
    fn forget_those_who_gave_up(&mut self, now: Instant) {
        if self.looked_at.is_some_and(|last| now < last + LEAST_BETWEEN_LOOKS) {
            return;
        }
        self.looked_at = Some(now);
        let mut gone = 0;
        self.flights.retain(|_, flight| {
            let before = flight.waiting.len();
            flight.waiting.retain(|tell| !tell.is_closed());
            gone += before - flight.waiting.len();
            now <= flight.until || !flight.waiting.is_empty()
        });
        self.waiting -= gone;
    }

    /// Who asks next, for `others` too. Nobody if nobody waits: then the flight has ended.
    fn next(
        &mut self,
        turn: &Turn<N, A>,
        mut others: Vec<Tell<N, A>>,
    ) -> Option<(Tell<N, A>, Vec<Tell<N, A>>)> {
        let mut flight = match self.flights.entry(turn.name) {
            Entry::Occupied(flight) if flight.get().number == turn.number => flight,
            // Somebody else asks by now. Those who shared this turn come again.
            _ => {
                self.waiting -= others.len();
                return None;
            }
        };
        others.append(&mut flight.get_mut().waiting);
        self.waiting -= others.len();
        others.retain(|tell| !tell.is_closed());
        let next = others.pop();
        if next.is_some() {
            flight.get_mut().until = Instant::now() + turn.limit;
            self.waiting += others.len();
        } else {
            flight.remove();
        }
        next.map(|next| (next, others))
    }
}

impl<N: Copy + Eq + Hash, A: Clone> Turn<N, A> {
    /// Passes the answer to those who share it.
    fn tell(mut self, answer: &A) {
        let others = std::mem::take(&mut self.others);
        if let Some(state) = self.state.as_ref().filter(|_| !others.is_empty()) {
            locked(state).waiting -= others.len();
        }
        for tell in others {
            let _ = tell.send(Word::Answer(answer.clone()));
        }
    }
}

impl<N: Copy + Eq + Hash, A> Drop for Turn<N, A> {
    fn drop(&mut self) {
        // A loop: where thousands have given up at the same moment, turns that drop one another would
        // fill the stack.
        while let Some(state) = self.state.take() {
            let others = std::mem::take(&mut self.others);
            let next = locked(&state).next(self, others);
            let Some((tell, others)) = next else { return };
            let (name, number, limit) = (self.name, self.number, self.limit);
            let turn = Self { state: Some(state), name, number, limit, others };
            // Where this one has just given up the turn comes back.
            if let Err(Word::Ask(mut returned)) = tell.send(Word::Ask(turn)) {
                self.state = returned.state.take();
                self.others = std::mem::take(&mut returned.others);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use tokio::time::{sleep, timeout};

    use super::*;

    const LIMIT: Duration = Duration::from_millis(200);
    const MOMENT: Duration = Duration::from_millis(10);

    /// A server that takes a moment, and what it was asked.
    #[derive(Default)]
    struct World {
        flights: Flights<u8, usize>,
        asked: AtomicUsize,
        /// Whether what it answers can be copied, and whether it has been.
        copies: bool,
        copied: AtomicBool,
    }

    impl World {
        /// The number of the question that was answered.
        async fn load(&self, name: u8) -> Option<usize> {
            let known = || self.copied.load(Ordering::Relaxed).then_some(0);
            let ask = async {
                let number = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
                sleep(MOMENT).await;
                self.copied.store(self.copies, Ordering::Relaxed);
                number
            };
            self.flights.load(name, LIMIT, known, ask).await
        }

        fn asked(&self) -> usize {
            self.asked.load(Ordering::Relaxed)
        }

        #[track_caller]
        fn is_empty(&self) {
            let state = locked(&self.flights.0);
            assert_eq!((state.flights.len(), state.waiting), (0, 0));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_who_need_a_copy_ask_once_and_without_copies_twice() {
        for (copies, questions) in [(true, 1), (false, 2)] {
            let world = Arc::new(World { copies, ..World::default() });
            let tasks: Vec<_> = (0..1_000)
                .map(|_| {
                    let world = Arc::clone(&world);
                    tokio::spawn(async move { world.load(1).await })
                })
                .collect();
            for task in tasks {
                assert!(task.await.expect("no panic").is_some());
            }
            assert_eq!(world.asked(), questions);
            world.is_empty();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_gets_an_answer_to_a_question_that_was_asked_before_they_came() {
        let world = Arc::new(World::default());
        let load = || {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.load(1).await })
        };
        let first = load();
        sleep(MOMENT / 2).await;
        let second = load();
        assert_eq!(first.await.expect("no panic"), Some(1));
        // The second is asking by now.
        sleep(MOMENT / 2).await;
        let third = load();
        assert_eq!(second.await.expect("no panic"), Some(2));
        assert_eq!(third.await.expect("no panic"), Some(3));
        world.is_empty();
    }

    #[tokio::test(start_paused = true)]
    async fn questions_about_other_things_wait_for_nobody() {
        let world = Arc::new(World::default());
        let begin = Instant::now();
        let tasks: Vec<_> = (0..100)
            .map(|name| {
                let world = Arc::clone(&world);
                tokio::spawn(async move { world.load(name).await })
            })
            .collect();
        for task in tasks {
            task.await.expect("no panic");
        }
        // (Time that is only counted.)
        assert_eq!(begin.elapsed(), MOMENT);
        assert_eq!(world.asked(), 100);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_gives_up_leaves_nobody_without_an_answer() {
        let world = Arc::new(World::default());
        let mut tasks = Vec::new();
        for number in 0..300_usize {
            let world = Arc::clone(&world);
            // Every third one gives up, among them the one who asks first and the one after it.
            let gives_up = number % 3 == 0 || number == 299;
            let patience =
                Duration::from_millis(if gives_up { 5 + number as u64 / 25 } else { 200 });
            tasks.push(tokio::spawn(async move {
                (gives_up, timeout(patience, world.load(1)).await.is_ok())
            }));
        }
        for task in tasks {
            let (gives_up, answered) = task.await.expect("no panic");
            assert!(answered || gives_up, "one waited for ever");
        }
        assert!(world.asked() < 6, "{}", world.asked());
        world.is_empty();
    }

    #[tokio::test(start_paused = true)]
    async fn one_whose_runtime_has_stopped_holds_nobody_up_for_longer_than_the_limit() {
        let world = World::default();
        let mut stopped = Box::pin(world.load(1));
        // It asks, and is never polled again.
        assert!(timeout(Duration::ZERO, &mut stopped).await.is_err());
        assert!(timeout(LIMIT, world.load(1)).await.is_err());
        sleep(Duration::from_millis(1)).await;
        assert_eq!(world.load(1).await, Some(2));
        // It comes back, and has no turn to give away.
        assert_eq!(stopped.await, Some(1));
        world.is_empty();
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_are_refused_cost_no_look_at_all_the_others() {
        let world = Arc::new(World::default());
        let wait = |patience| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                let hour = Duration::from_secs(3600);
                let silence = std::future::pending();
                timeout(patience, world.flights.load(1, hour, || None, silence)).await
            })
        };
        let (long, short) = (Duration::from_secs(60), Duration::from_secs(1));
        let _others: Vec<_> = (1..MAX_LOADING).map(|_| wait(long)).collect();
        let first = wait(short);
        sleep(MOMENT).await;
        assert_eq!(world.load(2).await, None, "full");
        // One gives up. The refusal a moment ago was a look at all: there is none so soon.
        first.abort();
        assert!(first.await.expect_err("gone").is_cancelled());
        assert_eq!(world.load(2).await, None);
        sleep(LEAST_BETWEEN_LOOKS).await;
        assert_eq!(world.load(2).await, Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_ask_and_are_polled_no_longer_do_not_use_the_room_up() {
        let flights = Flights::<usize, usize>::default();
        let mut stopped = Vec::new();
        for name in 0..MAX_LOADING {
            let mut load = Box::pin(flights.load(name, LIMIT, || None, std::future::pending()));
            assert!(timeout(Duration::ZERO, &mut load).await.is_err());
            stopped.push(load);
        }
        let load = |name| flights.load(name, LIMIT, || None, async { 7 });
        assert_eq!(load(MAX_LOADING).await, None, "while they may come back");
        sleep(LIMIT + LEAST_BETWEEN_LOOKS).await;
        assert_eq!(load(MAX_LOADING).await, Some(7));
        drop(stopped);
        let state = locked(&flights.0);
        assert_eq!((state.flights.len(), state.waiting), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_wait_than_may_and_those_who_gave_up_make_room() {
        let world = Arc::new(World::default());
        let silent = |world: &Arc<World>, patience| {
            let world = Arc::clone(world);
            tokio::spawn(async move {
                let silence = std::future::pending();
                let hour = Duration::from_secs(3600);
                timeout(patience, world.flights.load(1, hour, || None, silence)).await
            })
        };
        let asking = silent(&world, Duration::from_secs(10));
        sleep(MOMENT).await;
        let waiting: Vec<_> =
            (1..MAX_LOADING).map(|_| silent(&world, Duration::from_secs(1))).collect();
        sleep(MOMENT).await;
        assert_eq!(world.load(1).await, None, "refused at once");
        assert_eq!(world.load(2).await, None, "refused at once");
        for task in waiting {
            assert!(task.await.expect("no panic").is_err(), "nobody was answered");
        }
        assert_eq!(world.load(2).await, Some(1));
        assert!(asking.await.expect("no panic").is_err());
        world.is_empty();
    }
}
