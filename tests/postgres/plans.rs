//! The plans by which PostgreSQL answers, among many rows: each by an index.

use std::num::NonZeroUsize;
use std::time::Duration;

use tower_didt::store::{PageRequest, SessionData, SessionStore};
use tower_didt::{PostgresStore, SessionLimit};

use crate::migrated;
use tower_didt_test_support::needs_postgres;
use tower_didt_test_support::postgres::Server;
use tower_didt_test_support::sessions::{issuer, now, opens, session, sign_in, token};

/// Rows of each table.
const ROWS: u32 = 200_000;

/// How often everything is asked for: PostgreSQL makes a plan for all arguments after five times.
const ROUNDS: usize = 8;

/// For an answer of a server that may have paused on the way.
const PATIENCE: Duration = Duration::from_secs(5);

/// Writes the plan of every statement, those within functions too, into the log.
const EXPLAINING: [&str; 5] = [
    "session_preload_libraries=auto_explain",
    "auto_explain.log_min_duration=0",
    "auto_explain.log_nested_statements=on",
    "auto_explain.log_triggers=off",
    "max_connections=40",
];

/// Sessions of as many issuers, tokens, and issuers who signed out everywhere.
fn fill(server: &Server) {
    server.sql(&format!(
        "SET session_replication_role = replica;
         INSERT INTO didt.sessions (handle, issuer, number, created_at, last_seen, expires_at, forget_at)
         SELECT sha256(('h' || i)::bytea), substr(sha256(('i' || i)::bytea), 1, 20), i, i, i, 9e9, 9e9
         FROM generate_series(1, {ROWS}) i;
         INSERT INTO didt.tokens (digest, used, revocations, forget_at)
         SELECT sha256(('t' || i)::bytea), true, 0, 9e9 FROM generate_series(1, {ROWS}) i;
         INSERT INTO didt.issuers (issuer, forget_at)
         SELECT substr(sha256(('i' || i)::bytea), 1, 20), 9e9 FROM generate_series(1, {ROWS}) i;"
    ));
}

/// Everything that a store asks for.
async fn ask_for_everything(server: &Server, store: &PostgresStore) {
    let two = SessionLimit::AtMost(NonZeroUsize::new(2).expect("not 0"));
    for _ in 0..ROUNDS {
        let (ticket, record) = sign_in(store, "alice").await;
        let replacing = session("alice").with_limit(two).replacing(Some(&record));
        store.mint(replacing, now()).await.expect("an answer");
        store.claim(token("alice"), now()).await.expect("an answer");
        store.state_of(token("alice"), now()).await.expect("an answer");
        store.advance(token("alice"), now()).await.expect("an answer");
        assert!(!opens(store, &ticket).await);
        // Several sessions at a time, of which some are asked for together: while the server pauses
        // none is answered before the next one is asked.
        let mut tickets = Vec::new();
        for number in 0..8 {
            tickets.push(sign_in(store, &format!("visitor {number}")).await.0);
        }
        server.pause();
        let questions: Vec<_> = tickets
            .into_iter()
            .map(|ticket| {
                let store = store.clone();
                tokio::spawn(async move { assert!(opens(&store, &ticket).await) })
            })
            .collect();
        // All of them run until they wait.
        tokio::task::yield_now().await;
        server.resume();
        for question in questions {
            question.await.expect("an answer");
        }
        let (_, record) = sign_in(store, "alice").await;
        let later = now().plus(Duration::from_secs(60));
        store.touch(&record, later).await.expect("an answer");
        let changed = record.data.changed_to(&SessionData::new(&1).expect("JSON"));
        store.update_data(&record, changed, now()).await.expect("an answer");
        store.sessions_of(record.issuer, PageRequest::first(), now()).await.expect("an answer");
        store.issuers(None).await.expect("an answer");
        store.revoke(record.issuer, record.handle, now()).await.expect("an answer");
        store.revoke_all(issuer("alice"), now()).await.expect("an answer");
        store.ready().await.expect("an answer");
        store.clean_up().await.expect("an answer");
    }
}

