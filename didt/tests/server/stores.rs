//! Readiness follows the store.

use std::io::Write;
use std::net::SocketAddr;

use tower_didt::testing::Wallet;

use crate::didt::{Didt, LISTEN, TOP, eventually};
use crate::http::{answer, ask, connect, get};
use tower_didt_test_support::certificate::Authority;
use tower_didt_test_support::directory::Directory;
use tower_didt_test_support::redis::Server;
use tower_didt_test_support::{needs_postgres, needs_redis, postgres};

#[test]
fn readiness_is_503_while_redis_is_away_and_no_longer() {
    needs_redis!();
    let mut redis = Server::start();
    let store = format!("[store]\nkind = \"redis\"\nurl = \"{}\"\n", redis.url());
    let (mut didt, _, private) = Didt::start(&format!("{TOP}{LISTEN}{store}"));
    let ready = || get(private, "/readyz").status;
    eventually("it is ready", || ready() == 200);
    redis.kill();
    eventually("it is not ready", || ready() == 503);
    assert_eq!(get(private, "/healthz").status, 200, "it lives all the same");
    redis.boot();
    eventually("it is ready again", || ready() == 200);
    let text = get(private, "/metrics").body;
    let ready = "didt_store_seconds_count{operation=\"ready\",outcome=";
    for outcome in ["answered", "error"] {
        assert!(text.contains(&format!("{ready}\"{outcome}\"")), "{outcome}: {text}");
    }
    didt.signal("TERM");
    assert_eq!(didt.ended().code(), Some(0));
}

#[test]
fn it_starts_while_redis_is_away() {
    let port = tower_didt_test_support::redis::free_port();
    let store = format!("[store]\nkind = \"redis\"\nurl = \"redis://127.0.0.1:{port}\"\n");
    let (mut didt, _, private) = Didt::start(&format!("{TOP}{LISTEN}{store}"));
    assert_eq!(get(private, "/readyz").status, 503);
    assert_eq!(get(private, "/healthz").status, 200);
    didt.line_with("Redis does not answer yet");
}

