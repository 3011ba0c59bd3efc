//! What holds behind every gateway.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use tower_didt::testing::Wallet;

use crate::support::{Change, Echoed, Gateway, Received, Reply, Site, Store, bearer, needs};

const ISSUER: &str = "x-auth-issuer";
const ADDRESS: &str = "x-auth-address";
const SESSION: &str = "x-auth-session";
const EXPIRES: &str = "x-auth-expires";
const ASSERTION: &str = "x-auth-assertion";
const IDENTITY: [&str; 5] = [ISSUER, ADDRESS, SESSION, EXPIRES, ASSERTION];

/// What attackers send in place of an identity.
const SPOOFED: &str = "did:ethr:0xSPOOFED";

/// Signing in gives the session cookie, with it requests pass and the upstream is told who sent
/// them, and after signing out the old cookie is refused at once.
pub(crate) fn signing_in_and_out(gateway: &Gateway) {
    let site = Site::start(gateway);
    let cookie = site.sign_in("alice");
    let mine = [("Cookie", &*format!("theme=dark; {cookie}; lang=en"))];

    let reply = site.get("/orders?page=2", &mine);
    let received = passed(&site, &reply);
    assert_eq!(received.target(), "/orders?page=2");
    is_session_of("alice", &received);
    let cookies = received.values("cookie").join("; ");
    assert!(cookies.contains("theme=dark") && cookies.contains("lang=en"), "{received:?}");
    if gateway.removes_session_cookie {
        assert_eq!(cookies, "theme=dark; lang=en");
    }
    let alone = passed(&site, &site.get("/", &[("Cookie", &*cookie)]));
    if gateway.removes_session_cookie {
        assert!(alone.values("cookie").iter().all(|value| value.is_empty()), "{alone:?}");
    }

    let twice = format!("{cookie}; a=1; {cookie}; {cookie}; b=2");
    for headers in [
        &[("Cookie", &*twice)][..],
        &[("Cookie", &*cookie), ("Cookie", &*twice), ("Cookie", "c=3")],
        &[("Cookie", "c=3"), ("Cookie", &*cookie)],
        &[("Cookie", &*format!("a=1;\t{cookie};b=2"))],
    ] {
        let reply = site.get("/public/", headers);
        if let Some(received) = reply.received()
            && gateway.removes_session_cookie
        {
            let cookies = received.values("cookie").join("; ");
            assert!(!cookies.contains("__Host-didt"), "{headers:?}: {received:?}");
        }
    }

    let reply = site.request_with_body("POST", "/orders", &mine, "four");
    let received = passed(&site, &reply);
    assert_eq!(received.body_bytes(), 4, "the body is the application's");
    is_session_of("alice", &received);

    let reply = site.request("POST", "/auth/logout", &mine);
    assert!(matches!(reply.status, 200 | 204), "{reply:?}");
    let reply = site.get("/", &mine);
    refused(&site, &reply, 401);
    let cleared = reply.header("set-cookie").is_some_and(|set| set.starts_with("__Host-didt=;"));
    assert!(cleared, "the dead cookie is taken away: {reply:?}");
}

/// A token alone passes, and does not reach the upstream.
pub(crate) fn a_token_alone_passes(gateway: &Gateway) {
    let site = Site::start(gateway);
    let token = bearer("alice");
    let received = passed(&site, &site.get("/api", &[("Authorization", &token)]));
    is_issuer("alice", &received);
    assert!(received.values("authorization").iter().all(|value| value.is_empty()), "{received:?}");
    // Explicit credentials win over a good cookie.
    let cookie = site.sign_in("alice");
    let headers = [("Cookie", &*cookie), ("Authorization", "Bearer nonsense")];
    refused(&site, &site.get("/api", &headers), 401);
}

/// Without credentials only what is public passes, and the upstream is told that nobody is
/// signed in: by empty headers, or by none.
pub(crate) fn strangers(gateway: &Gateway) {
    let site = Site::start(gateway);
    for target in ["/", "/orders", "/publicity", "/public", "/check/nginx", "/_didt_check"] {
        let reply = site.get(target, &[("X-Original-URL", "http://localhost/public/")]);
        assert_eq!(reply.received().map(|received| received.target().to_owned()), None);
        assert!(matches!(reply.status, 401 | 404), "{target}: {reply:?}");
        if reply.status == 401 {
            refused(&site, &reply, 401);
        }
    }
    let expired = [("Cookie", "__Host-didt=0123456789abcdef")];
    refused(&site, &site.get("/", &expired), 401);
    // OPTIONS is authorised like any other method.
    refused(&site, &site.request("OPTIONS", "/", &[("Origin", "https://evil.example")]), 401);

    let received = passed(&site, &site.get("/public/logo.svg", &[]));
    is_nobody(&received);
}

