//! What the store says when its file cannot be used.

use std::time::{Duration, Instant};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};
use tower_didt::store::{SessionStore, TokenState};
use tower_didt::{SqliteStore, StoreError};

use crate::{place, store};
use tower_didt_test_support::sessions::{
    Times, issuer, now, opens, session, sign_in, token, unavailable,
};

/// How long the store may take to say that it cannot: its timeout, and what a busy machine adds.
const LIMIT: Duration = Duration::from_millis(1_500);

/// Everything that changes something is an error in time.
async fn changes_fail(store: &SqliteStore, fault: &str) {
    let mut times = Vec::new();
    let mut begin = Instant::now();
    let mut next = || {
        let took = begin.elapsed();
        assert!(took < LIMIT, "{fault}: {took:?}");
        times.push(took);
        begin = Instant::now();
    };
    unavailable(store.mint(session("alice"), now()).await);
    next();
    unavailable(store.claim(token("alice"), now()).await);
    next();
    unavailable(store.revoke_all(issuer("nobody"), now()).await);
    next();
    unavailable(store.ready().await);
    next();
    Times::new(times).report(&format!("SQLite {fault}, from call to error"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_holds_the_file() {
    let (directory, store) = store().await;
    let (ticket, record) = sign_in(&store, "alice").await;
    let wanted = session("alice");
    let options = SqliteConnectOptions::new().filename(directory.0.join("sessions.db"));
    let mut other = SqliteConnection::connect_with(&options).await.expect("the file");
    let stuck = other.begin_with("BEGIN IMMEDIATE").await.expect("the lock");
    changes_fail(&store, "locked").await;
    unavailable(store.mint(wanted.clone(), now()).await);
    unavailable(store.touch(&record, now().plus(Duration::from_secs(60))).await);
    assert!(opens(&store, &ticket).await, "reading waits for nobody");
    stuck.rollback().await.expect("the end");
    assert_eq!(store.state_of(wanted.token, now()).await.expect("an answer"), TokenState::New);
    store.mint(wanted, now()).await.expect("an answer");
}

#[tokio::test]
async fn a_file_that_is_full() {
    let (directory, store) = store().await;
    let (ticket, record) = sign_in(&store, "alice").await;
    let options = SqliteConnectOptions::new().filename(directory.0.join("sessions.db"));
    // A limit of one connection, so it has to be the store's: one of a pool of one.
    let pool = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1).connect_lazy_with(options);
    let full = SqliteStore::with_pool(pool.clone()).open().expect("a store");
    let (pages,): (i64,) = sqlx::query_as("PRAGMA page_count").fetch_one(&pool).await.expect("it");
    let sql = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
    sqlx::query(sql).execute(&pool).await.expect("a limit");
    let big = tower_didt::store::SessionData::new(&"x".repeat(50_000)).expect("JSON");
    let wanted = session("alice").with_data(big);
    let StoreError::Unavailable(cause) = unavailable(full.mint(wanted.clone(), now()).await) else {
        unreachable!()
    };
    assert!(cause.to_string().contains("no room"), "{cause}");
    // What gives room back works, and nothing was half done.
    assert!(opens(&full, &ticket).await);
    full.revoke(record.issuer, record.handle, now()).await.expect("an answer");
    assert_eq!(store.state_of(wanted.token, now()).await.expect("an answer"), TokenState::New);
    store.mint(wanted, now()).await.expect("an answer");
}

#[tokio::test]
async fn a_file_that_is_missing_damaged_or_read_only() {
    let (directory, builder) = place();
    let nowhere = SqliteStore::open(format!("sqlite:{}/no/folder.db", directory.0.display()));
    changes_fail(&nowhere.expect("a store"), "in no folder").await;
    std::fs::write(directory.0.join("sessions.db"), "x".repeat(8_192)).expect("a file");
    let store = builder.open().expect("a store");
    changes_fail(&store, "damaged").await;
    // The user of a session keeps the cookie: it is not the session that is damaged.
    unavailable(store.load(&"A".repeat(70), now()).await);

    let (directory, store) = crate::store().await;
    let (ticket, _) = sign_in(&store, "alice").await;
    let options =
        SqliteConnectOptions::new().filename(directory.0.join("sessions.db")).read_only(true);
    let pool = sqlx::sqlite::SqlitePoolOptions::new().connect_lazy_with(options);
    let read_only = SqliteStore::with_pool(pool).open().expect("a store");
    changes_fail(&read_only, "read-only").await;
    assert!(opens(&read_only, &ticket).await);
}
