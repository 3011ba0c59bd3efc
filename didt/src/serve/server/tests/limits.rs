//! What a client may take of the server.

use super::*;

const SHORT: Duration = Duration::from_millis(500);

#[tokio::test]
async fn a_head_that_is_too_large_is_431() {
    let limits = Limits { header_bytes: 8192, ..Limits::default() };
    let server = Running::start(routes().0, limits, None).await;
    let long = "x".repeat(10_000);

    let mut stream = server.connect().await;
    send(&mut stream, &format!("GET /peer HTTP/1.1\r\nHost: a\r\nX-Long: {long}\r\n\r\n")).await;
    assert!(answer(&mut stream).await.starts_with("HTTP/1.1 431"));

    let mut stream = server.connect().await;
    let many = "X: y\r\n".repeat(101);
    send(&mut stream, &format!("GET /peer HTTP/1.1\r\n{many}\r\n")).await;
    assert!(answer(&mut stream).await.starts_with("HTTP/1.1 431"), "too many fields");

    let (mut sender, _) = http2(server.connect().await).await;
    // hyper's client learns of the limit from the server's settings, which have come with this.
    assert_eq!(sender.send_request(request("/peer")).await.expect("an answer").status(), 200);
    let mut large = request("/peer");
    large.headers_mut().insert("x-long", long.parse().expect("a value"));
    match soon("an answer", sender.send_request(large)).await {
        Ok(response) => assert_eq!(response.status(), 431),
        Err(error) => assert!(!error.is_timeout(), "the client would not even send it"),
    }
}

