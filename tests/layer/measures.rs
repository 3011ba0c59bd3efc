//! Counters and latencies.

use std::convert::Infallible;
use std::future::Future;
use std::task::Poll;

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_didt::testing::Wallet;
use tower_didt::{Guard, Rejection, StoreError};

use crate::support::{App, Body, FaultyStore, bearer, empty, request, with_cookie};

#[test]
fn decisions_verifications_and_store_calls_are_counted_by_outcome() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let store = FaultyStore::default();
            let app = App::new().with(|auth| auth.with_store(store.clone()));
            let token = app.token(&Wallet::from_seed("alice"));
            let ticket = app.send(bearer(&token)).await.ticket().expect("a session");
            app.send(bearer(&token)).await;
            app.send(with_cookie(&ticket)).await;
            app.send(empty(request())).await;
            app.send_optional(empty(request())).await;
            store.set_down(true);
            app.send(with_cookie(&ticket)).await;
        });
    });
    let seen = counted(&snapshotter);
    let expected = [
        "didt_requests_total outcome=anonymous 1",
        "didt_requests_total outcome=missing_credentials 1",
        "didt_requests_total outcome=session 2",
        "didt_requests_total outcome=store_unavailable 1",
        "didt_requests_total outcome=token 1",
        "didt_store_seconds operation=load outcome=error 1",
        "didt_store_seconds operation=load outcome=found 1",
        "didt_store_seconds operation=mint outcome=already_used 1",
        "didt_store_seconds operation=mint outcome=minted 1",
        "didt_verify_seconds cache=hit outcome=accepted 1",
        "didt_verify_seconds cache=miss outcome=accepted 1",
    ];
    assert_eq!(seen, expected);
}

/// What passed the layer and was refused behind it is no request that passed.
#[test]
fn what_a_guard_or_a_handler_refuses_is_counted_as_refused() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let app = App::new();
            let ticket = app.sign_in(&Wallet::from_seed("alice")).await;
            let handler = service_fn(async |_| {
                let down = Rejection::from(StoreError::Unsupported).into_answer();
                Ok::<_, Infallible>(down.into_response())
            });
            let never = service_fn(async |_| -> Result<http::Response<Body>, Infallible> {
                std::future::pending().await
            });
            let nobody = || Guard::session(|_| false);
            let beneath = ServiceBuilder::new().layer(app.auth.layer()).layer(nobody().layer());
            let alone = app.auth.layer().require(nobody());
            let statuses = [
                beneath.service(handler).oneshot(with_cookie(&ticket)).await,
                alone.clone().layer(handler).oneshot(with_cookie(&ticket)).await,
            ]
            .map(|response| response.expect("an answer").status().as_u16());
            assert_eq!(statuses, [403, 403]);
            let failing = app.auth.layer().layer(handler).oneshot(with_cookie(&ticket)).await;
            assert_eq!(failing.expect("an answer").status(), 500);
            // Nobody waits for the answer: the request had passed, and counts.
            let mut given_up =
                Box::pin(app.auth.layer().layer(never).oneshot(with_cookie(&ticket)));
            let polled = std::future::poll_fn(|cx| Poll::Ready(given_up.as_mut().poll(cx))).await;
            assert!(polled.is_pending());
        });
    });
    let mut requests = counted(&snapshotter);
    requests.retain(|line| line.starts_with("didt_requests_total"));
    let expected = [
        "didt_requests_total outcome=not_permitted 2",
        // Signing in, and the request that was given up.
        "didt_requests_total outcome=session 2",
        "didt_requests_total outcome=store_unsuited 1",
    ];
    assert_eq!(requests, expected);
}

/// Name, labels and number of everything that was measured, sorted.
#[expect(clippy::panic, reason = "a test that panics is a test that fails")]
fn counted(snapshotter: &Snapshotter) -> Vec<String> {
    let mut seen: Vec<_> = snapshotter
        .snapshot()
        .into_vec()
        .into_iter()
        .map(|(key, _, _, value)| {
            let key = key.key();
            let labels: Vec<_> =
                key.labels().map(|l| format!("{}={}", l.key(), l.value())).collect();
            let count = match value {
                DebugValue::Counter(count) => count,
                DebugValue::Histogram(values) => values.len() as u64,
                DebugValue::Gauge(_) => panic!("no gauges"),
            };
            format!("{} {} {count}", key.name(), labels.join(" "))
        })
        .collect();
    seen.sort();
    seen
}
