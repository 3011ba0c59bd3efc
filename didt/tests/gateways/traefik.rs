//! Traefik, by `ForwardAuth`.
//!
//! Beside the program itself there is a replay of its questions, for what cannot be seen through it: which
//! answer `didt` gave, and what older versions asked. It makes them as Traefik 3 does with
//! `trustForwardHeader: false` (`pkg/middlewares/auth/forward.go`): `GET`, the headers without those of the
//! connection, then `X-Forwarded-For`, `-Method`, `-Proto`, `-Host` and `-Uri` in its own words.

use std::process::Command;

use tower_didt::testing::Wallet;

use crate::behaviour;
use crate::support::{Gateway, Reply, Site, Store, bearer, needs};

pub(crate) const TRAEFIK: Gateway = Gateway {
    name: "traefik",
    program: "traefik",
    files: &["traefik.yml", "dynamic.yml"],
    command: Some(|program, directory| {
        let mut command = Command::new(program);
        command.arg("--configfile=traefik.yml").current_dir(directory);
        command
    }),
    http2: Some(&[]),
    listens_early: true,
    removes_session_cookie: false,
};

/// The same files, and questions that the tests make themselves.
const REPLAYED: Gateway = Gateway { command: None, listens_early: false, ..TRAEFIK };

// All but renewed cookies: a check gives Traefik none.
behaviour::tests!(TRAEFIK:
    signing_in_and_out, a_token_alone_passes, strangers, people_are_sent_to_sign_in, people_are_sent_over_http2,
    people_can_use_another_account, spoofed_identities, claims_of_clients, many_fields,
    the_applications_own_credentials, denials_to_other_origins, connection_names_a_header, two_credentials,
    tricks_with_hosts, tricks_with_paths, names_that_applications_have, two_hosts, other_sites, upgrades,
    other_upgrades, traces, didt_is_down, the_store_is_down, doctor_is_content);

/// The mistakes that are made with Traefik.
mod mistakes {
    use super::*;

    const FILE: &str = "dynamic.yml";

    #[test]
    fn a_router_without_the_middleware() {
        needs!(TRAEFIK.program);
        let change = (
            FILE,
            "[didt, credentials-stay-here, no-upgrade]",
            "[credentials-stay-here, no-upgrade]",
        );
        behaviour::doctor_finds(&TRAEFIK, &[change], "guarded");
    }

    #[test]
    fn a_header_that_is_not_passed_to_the_application() {
        needs!(TRAEFIK.program);
        behaviour::doctor_finds(&TRAEFIK, &[(FILE, "          - X-Auth-Issuer\n", "")], "identity");
    }

    #[test]
    fn upgrades_that_stay() {
        needs!(TRAEFIK.program);
        let change = (FILE, ", no-upgrade]", "]");
        behaviour::doctor_finds(&TRAEFIK, &[change], "other-upgrade");
    }

    #[test]
    fn questions_that_hold_only_some_headers() {
        needs!(TRAEFIK.program);
        let all = "        trustForwardHeader: false\n";
        let some = format!("{all}        authRequestHeaders: [Cookie, Authorization]\n");
        behaviour::doctor_finds(&TRAEFIK, &[(FILE, all, &some)], "cross-site-post");
    }
}

/// What `dynamic.yml` has in `authResponseHeaders`.
const IDENTITY: [&str; 6] = [
    "x-auth-issuer",
    "x-auth-address",
    "x-auth-email",
    "x-auth-session",
    "x-auth-expires",
    "x-auth-assertion",
];

/// Hop-by-hop headers, which Traefik takes out of the question.
const OF_THE_CONNECTION: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Asks as Traefik does about a client's request.
fn ask(site: &Site, method: &str, uri: &str, client: &[(&str, &str)]) -> Reply {
    let named = |name: &str| {
        let connection =
            client.iter().filter(|(known, _)| known.eq_ignore_ascii_case("connection"));
        let mut words = connection.flat_map(|(_, value)| value.split(','));
        words.any(|word| word.trim().eq_ignore_ascii_case(name))
    };
    let told = ["for", "method", "proto", "host", "uri"].map(|word| format!("x-forwarded-{word}"));
    let mut headers: Vec<_> = client
        .iter()
        .filter(|(name, _)| {
            let lower = name.to_ascii_lowercase();
            !OF_THE_CONNECTION.contains(&&*lower) && !named(name) && !told.contains(&lower)
        })
        .copied()
        .collect();
    headers.extend([
        ("X-Forwarded-For", "203.0.113.9"),
        ("X-Forwarded-Method", method),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "www.example.com"),
        ("X-Forwarded-Uri", uri),
        ("Accept-Encoding", "gzip"),
    ]);
    site.get("/check/traefik", &headers)
}

/// What Traefik sets at the upstream.
fn identity(reply: &Reply) -> [String; 6] {
    assert_eq!(reply.status, 200, "{reply:?}");
    IDENTITY.map(|name| reply.header(name).expect("each is on every 200").to_owned())
}

