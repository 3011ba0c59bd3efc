//! HTTP/1.1 and HTTP/2, and what requests carry.

use super::*;

#[tokio::test]
async fn http_1_and_http_2_are_served_and_requests_tell_who_sent_them() {
    let server = Running::start(routes().0, Limits::default(), None).await;
    let mut stream = server.connect().await;
    for _ in 0..2 {
        send(&mut stream, &get_of("/peer")).await;
        let answer = answer(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.ends_with("Ip(127.0.0.1)"), "{answer}");
    }

    // With prior knowledge, as gRPC without TLS begins.
    let (mut sender, _) = http2(server.connect().await).await;
    let response = soon("an answer", sender.send_request(request("/peer"))).await.expect("one");
    assert_eq!(response.version(), http::Version::HTTP_2);
    assert_eq!(text(response).await, "Ip(127.0.0.1)");
}

#[tokio::test]
async fn http_1_0_as_nginx_speaks_it_is_answered_and_closed() {
    let server = Running::start(routes().0, Limits::default(), None).await;
    let mut stream = server.connect().await;
    send(&mut stream, "GET /peer HTTP/1.0\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.0 200") && answer.ends_with("Ip(127.0.0.1)"), "{answer}");
}

#[tokio::test]
async fn what_is_no_http_is_no_answer_of_ours() {
    let server = Running::start(routes().0, Limits::default(), None).await;
    let nonsense =
        ["\x16\x03\x01\x02\x00\x01\x00", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", "\0\0\0\0\r\n\r\n"];
    for bytes in nonsense {
        let mut stream = server.connect().await;
        send(&mut stream, bytes).await;
        stream.shutdown().await.expect("a connection");
        let mut answer = Vec::new();
        let _ = soon("the end", stream.read_to_end(&mut answer)).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(!answer.contains("200 OK") && !answer.contains("Ip("), "{bytes:?}: {answer}");
    }
}

/// A frame of HTTP/2 (RFC 9113 section 4.1).
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("short");
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

/// The next frame: its kind and its payload.
async fn next_frame(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut head = [0; 9];
    soon("a frame", stream.read_exact(&mut head)).await.expect("a frame");
    let [a, b, c, kind, ..] = head;
    let mut payload = vec![0; usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)];
    soon("its payload", stream.read_exact(&mut payload)).await.expect("a payload");
    (kind, payload)
}

const HTTP_2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

/// hyper's own numbers are 200 streams, 1 MiB of windows, and 400 KiB to be sent for each.
#[tokio::test]
async fn a_connection_of_http_2_has_bounds_that_the_client_is_told() {
    let server = Running::start(routes().0, Limits::default(), None).await;
    let mut stream = server.connect().await;
    let opening = [HTTP_2, &frame(SETTINGS, 0, 0, &[])].concat();
    stream.write_all(&opening).await.expect("sent");
    let (kind, settings) = next_frame(&mut stream).await;
    assert_eq!(kind, SETTINGS);
    let told = |id: u8| {
        let mut settings = settings.chunks_exact(6);
        let found = settings.find(|setting| setting.starts_with(&[0, id]))?;
        Some(u32::from_be_bytes(found.get(2..)?.try_into().ok()?))
    };
    // RFC 9113 section 6.5.2: streams at a time, a stream's window, the largest head.
    assert_eq!(told(3), Some(128));
    assert_eq!(told(4), Some(64 * 1024));
    let largest = u32::try_from(Limits::default().header_bytes).expect("small");
    assert_eq!(told(6), Some(largest));
}

/// CVE-2023-44487: requests that are taken back at once cost the client nothing.
#[tokio::test]
async fn a_client_that_takes_back_what_it_asks_for_is_sent_away() {
    let server = Running::start(routes().0, Limits::default(), None).await;
    let mut stream = server.connect().await;
    let mut sent = [HTTP_2, &frame(SETTINGS, 0, 0, &[])].concat();
    for number in 0..60 {
        // GET http /, and the host as a literal (RFC 7541 appendix A, section 6.2.2).
        let head = [&[0x82, 0x86, 0x84, 0x01, 1][..], b"a"].concat();
        sent.extend(frame(HEADERS, 5, 2 * number + 1, &head));
        sent.extend(frame(RST_STREAM, 0, 2 * number + 1, &[0, 0, 0, 8]));
    }
    sent.extend(frame(PING, 0, 0, &[7; 8]));
    stream.write_all(&sent).await.expect("sent");
    loop {
        match next_frame(&mut stream).await {
            // ENHANCE_YOUR_CALM.
            (GOAWAY, why) => break assert_eq!(why.get(4..8), Some(&[0, 0, 0, 0xb][..])),
            (PING, _) => panic!("it goes on as if nothing had been"),
            _ => {}
        }
    }
}
