#[path = "../../../../src/session/redis/changes.rs"]
mod changes;

use std::sync::Arc;

use loom::sync::Mutex;
use loom::thread;

use self::changes::{Changes, Seen};
use crate::Issuer;
use crate::support::{all_orders, issued};

/// What a session is in Redis, and this process's copy of it.
struct World {
    redis: Mutex<u8>,
    changes: Changes,
    copy: Mutex<Option<(u8, Seen)>>,
}

impl World {
    fn new() -> Self {
        Self { redis: Mutex::new(1), changes: Changes::new(512), copy: Mutex::new(None) }
    }

    /// As the store reads what it has no copy of: the counter first.
    fn fetch(&self, issuer: Issuer) {
        let seen = self.changes.seen(issuer);
        let value = *self.redis.lock().expect("no panic");
        if seen == self.changes.seen(issuer) {
            *self.copy.lock().expect("no panic") = Some((value, seen));
        }
    }

    /// What is answered without asking Redis.
    fn known(&self, issuer: Issuer) -> Option<u8> {
        let (value, seen) = (*self.copy.lock().expect("no panic"))?;
        (seen == self.changes.seen(issuer)).then_some(value)
    }
}

/// A session changes in Redis, word comes, another thread is just reading it and puts a copy
/// away: once the word was heard, nobody is given what was before.
pub fn no_copy_outlives_the_word_of_a_change() -> usize {
    let issuer = issued("alice", 0).issuer;
    let by_issuer: fn(&Changes, Issuer) = |changes, issuer| changes.of(issuer.address());
    let of_all: fn(&Changes, Issuer) = |changes, _| changes.of_all();
    [by_issuer, of_all]
        .map(|word| {
            all_orders(move || {
                let world = Arc::new(World::new());
                let changing = Arc::clone(&world);
                let changing = thread::spawn(move || {
                    *changing.redis.lock().expect("no panic") = 2;
                    word(&changing.changes, issuer);
                    assert_ne!(changing.known(issuer), Some(1), "after the word");
                });
                world.fetch(issuer);
                let _ = world.known(issuer);
                changing.join().expect("no panic");
                assert_ne!(world.known(issuer), Some(1), "in the end");
                world.fetch(issuer);
                assert_eq!(world.known(issuer), Some(2), "copies are of use");
            })
        })
        .iter()
        .sum()
}

/// Word about the issuer and word about all at the same time, while a copy is made: the sum
/// of the two counters tells of either.
pub fn two_words_at_once_never_cancel_out() -> usize {
    let issuer = issued("alice", 0).issuer;
    all_orders(move || {
        let world = Arc::new(World::new());
        let (one, other) = (Arc::clone(&world), Arc::clone(&world));
        let one = thread::spawn(move || {
            *one.redis.lock().expect("no panic") += 1;
            one.changes.of(issuer.address());
        });
        let other = thread::spawn(move || {
            *other.redis.lock().expect("no panic") += 1;
            other.changes.of_all();
        });
        world.fetch(issuer);
        one.join().expect("no panic");
        other.join().expect("no panic");
        assert!(matches!(world.known(issuer), None | Some(3)));
    })
}
