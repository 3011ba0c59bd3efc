use std::net::IpAddr;
use std::time::Duration;

use axum::body::Body;
use http::{Request, StatusCode};
use tower_didt_test_support::store::FaultyStore;

use super::super::config::{Config, IdentityHeaders, SignIn};
use super::super::peer::Peer;
use super::super::test_support::{
    AUDIENCE, Answer, Gateway, PROXY, START, alice, bearer, bob, config, empty, get, post,
    with_cookie,
};

const KINDS: [&str; 5] = ["nginx", "haproxy", "caddy", "traefik", "envoy"];

/// The question of a gateway of this kind about `GET https://app.example.com{uri}`.
fn question(kind: &str, method: &str, uri: &str) -> http::request::Builder {
    match kind {
        "nginx" | "haproxy" => get(&format!("/check/{kind}"))
            .header("x-original-method", method)
            .header("x-original-scheme", "https")
            .header("x-original-host", "app.example.com")
            .header("x-original-uri", uri),
        "caddy" | "traefik" => get(&format!("/check/{kind}?what=ever"))
            .header("x-forwarded-method", method)
            .header("x-forwarded-proto", "https")
            .header("x-forwarded-host", "app.example.com")
            .header("x-forwarded-uri", uri),
        _ => get(&format!("/check/envoy{uri}")).method(method).header("x-forwarded-proto", "https"),
    }
}

async fn ask(gateway: &Gateway, request: http::request::Builder) -> Answer {
    gateway.send(PROXY, empty(request)).await
}

fn assert_anonymous(answer: &Answer, name: &str) {
    assert_eq!(answer.status, StatusCode::OK, "{name}: {answer:?}");
    for header in IdentityHeaders::default().all() {
        assert_eq!(answer.header(header.as_str()), Some(""), "{name}: {header}");
    }
}

#[tokio::test]
async fn every_kind_passes_a_session_on_and_tells_the_upstream_who_is_calling() {
    let gateway = Gateway::new(config());
    let cookie = gateway.sign_in(&alice()).await;
    for kind in KINDS {
        let answer = ask(&gateway, with_cookie(question(kind, "GET", "/app?a=b"), &cookie)).await;
        assert_eq!(answer.status, StatusCode::OK, "{kind}: {answer:?}");
        let issuer = alice().issuer();
        assert_eq!(answer.header("x-auth-issuer"), Some(issuer.to_string().as_str()), "{kind}");
        let address = issuer.address().to_string();
        assert_eq!(answer.header("x-auth-address"), Some(address.as_str()), "{kind}");
        assert_eq!(answer.header("x-auth-session").expect("a handle").len(), 64, "{kind}");
        assert_eq!(answer.header("x-auth-expires"), Some("1700604800"), "{kind}");
        assert_eq!(answer.header("x-auth-assertion"), Some(""), "{kind}: none is configured");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{kind}");
        assert_eq!(answer.header("set-cookie"), None, "{kind}");
    }
}

#[tokio::test]
async fn every_kind_refuses_whoever_is_not_signed_in_with_a_challenge() {
    let gateway = Gateway::new(config());
    for kind in KINDS {
        for method in ["GET", "HEAD", "POST", "OPTIONS", "DELETE", "PURGE"] {
            let answer = ask(&gateway, question(kind, method, "/app")).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{kind} {method}");
            let challenge = answer.header("www-authenticate");
            assert_eq!(challenge, Some("Bearer realm=\"magic\""), "{kind} {method}");
            assert_eq!(answer.header("x-auth-issuer"), None, "{kind} {method}");
        }
    }
}

#[tokio::test]
async fn a_token_passes_without_signing_anybody_in() {
    let gateway = Gateway::new(config());
    let token = gateway.token(&alice());
    for kind in KINDS {
        let answer = ask(&gateway, bearer(question(kind, "POST", "/api"), &token)).await;
        assert_eq!(answer.status, StatusCode::OK, "{kind}: {answer:?}");
        assert_eq!(answer.header("set-cookie"), None, "{kind}");
        assert_eq!(answer.header("x-auth-session"), Some(""), "{kind}");
        let answer = ask(&gateway, bearer(question(kind, "GET", "/api"), "nonsense")).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{kind}");
    }
}

#[tokio::test]
async fn a_public_rule_looks_at_no_credentials_and_an_optional_one_does() {
    let gateway = Gateway::new(config());
    let cookie = gateway.sign_in(&alice()).await;
    for kind in KINDS {
        let public = || question(kind, "GET", "/public/logo.svg");
        assert_anonymous(&ask(&gateway, public()).await, kind);
        assert_anonymous(&ask(&gateway, with_cookie(public(), &cookie)).await, kind);
        assert_anonymous(&ask(&gateway, bearer(public(), "nonsense")).await, kind);

        let optional = || question(kind, "GET", "/optional");
        assert_anonymous(&ask(&gateway, optional()).await, kind);
        let known = ask(&gateway, with_cookie(optional(), &cookie)).await;
        assert_eq!(known.header("x-auth-issuer"), Some(alice().issuer().to_string().as_str()));
        let bad = ask(&gateway, bearer(optional(), "nonsense")).await;
        assert_eq!(bad.status, StatusCode::UNAUTHORIZED, "{kind}");
    }
}

