//! Below the headers: bodies that never end, slow and many clients, HTTP/2.

use std::io::Write;
use std::time::{Duration, Instant};

use http::header::{COOKIE, HOST as HOST_HEADER};
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tower_didt::store::PageRequest;

use crate::server::{HOST, Learned, Server, issuer};

/// Far below what waiting for a body would take; test machines are slow.
const AT_ONCE: Duration = Duration::from_secs(10);

/// A rejected request is answered without its body being read: neither one that never comes, nor
/// one that never ends.
#[test]
fn a_body_that_never_ends() {
    let server = Server::start();
    for headers in ["Content-Length: 1000000000000\r\n", "Transfer-Encoding: chunked\r\n"] {
        for credentials in ["", "Authorization: Bearer x\r\n", "Cookie: __Host-didt=x\r\n"] {
            let started = Instant::now();
            let mut connection = server.connect();
            connection
                .write(format!("POST /me HTTP/1.1\r\nHost: {HOST}\r\n{headers}{credentials}\r\n"));
            connection.read().expect("answered before the body came").assert_refused(401);
            assert!(started.elapsed() < AT_ONCE);
            // The body comes after all: it is read to no end, nor taken for a request.
            let (started, junk) = (Instant::now(), [b'x'; 65_536]);
            while started.elapsed() < AT_ONCE && connection.0.write_all(&junk).is_ok() {}
            assert!(started.elapsed() < AT_ONCE, "the server reads a body in vain");
        }
    }
    assert_eq!(server.passed(), 0);
}

/// A client asks whether to send the body (RFC 9110 section 10.1.1): it is told no at once.
#[test]
fn a_body_that_waits_for_100_continue() {
    let server = Server::start();
    let raw = format!(
        "POST /me HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n"
    );
    server.send(raw.as_bytes()).assert_refused(401);
}

/// Request smuggling: the unread body of a rejected request is a request itself, with somebody's
/// cookie in it (RFC 9112 section 11.2). It is never answered.
#[test]
fn a_request_in_the_body_of_a_rejected_one() {
    let server = Server::start();
    let cookie = format!("Cookie: __Host-didt={}", server.sign_in("alice"));
    let before = server.passed();
    let inner = format!("GET /me HTTP/1.1\r\nHost: {HOST}\r\n{cookie}\r\n\r\n");
    let chunked = format!("{:x}\r\n{inner}\r\n0\r\n\r\n", inner.len());
    for (framing, body) in [
        (format!("Content-Length: {}", inner.len()), &inner),
        ("Transfer-Encoding: chunked".to_owned(), &chunked),
    ] {
        let mut connection = server.connect();
        connection.write(format!("POST /me HTTP/1.1\r\nHost: {HOST}\r\n{framing}\r\n\r\n"));
        connection.read().expect("an answer").assert_refused(401);
        let _ = connection.0.write_all(body.as_bytes());
        connection.0.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
        assert!(connection.read().is_none(), "the body was answered");
    }
    assert_eq!(server.passed(), before);
}

/// Requests share a connection, not an identity.
#[test]
fn who_is_calling_is_asked_anew_for_every_request_of_a_connection() {
    let server = Server::start();
    let alice = format!("Cookie: __Host-didt={}\r\n", server.sign_in("alice"));
    let bob = format!("Cookie: __Host-didt={}\r\n", server.sign_in("bob"));
    let get = |cookie: &str| format!("GET /open HTTP/1.1\r\nHost: {HOST}\r\n{cookie}\r\n");
    let mut connection = server.connect();
    let pipelined = [get(&alice), get(""), get(&bob), get("Authorization: Bearer x\r\n"), get("")];
    connection.write(pipelined.concat());
    let (alice, bob) = (issuer("alice").to_string(), issuer("bob").to_string());
    for (status, body) in [
        (200, &*alice),
        (200, "nobody"),
        (200, &bob),
        (401, "{\"error\":\"invalid_token\"}\n"),
        (200, "nobody"),
    ] {
        let reply = connection.read().expect("an answer");
        assert_eq!((reply.status, &*reply.body), (status, body));
    }
}

