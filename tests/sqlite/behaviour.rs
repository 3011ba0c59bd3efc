//! What every store does, and what this one does with its file.

use std::num::NonZeroUsize;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Connection, SqliteConnection};
use tower_didt::sqlite::SqliteConfigError;
use tower_didt::store::{DataUpdate, Minted, SessionData, SessionStore, TokenState};
use tower_didt::testing::store_suite::StoreSuite;
use tower_didt::{SessionLimit, SqliteStore, StoreError, Timestamp};
use tower_didt_test_support::directory::Directory;

use crate::{place, store};
use tower_didt_test_support::sessions::{
    issuer, list, lists_each_issuer_once, now, opens, pages_of_issuers, session, sign_in, token,
    unavailable,
};

/// Patient: the suite is about answers, not about time.
const PATIENT: Duration = Duration::from_secs(10);

fn suite(make: impl Fn() -> SqliteStore + 'static) -> StoreSuite {
    StoreSuite::new(move || {
        let store = make();
        async move { store }
    })
    .with_spawner(|task| drop(tokio::spawn(task)))
}

/// A connection beside the store's own.
async fn beside(directory: &Directory) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(directory.0.join("sessions.db"));
    SqliteConnection::connect_with(&options).await.expect("the file")
}

async fn execute(directory: &Directory, sql: &'static str) -> u64 {
    let mut file = beside(directory).await;
    sqlx::query(sql).execute(&mut file).await.expect(sql).rows_affected()
}

async fn count(directory: &Directory, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(&mut beside(directory).await).await.expect(sql)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_passes_the_suite_of_all_stores() {
    let (_directory, builder) = place();
    let builder = builder.with_timeout(PATIENT);
    builder.open().expect("a store").migrate().await.expect("tables");
    suite(move || builder.open().expect("a store")).run().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_of_the_applications_passes_the_suite_of_all_stores() {
    let directory = Directory::new();
    let options = SqliteConnectOptions::new()
        .filename(directory.0.join("sessions.db"))
        .create_if_missing(true)
        .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)
        .busy_timeout(PATIENT);
    let pool = SqlitePoolOptions::new().max_connections(3).connect_lazy_with(options);
    let builder = SqliteStore::with_pool(pool).with_timeout(PATIENT);
    builder.open().expect("a store").migrate().await.expect("tables");
    suite(move || builder.open().expect("a store")).run().await;
}

#[tokio::test]
async fn without_tables_the_error_says_what_to_do() {
    let (_directory, builder) = place();
    let store = builder.open().expect("a store");
    let StoreError::Unavailable(cause) = unavailable(store.ready().await) else { unreachable!() };
    assert!(cause.to_string().contains("migrations"), "{cause}");
    store.migrate().await.expect("tables");
    store.migrate().await.expect("nothing to do");
    store.ready().await.expect("ready");
    builder.connect().await.expect("ready");
}

#[tokio::test]
async fn the_printed_sql_makes_what_a_migration_makes() {
    let (directory, builder) = place();
    let sql = builder.schema_sql().expect("SQL");
    let options = SqliteConnectOptions::new()
        .filename(directory.0.join("sessions.db"))
        .create_if_missing(true);
    let mut file = SqliteConnection::connect_with(&options).await.expect("a file");
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut file).await.expect("tables");
    let store = builder.connect().await.expect("ready");
    store.migrate().await.expect("nothing to do");
    let (ticket, _) = sign_in(&store, "alice").await;
    assert!(opens(&store, &ticket).await);
}

#[tokio::test]
async fn sessions_survive_a_restart_and_used_tokens_too() {
    let (_directory, builder) = place();
    let store = builder.open().expect("a store");
    store.migrate().await.expect("tables");
    let wanted = session("alice");
    let Ok(Minted::Session { ticket, .. }) = store.mint(wanted.clone(), now()).await else {
        panic!("no session")
    };
    drop(store);
    let store = builder.open().expect("a store");
    assert!(opens(&store, ticket.expose_secret()).await);
    assert!(matches!(store.mint(wanted, now()).await, Ok(Minted::AlreadyUsed)));
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (directory, store) = store().await;
    sign_in(&store, "alice").await;
    for file in std::fs::read_dir(&directory.0).expect("a folder") {
        let file = file.expect("a file");
        let mode = file.metadata().expect("rights").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", file.file_name());
    }
}