#[test]
fn a_sign_in_that_waits_for_redis_is_finished_when_it_is_told_to_stop() {
    needs_redis!();
    let redis = Server::start();
    let store = format!(
        "[store]\nkind = \"redis\"\nurl = \"{}\"\ntimeout = \"30s\"\nping_interval = \"60s\"\n",
        redis.url()
    );
    let limits = "[limits]\nrequest_timeout = \"1m\"\n";
    let (mut didt, public, private) = Didt::start(&format!("{TOP}{LISTEN}{store}{limits}"));
    eventually("it is ready", || get(private, "/readyz").status == 200);

    redis.pause();
    let token = Wallet::from_seed("alice").token("app").mint();
    let mut stream = connect(public);
    let request = format!(
        "POST /auth/login HTTP/1.1\r\nHost: example.com\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("a connection");
    eventually("the request has come", || {
        get(private, "/metrics").body.contains("didt_connections{listener=\"public\"} 1")
    });
    didt.signal("TERM");
    didt.line_with("stopping");
    redis.resume();
    let answer = answer(&mut stream);
    assert_eq!(answer.status, 204, "{answer:?}");
    assert!(answer.head.contains("set-cookie: __Host-didt="), "{answer:?}");
    assert_eq!(didt.ended().code(), Some(0), "{:?}", didt.said);
}

#[test]
fn sessions_in_postgresql_survive_a_restart_and_readiness_follows_the_server() {
    needs_postgres!();
    let mut server = postgres::Server::start();
    let folder = Directory::new();
    let file = folder.0.join("url");
    std::fs::write(&file, server.url()).expect("a file");
    let store = format!("[store]\nkind = \"postgres\"\nurl_file = {file:?}\n");
    let (mut didt, public, private) = Didt::start(&format!("{TOP}{LISTEN}{store}"));
    // The tables are made first.
    let ready = || get(private, "/readyz").status;
    eventually("it is ready", || ready() == 200);
    let cookie = sign_in(public);
    server.kill();
    eventually("it is not ready", || ready() == 503);
    assert_eq!(get(private, "/healthz").status, 200, "it lives all the same");
    server.boot();
    eventually("it is ready again", || ready() == 200);
    assert_eq!(session(public, &cookie), 200);
    didt.signal("TERM");
    assert_eq!(didt.ended().code(), Some(0));

    // Without migrations, on tables that are there.
    let store = format!("{store}migrate = false\n");
    let (_didt, public, private) = Didt::start(&format!("{TOP}{LISTEN}{store}"));
    eventually("it is ready", || get(private, "/readyz").status == 200);
    assert_eq!(session(public, &cookie), 200);
}

#[test]
fn it_speaks_tls_to_postgresql_and_to_the_right_server_only() {
    needs_postgres!();
    let [authority, stranger] = ["ours", "another"].map(Authority::new);
    let server = postgres::Server::with_certificate(&authority.certify("localhost"));
    let folder = Directory::new();
    let [url, trusted] = ["url", "authority.pem"].map(|name| folder.0.join(name));
    std::fs::write(
        &url,
        format!(
            "postgres://postgres@localhost:{}/postgres?sslmode=verify-full&sslrootcert={}",
            server.port,
            trusted.display()
        ),
    )
    .expect("a file");
    std::fs::write(&trusted, &stranger.pem).expect("a file");
    let store = format!("[store]\nkind = \"postgres\"\nurl_file = {url:?}\n");
    let (mut didt, public, private) = Didt::start(&format!("{TOP}{LISTEN}{store}"));
    let said = didt.line_with("PostgreSQL does not let the tables be made");
    assert!(said.contains("UnknownIssuer"), "{said}");
    assert_eq!(get(private, "/readyz").status, 503);
    // The certificate that vouches for the server is put in its place.
    std::fs::write(&trusted, &authority.pem).expect("a file");
    didt.line_with("the tables in PostgreSQL are up to date");
    eventually("it is ready", || get(private, "/readyz").status == 200);
    let cookie = sign_in(public);
    assert_eq!(session(public, &cookie), 200);
}

#[test]
fn it_starts_while_postgresql_is_away_and_makes_the_tables_later() {
    needs_postgres!();
    let mut server = postgres::Server::start();
    server.kill();
    let folder = Directory::new();
    let file = folder.0.join("url");
    std::fs::write(&file, server.url()).expect("a file");
    let store = format!("[store]\nkind = \"postgres\"\nurl_file = {file:?}\n");
    let (mut didt, _, private) = Didt::start(&format!("{TOP}{LISTEN}{store}"));
    assert_eq!(get(private, "/readyz").status, 503);
    assert_eq!(get(private, "/healthz").status, 200);
    didt.line_with("PostgreSQL does not let the tables be made");
    server.boot();
    didt.line_with("the tables in PostgreSQL are up to date");
    eventually("it is ready", || get(private, "/readyz").status == 200);
}

#[test]
fn sessions_in_sqlite_survive_a_restart() {
    let folder = Directory::new();
    let file = folder.0.join("sessions.db");
    let store = format!("[store]\nkind = \"sqlite\"\nurl = \"sqlite:{}\"\n", file.display());
    let (mut didt, public, private) = Didt::start(&format!("{TOP}{LISTEN}{store}"));
    eventually("it is ready", || get(private, "/readyz").status == 200);
    let cookie = sign_in(public);
    didt.signal("TERM");
    assert_eq!(didt.ended().code(), Some(0));
    let (_didt, public, private) = Didt::start(&format!("{TOP}{LISTEN}{store}"));
    eventually("it is ready", || get(private, "/readyz").status == 200);
    assert_eq!(session(public, &cookie), 200);
}

/// Signs in: the cookie.
fn sign_in(public: SocketAddr) -> String {
    let bearer = format!("Bearer {}", Wallet::from_seed("alice").token("app").mint());
    let answer = ask(public, "POST", "/auth/login", &[("Authorization", &bearer)]);
    assert_eq!(answer.status, 204, "{answer:?}");
    let (_, cookie) = answer.head.split_once("set-cookie: ").expect("a cookie");
    cookie.split(';').next().expect("a pair").to_owned()
}

/// The status of a question for the session of a cookie.
fn session(public: SocketAddr, cookie: &str) -> u16 {
    ask(public, "GET", "/auth/session", &[("Cookie", cookie)]).status
}