/// A client that sends its headers byte by byte ("Slowloris") keeps nobody else waiting.
#[test]
fn slow_clients() {
    let server = Server::start();
    let ticket = server.sign_in("alice");
    let mut slow: Vec<_> = (0..50).map(|_| server.connect()).collect();
    let raw = format!("GET /me HTTP/1.1\r\nHost: {HOST}\r\nCookie: __Host-didt={ticket}\r\n\r\n");
    for byte in raw.bytes() {
        for connection in &mut slow {
            connection.write([byte]);
        }
        if byte == b'\n' {
            let started = Instant::now();
            assert!(server.opens(&ticket));
            assert!(started.elapsed() < AT_ONCE);
        }
    }
    for mut connection in slow {
        assert_eq!(connection.read().expect("an answer").status, 200);
    }
}

/// How many files a process may open at a time.
fn max_open_files() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    files.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(1_024)
}

/// The clients' end of idle connections, in a process of its own: an address in, a line out when
/// all are open, until its input ends.
#[test]
#[ignore = "run by another test, in a process of its own"]
fn hold_connections() {
    let Ok(address) = std::env::var("HOLD_OPEN_TO") else { return };
    let count: usize = std::env::var("HOLD_OPEN").expect("a count").parse().expect("a number");
    let mut idle = Vec::new();
    for n in 0..count {
        let mut stream = std::net::TcpStream::connect(&address).expect("a connection");
        if n % 2 == 0 {
            stream.write_all(b"POST /me HTTP/1.1\r\nAuthorization: Bearer ").expect("sent");
        }
        idle.push(stream);
    }
    println!("\nHELD {}", idle.len());
    let _ = std::io::stdin().read_line(&mut String::new());
}

/// Ten thousand connections that say nothing, or only half of something; fewer where a process
/// may not open so many files, and then it says how many.
#[test]
fn ten_thousand_idle_connections() {
    use std::io::BufRead;
    use std::process::{Command, Stdio};
    let server = Server::start();
    let ticket = server.sign_in("alice");
    // Other tests run beside this one, in this process.
    let count = 10_000.min(max_open_files().saturating_sub(max_open_files() / 4));
    if count < 10_000 {
        let _ = writeln!(std::io::stderr(), "{count} idle connections only: see `ulimit -n`");
    }
    let mut holder = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "transport::hold_connections", "--ignored", "--nocapture"])
        .env("HOLD_OPEN_TO", server.address.to_string())
        .env("HOLD_OPEN", count.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process");
    let output = std::io::BufReader::new(holder.stdout.take().expect("its output"));
    let mut output = output.lines().map_while(Result::ok);
    let held = output.by_ref().find(|line| line.starts_with("HELD "));
    let works = (0..20).all(|_| server.opens(&ticket));
    let signs_in = server.opens(&server.sign_in("bob"));
    // Its input ends, and so does it.
    drop(holder.stdin.take());
    let rest: Vec<_> = output.collect();
    assert!(holder.wait().expect("an end").success(), "{rest:?}");
    assert_eq!(held, Some(format!("HELD {count}")));
    assert!(works && signs_in, "idle connections keep others waiting");
    assert!(server.opens(&ticket));
}