#[tokio::test]
async fn a_limit_below_what_hyper_takes_is_no_panic() {
    let limits = Limits { header_bytes: 1, connections: 0, ..Limits::default() };
    let server = Running::start(routes().0, limits, None).await;
    let mut stream = server.connect().await;
    send(&mut stream, &get_of("/peer")).await;
    assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_head_that_does_not_arrive_in_time_ends_the_connection() {
    let limits = Limits { header_timeout: SHORT, ..Limits::default() };
    let server = Running::start(routes().0, limits, None).await;
    let unfinished = [
        "",
        "GET /peer HTTP/1.1\r\nHost: exam",
        // The beginning of HTTP/2's preface, and all of it.
        "PRI * HTTP",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];
    for head in unfinished {
        let mut stream = server.connect().await;
        send(&mut stream, head).await;
        let mut bytes = Vec::new();
        let _ = soon("the end of the connection", stream.read_to_end(&mut bytes)).await;
        let answer = String::from_utf8_lossy(&bytes);
        assert!(!answer.contains("Ip("), "{head:?}: {answer}");
    }
    // Nor one that begins after an answer.
    let mut stream = server.connect().await;
    send(&mut stream, &get_of("/peer")).await;
    assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200"));
    send(&mut stream, "GET /peer HT").await;
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn an_answer_that_is_not_made_in_time_is_503_and_never_a_yes() {
    let limits = Limits { request_timeout: SHORT, ..Limits::default() };
    let (router, _held) = routes();
    let server = Running::start(router, limits, None).await;
    let mut stream = server.connect().await;
    send(&mut stream, &get_of("/held")).await;
    let late = answer(&mut stream).await;
    assert!(late.starts_with("HTTP/1.1 503"), "{late}");
    assert!(late.contains("retry-after: 5\r\n"), "{late}");
    assert!(late.contains("cache-control: no-store\r\n"), "{late}");
    // The connection has done nothing wrong.
    send(&mut stream, &get_of("/peer")).await;
    assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200"));

    let (mut sender, _) = http2(server.connect().await).await;
    let late = soon("an answer", sender.send_request(request("/held"))).await.expect("one");
    assert_eq!(late.status(), 503);
    assert_eq!(late.headers().get("content-type").expect("one"), "application/json");
}

/// Lets everything else go on for a while.
async fn others() {
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn no_more_connections_are_served_at_a_time_than_allowed() {
    let limits = Limits { connections: 1, ..Limits::default() };
    let (router, mut held) = routes();
    let server = Running::start(router, limits, None).await;
    let mut first = server.connect().await;
    send(&mut first, &get_of("/held")).await;
    soon("the request", held.arrived.recv()).await;

    let mut second = server.connect().await;
    send(&mut second, &get_of("/peer")).await;
    others().await;
    let nothing = second.try_read(&mut [0; 16]).expect_err("no answer yet");
    assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    held.go.add_permits(1);
    assert!(answer(&mut first).await.starts_with("HTTP/1.1 200"), "who is busy is not cut off");
    assert!(answer(&mut second).await.starts_with("HTTP/1.1 200"), "its turn has come");
}

#[tokio::test]
async fn connections_that_do_nothing_give_way_and_the_longest_idle_first() {
    let limits = Limits { connections: 3, ..Limits::default() };
    let (router, mut held) = routes();
    let server = Running::start(router, limits, None).await;
    let mut busy = server.connect().await;
    send(&mut busy, &get_of("/held")).await;
    soon("the request", held.arrived.recv()).await;
    let mut old = server.connect().await;
    send(&mut old, &get_of("/peer")).await;
    answer(&mut old).await;
    // One that never says anything is idle, too.
    let mut silent = server.connect().await;
    others().await;

    let mut new = server.connect().await;
    send(&mut new, &get_of("/peer")).await;
    assert!(answer(&mut new).await.starts_with("HTTP/1.1 200"));
    assert_eq!(rest(&mut old).await, "", "it gave way");
    let mut newer = server.connect().await;
    send(&mut newer, &get_of("/peer")).await;
    assert!(answer(&mut newer).await.starts_with("HTTP/1.1 200"));
    assert_eq!(rest(&mut silent).await, "", "it gave way next");
    held.go.add_permits(1);
    assert!(answer(&mut busy).await.starts_with("HTTP/1.1 200"));
}

const LARGE: usize = 100_000;

fn large_answers() -> Router {
    let large = get(async || {
        tokio::task::yield_now().await;
        vec![b'x'; LARGE]
    });
    let huge = get(async || vec![b'x'; 64 * 1024 * 1024]);
    routes().0.route("/large", large).route("/huge", huge)
}

#[tokio::test]
async fn answers_that_nobody_reads_are_dropped_in_bounded_time_and_bytes() {
    use futures_of::all;
    let limits = Limits { write_timeout: SHORT, ..Limits::default() };
    let server = Running::start(large_answers(), limits, None).await;
    let executor = hyper_util::rt::TokioExecutor::new();
    let stream = hyper_util::rt::TokioIo::new(server.connect().await);
    let (sender, connection) = hyper::client::conn::http2::Builder::new(executor)
        .initial_stream_window_size(1)
        .handshake::<_, String>(stream)
        .await
        .expect("HTTP/2");
    let ended = tokio::spawn(async move {
        let _ = connection.await;
    });
    let asked = (0..60).map(|_| {
        let mut sender = sender.clone();
        tokio::spawn(async move { sender.send_request(request("/large")).await })
    });
    // The heads come; the bodies stay where they are until the connection is over.
    let answers = all(asked.collect()).await;
    let made = answers.iter().flatten().filter(|answer| answer.status() == 200).count();
    assert!(made > 0, "some were answered");
    assert!(made * LARGE <= super::super::activity::MAX_UNREAD_BYTES + LARGE, "{made} in memory");
    soon("the end of the connection", ended).await.expect("no panic");
    drop(answers);
}

/// The answers of tasks that the end of the connection ends.
mod futures_of {
    use super::*;

    pub(super) async fn all<T>(tasks: Vec<JoinHandle<T>>) -> Vec<T> {
        let mut answers = Vec::new();
        for task in tasks {
            answers.push(soon("an answer or an error", task).await.expect("no panic"));
        }
        answers
    }
}

#[tokio::test]
async fn an_answer_that_the_transport_cannot_get_rid_of_frees_its_place_in_time() {
    let limits = Limits { connections: 1, write_timeout: SHORT, ..Limits::default() };
    let server = Running::start(large_answers(), limits, None).await;
    let mut stuck = server.connect().await;
    send(&mut stuck, &get_of("/huge")).await;
    stuck.readable().await.expect("the answer begins");
    let mut next = server.connect().await;
    send(&mut next, &get_of("/peer")).await;
    assert!(answer(&mut next).await.starts_with("HTTP/1.1 200"));
    drop(stuck);
}

#[tokio::test]
async fn a_client_that_reads_gets_all_that_it_asked_for() {
    let limits = Limits { write_timeout: SHORT, ..Limits::default() };
    let server = Running::start(large_answers(), limits, None).await;
    let (mut sender, _) = http2(server.connect().await).await;
    for _ in 0..30 {
        let answer = soon("an answer", sender.send_request(request("/large"))).await.expect("one");
        assert_eq!(answer.status(), 200);
        assert_eq!(text(answer).await.len(), LARGE);
    }
    let mut stream = server.connect().await;
    send(&mut stream, &get_of("/large")).await;
    assert!(answer(&mut stream).await.ends_with("xxx"));
}

#[tokio::test]
async fn a_body_that_never_ends_ties_nothing_up() {
    let limits = Limits { connections: 1, ..Limits::default() };
    let server = Running::start(routes().0, limits, None).await;
    let bodies = [
        "Content-Length: 1000000\r\n\r\nonly the beginning",
        "Content-Length: 1000000\r\nExpect: 100-continue\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ];
    // The client keeps its connection: there is room for the next one all the same.
    let mut kept = Vec::new();
    for body in bodies {
        let mut stream = server.connect().await;
        send(&mut stream, &format!("POST / HTTP/1.1\r\nHost: a\r\n{body}")).await;
        let answer = answer(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("unread"), "{answer}");
        kept.push(stream);
    }
    for mut stream in kept {
        assert_eq!(rest(&mut stream).await, "");
    }
}

#[tokio::test]
async fn a_panic_is_no_answer_and_leaves_its_place() {
    let limits = Limits { connections: 1, ..Limits::default() };
    let server = Running::start(routes().0, limits, None).await;
    let mut stream = server.connect().await;
    send(&mut stream, &get_of("/panics")).await;
    assert_eq!(rest(&mut stream).await, "");
    let mut next = server.connect().await;
    send(&mut next, &get_of("/peer")).await;
    assert!(answer(&mut next).await.starts_with("HTTP/1.1 200"));
}