/// A person who opens a page is sent to sign in and back, whatever the gateway makes of the redirect.
/// Everything else gets its 401.
pub(crate) fn people_are_sent_to_sign_in(gateway: &Gateway) {
    let site = Site::start(gateway);
    let person = [
        ("Sec-Fetch-Mode", "navigate"),
        ("Sec-Fetch-Dest", "document"),
        ("Sec-Fetch-Site", "none"),
        ("Accept", "text/html"),
    ];
    let sent = |reply: &Reply| {
        assert_eq!(reply.status, 302, "{reply:?}");
        assert_eq!(reply.header("location"), Some("/auth/sign-in?rd=/orders?page=2%26x=1"));
        assert!(reply.header("cache-control").is_some_and(|value| value.contains("no-store")));
        assert!(reply.received().is_none(), "the application is not asked");
    };
    let reply = site.get("/orders?page=2&x=1", &person);
    sent(&reply);
    assert_eq!(reply.header("set-cookie").filter(|value| !value.is_empty()), None);
    let dead = [&person[..], &[("Cookie", "__Host-didt=0123456789abcdef")]].concat();
    let reply = site.get("/orders?page=2&x=1", &dead);
    sent(&reply);
    let cleared = reply.header("set-cookie").is_some_and(|set| set.starts_with("__Host-didt=;"));
    assert!(cleared, "the dead cookie is taken away: {reply:?}");

    let script = [("Sec-Fetch-Mode", "cors"), ("Sec-Fetch-Dest", "empty"), ("Accept", "text/html")];
    refused(&site, &site.get("/orders", &script), 401);
    refused(&site, &site.request("POST", "/orders", &person), 401);
    is_nobody(&passed(&site, &site.get("/public/logo.svg", &person)));

    let page = site.get("/auth/sign-in?rd=/orders", &person);
    assert_eq!(page.status, 200, "{page:?}");
    assert!(page.header("content-security-policy").is_some(), "{page:?}");
    let cookie = site.sign_in("alice");
    let back = site.get("/auth/sign-in?rd=/orders", &[("Cookie", &*cookie)]);
    assert_eq!((back.status, back.header("location")), (303, Some("/orders")), "{back:?}");
    let evil = site.get("/auth/sign-in?rd=https://evil.example/", &[("Cookie", &*cookie)]);
    assert_eq!((evil.status, evil.header("location")), (303, Some("/")), "{evil:?}");
}

/// The same over HTTP/2, where a gateway speaks it.
pub(crate) fn people_are_sent_over_http2(gateway: &Gateway) {
    let Some(changes) = gateway.http2 else { return };
    let site = Site::with(gateway, Store::Memory, changes);
    let ask = |method: &str, path: &str, headers: &[&str]| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--include", "--max-time", "20", "--http2-prior-knowledge"]);
        curl.args(["--request", method, &format!("http://{}{path}", site.host())]);
        for header in headers {
            curl.args(["--header", header]);
        }
        let answer = curl.output().expect("curl").stdout;
        String::from_utf8_lossy(&answer).to_ascii_lowercase()
    };
    let person = ["Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", "Accept: text/html"];
    let dead = [&person[..], &["Cookie: __Host-didt=0123456789abcdef"]].concat();
    for headers in [&person[..], &dead] {
        let answer = ask("GET", "/orders?page=2&x=1", headers);
        assert!(answer.starts_with("http/2 302"), "{answer}");
        assert!(answer.contains("location: /auth/sign-in?rd=/orders?page=2%26x=1\r\n"), "{answer}");
        assert!(answer.contains("no-store"), "{answer}");
        let cleared = answer.contains("set-cookie: __host-didt=;");
        assert_eq!(cleared, headers.len() > person.len(), "{answer}");
    }
    let script = ["Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty", "Accept: text/html"];
    for (method, headers) in [("GET", &script), ("POST", &person)] {
        let answer = ask(method, "/orders", headers);
        assert!(answer.starts_with("http/2 401"), "{method}: {answer}");
        assert!(!answer.contains("location:"), "{method}: {answer}");
    }
    let page = ask("GET", "/auth/sign-in?rd=/orders", &person);
    assert!(page.starts_with("http/2 200"), "{page}");
    assert!(page.contains("content-security-policy:"), "{page}");
}

/// A person whose account a rule does not admit gets a page for that, and programs their 403.
pub(crate) fn people_can_use_another_account(gateway: &Gateway) {
    let closed = "[[rules]]\nname = \"closed\"\npaths = [\"/closed\"]\n\
                  addresses = [\"0x27b1fdb04752bbc536007a920d24acb045561c26\"]\n\n\
                  [[rules]]\nname = \"public\"";
    let change = ("didt.toml", "[[rules]]\nname = \"public\"", closed);
    let site = Site::with(gateway, Store::Memory, &[change]);
    let cookie = site.sign_in("alice");
    let mine = ("Cookie", &*cookie);
    let person = [
        mine,
        ("Sec-Fetch-Mode", "navigate"),
        ("Sec-Fetch-Dest", "document"),
        ("Sec-Fetch-Site", "none"),
    ];
    passed(&site, &site.get("/orders", &person));
    let reply = site.get("/closed?a&b", &person);
    assert_eq!(reply.status, 302, "{reply:?}");
    assert_eq!(reply.header("location"), Some("/auth/refused?rd=/closed?a%26b"), "{reply:?}");
    assert!(reply.header("cache-control").is_some_and(|value| value.contains("no-store")));
    assert!(reply.received().is_none(), "the application is not asked");
    refused(&site, &site.get("/closed", &[mine]), 403);
    let page = site.get("/auth/refused?rd=/closed", &person);
    assert_eq!(page.status, 403, "{page:?}");
    assert!(page.body.contains("Use another account"), "{page:?}");
}