/// Where a body ends is said twice, in two ways (RFC 9112 section 6.3; "CL.TE" and "TE.CL"
/// smuggling): whatever the server makes of it, the hidden request's cookie opens nothing.
#[test]
fn content_length_beside_transfer_encoding() {
    let server = Server::start();
    let cookie = format!("Cookie: __Host-didt={}", server.sign_in("alice"));
    let before = server.passed();
    let hidden = format!("GET /me HTTP/1.1\r\nHost: {HOST}\r\n{cookie}\r\n\r\n");
    let chunk = format!("{:x}\r\n{hidden}\r\n0\r\n\r\n", hidden.len());
    for (framing, body) in [
        // The body ends at once for who believes in chunks, and is the hidden request for others.
        (
            format!("Content-Length: {}\r\nTransfer-Encoding: chunked", hidden.len() + 5),
            format!("0\r\n\r\n{hidden}"),
        ),
        ("Transfer-Encoding: chunked\r\nContent-Length: 4".to_owned(), chunk.clone()),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity".to_owned(), chunk.clone()),
        ("Transfer-Encoding: xchunked".to_owned(), chunk.clone()),
        ("Transfer-Encoding : chunked".to_owned(), chunk.clone()),
        ("Content-Length: 0\r\nContent-Length: 10".to_owned(), hidden.clone()),
        (format!("Content-Length: +{}", hidden.len()), hidden.clone()),
        (format!("Content-Length: 0, {}", hidden.len()), hidden.clone()),
    ] {
        let mut connection = server.connect();
        let head = format!("POST /me HTTP/1.1\r\nHost: {HOST}\r\n{framing}\r\n\r\n");
        let _ = connection.0.write_all(format!("{head}{body}").as_bytes());
        connection.0.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
        if let Some(reply) = connection.read() {
            assert!(matches!(reply.status, 400 | 401), "{framing}: {reply:?}");
            reply.assert_refused(reply.status);
        }
        if let Some(reply) = connection.read() {
            assert_ne!(reply.status, 200, "{framing}: the hidden request was answered");
        }
    }
    assert_eq!(server.passed(), before);
}

/// Clients that go away in the middle of signing in: the token is used up or it is not, and a
/// session is never made twice.
#[test]
fn clients_that_hang_up() {
    let server = Server::start();
    let token = server.token("alice");
    let raw = format!("GET /me HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {token}\r\n\r\n");
    for _ in 0..50 {
        let mut connection = server.connect();
        connection.write(&raw);
        connection.0.shutdown(std::net::Shutdown::Both).expect("closed");
    }
    let bearer = format!("Bearer {token}");
    assert_eq!(server.get("/me", &[("authorization", &bearer)]).status, 200);
    let sessions = server.auth.sessions_of(issuer("alice"), PageRequest::first());
    let sessions = server.runtime.block_on(sessions).expect("listed");
    assert_eq!(sessions.sessions.len(), 1);
}

