//! Who is sent to the sign-in page, and where the way back leads, through the program: no evil return
//! address leads anybody away from the site.

use std::net::SocketAddr;

use tower_didt::layer::NAVIGATION_HEADERS;
use tower_didt::testing::Wallet;
use tower_didt_test_support::http::exchange;
use tower_didt_test_support::request_heads::HEADS;
use tower_didt_test_support::return_addresses::{DOMAIN, EVIL, LISTED, OWN};

use crate::didt::{Didt, LISTEN, TOP};
use crate::http::Answer;

fn start() -> (Didt, SocketAddr) {
    let page = format!(
        "[sign_in]\npublishable_key = \"pk_live_test\"\nhome = \"/home\"\nreturn_origins = {LISTED:?}\n"
    );
    let cookie = format!("[cookie]\nname = \"didt\"\ndomain = \"{DOMAIN}\"\n");
    let (didt, public, _) = Didt::start(&format!("{TOP}{LISTEN}{cookie}{page}"));
    (didt, public)
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    let values = answer.all(name);
    assert!(values.len() < 2, "{name} twice: {answer:?}");
    values.first().copied()
}

fn ask(public: SocketAddr, method: &str, target: &str, headers: &str, body: &str) -> Answer {
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: {OWN}\r\nConnection: close\r\n{headers}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    exchange(public, request.as_bytes())
}

fn sign_in(public: SocketAddr) -> String {
    let token = Wallet::from_seed("alice").token("app").mint();
    let headers = format!("Authorization: Bearer {token}\r\n");
    let answer = ask(public, "POST", "/auth/login", &headers, "");
    let cookie = header(&answer, "set-cookie").and_then(|cookie| cookie.split(';').next());
    format!("Cookie: {}\r\n", cookie.expect("a cookie"))
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// As the page sends on who is signed in, and signs out; as the form for signing out leads on.
#[test]
fn no_evil_return_address_leads_anybody_away_from_the_site() {
    let (_didt, public) = start();
    let cookie = sign_in(public);
    let browser = "Accept: text/html\r\n";
    let form = "Content-Type: application/x-www-form-urlencoded\r\nAccept: text/html\r\n";
    let to = |name: &str, answer: &Answer| {
        assert_eq!(answer.status, 303, "{name}: {answer:?}");
        header(answer, "location").expect("a location").to_owned()
    };
    let on = |name: &str, rd: &str| {
        to(
            name,
            &ask(
                public,
                "GET",
                &format!("/auth/sign-in?rd={rd}"),
                &format!("{cookie}{browser}"),
                "",
            ),
        )
    };
    assert_eq!(on("an honest one", "/ok%3Fa=b"), "/ok?a=b", "or else none of this tests anything");
    for (name, address) in EVIL {
        let rd = encoded(address);
        assert_eq!(on(name, &rd), "/home", "{name}");
        // As it is, where a request can have it so.
        let in_a_target = |byte: u8| byte.is_ascii_graphic() && !b"#<>".contains(&byte);
        if address.bytes().all(in_a_target) {
            let location = on(name, address);
            let plain = location == "/home" || location.starts_with("/ok?");
            assert!(plain, "{name} leads to {location}");
        }
        let out = ask(public, "POST", &format!("/auth/sign-out?rd={rd}"), browser, "");
        assert_eq!(to(name, &out), "/home", "{name}");
        let out = ask(public, "POST", "/auth/logout", form, &format!("rd={rd}"));
        assert_eq!(to(name, &out), "/home", "{name}");
    }
}

/// What a gateway states of the original request becomes the way back: once, in its canonical form,
/// on the page's own host.
#[test]
fn the_way_back_of_a_denial_never_leaves_the_site() {
    let (_didt, public) = start();
    let stated = |uri: &str| {
        let headers = format!(
            "X-Original-Method: GET\r\nX-Original-Scheme: https\r\nX-Original-Host: {OWN}\r\n\
             X-Original-URI: {uri}\r\nAccept: text/html\r\n"
        );
        ask(public, "GET", "/check/nginx", &headers, "")
    };
    let honest = stated("/ok?a=b&c");
    assert_eq!(header(&honest, "location"), Some("/auth/sign-in?rd=/ok?a=b%26c"), "{honest:?}");
    for (name, address) in EVIL {
        if address.bytes().any(|byte| byte.is_ascii_control()) || address.trim() != *address {
            continue;
        }
        let answer = stated(address);
        let location = header(&answer, "location").unwrap_or_default();
        let own = ["", "/auth/sign-in"].contains(&location)
            || location.starts_with("/auth/sign-in?rd=/ok?")
            || location.starts_with("/auth/sign-in?rd=/auth");
        assert!(own, "{name} leads to {location}");
        assert!(!answer.head.contains("\r\nSet-Cookie: x=y"), "{name}");
    }
}

/// Behind gateways that pass a denial on, and behind those that make a redirect of its `Location`.
#[test]
fn a_person_is_sent_to_the_page_and_everybody_else_gets_the_denial_of_before() {
    let (_didt, public) = start();
    for (kind, prefix, path, sent_with) in
        [("traefik", "Forwarded", "Uri", 302), ("nginx", "Original", "URI", 401)]
    {
        for (name, method, headers, sent) in HEADS {
            let client: String =
                headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let headers = format!(
                "X-{prefix}-Method: {method}\r\nX-{prefix}-{}: https\r\nX-{prefix}-Host: {OWN}\r\n\
                 X-{prefix}-{path}: /me\r\n{client}",
                if kind == "nginx" { "Scheme" } else { "Proto" },
            );
            let answer = ask(public, "GET", &format!("/check/{kind}"), &headers, "");
            let location = header(&answer, "location");
            assert_eq!(location, sent.then_some("/auth/sign-in?rd=/me"), "{kind}: {name}");
            let expected = match *name {
                // No gateway passes these on: it is not asked who sent them.
                "an upgrade that says it is a navigation" | "h2c" | "get in small letters" => 403,
                _ if *sent => sent_with,
                _ => 401,
            };
            assert_eq!(answer.status, expected, "{kind}: {name}: {answer:?}");
        }
    }
}

/// Envoy's HTTP check sees what it is told to pass on, and nothing else.
#[test]
fn envoys_sample_passes_on_all_that_decides_who_is_sent() {
    let sample = include_str!("../../../examples/gateways/envoy-http/envoy.yaml");
    for name in NAVIGATION_HEADERS {
        assert!(sample.contains(&format!("{{ exact: {name}, ignore_case: true }}")), "{name}");
    }
}