/// Where a rule leaves them to it, and on public routes, the application gets credentials of its own.
/// A DID token stays at the gateway, wherever it was sent.
pub(crate) fn the_applications_own_credentials(gateway: &Gateway) {
    const PUBLIC: &str = "[[rules]]\nname = \"public\"";
    let own = "[[rules]]\nname = \"own\"\npaths = [\"/own\"]\nforeign_credentials = \"pass\"\n\n\
               [[rules]]\nname = \"own-optional\"\npaths = [\"/own/optional\"]\n\
               access = \"optional\"\nforeign_credentials = \"pass\"\n\n";
    let change = ("didt.toml", PUBLIC, &*format!("{own}{PUBLIC}"));
    let site = Site::with(gateway, Store::Memory, &[change]);
    let cookie = site.sign_in("alice");
    let ask = |target, authorization: &str, cookie: &str| {
        let headers = [("Authorization", authorization), ("Cookie", cookie)];
        site.get(target, &headers[..if cookie.is_empty() { 1 } else { 2 }])
    };
    let seen = |reply: &Reply| {
        let received = passed(&site, reply);
        let values = received.values("authorization").into_iter();
        values.map(ToString::to_string).filter(|value| !value.is_empty()).collect::<Vec<_>>()
    };
    let nothing: [&str; 0] = [];
    for foreign in ["Bearer an-api-key", "Basic eDp5", "Bearer eyJhbGciOiJIUzI1NiJ9.e30.x", "Key 1"]
    {
        for (target, cookie) in
            [("/public/", ""), ("/public/", &*cookie), ("/own", &*cookie), ("/own/optional", "")]
        {
            let reply = ask(target, foreign, cookie);
            assert_eq!(seen(&reply), [foreign], "{target}");
            let received = passed(&site, &reply);
            if target == "/own" {
                is_session_of("alice", &received);
            } else {
                is_nobody(&received);
            }
        }
        refused(&site, &ask("/own", foreign, ""), 401);
        // Without the option it is judged, or stays here.
        let reply = ask("/orders", foreign, &cookie);
        if foreign.starts_with("Bearer") {
            refused(&site, &reply, 401);
        } else {
            assert_eq!(seen(&reply), nothing, "{foreign}");
        }
    }
    let ours = bearer("alice");
    for target in ["/public/", "/own", "/own/optional", "/orders"] {
        assert_eq!(seen(&ask(target, &ours, "")), nothing, "{target}");
        assert_eq!(seen(&ask(target, &ours, &cookie)), nothing, "{target}");
    }
    let another = Wallet::from_seed("alice").token("did:magic:another").mint();
    let another = format!("Bearer {another}");
    refused(&site, &ask("/own", &another, &cookie), 401);
    assert_eq!(seen(&ask("/public/", &another, "")), nothing);
}

/// Pages of a trusted origin may read why they were refused; others may not. What passes is answered
/// by the application only.
pub(crate) fn denials_to_other_origins(gateway: &Gateway) {
    const PROXIES: &str = "trusted_proxies = ";
    let page = "https://app.example.com";
    let trusted = format!("trusted_origins = [{page:?}]\n{PROXIES}");
    let site = Site::with(gateway, Store::Memory, &[("didt.toml", PROXIES, &trusted)]);
    let cookie = site.sign_in("alice");
    let allowed = "access-control-allow-origin";
    for (origin, expected) in [(page, Some(page)), ("https://evil.example", None)] {
        let from =
            [("Origin", origin), ("Sec-Fetch-Mode", "cors"), ("Sec-Fetch-Site", "cross-site")];
        let dead = [&from[..], &[("Cookie", "__Host-didt=0123456789abcdef")]].concat();
        let live = [&from[..], &[("Cookie", &*cookie)]].concat();
        let mut denials =
            vec![(site.get("/orders", &from), 401), (site.get("/orders", &dead), 401)];
        if expected.is_none() {
            denials.push((site.request("POST", "/orders", &live), 403));
        }
        for (reply, status) in denials {
            assert_eq!(reply.status, status, "{reply:?}");
            assert_eq!(reply.header(allowed), expected, "{reply:?}");
            let credentials = expected.map(|_| "true");
            assert_eq!(reply.header("access-control-allow-credentials"), credentials);
            // nginx's own 403 does not vary by origin, and is stored by nobody.
            let varies = reply.header("vary").is_some_and(|vary| vary.contains("origin"));
            let stored = reply.header("cache-control") != Some("no-store");
            assert!(varies || !stored, "one page's answer for another: {reply:?}");
        }
        if expected.is_some() {
            let reply = site.request("POST", "/orders", &live);
            is_session_of("alice", &passed(&site, &reply));
            assert_eq!(reply.header(allowed), None, "the application's to say: {reply:?}");
        }
        let preflight = [
            ("Origin", origin),
            ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", "authorization"),
        ];
        let reply = site.request("OPTIONS", "/auth/login", &preflight);
        assert_eq!(reply.header(allowed), expected, "{reply:?}");
        assert_eq!(reply.status == 204, expected.is_some(), "{reply:?}");
    }
}

