//! Who waits in line, under every order in which threads can get to it.

use std::sync::Arc as Plain;
use std::task::{Wake, Waker};

use loom::sync::{Condvar, Mutex as LoomMutex};
use loom::thread;

use super::*;
use crate::interleavings::all_orders;

/// Wakes the thread that waits for it.
struct Woken(LoomMutex<bool>, Condvar);

impl Wake for Woken {
    fn wake(self: Plain<Self>) {
        *self.0.lock().expect("no panic") = true;
        self.1.notify_one();
    }
}

/// Polls until it is through. Loom fails where this waits for ever.
fn wait(mut turn: Turn) {
    let woken = Plain::new(Woken(LoomMutex::new(false), Condvar::new()));
    let waker = Waker::from(Plain::clone(&woken));
    while Pin::new(&mut turn).poll(&mut Context::from_waker(&waker)).is_pending() {
        let mut flag = woken.0.lock().expect("no panic");
        while !*flag {
            flag = woken.1.wait(flag).expect("no panic");
        }
        *flag = false;
    }
}

const ONE_AWAKE: Limits = Limits {
    at_once: 0,
    awake: 1,
    times_to_give_way: || 1,
    parked: 8,
    longest_between_polls: Duration::MAX,
};

/// One waits while another gives up, at any moment: nobody sleeps for ever.
#[test]
fn somebody_gets_through_whoever_leaves() {
    all_orders(|| {
        let turns = Turns::with_limits(ONE_AWAKE);
        let leaves = {
            let turns = turns.clone();
            thread::spawn(move || {
                let mut turn = turns.take().expect("a turn");
                let _ = Pin::new(&mut turn).poll(&mut Context::from_waker(Waker::noop()));
            })
        };
        wait(turns.take().expect("a turn"));
        leaves.join().expect("no panic");
        assert_eq!(turns.change(|line| (line.awake_now(), line.parked_now())), (0, 0));
    });
}