#[tokio::test]
async fn a_dead_cookie_is_taken_away_where_the_gateway_relays_it() {
    let gateway = Gateway::new(config());
    let dead = "__Host-didt=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let answer = ask(&gateway, with_cookie(question("caddy", "GET", "/app"), dead)).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(answer.clears_cookie(), "{answer:?}");
    let answer = ask(&gateway, with_cookie(question("caddy", "GET", "/optional"), dead)).await;
    assert_anonymous(&answer, "optional");
    assert!(answer.clears_cookie(), "{answer:?}");
}

#[tokio::test]
async fn a_rule_with_a_list_admits_nobody_else() {
    let gateway = Gateway::new(config());
    let (alices, bobs) = (gateway.sign_in(&alice()).await, gateway.sign_in(&bob()).await);
    for kind in KINDS {
        let to = |cookie: &str| with_cookie(question(kind, "GET", "/alice"), cookie);
        assert_eq!(ask(&gateway, to(&alices)).await.status, StatusCode::OK, "{kind}");
        assert_eq!(ask(&gateway, to(&bobs)).await.status, StatusCode::FORBIDDEN, "{kind}");
        let nobody = ask(&gateway, question(kind, "GET", "/alice")).await;
        assert_eq!(nobody.status, StatusCode::UNAUTHORIZED, "{kind}");
    }
}

/// RFC 9470: the client learns how recent its sign-in has to be.
#[tokio::test]
async fn a_rule_for_fresh_sessions_asks_to_sign_in_again() {
    let gateway = Gateway::new(config());
    let cookie = gateway.sign_in(&alice()).await;
    let fresh = || with_cookie(question("envoy", "GET", "/fresh"), &cookie);
    gateway.clock.advance(Duration::from_secs(599));
    assert_eq!(ask(&gateway, fresh()).await.status, StatusCode::OK);
    gateway.clock.advance(Duration::from_secs(1));
    let stale = ask(&gateway, fresh()).await;
    assert_eq!(stale.status, StatusCode::UNAUTHORIZED);
    let challenge = stale.header("www-authenticate").expect("a challenge");
    assert!(challenge.contains("error=\"insufficient_user_authentication\""), "{challenge}");
    assert!(challenge.contains("max_age=\"600\""), "{challenge}");
    let token = gateway.token(&alice());
    let answer = ask(&gateway, bearer(question("envoy", "GET", "/fresh"), &token)).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "a token is no session");

    // A page signs in again with the old cookie beside the new token: browsers send it along.
    let again = with_cookie(bearer(post("/auth/login"), &token), &cookie);
    let again = gateway.send(PROXY, empty(again)).await;
    assert_eq!(again.status, StatusCode::NO_CONTENT, "{again:?}");
    let new = again.cookie().expect("a session that is fresh");
    let answer = ask(&gateway, with_cookie(question("envoy", "GET", "/fresh"), &new)).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let old = ask(&gateway, with_cookie(question("envoy", "GET", "/app"), &cookie)).await;
    assert_eq!(old.status, StatusCode::UNAUTHORIZED, "the new session replaces it");
}

/// CVE-2026-40575, CVE-2026-76835, CVE-2026-33495, CVE-2026-35051.
#[tokio::test]
async fn what_an_unlisted_peer_tells_is_not_believed_for_any_kind() {
    let gateway = Gateway::new(config());
    let cookie = gateway.sign_in(&alice()).await;
    let strangers = [Peer::Ip(IpAddr::from([127, 0, 0, 2])), Peer::Unix];
    for kind in KINDS {
        for stranger in strangers {
            for uri in ["/public/x", "/app"] {
                let request = with_cookie(question(kind, "GET", uri), &cookie);
                let answer = gateway.send(stranger, empty(request)).await;
                assert_eq!(answer.status, StatusCode::FORBIDDEN, "{kind} {stranger:?}");
            }
        }
    }
    let nobody: Request<Body> = empty(question("caddy", "GET", "/public/x"));
    let Ok(answer) = tower::ServiceExt::oneshot(gateway.router.clone(), nobody).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN, "a request without a peer is nobody's");
}

#[tokio::test]
async fn a_gateway_that_does_not_tell_or_tells_twice_is_refused() {
    let gateway = Gateway::new(config());
    let names = [
        ("nginx", "x-original-method"),
        ("nginx", "x-original-scheme"),
        ("nginx", "x-original-host"),
        ("nginx", "x-original-uri"),
        ("haproxy", "x-original-host"),
        ("haproxy", "x-original-uri"),
        ("caddy", "x-forwarded-method"),
        ("caddy", "x-forwarded-proto"),
        ("traefik", "x-forwarded-host"),
        ("traefik", "x-forwarded-uri"),
        ("envoy", "x-forwarded-proto"),
        ("envoy", "host"),
    ];
    for (kind, name) in names {
        let whole = empty(question(kind, "GET", "/public/x"));
        assert_eq!(gateway.send(PROXY, whole).await.status, StatusCode::OK, "{kind}");

        let mut missing = empty(question(kind, "GET", "/public/x"));
        let value = missing.headers_mut().remove(name).expect("it was told");
        assert_eq!(gateway.send(PROXY, missing).await.status, StatusCode::FORBIDDEN, "{name}");

        let mut twice = empty(question(kind, "GET", "/public/x"));
        twice.headers_mut().append(name, value);
        assert_eq!(gateway.send(PROXY, twice).await.status, StatusCode::FORBIDDEN, "{name}");

        let mut blank = empty(question(kind, "GET", "/public/x"));
        blank.headers_mut().insert(name, http::HeaderValue::from_static(""));
        assert_eq!(gateway.send(PROXY, blank).await.status, StatusCode::FORBIDDEN, "{name}");
    }
}

