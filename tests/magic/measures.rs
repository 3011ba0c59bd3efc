//! What operators count: calls by outcome and how long they took, and look-ups that needed none.

use std::time::Duration;

use http::StatusCode;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tower_didt::magic::Magic;
use tower_didt::testing::{Fault, FixedClock};

use super::support::{NOW, ada, api, issuer, stub};

#[test]
fn calls_are_counted_by_outcome_and_look_ups_by_what_answered() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let (stub, clock) = (stub(), FixedClock::at(NOW));
            let magic = Magic::over(api(&stub)).with_clock(clock.clone());
            let rest = || tokio::time::sleep(Duration::from_secs(5));
            let fail = |fault| stub.fail_next(fault);
            magic.client_id().await.expect("an id");
            magic.user(ada()).await.expect("Ada");
            magic.user(ada()).await.expect("Ada, fresh");
            magic.user(issuer("eve")).await.expect_err("nobody");
            magic.user(issuer("eve")).await.expect_err("still nobody");
            clock.advance(Duration::from_secs(301));
            fail(Fault::Status(StatusCode::INTERNAL_SERVER_ERROR));
            magic.user(ada()).await.expect("Ada, stale, and a renewal that fails");
            rest().await;
            magic.user(ada()).await.expect("Ada, stale");
            clock.advance(Duration::from_secs(11));
            magic.user(ada()).await.expect("Ada, stale, and a renewal");
            rest().await;
            for (number, fault) in [
                Fault::Status(StatusCode::UNAUTHORIZED),
                Fault::RateLimited(Some(1)),
                Fault::Hang,
                Fault::Html(StatusCode::OK),
            ]
            .into_iter()
            .enumerate()
            {
                fail(fault);
                magic.user(issuer(&number.to_string())).await.expect_err("a failure");
            }
            magic.sign_out(ada()).await.expect("signed out");
        });
    });
    let mut seen: Vec<_> = snapshotter
        .snapshot()
        .into_vec()
        .into_iter()
        .map(|(key, _, _, value)| {
            let key = key.key();
            let labels: Vec<_> =
                key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
            let count = match value {
                DebugValue::Counter(count) => count,
                DebugValue::Histogram(values) => values.len() as u64,
                DebugValue::Gauge(_) => panic!("no gauges"),
            };
            format!("{} {} {count}", key.name(), labels.join(" "))
        })
        .collect();
    seen.sort();
    let mut expected = vec![
        "didt_magic_lookups_total answer=asked 2".to_owned(),
        "didt_magic_lookups_total answer=failed 4".to_owned(),
        "didt_magic_lookups_total answer=fresh 1".to_owned(),
        "didt_magic_lookups_total answer=stale 3".to_owned(),
        "didt_magic_lookups_total answer=unknown 1".to_owned(),
    ];
    for name in ["didt_magic_call_seconds", "didt_magic_calls_total"] {
        for (labels, count) in [
            ("call=client_id outcome=ok", 1),
            ("call=sign_out outcome=ok", 1),
            ("call=user outcome=key_refused", 1),
            ("call=user outcome=no_such_user", 1),
            ("call=user outcome=not_understood", 1),
            ("call=user outcome=ok", 2),
            ("call=user outcome=rate_limited", 1),
            ("call=user outcome=timed_out", 1),
            ("call=user outcome=unavailable", 1),
        ] {
            expected.push(format!("{name} {labels} {count}"));
        }
    }
    expected.sort();
    assert_eq!(seen, expected);
}