/// What clients say of themselves is refused or replaced, however it is spelled.
pub(crate) fn spoofed_identities(gateway: &Gateway) {
    let site = Site::start(gateway);
    let cookie = site.sign_in("alice");
    for name in [
        "X-Auth-Issuer",
        "x-auth-issuer",
        "X-AUTH-ADDRESS",
        "X-Auth-Session",
        "X-Auth-Expires",
        "X-Auth-Assertion",
        "X_Auth_Issuer",
        "X_AUTH_ISSUER",
        "X.Auth.Issuer",
        "X-Auth_Issuer",
        "X-Auth.Assertion",
        "X!Auth!Issuer",
        "X-Auth~Issuer",
    ] {
        let spoof = (name, SPOOFED);
        if let Some(received) = site.get("/public/", &[spoof]).received() {
            is_nobody(&received);
        }
        if let Some(received) = site.get("/", &[("Cookie", &*cookie), spoof]).received() {
            is_session_of("alice", &received);
        }
        if let Some(received) = site.get("/", &[("Cookie", &*cookie), spoof, spoof]).received() {
            is_session_of("alice", &received);
        }
        refused_somehow(&site.get("/", &[spoof]));
    }
}

/// What clients say of the way to them, or of another target, does not reach the upstream: there it
/// would be the gateway's word, or the path of a page that no rule has seen.
pub(crate) fn claims_of_clients(gateway: &Gateway) {
    let site = Site::start(gateway);
    let cookie = site.sign_in("alice");
    for name in [
        "X-Original-URL",
        "X-Rewrite-URL",
        "Forwarded",
        "X-Real-IP",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-For",
        "Proxy",
        "True-Client-IP",
        "X-Client-IP",
        "X-Host",
        "X-Original-Host",
        "X-Original-Method",
        "X-Original-Scheme",
        "X-Original-URI",
        "X-Forwarded-Email",
        "X-Forwarded-Method",
        "X-Forwarded-Path",
        "X-Forwarded-Port",
        "X-Forwarded-Prefix",
        "X-Forwarded-Scheme",
        "X-Forwarded-Server",
        "X-Forwarded-Ssl",
        "X-Forwarded-Uri",
        "X-Forwarded-User",
        "X-HTTP-Method-Override",
    ] {
        for target in ["/public/", "/orders"] {
            let reply = site.get(target, &[("Cookie", &*cookie), (name, SPOOFED)]);
            is_not_spoofed(&passed(&site, &reply));
        }
    }
}

/// A request with more fields than the gateway or `didt serve` takes is refused, and ends nobody:
/// HAProxy's client crashes when it is given more than it has room for.
pub(crate) fn many_fields(gateway: &Gateway) {
    let site = Site::start(gateway);
    for count in [70, 80, 90, 95, 97, 98, 99, 100, 101, 120, 300] {
        let reply = site.get("/public/", &vec![("A", "b"); count]);
        let passed = reply.received().is_some();
        assert!(passed || count > 70, "{count}: {reply:?}");
        assert!(passed || reply.status >= 400, "{count}: {reply:?}");
    }
    passed(&site, &site.get("/public/", &[]));
}

/// A `Connection` that names a header has it removed on the way: neither a credential before the
/// check nor its answer after it may be lost like that.
pub(crate) fn connection_names_a_header(gateway: &Gateway) {
    let site = Site::start(gateway);
    let cookie = site.sign_in("alice");
    for name in IDENTITY.into_iter().chain(["X-Auth-Issuer", "X_Auth_Issuer", "X-Forwarded-Uri"]) {
        let trick = ("Connection", &*format!("close, {name}"));
        let reply = site.get("/", &[("Cookie", &*cookie), trick]);
        match reply.received() {
            Some(received) => is_session_of("alice", &received),
            None => refused_somehow(&reply),
        }
    }
    // Whoever has a credential removed before the check has not sent it, for everybody.
    for name in ["Cookie", "Authorization", "X-Original-URL", "X-Forwarded-Host"] {
        let trick = ("Connection", &*format!("close, {name}"));
        let headers = [("Cookie", &*cookie), ("Authorization", "Bearer nonsense"), trick];
        let reply = site.get("/", &headers);
        match reply.received() {
            Some(received) if name == "Authorization" => is_session_of("alice", &received),
            _ => refused_somehow(&reply),
        }
    }
}

/// Two credentials are none: nobody can say which of them counts where.
pub(crate) fn two_credentials(gateway: &Gateway) {
    let site = Site::start(gateway);
    let (alice, bob) = (site.sign_in("alice"), site.sign_in("bob"));
    let (a, b) = (bearer("alice"), bearer("bob"));
    for headers in [
        &[("Cookie", &*alice), ("Cookie", &*bob)][..],
        &[("Cookie", &*format!("{alice}; {bob}"))],
        &[("Cookie", &*format!("{alice},{bob}"))],
        &[("Authorization", &*a), ("Authorization", &*b)],
        &[("Authorization", &*format!("{a}, {b}"))],
        &[("Cookie", &*alice), ("Authorization", &*a), ("Authorization", "Basic eDp5")],
    ] {
        refused_somehow(&site.get("/", headers));
    }
}

