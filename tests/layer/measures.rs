//! Counters and latencies.

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tower_didt::testing::Wallet;

use crate::support::{App, FaultyStore, bearer, empty, request, with_cookie};

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
