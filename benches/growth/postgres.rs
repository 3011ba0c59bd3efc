//! Sessions in a PostgreSQL server of our own, which waits for its disk.

use std::time::{Duration, Instant};

use tower_didt::store::SessionStore;
use tower_didt::testing::Wallet;
use tower_didt::{Clock, PostgresStore, SystemClock, Timestamp};
use tower_didt_test_support::postgres::Server;

use crate::figures::{Dice, Times, value};
use crate::filled::Filled;
use crate::steps::{Crowd, LIFETIME, Measured, Picker, cookie, made, pass, service, session};

/// A quarter of a machine of 4 GB, as its manual advises; the log has room for a fill.
const SETTINGS: [&str; 7] = [
    "fsync=on",
    "shared_buffers=1GB",
    "max_wal_size=2GB",
    "maintenance_work_mem=512MB",
    "wal_level=minimal",
    "max_wal_senders=0",
    "autovacuum_naptime=15s",
];

/// From this number on indexes are built after the rows are there.
const IN_BULK: u64 = 2_000_000;

const PATIENCE: Duration = Duration::from_secs(30);

async fn migrated() -> (Server, PostgresStore) {
    let server = Server::with(&SETTINGS);
    let store = store(&server, false);
    store.migrate().await.expect("a schema");
    (server, store)
}

fn store(server: &Server, copies: bool) -> PostgresStore {
    let builder = PostgresStore::builder(server.url()).with_timeout(PATIENCE);
    let builder = builder.with_cleaning_interval(None);
    let builder = if copies { builder } else { builder.with_local_copies(0) };
    builder.open().expect("a store")
}

/// The sessions of these numbers, as [`Filled`] knows them.
fn fill(server: &Server, numbers: std::ops::Range<u64>, now: Timestamp, forget_at: &str) {
    let (now, ends) = (now.as_secs_f64(), now.plus(LIFETIME).as_secs_f64());
    let (first, last) = (numbers.start, numbers.end - 1);
    server.sql(&format!(
        "SET session_replication_role = replica;
         INSERT INTO didt.sessions
             (handle, issuer, number, created_at, last_seen, expires_at, data, forget_at)
         SELECT sha256(sha256(('t' || i)::bytea)), substr(sha256(('i' || i)::bytea), 1, 20),
             ({now} * 1000000)::bigint, {now}, {now}, {ends}, NULL, {forget_at}
         FROM generate_series({first}, {last}) i;"
    ));
}

const KEPT: &str = "extract(epoch FROM clock_timestamp()) + 605100";

/// Rows without indexes, then the indexes.
fn fill_in_bulk(server: &Server, numbers: std::ops::Range<u64>, now: Timestamp) {
    let definitions = server.sql(
        "SELECT indexdef FROM pg_indexes WHERE schemaname = 'didt' AND tablename = 'sessions'
             AND indexname <> 'sessions_pkey'",
    );
    server.sql(
        "DROP INDEX didt.sessions_in_order; DROP INDEX didt.sessions_to_forget;
         ALTER TABLE didt.sessions DROP CONSTRAINT sessions_pkey;",
    );
    fill(server, numbers, now, KEPT);
    server.sql("ALTER TABLE didt.sessions ADD PRIMARY KEY (handle)");
    for definition in definitions.lines() {
        server.sql(definition);
    }
}

/// The store's own row has the size and the kinds of columns of those that are filled in.
async fn prove(server: &Server, store: &PostgresStore, now: Timestamp) {
    let (_, record) = made(store.mint(session("proof", now), now).await.expect("an answer"));
    let sizes =
        server.sql("SELECT count(*), count(DISTINCT pg_column_size(s.*)) FROM didt.sessions s");
    assert!(sizes.ends_with("|1"), "{sizes}");
    let own = server.sql(&format!(
        "SELECT created_at = last_seen, number = (created_at * 1000000)::bigint, data IS NULL,
             version, round(expires_at - created_at), round(forget_at - expires_at)
         FROM didt.sessions WHERE handle = '\\x{}'",
        record.handle
    ));
    let others = server.sql(
        "SELECT DISTINCT created_at = last_seen, abs(number - created_at * 1000000) < 1, data IS NULL,
             version, round(expires_at - created_at)
         FROM didt.sessions",
    );
    assert_eq!(own.split('|').take(5).collect::<Vec<_>>(), others.split('|').collect::<Vec<_>>());
    let mark = server.sql("SELECT avg(pg_column_size(t.*)) FROM didt.tokens t");
    value("postgres", 0, "bytes, row of a used token", mark.parse().expect("a number"));
}

