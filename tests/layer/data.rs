//! Data that handlers change, in every kind of store that a test needs nothing for.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use axum::response::Response;
use axum::routing::{get, post};
use axum::{Router, body::Body};
use http::header::COOKIE;
use http::{Request, StatusCode};
use serde::{Deserialize, Serialize};
use tower::{Layer, ServiceExt, service_fn};
use tower_didt::layer::DataError;
use tower_didt::sealed::MemoryLedger;
use tower_didt::store::MAX_SESSION_DATA_BYTES;
use tower_didt::testing::Wallet;
use tower_didt::{
    Data, DidAuth, MemoryStore, Refusal, Rejection, SealedStore, SealingKeys, Session, StoreError,
};

use crate::support::{App, Body as Empty, Call, FaultyStore, bearer, log, with_cookie};

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Counter {
    count: u32,
}

fn at_sign_in(auth: DidAuth) -> DidAuth {
    auth.with_on_login(|_| async { Ok::<_, Refusal>(Counter { count: 1 }) })
}

fn sealed(auth: DidAuth) -> DidAuth {
    let keys = SealingKeys::generate().expect("randomness");
    auth.with_store(SealedStore::new(keys, MemoryLedger::new()))
}

fn routes(app: &App) -> Router {
    async fn add(session: Session) -> Result<String, DataError> {
        let next = |old: Option<Counter>| Counter { count: old.map_or(0, |old| old.count) + 1 };
        Ok(session.modify_data(next).await?.count.to_string())
    }
    async fn set(session: Session) -> Result<String, DataError> {
        session.update_data(&Counter { count: 100 }).await?;
        // What the rest of the handler sees.
        let seen = session.require_data::<Counter>()?;
        Ok(format!("{} {}", seen.count, session.data_version()))
    }
    async fn set_and_sign_out(session: Session) -> Result<(), DataError> {
        session.update_data(&Counter { count: 7 }).await?;
        Ok(session.sign_out().await?)
    }
    async fn sign_out_and_set(session: Session) -> Result<(), DataError> {
        session.sign_out().await?;
        session.update_data(&Counter { count: 7 }).await
    }
    let huge = post(async |session: Session| {
        session.update_data(&"x".repeat(MAX_SESSION_DATA_BYTES)).await
    });
    Router::new()
        .route("/", get(async |Data(counter): Data<Counter>| counter.count.to_string()))
        .route("/add", post(add))
        .route("/set", post(set))
        .route("/set-and-sign-out", post(set_and_sign_out))
        .route("/sign-out-and-set", post(sign_out_and_set))
        .route("/huge", huge)
        .layer(app.auth.layer())
}

/// A browser: keeps the cookie that it was given last.
struct Browser {
    routes: Router,
    cookie: String,
}

impl Browser {
    async fn sign_in(app: &App, wallet: &Wallet) -> Self {
        Self { routes: routes(app), cookie: app.sign_in(wallet).await }
    }

    async fn send(&mut self, method: &str, path: &str) -> (StatusCode, String, Response) {
        let response = self.send_with(&self.cookie.clone(), method, path).await;
        if let Some(cookie) = cookie_of(&response.2) {
            self.cookie = cookie;
        }
        response
    }

