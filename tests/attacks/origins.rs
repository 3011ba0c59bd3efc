//! Requests that another site causes.

use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse;

use crate::server::{HOST, Learned, Server, issuer};

const EVIL: &str = "https://evil.example";
const OWN: &str = "https://app.example.com";

/// Cross-site request forgery by a form or `fetch` of another page, with every method that changes
/// something, from browsers of today and of yesterday (RFC 6265 section 8.2; CWE-352).
#[test]
fn cross_site_post() {
    let server = Server::start();
    let cookie = format!("__Host-didt={}", server.sign_in("alice"));
    let before = server.passed();
    for method in ["POST", "PUT", "PATCH", "DELETE", "TRACE", "QUERY", "post"] {
        for path in ["/me", "/open"] {
            for from in [
                &[("origin", EVIL), ("sec-fetch-site", "cross-site")][..],
                &[("sec-fetch-site", "cross-site")],
                &[("sec-fetch-site", "same-site"), ("origin", "https://blog.example.com")],
                &[("origin", EVIL)],
                &[("origin", "null")],
                &[("origin", "http://app.example.com:8080")],
                &[("origin", "https://app.example.com.evil.example")],
                &[("origin", OWN), ("sec-fetch-site", "cross-site")],
                &[("origin", OWN), ("origin", EVIL)],
                &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
                &[("sec-fetch-site", "same-origin, cross-site")],
                &[("origin", EVIL), ("x-forwarded-host", "evil.example")],
                &[("origin", EVIL), ("forwarded", "host=evil.example")],
                &[("origin", EVIL), ("x-http-method-override", "GET")],
            ] {
                let headers = [&[("cookie", &*cookie)], from].concat();
                let reply = server.request(method, path, &headers);
                reply.assert_refused(403);
                assert_eq!(reply.header("set-cookie"), None, "the session stays");
            }
        }
    }
    assert_eq!(server.passed(), before);
    let own = [("cookie", &*cookie), ("origin", OWN), ("sec-fetch-site", "same-origin")];
    assert_eq!(server.request("POST", "/me", &own).status, 200);
    assert_eq!(server.request("POST", "/sign-out", &own).status, 200);
}

/// A foreign page opens a WebSocket: browsers send the cookie along and ask for no CORS
/// (RFC 6455 section 10.2; CWE-1385).
#[test]
fn web_socket_from_a_foreign_page() {
    let server = Server::start();
    let cookie = format!("__Host-didt={}", server.sign_in("alice"));
    let open = |upgrade: &str, origin: &str| {
        let key = "dGhlIHNhbXBsZSBub25jZQ==";
        server.get(
            "/me",
            &[
                ("cookie", &*cookie),
                ("origin", origin),
                ("connection", "Upgrade"),
                ("upgrade", upgrade),
                ("sec-websocket-key", key),
                ("sec-websocket-version", "13"),
            ],
        )
    };
    for upgrade in ["websocket", "WebSocket", "h2c", ""] {
        open(upgrade, EVIL).assert_refused(403);
        open(upgrade, "null").assert_refused(403);
    }
    assert_eq!(open("websocket", OWN).status, 200);
}

/// Login CSRF: a foreign page signs the visitor in to the attacker's account, to see what they
/// enter there (CWE-352; RFC 6819 section 4.4.1.8 has it for OAuth).
#[test]
fn login_csrf() {
    let server = Server::start();
    let token = server.token("mallory");
    let bearer = format!("Bearer {token}");
    for method in ["GET", "POST", "OPTIONS"] {
        for path in ["/me", "/open"] {
            for from in [
                &[("origin", EVIL), ("sec-fetch-site", "cross-site")][..],
                &[("origin", EVIL)],
                &[("origin", "null"), ("sec-fetch-site", "same-site")],
            ] {
                let headers = [&[("authorization", &*bearer)], from].concat();
                server.request(method, path, &headers).assert_refused(403);
            }
        }
    }
    // A form cannot send `Authorization` at all, and nothing else signs in.
    let form = [("content-type", "text/plain"), ("origin", EVIL)];
    server.request("POST", "/me", &form).assert_refused(401);
    // None of this used the token up.
    assert!(server.get("/me", &[("authorization", &bearer)]).ticket().is_some());
}