/// CVE-2026-33494, CVE-2021-32637, GHSA-9g5w-hqr3-w2ph, GHSA-pxq7-h93f-9jrg, CVE-2025-54576.
#[tokio::test]
async fn a_url_that_could_be_read_in_two_ways_passes_no_public_rule() {
    let gateway = Gateway::new(config());
    let tricks = [
        "/public/../app",
        "/public/%2e%2e/app",
        "/public/..%2fapp",
        "/public//../app",
        "/public/%5c..%5capp",
        "/public/..;/app",
        "/public/%",
    ];
    for kind in KINDS {
        for uri in tricks {
            let answer = ask(&gateway, question(kind, "GET", uri)).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{kind} {uri}");
        }
        let query = ask(&gateway, question(kind, "GET", "/app?/public/x")).await;
        assert_eq!(query.status, StatusCode::UNAUTHORIZED, "{kind}");
    }
    // A target with a fragment or 8-bit bytes is none for HTTP itself, but nginx tells it in a
    // header.
    for uri in [b"/app#/public/".as_slice(), b"/public/\xff"] {
        let mut request = empty(question("nginx", "GET", "/app"));
        let value = http::HeaderValue::from_bytes(uri).expect("a value");
        request.headers_mut().insert("x-original-uri", value);
        assert_eq!(gateway.send(PROXY, request).await.status, StatusCode::FORBIDDEN, "{uri:?}");
    }
}

/// Names of queues, projects and packages have slashes and percent signs in them.
#[tokio::test]
async fn a_url_that_everybody_reads_into_one_rule_is_decided_by_it_and_the_way_back_is_as_it_was() {
    let gateway = Gateway::new(config());
    for kind in KINDS {
        for (uri, status) in [
            ("/public/a%2Fb", StatusCode::OK),
            ("/public//a", StatusCode::OK),
            ("/queues/%2F/a", StatusCode::UNAUTHORIZED),
            ("/public/%2500", StatusCode::FORBIDDEN),
            ("/../public/a", StatusCode::FORBIDDEN),
        ] {
            let answer = ask(&gateway, question(kind, "GET", uri)).await;
            assert_eq!(answer.status, status, "{kind} {uri}");
        }
        let cookie = gateway.sign_in(&alice()).await;
        let request = with_cookie(question(kind, "GET", "/queues/%2F/a"), &cookie);
        assert_eq!(ask(&gateway, request).await.status, StatusCode::OK, "{kind}");
    }
}

/// Glued to a target of the client's, each of these hosts makes another URL.
#[tokio::test]
async fn a_host_with_anything_but_a_host_in_it_opens_nothing() {
    let gateway = Gateway::new(config());
    let cookie = gateway.sign_in(&alice()).await;
    let tricks = [
        "x/public/?",
        "x/public/#",
        "x?/public/",
        "x#/public/",
        "x\\public\\",
        "me@x",
        "x;/public/",
        "x%2fpublic%2f",
        "x,app.example.com",
        "x y",
        "x\ty",
        "x\"y\"",
        "x'",
        "",
        ":443",
        "x:",
        "x:44a",
        "x:0443",
        "x..y",
        ".x",
        "x.",
        "[::1",
        "[x]",
        "x\u{e9}",
        "http://x/public/",
        "x/..",
        "/public/",
    ];
    for kind in ["nginx", "haproxy", "caddy", "traefik"] {
        for host in tricks {
            for uri in ["/app", "/public/x"] {
                let mut request = empty(with_cookie(question(kind, "GET", uri), &cookie));
                let name = if matches!(kind, "nginx" | "haproxy") {
                    "x-original-host"
                } else {
                    "x-forwarded-host"
                };
                let Ok(value) = http::HeaderValue::from_bytes(host.as_bytes()) else { continue };
                request.headers_mut().insert(name, value);
                let answer = gateway.send(PROXY, request).await;
                assert_eq!(answer.status, StatusCode::FORBIDDEN, "{kind} {host:?} {uri}");
            }
        }
    }
}

/// Traefik cannot forbid caches to store the application's answer beside a cookie; the others can.
#[tokio::test]
async fn only_traefik_gets_no_cookie_to_add_to_an_answer() {
    let gateway = Gateway::new(config());
    for kind in KINDS {
        let dead = "__Host-didt=0123456789abcdef";
        let answer = ask(&gateway, question(kind, "GET", "/optional").header("cookie", dead)).await;
        assert_eq!(answer.status, StatusCode::OK, "{kind}");
        let has_cookie = answer.header("set-cookie").is_some();
        assert_eq!(has_cookie, kind != "traefik", "{kind}: {answer:?}");
    }
}

