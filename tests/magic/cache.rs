//! How few calls there are, and what is said while Magic fails. Time stands still but where it is moved.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::StatusCode;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tower_didt::magic::{Magic, MagicError};
use tower_didt::testing::{self, Fault, FixedClock, TestUser};
use tower_didt::{Clock, Issuer};

use super::support::{NOW, ada, api, issuer, stub};

const MINUTE: Duration = Duration::from_secs(60);

fn magic(stub: &testing::Magic) -> (Magic, FixedClock) {
    let clock = FixedClock::at(NOW);
    (Magic::over(api(stub)).with_clock(clock.clone()), clock)
}

async fn email(magic: &Magic, issuer: Issuer) -> Option<String> {
    let user = magic.user(issuer).await.expect("a user");
    user.email().map(ToString::to_string)
}

/// Lets what was begun in the background end: time is paused, so this only waits for others.
async fn settle() {
    tokio::time::sleep(Duration::from_secs(5)).await;
}

#[tokio::test(start_paused = true)]
async fn a_thousand_who_ask_for_one_issuer_at_once_make_one_call() {
    let stub = stub();
    let (magic, _) = magic(&stub);
    stub.fail_next(Fault::Delay(Duration::from_millis(200)));
    let mut asking = JoinSet::new();
    for _ in 0..1000 {
        let magic = magic.clone();
        asking.spawn(async move { magic.user(ada()).await });
    }
    while let Some(answer) = asking.join_next().await {
        assert!(answer.expect("no panic").expect("Ada").email().is_some());
    }
    assert_eq!(stub.calls(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_on_several_threads_make_one_call_too() {
    for _ in 0..20 {
        let stub = stub();
        let (magic, _) = magic(&stub);
        let mut asking = JoinSet::new();
        for _ in 0..1000 {
            let magic = magic.clone();
            asking.spawn(async move { magic.user(ada()).await });
        }
        while let Some(answer) = asking.join_next().await {
            answer.expect("no panic").expect("Ada");
        }
        assert_eq!(stub.calls(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_questions_about_a_hundred_issuers_make_a_hundred_calls() {
    let stub = stub();
    let (magic, _) = magic(&stub);
    let issuers: Vec<_> = (0..100).map(|number| issuer(&format!("user {number}"))).collect();
    for (number, issuer) in issuers.iter().enumerate() {
        stub.add_user(TestUser::new(*issuer).email(&format!("user{number}@example.com")));
    }
    let mut asking = JoinSet::new();
    for question in 0..10_000 {
        let (magic, number) = (magic.clone(), question % 100);
        let issuer = issuers[number];
        asking.spawn(async move { (number, email(&magic, issuer).await) });
    }
    while let Some(answer) = asking.join_next().await {
        let (number, email) = answer.expect("no panic");
        assert_eq!(email, Some(format!("user{number}@example.com")));
    }
    assert_eq!(stub.calls(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_profile_is_renewed_once_in_the_background_when_it_is_no_longer_fresh() {
    let stub = stub();
    let (magic, clock) = magic(&stub);
    email(&magic, ada()).await;
    stub.add_user(TestUser::new(ada()).email("countess@example.com"));

    clock.advance(5 * MINUTE - Duration::from_secs(1));
    email(&magic, ada()).await;
    settle().await;
    assert_eq!(stub.calls(), 1, "it was asked for again while fresh");

    // Due: everybody gets the old one at once, and one call is made.
    clock.advance(Duration::from_secs(1));
    stub.fail_next(Fault::Delay(Duration::from_secs(1)));
    let started = Instant::now();
    for _ in 0..100 {
        assert_eq!(email(&magic, ada()).await.as_deref(), Some("Ada@example.com"));
    }
    assert_eq!(started.elapsed(), Duration::ZERO);
    settle().await;
    assert_eq!(stub.calls(), 2);
    assert_eq!(email(&magic, ada()).await.as_deref(), Some("countess@example.com"));
    settle().await;
    assert_eq!(stub.calls(), 2, "the new one is fresh");
}

#[tokio::test(start_paused = true)]
async fn while_magic_fails_a_profile_stays_up_to_the_limit_and_no_longer() {
    for fault in [
        Fault::Status(StatusCode::INTERNAL_SERVER_ERROR),
        Fault::Status(StatusCode::UNAUTHORIZED),
        Fault::RateLimited(Some(1)),
        Fault::Html(StatusCode::OK),
        Fault::Html(StatusCode::NOT_FOUND),
        Fault::Reset,
        Fault::Hang,
        Fault::Huge,
    ] {
        let stub = stub();
        let (magic, clock) = magic(&stub);
        email(&magic, ada()).await;
        stub.fail_always(Some(fault.clone()));
        for _ in 0..59 {
            clock.advance(MINUTE);
            assert!(email(&magic, ada()).await.is_some(), "{fault:?}");
            settle().await;
        }
        clock.advance(MINUTE);
        assert!(email(&magic, ada()).await.is_some(), "{fault:?}");
        clock.advance(Duration::from_secs(1));
        let error = magic.user(ada()).await.expect_err("too old");
        assert!(!matches!(error, MagicError::NoSuchUser), "{fault:?}: {error}");
        // Back again: the next one who asks is told.
        stub.fail_always(None);
        assert!(email(&magic, ada()).await.is_some(), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_failed_is_not_tried_with_every_request() {
    let stub = stub();
    let (magic, clock) = magic(&stub);
    email(&magic, ada()).await;
    stub.fail_always(Some(Fault::Status(StatusCode::INTERNAL_SERVER_ERROR)));
    clock.advance(6 * MINUTE);
    for _ in 0..50 {
        email(&magic, ada()).await;
        settle().await;
    }
    assert_eq!(stub.calls(), 2);
    clock.advance(Duration::from_secs(10));
    email(&magic, ada()).await;
    settle().await;
    assert_eq!(stub.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_user_who_is_gone_replaces_the_profile_and_a_failure_does_not() {
    let stub = stub();
    let (magic, clock) = magic(&stub);
    email(&magic, ada()).await;
    stub.remove_user(ada());
    clock.advance(6 * MINUTE);
    magic.user(ada()).await.expect("the last profile, at once");
    settle().await;
    assert!(matches!(magic.user(ada()).await, Err(MagicError::NoSuchUser)));
    assert_eq!(stub.calls(), 2, "what was just said is not asked for again");

    // Nobody for ten seconds, then asked again.
    stub.add_user(TestUser::new(ada()));
    clock.advance(Duration::from_secs(11));
    magic.user(ada()).await.expect("back again");
    assert_eq!(stub.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_made_up_key_costs_one_call_in_ten_seconds() {
    let stub = stub();
    let (magic, clock) = magic(&stub);
    for _ in 0..10 {
        for _ in 0..100 {
            assert!(matches!(magic.user(issuer("mallory")).await, Err(MagicError::NoSuchUser)));
        }
        clock.advance(Duration::from_secs(11));
    }
    assert_eq!(stub.calls(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_change_is_an_event_and_the_same_answer_is_none() {
    let stub = stub();
    let events: Arc<Mutex<Vec<(Option<String>, Option<String>)>>> = Arc::default();
    let (magic, clock) = magic(&stub);
    let magic = magic.with_on_change({
        let events = Arc::clone(&events);
        move |change| {
            let email = |user: &tower_didt::magic::MagicUser| user.email().map(ToString::to_string);
            let after = change.after.as_ref().and_then(email);
            events.lock().expect("a lock").push((email(&change.before), after));
        }
    });
    for email in [None, Some("new@example.com"), Some("new@example.com")] {
        if let Some(email) = email {
            stub.add_user(TestUser::new(ada()).email(email));
        }
        magic.user(ada()).await.expect("Ada");
        settle().await;
        clock.advance(6 * MINUTE);
    }
    stub.remove_user(ada());
    magic.user(ada()).await.expect("the last profile");
    settle().await;
    let (old, new) = ("Ada@example.com".to_owned(), "new@example.com".to_owned());
    assert_eq!(
        *events.lock().expect("a lock"),
        [(Some(old), Some(new.clone())), (Some(new), None)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_hanging_api_keeps_nobody_waiting_for_longer_than_its_time() {
    let stub = stub();
    stub.fail_always(Some(Fault::Hang));
    let (magic, _) = magic(&stub);
    let started = Instant::now();
    let mut asking = JoinSet::new();
    // Many more issuers than calls may be under way: those in the queue wait no longer either.
    for number in 0..500 {
        let magic = magic.clone();
        asking.spawn(async move { magic.user(issuer(&format!("user {number}"))).await });
    }
    while let Some(answer) = asking.join_next().await {
        let error = answer.expect("no panic").expect_err("no answer");
        assert_eq!(error.name(), "timed_out");
    }
    assert!(started.elapsed() <= Duration::from_millis(3001), "{:?}", started.elapsed());
    assert!(stub.calls() <= 48, "{} calls at a time", stub.calls());
}

#[tokio::test(start_paused = true)]
async fn look_ups_that_wait_are_bounded_and_renewals_go_on_meanwhile() {
    let stub = stub();
    let (magic, clock) = magic(&stub);
    let magic = magic.with_max_waiting(100);
    email(&magic, ada()).await;
    stub.add_user(TestUser::new(ada()).email("new@example.com"));
    clock.advance(6 * MINUTE);
    // A flood of made-up keys hangs in all the calls that there may be; Ada's renewal has its own.
    stub.fail_always(Some(Fault::Hang));
    let mut asking = JoinSet::new();
    for number in 0..150 {
        let magic = magic.clone();
        asking.spawn(async move { magic.user(issuer(&format!("mallory {number}"))).await });
    }
    tokio::time::sleep(Duration::from_millis(10)).await;
    stub.fail_always(None);
    email(&magic, ada()).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(email(&magic, ada()).await.as_deref(), Some("new@example.com"));

    let mut busy = 0;
    while let Some(answer) = asking.join_next().await {
        let error = answer.expect("no panic").expect_err("no answer");
        busy += usize::from(error.name() == "busy");
    }
    assert_eq!(busy, 50);
}

/// Anybody signs in with a made-up key and out again: that opens no more connections to Magic, and
/// keeps nobody else from signing out for long.
#[tokio::test(start_paused = true)]
async fn sign_outs_under_way_are_bounded_for_all_and_for_each_issuer() {
    let stub = stub();
    stub.fail_always(Some(Fault::Hang));
    let (magic, _) = magic(&stub);
    let started = Instant::now();
    let mut asking = JoinSet::new();
    for number in 0..3000 {
        let (magic, issuer) = (magic.clone(), issuer(&format!("mallory {}", number % 1500)));
        asking.spawn(async move { magic.sign_out(issuer).await });
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(stub.calls(), 16, "calls at a time");
    // At once: a second one for an issuer, and those beyond 1,024.
    let mut busy = 0;
    while let Some(answer) = asking.try_join_next() {
        assert_eq!(answer.expect("no panic").expect_err("no place").name(), "busy");
        busy += 1;
    }
    assert_eq!(busy, 1500 + 476);
    while let Some(answer) = asking.join_next().await {
        answer.expect("no panic").expect_err("no answer");
    }
    assert!(started.elapsed() <= Duration::from_millis(6001), "{:?}", started.elapsed());
    stub.fail_always(None);
    magic.sign_out(ada()).await.expect("room again");
    assert_eq!(stub.signed_out(), [ada()]);
}

#[tokio::test(start_paused = true)]
async fn flapping_under_load_never_shows_a_wrong_profile_or_asks_twice_at_once() {
    let stub = stub();
    let (magic, clock) = magic(&stub);
    let issuers: Vec<_> = (0..50).map(|number| issuer(&format!("user {number}"))).collect();
    for (number, issuer) in issuers.iter().enumerate() {
        stub.add_user(TestUser::new(*issuer).email(&format!("user{number}@example.com")));
    }
    let mut answered = 0;
    for round in 0..100 {
        let faults = [
            None,
            Some(Fault::Status(StatusCode::BAD_GATEWAY)),
            Some(Fault::Delay(Duration::from_millis(700))),
            Some(Fault::Reset),
            Some(Fault::Html(StatusCode::OK)),
            Some(Fault::RateLimited(None)),
        ];
        stub.fail_always(faults[round % faults.len()].clone());
        let before = stub.calls();
        let mut asking = JoinSet::new();
        for question in 0..500 {
            let (magic, number) = (magic.clone(), question % 50);
            let issuer = issuers[number];
            asking.spawn(async move { (number, magic.user(issuer).await) });
        }
        while let Some(answer) = asking.join_next().await {
            if let (number, Ok(user)) = answer.expect("no panic") {
                let email = user.email().map(ToString::to_string);
                assert_eq!(email, Some(format!("user{number}@example.com")));
                answered += 1;
            }
        }
        settle().await;
        // A question takes one call, and a second where that may help.
        assert!(stub.calls() - before <= 100, "{} calls", stub.calls() - before);
        clock.advance(MINUTE);
    }
    // The first round filled the cache, and nothing grew too old.
    assert_eq!(answered, 100 * 500);
    assert!(clock.now() > NOW);
}
