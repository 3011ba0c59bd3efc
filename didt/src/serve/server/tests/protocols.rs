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