/// HTTP/2 from Envoy has `:authority`, and a `Host` field beside it names the same host or is
/// refused.
#[tokio::test]
async fn an_authority_and_another_host_are_refused() {
    let gateway = Gateway::new(config());
    for (host, status) in
        [("app.example.com", StatusCode::OK), ("other.example.com", StatusCode::FORBIDDEN)]
    {
        let request = get("http://app.example.com/check/envoy/public/x")
            .header("x-forwarded-proto", "https")
            .header("host", host);
        assert_eq!(ask(&gateway, request).await.status, status, "{host}");
        let checked = grpc::check(&gateway, Some(PROXY), "/public/x", &[("host", host)]).await;
        assert_eq!(checked.status, status.as_u16(), "{host} over gRPC");
    }
}

/// A configuration of an older version sends one glued URL, and the client's own parts beside it.
#[tokio::test]
async fn the_glued_url_of_older_configurations_is_refused() {
    let gateway = Gateway::new(config());
    for kind in ["nginx", "haproxy"] {
        let request = question(kind, "GET", "/public/x");
        let request = request.header("x-original-url", "https://app.example.com/public/x");
        assert_eq!(ask(&gateway, request).await.status, StatusCode::FORBIDDEN, "{kind}");
    }
}

#[tokio::test]
async fn headers_that_could_pass_for_ours_are_refused_on_public_routes_too() {
    let gateway = Gateway::new(config());
    let cookie = gateway.sign_in(&alice()).await;
    let rows = [
        ("X_Auth_Issuer", "did:ethr:0x1"),
        ("x.auth.issuer", ""),
        ("X-Auth-Issuer", "v"),
        ("x-auth_address", "v"),
        ("connection", "x-auth-issuer"),
        ("connection", "close, Cookie"),
        ("http2-settings", "AAMAAABkAAQAoAAAAAIAAAAA"),
    ];
    for kind in KINDS {
        for (name, value) in rows {
            for uri in ["/public/x", "/app"] {
                let request = with_cookie(question(kind, "GET", uri), &cookie);
                let answer = ask(&gateway, request.header(name, value)).await;
                assert_eq!(answer.status, StatusCode::FORBIDDEN, "{kind} {name}: {value} {uri}");
            }
        }
    }
}

/// Behind another protocol's switch the client would speak with the upstream unasked.
#[tokio::test]
async fn an_upgrade_to_anything_but_a_websocket_is_refused_on_public_routes_too() {
    let gateway = Gateway::new(config());
    let cookie = gateway.sign_in(&alice()).await;
    for kind in KINDS {
        let told = ["nginx", "haproxy"].contains(&kind);
        let upgrade = if told { "x-original-upgrade" } else { "upgrade" };
        for uri in ["/public/x", "/app"] {
            let to = || with_cookie(question(kind, "GET", uri), &cookie);
            let websocket = to().header(upgrade, "websocket");
            assert_eq!(ask(&gateway, websocket).await.status, StatusCode::OK, "{kind} {uri}");
            let other = to().header(upgrade, "h2c");
            assert_eq!(ask(&gateway, other).await.status, StatusCode::FORBIDDEN, "{kind} {uri}");
            let second = to().header(upgrade, "websocket").header(upgrade, "h2c");
            assert_eq!(ask(&gateway, second).await.status, StatusCode::FORBIDDEN, "{kind} {uri}");
        }
    }
}

#[tokio::test]
async fn ambiguous_credentials_are_denied_in_the_gateways_own_terms() {
    let gateway = Gateway::new(config());
    let token = gateway.token(&alice());
    for kind in KINDS {
        let expected = if kind == "nginx" { 403 } else { 400 };
        let twice = bearer(bearer(question(kind, "GET", "/app"), &token), &token);
        assert_eq!(ask(&gateway, twice).await.status, expected, "{kind}");
        let joined = bearer(question(kind, "GET", "/app"), &format!("{token}, Bearer {token}"));
        assert_eq!(ask(&gateway, joined).await.status, expected, "{kind}");
    }
}

#[tokio::test]
async fn the_original_method_and_origin_decide_about_foreign_pages() {
    let gateway = Gateway::new(config());
    let cookie = gateway.sign_in(&alice()).await;
    for kind in KINDS {
        let foreign = |method| {
            let request = with_cookie(question(kind, method, "/app"), &cookie);
            request.header("origin", "https://evil.example").header("sec-fetch-site", "cross-site")
        };
        assert_eq!(ask(&gateway, foreign("GET")).await.status, StatusCode::OK, "{kind}");
        assert_eq!(ask(&gateway, foreign("POST")).await.status, StatusCode::FORBIDDEN, "{kind}");
        let upgrade =
            if kind == "nginx" || kind == "haproxy" { "x-original-upgrade" } else { "upgrade" };
        let socket = foreign("GET").header(upgrade, "websocket");
        assert_eq!(ask(&gateway, socket).await.status, StatusCode::FORBIDDEN, "{kind}");
        let own = with_cookie(question(kind, "POST", "/app"), &cookie);
        let own = own.header("origin", "https://app.example.com");
        assert_eq!(ask(&gateway, own).await.status, StatusCode::OK, "{kind}");
    }
}

