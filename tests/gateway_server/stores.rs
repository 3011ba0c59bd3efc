//! Readiness follows the store.

use crate::didt::{Didt, LISTEN, TOP, eventually};
use crate::http::get;
use crate::server::{Server, needs_redis};

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
    let port = crate::server::free_port();
    let store = format!("[store]\nkind = \"redis\"\nurl = \"redis://127.0.0.1:{port}\"\n");
    let (mut didt, _, private) = Didt::start(&format!("{TOP}{LISTEN}{store}"));
    assert_eq!(get(private, "/readyz").status, 503);
    assert_eq!(get(private, "/healthz").status, 200);
    didt.line_with("Redis does not answer yet");
}
