//! The example of a gateway, from both sides: as its client and as its upstream.
//!
//! Needs bash and curl for the lines that it prints. Without them that test fails: it never
//! passes unrun.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "in tests a panic is the verdict"
)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use tower_didt_test_support::child::{Run, Running};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tower_didt::testing::Wallet;

/// How long a test waits before it gives up. Nothing is asserted about how long things take.
const PATIENCE: Duration = Duration::from_secs(30);

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

// ---- headers ---------------------------------------------------------------------

#[tokio::test]
async fn the_upstream_is_told_who_is_calling_and_nothing_that_the_client_says() {
    let (mut site, cookie) = Site::signed_in().await;
    let request = format!(
        "GET /a?b HTTP/1.1\r\nHost: {}\r\nCookie: a=1; {cookie}; b=2\r\nCookie: c=3\r\n\
         X-Auth-Issuer: spoofed\r\nX_AUTH_ISSUER: spoofed\r\nx.auth.address: spoofed\r\nx!auth!issuer: spoofed\r\n\
         X-Auth-Role: spoofed\r\nX-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Host: spoofed\r\n\
         Forwarded: for=spoofed\r\nX-Real-IP: spoofed\r\nX-Kept: yes\r\n\r\n",
        site.address
    );
    let head = site.pass(&request).await;
    assert!(head.starts_with("get /a?b http/1.1\r\n"), "{head}");
    let issuer = alice().issuer();
    for (name, value) in [
        ("x-auth-issuer", issuer.to_string()),
        ("x-auth-address", issuer.address().to_string()),
        ("x-forwarded-for", "127.0.0.1".to_owned()),
        ("x-forwarded-host", site.address.clone()),
        ("x-forwarded-proto", "http".to_owned()),
        ("host", site.address.clone()),
        ("cookie", "a=1; b=2; c=3".to_owned()),
        ("x-kept", "yes".to_owned()),
    ] {
        assert_eq!(values(&head, name), [value.to_ascii_lowercase()], "{name}: {head}");
    }
    assert!(!head.contains("spoofed"), "{head}");
}

#[tokio::test]
async fn on_public_routes_nobody_is_calling() {
    let (mut site, cookie) = Site::signed_in().await;
    let request = format!(
        "GET /public/a HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\nX-Auth-Issuer: spoofed\r\n\r\n",
        site.address
    );
    let head = site.pass(&request).await;
    assert!(!head.contains("x-auth-") && !head.contains("cookie"), "{head}");
}

#[tokio::test]
async fn tokens_stay_at_the_gateway() {
    let mut site = Site::start(&[]).await;
    let token = alice().token(AUDIENCE).mint();
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\r\n",
        site.address
    );
    let head = site.pass(&request).await;
    assert!(!head.contains("authorization"), "{head}");
    assert_eq!(values(&head, "x-auth-issuer").len(), 1, "{head}");
}

#[tokio::test]
async fn what_is_between_two_neighbours_goes_no_further() {
    let (mut site, cookie) = Site::signed_in().await;
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\nConnection: close, X-Named\r\n\
         X-Named: 1\r\nKeep-Alive: 1\r\nTE: trailers\r\nProxy-Authorization: x\r\n\r\n",
        site.address
    );
    let head = site.pass(&request).await;
    for name in ["connection", "x-named", "keep-alive", "te", "proxy-authorization"] {
        assert!(values(&head, name).is_empty(), "{name}: {head}");
    }
}

// ---- refusals --------------------------------------------------------------------

#[tokio::test]
async fn what_can_be_read_in_two_ways_does_not_reach_the_upstream() {
    let (site, cookie) = Site::signed_in().await;
    let host = format!("Host: {}", site.address);
    let rows = [
        (format!("GET /public/../private HTTP/1.1\r\n{host}"), "path"),
        (format!("GET /public/%2e%2e/private HTTP/1.1\r\n{host}"), "path"),
        (format!("GET /public/..%2fprivate HTTP/1.1\r\n{host}"), "path"),
        (format!("GET /public/..;/private HTTP/1.1\r\n{host}"), "path"),
        (format!("GET //private HTTP/1.1\r\n{host}"), "path"),
        (format!("GET /public/a\\..\\private HTTP/1.1\r\n{host}"), "path"),
        (format!("GET /private%23/public/ HTTP/1.1\r\n{host}"), "path"),
        (format!("CONNECT {} HTTP/1.1\r\n{host}", site.address), "method"),
        (format!("GET / HTTP/1.1\r\n{host}\r\nHost: elsewhere"), "host"),
        (format!("GET http://elsewhere/ HTTP/1.1\r\n{host}"), "host"),
        ("GET / HTTP/1.0".to_owned(), "host"),
        (format!("GET / HTTP/1.1\r\n{host}\r\nConnection: X-Auth-Issuer"), "connection"),
        (format!("GET / HTTP/1.1\r\n{host}\r\nConnection: close, x_auth_issuer"), "connection"),
        (format!("GET / HTTP/1.1\r\n{host}\r\nConnection: Cookie"), "connection"),
        (
            format!("GET / HTTP/1.1\r\n{host}\r\nConnection: close\r\nConnection: Authorization"),
            "connection",
        ),
    ];
    for (head, error) in rows {
        let answer = site.ask(&format!("{head}\r\nCookie: {cookie}\r\n\r\n")).await;
        assert!(answer.contains(" 400 Bad Request\r\n"), "{head}: {answer}");
        assert!(answer.contains(&format!("{{\"error\":\"{error}\"}}")), "{head}: {answer}");
    }
    site.nobody_called().await;
}