fn sizes(server: &Server, count: u64) {
    let size = |function: &str| -> f64 {
        server.sql(&format!("SELECT {function}('didt.sessions')")).parse().expect("a number")
    };
    for (function, what) in [
        ("pg_total_relation_size", "bytes, all"),
        ("pg_table_size", "bytes, rows"),
        ("pg_indexes_size", "bytes, indexes"),
    ] {
        value("postgres", count, what, size(function) / count as f64);
    }
    for index in ["sessions_pkey", "sessions_in_order", "sessions_to_forget"] {
        let level = server.sql(&format!("SELECT level + 1 FROM bt_metap('didt.{index}')"));
        value("postgres", count, &format!("levels of {index}"), level.parse().expect("a number"));
    }
    // How many pages a look-up touches, and how many of them it found in the server's own memory.
    let plan = server.sql(&format!(
        "SET enable_seqscan = off; EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, SUMMARY OFF)
         SELECT * FROM didt.sessions WHERE handle = sha256(sha256('t{}'))",
        count / 2
    ));
    eprintln!("{plan}");
}

/// 10³ sessions, then ten times as many, up to so many.
pub(crate) async fn growth(up_to: u64) {
    let (server, cold) = migrated().await;
    server.sql("CREATE EXTENSION pageinspect");
    let hot = store(&server, true);
    let now = SystemClock.now();
    let (mut filled, mut count, mut picker) = (0, 1_000, Picker::new());
    while count <= up_to {
        let begin = Instant::now();
        match count > IN_BULK {
            true => fill_in_bulk(&server, filled..count, now),
            false => fill(&server, filled..count, now, KEPT),
        }
        filled = count;
        server.sql("VACUUM ANALYZE didt.sessions");
        server.sql("CHECKPOINT");
        eprintln!("filled up to {count} in {:.1?}", begin.elapsed());
        if count == 1_000 {
            prove(&server, &cold, now).await;
        }
        sizes(&server, count);
        let blocks = || -> (f64, f64) {
            let row = server.sql(
                "SELECT pg_stat_force_next_flush();
                 SELECT sum(heap_blks_read + idx_blks_read), sum(heap_blks_hit + idx_blks_hit)
                 FROM pg_statio_user_tables WHERE schemaname = 'didt'",
            );
            let (read, hit) = row.trim().split_once('|').expect("two");
            (read.parse().expect("a number"), hit.parse().expect("a number"))
        };
        let before = std::cell::Cell::new((0.0, 0.0));
        let around = |what: Option<&str>| match what {
            None => before.set(blocks()),
            Some(what) => {
                let (was, is) = (before.get(), blocks());
                let part = (is.0 - was.0) / (is.0 + is.1 - was.0 - was.1).max(1.0);
                value("postgres", count, &format!("{what}: part of pages not in its memory"), part);
            }
        };
        let (hot, cold) = (&hot, &cold);
        let picker = &mut picker;
        Measured { name: "postgres", count, hot, cold, now, picker, around: &around }.all().await;
        count *= 10;
    }
}

/// So many sessions that have ended in the same minute, removed by the cleaner, beside some that live.
pub(crate) async fn storm(count: u64) {
    let (server, store) = migrated().await;
    let now = SystemClock.now();
    fill(&server, 0..10_000, now, KEPT);
    fill(
        &server,
        10_000..10_000 + count,
        now,
        "extract(epoch FROM clock_timestamp()) - 60 * random()",
    );
    server.sql("VACUUM ANALYZE didt.sessions");
    server.sql("CHECKPOINT");
    let mut service = service(store.clone(), now);
    let quiet =
        meanwhile(&store, &mut service, now, "quiet", |begin| begin.elapsed().as_secs() >= 5).await;
    print(quiet, count, "before");
    let cleaner = store.clone();
    let begin = Instant::now();
    let cleaning = tokio::spawn(async move { cleaner.clean_up().await.expect("an answer") });
    let busy = meanwhile(&store, &mut service, now, "busy", |_| cleaning.is_finished()).await;
    let took = begin.elapsed().as_secs_f64();
    assert!(cleaning.await.expect("no panic") >= count);
    print(busy, count, "meanwhile");
    value("postgres", count, "storm: seconds until all are gone", took);
}

fn print((requests, sign_ins): (Times, Times), count: u64, when: &str) {
    requests.print("postgres", count, &format!("storm: request, cold, {when}"));
    sign_ins.print("postgres", count, &format!("storm: sign-in, {when}"));
}

