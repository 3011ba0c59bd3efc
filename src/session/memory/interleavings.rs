//! The memories that threads share, under every order in which threads can get to them.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use loom::thread;

use super::index::Index;
use super::recent::{Dropped, Kept, Recent};
use crate::did::Issuer;
use crate::interleavings::{NOW, all_orders, issued};
use crate::session::newest_tokens::NewestTokens;
use crate::session::used_tokens::UsedTokens;
use crate::session::{SessionData, SessionHandle, SessionRecord, TokenState};

/// A token is presented by several threads while others push its mark out of a memory that is
/// full: at most one is told that it is new, and from then on nobody is.
#[test]
fn a_token_is_new_to_one_thread_at_most() {
    let (token, later) = (issued("alice", -10), issued("alice", 0));
    all_orders(move || {
        let tokens = Arc::new(UsedTokens::new(1));
        let claiming = [token, later].map(|mark| {
            let tokens = Arc::clone(&tokens);
            thread::spawn(move || {
                let new = tokens.claim(&mark, NOW) == TokenState::New;
                assert_eq!(tokens.state_of(&mark, NOW), TokenState::Used);
                new
            })
        });
        let own = tokens.claim(&token, NOW) == TokenState::New;
        let [other, pushed] = claiming.map(|thread| thread.join().expect("no panic"));
        assert!(!(own && other), "two sessions of one token");
        assert!(own || other || pushed, "a session of none");
        assert!(pushed, "what was issued last is never taken for used");
        assert_eq!(tokens.claim(&token, NOW), TokenState::Used);
    })
}

/// A token, dated ahead of the clock, is used and seen while its issuer signs out everywhere: what
/// was here before the end began is revoked when it has returned, and stays so.
#[test]
fn a_token_that_was_here_is_revoked_with_the_others() {
    let (used, seen) = (issued("alice", 10), issued("alice", 20));
    all_orders(move || {
        let tokens = Arc::new(UsedTokens::new(40));
        assert_eq!(tokens.claim(&used, NOW), TokenState::New);
        let ending = Arc::clone(&tokens);
        let ending = thread::spawn(move || {
            ending.revoke_all(used.issuer, NOW);
            assert_eq!(ending.state_of(&used, NOW), TokenState::Revoked);
            assert_eq!(ending.claim(&used, NOW), TokenState::Revoked);
        });
        let before = tokens.state_of(&seen, NOW);
        assert_eq!(before, TokenState::New);
        let after = tokens.claim(&seen, NOW);
        ending.join().expect("no panic");
        assert_eq!(tokens.claim(&used, NOW), TokenState::Revoked);
        let last = tokens.state_of(&seen, NOW);
        assert!(after != TokenState::Revoked || last == TokenState::Revoked, "revived");
        assert!(last != TokenState::New, "used and seen, and new");
    })
}

