//! The private listener: what is there is not on the public one, and the other way round.

use std::io::Read;

use tower_didt::testing::Wallet;

use crate::didt::{Didt, Directory, LISTEN, TOP, command, eventually, file};
use crate::http::{ask, connect, get};

const SECRET: &str = "an-administrators-secret-of-some-length";

#[test]
fn private_routes_are_private_and_public_ones_public() {
    let (_didt, public, private) = Didt::start(&format!("{TOP}{LISTEN}"));
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(get(private, path).status, 200, "{path}");
        assert_ne!(get(public, path).status, 200, "{path}");
    }
    for path in ["/admin/sessions", "/admin/revoke", "/check/nginx", "/auth/session", "/"] {
        assert_eq!(get(private, path).status, 404, "{path}");
    }
    let text = get(private, "/metrics").body;
    assert!(text.contains("didt_build_info{"), "{text}");
    assert!(text.contains("process_start_time_seconds "), "{text}");
    assert!(text.contains("didt_connections{listener=\"private\"} 1"), "{text}");
}

/// However many connections the public listener may have.
#[test]
fn the_private_listener_has_128_connections_and_those_idle_for_longest_give_way() {
    let limits = "[limits]\nconnections = 1000\nheader_timeout = \"1h\"\n";
    let (_didt, _, private) = Didt::start(&format!("{TOP}{LISTEN}{limits}"));
    let mut idle: Vec<_> = (0..150).map(|_| connect(private)).collect();
    for stream in &mut idle {
        stream.set_nonblocking(true).expect("a socket");
    }
    eventually("as many are closed as are too many", || {
        let closed = idle.iter_mut().filter_map(|stream| stream.read(&mut [0; 1]).ok());
        closed.filter(|length| *length == 0).count() >= 150 - 128
    });
    assert_eq!(get(private, "/healthz").status, 200, "there is room for one who asks");
}

#[test]
fn administration_asks_for_the_secret_of_its_file_and_tells_the_log() {
    let directory = Directory::new();
    let secret = file(&directory, "secret", &format!("{SECRET}\n"));
    let configuration =
        format!("{TOP}{LISTEN}[admin]\nsecret_file = {secret:?}\n[log]\nlevel = \"error\"\n");
    let mut didt = Didt::spawn(&mut command(&directory, &configuration));
    let (public, private) = (didt.listens("public"), didt.listens("private"));
    let issuer = "did:ethr:0x52908400098527886E0F7030069857D2E4169EE7";
    let path = format!("/admin/revoke?issuer={issuer}");
    let bearer = format!("Bearer {SECRET}");
    assert_eq!(ask(private, "POST", &path, &[]).status, 401);
    assert_eq!(ask(private, "POST", &path, &[("authorization", "Bearer no")]).status, 401);
    assert_eq!(ask(public, "POST", &path, &[("authorization", &bearer)]).status, 404);
    let answer = ask(private, "POST", &path, &[("authorization", &bearer)]);
    assert_eq!(answer.status, 200, "{answer:?}");
    let line = didt.line_with("didt::audit");
    assert!(line.contains("revoked") && line.contains(issuer), "{line}");
    didt.signal("TERM");
    assert_eq!(didt.ended().code(), Some(0));
    let said = didt.said.join("\n");
    assert!(!said.contains(SECRET), "{said}");
}

#[test]
fn a_session_that_an_administrator_ends_is_ended() {
    let directory = Directory::new();
    let secret = file(&directory, "secret", SECRET);
    let configuration = format!("{TOP}{LISTEN}[admin]\nsecret_file = {secret:?}\n");
    let mut didt = Didt::spawn(&mut command(&directory, &configuration));
    let (public, private) = (didt.listens("public"), didt.listens("private"));
    let alice = Wallet::from_seed("alice");
    let token = format!("Bearer {}", alice.token("app").mint());
    let answer = ask(public, "POST", "/auth/login", &[("authorization", &token)]);
    let cookie = answer.head.lines().find_map(|line| line.strip_prefix("set-cookie: "));
    let cookie = cookie.and_then(|cookie| cookie.split(';').next()).expect("a cookie");
    let current = || ask(public, "GET", "/auth/session", &[("cookie", cookie)]).status;
    assert_eq!(current(), 200);

    let bearer = format!("Bearer {SECRET}");
    let admin = |method, path: &str| ask(private, method, path, &[("authorization", &bearer)]);
    let issuer = alice.issuer();
    let listed = admin("GET", &format!("/admin/sessions?issuer={issuer}")).body;
    let listed: serde_json::Value = serde_json::from_str(&listed).expect("JSON");
    let handle = listed["sessions"][0]["session"].as_str().expect("a session");
    let path = format!("/admin/revoke?issuer={issuer}&session={handle}");
    for headers in [[("cookie", cookie)], [("authorization", token.as_str())]] {
        assert_eq!(ask(private, "POST", &path, &headers).status, 401, "worth nothing here");
    }
    assert_eq!(current(), 200);
    assert_eq!(admin("POST", &path).status, 200);
    assert_eq!(current(), 401);

    let (_, id) = cookie.split_once('=').expect("a pair");
    didt.signal("TERM");
    didt.ended();
    let said = didt.said.join("\n");
    let mut events = didt.said.iter().filter(|line| line.contains("didt::audit"));
    let mut event = |name: &str| {
        let line = events.next().expect(name);
        assert!(line.contains(name) && line.contains(&issuer.to_string()), "{line}");
        assert!(line.contains(handle), "{line}");
    };
    event("login");
    event("revoked");
    for secret in [id, token.as_str(), SECRET] {
        assert!(!said.contains(secret), "{said}");
    }
}