#[tokio::test]
async fn applications_with_prefixes_of_their_own_see_nothing_of_each_other() {
    let (_directory, builder) = place();
    let [shop, blog] = ["shop", "blog"].map(|name| builder.clone().with_prefix(name));
    let (shop, blog) = (shop.open().expect("a store"), blog.open().expect("a store"));
    shop.migrate().await.expect("tables");
    blog.migrate().await.expect("tables");
    let (ticket, record) = sign_in(&shop, "alice").await;
    assert!(!opens(&blog, &ticket).await);
    blog.revoke_all(record.issuer, now()).await.expect("an answer");
    assert!(opens(&shop, &ticket).await);
}

#[tokio::test]
async fn what_nobody_needs_is_removed_in_the_background_and_nothing_else() {
    let (directory, builder) = place();
    let store = builder.with_cleaning_interval(None).open().expect("a store");
    store.migrate().await.expect("tables");
    let (ticket, _) = sign_in(&store, "alice").await;
    sign_in(&store, "bob").await;
    store.claim(token("carol"), now()).await.expect("an answer");
    store.revoke_all(issuer("dave"), now()).await.expect("an answer");
    assert_eq!(store.clean_up().await.expect("an answer"), 0);
    // The time of bob's session, of one token and of what was revoked has come.
    let bob = hex(issuer("bob").address().as_bytes());
    let sql = format!("UPDATE didt_sessions SET forget_at = 1 WHERE issuer = x'{bob}'");
    sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut beside(&directory).await).await.expect("it");
    execute(
        &directory,
        "UPDATE didt_tokens SET forget_at = 1 WHERE digest = (SELECT min(digest) FROM didt_tokens)",
    )
    .await;
    execute(&directory, "UPDATE didt_issuers SET forget_at = 1").await;
    assert_eq!(store.clean_up().await.expect("an answer"), 3);
    assert!(opens(&store, &ticket).await);
    assert_eq!(count(&directory, "SELECT count(*) FROM didt_tokens").await, 2);
    assert_eq!(count(&directory, "SELECT count(*) FROM didt_sessions").await, 1);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn signing_out_everywhere_ends_more_sessions_than_are_removed_at_once() {
    const SESSIONS: usize = 2_603;
    let (directory, store) = store().await;
    let mut tickets = Vec::new();
    for _ in 0..3 {
        tickets.push(sign_in(&store, "alice").await.0);
    }
    // As so many sign-ins without a limit would.
    execute(
        &directory,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2600) \
         INSERT INTO didt_sessions SELECT randomblob(32), issuer, number + 10 + i, created_at, \
         last_seen, expires_at, version, data, forget_at FROM n, \
         (SELECT * FROM didt_sessions ORDER BY number DESC LIMIT 1)",
    )
    .await;
    let (newest, ended) = {
        let unlimited = session("alice").with_limit(SessionLimit::Unlimited);
        match store.mint(unlimited, now()).await.expect("an answer") {
            Minted::Session { ticket, record } => (ticket.expose_secret().to_owned(), record),
            other => panic!("{other:?}"),
        }
    };
    let rows = count(&directory, "SELECT count(*) FROM didt_sessions").await;
    assert_eq!(rows, SESSIONS as i64 + 1);
    store.revoke_all(issuer("alice"), now()).await.expect("an answer");
    let left = count(&directory, "SELECT count(*) FROM didt_sessions").await;
    assert_eq!(left, SESSIONS as i64 + 1 - 1_000, "the rest is removed later");
    // And has ended all the same.
    assert!(!opens(&store, &newest).await);
    let late = ended.data.changed_to(&SessionData::new(&"late").expect("JSON"));
    let update = store.update_data(&ended, late, now()).await.expect("an answer");
    assert!(matches!(update, DataUpdate::Ended), "{update:?}");
    assert!(list(&store, issuer("alice")).await.is_empty());
    assert!(pages_of_issuers(&store).await.concat().is_empty());
    let (older, _) = sign_in(&store, "alice").await;
    // What has ended takes up no place: the limit is kept by those that live.
    let one = SessionLimit::AtMost(NonZeroUsize::MIN);
    let limited = store.mint(session("alice").with_limit(one), now()).await.expect("an answer");
    let Minted::Session { ticket, record } = limited else { panic!("{limited:?}") };
    let ticket = ticket.expose_secret();
    assert!(!opens(&store, &older).await);
    assert_eq!(list(&store, record.issuer).await.len(), 1);
    // Another issuer's, who comes behind her. And what is known of her might be forgotten, but for
    // the rows that are left.
    execute(
        &directory,
        "INSERT INTO didt_issuers (issuer, ended, leftover, forget_at) \
         VALUES (x'ffffffffffffffffffffffffffffffffffffffff', 9e15, 1, 9e9)",
    )
    .await;
    execute(
        &directory,
        "INSERT INTO didt_sessions SELECT randomblob(32), x'ffffffffffffffffffffffffffffffffffffffff', \
         number, created_at, last_seen, expires_at, version, data, forget_at \
         FROM didt_sessions LIMIT 1",
    )
    .await;
    execute(&directory, "UPDATE didt_issuers SET forget_at = 1 WHERE ended < 9e15").await;
    let issuers = count(&directory, "SELECT count(*) FROM didt_issuers WHERE forget_at = 1").await;
    let removed = store.clean_up().await.expect("an answer");
    assert_eq!(removed, (left + issuers) as u64 + 1);
    assert!(opens(&store, ticket).await);
    assert!(!opens(&store, &newest).await);
    assert_eq!(count(&directory, "SELECT count(*) FROM didt_issuers WHERE leftover").await, 0);
}