/// An older and a newer token of one issuer, and another issuer's that pushes it out: once the
/// newer one was accepted the older one never is.
#[test]
fn the_newest_token_wins() {
    let (older, newer, other) = (issued("alice", -20), issued("alice", -10), issued("bob", -5));
    all_orders(move || {
        let newest = Arc::new(NewestTokens::new(1));
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

/// The parts of a memory store that hold its sessions.
struct Store {
    sessions: Recent,
    index: Index,
}

impl Store {
    fn new(max_bytes: u64) -> Arc<Self> {
        Arc::new(Self { sessions: Recent::new(max_bytes), index: Index::default() })
    }

    /// As the memory store makes a session.
    fn mint(&self, issuer: Issuer, new: SessionHandle) {
        let dropped = self.index.with_issuer(issuer, |own| {
            let place = own.push(new, NOW);
            self.sessions.insert(Kept { record: record(issuer, new), place }, NOW)
        });
        self.forget(dropped);
    }

    /// As the memory store takes out of the index what others pushed out.
    fn forget(&self, dropped: Vec<Dropped>) {
        for Dropped { issuer, handle, place } in dropped {
            self.index.with_issuer(issuer, |own| {
                if self.sessions.peek(&handle).is_none() {
                    own.remove(place, &handle);
                }
            });
        }
    }

    /// As the memory store ends all sessions of an issuer.
    fn revoke_all(&self, issuer: Issuer) {
        for handle in self.index.with_issuer(issuer, std::mem::take).into_handles() {
            self.sessions.remove(&handle);
        }
    }

    /// As the memory store writes down that a session is in use.
    fn touch(&self, issuer: Issuer, used: SessionHandle) {
        let later = NOW.plus(Duration::from_secs(60));
        let dropped = self.index.with_issuer(issuer, |own| match self.sessions.peek(&used) {
            Some(Kept { record, place }) if own.holds(place, &used) => {
                self.sessions.insert(Kept { record: Arc::new(record.seen(later)), place }, later)
            }
            _ => Vec::new(),
        });
        self.forget(dropped);
    }

    fn listed(&self, issuer: Issuer) -> Vec<SessionHandle> {
        let places = self.index.with_issuer(issuer, |own| own.behind(None, usize::MAX));
        places.into_iter().map(|(_, handle)| handle).collect()
    }
}

/// Room for more sessions than a model has.
const ENOUGH: u64 = 1024 * 1024;

const fn handle(number: u8) -> SessionHandle {
    SessionHandle::from_bytes([number; 32])
}

fn record(issuer: Issuer, handle: SessionHandle) -> Arc<SessionRecord> {
    let end = NOW.plus(Duration::from_secs(3600));
    Arc::new(SessionRecord::new(handle, issuer, NOW, end, SessionData::NONE))
}

/// Signing in, using a session and signing out everywhere at the same time: what was there
/// before the end is gone after it, and no session lives that the list does not have.
#[test]
fn list_and_sessions_agree_and_the_ended_stay_away() {
    let issuer = issued("alice", 0).issuer;
    all_orders(move || {
        let store = Store::new(ENOUGH);
        store.mint(issuer, handle(1));
        let ending = Arc::clone(&store);
        let ending = thread::spawn(move || {
            ending.revoke_all(issuer);
            assert!(ending.sessions.get(&handle(1)).is_none());
        });
        let using = Arc::clone(&store);
        let using = thread::spawn(move || using.touch(issuer, handle(1)));
        store.mint(issuer, handle(2));
        ending.join().expect("no panic");
        using.join().expect("no panic");
        assert!(store.sessions.peek(&handle(1)).is_none(), "brought back");
        let minted_last = store.sessions.peek(&handle(2)).is_some();
        let expected: &[_] = if minted_last { &[handle(2)] } else { &[] };
        assert_eq!(store.listed(issuer), expected);
    })
}

/// A session is used while two others come and there is room for two: what is found is whole,
/// the room is neither exceeded nor, by what was counted twice, wasted.
#[test]
fn a_session_that_is_pushed_out_is_whole_or_absent() {
    let issuer = issued("alice", 0).issuer;
    // A session takes some 350 bytes.
    let max_bytes = 800;
    all_orders(move || {
        let store = Store::new(max_bytes);
        let kept = |numbers: RangeInclusive<u8>| {
            numbers.filter(|number| store.sessions.peek(&handle(*number)).is_some()).count()
        };
        store.mint(issuer, handle(1));
        let using = Arc::clone(&store);
        let using = thread::spawn(move || {
            let found = using.sessions.get(&handle(1));
            assert!(found.is_none_or(|found| *found == *record(issuer, handle(1))));
            using.touch(issuer, handle(1));
        });
        let minting = Arc::clone(&store);
        let minting = thread::spawn(move || minting.mint(issuer, handle(2)));
        store.mint(issuer, handle(3));
        using.join().expect("no panic");
        minting.join().expect("no panic");
        assert_eq!(kept(1..=3), 2);
        // What lives is in the index, and what was pushed out is not.
        let listed = store.listed(issuer);
        assert_eq!(listed.len(), 2);
        assert!(listed.iter().all(|handle| store.sessions.peek(handle).is_some()));
        store.mint(issuer, handle(4));
        store.mint(issuer, handle(5));
        assert_eq!((kept(1..=3), kept(4..=5)), (0, 2));
    })
}