    async fn send_with(
        &self,
        cookie: &str,
        method: &str,
        path: &str,
    ) -> (StatusCode, String, Response) {
        let request = Request::builder().method(method).uri(path);
        let request = request.header(COOKIE, format!("__Host-didt={cookie}"));
        let request = request.body(Body::empty()).expect("a request");
        let Ok(response) = self.routes.clone().oneshot(request).await;
        let (head, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
        let text = String::from_utf8(body.to_vec()).expect("text");
        (head.status, text, Response::from_parts(head, Body::empty()))
    }
}

fn cookie_of(response: &Response) -> Option<String> {
    let mut cookies = response.headers().get_all("set-cookie").iter();
    let cookie = cookies.next()?.to_str().expect("ASCII");
    assert!(cookies.next().is_none(), "one cookie at most");
    let value = cookie.strip_prefix("__Host-didt=")?.split(';').next()?;
    Some(value.to_owned())
}

#[tokio::test]
async fn changed_data_is_what_the_next_request_reads() {
    for (name, app) in [("memory", App::new()), ("sealed", App::new().with(sealed))] {
        let app = app.with(at_sign_in);
        let mut browser = Browser::sign_in(&app, &Wallet::from_seed("alice")).await;
        for count in 2..6 {
            let (status, body, response) = browser.send("POST", "/add").await;
            assert_eq!((status, body), (StatusCode::OK, count.to_string()), "{name}");
            assert_eq!(cookie_of(&response).is_some(), name == "sealed");
            if name == "sealed" {
                let stored = response.headers().get("cache-control").expect("a header");
                assert_eq!(stored, "no-store", "an answer with a session cookie");
            }
            assert_eq!(browser.send("GET", "/").await.1, count.to_string(), "{name}");
        }
        assert_eq!(browser.send("POST", "/set").await.1, "100 5", "{name}");
        // Also after the time at which being in use is written down.
        app.advance(600);
        assert_eq!(browser.send("GET", "/").await.1, "100", "{name}");
        assert_eq!(browser.send("GET", "/").await.1, "100", "{name}");
    }
}

#[tokio::test]
async fn a_handler_that_also_signs_out_takes_the_cookie_away() {
    for (name, app) in [("memory", App::new()), ("sealed", App::new().with(sealed))] {
        let app = app.with(at_sign_in);
        let mut browser = Browser::sign_in(&app, &Wallet::from_seed("alice")).await;
        let (status, _, response) = browser.send("POST", "/set-and-sign-out").await;
        assert_eq!((status, cookie_of(&response).as_deref()), (StatusCode::OK, Some("")), "{name}");
        let mut browser = Browser::sign_in(&app, &Wallet::from_seed("alice")).await;
        let (status, _, response) = browser.send("POST", "/sign-out-and-set").await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{name}: nothing is attached to no session");
        assert_eq!(cookie_of(&response).as_deref(), Some(""), "{name}");
    }
}

#[tokio::test]
async fn an_earlier_cookie_cannot_undo_a_change() {
    let app = App::new().with(sealed).with(at_sign_in);
    let mut browser = Browser::sign_in(&app, &Wallet::from_seed("alice")).await;
    let earlier = browser.cookie.clone();
    browser.send("POST", "/add").await;
    // It opens the session with what is in it, and changes nothing.
    assert_eq!(browser.send_with(&earlier, "GET", "/").await.1, "1");
    let (status, body, response) = browser.send_with(&earlier, "POST", "/add").await;
    assert_eq!((status, &*body), (StatusCode::CONFLICT, "{\"error\":\"conflict\"}\n"));
    assert_eq!(cookie_of(&response), None);
    // Nor is it renewed as a cookie that is in use: that would take the later one's place.
    app.advance(600);
    assert_eq!(cookie_of(&browser.send_with(&earlier, "GET", "/").await.2), None);
    assert!(cookie_of(&browser.send("GET", "/").await.2).is_some());
    assert_eq!(browser.send("GET", "/").await.1, "2");
}

#[tokio::test]
async fn changes_at_the_same_time_are_all_kept() {
    let app = App::new().with(at_sign_in);
    let browser = Browser::sign_in(&app, &Wallet::from_seed("alice")).await;
    let cookie = browser.cookie.clone();
    let (one, two, three) = tokio::join!(
        browser.send_with(&cookie, "POST", "/add"),
        browser.send_with(&cookie, "POST", "/add"),
        browser.send_with(&cookie, "POST", "/add"),
    );
    assert!([one.0, two.0, three.0].iter().all(|status| *status == StatusCode::OK));
    assert_eq!(browser.send_with(&cookie, "GET", "/").await.1, "4");
}

/// The two requests have read the same data before either changes it.
#[tokio::test]
async fn a_late_change_is_a_conflict_and_modifying_begins_again_with_the_newest() {
    let app = App::new().with(at_sign_in);
    let alice = Wallet::from_seed("alice");
    let cookie = app.sign_in(&alice).await;
    let one = session(&app, &cookie).await;
    let (two, three) = (session(&app, &cookie).await, session(&app, &cookie).await);
    one.update_data(&Counter { count: 10 }).await.expect("nobody was faster");
    let late = two.update_data(&Counter { count: 20 }).await;
    assert!(matches!(late, Err(DataError::Conflict)), "{late:?}");
    assert_eq!(two.require_data::<Counter>().expect("data").count, 10, "it shows what is there");
    let called = AtomicU32::new(0);
    let sum = three.modify_data(|old: Option<Counter>| {
        called.fetch_add(1, Ordering::Relaxed);
        Counter { count: old.map_or(0, |old| old.count) + 5 }
    });
    assert_eq!(sum.await.expect("the second try").count, 15);
    assert_eq!(called.into_inner(), 2);
    two.update_data(&Counter { count: 20 }).await.expect_err("it read 10, and 15 is there");
}

#[tokio::test]
async fn modifying_gives_up_after_a_bounded_number_of_tries() {
    let app = App::new().with(at_sign_in);
    let cookie = app.sign_in(&Wallet::from_seed("alice")).await;
    let (unlucky, others) = (session(&app, &cookie).await, session(&app, &cookie).await);
    let tries = AtomicU32::new(0);
    let modified = unlucky.modify_data(|old: Option<Counter>| {
        let number = tries.fetch_add(1, Ordering::Relaxed);
        assert!(number < 16, "no end");
        // Somebody else is faster each time. In memory the answer is there at once.
        let other = others.modify_data(|_: Option<Counter>| Counter { count: 1000 + number });
        let done = futures_now(other);
        assert!(done.is_ok(), "{done:?}");
        old.unwrap_or(Counter { count: 0 })
    });
    let failed = modified.await;
    assert!(matches!(failed, Err(DataError::Conflict)), "{failed:?}");
    assert_eq!(tries.into_inner(), 16);
}

fn futures_now<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => unreachable!("memory answers at once"),
    }
}

