//! What every store does, and what this one does with what it finds in PostgreSQL.

use std::time::Duration;

use tower_didt::postgres::{PostgresConfigError, PostgresWarning};
use tower_didt::store::{DataUpdate, Minted, SessionData, SessionStore, TokenState};
use tower_didt::testing::store_suite::StoreSuite;
use tower_didt::{PostgresStore, SessionLimit, StoreError, Timestamp};

use crate::migrated;
use tower_didt_test_support::needs_postgres;
use tower_didt_test_support::postgres::Server;
use tower_didt_test_support::sessions::{
    eventually, in_full, issuer, list, lists_each_issuer_once, now, opens, pages_of_issuers,
    session, sign_in, token, unavailable, warm,
};

fn suite(make: impl Fn() -> PostgresStore + 'static) -> StoreSuite {
    StoreSuite::new(move || {
        let store = make();
        async move { store }
    })
    .with_spawner(|task| drop(tokio::spawn(task)))
}

/// Patient: the suite is about answers, not about time.
const PATIENT: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_server_passes_the_suite_of_all_stores() {
    needs_postgres!();
    let server = Server::start();
    migrated(&server).await;
    let builder = PostgresStore::builder(server.url()).with_timeout(PATIENT);
    suite({
        let builder = builder.clone().with_max_connections(4);
        move || builder.open().expect("a store")
    })
    .run()
    .await;
    suite(move || builder.clone().with_local_copies(0).open().expect("a store")).run().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_schema_the_error_says_what_to_do_and_many_may_make_it_at_once() {
    needs_postgres!();
    let server = Server::start();
    let store = PostgresStore::open(server.url()).expect("a store");
    for error in [store.ready().await, store.load(&"A".repeat(70), now()).await.map(drop)] {
        let error = in_full(&unavailable(error));
        assert!(error.contains("migrations"), "{error}");
    }
    let migrations: Vec<_> = (0..8)
        .map(|_| {
            let store = PostgresStore::open(server.url()).expect("a store");
            tokio::spawn(async move { store.migrate().await })
        })
        .collect();
    for migration in migrations {
        migration.await.expect("no panic").expect("a schema");
    }
    store.ready().await.expect("ready");
    assert_eq!(server.sql("SELECT version FROM didt.migrations"), "1");
}

#[tokio::test]
async fn a_schema_that_is_older_than_the_program_is_not_used() {
    needs_postgres!();
    let server = Server::start();
    let store = migrated(&server).await;
    server.sql("UPDATE didt.migrations SET version = 0");
    let error = in_full(&unavailable(store.ready().await));
    assert!(error.contains("old one"), "{error}");
    // A newer one has all that this version asks for.
    server.sql("UPDATE didt.migrations SET version = 99");
    store.ready().await.expect("ready");
}

#[tokio::test]
async fn the_printed_sql_makes_what_a_migration_makes() {
    needs_postgres!();
    let server = Server::start();
    let builder = PostgresStore::builder(server.url()).with_schema("shop");
    server.sql(&builder.schema_sql().expect("SQL"));
    let store = builder.connect().await.expect("ready");
    store.migrate().await.expect("nothing to do");
    let (ticket, _) = sign_in(&store, "alice").await;
    assert!(opens(&store, &ticket).await);
}

#[tokio::test]
async fn a_user_who_may_make_no_schema_uses_one_that_exists() {
    needs_postgres!();
    let server = Server::start();
    migrated(&server).await;
    server.sql(
        "CREATE USER app; GRANT USAGE ON SCHEMA didt TO app;
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA didt TO app;",
    );
    let url = server.url().replace("postgres@", "app@");
    let store = PostgresStore::open(url.clone()).expect("a store");
    store.migrate().await.expect("nothing to do");
    let (ticket, record) = sign_in(&store, "alice").await;
    warm(&store, &ticket).await;
    store.touch(&record, now().plus(Duration::from_secs(99))).await.expect("an answer");
    assert_eq!(store.claim(token("alice"), now()).await.expect("an answer"), TokenState::New);
    assert!(store.advance(token("alice"), now()).await.expect("an answer"));
    store.revoke_all(record.issuer, now()).await.expect("an answer");
    store.clean_up().await.expect("an answer");
    assert_eq!(store.check().await.expect("an answer"), [PostgresWarning::NotDurable]);
    // And whoever lacks a right is told so, without a word of the password.
    server.sql("REVOKE DELETE ON didt.sessions FROM app");
    let error = in_full(&unavailable(store.revoke(record.issuer, record.handle, now()).await));
    assert!(error.contains("permit"), "{error}");
    let other = PostgresStore::builder(url).with_schema("mine").open().expect("a store");
    unavailable(other.migrate().await);
}

#[tokio::test]
async fn applications_with_schemas_of_their_own_see_nothing_of_each_other() {
    needs_postgres!();
    let server = Server::start();
    let [shop, blog] =
        ["shop", "blog"].map(|name| PostgresStore::builder(server.url()).with_schema(name).open());
    let (shop, blog) = (shop.expect("a store"), blog.expect("a store"));
    shop.migrate().await.expect("a schema");
    blog.migrate().await.expect("a schema");
    let (ticket, record) = sign_in(&shop, "alice").await;
    assert!(!opens(&blog, &ticket).await);
    blog.revoke_all(record.issuer, now()).await.expect("an answer");
    assert!(opens(&shop, &ticket).await);
}

#[tokio::test]
async fn what_nobody_needs_is_removed_and_nothing_else() {
    needs_postgres!();
    let server = Server::start();
    migrated(&server).await;
    let store = PostgresStore::builder(server.url()).with_cleaning_interval(None).open();
    let store = store.expect("a store");
    let (ticket, _) = sign_in(&store, "alice").await;
    let (_, bob) = sign_in(&store, "bob").await;
    store.claim(token("carol"), now()).await.expect("an answer");
    store.revoke_all(issuer("dave"), now()).await.expect("an answer");
    assert_eq!(store.clean_up().await.expect("an answer"), 0);
    // The time of bob's session, of one token and of what was revoked has come.
    server
        .sql(&format!("UPDATE didt.sessions SET forget_at = 1 WHERE handle = '\\x{}'", bob.handle));
    server.sql(
        "UPDATE didt.tokens SET forget_at = 1
         WHERE digest = (SELECT digest FROM didt.tokens LIMIT 1)",
    );
    server.sql("UPDATE didt.issuers SET forget_at = 1");
    assert_eq!(store.clean_up().await.expect("an answer"), 3);
    assert!(opens(&store, &ticket).await);
    assert_eq!(server.sql("SELECT count(*) FROM didt.tokens"), "2");
    assert_eq!(server.sql("SELECT count(*) FROM didt.sessions"), "1");
}

#[tokio::test]
async fn rows_are_removed_in_the_background() {
    needs_postgres!();
    let server = Server::start();
    migrated(&server).await;
    let often = PostgresStore::builder(server.url()).with_cleaning_interval(Some(Duration::ZERO));
    let store = often.open().expect("a store");
    sign_in(&store, "alice").await;
    server.sql("UPDATE didt.sessions SET forget_at = 1");
    eventually(async || server.sql("SELECT count(*) FROM didt.sessions") == "0").await;
}

#[tokio::test]
async fn everything_is_kept_for_as_long_as_it_matters_and_five_minutes() {
    needs_postgres!();
    let server = Server::start();
    let store = migrated(&server).await;
    sign_in(&store, "alice").await;
    for (table, seconds) in [("sessions", 3_600 + 300), ("tokens", 900 + 300)] {
        let left = server.sql(&format!(
            "SELECT round(forget_at - extract(epoch FROM now())::float) FROM didt.{table}"
        ));
        let left: i64 = left.parse().expect("a number");
        assert!((seconds - 10..=seconds).contains(&left), "{table}: {left} s");
    }
}

#[tokio::test]
async fn signing_out_everywhere_ends_more_sessions_than_are_removed_at_once() {
    needs_postgres!();
    let server = Server::start();
    let store = migrated(&server).await;
    sign_in(&store, "alice").await;
    // As so many sign-ins without a limit would.
    server.sql(
        "INSERT INTO didt.sessions SELECT sha256(i::text::bytea), issuer, number + i, created_at,
         last_seen, expires_at, version, data, forget_at FROM didt.sessions, generate_series(1, 1203) i",
    );
    let unlimited = session("alice").with_limit(SessionLimit::Unlimited);
    let Ok(Minted::Session { ticket, .. }) = store.mint(unlimited, now()).await else {
        panic!("no session")
    };
    warm(&store, ticket.expose_secret()).await;
    let elsewhere = migrated(&server).await;
    warm(&elsewhere, ticket.expose_secret()).await;
    store.revoke_all(issuer("alice"), now()).await.expect("an answer");
    assert_eq!(
        server.sql("SELECT count(*) FROM didt.sessions"),
        "205",
        "the rest is removed later"
    );
    // And has ended all the same, in copies too.
    assert!(!opens(&store, ticket.expose_secret()).await);
    eventually(async || !opens(&elsewhere, ticket.expose_secret()).await).await;
    assert!(list(&store, issuer("alice")).await.is_empty());
    assert!(pages_of_issuers(&store).await.concat().is_empty());
    let (ticket, record) = sign_in(&store, "alice").await;
    assert_eq!(list(&store, record.issuer).await.len(), 1);
    assert_eq!(store.clean_up().await.expect("an answer"), 205);
    assert!(opens(&store, &ticket).await);
    assert_eq!(server.sql("SELECT count(*) FROM didt.issuers WHERE leftover"), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_has_ended_and_whose_row_remains_is_good_for_nothing() {
    needs_postgres!();
    let server = Server::start();
    migrated(&server).await;
    let store = PostgresStore::builder(server.url()).with_local_copies(0).with_timeout(PATIENT);
    let store = store.open().expect("a store");
    let mut ended = Vec::new();
    for _ in 0..8 {
        ended.push(sign_in(&store, "alice").await);
    }
    let (bobs, _) = sign_in(&store, "bob").await;
    // As signing out everywhere leaves the rows of very many sessions.
    server.sql(&format!(
        "INSERT INTO didt.issuers (issuer, ended, leftover, forget_at)
         SELECT issuer, max(number), true, 9e9 FROM didt.sessions
             WHERE issuer = '\\x{}' GROUP BY issuer",
        &issuer("alice").address().to_string()[2..]
    ));
    let (new, _) = sign_in(&store, "alice").await;
    // So many at a time are asked for together.
    let tickets = ended.iter().map(|(ticket, _)| ticket.clone()).chain([new.clone(), bobs]);
    let loads: Vec<_> = tickets
        .map(|ticket| {
            let store = store.clone();
            tokio::spawn(async move { opens(&store, &ticket).await })
        })
        .collect();
    for (number, load) in loads.into_iter().enumerate() {
        assert_eq!(load.await.expect("no panic"), number >= ended.len(), "session {number}");
    }
    for (ticket, record) in &ended {
        assert!(!opens(&store, ticket).await, "asked for by itself");
        let changed = record.data.changed_to(&SessionData::new(&"words").expect("JSON"));
        let update = store.update_data(record, changed, now()).await.expect("an answer");
        assert!(matches!(update, DataUpdate::Ended), "{update:?}");
        assert!(!store.revoke(record.issuer, record.handle, now()).await.expect("an answer"));
    }
    assert!(opens(&store, &new).await);
}

/// What a function sets for its own time must not outlast it: on a connection of the application's pool it would
/// let later sign-outs be lost in a crash.
#[tokio::test]
async fn no_call_leaves_a_setting_behind_on_its_connection() {
    needs_postgres!();
    let server = Server::start();
    migrated(&server).await;
    let options = sqlx::postgres::PgPoolOptions::new().max_connections(1);
    let pool = options.connect(&server.url()).await.expect("a connection");
    let settings = async || {
        let names = ["synchronous_commit", "lock_timeout", "didt.quiet"];
        let plans = ["enable_seqscan", "enable_hashjoin", "enable_mergejoin"];
        let mut found = Vec::new();
        for name in names.iter().chain(&plans) {
            let setting = sqlx::query_as("SELECT coalesce(current_setting($1, true), '')");
            let (value,): (String,) = setting.bind(name).fetch_one(&pool).await.expect("a value");
            found.push((*name, value));
        }
        found
    };
    let before = settings().await;
    let store = PostgresStore::with_pool(pool.clone()).with_local_copies(0);
    let store = store.with_timeout(PATIENT).open().expect("a store");
    let (ticket, record) = sign_in(&store, "alice").await;
    assert_eq!(settings().await, before, "mint");
    store.touch(&record, now().plus(Duration::from_secs(60))).await.expect("an answer");
    assert_eq!(settings().await, before, "touch");
    let loads = [&ticket; 4].map(|ticket| opens(&store, ticket));
    let [a, b, c, d] = loads;
    assert_eq!(tokio::join!(a, b, c, d), (true, true, true, true));
    assert_eq!(settings().await, before, "load");
    store.revoke_all(record.issuer, now()).await.expect("an answer");
    assert_eq!(settings().await, before, "revoke_all");
    store.clean_up().await.expect("an answer");
    assert_eq!(settings().await, before, "clean");
}

#[tokio::test]
async fn issuers_come_in_pages_and_each_once() {
    needs_postgres!();
    let server = Server::start();
    lists_each_issuer_once(&migrated(&server).await).await;
}

#[tokio::test]
async fn a_session_that_cannot_be_read_is_lost_and_in_the_way_of_nothing() {
    needs_postgres!();
    let server = Server::start();
    let store = migrated(&server).await;
    for bad in ["expires_at = 'NaN'", "created_at = 'infinity'", "last_seen = '-infinity'"] {
        let (ticket, record) = sign_in(&store, "alice").await;
        let (other, _) = sign_in(&store, "alice").await;
        let spoil = || {
            server.sql(&format!(
                "UPDATE didt.sessions SET {bad} WHERE handle = '\\x{}'",
                record.handle
            ))
        };
        spoil();
        assert_eq!(list(&store, record.issuer).await.len(), 1, "{bad}: it is skipped");
        // Whoever finds it loses the cookie, so it ends for those who could read it too.
        let found = store.load(&ticket, now()).await;
        assert!(matches!(found, Err(StoreError::Corrupt(_))), "{bad}: {found:?}");
        assert!(!opens(&store, &ticket).await, "{bad}");
        assert!(opens(&store, &other).await);
        store.revoke_all(record.issuer, now()).await.expect("an answer");
        assert!(!opens(&store, &other).await);
    }
}

#[tokio::test]
async fn what_is_forgotten_brings_no_token_and_no_session_back() {
    needs_postgres!();
    let server = Server::start();
    let store = migrated(&server).await;
    let wanted = session("alice");
    store.mint(wanted.clone(), now()).await.expect("an answer");
    store.revoke_all(issuer("alice"), now().plus(Duration::from_secs(2))).await.expect("it");
    // After 400 days nobody remembers that. A later revocation counts on all the same.
    server.sql("UPDATE didt.issuers SET forget_at = 1");
    store.clean_up().await.expect("an answer");
    assert_eq!(server.sql("SELECT count(*) FROM didt.issuers"), "0");
    let (ticket, record) = sign_in(&store, "alice").await;
    store.revoke_all(record.issuer, Timestamp::from_secs(1)).await.expect("an answer");
    assert!(!opens(&store, &ticket).await);
    let state = store.state_of(wanted.token, now()).await.expect("an answer");
    assert_eq!(state, TokenState::Revoked);
}

#[tokio::test]
async fn settings_that_cost_safety_are_told() {
    needs_postgres!();
    let server = Server::with(&["fsync=on"]);
    let store = migrated(&server).await;
    assert_eq!(store.check().await.expect("an answer"), []);
    server.sql("ALTER SYSTEM SET synchronous_commit = off");
    server.sql("SELECT pg_reload_conf()");
    eventually(async || {
        store.check().await.expect("an answer") == [PostgresWarning::LosesLastMoment]
    })
    .await;
}

#[test]
fn without_a_runtime_there_is_an_error_and_no_panic() {
    let error = PostgresStore::open("postgres://localhost/shop").expect_err("no runtime");
    assert_eq!(error, PostgresConfigError::NoRuntime);
}

#[tokio::test]
async fn settings_that_cannot_be_are_refused_or_brought_within_bounds() {
    let builder = PostgresStore::builder("postgres://localhost/shop");
    for bad in ["", "a b", "a\"b", "1a", "A", "pg_x"] {
        let builder = builder.clone().with_schema(bad);
        assert_eq!(builder.open().expect_err(bad), PostgresConfigError::InvalidSchema);
        assert_eq!(builder.validate().expect_err(bad), PostgresConfigError::InvalidSchema);
        assert_eq!(builder.schema_sql().expect_err(bad), PostgresConfigError::InvalidSchema);
    }
    for extreme in [Duration::ZERO, Duration::MAX] {
        let builder = builder.clone().with_timeout(extreme).with_ping_interval(extreme);
        for (bytes, connections) in [(0, 0), (1, 1), (u64::MAX, usize::MAX)] {
            let builder = builder.clone().with_local_copies(bytes);
            let store = builder.with_max_connections(connections).open().expect("a store");
            assert!(store.load("nonsense", now()).await.expect("an answer").is_none());
        }
    }
}