#[tokio::test]
async fn a_store_that_is_down_is_neither_yes_nor_no() {
    let gateway = Gateway::with_store(FaultyStore::unreachable());
    for kind in KINDS {
        let request = with_cookie(question(kind, "GET", "/app"), "__Host-didt=x");
        let answer = ask(&gateway, request).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{kind}");
        assert!(answer.header("retry-after").is_some(), "{kind}");
        assert_eq!(answer.header("set-cookie"), None, "{kind}: the cookie stays");
        assert_anonymous(&ask(&gateway, question(kind, "GET", "/public/x")).await, kind);
    }
}

#[tokio::test]
async fn envoys_questions_over_grpc_get_the_same_answers() {
    let gateway = Gateway::new(config());
    let cookie = gateway.sign_in(&alice()).await;
    let rows: [(&str, &str, &[(&str, &str)], u16); 9] = [
        ("anonymous", "/app", &[], 401),
        ("signed in", "/app?a=b", &[("cookie", cookie.as_str())], 200),
        ("public", "/public/x", &[], 200),
        ("path trick", "/public/../app", &[], 403),
        ("fragment", "/app#/public/", &[], 403),
        ("look-alike", "/public/x", &[("x_auth_issuer", "v")], 403),
        ("spoofed", "/public/x", &[("x-auth-issuer", "v")], 403),
        ("joined", "/app", &[("authorization", "Bearer a,Bearer b")], 400),
        ("no header", "/public/x", &[("a b", "v")], 403),
    ];
    for (name, path, headers, expected) in rows {
        let answer = grpc::check(&gateway, Some(PROXY), path, headers).await;
        assert_eq!(answer.status, expected, "{name}: {answer:?}");
        let code = match expected {
            200 => 0,
            401 => 16,
            _ => 7,
        };
        assert_eq!(answer.code, code, "{name}");
        if expected == 401 {
            assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"magic\""));
        }
        if expected == 200 {
            let issuer = alice().issuer().to_string();
            let issuer = if name == "signed in" { issuer.as_str() } else { "" };
            assert_eq!(answer.header("x-auth-issuer"), Some(issuer), "{name}");
            assert!(answer.all_overwrite, "{name}: identity headers take the client's place");
            assert!(answer.removed.contains(&"x_auth_issuer".to_owned()), "{name}");
        }
    }
    for stranger in [None, Some(Peer::Unix)] {
        let answer = grpc::check(&gateway, stranger, "/public/x", &[]).await;
        assert_eq!(answer.status, 403, "{stranger:?}");
    }
    let gateway = Gateway::with_store(FaultyStore::unreachable());
    let headers = [("cookie", "__Host-didt=x")];
    let answer = grpc::check(&gateway, Some(PROXY), "/app", &headers).await;
    assert_eq!((answer.status, answer.code), (503, 14), "unavailable: {answer:?}");
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
}

/// A head has 64 KiB at most where Envoy is set up as its sample is, and bodies are not asked for.
#[tokio::test]
async fn a_question_over_grpc_has_a_bound() {
    let gateway = Gateway::new(config());
    let large = |length| grpc::answer(&gateway, Some(PROXY), "/public/x", vec![b'a'; length]);
    assert_eq!(large(200 * 1024).await.headers().get("grpc-status"), None, "in the trailers: 0");
    let refused = large(260 * 1024).await;
    let status = refused.headers().get("grpc-status").and_then(|status| status.to_str().ok());
    assert!(status.is_some_and(|status| status != "0"), "{refused:?}");
}