#[tokio::test]
async fn issuers_come_in_pages_and_each_once() {
    let (_directory, store) = store().await;
    lists_each_issuer_once(&store).await;
}

#[tokio::test]
async fn a_session_that_cannot_be_read_is_lost_and_in_the_way_of_nothing() {
    let (directory, store) = store().await;
    let (ticket, record) = sign_in(&store, "alice").await;
    let (other, _) = sign_in(&store, "alice").await;
    let spoil = async || {
        let handle = hex(record.handle.as_bytes());
        let sql = format!("UPDATE didt_sessions SET expires_at = 9e999 WHERE handle = x'{handle}'");
        let mut file = beside(&directory).await;
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut file).await.expect("it");
    };
    spoil().await;
    assert_eq!(list(&store, record.issuer).await.len(), 1, "it is skipped");
    let found = store.load(&ticket, now()).await;
    assert!(matches!(found, Err(StoreError::Corrupt(_))), "{found:?}");
    assert!(!opens(&store, &ticket).await, "whoever found it loses the cookie, so it has ended");
    assert!(opens(&store, &other).await);
}

#[tokio::test]
async fn a_limit_is_kept_by_the_oldest_and_the_expired_go_first() {
    let (_directory, store) = store().await;
    let two = SessionLimit::AtMost(NonZeroUsize::new(2).expect("not 0"));
    let (old, _) = sign_in(&store, "alice").await;
    let mut short = session("alice").with_limit(two);
    short.expires_at = now().plus(Duration::from_millis(1));
    store.mint(short, now()).await.expect("an answer");
    let later = now().plus(Duration::from_secs(5));
    store.mint(session("alice").with_limit(two), later).await.expect("an answer");
    assert!(opens(&store, &old).await, "the one that had expired made room");
    store.mint(session("alice").with_limit(two), later).await.expect("an answer");
    assert!(!opens(&store, &old).await);
}

#[tokio::test]
async fn the_changes_of_a_sessions_data_are_counted_in_its_row() {
    let (directory, store) = store().await;
    let (ticket, _) = sign_in(&store, "alice").await;
    for version in 2..5 {
        let read = store.load(&ticket, now()).await.expect("an answer").expect("a session");
        let data = read.data.changed_to(&SessionData::new(&version).expect("JSON"));
        let update = store.update_data(&read, data, now()).await.expect("an answer");
        assert!(matches!(update, DataUpdate::Stored { .. }), "{update:?}");
        assert_eq!(count(&directory, "SELECT version FROM didt_sessions").await, version);
    }
}

#[tokio::test]
async fn a_session_makes_room_from_the_moment_of_its_end_on() {
    let (_directory, store) = store().await;
    let ten = SessionLimit::AtMost(NonZeroUsize::new(10).expect("not 0"));
    let (oldest, _) = sign_in(&store, "alice").await;
    let mut short = session("alice");
    short.expires_at = now().plus(Duration::from_secs(5));
    let end = short.expires_at;
    store.mint(short, now()).await.expect("an answer");
    // The oldest are looked at, not those that came last.
    for _ in 0..8 {
        sign_in(&store, "alice").await;
    }
    store.mint(session("alice").with_limit(ten), end).await.expect("an answer");
    assert!(opens(&store, &oldest).await);
    store.mint(session("alice").with_limit(ten), end).await.expect("an answer");
    assert!(!opens(&store, &oldest).await);
}

#[tokio::test]
async fn a_token_that_was_only_seen_and_the_newest_one_outlast_the_cleaning() {
    let (_directory, store) = store().await;
    let seen = token("alice");
    assert_eq!(store.state_of(seen, now()).await.expect("an answer"), TokenState::New);
    let newest = token("bob");
    assert!(store.advance(newest, now()).await.expect("an answer"));
    assert_eq!(store.clean_up().await.expect("an answer"), 0);
    // Revoked for having been presented before, whenever it was issued.
    store.revoke_all(seen.issuer, Timestamp::from_secs(1)).await.expect("an answer");
    assert_eq!(store.state_of(seen, now()).await.expect("an answer"), TokenState::Revoked);
    let mut older = token("bob");
    older.issued_at = Timestamp::from_secs(1);
    assert!(!store.advance(older, now()).await.expect("an answer"));
}