#[tokio::test]
async fn strangers_and_dead_sessions_do_not_reach_the_upstream() {
    let (site, cookie) = Site::signed_in().await;
    for (method, target) in [("GET", "/"), ("OPTIONS", "/"), ("BREW", "/"), ("GET", "/public")] {
        let head = format!("{method} {target} HTTP/1.1\r\nHost: {}\r\n\r\n", site.address);
        let answer = site.ask(&head).await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{method} {target}: {answer}");
        assert!(answer.contains("www-authenticate: Bearer "), "{method} {target}: {answer}");
    }
    let with = |line: &str| {
        format!(
            "{line} HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\nContent-Length: 0\r\n\r\n",
            site.address
        )
    };
    let answer = site.ask(&with("GET /auth/session")).await;
    assert!(answer.contains(&format!("{{\"issuer\":\"{}\"}}", alice().issuer())), "{answer}");
    let answer = site.ask(&with("POST /auth/logout")).await;
    assert!(answer.starts_with("HTTP/1.1 204 ") && answer.contains("Max-Age=0"), "{answer}");
    assert!(site.ask(&with("GET /")).await.starts_with("HTTP/1.1 401 "));
    site.nobody_called().await;
}

// ---- bodies ----------------------------------------------------------------------

#[tokio::test]
async fn a_request_body_arrives_while_it_is_still_being_sent() {
    let (site, cookie) = Site::signed_in().await;
    let mut client = TcpStream::connect(&site.address).await.expect("connects");
    let head = format!(
        "POST /upload HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\nTransfer-Encoding: chunked\r\n\
         Connection: close\r\n\r\n5\r\nfirst\r\n",
        site.address
    );
    client.write_all(head.as_bytes()).await.expect("sent");
    let mut upstream = site.called().await;
    read_until(&mut upstream, "first").await;
    client.write_all(b"4\r\nlast\r\n0\r\n\r\n").await.expect("sent");
    read_until(&mut upstream, "last").await;
    upstream.write_all(OK.as_bytes()).await.expect("answered");
    read_until(&mut client, "HTTP/1.1 200 ").await;
}

#[tokio::test]
async fn an_answer_arrives_while_it_is_still_being_made() {
    let (site, cookie) = Site::signed_in().await;
    let mut client = TcpStream::connect(&site.address).await.expect("connects");
    let head =
        format!("GET /events HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\n\r\n", site.address);
    client.write_all(head.as_bytes()).await.expect("sent");
    let mut upstream = site.called().await;
    read_until(&mut upstream, "\r\n\r\n").await;
    let begin =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nKeep-Alive: 9\r\n\r\n5\r\nfirst\r\n";
    upstream.write_all(begin.as_bytes()).await.expect("answered");
    let answer = read_until(&mut client, "first").await;
    assert!(!answer.to_ascii_lowercase().contains("keep-alive: 9"), "{answer}");
    upstream.write_all(b"4\r\nlast\r\n0\r\n\r\n").await.expect("answered");
    read_until(&mut client, "last").await;
}

// ---- upgrades --------------------------------------------------------------------

fn handshake(site: &Site, cookie: &str, origin: &str) -> String {
    format!(
        "GET /socket HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\nOrigin: {origin}\r\n\
         Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        site.address
    )
}