/// A gRPC call, in its bytes on the wire.
mod grpc {
    use envoy_types::ext_authz::v3::pb::{
        CheckRequest, CheckResponse, HeaderAppendAction, HttpResponse,
    };
    use envoy_types::pb::envoy::service::auth::v3::AttributeContext;
    use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Request};
    use prost::Message;

    use super::super::super::test_support::Gateway;
    use super::*;

    #[derive(Debug)]
    pub(super) struct Checked {
        pub(super) status: u16,
        /// The gRPC code: 0 lets the request pass.
        pub(super) code: i32,
        pub(super) all_overwrite: bool,
        pub(super) removed: Vec<String>,
        headers: Vec<(String, String)>,
    }

    impl Checked {
        pub(super) fn header(&self, name: &str) -> Option<&str> {
            let found = self.headers.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.as_str())
        }
    }

    /// The answer to a question with this body.
    pub(super) async fn answer(
        gateway: &Gateway,
        peer: Option<Peer>,
        path: &str,
        raw_body: Vec<u8>,
    ) -> http::Response<Body> {
        ask(gateway, peer, HttpRequest { raw_body, ..about(path, &[]) }).await
    }

    fn about(path: &str, headers: &[(&str, &str)]) -> HttpRequest {
        HttpRequest {
            method: "GET".to_owned(),
            scheme: "https".to_owned(),
            host: "app.example.com".to_owned(),
            path: path.to_owned(),
            headers: headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            ..HttpRequest::default()
        }
    }

    async fn ask(gateway: &Gateway, peer: Option<Peer>, http: HttpRequest) -> http::Response<Body> {
        let request = Request { http: Some(http), ..Request::default() };
        let attributes = AttributeContext { request: Some(request), ..AttributeContext::default() };
        let message = CheckRequest { attributes: Some(attributes) }.encode_to_vec();
        let mut frame = vec![0];
        frame.extend(u32::try_from(message.len()).expect("small").to_be_bytes());
        frame.extend(message);
        let mut request = http::Request::builder()
            .method("POST")
            .uri("http://didt/envoy.service.auth.v3.Authorization/Check")
            .version(http::Version::HTTP_2)
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Body::from(frame))
            .expect("a request");
        if let Some(peer) = peer {
            request.extensions_mut().insert(peer);
        }
        let Ok(answer) = tower::ServiceExt::oneshot(gateway.router.clone(), request).await;
        answer
    }

    pub(super) async fn check(
        gateway: &Gateway,
        peer: Option<Peer>,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Checked {
        let answer = ask(gateway, peer, about(path, headers)).await;
        assert_eq!(answer.status(), StatusCode::OK, "{answer:?}");
        let body = http_body_util::BodyExt::collect(answer.into_body()).await.expect("a body");
        let bytes = body.to_bytes();
        let response = CheckResponse::decode(bytes.get(5..).expect("a frame")).expect("an answer");
        let code = response.status.expect("a status").code;
        match response.http_response.expect("an answer for HTTP") {
            HttpResponse::OkResponse(ok) => Checked {
                status: 200,
                code,
                all_overwrite: ok.headers.iter().all(|header| {
                    header.append_action == HeaderAppendAction::OverwriteIfExistsOrAdd as i32
                        && header.keep_empty_value
                }),
                removed: ok.headers_to_remove,
                headers: pairs(ok.headers),
            },
            HttpResponse::DeniedResponse(denied) => Checked {
                status: u16::try_from(denied.status.expect("a status").code).expect("a status"),
                code,
                all_overwrite: false,
                removed: Vec::new(),
                headers: pairs(denied.headers),
            },
            HttpResponse::ErrorResponse(_) => panic!("an error"),
        }
    }

    fn pairs(
        headers: Vec<envoy_types::ext_authz::v3::pb::HeaderValueOption>,
    ) -> Vec<(String, String)> {
        let pair = |header: envoy_types::ext_authz::v3::pb::HeaderValueOption| {
            let header = header.header.expect("a header");
            (header.key, header.value)
        };
        headers.into_iter().map(pair).collect()
    }
}

/// With a sign-in page.
fn signing_in() -> Config {
    let page = SignIn { key: "pk_live_test".to_owned(), home: "/".to_owned(), ..SignIn::default() };
    Config { sign_in: Some(page), ..config() }
}

fn navigation(request: http::request::Builder) -> http::request::Builder {
    let request = request.header("sec-fetch-mode", "navigate");
    request.header("sec-fetch-dest", "document").header("accept", "text/html")
}

#[tokio::test]
async fn a_person_who_opens_a_page_is_sent_to_sign_in_as_each_kind_understands_it() {
    let gateway = Gateway::new(signing_in());
    for kind in KINDS {
        let asked = navigation(question(kind, "GET", "/app?a=b&c=d"));
        let answer = ask(&gateway, asked).await;
        let (status, challenge) = match kind {
            "nginx" => (StatusCode::UNAUTHORIZED, Some("Bearer realm=\"magic\"")),
            _ => (StatusCode::FOUND, None),
        };
        assert_eq!(answer.status, status, "{kind}: {answer:?}");
        assert_eq!(answer.header("www-authenticate"), challenge, "{kind}");
        assert_eq!(answer.header("location"), Some("/auth/sign-in?rd=/app?a=b%26c=d"), "{kind}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{kind}");
        assert_eq!(answer.header("set-cookie"), None, "{kind}");
        let dead = with_cookie(navigation(question(kind, "GET", "/app")), "__Host-didt=dead");
        let answer = ask(&gateway, dead).await;
        assert_eq!(answer.status, status, "{kind}");
        assert!(answer.header("set-cookie").is_some_and(|cookie| cookie.contains("Max-Age=0")));
    }
}