/// A CORS preflight carries no credentials (Fetch standard, section 4.8): behind a required layer
/// it is 401. Applications that want CORS put it outside of the layer.
#[test]
fn cors_preflight() {
    let preflight = [
        ("origin", EVIL),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization"),
        ("sec-fetch-site", "cross-site"),
    ];
    let server = Server::start();
    server.request("OPTIONS", "/me", &preflight).assert_refused(401);
    assert_eq!(server.request("OPTIONS", "/open", &preflight).body, "nobody");
    let reply = server.request("OPTIONS", "/me", &preflight);
    assert_eq!(reply.header("access-control-allow-origin"), None);

    let cors = from_fn(async |request: axum::extract::Request, next: Next| {
        if request.method() == Method::OPTIONS {
            return (StatusCode::NO_CONTENT, [("access-control-allow-origin", OWN)])
                .into_response();
        }
        next.run(request).await
    });
    let server = Server::with(|auth| auth, |router| router.layer(cors));
    assert_eq!(server.request("OPTIONS", "/me", &preflight).status, 204);
    server.request("POST", "/me", &preflight).assert_refused(401);
}

/// The target names a host as well (RFC 9112 section 3.2.2: then `Host` is to be ignored). A
/// foreign page that names its own host in one of both is still foreign.
#[test]
fn absolute_form_target_and_another_host() {
    let server = Server::start();
    let cookie = format!("__Host-didt={}", server.sign_in("alice"));
    let post = |target: &str, host: &str, origin: &str| {
        server.request("POST", target, &[("host", host), ("cookie", &cookie), ("origin", origin)])
    };
    let own = format!("http://{HOST}/me");
    post(&own, "evil.example", EVIL).assert_refused(403);
    post("http://user@app.example.com/me", HOST, EVIL).assert_refused(403);
    post("/me", HOST, "https://app.example.com@evil.example").assert_refused(403);
    post("/me", HOST, "https://evil.example/app.example.com").assert_refused(403);
    post("/me", HOST, "https://app.example.com.").assert_refused(403);
    assert_eq!(post(&own, "evil.example", OWN).status, 200, "the target outranks the header");
    assert_eq!(post("/me", HOST, OWN).status, 200);
    // Two hosts: which one the origin should be compared with cannot be told.
    let raw = format!(
        "POST /me HTTP/1.1\r\nHost: {HOST}\r\nHost: evil.example\r\nOrigin: {EVIL}\r\n\
         Cookie: {cookie}\r\nContent-Length: 0\r\n\r\n"
    );
    let reply = server.send(raw.as_bytes());
    assert!(matches!(reply.status, 400 | 403), "{reply:?}");
    // None at all, as HTTP/1.0 allows.
    let raw = format!("POST /me HTTP/1.0\r\nOrigin: {EVIL}\r\nCookie: {cookie}\r\n\r\n");
    server.send(raw.as_bytes()).assert_refused(403);
}

/// Following a link to the site from another one is a safe method: the visitor stays signed in.
#[test]
fn a_link_from_another_site_is_no_attack() {
    let server = Server::start();
    let cookie = format!("__Host-didt={}", server.sign_in("alice"));
    let headers = [("cookie", &*cookie), ("sec-fetch-site", "cross-site"), ("origin", EVIL)];
    for method in ["GET", "HEAD", "OPTIONS"] {
        assert_eq!(server.status_of(method, "/me", &headers), 200, "{method}");
    }
    assert_eq!(server.get("/me", &headers).body, issuer("alice").to_string());
}
