//! Polled by hand: what is counted are polls and checks, never time.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use super::*;

const TIMES: u32 = 4;

const LIMITS: Limits = Limits {
    at_once: 4,
    awake: 4,
    times_to_give_way: || TIMES,
    parked: 1_000,
    // No time passes, unless a test says so.
    longest_between_polls: Duration::MAX,
};

/// A runtime of one thread: what is woken goes to the end of the queue, as in Tokio's.
#[derive(Default)]
struct Reactor {
    queue: Arc<Mutex<VecDeque<usize>>>,
    turns: Vec<Option<Turn>>,
    polls: usize,
}

struct Requeue(Arc<Mutex<VecDeque<usize>>>, usize);

impl Wake for Requeue {
    fn wake(self: Arc<Self>) {
        let mut queue = self.0.lock().expect("no panic");
        if !queue.contains(&self.1) {
            queue.push_back(self.1);
        }
    }
}

impl Reactor {
    /// A sign-in arrives: whether it is checked at once.
    fn arrive(&mut self, turns: &Turns) -> bool {
        let turn = turns.take();
        let at_once = turn.is_none();
        if !at_once {
            self.queue.lock().expect("no panic").push_back(self.turns.len());
        }
        self.turns.push(turn);
        at_once
    }

    /// So many arrive, one after the other.
    fn arrive_all(&mut self, count: usize, turns: &Turns) {
        for _ in 0..count {
            self.arrive(turns);
        }
    }

    /// Polls what is first in the queue. `None` if nothing is ready, else the number of a sign-in
    /// that is checked now, if it is.
    fn turn(&mut self) -> Option<Option<usize>> {
        let number = self.queue.lock().expect("no panic").pop_front()?;
        let waker = Waker::from(Arc::new(Requeue(Arc::clone(&self.queue), number)));
        let Some(turn) = &mut self.turns[number] else { return Some(None) };
        self.polls += 1;
        if Pin::new(turn).poll(&mut Context::from_waker(&waker)).is_pending() {
            return Some(None);
        }
        self.turns[number] = None;
        Some(Some(number))
    }

    /// The sign-ins that are checked until nothing is ready any more, in order.
    fn run(&mut self) -> Vec<usize> {
        std::iter::from_fn(|| self.turn()).flatten().collect()
    }
}

#[test]
fn a_few_are_checked_at_once_and_all_others_in_the_order_in_which_they_came() {
    let (turns, mut reactor) = (Turns::with_limits(LIMITS), Reactor::default());
    let at_once: Vec<_> = (0..100).filter(|_| reactor.arrive(&turns)).collect();
    assert_eq!(at_once, [0, 1, 2, 3]);
    assert_eq!(reactor.run(), (4..100).collect::<Vec<_>>());
}

#[test]
fn no_more_than_a_few_checks_come_between_two_polls_of_anything_else() {
    let (turns, mut reactor) = (Turns::with_limits(LIMITS), Reactor::default());
    reactor.arrive_all(500, &turns);
    // Something else is ready all the time, and has just been polled.
    let other = 500;
    reactor.turns.push(None);
    let (mut in_a_row, mut most, mut checks) = (0, 0, 4);
    reactor.queue.lock().expect("no panic").push_back(other);
    while checks < 500 {
        let is_other = reactor.queue.lock().expect("no panic").front() == Some(&other);
        let checked = reactor.turn().expect("something is ready").is_some();
        in_a_row = if is_other { 0 } else { in_a_row + usize::from(checked) };
        most = most.max(in_a_row);
        checks += usize::from(checked);
        if is_other {
            reactor.queue.lock().expect("no panic").push_back(other);
        }
    }
    assert!(most <= LIMITS.awake, "{most} checks in a row");
}

#[test]
fn each_one_that_waits_is_polled_a_fixed_number_of_times() {
    let (turns, mut reactor) = (Turns::with_limits(LIMITS), Reactor::default());
    reactor.arrive_all(300, &turns);
    assert_eq!(reactor.run().len(), 296);
    // As often as it gives way, once to check; those that were parked once more.
    let each = TIMES as usize + 1;
    assert_eq!(reactor.polls, 296 * each + (296 - LIMITS.awake));
}

#[test]
fn a_sign_in_that_comes_when_all_are_through_is_checked_at_once_again() {
    let (turns, mut reactor) = (Turns::with_limits(LIMITS), Reactor::default());
    reactor.arrive_all(10, &turns);
    assert!(!reactor.arrive(&turns), "while others wait");
    assert_eq!(reactor.run().len(), 7);
    assert!(reactor.arrive(&turns));
}

#[test]
fn sign_ins_that_come_singly_wait_once_in_four() {
    let (turns, mut reactor) = (Turns::with_limits(LIMITS), Reactor::default());
    let mut waited = Vec::new();
    for number in 0..12 {
        if !reactor.arrive(&turns) {
            assert_eq!(reactor.run(), [number], "nobody else has to come");
            waited.push(number);
        }
    }
    assert_eq!(waited, [4, 8]);
}