#[tokio::test]
async fn a_websocket_goes_through() {
    let (site, cookie) = Site::signed_in().await;
    let mut client = TcpStream::connect(&site.address).await.expect("connects");
    let head = handshake(&site, &cookie, &format!("http://{}", site.address));
    client.write_all(head.as_bytes()).await.expect("sent");
    let mut upstream = site.called().await;
    let head = read_until(&mut upstream, "\r\n\r\n").await.to_ascii_lowercase();
    assert_eq!(values(&head, "upgrade"), ["websocket"]);
    assert_eq!(values(&head, "connection"), ["upgrade"]);
    assert_eq!(values(&head, "sec-websocket-key").len(), 1);
    assert_eq!(values(&head, "x-auth-issuer").len(), 1);
    // The accepted key is RFC 6455's own, section 1.3.
    let answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                  Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nfrom upstream";
    upstream.write_all(answer.as_bytes()).await.expect("answered");
    let answer = read_until(&mut client, "from upstream").await.to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 101 "), "{answer}");
    assert_eq!(values(&answer, "upgrade"), ["websocket"]);
    assert_eq!(values(&answer, "sec-websocket-accept"), ["s3pplmbitxaq9kygzzhzrbk+xoo="]);
    client.write_all(b"from client").await.expect("sent");
    read_until(&mut upstream, "from client").await;
    drop(client);
    let mut rest = Vec::new();
    timeout(PATIENCE, upstream.read_to_end(&mut rest)).await.expect("in time").expect("the end");
}

#[tokio::test]
async fn a_websocket_of_another_sites_page_does_not_reach_the_upstream() {
    let (site, cookie) = Site::signed_in().await;
    let answer = site.ask(&handshake(&site, &cookie, "https://elsewhere.example")).await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    site.nobody_called().await;
}

/// The upstream would be handed a client whose next requests nobody looks at.
#[tokio::test]
async fn a_websocket_is_the_only_upgrade() {
    let (site, cookie) = Site::signed_in().await;
    for upgrade in ["h2c", "websocket, h2c", "h2c, websocket"] {
        let request = format!(
            "GET / HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\nConnection: Upgrade, HTTP2-Settings\r\n\
             Upgrade: {upgrade}\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n",
            site.address
        );
        let head = site.exchange(&request, "HTTP/1.1 204 No Content\r\n\r\n").await.0;
        let head = head.to_ascii_lowercase();
        for name in ["upgrade", "connection", "http2-settings"] {
            assert!(values(&head, name).is_empty(), "{upgrade}: {head}");
        }
    }
}

#[tokio::test]
async fn an_upgrade_that_nobody_asked_for_is_none() {
    let (site, cookie) = Site::signed_in().await;
    let request = format!("GET / HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\n\r\n", site.address);
    let upgrading = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n";
    let answer = site.exchange(&request, upgrading).await.1;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
}

// ---- an upstream that fails ------------------------------------------------------

#[tokio::test]
async fn an_upstream_that_is_gone_is_502() {
    let (mut site, cookie) = Site::signed_in().await;
    let request = format!("GET / HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\n\r\n", site.address);
    let garbled = site.exchange(&request, "SSH-2.0-x\r\n\r\n").await.1;
    assert!(garbled.starts_with("HTTP/1.1 502 "), "{garbled}");
    site.upstream = TcpListener::bind("127.0.0.1:0").await.expect("another port");
    let answer = site.ask(&request).await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
}

#[tokio::test]
async fn an_upstream_that_never_answers_is_504() {
    let site = Site::start(&["--timeout", "0.2"]).await;
    let cookie = site.sign_in().await;
    let request = format!("GET / HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\n\r\n", site.address);
    let answer = site.ask(&request).await;
    assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
}

// ---- what it prints --------------------------------------------------------------

