//! What is sent to Magic, what its answers mean, how often and how long it is tried.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use hyper::body::{Body, Bytes, Frame};
use tokio::time::Instant;
use tower::service_fn;
use tower_didt::TokenError;
use tower_didt::magic::{AdminApi, MagicError, NotUnderstood, SecretKey, Unavailable};
use tower_didt::testing::{self, ContentType, Fault, Generation, TestUser, UnknownUser, Wallet};

use super::support::{APP, KEY, NOW, ada, api, issuer, stub};

#[tokio::test]
async fn a_user_is_read_with_all_that_magic_says() {
    let stub = stub();
    stub.add_user(
        TestUser::new(issuer("grace"))
            .phone_number("+14155550100")
            .oauth_provider("google")
            .username("grace")
            .wallet("SOLANA", "MAINNET", "7Ec")
            .wallet("ETH", "SEPOLIA", "0x1"),
    );
    for generation in [Generation::New, Generation::Old] {
        stub.set_generation(generation);
        let user = api(&stub).user(ada(), NOW).await.expect("Ada");
        assert_eq!(user.email().map(ToString::to_string).as_deref(), Some("Ada@example.com"));
        assert_eq!((user.issuer(), user.asked_at()), (ada(), NOW));

        let user = api(&stub).user(issuer("grace"), NOW).await.expect("Grace");
        assert!(user.email().is_none() && user.wallets().is_empty());
        assert_eq!(user.phone_number(), Some("+14155550100"));
        assert_eq!((user.oauth_provider(), user.username()), (Some("google"), Some("grace")));

        let with_wallets = api(&stub).with_wallets("SOLANA").expect("a kind");
        let user = with_wallets.user(issuer("grace"), NOW).await.expect("Grace");
        let [wallet] = user.wallets() else { panic!("{:?}", user.wallets()) };
        assert_eq!((wallet.kind(), wallet.public_address()), ("SOLANA", "7Ec"));
    }
}

