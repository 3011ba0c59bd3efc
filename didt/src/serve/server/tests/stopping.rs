//! Stopping: what is in flight is finished, what is not begun never is.

use super::*;

#[tokio::test]
async fn what_is_in_flight_is_finished() {
    let (router, mut held) = routes();
    let server = Running::start(router, Limits::default(), None).await;
    let mut old = server.connect().await;
    send(&mut old, &get_of("/held")).await;
    let (mut sender, _) = http2(server.connect().await).await;
    let new = tokio::spawn(sender.send_request(request("/held")));
    let mut idle = server.connect().await;
    send(&mut idle, &get_of("/peer")).await;
    answer(&mut idle).await;
    let mut fresh = server.connect().await;
    for _ in 0..2 {
        soon("both have arrived", held.arrived.recv()).await.expect("a request");
    }

    server.stopper.finish();
    assert_eq!(rest(&mut idle).await, "", "idle connections are closed");
    assert_eq!(rest(&mut fresh).await, "", "and those that never asked for anything");
    let address = server.address();
    assert!(TcpStream::connect(address).await.is_err(), "and there are no new ones");
    assert!(!server.serving.is_finished(), "but it waits for those in flight");

    held.go.add_permits(2);
    let answer = rest(&mut old).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("held"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    let response = soon("an answer", new).await.expect("no panic").expect("an answer");
    assert_eq!(text(response).await, "held");
    server.ends().await;
}

#[tokio::test]
async fn what_does_not_end_in_time_is_dropped() {
    let (router, mut held) = routes();
    let server = Running::start(router, Limits::default(), None).await;
    let mut stream = server.connect().await;
    send(&mut stream, &get_of("/held")).await;
    held.arrived.recv().await.expect("a request");
    server.stopper.finish();
    server.stopper.end();
    assert_eq!(rest(&mut stream).await, "");
    server.ends().await;
}

#[tokio::test]
async fn a_stopper_that_is_gone_ends_it_too() {
    let Running { at, stopper, serving, .. } =
        Running::start(routes().0, Limits::default(), None).await;
    drop(stopper);
    soon("the server ends", serving).await.expect("no panic");
    let Listen::Tcp(address) = at else { panic!("an address") };
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn it_stops_while_it_has_no_room_too() {
    let (router, mut held) = routes();
    let limits = Limits { connections: 1, ..Limits::default() };
    let server = Running::start(router, limits, None).await;
    let mut stream = server.connect().await;
    send(&mut stream, &get_of("/held")).await;
    held.arrived.recv().await.expect("a request");
    server.stopper.finish();
    held.go.add_permits(1);
    assert!(rest(&mut stream).await.ends_with("held"));
    server.ends().await;
}

#[tokio::test]
async fn a_request_ends_with_what_was_served_when_it_began() {
    let (router, mut held) = routes();
    let server = Running::start(router, Limits::default(), None).await;
    let mut slow = server.connect().await;
    send(&mut slow, &get_of("/held")).await;
    soon("the request", held.arrived.recv()).await.expect("one");
    let later = Router::new().route("/held", get(async || "later"));
    server.current.replace(Serving::new(later, None, Limits::default()));
    let mut other = server.connect().await;
    send(&mut other, &get_of("/held")).await;
    assert!(answer(&mut other).await.ends_with("later"));
    held.go.add_permits(1);
    assert!(answer(&mut slow).await.ends_with("held"));
    send(&mut slow, &get_of("/held")).await;
    assert!(answer(&mut slow).await.ends_with("later"), "the next one on the same connection");
}