fn is_denied(reply: &Reply, status: u16) {
    assert_eq!(reply.status, status, "{reply:?}");
    assert!(IDENTITY.iter().all(|name| reply.header(name).is_none()), "{reply:?}");
    if status == 401 {
        assert!(reply.header("www-authenticate").is_some(), "{reply:?}");
    }
}

#[test]
fn the_sample_asks_the_right_endpoint_for_all_headers() {
    let sample = include_str!("../../../examples/gateways/traefik/dynamic.yml");
    assert!(sample.contains("/check/traefik") && sample.contains("trustForwardHeader: false"));
    for name in IDENTITY {
        assert!(sample.to_ascii_lowercase().contains(&format!("- {name}\n")), "{name}");
    }
}

#[test]
fn who_is_signed_in_is_told_until_they_sign_out() {
    let site = Site::start(&REPLAYED);
    let cookie = site.sign_in("alice");
    let mine = [("Cookie", &*cookie)];
    let issuer = Wallet::from_seed("alice").issuer();
    for method in ["GET", "POST"] {
        let [told, address, email, session, expires, _] =
            identity(&ask(&site, method, "/orders?page=2", &mine));
        assert_eq!(email, "", "Magic is not asked here");
        assert_eq!((told, address), (issuer.to_string(), issuer.address().to_string()));
        assert_eq!(session.len(), 64);
        assert!(expires.parse::<u64>().is_ok());
    }
    let token = bearer("alice");
    let [told, ..] = identity(&ask(&site, "GET", "/", &[("Authorization", &token)]));
    assert_eq!(told, issuer.to_string());

    assert_eq!(site.request("POST", "/auth/logout", &mine).status, 204);
    is_denied(&ask(&site, "GET", "/orders", &mine), 401);
}

#[test]
fn strangers_get_what_is_public_and_nobody_is_told_of() {
    let site = Site::start(&REPLAYED);
    is_denied(&ask(&site, "GET", "/", &[]), 401);
    is_denied(&ask(&site, "OPTIONS", "/", &[]), 401);
    let told = identity(&ask(&site, "GET", "/public/logo.svg", &[]));
    assert_eq!(told, [""; 6]);
    // What the client forwards Traefik replaces.
    let forwarded = [("X-Forwarded-Uri", "/public/"), ("X-Forwarded-Method", "GET")];
    is_denied(&ask(&site, "GET", "/", &forwarded), 401);
}

/// Traefik replaces the exact names alone; the look-alikes would reach the upstream.
#[test]
fn identities_that_clients_send_are_refused_in_every_spelling() {
    let site = Site::start(&REPLAYED);
    let cookie = site.sign_in("alice");
    for name in
        ["X-Auth-Issuer", "X_Auth_Issuer", "X.Auth.Issuer", "X-Auth_Address", "X+Auth+Issuer"]
    {
        for uri in ["/", "/public/"] {
            is_denied(&ask(&site, "GET", uri, &[("Cookie", &*cookie), (name, "spoofed")]), 403);
        }
    }
}

#[test]
fn other_sites_may_neither_post_nor_open_a_websocket() {
    let site = Site::start(&REPLAYED);
    let cookie = site.sign_in("alice");
    let evil = ("Origin", "https://evil.example");
    let own = ("Origin", "https://www.example.com");
    is_denied(&ask(&site, "POST", "/", &[("Cookie", &*cookie), evil]), 403);
    is_denied(
        &ask(&site, "POST", "/", &[("Cookie", &*cookie), ("Sec-Fetch-Site", "same-site")]),
        403,
    );
    identity(&ask(&site, "POST", "/", &[("Cookie", &*cookie), own]));
    // `Upgrade` is not part of the question.
    let websocket = |origin| {
        [
            ("Cookie", &*cookie),
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            origin,
        ]
    };
    is_denied(&ask(&site, "GET", "/chat", &websocket(evil)), 403);
    identity(&ask(&site, "GET", "/chat", &websocket(own)));
}

#[test]
fn tricks_with_paths_are_refused() {
    let site = Site::start(&REPLAYED);
    for uri in [
        "/public/../orders",
        "/public/%2e%2e/orders",
        "/public/..%2forders",
        "/public//../orders",
        "/public/..;/orders",
        "/orders%23/../public/",
        "https://evil.example/public/",
        "public/",
    ] {
        is_denied(&ask(&site, "GET", uri, &[]), 403);
    }
    is_denied(&ask(&site, "GET", "/orders?/public/", &[]), 401);
}

#[test]
fn without_the_store_nobody_is_let_in_or_told_to_sign_in() {
    needs!("redis-server");
    let mut site = Site::with(&REPLAYED, Store::Redis, &[]);
    let cookie = site.sign_in("alice");
    site.redis.as_mut().expect("redis").kill();
    let reply = ask(&site, "GET", "/", &[("Cookie", &*cookie)]);
    is_denied(&reply, 503);
    assert!(reply.header("retry-after").is_some(), "{reply:?}");
}