#[test]
fn whoever_leaves_the_line_is_followed_by_the_next() {
    // Which of them leave, and after how many polls of all.
    for polls in 0..40 {
        for step in 1..6 {
            let (turns, mut reactor) = (Turns::with_limits(LIMITS), Reactor::default());
            reactor.arrive_all(40, &turns);
            let mut through: Vec<_> = (0..polls).filter_map(|_| reactor.turn()).flatten().collect();
            let gone: Vec<_> =
                (4..40).step_by(step).filter(|number| !through.contains(number)).collect();
            gone.iter().for_each(|number| reactor.turns[*number] = None);
            through.extend(reactor.run());
            let expected: Vec<_> = (4..40).filter(|number| !gone.contains(number)).collect();
            through.sort_unstable();
            assert_eq!(through, expected, "{polls} polls, every {step}th");
            let left = turns.change(|line| (line.awake_now(), line.parked_now()));
            assert_eq!(left, (0, 0));
        }
    }
}

#[test]
fn who_comes_when_the_line_is_full_is_checked_at_once() {
    let (turns, mut reactor) =
        (Turns::with_limits(Limits { parked: 10, ..LIMITS }), Reactor::default());
    reactor.arrive_all(4 + 4 + 10 + 3, &turns);
    let first_pass: Vec<_> = (0..17).filter_map(|_| reactor.turn()).flatten().collect();
    assert_eq!(first_pass, [18, 19, 20]);
    assert_eq!(turns.change(|line| line.parked_now()), 10);
    assert_eq!(reactor.run(), (4..18).collect::<Vec<_>>());
}

#[test]
fn a_future_that_nobody_polls_holds_nobody_up() {
    let (turns, mut reactor) = (Turns::with_limits(LIMITS), Reactor::default());
    reactor.arrive_all(4, &turns);
    let _never_polled: Vec<_> = (0..100).map(|_| turns.take()).collect();
    reactor.arrive_all(46, &turns);
    assert_eq!(reactor.run(), (4..50).collect::<Vec<_>>());
}

const LONGEST: Duration = Duration::from_millis(100);

fn poll_at(turn: &mut Turn, now: Instant) -> Poll<()> {
    turn.poll_at(now, &mut Context::from_waker(Waker::noop()))
}

/// A line in which as many as may be awake were polled once, `now`, and are kept.
fn with_kept(now: Instant, awake: usize) -> (Turns, Vec<Turn>) {
    let limits = Limits { at_once: 0, awake, longest_between_polls: LONGEST, ..LIMITS };
    let turns = Turns::with_limits(limits);
    let mut kept: Vec<_> = (0..awake).map(|_| turns.take().expect("a turn")).collect();
    assert!(kept.iter_mut().all(|turn| poll_at(turn, now).is_pending()));
    assert_eq!(turns.change(|line| line.awake_now()), awake);
    (turns, kept)
}

/// How many polls one needs that waits for nobody.
fn polls(turn: &mut Turn, now: Instant) -> Option<u32> {
    (1..100).find(|_| poll_at(turn, now).is_ready())
}

#[test]
fn whoever_comes_after_futures_that_nobody_polls_any_more_waits_for_none_of_them() {
    for awake in 1..4 {
        let now = Instant::now();
        let (turns, kept) = with_kept(now, awake);
        let mut parked: Vec<_> = (0..10).map(|_| turns.take().expect("a turn")).collect();
        assert!(parked.iter_mut().all(|turn| polls(turn, now + LONGEST).is_none()));
        // Nobody polls those parked either. However many come, and however seldom, none of them waits.
        for number in 1..20 {
            let mut turn = turns.take().expect("a turn");
            let then = now + 2 * number * LONGEST;
            assert_eq!(polls(&mut turn, then), Some(TIMES + 1), "{number}");
        }
        assert_eq!(turns.change(|line| line.parked_now()), 0, "each was woken in its turn");
        drop((kept, parked));
        assert_eq!(turns.change(|line| (line.awake_now(), line.parked_now())), (0, 0));
    }
}

#[test]
fn one_that_is_polled_again_after_its_place_was_given_away_gets_through() {
    let now = Instant::now();
    let (turns, mut kept) = with_kept(now, 2);
    let later = now + 2 * LONGEST;
    let mut others: Vec<_> = (0..2).map(|_| turns.take().expect("a turn")).collect();
    assert!(others.iter_mut().all(|turn| poll_at(turn, later).is_pending()));
    assert!(kept.iter_mut().all(|turn| polls(turn, later).is_some()));
    assert_eq!(turns.change(|line| line.awake_now()), 2, "the places of the others");
    assert!(others.iter_mut().all(|turn| polls(turn, later).is_some()));
    assert_eq!(turns.change(|line| line.awake_now()), 0);
}