/// Another process's settings may let a token live longer.
#[tokio::test]
async fn what_is_remembered_is_remembered_for_the_longest_that_was_asked_for() {
    let (directory, store) = store().await;
    let until = |span: u64| {
        let mut token = token("alice");
        token.usable_until = now().plus(Duration::from_secs(span));
        token
    };
    let kept = async |of: &'static str| count(&directory, of).await - now().as_secs_f64() as i64;
    let tokens = "SELECT cast(forget_at AS integer) FROM didt_tokens";
    let issuers = "SELECT cast(forget_at AS integer) FROM didt_issuers";
    // Each one newer than the one before, so that it is noted.
    for (number, (span, longest)) in
        [(5_000_000, 5_000_000), (500, 5_000_000), (9_000_000, 9_000_000)].into_iter().enumerate()
    {
        let mut newer = until(span);
        newer.issued_at = now().plus(Duration::from_secs(number as u64 * 10));
        assert!(store.advance(newer, newer.issued_at).await.expect("an answer"));
        let kept = kept(issuers).await;
        assert!((longest - 10..longest + 1_000).contains(&kept), "{kept} s after {span}");
    }
    // Sign-outs are remembered for 400 days.
    const REVOKED_KEPT: i64 = 400 * 24 * 60 * 60;
    for span in [0, 50_000_000] {
        let mut newer = until(span);
        newer.issued_at = now().plus(Duration::from_secs(100 + span / 1_000_000));
        store.advance(newer, newer.issued_at).await.expect("an answer");
        store.revoke_all(newer.issuer, now()).await.expect("an answer");
        let (kept, longest) = (kept(issuers).await, REVOKED_KEPT.max(span.cast_signed()));
        assert!((longest - 10..longest + 1_000).contains(&kept), "{kept} s after {span}");
    }
    execute(&directory, "DELETE FROM didt_issuers").await;
    let seen = until(0);
    // Seen for long, and used by one who would forget it sooner; and the other way round.
    for (first, then) in [(100_000, 500), (500, 100_000)] {
        execute(&directory, "DELETE FROM didt_tokens").await;
        let (mut seen, mut used) = (seen, seen);
        seen.usable_until = until(first).usable_until;
        used.usable_until = until(then).usable_until;
        store.state_of(seen, now()).await.expect("an answer");
        store.claim(used, now()).await.expect("an answer");
        let kept = kept(tokens).await;
        assert!((100_000..101_000).contains(&kept), "{kept} s after {first} and {then}");
    }
}

#[tokio::test]
async fn what_is_forgotten_brings_no_token_and_no_session_back() {
    let (directory, store) = store().await;
    let wanted = session("alice");
    store.mint(wanted.clone(), now()).await.expect("an answer");
    store.revoke_all(issuer("alice"), now().plus(Duration::from_secs(2))).await.expect("it");
    // After 400 days nobody remembers that. A later revocation counts on all the same.
    execute(&directory, "UPDATE didt_issuers SET forget_at = 1").await;
    store.clean_up().await.expect("an answer");
    let (ticket, record) = sign_in(&store, "alice").await;
    store.revoke_all(record.issuer, Timestamp::from_secs(1)).await.expect("an answer");
    assert!(!opens(&store, &ticket).await);
    let state = store.state_of(wanted.token, now()).await.expect("an answer");
    assert_eq!(state, TokenState::Revoked);
}

#[test]
fn without_a_runtime_there_is_an_error_and_no_panic() {
    let error = SqliteStore::open("sqlite:x.db").expect_err("no runtime");
    assert_eq!(error, SqliteConfigError::NoRuntime);
}

#[tokio::test]
async fn settings_that_cannot_be_are_refused() {
    let (_directory, builder) = place();
    for bad in ["", "a b", "a\"b", "1a", "A"] {
        let builder = builder.clone().with_prefix(bad);
        assert_eq!(builder.open().expect_err(bad), SqliteConfigError::InvalidPrefix);
        assert_eq!(builder.schema_sql().expect_err(bad), SqliteConfigError::InvalidPrefix);
    }
    for extreme in [Duration::ZERO, Duration::MAX] {
        let builder = builder.clone().with_timeout(extreme).with_cleaning_interval(Some(extreme));
        let store = builder.open().expect("a store");
        assert!(store.load("nonsense", now()).await.expect("an answer").is_none());
    }
}