#[tokio::test]
async fn everything_for_browsers_is_below_the_prefix_that_is_set() {
    let mut config = signing_in();
    config.public.prefix = "/-/account.v1".to_owned();
    let gateway = Gateway::new(config);
    for kind in KINDS {
        let answer = ask(&gateway, navigation(question(kind, "GET", "/app"))).await;
        assert_eq!(answer.header("location"), Some("/-/account.v1/sign-in?rd=/app"), "{kind}");
    }
    let token = gateway.token(&alice());
    let login = bearer(post("/-/account.v1/login"), &token);
    let cookie = gateway.send(PROXY, empty(login)).await.cookie().expect("a session");
    gateway.clock.advance(Duration::from_secs(601));
    let stale = ask(&gateway, navigation(with_cookie(question("caddy", "GET", "/fresh"), &cookie)));
    let again = "/-/account.v1/sign-in?again&rd=/fresh";
    assert_eq!(stale.await.header("location"), Some(again));

    let mine = |path: &str| empty(with_cookie(get(path), &cookie));
    for name in ["sign-in?again", "callback", "sign-out", "signed-in", "session", "sessions"] {
        let answer = gateway.send(PROXY, mine(&format!("/-/account.v1/{name}"))).await;
        assert_eq!(answer.status, StatusCode::OK, "{name}");
        let answer = gateway.send(PROXY, mine(&format!("/auth/{name}"))).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{name}");
    }
    for name in ["challenge", "logout"] {
        let request = empty(post(&format!("/-/account.v1/{name}")));
        assert!(gateway.send(PROXY, request).await.status.is_success(), "{name}");
    }
    // Nobody is sent back to the pages, from where they would come again.
    for (rd, home) in
        [("/-/account.v1/sign-in", "/"), ("/-/account.v1", "/"), ("/auth/x", "/auth/x")]
    {
        let answer = gateway.send(PROXY, mine(&format!("/-/account.v1/sign-in?rd={rd}"))).await;
        assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, Some(home)));
    }
}

#[tokio::test]
async fn a_person_whose_session_is_too_old_for_a_rule_signs_in_again() {
    let gateway = Gateway::new(signing_in());
    let cookie = gateway.sign_in(&alice()).await;
    gateway.clock.advance(Duration::from_secs(601));
    for kind in KINDS {
        let stale = with_cookie(navigation(question(kind, "GET", "/fresh?a&b")), &cookie);
        let answer = ask(&gateway, stale).await;
        let status = if kind == "nginx" { StatusCode::UNAUTHORIZED } else { StatusCode::FOUND };
        assert_eq!(answer.status, status, "{kind}: {answer:?}");
        let location = "/auth/sign-in?again&rd=/fresh?a%26b";
        assert_eq!(answer.header("location"), Some(location), "{kind}");
        let challenge = answer.header("www-authenticate").unwrap_or_default();
        assert!(challenge.contains("insufficient_user_authentication"), "{kind}: {challenge}");
        let script = with_cookie(question(kind, "GET", "/fresh"), &cookie);
        let answer = ask(&gateway, script).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{kind}");
        assert_eq!(answer.header("location"), None, "{kind}");
    }
    let again = get("/auth/sign-in?again&rd=/fresh");
    let page = gateway.send(PROXY, empty(with_cookie(again, &cookie))).await;
    assert_eq!(page.status, StatusCode::OK, "who is signed in is asked all the same");
}

/// The rule `/alice` admits nobody else.
#[tokio::test]
async fn a_person_whom_the_rule_does_not_admit_can_use_another_account() {
    let (gateway, without) = (Gateway::new(signing_in()), Gateway::new(config()));
    let bobs = gateway.sign_in(&bob()).await;
    for kind in KINDS {
        let asked = with_cookie(navigation(question(kind, "GET", "/alice?a&b")), &bobs);
        let answer = ask(&gateway, asked).await;
        let status = if kind == "nginx" { StatusCode::FORBIDDEN } else { StatusCode::FOUND };
        assert_eq!(answer.status, status, "{kind}: {answer:?}");
        assert_eq!(answer.header("location"), Some("/auth/refused?rd=/alice?a%26b"), "{kind}");
        assert_eq!(answer.header("www-authenticate"), None, "{kind}");
        for script in [
            question(kind, "GET", "/alice").header("accept", "application/json"),
            navigation(question(kind, "POST", "/alice"))
                .header("origin", "https://app.example.com"),
        ] {
            let answer = ask(&gateway, with_cookie(script, &bobs)).await;
            assert_eq!((answer.status, answer.header("location")), (StatusCode::FORBIDDEN, None));
        }
        let token = bearer(navigation(question(kind, "GET", "/alice")), &gateway.token(&bob()));
        let answer = ask(&gateway, token).await;
        assert_eq!((answer.status, answer.header("location")), (StatusCode::FORBIDDEN, None));
    }
    let bobs = without.sign_in(&bob()).await;
    let asked = with_cookie(navigation(question("caddy", "GET", "/alice")), &bobs);
    let answer = ask(&without, asked).await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::FORBIDDEN, None));

    let page = gateway.send(PROXY, empty(get("/auth/refused?rd=/alice"))).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
}

#[tokio::test]
async fn nobody_else_is_sent_anywhere() {
    let (with, without) = (Gateway::new(signing_in()), Gateway::new(config()));
    for kind in KINDS {
        let script = question(kind, "GET", "/app").header("sec-fetch-mode", "cors");
        let token = bearer(navigation(question(kind, "GET", "/app")), "nonsense");
        let websocket = navigation(question(kind, "GET", "/app")).header("sec-websocket-key", "x");
        for asked in [
            script.header("sec-fetch-dest", "empty"),
            token,
            websocket,
            question(kind, "GET", "/app"),
            navigation(question(kind, "POST", "/app")),
        ] {
            let answer = ask(&with, asked).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{kind}: {answer:?}");
            assert_eq!(answer.header("location"), None, "{kind}");
        }
        let answer = ask(&without, navigation(question(kind, "GET", "/app"))).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{kind}: no page is configured");
        assert_eq!(answer.header("location"), None, "{kind}");
    }
    let public = ask(&with, navigation(question("nginx", "GET", "/public/x"))).await;
    assert_eq!(public.status, StatusCode::OK);
}