/// Sends one request over HTTP/2, without TLS.
fn over_http2(server: &Server, request: Request<Empty<bytes::Bytes>>) -> (u16, String) {
    let ask = async {
        let stream = tokio::net::TcpStream::connect(server.address).await.expect("a connection");
        let (mut send, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
        let connection = tokio::spawn(connection);
        let response: Response<Incoming> = send.send_request(request).await.expect("an answer");
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        connection.abort();
        (status, String::from_utf8(body.to_vec()).expect("text"))
    };
    server.runtime.block_on(ask)
}

fn http2_request(method: &str) -> http::request::Builder {
    Request::builder().method(method).uri(format!("http://{HOST}/me"))
}

/// HTTP/2 may split cookies over several headers (RFC 9113 section 8.2.3): all of them are read,
/// and two different ones open nothing however they are split.
#[test]
fn cookie_crumbs_over_http2() {
    let server = Server::start();
    let (alice, mallory) = (server.sign_in("alice"), server.sign_in("mallory"));
    let ask = |crumbs: &[String]| {
        let mut request = http2_request("GET");
        for crumb in crumbs {
            request = request.header(COOKIE, crumb);
        }
        over_http2(&server, request.body(Empty::new()).expect("a request"))
    };
    let own = format!("__Host-didt={alice}");
    let foreign = format!("__Host-didt={mallory}");
    let crumbs = ["a=b".to_owned(), own.clone(), "c=d".to_owned()];
    assert_eq!(ask(&crumbs), (200, issuer("alice").to_string()));
    assert_eq!(ask(&[own.clone(), own.clone()]).0, 200);
    assert_eq!(ask(&[own.clone(), foreign.clone()]).0, 401);
    assert_eq!(ask(&[foreign, own]).0, 401);
    // A value cut in two is two crumbs, not one value.
    let (first, second) = alice.split_at(20);
    assert_eq!(ask(&[format!("__Host-didt={first}"), second.to_owned()]).0, 401);
}

/// Requests that are given up as soon as they were sent ("rapid reset", CVE-2023-44487), all with
/// one good token: the server lives on, and the token makes one session.
#[test]
fn http2_requests_that_are_reset_at_once() {
    let server = Server::start();
    let bearer = format!("Bearer {}", server.token("alice"));
    let reset = async {
        let stream = tokio::net::TcpStream::connect(server.address).await.expect("a connection");
        let (mut send, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
        let connection = tokio::spawn(connection);
        for _ in 0..2_000 {
            if send.ready().await.is_err() {
                // The server may well close such a connection.
                break;
            }
            let request = http2_request("GET").header("authorization", &bearer);
            let request = request.body(Empty::<bytes::Bytes>::new()).expect("a request");
            drop(send.send_request(request));
            tokio::task::yield_now().await;
        }
        connection.abort();
    };
    server.runtime.block_on(reset);
    let request = http2_request("GET").header("authorization", &bearer);
    let request = request.body(Empty::new()).expect("a request");
    assert_eq!(over_http2(&server, request), (200, issuer("alice").to_string()));
    let sessions = server.auth.sessions_of(issuer("alice"), PageRequest::first());
    assert_eq!(server.runtime.block_on(sessions).expect("listed").sessions.len(), 1);
}

/// The same rules over HTTP/2: credentials sent twice, and whose page it was. The host is
/// `:authority` there (RFC 9113 section 8.3.1), whatever `Host` says beside it.
#[test]
fn credentials_and_origins_over_http2() {
    let server = Server::start();
    let cookie = format!("__Host-didt={}", server.sign_in("alice"));
    let bearer = format!("Bearer {}", server.token("alice"));
    let twice = http2_request("GET").header("authorization", &bearer);
    let twice = twice.header("authorization", &bearer).body(Empty::new());
    assert_eq!(over_http2(&server, twice.expect("a request")).0, 400);
    let post = |origin: &str, host: Option<&str>| {
        let mut request = http2_request("POST").header(COOKIE, &cookie).header("origin", origin);
        if let Some(host) = host {
            request = request.header(HOST_HEADER, host);
        }
        over_http2(&server, request.body(Empty::new()).expect("a request")).0
    };
    assert_eq!(post("https://app.example.com", None), 200);
    assert_eq!(post("https://evil.example", None), 403);
    let mismatch = post("https://evil.example", Some("evil.example"));
    assert!(matches!(mismatch, 400 | 403), "{mismatch}");
}

/// A WebSocket over HTTP/2 is an extended `CONNECT` (RFC 8441): never a safe method.
#[test]
fn extended_connect_from_a_foreign_page() {
    use tower::{Layer, ServiceExt};
    let server = Server::start();
    let cookie = format!("__Host-didt={}", server.sign_in("alice"));
    for (origin, status) in [("https://evil.example", 403), ("https://app.example.com", 200)] {
        let request = Request::builder()
            .method("CONNECT")
            .uri(format!("https://{HOST}/me"))
            .header("cookie", &cookie)
            .header("origin", origin)
            .body(())
            .expect("a request");
        let inner = tower::service_fn(|_: Request<()>| async {
            Ok::<_, std::convert::Infallible>(Response::new(()))
        });
        let Ok(response) =
            server.runtime.block_on(server.auth.layer().layer(inner).oneshot(request));
        assert_eq!(response.status().as_u16(), status, "{origin}");
    }
}
