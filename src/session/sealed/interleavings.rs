//! The memory of ended sessions, under every order in which threads can get to it.

use std::time::Duration;

use loom::sync::Mutex;
use loom::thread;

use super::ledger::{Birth, RevocationLedger, SealedSession};
use super::memory_ledger::MemoryLedger;
use crate::did::{Issuer, Timestamp};
use crate::interleavings::{NOW, all_orders, issued};
use crate::session::{SessionHandle, StoreFuture, TokenState};

const LONGEST: Duration = Duration::from_secs(604_800);

fn now<T>(answer: StoreFuture<T>) -> T {
    answer.try_now().unwrap_or_else(|_| panic!("at once")).expect("an answer")
}

fn session(issuer: Issuer, birth: Birth) -> SealedSession {
    let handle = SessionHandle::from_bytes([1; 32]);
    SealedSession { issuer, handle, birth, expires_at: Timestamp::MAX }
}

/// One token in two threads: one birth.
#[test]
fn a_token_is_claimed_once() {
    let token = issued("alice", 0);
    all_orders(move || {
        let ledger = MemoryLedger::new();
        let other = ledger.clone();
        let other = thread::spawn(move || now(other.claim(token, NOW)).is_ok());
        let own = now(ledger.claim(token, NOW)).is_ok();
        assert!(own != other.join().expect("no panic"));
    })
}

/// Signing in while another device signs out everywhere. A session that was made before the
/// end began has ended when it returns; one made after it lives; and none that has ended ever
/// lives again.
#[test]
fn sessions_made_before_the_end_of_all_have_ended_after_it() {
    let (token, next) = (issued("alice", 0), issued("alice", 1));
    let issuer = token.issuer;
    all_orders(move || {
        let ledger = MemoryLedger::new();
        let made = std::sync::Arc::new(Mutex::new(None));
        let (ending, seen) = (ledger.clone(), std::sync::Arc::clone(&made));
        let ending = thread::spawn(move || {
            let before = *seen.lock().expect("no panic");
            now(ending.end_all(issuer, LONGEST, NOW));
            if let Some(before) = before {
                assert!(now(ending.has_ended(before, NOW)), "older, and alive");
            }
        });
        match now(ledger.claim(token, NOW)) {
            Ok(birth) => {
                *made.lock().expect("no panic") = Some(session(issuer, birth));
                let has_ended = now(ledger.has_ended(session(issuer, birth), NOW));
                ending.join().expect("no panic");
                let ended_still = now(ledger.has_ended(session(issuer, birth), NOW));
                assert!(!has_ended || ended_still, "revived");
            }
            // The end came first, and ended the token too.
            Err(state) => {
                assert_eq!(state, TokenState::Revoked);
                ending.join().expect("no panic");
            }
        }
        let younger = now(ledger.claim(next, NOW)).expect("a new token");
        assert!(!now(ledger.has_ended(session(issuer, younger), NOW)), "still-born");
    })
}

/// Sessions end in a ledger that has room for one end: each has ended for whoever ended it,
/// for all time.
#[test]
fn an_ended_session_stays_ended_when_there_is_no_room() {
    let (alice, bob) = (issued("alice", 0), issued("bob", 0));
    all_orders(move || {
        let ledger = MemoryLedger::with_limits(10, 1);
        let sessions = [alice, bob].map(|token| {
            let birth = now(ledger.claim(token, NOW)).expect("a new token");
            session(token.issuer, birth)
        });
        let threads = sessions.map(|session| {
            let ledger = ledger.clone();
            thread::spawn(move || {
                now(ledger.end(session, NOW));
                assert!(now(ledger.has_ended(session, NOW)));
            })
        });
        for thread in threads {
            thread.join().expect("no panic");
        }
        for session in sessions {
            assert!(now(ledger.has_ended(session, NOW)));
        }
    })
}
