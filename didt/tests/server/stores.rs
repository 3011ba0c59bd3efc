//! Readiness follows the store.

use std::io::Write;

use tower_didt::testing::Wallet;

use crate::didt::{Didt, LISTEN, TOP, eventually};
use crate::http::{answer, connect, get};
use tower_didt_test_support::needs_redis;
use tower_didt_test_support::redis::Server;

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