/// Requests, and now and then a sign-in, until something has happened.
async fn meanwhile(
    store: &PostgresStore,
    service: &mut tower_didt::layer::DidService<tower_didt_benches::calls::Bare>,
    now: Timestamp,
    name: &str,
    over: impl Fn(Instant) -> bool,
) -> (Times, Times) {
    let (mut requests, mut sign_ins) = (Times::default(), Times::default());
    let (begin, mut dice, mut number) = (Instant::now(), Dice::new(), 0);
    while !over(begin) {
        let filled = Filled(dice.below(10_000));
        let request = cookie(&filled.ticket(filled.issuer()));
        requests.await_(pass(service, request)).await;
        if number % 20 == 0 {
            let new = session(&format!("{name} {number}"), now);
            made(sign_ins.await_(store.mint(new, now)).await.expect("an answer"));
        }
        number += 1;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    (requests, sign_ins)
}

/// The same while a transaction is open that began before, as a backup's is: seconds, and thousands
/// of rows a second of the server's.
pub(crate) async fn storm_beside_a_snapshot(count: u64) {
    let (server, store) = migrated().await;
    let now = SystemClock.now();
    fill(&server, 0..count, now, "extract(epoch FROM clock_timestamp()) - 60 * random()");
    server.sql("VACUUM ANALYZE didt.sessions");
    let backup =
        server.hold("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM didt.migrations");
    let begin = Instant::now();
    assert!(store.clean_up().await.expect("an answer") >= count);
    value(
        "postgres",
        count,
        "storm beside a backup: seconds until all are gone",
        begin.elapsed().as_secs_f64(),
    );
    drop(backup);
}

/// One issuer with so many sessions.
pub(crate) async fn crowd(count: u64) {
    let (server, store) = migrated().await;
    let (now, name) = (SystemClock.now(), "a crowd");
    let (issuer, living) = (Wallet::from_seed(name).issuer(), count..count + 10_000);
    fill(&server, 0..living.end, now, KEPT);
    let address: String = issuer.address().to_string().trim_start_matches("0x").to_lowercase();
    server.sql(&format!(
        "SET session_replication_role = replica;
         UPDATE didt.sessions s SET issuer = '\\x{address}', number = number - {count} + i
         FROM generate_series(0, {count} - 1) i WHERE s.handle = sha256(sha256(('t' || i)::bytea))"
    ));
    server.sql("VACUUM ANALYZE didt.sessions");
    server.sql("CHECKPOINT");
    let others = living.map(Filled).collect();
    Crowd { name: "postgres", count, store: &store, now, issuer, others }.all(name).await;
    let begin = Instant::now();
    let removed = store.clean_up().await.expect("an answer");
    value("postgres", count, "crowd: rows left to the cleaner", removed as f64);
    value("postgres", count, "crowd: seconds until they are gone", begin.elapsed().as_secs_f64());
}

/// So many issuers who are signed out everywhere, ten at a time.
pub(crate) async fn revoked(count: u64) {
    let (server, store) = migrated().await;
    let (now, living) = (SystemClock.now(), 10_000);
    fill(&server, 0..living, now, KEPT);
    let begin = Instant::now();
    let lanes: Vec<_> = (0..10)
        .map(|lane| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut times = Times::default();
                for number in (lane..count).step_by(10) {
                    let issuer = Filled(living + number).issuer();
                    times.await_(store.revoke_all(issuer, now)).await.expect("an answer");
                }
                times
            })
        })
        .collect();
    // A store of its own: those ten have all connections of the other.
    let other = self::store(&server, false);
    let mut service = service(other.clone(), now);
    let done = || lanes.iter().all(tokio::task::JoinHandle::is_finished);
    let (requests, sign_ins) = meanwhile(&other, &mut service, now, "revoked", |_| done()).await;
    let took = begin.elapsed().as_secs_f64();
    requests.print("postgres", count, "revoked: request, cold, meanwhile");
    sign_ins.print("postgres", count, "revoked: sign-in, meanwhile");
    for lane in lanes.into_iter().take(1) {
        lane.await.expect("no panic").print(
            "postgres",
            count,
            "revoked: revocation of all, ten at a time",
        );
    }
    let bytes = server.sql("SELECT pg_total_relation_size('didt.issuers')");
    let bytes: f64 = bytes.parse().expect("a number");
    value("postgres", count, "revoked: bytes of each", bytes / count as f64);
    value("postgres", count, "revoked: a second", count as f64 / took);
}