#[tokio::test]
async fn no_plan_reads_a_whole_table_whatever_the_statistics_say() {
    needs_postgres!();
    let server = Server::with(&EXPLAINING);
    migrated(&server).await;
    for analysed in [false, true] {
        if analysed {
            server.sql("VACUUM ANALYZE");
        } else {
            fill(&server);
        }
        let before = server.log().len();
        let store = PostgresStore::builder(server.url()).with_cleaning_interval(None);
        let store = store.with_local_copies(0).with_max_connections(1).with_timeout(PATIENCE);
        ask_for_everything(&server, &store.connect().await.expect("a store")).await;
        let log = server.log();
        let plans = &log[before..];
        for table in ["sessions", "tokens", "issuers"] {
            let read_whole = format!("Seq Scan on {table}");
            let found =
                plans.find(&read_whole).map(|at| &plans[at.saturating_sub(1_500)..at + 200]);
            assert!(found.is_none(), "{found:?}");
            assert!(plans.contains(&format!(" on {table} ")), "{table} is asked");
        }
        let together = plans.matches("WITH ORDINALITY").count();
        assert!(together >= ROUNDS, "{together}: some are asked for together in each round");
        // An index that is read from end to end has no condition.
        let scans = plans.lines().zip(plans.lines().skip(1));
        for (scan, next) in scans.filter(|(scan, _)| scan.contains("Index Scan using")) {
            let is_ordered = scan.contains("_with_leftovers");
            assert!(next.contains("Index Cond") || is_ordered, "{scan}\n{next}");
        }
    }
}

/// Rows of each kind that the cleaner removes, in as many steps of a thousand.
const EXPIRED: usize = 8_000;

/// Entries of removed rows stay in an index while a backup goes on: no step goes through those that the
/// steps before it left.
#[tokio::test]
async fn while_a_backup_goes_on_each_step_of_cleaning_reads_as_much_as_the_first() {
    needs_postgres!();
    let explaining = ["auto_explain.log_analyze=on", "auto_explain.log_buffers=on"];
    let server = Server::with(&[&EXPLAINING[..], &explaining].concat());
    migrated(&server).await;
    server.sql(&format!(
        "SET session_replication_role = replica;
         INSERT INTO didt.sessions (handle, issuer, number, created_at, last_seen, expires_at, forget_at)
         SELECT sha256(('h' || i)::bytea), substr(sha256(('i' || i)::bytea), 1, 20), i, i, i, i, i
         FROM generate_series(1, {EXPIRED}) i;
         INSERT INTO didt.sessions (handle, issuer, number, created_at, last_seen, expires_at, forget_at)
         SELECT sha256(('l' || i)::bytea), decode(repeat('11', 20), 'hex'), i, i, i, 9e9, 9e9
         FROM generate_series(1, {EXPIRED}) i;
         INSERT INTO didt.tokens (digest, used, revocations, forget_at)
         SELECT sha256(('t' || i)::bytea), true, 0, i FROM generate_series(1, {EXPIRED}) i;
         INSERT INTO didt.issuers (issuer, forget_at)
         SELECT substr(sha256(('i' || i)::bytea), 1, 20), i FROM generate_series(1, {EXPIRED}) i;
         INSERT INTO didt.issuers (issuer, ended, leftover, forget_at)
         VALUES (decode(repeat('11', 20), 'hex'), {EXPIRED}, true, 9e9);"
    ));
    server.sql("VACUUM ANALYZE");
    let store = PostgresStore::builder(server.url()).with_cleaning_interval(None);
    let store = store.with_max_connections(1).with_timeout(PATIENCE).connect().await;
    let backup = server.hold("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM didt.migrations");
    let before = server.log().len();
    assert_eq!(store.expect("a store").clean_up().await.expect("an answer"), 4 * EXPIRED as u64);
    drop(backup);
    let log = server.log();
    let plans = &log[before..];
    for index in
        ["tokens_to_forget", "sessions_to_forget", "sessions_in_order", "issuers_to_forget"]
    {
        let scan = format!("Index Scan using {index} on ");
        let read = |plan: &str| -> u64 {
            let buffers = plan.split_once("Buffers: shared hit=").expect("buffers").1;
            let digits = buffers.split(|c: char| !c.is_ascii_digit()).next();
            digits.and_then(|digits| digits.parse().ok()).expect("a number")
        };
        let read: Vec<_> = plans.split(&scan).skip(1).map(read).collect();
        assert!(read.len() >= EXPIRED / 1000, "{index}: {read:?}");
        let (first, most) = (read[0], read.iter().copied().max().expect("some"));
        assert!(most <= first + first / 2, "pages of {index}: {read:?}");
    }
    assert_eq!(server.sql("SELECT count(*) FROM didt.sessions"), "0");
}