#[tokio::test]
async fn printed_lines_pasted_into_bash_do_what_they_show() {
    let site = Site::start(&[]).await;
    let paste = |line: String| async move {
        let mut bash = Command::new("bash");
        bash.args(["-c", &line]).env("NO_PROXY", "*").env("no_proxy", "*");
        let output = tokio::task::spawn_blocking(move || bash.output());
        let output = output.await.expect("ends").expect("these tests need bash and curl");
        String::from_utf8(output.stdout).expect("text")
    };
    let signed_in = paste(site.lines[0].clone()).await;
    assert!(signed_in.starts_with("HTTP/1.1 200 "), "{signed_in}");
    assert_eq!(values(&signed_in.to_ascii_lowercase(), "set-cookie").len(), 1, "{signed_in}");
    let pasted = tokio::spawn(paste(site.lines[1].clone()));
    let mut upstream = site.called().await;
    read_until(&mut upstream, "\r\n\r\n").await;
    upstream.write_all(OK.as_bytes()).await.expect("answered");
    let answer = pasted.await.expect("ends");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

// ---- both sides ------------------------------------------------------------------

const AUDIENCE: &str = "did:magic:my-app";

fn alice() -> Wallet {
    Wallet::from_seed("alice")
}

/// A running gateway, and the upstream that it was told of.
struct Site {
    _child: Running,
    address: String,
    lines: [String; 2],
    upstream: TcpListener,
}

impl Site {
    async fn start(options: &[&str]) -> Self {
        let upstream = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let test = std::env::current_exe().expect("this test's own path");
        let profile = test.parent().and_then(Path::parent).expect("target/PROFILE/deps");
        let name =
            Path::new("examples/reverse_proxy").with_extension(std::env::consts::EXE_EXTENSION);
        let path = profile.join(name);
        let hint = "`cargo test` builds it; with `--test` run `cargo build --examples` first";
        assert!(path.exists(), "{} is missing: {hint}", path.display());
        let mut child = Command::new(path)
            .args(["--listen", "127.0.0.1:0"])
            .args(options)
            .arg(upstream.local_addr().expect("its address").to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .run()
            .expect("the example starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut line = || lines.next().expect("a line").expect("text");
        let listening = line();
        let address =
            listening.strip_prefix("listening on http://").expect("an address").to_owned();
        let printed = [line(), line()];
        // It goes on printing: somebody has to read.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Self { _child: child, address, lines: printed, upstream }
    }

    async fn signed_in() -> (Self, String) {
        let site = Self::start(&[]).await;
        let cookie = site.sign_in().await;
        (site, cookie)
    }

    /// The pair of a new session's cookie.
    async fn sign_in(&self) -> String {
        let token = alice().token(AUDIENCE).mint();
        let request = format!(
            "POST /auth/login HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\
             Content-Length: 0\r\n\r\n",
            self.address
        );
        let answer = self.ask(&request).await;
        let (_, cookie) = answer.split_once("set-cookie: ").expect("a cookie");
        cookie.split(';').next().expect("a pair").to_owned()
    }

    /// What the gateway answers of itself.
    async fn ask(&self, request: &str) -> String {
        let mut client = TcpStream::connect(&self.address).await.expect("connects");
        client.write_all(request.as_bytes()).await.expect("sent");
        read_answer(&mut client).await
    }

    /// What the upstream is sent, in lower case; it answers with 200.
    async fn pass(&mut self, request: &str) -> String {
        let (head, answer) = self.exchange(request, OK).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        head.to_ascii_lowercase()
    }

    /// What the upstream is sent, and the client is answered.
    async fn exchange(&self, request: &str, answer: &str) -> (String, String) {
        let mut client = TcpStream::connect(&self.address).await.expect("connects");
        client.write_all(request.as_bytes()).await.expect("sent");
        let mut upstream = self.called().await;
        let head = read_until(&mut upstream, "\r\n\r\n").await;
        upstream.write_all(answer.as_bytes()).await.expect("answered");
        (head, read_answer(&mut client).await)
    }

    /// The gateway's connection to the upstream.
    async fn called(&self) -> TcpStream {
        let accepted = timeout(PATIENCE, self.upstream.accept()).await;
        accepted.expect("the gateway did not call").expect("a connection").0
    }

    /// The gateway has answered by itself: the first in the queue is our own call.
    async fn nobody_called(&self) {
        let address = self.upstream.local_addr().expect("its address");
        let own = TcpStream::connect(address).await.expect("connects");
        let first = self.called().await.peer_addr().expect("its other end");
        assert_eq!(first, own.local_addr().expect("this end"), "the upstream was reached");
    }
}

/// Reads until this has come.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut bytes = Vec::new();
    let reading = async {
        loop {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if text.contains(end) {
                return text;
            }
            let read = stream.read_buf(&mut bytes).await.expect("readable");
            assert_ne!(read, 0, "no {end:?} in {text:?}");
        }
    };
    timeout(PATIENCE, reading).await.unwrap_or_else(|_| panic!("no {end:?} in time"))
}

/// Reads a head, and as much of a body as its length says.
async fn read_answer(stream: &mut TcpStream) -> String {
    let mut text = read_until(stream, "\r\n\r\n").await;
    let lower = text.to_ascii_lowercase();
    let length =
        values(&lower, "content-length").first().map_or(0, |text| text.parse().expect("a length"));
    let whole = text.find("\r\n\r\n").expect("a head") + 4 + length;
    let mut rest = vec![0; whole.saturating_sub(text.len())];
    timeout(PATIENCE, stream.read_exact(&mut rest)).await.expect("in time").expect("a body");
    text.push_str(&String::from_utf8_lossy(&rest));
    text
}

/// The values of a header in a head of lower case.
fn values<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    let lines = head.split("\r\n\r\n").next().unwrap_or_default().split("\r\n").skip(1);
    let pairs = lines.filter_map(|line| line.split_once(": "));
    pairs.filter(|(header, _)| *header == name).map(|(_, value)| value).collect()
}