#[test]
fn nobody_who_is_polled_in_time_loses_their_place() {
    let now = Instant::now();
    let limits = Limits { times_to_give_way: || 50, longest_between_polls: LONGEST, ..LIMITS };
    let turns = Turns::with_limits(Limits { at_once: 0, awake: 1, ..limits });
    let mut first = turns.take().expect("a turn");
    assert!(poll_at(&mut first, now).is_pending());
    for number in 1..40 {
        let then = now + number * LONGEST;
        assert!(poll_at(&mut first, then).is_pending());
        let mut other = turns.take().expect("a turn");
        assert_eq!(polls(&mut other, then), None);
    }
}

/// Of a task that nobody owns but its waker, as simple executors have them: with the last waker its
/// turn is dropped.
struct Owning {
    turns: Turns,
    was_locked: Arc<AtomicUsize>,
}

impl Wake for Owning {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Owning {
    fn drop(&mut self) {
        let is_locked = self.turns.0.try_lock().is_err();
        self.was_locked.fetch_add(usize::from(is_locked), Ordering::Relaxed);
    }
}

#[test]
fn no_waker_is_dropped_within_the_lock() {
    let turns = Turns::with_limits(Limits { at_once: 0, awake: 1, ..LIMITS });
    let was_locked = Arc::new(AtomicUsize::new(0));
    let poll = |turn: &mut Turn| {
        let (turns, was_locked) = (turns.clone(), Arc::clone(&was_locked));
        let waker = Waker::from(Arc::new(Owning { turns, was_locked }));
        Pin::new(turn).poll(&mut Context::from_waker(&waker))
    };
    let mut first = turns.take().expect("a turn");
    assert!(poll(&mut first).is_pending());
    let mut others = [turns.take(), turns.take()].map(|turn| turn.expect("a turn"));
    // Parked, and then polled by another waker.
    for _ in 0..2 {
        assert!(others.iter_mut().all(|turn| poll(turn).is_pending()));
    }
    let [second, third] = others;
    drop((third, first, second));
    assert_eq!(was_locked.load(Ordering::Relaxed), 0);
    assert_eq!(turns.change(|line| (line.awake_now(), line.parked_now())), (0, 0));
}

#[test]
fn a_task_that_moves_is_woken_by_its_newest_waker() {
    struct Counts(AtomicUsize);
    impl Wake for Counts {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let turns = Turns::with_limits(Limits { at_once: 0, awake: 1, ..LIMITS });
    let [mut first, mut second] = [turns.take(), turns.take()].map(|turn| turn.expect("a turn"));
    let counts = [(); 2].map(|()| Arc::new(Counts(AtomicUsize::new(0))));
    assert!(Pin::new(&mut first).poll(&mut Context::from_waker(Waker::noop())).is_pending());
    for counts in &counts {
        let waker = Waker::from(Arc::clone(counts));
        assert!(Pin::new(&mut second).poll(&mut Context::from_waker(&waker)).is_pending());
    }
    drop(first);
    assert_eq!(counts.map(|counts| counts.0.load(Ordering::Relaxed)), [0, 1]);
}

/// Tokio's own look for new requests comes between any two rounds of checks, not after 61 polls.
#[cfg(feature = "tokio")]
#[tokio::test]
async fn in_tokio_what_arrives_meanwhile_is_seen_after_a_few_checks() {
    use std::io::Write;
    use tokio::io::AsyncReadExt;

    let (mut sends, receives) = std::os::unix::net::UnixStream::pair().expect("a pair of sockets");
    receives.set_nonblocking(true).expect("a socket");
    let mut receives = tokio::net::UnixStream::from_std(receives).expect("a socket");
    let turns = Turns::with_limits(Limits { times_to_give_way: give_way::times, ..LIMITS });
    let checks = Arc::new(AtomicUsize::new(0));
    for _ in 0..200 {
        let (turns, checks) = (turns.clone(), Arc::clone(&checks));
        tokio::spawn(async move {
            if let Some(turn) = turns.take() {
                turn.await;
            }
            checks.fetch_add(1, Ordering::Relaxed);
        });
    }
    let mut seen_after = Vec::new();
    while checks.load(Ordering::Relaxed) < 150 {
        // All others are polled before this one is again.
        tokio::task::yield_now().await;
        sends.write_all(b"x").expect("sent");
        let before = checks.load(Ordering::Relaxed);
        // More room than there is to read: so the next call waits for Tokio's look.
        assert_eq!(receives.read(&mut [0; 8]).await.expect("received"), 1);
        seen_after.push(checks.load(Ordering::Relaxed) - before);
    }
    assert!(seen_after.iter().all(|checks| *checks <= 2 * LIMITS.awake), "{seen_after:?}");
}
