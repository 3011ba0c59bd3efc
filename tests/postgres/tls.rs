//! TLS, with certificates made for the occasion: `sslmode=verify-full` speaks to the right server only.

use std::fs;
use std::time::{Duration, Instant};

use tower_didt::PostgresStore;
use tower_didt::store::SessionStore;

use crate::migrated_at;
use tower_didt_test_support::certificate::{Authority, Certificate};
use tower_didt_test_support::directory::Directory;
use tower_didt_test_support::needs_postgres;
use tower_didt_test_support::postgres::Server;
use tower_didt_test_support::sessions::{eventually, in_full, opens, sign_in, unavailable, warm};

/// How long a refusal may take: the timeout, and what a busy machine adds.
const LIMIT: Duration = Duration::from_millis(1_500);

/// A server at a host name, to be spoken to with TLS and with this authority's word alone.
fn url(host: &str, server: &Server, authority: &Authority, folder: &Directory) -> String {
    let file = folder.0.join("authority.pem");
    fs::write(&file, &authority.pem).expect("a file");
    let (port, file) = (server.port, file.display());
    format!("postgres://postgres@{host}:{port}/postgres?sslmode=verify-full&sslrootcert={file}")
}

/// How many connections of clients are not encrypted.
fn in_clear(server: &Server) -> String {
    server.sql(
        "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
         WHERE NOT ssl AND backend_type = 'client backend' AND pid <> pg_backend_pid()",
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_right_certificate_opens_sessions_and_every_connection_is_encrypted() {
    needs_postgres!();
    let (authority, folder) = (Authority::new("ours"), Directory::new());
    let mut server = Server::with_certificate(&authority.certify("localhost"));
    let store = migrated_at(&url("localhost", &server, &authority, &folder)).await;
    let (ticket, record) = sign_in(&store, "alice").await;
    // The connection that listens too.
    warm(&store, &ticket).await;
    assert_eq!(in_clear(&server), "0");
    let other = PostgresStore::connect(url("localhost", &server, &authority, &folder)).await;
    let other = other.expect("a store");
    assert!(opens(&other, &ticket).await);
    store.revoke(record.issuer, record.handle, record.created_at).await.expect("an answer");
    eventually(async || !opens(&other, &ticket).await).await;

    server.kill();
    unavailable(store.ready().await);
    server.boot();
    eventually(async || store.ready().await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_other_server_is_refused_in_time_and_the_error_says_why() {
    needs_postgres!();
    let [authority, other] = ["ours", "another"].map(Authority::new);
    let folder = Directory::new();
    let server = Server::with_certificate(&authority.certify("localhost"));
    let impostor = Server::with_certificate(&Certificate::of("localhost"));
    let plain = Server::start();
    for (fault, host, server, trusted, expected) in [
        ("vouched for by another", "localhost", &server, &other, "UnknownIssuer"),
        ("under another name", "127.0.0.1", &server, &authority, "not valid for name"),
        ("with its own word", "localhost", &impostor, &authority, "UnknownIssuer"),
        ("without TLS", "localhost", &plain, &authority, "offers no TLS"),
    ] {
        let url = url(host, server, trusted, &folder);
        let store = PostgresStore::open(&url).expect("a store");
        let begin = Instant::now();
        let error = in_full(&unavailable(store.ready().await));
        let took = begin.elapsed();
        println!("a server {fault}: {error} ({took:.1?})");
        assert!(error.contains(expected), "{fault}: {error}");
        assert!(took < LIMIT, "{fault}: {took:?}");
        assert!(!store.has_copies(), "{fault}: nor does it listen there");
    }
    // Nothing of that is remembered: with the right authority the same store asks the server.
    let store = PostgresStore::open(url("localhost", &server, &other, &folder)).expect("a store");
    unavailable(store.ready().await);
    fs::write(folder.0.join("authority.pem"), &authority.pem).expect("a file");
    eventually(async || store.migrate().await.is_ok()).await;
}
