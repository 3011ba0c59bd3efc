//! `Authorization`, bent in every way.

use crate::server::{HOST, Learned, Server, issuer};

fn with_authorization(value: &[u8]) -> Vec<u8> {
    let head = format!("GET /me HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: ");
    [head.as_bytes(), value, b"\r\n\r\n"].concat()
}

/// Two `Authorization` headers: a proxy may have judged the other one (RFC 9110 section 5.3;
/// RFC 6750 section 3.1 asks for `invalid_request`).
#[test]
fn duplicate_authorization_headers() {
    let server = Server::start();
    let (good, bad) = (server.token("alice"), server.token("mallory"));
    for (one, two) in [(&good, &bad), (&good, &good), (&good, &String::new())] {
        for path in ["/me", "/open"] {
            let (one, two) = (format!("Bearer {one}"), format!("Bearer {two}"));
            let reply = server.get(path, &[("authorization", &one), ("Authorization", &two)]);
            reply.assert_refused(400);
            assert!(reply.header("www-authenticate").expect("said").contains("invalid_request"));
        }
    }
    assert_eq!(server.passed(), 0);
}

/// Two credentials in one header, joined by a comma, as proxies join lines (RFC 9110 section 5.3).
#[test]
fn comma_joined_credentials() {
    let server = Server::start();
    let (alice, mallory) = (server.token("alice"), server.token("mallory"));
    for value in [
        format!("Bearer {alice}, Bearer {mallory}"),
        format!("Bearer {alice},Bearer {alice}"),
        format!("Bearer {alice},"),
        format!("Bearer ,{alice}"),
        format!("Bearer {alice}, Basic Zm9vOmJhcg=="),
    ] {
        server.get("/me", &[("authorization", &value)]).assert_refused(400);
    }
    // Another scheme first: not this layer's to judge, so no credentials at all.
    let value = format!("Basic Zm9vOmJhcg==, Bearer {alice}");
    server.get("/me", &[("authorization", &value)]).assert_refused(401);
}

/// Tokens anywhere but in `Authorization`: in the target they end up in logs, and forms are
/// sent by foreign pages (RFC 6750 sections 2.2, 2.3 and 5.3).
#[test]
fn credentials_in_other_places() {
    let server = Server::start();
    let token = server.token("alice");
    server
        .get(&format!("/me?access_token={}", token.trim_end_matches('=')), &[])
        .assert_refused(401);
    let form = format!("access_token={token}");
    let post = format!(
        "POST /me HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{form}",
        form.len()
    );
    server.send(post.as_bytes()).assert_refused(401);
    let bearer = format!("Bearer {token}");
    for name in ["proxy-authorization", "x-authorization", "x-forwarded-authorization", "token"] {
        server.get("/me", &[(name, &bearer)]).assert_refused(401);
    }
    let (alice, cookie) = (issuer("alice").to_string(), format!("authorization=Bearer {token}"));
    for (name, value) in [("x-forwarded-user", &*alice), ("x-user", &alice), ("cookie", &cookie)] {
        server.get("/me", &[(name, value)]).assert_refused(401);
    }
    assert_eq!(server.passed(), 0);
}

/// Names that some reader on the way, or CGI's `HTTP_…` variables, take for the real ones
/// (CVE-2025-64484, CVE-2026-33433: `X_Auth_User` for `X-Auth-User`): only `Authorization` and
/// `Cookie` are credentials, whatever stands beside them.
#[test]
fn header_names_that_only_look_the_same() {
    let server = Server::start();
    let bearer = format!("Bearer {}", server.token("mallory"));
    let cookie = format!("__Host-didt={}", server.sign_in("mallory"));
    let before = server.passed();
    for name in ["authorization_", "_authorization", "authorization-", "http_authorization"] {
        server.get("/me", &[(name, &bearer)]).assert_refused(401);
    }
    for name in ["cookie2", "cookie_", "cookies", "set-cookie", "http_cookie", "x-cookie"] {
        server.get("/me", &[(name, &cookie)]).assert_refused(401);
    }
    for name in ["Authorizat\u{131}on", "Authorization\u{a0}", "Coo\u{212a}ie"] {
        let raw = format!("GET /me HTTP/1.1\r\nHost: {HOST}\r\n{name}: {bearer}\r\n\r\n");
        let reply = server.send(raw.as_bytes());
        reply.assert_refused(if reply.status == 400 { 400 } else { 401 });
    }
    assert_eq!(server.passed(), before);
    // Nor do they take anything away from the real ones.
    let alice = format!("Bearer {}", server.token("alice"));
    let reply = server.get("/me", &[("authorization", &alice), ("authorization_", &bearer)]);
    assert_eq!((reply.status, reply.body), (200, issuer("alice").to_string()));
}

