//! The cookie of a store that keeps its sessions in cookies.

use std::sync::{Arc, LazyLock};

use tower_didt::sealed::MemoryLedger;
use tower_didt::store::{Minted, NewSession, SessionData, SessionStore, TokenMark};
use tower_didt::testing::Wallet;
use tower_didt::{SealedStore, SealingKeys, SessionRecord, Timestamp, Verifier};

use crate::{AUDIENCE, NOW, wait};

/// No secret: the key of this target alone.
const KEY: [u8; 32] = *b"a key of the fuzz target, only 1";

/// Another application's key, whose cookies must open nothing here.
const OTHER_KEY: [u8; 32] = *b"another key, of another service2";

struct Sealed {
    ticket: String,
    record: Arc<SessionRecord>,
}

struct World {
    store: SealedStore,
    /// What opens: two sessions of this store.
    good: [Sealed; 2],
    /// What does not: signed out, and sealed with another key.
    bad: [String; 2],
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let store = store_of(KEY);
    let good = [mint(&store, "alice", "Ada"), mint(&store, "bob", "")];
    // Sealed under random salts, so a run's cookies are its own: what is found is a list of
    // changes, which mean the same to the cookies of the next run.
    let ended = mint(&store, "alice", "");
    let revoked = store.revoke(ended.record.issuer, ended.record.handle, NOW);
    assert!(wait(revoked).expect("revoked"));
    let bad = [ended.ticket, mint(&store_of(OTHER_KEY), "alice", "").ticket];
    World { store, good, bad }
});

fn store_of(key: [u8; 32]) -> SealedStore {
    SealedStore::new(SealingKeys::from_bytes(key).expect("a key"), MemoryLedger::new())
}

fn mint(store: &SealedStore, user: &str, data: &str) -> Sealed {
    // Two tokens of one user have different ids, so each makes a session.
    let token = Wallet::from_seed(user).token(AUDIENCE).issued_at(NOW).mint();
    let claim = Verifier::new(AUDIENCE).verify(token, NOW).expect("a good token");
    let end = Timestamp::from_secs(NOW.as_secs() + 604_800);
    let data = SessionData::new(&(!data.is_empty()).then_some(data)).expect("JSON");
    let session = NewSession::new(TokenMark::new(&claim, end), end).with_data(data);
    let minted = wait(store.mint(session, NOW)).expect("minted");
    let Minted::Session { ticket, record } = minted else { panic!("no session") };
    Sealed { ticket: ticket.expose_secret().to_owned(), record }
}

/// Any text as a sealed cookie, or a good one with changes: the text that was sealed opens the
/// session that was sealed in it, and nothing else opens anything.
///
/// `R` and then the text itself; else four bytes for every change to a good cookie.
pub fn sealed_cookie(data: &[u8]) {
    let world = &*WORLD;
    let text = match data.split_first() {
        Some((b'R', text)) => String::from_utf8_lossy(text).into_owned(),
        _ => String::from_utf8_lossy(&changed(world, data)).into_owned(),
    };
    let load = |text: &str, now| wait(world.store.load(text, now));
    let opened = load(&text, NOW).expect("a ledger in memory always knows");
    let sealed = world.good.iter().find(|sealed| sealed.ticket == text);
    match (&opened, sealed) {
        (Some(record), Some(sealed)) => assert_eq!(record, &sealed.record),
        (None, None) => {}
        (Some(record), None) => panic!("{text} opens {record:?}"),
        (None, Some(_)) => panic!("{text} does not open"),
    }
    // Nor at any other time.
    for now in [Timestamp::from_secs(0), Timestamp::MAX] {
        assert!(sealed.is_some() || load(&text, now).expect("known").is_none());
    }
    // A renewed cookie is another text of the same session.
    if let Some(record) = opened {
        let touched = wait(world.store.touch(&record, NOW)).expect("touched");
        let renewed = touched.renewed.expect("a new cookie");
        assert_ne!(renewed.expose_secret(), text);
        let again = load(renewed.expose_secret(), NOW).expect("known").expect("a session");
        assert_eq!(again, record);
    }
}

/// Every four bytes one change: what, where (two bytes), and with which byte.
fn changed(world: &World, data: &[u8]) -> Vec<u8> {
    let (start, rest) = data.split_first().unwrap_or((&0, &[]));
    let texts = [&world.good[0].ticket, &world.good[1].ticket, &world.bad[0], &world.bad[1]];
    let text = |number: u8| texts[usize::from(number) % texts.len()].as_bytes();
    let mut cookie = text(*start).to_vec();
    for change in rest.chunks_exact(4) {
        let &[what, high, low, byte] = change else { continue };
        let at = usize::from(u16::from_be_bytes([high, low])) % (cookie.len() + 1);
        match what % 7 {
            // The first two reach every bit and every byte of what was sealed.
            0 if at < cookie.len() => cookie[at] ^= 1 << (byte % 8),
            1 if at < cookie.len() => cookie[at] = byte,
            2 => cookie.insert(at, byte),
            3 if at < cookie.len() => drop(cookie.remove(at)),
            4 => cookie.truncate(at),
            // The beginning of one cookie and the end of another.
            5 => {
                cookie.truncate(at);
                cookie.extend(text(byte).iter().skip(at));
            }
            6 if cookie.len() < 16_384 => cookie.extend_from_slice(text(byte)),
            _ => {}
        }
    }
    cookie
}
