//! What the store says when its file cannot be used.

use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{Connection, SqliteConnection};
use tower_didt::store::{Minted, SessionStore, TokenState};
use tower_didt::{SqliteStore, StoreError};

use crate::holder::Holder;
use crate::{place, store};
use tower_didt_test_support::directory::Directory;
use tower_didt_test_support::missing;
use tower_didt_test_support::postgres::SmallDisk;
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
async fn a_transaction_of_another_process_that_holds_the_file() {
    let (directory, store) = store().await;
    let (ticket, record) = sign_in(&store, "alice").await;
    let wanted = session("alice");
    let holder = Holder::start(&directory);
    changes_fail(&store, "locked").await;
    unavailable(store.mint(wanted.clone(), now()).await);
    unavailable(store.touch(&record, now().plus(Duration::from_secs(60))).await);
    assert!(opens(&store, &ticket).await, "reading waits for nobody");
    holder.let_go();
    assert_eq!(store.state_of(wanted.token, now()).await.expect("an answer"), TokenState::New);
    store.mint(wanted, now()).await.expect("an answer");
    assert!(opens(&store, &ticket).await, "what was undone has not happened");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_waits_for_that_of_another_process_and_is_made() {
    let (directory, builder) = place();
    let store = builder.with_timeout(Duration::from_secs(30)).open().expect("a store");
    store.migrate().await.expect("tables");
    let (ticket, record) = sign_in(&store, "alice").await;
    let holder = Holder::start(&directory);
    let mut revoking = store.revoke(record.issuer, record.handle, now());
    let early = tokio::time::timeout(Duration::from_millis(100), &mut revoking).await;
    assert!(early.is_err(), "it did not wait: {early:?}");
    assert!(opens(&store, &ticket).await, "nothing is done yet");
    holder.let_go();
    assert!(revoking.await.expect("its turn"), "there was a session");
    assert!(!opens(&store, &ticket).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_killed_in_the_middle_of_a_change() {
    let (directory, store) = store().await;
    let (ticket, record) = sign_in(&store, "alice").await;
    let holder = Holder::start(&directory);
    unavailable(store.revoke(record.issuer, record.handle, now()).await);
    holder.kill();
    assert!(opens(&store, &ticket).await, "half a change has not happened");
    assert!(store.revoke(record.issuer, record.handle, now()).await.expect("its lock is gone"));
    assert!(!opens(&store, &ticket).await);
}

#[tokio::test]
async fn a_file_that_is_full() {
    let (directory, store) = store().await;
    let (ticket, record) = sign_in(&store, "alice").await;
    let options = SqliteConnectOptions::new().filename(directory.0.join("sessions.db"));
    // A limit of one connection, so it has to be the store's: one of a pool of one.
    let pool = SqlitePoolOptions::new().max_connections(1).connect_lazy_with(options);
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
async fn a_disk_that_is_full() {
    let directory = Directory::new();
    let Some(disk) = SmallDisk::mount(&directory, "2m") else {
        missing("a_disk_that_is_full", "the right to mount a file system", &[]);
        return;
    };
    let store = SqliteStore::open(format!("sqlite:{}/sessions.db", directory.0.display()));
    let store = store.expect("a store");
    store.migrate().await.expect("tables");
    let (ticket, record) = sign_in(&store, "alice").await;
    disk.fill();
    // What the log has room for is still written, so the large ones come first.
    let big = tower_didt::store::SessionData::new(&"x".repeat(50_000)).expect("JSON");
    let mut last = session("alice").with_data(big.clone());
    let mut begin = Instant::now();
    while let Ok(minted) = store.mint(last.clone(), now()).await {
        assert!(matches!(minted, Minted::Session { .. }));
        last = session("alice").with_data(big.clone());
        begin = Instant::now();
    }
    let took = begin.elapsed();
    assert!(took < LIMIT, "{took:?}");
    println!("SQLite on a full disk, from call to error: {took:.1?}");
    let StoreError::Unavailable(cause) = unavailable(store.mint(last.clone(), now()).await) else {
        unreachable!()
    };
    assert!(cause.to_string().contains("SQLite"), "{cause}");
    let revoked = store.revoke(record.issuer, record.handle, now()).await.is_ok();
    assert_eq!(
        opens(&store, &ticket).await,
        !revoked,
        "what is answered is done, and else nothing"
    );
    disk.empty();
    let state = store.state_of(last.token, now()).await.expect("an answer");
    assert_eq!(state, TokenState::New);
    store.revoke(record.issuer, record.handle, now()).await.expect("an answer");
    assert!(!opens(&store, &ticket).await);
    store.mint(last, now()).await.expect("an answer");
}

#[tokio::test]
async fn a_file_system_that_nobody_may_write() {
    let directory = Directory::new();
    let Some(disk) = SmallDisk::mount(&directory, "4m") else {
        missing("a_file_system_that_nobody_may_write", "the right to mount a file system", &[]);
        return;
    };
    let url = format!("sqlite:{}/sessions.db", directory.0.display());
    let options = SqliteConnectOptions::new().filename(directory.0.join("sessions.db"));
    let options = options.create_if_missing(true).journal_mode(SqliteJournalMode::Wal);
    let pool = SqlitePoolOptions::new().connect_lazy_with(options);
    let store = SqliteStore::with_pool(pool.clone()).open().expect("a store");
    store.migrate().await.expect("tables");
    let (ticket, record) = sign_in(&store, "alice").await;
    pool.close().await;
    disk.forbid_writing();
    let store = SqliteStore::open(&url).expect("a store");
    changes_fail(&store, "without the right to write").await;
    unavailable(store.revoke(record.issuer, record.handle, now()).await);
    disk.permit_writing();
    assert!(opens(&store, &ticket).await, "it recovers by itself");
    assert!(store.revoke(record.issuer, record.handle, now()).await.expect("an answer"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_replaced_is_the_one_that_counts() {
    let (directory, store) = store().await;
    let (ticket, _) = sign_in(&store, "alice").await;
    let file = |name: &str| directory.0.join(name);
    let options = SqliteConnectOptions::new().filename(file("sessions.db"));
    let mut beside = SqliteConnection::connect_with(&options).await.expect("the file");
    let backup = format!("VACUUM INTO '{}'", file("backup.db").display());
    sqlx::query(sqlx::AssertSqlSafe(backup)).execute(&mut beside).await.expect("a backup");
    beside.close().await.expect("the end");
    let (later, _) = sign_in(&store, "alice").await;
    // Readers have the old file open, too.
    let [one, two] = [&ticket, &later].map(|ticket| opens(&store, ticket));
    assert_eq!(tokio::join!(one, two), (true, true));

    let remove = || {
        for name in ["sessions.db", "sessions.db-wal", "sessions.db-shm"] {
            let _ = std::fs::remove_file(file(name));
        }
    };
    remove();
    unavailable(store.load(&ticket, now()).await);
    unavailable(store.mint(session("alice"), now()).await);
    remove();
    std::fs::rename(file("backup.db"), file("sessions.db")).expect("the backup in its place");
    for _ in 0..8 {
        let [one, two] = [&ticket, &later].map(|ticket| opens(&store, ticket));
        assert_eq!(tokio::join!(one, two), (true, false), "the backup knows the first only");
    }
    // Whoever comes later sees what it does.
    let url = format!("sqlite:{}", file("sessions.db").display());
    let other = SqliteStore::open(url).expect("a store");
    let wanted = session("alice");
    store.mint(wanted.clone(), now()).await.expect("an answer");
    let state = other.state_of(wanted.token, now()).await.expect("an answer");
    assert_eq!(state, TokenState::Used);
    other.revoke_all(issuer("alice"), now()).await.expect("an answer");
    assert!(!opens(&store, &ticket).await);
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
    let pool = SqlitePoolOptions::new().connect_lazy_with(options);
    let read_only = SqliteStore::with_pool(pool).open().expect("a store");
    changes_fail(&read_only, "read-only").await;
    assert!(opens(&read_only, &ticket).await);
}