#[tokio::test]
async fn the_sign_in_page_is_served_beside_the_endpoints_for_programs() {
    let (with, without) = (Gateway::new(signing_in()), Gateway::new(config()));
    for path in ["/auth/sign-in", "/auth/callback", "/auth/sign-out"] {
        let answer = with.send(PROXY, empty(get(path))).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
        let answer = without.send(PROXY, empty(get(path))).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
    let session = with.send(PROXY, empty(get("/auth/session"))).await;
    assert_eq!(session.status, StatusCode::UNAUTHORIZED, "as ever");
    assert_eq!(with.send(PROXY, empty(get("/auth/signed-in"))).await.status, StatusCode::OK);
    let token = with.token(&alice());
    let signed_in = with.send(PROXY, empty(bearer(post("/auth/sign-in"), &token))).await;
    assert_eq!(signed_in.status, StatusCode::OK);
    assert!(signed_in.header("set-cookie").is_some());
}

/// A client learns what is wrong with its token's times or use, and of nothing else.
#[tokio::test]
async fn a_denial_says_why_where_that_helps_an_honest_client() {
    let gateway = Gateway::new(config());
    let now = START;
    let wallet = alice();
    let token = |aud: &str| wallet.token(aud).issued_at(now);
    let hour = Duration::from_secs(3_600);
    let rows = [
        ("expired", token(AUDIENCE).lifespan(Duration::ZERO), Some("expired")),
        ("old", token(AUDIENCE).issued_at(now.minus(hour)).lifespan(hour * 2), Some("too_old")),
        ("early", token(AUDIENCE).issued_at(now.plus(hour)), Some("not_yet_valid")),
        ("another audience", token("did:magic:other"), None),
    ];
    gateway.clock.advance(Duration::from_secs(1));
    for kind in KINDS {
        for (name, token, expected) in &rows {
            let request = bearer(question(kind, "GET", "/private"), &token.clone().mint());
            let answer = gateway.send(PROXY, empty(request)).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{kind}: {name}");
            assert_eq!(answer.header("x-auth-reason"), *expected, "{kind}: {name}");
        }
        for request in [
            question(kind, "GET", "/private"),
            question(kind, "GET", "/private").header("cookie", "__Host-didt=0123456789abcdef"),
            question(kind, "GET", "/private").header("x_auth_issuer", "me"),
            bearer(question(kind, "GET", "/private"), "nonsense"),
        ] {
            let answer = gateway.send(PROXY, empty(request)).await;
            assert_eq!(answer.header("x-auth-reason"), None, "{kind}");
        }
        let machine = bearer(question(kind, "GET", "/fresh"), &gateway.token(&alice()));
        let stale = gateway.send(PROXY, empty(machine)).await;
        assert_eq!(stale.header("x-auth-reason"), Some("fresh_login_required"), "{kind}");
        let passed = bearer(question(kind, "GET", "/private"), &gateway.token(&alice()));
        let passed = gateway.send(PROXY, empty(passed)).await;
        assert_eq!((passed.status, passed.header("x-auth-reason")), (StatusCode::OK, None));
    }
}

/// What the upstream gets as `Authorization` is on every answer that lets a request pass, empty if it
/// is nothing: a gateway then cannot keep the client's own value.
#[tokio::test]
async fn the_upstream_gets_credentials_of_its_own_and_never_ours() {
    let gateway = Gateway::new(config());
    let session = gateway.sign_in(&alice()).await;
    let ours = format!("Bearer {}", gateway.token(&alice()));
    let (key, basic) = ("Bearer an-api-key", "Basic eDp5");
    let rows = [
        ("/public/x", key, false, Ok(key)),
        ("/public/x", basic, true, Ok(basic)),
        ("/public/x", &*ours, false, Ok("")),
        ("/private", basic, true, Ok("")),
        ("/private", key, true, Err(401)),
        ("/private", &*ours, true, Ok("")),
        ("/own/required", key, true, Ok(key)),
        ("/own/required", basic, true, Ok(basic)),
        ("/own/required", key, false, Err(401)),
        ("/own/required", &*ours, false, Ok("")),
        ("/own/optional", key, false, Ok(key)),
        ("/optional", key, false, Err(401)),
    ];
    for kind in KINDS {
        for (path, authorization, signed_in, expected) in rows {
            let mut request = question(kind, "GET", path).header("authorization", authorization);
            if signed_in {
                request = request.header("cookie", session.as_str());
            }
            let answer = gateway.send(PROXY, empty(request)).await;
            let got = match answer.status {
                StatusCode::OK => Ok(answer.header("authorization")),
                status => Err(status.as_u16()),
            };
            // Traefik takes off what the answer does not have.
            let none = if kind == "traefik" { None } else { Some("") };
            let expected = expected.map(|value| if value.is_empty() { none } else { Some(value) });
            assert_eq!(got, expected, "{kind}: {path} {authorization}");
        }
    }
}