/// What a client may write where a host belongs.
pub(crate) const HOSTS_WITH_MORE_IN_THEM: [&str; 21] = [
    "x/public/?",
    "x/public/#",
    "x?/public/",
    "x#/public/",
    "x\\public\\?",
    "x@y",
    "x;/public/",
    "x%2fpublic%2f%3f",
    "x,y",
    "x y",
    "x\ty",
    "x\"y\"",
    "'x'",
    "",
    ":80",
    "x:/public/?",
    "x/public/?:80",
    "\u{e9}",
    "[::1]/public/?",
    "http://x/public/?",
    "/public/?",
];

/// The host takes no part in the path: whatever a client writes into it, what is private stays private,
/// also for somebody who is signed in and asks as another host.
pub(crate) fn tricks_with_hosts(gateway: &Gateway) {
    let site = Site::start(gateway);
    let own = site.host();
    for version in ["HTTP/1.1", "HTTP/1.0"] {
        for host in HOSTS_WITH_MORE_IN_THEM {
            let lines =
                format!("GET /orders {version}\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            never_passes(&site, &lines);
            let lines = format!(
                "GET /orders {version}\r\nHost: {own}\r\nHost: {host}\r\nConnection: close\r\n\r\n"
            );
            never_passes(&site, &lines);
            let lines = format!(
                "GET http://{own}/orders {version}\r\nHost: {host}\r\nConnection: close\r\n\r\n"
            );
            never_passes(&site, &lines);
            let lines = format!(
                "POST /orders {version}\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            never_passes(&site, &lines);
        }
        never_passes(&site, &format!("GET /orders {version}\r\nConnection: close\r\n\r\n"));
    }
    // HTTP/2, where a gateway speaks it without TLS. curl makes `:authority` of `Host`.
    for host in ["x/public/?", "x?/public/", "x#/public/", "x@y", "x,y", "x;/public/", "x%2fpublic"]
    {
        let output = Command::new("curl")
            .args(["--silent", "--include", "--max-time", "20", "--http2-prior-knowledge"])
            .args(["--header", &format!("Host: {host}"), &format!("http://{own}/orders")])
            .output()
            .expect("curl");
        let answer = String::from_utf8_lossy(&output.stdout).to_ascii_lowercase();
        assert!(!answer.contains("x-didt-echo"), "{host:?}: {answer}");
    }
}

/// Sends these lines, as Latin-1, and nothing comes back from the application.
fn never_passes(site: &Site, lines: &str) {
    let raw: Vec<u8> =
        lines.chars().map(|c| u8::try_from(u32::from(c)).expect("Latin-1")).collect();
    let reply = site.send(&raw);
    assert!(reply.received().is_none(), "{lines:?}: {reply:?}");
}

/// A target that two readers could take for different ones is refused, or is for both the same.
pub(crate) fn tricks_with_paths(gateway: &Gateway) {
    let site = Site::start(gateway);
    for target in [
        "/public/../orders",
        "/public/..",
        "/public/./../orders",
        "/public/%2e%2e/orders",
        "/public/%2E%2E/orders",
        "/public/..%2forders",
        "/public/..%2Forders",
        "/public/..%5corders",
        "/public/..\\orders",
        "/public/%252e%252e/orders",
        "/public//../orders",
        "//public/",
        "/public/..;/orders",
        "/orders#/public/",
        "/orders#/../public/",
        "/orders?/public/",
        "/orders/..%2fpublic/",
        "/orders%23/public/",
        "/public/\u{ff}",
        "/public/%ff",
        "/public/%00",
        "/public/%zz",
        "/PUBLIC/",
        "/auth/../orders",
        "/auth/%2e%2e/orders",
        "/auth/..%2forders",
        "http://127.0.0.1/public/",
        "http://public.example/orders",
        "*",
        "public/",
        "",
    ] {
        // As Latin-1: one byte for each character.
        let raw: Vec<u8> =
            format!("GET {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", site.host())
                .chars()
                .map(|character| u8::try_from(u32::from(character)).expect("Latin-1"))
                .collect();
        let reply = site.send(&raw);
        if let Some(received) = reply.received() {
            let path = received.target().split('?').next().unwrap_or_default().to_ascii_lowercase();
            assert!(path.starts_with("/public/"), "{target:?} passed as {received:?}");
            for trick in
                ["..", "//", "%2e", "%2f", "%5c", "\\", "%25", "%00", "#", ";", "%zz", "\u{ff}"]
            {
                assert!(!path.contains(trick), "{target:?} passed as {received:?}");
            }
            is_nobody(&received);
        }
    }
}

/// The sample of a gateway refuses encoded slashes by itself, whatever the rules are; with these changes
/// they get to the application.
pub(crate) fn encoded_slashes_only_with(gateway: &Gateway, changes: &[Change<'_>]) {
    let site = Site::start(gateway);
    let cookie = site.sign_in("alice");
    for target in ["/api/queues/%2F/name", "/@scope%2fpackage", "/files/a%5Cb"] {
        let reply = site.get(target, &[("Cookie", &*cookie)]);
        assert_eq!(reply.status, 400, "{target}: {reply:?}");
        assert!(reply.received().is_none(), "{target}: {reply:?}");
    }
    drop(site);
    names_where(gateway, changes);
}

/// A gateway passes the trace of a request on: to didt, whose lines name it, and to the application.
pub(crate) fn traces(gateway: &Gateway) {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let access = ("didt.toml", "[store]\n", "[log]\nformat = \"json\"\naccess = true\n\n[store]\n");
    let site = Site::with(gateway, Store::Memory, &[access]);
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let cookie = site.sign_in("alice");
    let traced = |target: &str, cookie: &str| {
        site.get(target, &[("traceparent", &*parent), ("Cookie", cookie)])
    };
    let received = passed(&site, &traced("/orders", &cookie));
    assert_eq!(received.values("traceparent"), [&*parent], "{received:?}");
    refused(&site, &traced("/refused", "a=b"), 401);
    passed(&site, &site.get("/untraced", &[("Cookie", &*cookie)]));
    // The log is written after the answer.
    let of = |path: &str| -> Value {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let log = site.didt.log();
            let events = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let mut events = events.filter(|event| event["target"] == "didt::access");
            if let Some(event) = events.find(|event| event["path"] == path) {
                return event;
            }
            assert!(Instant::now() < deadline, "no line about {path} in {log}");
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    for (path, status) in [("/orders", 200), ("/refused", 401)] {
        let event = of(path);
        assert_eq!((&event["status"], &event["span"]["trace_id"]), (&status.into(), &TRACE.into()));
    }
    assert_eq!(of("/untraced")["span"]["trace_id"], Value::Null);
}

/// Brokers, forges and registries have slashes, percent signs and more in their names. Where no rule for
/// the host is about paths, the application gets them as they were sent.
pub(crate) fn names_that_applications_have(gateway: &Gateway) {
    names_where(gateway, &[]);
}

/// The same with these changes.
pub(crate) fn names_where(gateway: &Gateway, changes: &[Change<'_>]) {
    const PUBLIC: &str = "paths = [\"/public/**\"]";
    let elsewhere = format!("hosts = [\"other.example\"]\n{PUBLIC}");
    let changes = [&[("didt.toml", PUBLIC, &*elsewhere)], changes].concat();
    let site = Site::with(gateway, Store::Memory, &changes);
    let cookie = site.sign_in("alice");
    for target in [
        "/api/queues/%2F/name",
        "/api/queues/%2f/name?vhost=%2F",
        "/api/v4/projects/group%2Fproject/issues",
        "/@scope%2fpackage",
        "/files/100%25",
        "/a;v=1/b",
    ] {
        let reply = site.get(target, &[("Cookie", &*cookie)]);
        let received = passed(&site, &reply);
        // Traefik writes the digits of escapes in upper case, which nobody takes for another path.
        assert!(received.target().eq_ignore_ascii_case(target), "{target}: {received:?}");
        is_session_of("alice", &received);
        refused(&site, &site.get(target, &[]), 401);
    }
}

/// Rules are for hosts. A request that says two is refused, or has one for all.
pub(crate) fn two_hosts(gateway: &Gateway) {
    let site = Site::start(gateway);
    let cookie = site.sign_in("alice");
    let host = site.host();
    for head in [
        format!("GET http://other.example/public/ HTTP/1.1\r\nHost: {host}\r\n"),
        format!("GET /public/ HTTP/1.1\r\nHost: {host}\r\nHost: other.example\r\n"),
        "GET /public/ HTTP/1.1\r\n".to_owned(),
        format!("GET /public/ HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-Host: other.example\r\n"),
        format!("GET /public/ HTTP/1.1\r\nHost: {host}, other.example\r\n"),
    ] {
        let reply =
            site.send(format!("{head}Cookie: {cookie}\r\nConnection: close\r\n\r\n").as_bytes());
        if let Some(received) = reply.received() {
            let hosts = received.values("host");
            let forwarded = received.values("x-forwarded-host");
            assert_eq!(hosts.len(), 1, "{received:?}");
            assert!(forwarded.is_empty() || forwarded == hosts, "{head}: {received:?}");
        }
    }
}

/// Another site's page may neither use the cookie nor open a WebSocket with it.
pub(crate) fn other_sites(gateway: &Gateway) {
    let site = Site::start(gateway);
    let cookie = site.sign_in("alice");
    let mine = ("Cookie", &*cookie);
    let origin = format!("http://{}", site.host());
    for (name, value) in [
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
    ] {
        let reply = site.request("POST", "/orders", &[mine, (name, value)]);
        refused(&site, &reply, 403);
    }
    let reply = site.request("POST", "/auth/logout", &[mine, ("Sec-Fetch-Site", "cross-site")]);
    assert_eq!(reply.status, 403, "signing somebody out is theirs: {reply:?}");
    for own in [("Sec-Fetch-Site", "same-origin"), ("Origin", &*origin)] {
        passed(&site, &site.request("POST", "/orders", &[mine, own]));
    }
    let upgrade = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Origin", "https://evil.example"),
    ];
    let head: String = upgrade.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let raw =
        format!("GET /chat HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\n{head}\r\n", site.host());
    let reply = site.send_and_read_head(raw.as_bytes());
    assert_eq!(reply.status, 403, "{reply:?}");
    // A link from another site is no harm.
    passed(
        &site,
        &site.get("/", &[mine, ("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate")]),
    );
}

/// Who is signed in can open WebSockets, from the site's own pages.
pub(crate) fn upgrades(gateway: &Gateway) {
    let site = Site::start(gateway);
    let cookie = site.sign_in("alice");
    let own = format!("http://{}", site.host());
    assert_eq!(site.upgrade(&cookie, &own, b"hello").expect("101"), b"hello");
    let foreign = site.upgrade(&cookie, "https://evil.example", b"hello");
    assert_eq!(foreign.expect_err("another site's page").status, 403);
    assert_eq!(site.upgrade("a=b", &own, b"hello").expect_err("a stranger").status, 401);
}

/// A WebSocket is the only upgrade that reaches the upstream. One that takes `h2c` would hand the
/// client a tunnel: HTTP/2 in it, requests that nobody is asked about, and identities of its own.
pub(crate) fn other_upgrades(gateway: &Gateway) {
    let site = Site::start(gateway);
    for upgrade in ["h2c", "H2C", "h2", "websocket, h2c", "websocket\r\nUpgrade: h2c", "HTTP/2.0"] {
        for connection in ["Upgrade", "keep-alive, Upgrade, HTTP2-Settings"] {
            let raw = format!(
                "GET /public/ HTTP/1.1\r\nHost: {}\r\nConnection: {connection}\r\n\
                 Upgrade: {upgrade}\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                site.host()
            );
            let reply = site.send_and_read_head(raw.as_bytes());
            let Some(received) = reply.received() else {
                refused_somehow(&reply);
                continue;
            };
            for value in received.values("upgrade") {
                assert!(["", "websocket"].contains(&value), "{upgrade:?}: {received:?}");
            }
            assert!(received.values("http2-settings").iter().all(|value| value.is_empty()));
        }
    }
}

/// A cookie that is renewed during a check gets to the browser beside the application's answer, which is
/// then stored by nobody, however much the application would like it to be.
pub(crate) fn renewed_cookies(gateway: &Gateway) {
    let site = Site::with(gateway, Store::Sealed, &[]);
    let cookie = site.sign_in("alice");
    let mine = [("Cookie", &*cookie)];
    let renewed = (0..1000).find_map(|_| {
        // A tenth of the idle timeout has to pass first.
        std::thread::sleep(Duration::from_millis(20));
        let reply = site.get("/?cache=60", &mine);
        passed(&site, &reply);
        let renewed = reply.session_cookie();
        // Where no cookie is added, the application's word about caches stays.
        let stored_by = [
            "cdn-cache-control",
            "surrogate-control",
            "cloudflare-cdn-cache-control",
            "edge-control",
            "expires",
        ];
        if renewed.is_some() {
            assert_eq!(reply.header("cache-control"), Some("no-store"), "{reply:?}");
            for name in stored_by {
                assert_eq!(reply.header(name), None, "{reply:?}");
            }
        } else {
            assert_eq!(reply.header("cache-control"), Some("public, max-age=60"), "{reply:?}");
        }
        renewed
    });
    let renewed = format!("__Host-didt={}", renewed.expect("it is renewed"));
    assert_ne!(renewed, cookie);
    is_session_of("alice", &passed(&site, &site.get("/", &[("Cookie", &*renewed)])));
}

/// Without `didt serve` nobody passes, not even to what is public.
pub(crate) fn didt_is_down(gateway: &Gateway) {
    let mut site = Site::start(gateway);
    let cookie = site.sign_in("alice");
    passed(&site, &site.get("/", &[("Cookie", &*cookie)]));
    site.didt.kill();
    let token = bearer("alice");
    for (target, headers) in [
        ("/", &[("Cookie", &*cookie)][..]),
        ("/", &[("Authorization", &*token)]),
        ("/public/", &[]),
    ] {
        let reply = site.get(target, headers);
        assert!(reply.received().is_none(), "{reply:?}");
        assert!(reply.status >= 500, "{reply:?}");
    }
}

/// Without the store's server nobody is let in, and nobody is told that they are signed out.
pub(crate) fn the_store_is_down(gateway: &Gateway) {
    needs!("redis-server");
    let mut site = Site::with(gateway, Store::Redis, &[]);
    let cookie = site.sign_in("alice");
    passed(&site, &site.get("/", &[("Cookie", &*cookie)]));
    site.redis.as_mut().expect("redis").kill();
    // Until the broken connection is noticed, copies in memory may answer.
    let mine = [("Cookie", &*cookie)];
    let replies = std::iter::repeat_with(|| site.get("/", &mine)).take(10_000);
    let reply = replies.into_iter().find(|reply| reply.received().is_none());
    let reply = reply.expect("nobody is let in for long");
    assert!(reply.status >= 500, "{reply:?}");
    assert_eq!(reply.session_cookie(), None, "the cookie stays");
    // What needs no session needs no store.
    is_nobody(&passed(&site, &site.get("/public/", &[])));
}

/// `didt doctor` finds nothing to complain of.
pub(crate) fn doctor_is_content(gateway: &Gateway) {
    let site = Site::start(gateway);
    let (code, text) = site.doctor();
    assert_eq!(code, 0, "{text}");
    let report: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(report["summary"]["skipped"], 0, "{text}");
    assert!(report["summary"]["passed"].as_u64() > Some(15), "{text}");
}

/// `didt doctor` finds what is wrong with a changed configuration, and names it.
pub(crate) fn doctor_finds(gateway: &Gateway, changes: &[Change<'_>], probe: &str) {
    finds(&Site::with(gateway, Store::Memory, changes), probe);
}

/// The same for what shows only while `didt serve` is down.
pub(crate) fn doctor_finds_with_didt_down(gateway: &Gateway, changes: &[Change<'_>], probe: &str) {
    let mut site = Site::with(gateway, Store::Memory, changes);
    site.didt.kill();
    finds(&site, probe);
}

fn finds(site: &Site, probe: &str) {
    let (code, text) = site.doctor();
    assert_eq!(code, 1, "{text}");
    let report: Value = serde_json::from_str(&text).expect("JSON");
    let probes = report["probes"].as_array().expect("probes");
    let failed = probes.iter().filter(|found| found["outcome"] == "failed");
    let failed: Vec<_> = failed.map(|found| found["name"].as_str().expect("a name")).collect();
    assert!(failed.contains(&probe), "{probe:?} is not among {failed:?} in {text}");
}

/// The request reached the upstream.
#[track_caller]
fn passed(site: &Site, reply: &Reply) -> Received {
    assert_eq!(reply.status, 200, "{reply:?}\n{}\n{}", site.didt.log(), site.gateway_log());
    reply.received().expect("the upstream answers")
}

/// The request did not reach the upstream, and the answer says why.
#[track_caller]
fn refused(site: &Site, reply: &Reply, status: u16) {
    assert_eq!(reply.status, status, "{reply:?}\n{}", site.didt.log());
    assert!(reply.received().is_none(), "{reply:?}");
    assert_eq!(reply.session_cookie(), None, "{reply:?}");
    if status == 401 {
        assert!(reply.header("www-authenticate").is_some(), "RFC 9110 section 11.6.1: {reply:?}");
    }
}

/// By whom and with what status does not matter.
#[track_caller]
fn refused_somehow(reply: &Reply) {
    assert!(reply.received().is_none(), "{reply:?}");
    assert!((400..500).contains(&reply.status), "{reply:?}");
}

#[track_caller]
fn is_issuer(user: &str, received: &Received) {
    let issuer = Wallet::from_seed(user).issuer();
    assert_eq!(received.values(ISSUER), [issuer.to_string()], "{received:?}");
    assert_eq!(received.values(ADDRESS), [issuer.address().to_string()], "{received:?}");
    is_not_spoofed(received);
}

#[track_caller]
fn is_session_of(user: &str, received: &Received) {
    is_issuer(user, received);
    let [session] = received.values(SESSION)[..] else { panic!("{received:?}") };
    assert!(
        session.len() == 64 && session.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{session}"
    );
    let [expires] = received.values(EXPIRES)[..] else { panic!("{received:?}") };
    assert!(expires.parse::<u64>().is_ok(), "{expires}");
}

#[track_caller]
fn is_nobody(received: &Received) {
    for name in IDENTITY {
        let values = received.values(name);
        assert!(values.len() <= 1 && values.iter().all(|value| value.is_empty()), "{received:?}");
    }
    is_not_spoofed(received);
}

#[track_caller]
fn is_not_spoofed(received: &Received) {
    assert!(received.headers().all(|(_, value)| !value.contains(SPOOFED)), "{received:?}");
}

/// One test for each of the above.
macro_rules! tests {
    ($gateway:ident) => {
        behaviour::tests!($gateway:
            signing_in_and_out, a_token_alone_passes, strangers, people_are_sent_to_sign_in, people_are_sent_over_http2,
            people_can_use_another_account, spoofed_identities,
            claims_of_clients, many_fields, the_applications_own_credentials,
            denials_to_other_origins,
            connection_names_a_header, two_credentials, tricks_with_hosts, tricks_with_paths, two_hosts, other_sites, upgrades,
            other_upgrades, traces, renewed_cookies, didt_is_down, the_store_is_down, doctor_is_content);
    };
    ($gateway:ident: $($behaviour:ident),*) => {
        $(
            #[test]
            fn $behaviour() {
                needs!($gateway.program);
                behaviour::$behaviour(&$gateway);
            }
        )*
    };
}
pub(crate) use tests;
