//! What is written down about who signed in, who was refused, and what was ended: at the lowest
//! level of all too, and never with a secret.

use serde_json::Value;
use tower_didt::testing::Wallet;

use crate::didt::{Didt, LISTEN, TOP};
use crate::http::{Answer, ask};

const CLIENT: (&str, &str) = ("X-Forwarded-For", "203.0.113.9");

fn cookie(answer: &Answer) -> String {
    let line = answer.head.lines().find_map(|line| line.strip_prefix("set-cookie: "));
    let pair = line.and_then(|line| line.split(';').next());
    pair.unwrap_or_else(|| panic!("no cookie: {answer:?}")).to_owned()
}

/// The events in their order, without the time.
fn events(didt: &Didt) -> Vec<Value> {
    let json = didt.said.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    json.filter(|event| event["target"] == "didt::audit").collect()
}

#[test]
fn logins_refusals_and_sign_outs_leave_a_line_each() {
    let configuration = format!("{TOP}{LISTEN}[log]\nformat = \"json\"\nlevel = \"error\"\n");
    let (mut didt, public, _) = Didt::start(&configuration);
    let wallet = Wallet::from_seed("alice");
    let token = wallet.token("app").mint();
    let bearer = format!("Bearer {token}");
    let authorization = ("Authorization", bearer.as_str());
    let check = |headers: &[(&str, &str)]| {
        let told = [
            CLIENT,
            ("X-Original-Method", "GET"),
            ("X-Original-Scheme", "https"),
            ("X-Original-Host", "example.com"),
            ("X-Original-URI", "/private?secret=1"),
        ];
        ask(public, "GET", "/check/nginx", &[&told[..], headers].concat()).status
    };

    let signed_in = ask(public, "POST", "/auth/login", &[CLIENT, authorization]);
    let session = cookie(&signed_in);
    assert_eq!(ask(public, "POST", "/auth/login", &[CLIENT, authorization]).status, 401);
    // Nobody to write about: how every visit begins.
    assert_eq!(check(&[]), 401);
    assert_eq!(ask(public, "GET", "/auth/session", &[CLIENT]).status, 401);
    assert_eq!(check(&[("Authorization", "Bearer nonsense")]), 401);
    assert_eq!(check(&[("X_Auth_Issuer", "me")]), 403);
    assert_eq!(check(&[("Cookie", &session)]), 200);
    assert_eq!(ask(public, "GET", "/auth/session", &[("Authorization", "Bearer x")]).status, 401);
    assert_eq!(ask(public, "POST", "/auth/logout", &[CLIENT, ("Cookie", &session)]).status, 204);
    didt.signal("TERM");
    assert_eq!(didt.ended().code(), Some(0));

    let text = |event: &Value, name: &str| event[name].as_str().unwrap_or_default().to_owned();
    let rows: Vec<_> = events(&didt)
        .iter()
        .map(|event| ["event", "reason", "at", "client"].map(|name| text(event, name)).join(" "))
        .collect();
    let expected = [
        "login   203.0.113.9",
        "refusal token_used auth 203.0.113.9",
        "refusal malformed nginx 203.0.113.9",
        "refusal identity_from_client nginx 203.0.113.9",
        "refusal malformed auth 127.0.0.1",
        "sign_out   203.0.113.9",
    ];
    assert_eq!(rows, expected);
    let events = events(&didt);
    let asked = |event: &Value| ["method", "host", "path", "rule"].map(|name| text(event, name));
    assert_eq!(asked(&events[0]), ["POST", "example.com", "/auth/login", ""], "signed in");
    assert_eq!(asked(&events[1]), ["POST", "example.com", "/auth/login", ""]);
    assert_eq!(asked(&events[2]), ["GET", "example.com", "/private", "default"], "no query");
    assert_eq!(asked(&events[4]), ["GET", "example.com", "/auth/session", ""]);
    assert_eq!(asked(&events[5]), ["POST", "example.com", "/auth/logout", ""]);
    let (login, sign_out) = (&events[0], &events[5]);
    assert_eq!(login["issuer"], wallet.issuer().to_string());
    assert_eq!(login["session"], sign_out["session"], "one session, by its handle");
    assert_eq!(text(login, "session").len(), 64);
    let said = didt.said.join("\n");
    let (_, id) = session.split_once('=').expect("a pair");
    assert!(!said.contains(&token) && !said.contains(id), "{said}");
}

/// People who use the page leave the same lines as programs.
#[test]
fn the_page_writes_down_who_signed_in_and_out() {
    let page = "[sign_in]\npublishable_key = \"pk_live_test\"\n";
    let log = "[log]\nformat = \"json\"\nlevel = \"error\"\n";
    let (mut didt, public, _) = Didt::start(&format!("{TOP}{LISTEN}{page}{log}"));
    let wallet = Wallet::from_seed("alice");
    let bearer = format!("Bearer {}", wallet.token("app").mint());
    let own = ("Sec-Fetch-Site", "same-origin");
    let post = |path: &str, header| ask(public, "POST", path, &[CLIENT, own, header]);
    let signed_in = post("/auth/sign-in", ("Authorization", &*bearer));
    assert_eq!(signed_in.status, 200, "{signed_in:?}");
    let session = cookie(&signed_in);
    assert_eq!(post("/auth/sign-in", ("Authorization", &*bearer)).status, 401);
    assert_eq!(ask(public, "GET", "/auth/sign-in", &[("Cookie", &*session)]).status, 303);
    assert_eq!(post("/auth/sign-out", ("Cookie", &*session)).status, 200);
    assert_eq!(post("/auth/sign-out", ("Cookie", &*session)).status, 200, "nobody is left");
    didt.signal("TERM");
    assert_eq!(didt.ended().code(), Some(0));

    let events = events(&didt);
    let names: Vec<_> = events.iter().map(|event| event["event"].as_str()).collect();
    assert_eq!(names, [Some("login"), Some("refusal"), Some("sign_out")], "{events:?}");
    assert_eq!(events[1]["path"], "/auth/sign-in");
    assert_eq!(events[1]["issuer"], wallet.issuer().to_string(), "whose token was refused");
    for event in [&events[0], &events[2]] {
        assert_eq!(event["issuer"], wallet.issuer().to_string());
        assert_eq!(event["session"], events[0]["session"], "one session, by its handle");
        assert_eq!(event["client"], "203.0.113.9");
    }
}