/// `Connection` names the credentials: a proxy on the way would drop them, and the request is
/// nobody's (GHSA-w9mr-28mw-j8hg, CVE-2025-48865). Here nothing is dropped, and a bad token
/// stays bad: it is not outvoted by the cookie beside it.
#[test]
fn credentials_named_by_connection() {
    let server = Server::start();
    let cookie = format!("__Host-didt={}", server.sign_in("alice"));
    for named in ["authorization", "close, Authorization", "cookie, authorization"] {
        let headers = [("connection", named), ("authorization", "Bearer x"), ("cookie", &cookie)];
        server.get("/me", &headers).assert_refused(401);
        server.get("/open", &headers).assert_refused(401);
    }
}

/// More headers than anybody sends, the credentials last: the server's own limit answers, or
/// they are read, and the server lives on (RFC 6585 section 5).
#[test]
fn too_many_headers() {
    let server = Server::start();
    let ticket = server.sign_in("alice");
    for count in [90, 1_000, 20_000] {
        let filler: String = (0..count).map(|n| format!("X-{n}: {n}\r\n")).collect();
        let raw =
            format!("GET /me HTTP/1.1\r\nHost: {HOST}\r\n{filler}Authorization: Bearer x\r\n\r\n");
        let mut connection = server.connect();
        let _ = std::io::Write::write_all(&mut connection.0, raw.as_bytes());
        if let Some(reply) = connection.read() {
            reply.assert_refused(if count < 100 { 401 } else { 431 });
        }
    }
    assert!(server.opens(&ticket));
}

/// A header as trailer arrives after the decision and counts for nothing (RFC 9110 section 6.5.1).
#[test]
fn authorization_as_a_trailer() {
    let server = Server::start();
    let raw = format!(
        "POST /me HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\
         Trailer: Authorization\r\n\r\n0\r\nAuthorization: Bearer {}\r\n\r\n",
        server.token("alice")
    );
    server.send(raw.as_bytes()).assert_refused(401);
}

/// Headers far longer than any token: refused by length before anything is done with them.
#[test]
fn oversized_authorization() {
    let server = Server::start();
    for size in [8_200, 64_000, 300_000] {
        let value = [&b"Bearer "[..], &vec![b'A'; size]].concat();
        server.send(&with_authorization(&value)).assert_refused(401);
    }
    // The server's own limit, not ours: it must answer or close, and live on.
    let mut connection = server.connect();
    let value = [&b"Bearer "[..], &vec![b'A'; 4_000_000]].concat();
    let _ = std::io::Write::write_all(&mut connection.0, &with_authorization(&value));
    if let Some(reply) = connection.read() {
        reply.assert_refused(431);
    }
    assert!(server.opens(&server.sign_in("alice")));
}

/// Bytes from 0x80 upwards are legal in headers (RFC 9110 section 5.5, `obs-text`). Node's
/// base64 drops their eighth bit and finds a good token.
#[test]
fn authorization_with_8_bit_bytes() {
    let server = Server::start();
    let token = server.token("alice").into_bytes();
    for position in [0, 10, token.len() / 2, token.len() - 1] {
        let mut bent = [b"Bearer ", &*token].concat();
        bent[7 + position] |= 0x80;
        server.send(&with_authorization(&bent)).assert_refused(401);
    }
    for blank in [&b"\xa0"[..], "\u{a0}".as_bytes(), "\u{2003}".as_bytes(), b"\xff\xfe"] {
        for value in [
            [b"Bearer ", blank, &token].concat(),
            [b"Bearer ", &*token, blank].concat(),
            [b"Bearer", blank, &token].concat(),
        ] {
            server.send(&with_authorization(&value)).assert_refused(401);
        }
    }
    assert_eq!(server.passed(), 0);
}

/// Lines that readers on the way understand in different ways: a blank before the colon, a
/// folded line, control characters (RFC 9112 sections 2.2, 5.1 and 5.2).
#[test]
fn malformed_authorization_lines() {
    let server = Server::start();
    let token = server.token("alice");
    let head = format!("GET /me HTTP/1.1\r\nHost: {HOST}\r\n");
    for line in [
        format!("Authorization : Bearer {token}\r\n"),
        format!("Authorization: Bearer\r\n {token}\r\n"),
        format!("X: y\r\n Authorization: Bearer {token}\r\n"),
        format!("Authorization: Bearer {token}\0\r\n"),
        format!("Authorization\0: Bearer {token}\r\n"),
        format!("Authorization: Bearer\x0b{token}\r\n"),
        format!("Authorization: Bearer \x7f{token}\r\n"),
        format!("Authorization: Bearer {token}\rX: y\r\n"),
    ] {
        let reply = server.send(format!("{head}{line}\r\n").as_bytes());
        assert!(matches!(reply.status, 400 | 401), "{line:?}: {reply:?}");
        reply.assert_refused(reply.status);
    }
    assert_eq!(server.passed(), 0);
}
