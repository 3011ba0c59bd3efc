//! Sessions inside their cookies: the suite, and what is special about them.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tower_didt::sealed::{Birth, MemoryLedger, RevocationLedger, SealedSession};
use tower_didt::store::{
    Minted, NewSession, PageRequest, SessionData, SessionStore, StoreFuture, TokenMark, TokenState,
};
use tower_didt::testing::Wallet;
use tower_didt::testing::store_suite::{self, StoreSuite};
use tower_didt::{
    Issuer, SealedStore, SealingKeys, SessionCookie, SessionHandle, SessionLimit, SessionRecord,
    StoreError, Timestamp, Verifier,
};

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

fn keys() -> SealingKeys {
    SealingKeys::generate().expect("randomness")
}

fn store() -> SealedStore {
    SealedStore::new(keys(), MemoryLedger::new())
}

fn later(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

fn session_of(user: &str) -> NewSession {
    let token = Wallet::from_seed(user).token("app").issued_at(NOW).mint();
    let claim = Verifier::new("app").verify(token, NOW).expect("a good token");
    NewSession::new(TokenMark::new(&claim, later(900)), later(3600))
}

async fn mint(store: &SealedStore, session: NewSession) -> (String, Arc<SessionRecord>) {
    mint_at(store, session, NOW).await
}

async fn mint_at(
    store: &SealedStore,
    session: NewSession,
    now: Timestamp,
) -> (String, Arc<SessionRecord>) {
    let minted = match store.mint(session, now).await.expect("an answer") {
        Minted::Session { ticket, record } => Some((ticket.expose_secret().to_owned(), record)),
        _ => None,
    };
    minted.expect("a session")
}

async fn load(store: &SealedStore, ticket: &str) -> Option<Arc<SessionRecord>> {
    store.load(ticket, NOW).await.expect("an answer")
}

async fn touch(store: &SealedStore, record: &SessionRecord, now: Timestamp) -> Option<String> {
    let touched = store.touch(record, now).await.expect("an answer");
    touched.renewed.map(|ticket| ticket.expose_secret().to_owned())
}

#[tokio::test]
async fn the_sealed_store_passes() {
    store_suite::run(|| async { store() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_that_share_keys_and_ledger_pass_and_answer_later() {
    let (keys, ledger) = (keys(), Slow(MemoryLedger::new()));
    StoreSuite::new(move || std::future::ready(SealedStore::new(keys.clone(), ledger.clone())))
        .with_spawner(|task| drop(tokio::spawn(task)))
        .run()
        .await;
}

#[test]
fn the_default_cookie_is_that_of_the_layer() {
    let store = format!("{:?}", store());
    assert!(store.contains(SessionCookie::DEFAULT_NAME), "{store}");
}

// ---- keys --------------------------------------------------------------------------

const MAY: [u8; 32] = *b"May, thirty-two bytes of secret.";
const APRIL: [u8; 32] = *b"April, also of thirty-two bytes!";

fn with_keys(keys: &[[u8; 32]]) -> SealedStore {
    let newest = SealingKeys::from_bytes(keys[0]).expect("a key");
    let add = |keys: SealingKeys, older| keys.with_older_key(older).expect("a key");
    SealedStore::new(keys[1..].iter().fold(newest, add), MemoryLedger::new())
}

#[tokio::test]
async fn an_older_key_opens_and_a_dropped_one_does_not() {
    let (ticket, record) = mint(&with_keys(&[APRIL]), session_of("alice")).await;
    let rotated = with_keys(&[MAY, APRIL]);
    assert_eq!(load(&rotated, &ticket).await.as_ref(), Some(&record));
    assert_eq!(load(&with_keys(&[MAY]), &ticket).await, None);

    let (new, _) = mint(&rotated, session_of("alice")).await;
    assert!(load(&with_keys(&[MAY]), &new).await.is_some(), "the newest key seals");
    assert_eq!(load(&with_keys(&[APRIL]), &new).await, None);
}

/// Else a session forged with a stolen key could outlive that key.
#[tokio::test]
async fn a_renewed_session_stays_with_the_key_that_made_it() {
    let (_, record) = mint(&with_keys(&[APRIL]), session_of("alice")).await;
    let rotated = with_keys(&[MAY, APRIL]);
    let renewed = touch(&rotated, &record, later(60)).await.expect("renewed");
    assert!(load(&rotated, &renewed).await.is_some());
    assert_eq!(load(&with_keys(&[MAY]), &renewed).await, None);
    assert!(rotated.revoke(record.issuer, record.handle, NOW).await.expect("an answer"));
    assert_eq!(load(&rotated, &renewed).await, None);
}

#[test]
fn keys_come_from_a_file_or_the_environment() {
    const VARIABLE: &str = "TOWER_DIDT_TEST_SEALING_KEYS";
    let (one, two) = (hex(&MAY), hex(&APRIL));
    if std::env::var_os(VARIABLE).is_some() {
        let keys = SealingKeys::from_env(VARIABLE).expect("keys");
        assert_eq!(format!("{keys:?}"), "SealingKeys(2 redacted)");
        return;
    }
    // The environment of a process is set from outside alone: this test runs itself.
    for keys in [format!("{one},{two}"), format!(" {one} # May\n{two}\n")] {
        let itself = std::process::Command::new(std::env::current_exe().expect("a test"))
            .args(["--exact", "sealed::keys_come_from_a_file_or_the_environment"])
            .env(VARIABLE, keys)
            .output()
            .expect("a process");
        assert!(itself.status.success(), "{}", String::from_utf8_lossy(&itself.stdout));
        assert!(String::from_utf8_lossy(&itself.stdout).contains("1 passed"));
    }
    let path = std::env::temp_dir().join(format!("tower-didt-keys-{}", std::process::id()));
    std::fs::write(&path, format!("# newest first\n{one}\n\n{two}\n")).expect("a file");
    let keys = SealingKeys::from_file(&path);
    std::fs::remove_file(&path).expect("the file");
    assert_eq!(format!("{:?}", keys.expect("keys")), "SealingKeys(2 redacted)");
}

#[tokio::test]
async fn a_session_of_another_cookie_opens_nothing() {
    let keys = keys();
    let named = |name| SealedStore::new(keys.clone(), MemoryLedger::new()).with_cookie_name(name);
    let (ticket, _) = mint(&named("__Host-a"), session_of("alice")).await;
    assert!(load(&named("__Host-a"), &ticket).await.is_some());
    assert_eq!(load(&named("__Host-b"), &ticket).await, None);
}

#[tokio::test]
async fn a_session_outlives_the_process() {
    let keys = keys();
    let before = SealedStore::new(keys.clone(), MemoryLedger::new());
    let (ticket, record) = mint(&before, session_of("alice")).await;
    drop(before);
    let after = SealedStore::new(keys, MemoryLedger::new());
    assert_eq!(load(&after, &ticket).await.as_ref(), Some(&record));
    after.revoke_all(record.issuer, NOW).await.expect("an answer");
    assert_eq!(load(&after, &ticket).await, None);
}

/// Sealed by version 0.1.0, and opened with Python's `cryptography` as well. Sessions that are out there stay readable: add another
/// when the form changes, and never change this one.
#[tokio::test]
async fn a_session_sealed_by_an_older_version_opens() {
    let ticket = concat!(
        "ASBf86FVBV-i3udhpPoOor9I8jutorm6UddCjfjILeI7_i8LGHc3A3EKtD0m20SphRkzotrZu9XnDI70",
        "3gzuMy-IPcpQ6V-pgjlpc8STyPfFtfuxgvpjKC_QSj1jnOzHfSGrBBqaGDzR186QAs0urAuTp6YNDGq_",
        "adPxeJgwygqGEq9eKj4K",
    );
    let record = load(&with_keys(&[MAY]), ticket).await.expect("a session");
    let mut expected = SessionRecord::new(
        "00060a24181e400041d954ffc40000002abf643a351d0620846d2f2242b57a53"
            .parse()
            .expect("a handle"),
        Wallet::from_seed("alice").issuer(),
        NOW,
        later(3600),
        SessionData::new(&("Grüße", 36)).expect("JSON"),
    );
    expected.last_seen = later(60);
    assert_eq!(*record, expected);
}

// ---- room --------------------------------------------------------------------------

fn data(bytes: usize) -> SessionData {
    SessionData::new(&"x".repeat(bytes - 2)).expect("JSON")
}

#[tokio::test]
async fn what_does_not_fit_into_a_cookie_is_refused_and_uses_no_token_up() {
    let store = store();
    let mut fits = 0;
    for size in [2_700, 2_800, 2_895, 2_896, 2_897, 2_898, 2_900, 3_000, 3_100] {
        let session = session_of("alice").with_data(data(size));
        let token = session.token;
        match store.mint(session, NOW).await {
            Ok(Minted::Session { ticket, .. }) => {
                let attributes = "; HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=34560000";
                let cookie = format!("__Host-didt={}{attributes}", ticket.expose_secret());
                assert!(cookie.len() <= 4096, "{} bytes", cookie.len());
                fits = size;
            }
            Err(StoreError::TooLarge { size: cookie, limit: 4096 }) => {
                assert!((4097..4600).contains(&cookie), "{cookie} bytes");
                assert_eq!(store.state_of(token, NOW).await.expect("an answer"), TokenState::New);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(fits, 2_896, "bytes of data that fit");
    let huge = session_of("alice").with_data(data(10_000_000));
    assert!(matches!(store.mint(huge, NOW).await, Err(StoreError::TooLarge { .. })));
}

#[tokio::test]
async fn what_needs_a_list_is_refused_and_uses_no_token_up() {
    let store = store();
    assert!(!store.lists_sessions());
    let session = session_of("alice").with_limit(SessionLimit::AtMost(NonZeroUsize::MIN));
    let token = session.token;
    assert!(matches!(store.mint(session, NOW).await, Err(StoreError::Unsupported)));
    assert_eq!(store.state_of(token, NOW).await.expect("an answer"), TokenState::New);
    let listed = store.sessions_of(token.issuer, PageRequest::first(), NOW).await;
    assert!(matches!(listed, Err(StoreError::Unsupported)));
}

#[tokio::test]
async fn no_session_lives_longer_than_its_end_is_remembered() {
    let store = store().with_max_lifetime(Duration::from_secs(100));
    let (ticket, record) = mint(&store, session_of("alice")).await;
    assert_eq!(record.expires_at, later(100));
    assert!(store.load(&ticket, later(99)).await.expect("an answer").is_some());
    assert!(store.load(&ticket, later(100)).await.expect("an answer").is_none());
}

#[tokio::test]
async fn by_default_no_session_lives_longer_than_browsers_keep_a_cookie() {
    let mut session = session_of("alice");
    session.expires_at = later(10 * 365 * 24 * 60 * 60);
    let (_, record) = mint(&store(), session).await;
    assert_eq!(record.expires_at, later(34_560_000));
}

// ---- what is believed --------------------------------------------------------------

/// A record is the application's to change; what the handle says is signed.
#[tokio::test]
async fn a_touch_makes_no_session_of_a_record_that_was_made_up() {
    let store = store();
    let (_, record) = mint(&store, session_of("alice")).await;
    let mut longer = SessionRecord::clone(&record);
    longer.expires_at = Timestamp::MAX;
    let renewed = touch(&store, &longer, later(60)).await.expect("renewed");
    assert_eq!(load(&store, &renewed).await.expect("a session").expires_at, record.expires_at);

    let mut stolen = SessionRecord::clone(&record);
    stolen.issuer = Wallet::from_seed("mallory").issuer();
    assert_eq!(touch(&store, &stolen, later(60)).await, None);
    let mut invented = SessionRecord::clone(&record);
    invented.handle = SessionHandle::from_bytes([7; 32]);
    assert_eq!(touch(&store, &invented, later(60)).await, None);
}

#[tokio::test]
async fn every_cookie_is_sealed_afresh() {
    let store = store();
    let (ticket, record) = mint(&store, session_of("alice")).await;
    let one = touch(&store, &record, later(60)).await.expect("renewed");
    let two = touch(&store, &record, later(60)).await.expect("renewed");
    assert!(ticket != one && one != two);
    // Version and key id are the same, of what follows no three characters in a row.
    let (one, two) = (&one.as_bytes()[8..], &two.as_bytes()[8..]);
    let same = one.windows(3).zip(two.windows(3)).filter(|(a, b)| a == b).count();
    assert!(same <= 1, "{same} places are the same");
}

#[tokio::test]
async fn nothing_secret_is_shown() {
    let store = with_keys(&[MAY, APRIL]);
    let session = session_of("alice").with_data(SessionData::new(&"confidential").expect("JSON"));
    let (ticket, record) = mint(&store, session).await;
    let shown = format!("{store:?} {record:?}");
    for secret in ["thirty-two", &hex(&MAY), &format!("{MAY:?}"), "confidential", &ticket] {
        assert!(!shown.contains(secret), "{secret}");
    }
    assert!(!ticket.contains("confidential"));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

// ---- the ledger --------------------------------------------------------------------

#[tokio::test]
async fn a_flood_of_sign_outs_ends_its_own_sessions_and_no_others_and_never_revives_one() {
    let store = SealedStore::new(keys(), MemoryLedger::with_limits(10_000, 100));
    let (oldest, _) = mint(&store, session_of("the oldest")).await;
    let mut ended = Vec::new();
    for number in 0..300 {
        let session = session_of(&format!("user {number}"));
        let minted = mint_at(&store, session, later(number)).await;
        if number % 2 == 0 {
            let (issuer, handle) = (minted.1.issuer, minted.1.handle);
            assert!(store.revoke(issuer, handle, NOW).await.expect("an answer"));
        } else {
            store.revoke_all(minted.1.issuer, later(number)).await.expect("an answer");
        }
        ended.push(minted);
    }
    for (ticket, record) in &ended {
        assert_eq!(load(&store, ticket).await, None);
        assert!(!store.revoke(record.issuer, record.handle, NOW).await.expect("an answer"));
        assert_eq!(touch(&store, record, later(60)).await, None);
    }
    assert!(load(&store, &oldest).await.is_some(), "signed out by a flood of others");
    for (user, now) in [("user 7", NOW), ("user 8", later(10)), ("somebody new", NOW)] {
        let mut session = session_of(user);
        // After the last sign-out of them all.
        session.token.issued_at = later(300);
        let (ticket, _) = mint_at(&store, session, now).await;
        assert!(load(&store, &ticket).await.is_some(), "{user}");
    }
}

#[tokio::test]
async fn who_signs_out_all_the_time_costs_nobody_else_a_session() {
    let store = SealedStore::new(keys(), MemoryLedger::with_limits(10_000, 200));
    let (bobs, _) = mint(&store, session_of("bob")).await;
    let mut last = None;
    for number in 0..500 {
        let minted = mint_at(&store, session_of("mallory"), later(number)).await;
        let (issuer, handle) = (minted.1.issuer, minted.1.handle);
        assert!(store.revoke(issuer, handle, NOW).await.expect("an answer"));
        assert_eq!(load(&store, &minted.0).await, None);
        last = Some(minted);
    }
    assert!(load(&store, &bobs).await.is_some());
    assert_eq!(load(&store, &last.expect("a session").0).await, None);
}

#[tokio::test]
async fn handles_that_were_made_up_take_no_room() {
    let store = SealedStore::new(keys(), MemoryLedger::with_limits(10, 1));
    let (ticket, record) = mint(&store, session_of("alice")).await;
    for byte in 0..=255 {
        let handle = SessionHandle::from_bytes([byte; 32]);
        assert!(!store.revoke(record.issuer, handle, NOW).await.expect("an answer"));
    }
    assert!(load(&store, &ticket).await.is_some());
}

#[tokio::test]
async fn a_ledger_that_is_down_is_an_error_and_never_an_answer() {
    let keys = keys();
    let (ticket, record) =
        mint(&SealedStore::new(keys.clone(), MemoryLedger::new()), session_of("alice")).await;
    let store = SealedStore::new(keys, Down);
    let session = session_of("alice");
    assert!(store.load(&ticket, NOW).await.is_err());
    assert!(store.touch(&record, later(60)).await.is_err());
    assert!(store.revoke(record.issuer, record.handle, NOW).await.is_err());
    assert!(store.revoke_all(record.issuer, NOW).await.is_err());
    assert!(store.claim(session.token, NOW).await.is_err());
    assert!(store.state_of(session.token, NOW).await.is_err());
    assert!(store.advance(session.token, NOW).await.is_err());
    assert!(store.mint(session, NOW).await.is_err());
    // What no key of ours sealed is known without it.
    assert_eq!(load(&store, "x").await, None);
}

/// Answers as a server does: not at once.
#[derive(Clone, Debug)]
struct Slow(MemoryLedger);

impl Slow {
    fn later<T: Send + Unpin + 'static>(answer: StoreFuture<T>) -> StoreFuture<T> {
        StoreFuture::boxed(async move {
            tokio::task::yield_now().await;
            answer.await
        })
    }
}

impl RevocationLedger for Slow {
    fn claim(&self, token: TokenMark, now: Timestamp) -> StoreFuture<Result<Birth, TokenState>> {
        Self::later(self.0.claim(token, now))
    }

    fn state_of(&self, token: TokenMark, now: Timestamp) -> StoreFuture<TokenState> {
        Self::later(self.0.state_of(token, now))
    }

    fn advance(&self, token: TokenMark, now: Timestamp) -> StoreFuture<bool> {
        Self::later(self.0.advance(token, now))
    }

    fn end(&self, session: SealedSession, now: Timestamp) -> StoreFuture<bool> {
        Self::later(self.0.end(session, now))
    }

    fn end_all(&self, issuer: Issuer, longest: Duration, now: Timestamp) -> StoreFuture<()> {
        Self::later(self.0.end_all(issuer, longest, now))
    }

    fn has_ended(&self, session: SealedSession, now: Timestamp) -> StoreFuture<bool> {
        Self::later(self.0.has_ended(session, now))
    }

    fn supersede(&self, of: SealedSession, version: u64, now: Timestamp) -> StoreFuture<bool> {
        Self::later(self.0.supersede(of, version, now))
    }

    fn is_superseded(&self, of: SealedSession, version: u64, now: Timestamp) -> StoreFuture<bool> {
        Self::later(self.0.is_superseded(of, version, now))
    }
}

/// Cannot be reached.
#[derive(Debug)]
struct Down;

fn down<T>() -> StoreFuture<T> {
    StoreFuture::ready(Err(StoreError::Unavailable("connection refused".into())))
}

impl RevocationLedger for Down {
    fn claim(&self, _: TokenMark, _: Timestamp) -> StoreFuture<Result<Birth, TokenState>> {
        down()
    }

    fn state_of(&self, _: TokenMark, _: Timestamp) -> StoreFuture<TokenState> {
        down()
    }

    fn advance(&self, _: TokenMark, _: Timestamp) -> StoreFuture<bool> {
        down()
    }

    fn end(&self, _: SealedSession, _: Timestamp) -> StoreFuture<bool> {
        down()
    }

    fn end_all(&self, _: Issuer, _: Duration, _: Timestamp) -> StoreFuture<()> {
        down()
    }

    fn has_ended(&self, _: SealedSession, _: Timestamp) -> StoreFuture<bool> {
        down()
    }

    fn supersede(&self, _: SealedSession, _: u64, _: Timestamp) -> StoreFuture<bool> {
        down()
    }

    fn is_superseded(&self, _: SealedSession, _: u64, _: Timestamp) -> StoreFuture<bool> {
        down()
    }
}