/// The session of a request, as its handler gets it. The response has been made.
async fn session(app: &App, cookie: &str) -> Session {
    let slot = Arc::new(Mutex::new(None));
    let inner = Arc::clone(&slot);
    let handler = service_fn(move |request: Request<Empty>| {
        let session = request.extensions().get::<Session>().cloned();
        *inner.lock().expect("no panic inside") = session;
        std::future::ready(Ok::<_, Infallible>(http::Response::new(Empty::default())))
    });
    let Ok(_) = app.auth.layer().layer(handler).oneshot(with_cookie(cookie)).await;
    slot.lock().expect("no panic inside").take().expect("a session")
}

#[tokio::test]
async fn after_the_response_no_cookie_can_hold_new_data() {
    for (name, app) in [("memory", App::new()), ("sealed", App::new().with(sealed))] {
        let app = app.with(at_sign_in);
        let cookie = app.sign_in(&Wallet::from_seed("alice")).await;
        let changed = session(&app, &cookie).await.update_data(&Counter { count: 2 }).await;
        match name {
            "memory" => changed.expect("the store has it"),
            _ => assert!(matches!(changed, Err(DataError::ResponseSent)), "{changed:?}"),
        }
    }
}

#[tokio::test]
async fn data_has_a_bound_whatever_the_store_allows() {
    let app = App::new().with(at_sign_in);
    let mut browser = Browser::sign_in(&app, &Wallet::from_seed("alice")).await;
    let (status, body, response) = browser.send("POST", "/huge").await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "{body}");
    let reason = response.extensions().get::<Rejection>().expect("the reason");
    let Rejection::StoreUnsuited(error) = reason else { panic!("{reason}") };
    assert!(matches!(**error, StoreError::TooLarge { limit: MAX_SESSION_DATA_BYTES, .. }));
    assert_eq!(browser.send("GET", "/").await.1, "1", "the data is what it was");

    // At sign-in too, where it uses no token up.
    let huge = |_| async { Ok::<_, Refusal>("x".repeat(MAX_SESSION_DATA_BYTES)) };
    let app = App::new().with(|auth| auth.with_on_login(huge));
    let token = app.token(&Wallet::from_seed("alice"));
    for _ in 0..2 {
        assert_eq!(app.send(bearer(&token)).await.status, StatusCode::INTERNAL_SERVER_ERROR);
    }
}

#[tokio::test]
async fn a_token_that_became_no_session_has_no_data_to_change() {
    let app = App::new().with(at_sign_in);
    let token = app.token(&Wallet::from_seed("alice"));
    let routes = routes(&app);
    let send = async |path: &str| {
        let request = Request::post(path).header("authorization", format!("Bearer {token}"));
        let request = request.body(Body::empty()).expect("a request");
        let Ok(response) = routes.clone().oneshot(request).await;
        response.status()
    };
    assert_eq!(send("/add").await, StatusCode::OK, "it makes a session first");
    assert_eq!(send("/add").await, StatusCode::UNAUTHORIZED, "it was used");
}

#[tokio::test]
async fn a_store_that_fails_is_a_503_and_the_data_stays() {
    let store = FaultyStore::over(MemoryStore::new());
    let app = App::new().with(at_sign_in).with(|auth| auth.with_store(store.clone()));
    let mut browser = Browser::sign_in(&app, &Wallet::from_seed("alice")).await;
    store.set_failing(Call::UpdateData, true);
    let (status, _, response) = browser.send("POST", "/add").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key("retry-after"));
    assert!(cookie_of(&response).is_none(), "the cookie stays as it is");
    assert_eq!(store.calls_of(Call::UpdateData), 1, "an unknown outcome is not tried again");
    assert_eq!(browser.send("GET", "/").await.1, "1", "reading goes on");
    store.set_failing(Call::UpdateData, false);
    assert_eq!(browser.send("POST", "/add").await.1, "2");
}

