#[path = "../../../../src/session/memory/index.rs"]
mod index;
#[path = "../../../../src/session/memory/ledger.rs"]
mod ledger;
#[path = "../../../../src/session/memory/newest.rs"]
mod newest;

use std::collections::HashSet;
use std::sync::Arc;

use loom::sync::Mutex;
use loom::thread;

use self::index::Index;
pub(super) use self::ledger::Ledger;
pub(super) use self::newest::Newest;
use crate::session::SessionHandle;
use crate::support::{NOW, all_orders, issued};

/// A token is presented by several threads while others push its mark out of a ledger that is
/// full: at most one is told that it is new, and from then on nobody is.
pub fn a_token_is_new_to_one_thread_at_most() -> usize {
    let (token, later) = (issued("alice", -10), issued("alice", 0));
    all_orders(move || {
        let ledger = Arc::new(Ledger::new(1));
        let claiming = [token, later].map(|mark| {
            let ledger = Arc::clone(&ledger);
            thread::spawn(move || {
                let new = ledger.claim(&mark, NOW);
                assert!(ledger.is_used(&mark));
                new
            })
        });
        let own = ledger.claim(&token, NOW);
        let [other, pushed] = claiming.map(|thread| thread.join().expect("no panic"));
        assert!(!(own && other), "two sessions of one token");
        assert!(own || other || pushed, "a session of none");
        assert!(pushed, "what ends last is never taken for used");
        assert!(!ledger.claim(&token, NOW));
    })
}

/// An older and a newer token of one issuer, and another issuer's that pushes it out: once the
/// newer one was accepted the older one never is.
pub fn the_newest_token_wins() -> usize {
    let (older, newer, other) = (issued("alice", -20), issued("alice", -10), issued("bob", -5));
    all_orders(move || {
        let newest = Arc::new(Newest::new(1));
        let threads = [newer, other].map(|mark| {
            let newest = Arc::clone(&newest);
            thread::spawn(move || {
                assert!(newest.advance(&mark, NOW));
                assert!(!newest.advance(&older, NOW) || mark.issuer != older.issuer);
            })
        });
        let _ = newest.advance(&older, NOW);
        for thread in threads {
            thread.join().expect("no panic");
        }
        assert!(!newest.advance(&older, NOW));
    })
}

/// What stands in for the cache of sessions.
type Sessions = Mutex<HashSet<SessionHandle>>;

const fn handle(number: u8) -> SessionHandle {
    SessionHandle::from_bytes([number; 32])
}

/// As the memory store makes a session.
fn mint(index: &Index, sessions: &Sessions, issuer: crate::Issuer, new: SessionHandle) {
    index.with_issuer(issuer, |handles| {
        sessions.lock().expect("no panic").insert(new);
        handles.push(new);
    });
}

/// As the memory store ends all sessions of an issuer.
fn revoke_all(index: &Index, sessions: &Sessions, issuer: crate::Issuer) {
    index.with_issuer(issuer, |handles| {
        for handle in handles.drain(..) {
            sessions.lock().expect("no panic").remove(&handle);
        }
    });
}

/// As the memory store writes down that a session is in use.
fn touch(index: &Index, sessions: &Sessions, issuer: crate::Issuer, used: SessionHandle) {
    index.with_issuer(issuer, |_| {
        let mut sessions = sessions.lock().expect("no panic");
        if sessions.contains(&used) {
            sessions.insert(used);
        }
    });
}

/// Signing in, using a session and signing out everywhere at the same time: what was there
/// before the end is gone after it, and no session lives that the list does not have.
pub fn list_and_sessions_agree_and_the_ended_stay_away() -> usize {
    let issuer = issued("alice", 0).issuer;
    all_orders(move || {
        let shared = Arc::new((Index::default(), Sessions::default()));
        mint(&shared.0, &shared.1, issuer, handle(1));
        let ending = Arc::clone(&shared);
        let ending = thread::spawn(move || {
            revoke_all(&ending.0, &ending.1, issuer);
            assert!(!ending.1.lock().expect("no panic").contains(&handle(1)));
        });
        let using = Arc::clone(&shared);
        let using = thread::spawn(move || touch(&using.0, &using.1, issuer, handle(1)));
        mint(&shared.0, &shared.1, issuer, handle(2));
        ending.join().expect("no panic");
        using.join().expect("no panic");
        let sessions = shared.1.lock().expect("no panic").clone();
        assert!(!sessions.contains(&handle(1)), "brought back");
        let listed = shared.0.with_issuer(issuer, |handles| handles.clone());
        assert_eq!(listed.into_iter().collect::<HashSet<_>>(), sessions);
    })
}

/// The list is pruned while a session is made: the living stay in it.
pub fn pruning_forgets_the_dead_alone() -> usize {
    let issuer = issued("alice", 0).issuer;
    all_orders(move || {
        let shared = Arc::new((Index::default(), Sessions::default()));
        // Dead ones, as many as make the list worth pruning.
        shared
            .0
            .with_issuer(issuer, |handles| handles.extend(std::iter::repeat_n(handle(9), 1_024)));
        mint(&shared.0, &shared.1, issuer, handle(1));
        let minting = Arc::clone(&shared);
        let minting = thread::spawn(move || mint(&minting.0, &minting.1, issuer, handle(2)));
        // The cache is not asked under its lock a thousand times: that is a thousand steps.
        let alive = shared.1.lock().expect("no panic").clone();
        let alive =
            move |handle: &SessionHandle| *handle != self::handle(9) || alive.contains(handle);
        shared.0.prune(issuer, alive);
        minting.join().expect("no panic");
        let listed = shared.0.with_issuer(issuer, |handles| handles.clone());
        assert_eq!(listed, [handle(1), handle(2)]);
    })
}
