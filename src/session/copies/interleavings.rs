//! The counters that invalidate copies, under every order in which threads can get to them.

use std::sync::Arc;

use loom::sync::Mutex;
use loom::thread;

use super::invalidations::{Invalidations, Seen};
use crate::did::Issuer;
use crate::interleavings::{all_orders, issued};

/// What a session is in Redis, and this process's copy of it.
struct World {
    redis: Mutex<u8>,
    invalidations: Invalidations,
    copy: Mutex<Option<(u8, Seen)>>,
}

impl World {
    fn new() -> Self {
        Self {
            redis: Mutex::new(1),
            invalidations: Invalidations::new(512, 1),
            copy: Mutex::new(None),
        }
    }

    /// As the store reads what it has no copy of: the counter first.
    fn fetch(&self, issuer: Issuer) {
        let seen = self.invalidations.seen(issuer, 0);
        let value = *self.redis.lock().expect("no panic");
        if seen == self.invalidations.seen(issuer, 0) {
            *self.copy.lock().expect("no panic") = Some((value, seen));
        }
    }

    /// What is answered without asking Redis.
    fn known(&self, issuer: Issuer) -> Option<u8> {
        let (value, seen) = (*self.copy.lock().expect("no panic"))?;
        (seen == self.invalidations.seen(issuer, 0)).then_some(value)
    }
}

/// A session changes in Redis, the message comes, another thread is just reading it and stores a
/// copy: once the message was applied, nobody gets what was before.
#[test]
fn no_copy_outlives_the_message_about_a_change() {
    let issuer = issued("alice", 0).issuer;
    let by_issuer: fn(&Invalidations, Issuer) = |them, issuer| them.of_issuer(issuer.address());
    let by_slot: fn(&Invalidations, Issuer) = |them, _| them.of_slot(0);
    let all: fn(&Invalidations, Issuer) = |them, _| them.all();
    for invalidate in [by_issuer, by_slot, all] {
        all_orders(move || {
            let world = Arc::new(World::new());
            let changing = Arc::clone(&world);
            let changing = thread::spawn(move || {
                *changing.redis.lock().expect("no panic") = 2;
                invalidate(&changing.invalidations, issuer);
                assert_ne!(changing.known(issuer), Some(1), "after the message");
            });
            world.fetch(issuer);
            let _ = world.known(issuer);
            changing.join().expect("no panic");
            assert_ne!(world.known(issuer), Some(1), "in the end");
            world.fetch(issuer);
            assert_eq!(world.known(issuer), Some(2), "copies are of use");
        });
    }
}

/// A message about the issuer and a move of its slot at the same time, while a copy is made: the
/// sum of the counters shows either.
#[test]
fn two_messages_at_once_never_cancel_out() {
    let issuer = issued("alice", 0).issuer;
    all_orders(move || {
        let world = Arc::new(World::new());
        let (one, other) = (Arc::clone(&world), Arc::clone(&world));
        let one = thread::spawn(move || {
            *one.redis.lock().expect("no panic") += 1;
            one.invalidations.of_issuer(issuer.address());
        });
        let other = thread::spawn(move || {
            *other.redis.lock().expect("no panic") += 1;
            other.invalidations.of_slot(0);
        });
        world.fetch(issuer);
        one.join().expect("no panic");
        other.join().expect("no panic");
        assert!(matches!(world.known(issuer), None | Some(3)));
    })
}