#[tokio::test]
async fn a_change_whose_answer_was_lost_is_seen_by_the_next_request_and_made_once() {
    let store = FaultyStore::over(MemoryStore::new());
    let app = App::new().with(at_sign_in).with(|auth| auth.with_store(store.clone()));
    let mut browser = Browser::sign_in(&app, &Wallet::from_seed("alice")).await;
    let before = session(&app, &browser.cookie).await;
    store.set_losing_answers(Call::UpdateData, true);
    let (status, _, response) = browser.send("POST", "/add").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(cookie_of(&response).is_none(), "the cookie stays as it is");
    assert_eq!(store.calls_of(Call::UpdateData), 1);
    store.set_losing_answers(Call::UpdateData, false);
    assert_eq!(browser.send("GET", "/").await.1, "2");
    // What was computed from the data before does not undo it, and then knows of it.
    let late = before.update_data(&Counter { count: 50 }).await;
    assert!(matches!(late, Err(DataError::Conflict)), "{late:?}");
    assert_eq!(before.require_data::<Counter>().expect("data").count, 2);
    assert_eq!(browser.send("POST", "/add").await.1, "3");
}

#[derive(Deserialize)]
struct Other {
    #[expect(dead_code, reason = "what it is read into")]
    name: String,
}

fn extractors(app: &App) -> Router {
    let optional = async |data: Option<Data<Counter>>| {
        data.map_or("none".to_owned(), |Data(counter)| counter.count.to_string())
    };
    let nullable = async |Data(data): Data<Option<Counter>>| {
        data.map_or("none".to_owned(), |counter| counter.count.to_string())
    };
    Router::new()
        .route("/required", get(async |Data(counter): Data<Counter>| counter.count.to_string()))
        .route("/optional", get(optional))
        .route("/nullable", get(nullable))
        .route("/other", get(async |_: Data<Other>| ()))
        .route("/other-optional", get(async |_: Option<Data<Other>>| ()))
        .layer(app.auth.layer().optional())
        .route("/no-layer", get(async |_: Data<Counter>| ()))
        .route("/no-layer-optional", get(async |_: Option<Data<Counter>>| ()))
}

#[tokio::test]
async fn the_extractor_tells_nobody_nothing_and_another_form_apart() {
    let app = App::new().with(at_sign_in);
    let without = App::new();
    let with_data = app.sign_in(&Wallet::from_seed("alice")).await;
    let without_data = without.sign_in(&Wallet::from_seed("alice")).await;
    let cases = [
        // Path, without a session, with one that has no data, with one that has.
        ("/required", (401, ""), (500, ""), (200, "1")),
        ("/optional", (200, "none"), (200, "none"), (200, "1")),
        ("/nullable", (401, ""), (200, "none"), (200, "1")),
        ("/other", (401, ""), (500, ""), (500, "")),
        ("/other-optional", (200, ""), (200, ""), (500, "")),
        ("/no-layer", (500, ""), (500, ""), (500, "")),
        ("/no-layer-optional", (500, ""), (500, ""), (500, "")),
    ];
    for (path, nobody, no_data, data) in cases {
        let visitors = [
            ("nobody", &app, None, nobody),
            ("no data", &without, Some(&without_data), no_data),
            ("data", &app, Some(&with_data), data),
        ];
        for (who, app, cookie, (status, body)) in visitors {
            let mut request = Request::get(path);
            if let Some(cookie) = cookie {
                request = request.header(COOKIE, format!("__Host-didt={cookie}"));
            }
            let request = request.body(Body::empty()).expect("a request");
            let Ok(response) = extractors(app).oneshot(request).await;
            assert_eq!(response.status(), status, "{path} for {who}");
            let reason = response.extensions().get::<Rejection>().map(Rejection::name);
            let expected = match status {
                200 => None,
                401 => Some("missing_credentials"),
                _ if path.starts_with("/no-layer") => Some("no_layer"),
                _ => Some("unreadable_session_data"),
            };
            assert_eq!(reason, expected, "{path} for {who}");
            if status == 200 {
                let bytes = axum::body::to_bytes(response.into_body(), 99).await.expect("a body");
                assert_eq!(bytes, body, "{path} for {who}");
            }
        }
    }
}

#[tokio::test]
async fn with_debug_reasons_the_cause_names_the_type_and_quotes_no_data() {
    let secret = |_| async { Ok::<_, Refusal>("a secret of hers") };
    let app = App::new().with(|auth| auth.with_on_login(secret).with_debug_reasons(true));
    let cookie = app.sign_in(&Wallet::from_seed("alice")).await;
    let request = Request::get("/other").header(COOKIE, format!("__Host-didt={cookie}"));
    let request = request.body(Body::empty()).expect("a request");
    let Ok(response) = extractors(&app).oneshot(request).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let body = axum::body::to_bytes(response.into_body(), 1 << 16).await.expect("a body");
    let body = String::from_utf8(body.to_vec()).expect("text");
    assert!(body.contains("unreadable_session_data") && body.contains("Other"), "{body}");
    assert!(!body.contains("hers") && !log().contains("a secret of hers"), "{body}");
}