#[tokio::test]
async fn a_request_has_the_key_in_one_header_and_the_colons_as_they_are() {
    let stub = stub();
    api(&stub).user(ada(), NOW).await.expect("Ada");
    api(&stub).sign_out(ada()).await.expect("signed out");
    let [user, sign_out] = &stub.seen()[..] else { panic!("{:?}", stub.seen()) };
    assert_eq!(
        user.uri.to_string(),
        format!("https://api.toaster.magic.link/v1/admin/user?issuer={}&wallet_type=NONE", ada())
    );
    assert!(user.body.is_empty());
    assert_eq!(sign_out.headers["content-type"], "application/json");
    assert_eq!(sign_out.body, format!(r#"{{"issuer":"{}"}}"#, ada()));
    for request in [user, sign_out] {
        let with_key = request.headers.values().filter(|value| *value == KEY).count();
        assert_eq!((with_key, &request.headers["x-magic-secret-key"]), (1, &KEY.parse().unwrap()));
        assert!(!request.uri.to_string().contains(KEY) && !request.body.contains(KEY));
        let agent = request.headers["user-agent"].to_str().expect("ASCII");
        assert!(agent.starts_with("tower-didt/"), "{agent}");
    }
}

#[tokio::test]
async fn a_user_whom_magic_does_not_know_is_no_such_user_however_it_says_so() {
    let stub = stub();
    for generation in [Generation::New, Generation::Old] {
        for unknown in [UnknownUser::NotFound, UnknownUser::Empty, UnknownUser::Nulls] {
            stub.set_generation(generation);
            stub.set_unknown_user(unknown);
            let error = api(&stub).user(issuer("mallory"), NOW).await.expect_err("nobody");
            assert!(matches!(error, MagicError::NoSuchUser), "{generation:?} {unknown:?}: {error}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_failure_has_an_error_of_its_own() {
    let stub = stub();
    let rows = [
        (Fault::Status(StatusCode::UNAUTHORIZED), "key_refused"),
        (Fault::Status(StatusCode::FORBIDDEN), "key_refused"),
        (Fault::RateLimited(None), "rate_limited"),
        (Fault::RateLimited(Some(7)), "rate_limited"),
        (Fault::Status(StatusCode::INTERNAL_SERVER_ERROR), "unavailable"),
        (Fault::Status(StatusCode::SERVICE_UNAVAILABLE), "unavailable"),
        (Fault::Html(StatusCode::BAD_GATEWAY), "unavailable"),
        (Fault::Reset, "unavailable"),
        (Fault::Hang, "timed_out"),
        (Fault::Delay(Duration::from_secs(4)), "timed_out"),
        (Fault::Html(StatusCode::OK), "not_understood"),
        (Fault::Html(StatusCode::NOT_FOUND), "not_understood"),
        (Fault::Huge, "not_understood"),
        (Fault::Redirect("https://evil.test/".to_owned()), "not_understood"),
        (Fault::Body("{".to_owned()), "not_understood"),
        (Fault::Body("[".repeat(10_000)), "not_understood"),
    ];
    for (fault, name) in rows {
        stub.fail_always(Some(fault.clone()));
        let error = api(&stub).user(ada(), NOW).await.expect_err("a fault");
        assert_eq!(error.name(), name, "{fault:?}: {error}");
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("NEVER_SEEN") && !shown.contains("Ada"), "{shown}");
    }
}

#[tokio::test]
async fn a_limit_says_how_long_to_wait() {
    let stub = stub();
    stub.fail_next(Fault::RateLimited(Some(7)));
    match api(&stub).user(ada(), NOW).await {
        Err(MagicError::RateLimited { retry_after }) => {
            assert_eq!(retry_after, Some(Duration::from_secs(7)));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_up_is_tried_twice_where_that_may_help_and_once_where_not() {
    let stub = stub();
    for fault in [
        Fault::Reset,
        Fault::Status(StatusCode::BAD_GATEWAY),
        Fault::Status(StatusCode::SERVICE_UNAVAILABLE),
        Fault::Status(StatusCode::GATEWAY_TIMEOUT),
    ] {
        let before = stub.calls();
        stub.fail_next(fault.clone());
        api(&stub).user(ada(), NOW).await.expect("the second time");
        assert_eq!(stub.calls() - before, 2, "{fault:?}");
        // And no third time.
        stub.fail_always(Some(fault.clone()));
        api(&stub).user(ada(), NOW).await.expect_err("both failed");
        assert_eq!(stub.calls() - before, 4, "{fault:?}");
        stub.fail_always(None);
    }
    for fault in [
        Fault::Status(StatusCode::UNAUTHORIZED),
        Fault::Status(StatusCode::INTERNAL_SERVER_ERROR),
        Fault::RateLimited(None),
        Fault::Huge,
        Fault::Html(StatusCode::OK),
        Fault::Redirect("/".to_owned()),
    ] {
        let before = stub.calls();
        stub.fail_next(fault.clone());
        api(&stub).user(ada(), NOW).await.expect_err("not tried again");
        assert_eq!(stub.calls() - before, 1, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sign_out_that_may_have_arrived_is_not_sent_again() {
    let stub = stub();
    for fault in [Fault::Reset, Fault::Status(StatusCode::SERVICE_UNAVAILABLE)] {
        let before = stub.calls();
        stub.fail_next(fault.clone());
        api(&stub).sign_out(ada()).await.expect_err("not tried again");
        assert_eq!(stub.calls() - before, 1, "{fault:?}");
    }
    api(&stub).sign_out(ada()).await.expect("signed out");
    assert_eq!(stub.signed_out(), [ada()]);

    // A connection that was never made is another matter.
    let refusing = AdminApi::with_service(
        service_fn(|_: Request<String>| async {
            Err::<Response<String>, _>(std::io::Error::from(std::io::ErrorKind::ConnectionRefused))
        }),
        KEY.parse().expect("a key"),
    );
    let started = Instant::now();
    refusing.sign_out(ada()).await.expect_err("refused");
    assert!(started.elapsed() >= Duration::from_millis(50), "it was not tried again");
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_within_its_time_whatever_magic_does() {
    let stub = stub();
    for fault in [
        Fault::Hang,
        Fault::Delay(Duration::from_secs(3600)),
        Fault::Status(StatusCode::SERVICE_UNAVAILABLE),
        Fault::Reset,
    ] {
        stub.fail_always(Some(fault.clone()));
        for budget in [1, 100, 3000].map(Duration::from_millis) {
            let api = api(&stub).with_time_budget(budget);
            let started = Instant::now();
            api.user(ada(), NOW).await.expect_err("a fault");
            api.sign_out(ada()).await.expect_err("a fault");
            api.client_id().await.expect_err("a fault");
            // Tokio's clock counts whole milliseconds.
            let most = 3 * (budget + Duration::from_millis(1));
            assert!(started.elapsed() <= most, "{fault:?} {budget:?}: {:?}", started.elapsed());
        }
    }
}

#[tokio::test]
async fn a_body_that_is_too_long_or_broken_off_is_an_error() {
    let long = service_fn(|_: Request<String>| async {
        Ok::<_, Infallible>(Response::new(Chunks { left: 1024, broken: false }))
    });
    let api = AdminApi::with_service(long, KEY.parse().expect("a key"));
    let error = api.user(ada(), NOW).await.expect_err("too large");
    assert!(matches!(error, MagicError::NotUnderstood(NotUnderstood::TooLarge)), "{error}");

    let broken = service_fn(|_: Request<String>| async {
        Ok::<_, Infallible>(Response::new(Chunks { left: 1, broken: true }))
    });
    let api = AdminApi::with_service(broken, KEY.parse().expect("a key"));
    let error = api.user(ada(), NOW).await.expect_err("broken off");
    assert!(matches!(error, MagicError::Unavailable(Unavailable::Connection(_))), "{error}");
}

/// A body of pieces of 1 KiB, whose length nobody says before.
struct Chunks {
    left: usize,
    broken: bool,
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        if self.broken {
            return Poll::Ready(Some(Err(std::io::ErrorKind::UnexpectedEof.into())));
        }
        let Some(left) = self.left.checked_sub(1) else { return Poll::Ready(None) };
        self.left = left;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b' '; 1024])))))
    }
}

#[tokio::test]
async fn a_verifier_is_for_the_keys_application_or_there_is_none() {
    let stub = stub();
    let verifier = api(&stub).verifier().await.expect("a verifier");
    let wallet = Wallet::from_seed("ada");
    let token = wallet.token(APP).issued_at(NOW).mint();
    assert_eq!(verifier.verify(token, NOW).expect("verified").issuer(), ada());
    let other = wallet.token("did:magic:other").issued_at(NOW).mint();
    let error = verifier.verify(other, NOW).expect_err("another application's");
    assert!(matches!(error, TokenError::AudienceMismatch { .. }), "{error}");

    for fault in [
        Fault::Status(StatusCode::UNAUTHORIZED),
        Fault::Html(StatusCode::OK),
        Fault::Body("{}".to_owned()),
        Fault::Body(r#"{"client_id":null}"#.to_owned()),
        Fault::Body(r#"{"client_id":""}"#.to_owned()),
        Fault::Body(r#"{"error_code":"UNAUTHORIZED","message":"no"}"#.to_owned()),
    ] {
        stub.fail_next(fault.clone());
        assert!(api(&stub).verifier().await.is_err(), "{fault:?} made a verifier");
    }
    let wrong = AdminApi::with_service(stub, "sk_test_WRONG".parse::<SecretKey>().expect("a key"));
    let error = wrong.verifier().await.expect_err("refused");
    assert!(matches!(error, MagicError::KeyRefused(StatusCode::UNAUTHORIZED)), "{error}");
}

#[tokio::test]
async fn an_answer_about_another_issuer_is_refused() {
    let stub = stub();
    let other = serde_json::json!(issuer("eve"));
    stub.add_user(TestUser::new(ada()).email("eve@example.com").field("issuer", other));
    let error = api(&stub).user(ada(), NOW).await.expect_err("refused");
    assert!(matches!(error, MagicError::NotUnderstood(NotUnderstood::OtherIssuer)), "{error}");
}

#[tokio::test]
async fn both_stories_of_the_content_type_can_be_told() {
    let stub = stub();
    stub.set_content_type(ContentType::Json);
    api(&stub).sign_out(ada()).await.expect("JSON is what is sent");
    stub.set_content_type(ContentType::Text);
    let error = api(&stub).sign_out(ada()).await.expect_err("422");
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    assert!(
        matches!(error, MagicError::NotUnderstood(NotUnderstood::Status(found)) if found == status),
        "{error}"
    );
}

#[test]
fn no_debug_output_shows_the_key() {
    let key: SecretKey = KEY.parse().expect("a key");
    let stub = testing::Magic::new(KEY, APP);
    let api = stub.api().expect("a key");
    let magic = tower_didt::magic::Magic::over(api.clone());
    let shown = format!("{key:?} {api:?} {magic:?} {stub:?}");
    assert!(!shown.contains("NEVER_SEEN"), "{shown}");
}

#[test]
fn a_key_is_read_from_a_file_with_its_line_break() {
    let folder = tower_didt_test_support::directory::Directory::new();
    let path = folder.0.join("key");
    for (content, good) in [
        (KEY.to_owned(), true),
        (format!("{KEY}\n"), true),
        (format!("{KEY}\r\n"), true),
        (String::new(), false),
        ("pk_live_1\n".to_owned(), false),
        (format!("{KEY}\n{KEY}\n"), false),
        (format!("sk_{}", "A".repeat(100_000)), false),
    ] {
        std::fs::write(&path, &content).expect("written");
        assert_eq!(SecretKey::from_file(&path).is_ok(), good, "{content:.40}");
    }
    assert!(SecretKey::from_file(folder.0.join("missing")).is_err());
}
