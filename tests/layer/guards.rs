//! Who may: guards around services, as extractors, and in every order of layers.

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::header::{COOKIE, LOCATION};
use http::{Request, StatusCode};
use serde::{Deserialize, Serialize};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_didt::extract::{Require, Requirement};
use tower_didt::layer::Answer;
use tower_didt::testing::Wallet;
use tower_didt::{DidAuth, Guard, Login, Refusal, Rejection, Role, Session};

use crate::support::{App, with_cookie};

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
enum Rank {
    Member,
    Editor,
    Admin,
}

#[derive(Deserialize, Serialize)]
struct User {
    rank: Rank,
    suspended: bool,
}

impl Role for Rank {
    type User = User;

    fn is_held_by(&self, user: &User) -> bool {
        user.rank == *self
    }
}

/// People by the names of their wallets.
fn with_ranks(auth: DidAuth) -> DidAuth {
    auth.with_on_login(|login: Login| async move {
        let is = |name: &str| Wallet::from_seed(name).issuer() == login.issuer();
        let user = |rank, suspended| serde_json::json!(User { rank, suspended });
        Ok::<_, Refusal>(match () {
            () if is("admin") => user(Rank::Admin, false),
            () if is("editor") => user(Rank::Editor, false),
            () if is("suspended") => user(Rank::Admin, true),
            () if is("member") => user(Rank::Member, false),
            () if is("other") => serde_json::json!("another form"),
            () => serde_json::Value::Null,
        })
    })
}

const PEOPLE: [&str; 6] = ["admin", "editor", "suspended", "member", "other", "nothing"];

struct Admins;

impl Requirement for Admins {
    fn guard() -> Guard {
        Rank::Admin.into()
    }
}

async fn send(routes: &Router, path: &str, cookie: Option<&str>) -> http::Response<Body> {
    let mut request = Request::get(path).header("accept", "text/html");
    request = request.header("sec-fetch-mode", "navigate").header("sec-fetch-dest", "document");
    if let Some(cookie) = cookie {
        request = request.header(COOKIE, format!("__Host-didt={cookie}"));
    }
    let Ok(response) =
        routes.clone().oneshot(request.body(Body::empty()).expect("a request")).await;
    response
}

fn reason(response: &http::Response<Body>) -> Option<&'static str> {
    response.extensions().get::<Rejection>().map(Rejection::name)
}

/// The answer to each of [`PEOPLE`], and to nobody.
async fn answers(app: &App, routes: &Router, path: &str) -> Vec<u16> {
    let mut answers = Vec::new();
    for person in PEOPLE {
        let cookie = app.sign_in(&Wallet::from_seed(person)).await;
        answers.push(send(routes, path, Some(&cookie)).await.status().as_u16());
    }
    answers.push(send(routes, path, None).await.status().as_u16());
    answers
}

#[tokio::test]
async fn a_role_guards_a_route_in_every_way_that_it_can_be_said() {
    let app = App::new().with(with_ranks);
    let ok = || get(async || "in");
    let routes = Router::new()
        .route("/beneath", ok().route_layer(Guard::from(Rank::Admin).layer()))
        .route("/extractor", get(async |admin: Require<Admins>| admin.session.issuer().to_string()))
        .route("/nested", ok().route_layer(app.auth.layer().require(Rank::Admin)))
        .layer(app.auth.layer().optional())
        .route("/alone", ok().route_layer(app.auth.layer().require(Rank::Admin)))
        .route("/optional", ok().route_layer(app.auth.layer().optional().require(Rank::Admin)));
    for path in ["/beneath", "/extractor", "/nested", "/alone", "/optional"] {
        let expected = [200, 403, 200, 403, 500, 500, 401];
        assert_eq!(answers(&app, &routes, path).await, expected, "{path}");
    }
    let cookie = app.sign_in(&Wallet::from_seed("member")).await;
    for path in ["/beneath", "/extractor", "/alone"] {
        let response = send(&routes, path, Some(&cookie)).await;
        assert_eq!(reason(&response), Some("not_permitted"));
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let body = axum::body::to_bytes(response.into_body(), 999).await.expect("a body");
        assert_eq!(body, "{\"error\":\"forbidden\"}\n", "{path}");
    }
}

#[tokio::test]
async fn guards_combine_and_what_cannot_be_decided_is_never_a_yes() {
    let app = App::new().with(with_ranks);
    let active = || Guard::data(|user: &User| !user.suspended);
    let admin = || Guard::from(Rank::Admin);
    let yes = || Guard::session(|_| true);
    let no = || Guard::session(|_| false);
    let none: [Guard; 0] = [];
    // For an admin, an editor, a suspended admin, a member; for data of another form, and none.
    let cases = [
        ("admin & active", admin() & active(), [200, 403, 403, 403, 500, 500]),
        ("!admin", !admin(), [403, 200, 403, 200, 500, 500]),
        ("!!admin", !!admin(), [200, 403, 200, 403, 500, 500]),
        ("any", Guard::any([Rank::Admin, Rank::Editor]), [200, 200, 200, 403, 500, 500]),
        ("any of none", Guard::any(none), [403; 6]),
        ("admin | yes", admin() | yes(), [200; 6]),
        ("yes | admin", yes() | admin(), [200; 6]),
        ("admin | no", admin() | no(), [200, 403, 200, 403, 500, 500]),
        ("admin & no", admin() & no(), [403; 6]),
        ("admin & yes", admin() & yes(), [200, 403, 200, 403, 500, 500]),
        ("!(admin | no)", !(admin() | no()), [403, 200, 403, 200, 500, 500]),
        (
            "perhaps a user",
            Guard::data(|user: &Option<User>| user.is_some()),
            [200, 200, 200, 200, 500, 403],
        ),
        (
            "session and data",
            Guard::session_and_data(|session, user: &User| {
                session.handle().is_some() && user.rank == Rank::Editor
            }),
            [403, 200, 403, 403, 500, 500],
        ),
    ];
    for (name, guard, expected) in cases {
        let routes = Router::new().route("/", get(async || "in").route_layer(guard.layer()));
        let routes = routes.layer(app.auth.layer());
        let answers = answers(&app, &routes, "/").await;
        assert_eq!(answers[..6], expected, "{name}");
        assert_eq!(answers[6], 401, "{name}");
    }
}

/// No order of layers opens a route.
#[tokio::test]
async fn a_guard_without_the_layer_beneath_which_it_belongs_denies() {
    let app = App::new().with(with_ranks);
    let everybody = || Guard::session(|_| true);
    let cookie = app.sign_in(&Wallet::from_seed("admin")).await;
    let handler = || get(async || "in");
    let routes = [
        ("no layer", Router::new().route("/", handler().route_layer(everybody().layer()))),
        (
            "the guard further out than the layer",
            Router::new().route("/", handler()).layer(app.auth.layer()).layer(everybody().layer()),
        ),
        (
            "the extractor without a layer",
            Router::new().route("/", get(async |_: Require<Admins>| "in")),
        ),
    ];
    for (name, routes) in routes {
        for cookie in [Some(&*cookie), None] {
            let response = send(&routes, "/", cookie).await;
            assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR, "{name}");
            assert_eq!(reason(&response), Some("no_layer"), "{name}");
        }
    }
}

#[tokio::test]
async fn people_are_sent_to_sign_in_only_where_nobody_is_signed_in() {
    let app = App::new().with(with_ranks);
    let layer = app.auth.layer().redirecting_to("/sign-in").expect("a path");
    let outside = app.auth.layer().optional().redirecting_to("/sign-in").expect("a path");
    let handler = || get(async || "in");
    let routes = Router::new()
        .route("/beneath", handler().route_layer(Guard::from(Rank::Admin).layer()))
        .route("/extractor", get(async |_: Require<Admins>| "in"))
        .layer(outside)
        .route("/alone", handler().route_layer(layer.require(Rank::Admin)));
    let member = app.sign_in(&Wallet::from_seed("member")).await;
    for path in ["/beneath", "/extractor", "/alone"] {
        let nobody = send(&routes, path, None).await;
        assert_eq!(nobody.status(), StatusCode::FOUND, "{path}");
        let location = nobody.headers()[LOCATION].to_str().expect("ASCII");
        assert!(location.starts_with("/sign-in?rd="), "{location}");
        let somebody = send(&routes, path, Some(&member)).await;
        assert_eq!(somebody.status(), StatusCode::FORBIDDEN, "{path}");
        assert!(!somebody.headers().contains_key(LOCATION), "{path}");
        let script = Request::get(path).body(Body::empty()).expect("a request");
        let Ok(script) = routes.clone().oneshot(script).await;
        assert_eq!(script.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
}

#[tokio::test]
async fn the_rejection_handler_writes_the_answers_of_guards() {
    let own = |auth: DidAuth| {
        with_ranks(auth).with_rejection_handler(|rejected| {
            let status = rejected.rejection().status();
            let words = format!("{} {}", rejected.rejection().name(), rejected.uri().path());
            Answer::from((status, words))
        })
    };
    let app = App::new().with(own);
    let routes = Router::new()
        .route("/a", get(async || "in").route_layer(Guard::from(Rank::Admin).layer()))
        .route("/b", get(async |_: Require<Admins>| "in"))
        .layer(app.auth.layer());
    let member = app.sign_in(&Wallet::from_seed("member")).await;
    for path in ["/a", "/b"] {
        let response = send(&routes, path, Some(&member)).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        let body = axum::body::to_bytes(response.into_body(), 999).await.expect("a body");
        assert_eq!(body, format!("not_permitted {path}"));
    }
}

#[tokio::test]
async fn what_a_guard_denies_is_not_called_around_any_service() {
    let app = App::new().with(with_ranks);
    let service = service_fn(|request: Request<crate::support::Body>| async move {
        let session = request.extensions().get::<Session>().expect("the guard let it pass");
        assert!(session.require_data::<User>().expect("data").rank == Rank::Admin, "not called");
        Ok::<_, std::convert::Infallible>(http::Response::new(crate::support::Body::from("in")))
    });
    let one = app.auth.layer().require(Rank::Admin).layer(service);
    let two = ServiceBuilder::new()
        .layer(app.auth.layer())
        .layer(Guard::from(Rank::Admin).layer())
        .service(service);
    for (person, status) in [("admin", 200), ("member", 403), ("other", 500)] {
        let cookie = app.sign_in(&Wallet::from_seed(person)).await;
        let Ok(response) = one.clone().oneshot(with_cookie(&cookie)).await;
        assert_eq!(response.status(), status, "{person}");
        let Ok(response) = two.clone().oneshot(with_cookie(&cookie)).await;
        assert_eq!(response.status(), status, "{person}");
    }
}

/// The role is read with every request, from what the session has by then.
#[tokio::test]
async fn a_role_that_was_taken_away_counts_from_the_next_request_on() {
    let app = App::new().with(with_ranks);
    let demote = async |session: Session| {
        session.update_data(&User { rank: Rank::Member, suspended: false }).await
    };
    let routes = Router::new()
        .route("/admin", get(async |_: Require<Admins>| "in"))
        .route("/demote", get(demote))
        .layer(app.auth.layer());
    let cookie = app.sign_in(&Wallet::from_seed("admin")).await;
    assert_eq!(send(&routes, "/admin", Some(&cookie)).await.status(), StatusCode::OK);
    assert_eq!(send(&routes, "/demote", Some(&cookie)).await.status(), StatusCode::OK);
    assert_eq!(send(&routes, "/admin", Some(&cookie)).await.status(), StatusCode::FORBIDDEN);
}

/// Whatever way into a router there is: other methods, paths that nobody named, routers within it.
#[tokio::test]
async fn nothing_within_a_guarded_router_passes_beside_the_guard() {
    let app = App::new().with(with_ranks);
    let inner = || {
        Router::new()
            .route("/", get(async || "in").post(async || "in"))
            .route("/any", axum::routing::any(async || "in"))
            .nest("/nested", Router::new().route("/", get(async || "in")).fallback(async || "in"))
            .merge(Router::new().route("/merged", get(async || "in")))
            .fallback(async || "in")
    };
    let beneath = Guard::from(Rank::Admin).layer();
    let routers = [
        inner().layer(app.auth.layer().require(Rank::Admin)),
        inner().layer(beneath).layer(app.auth.layer().optional()),
    ];
    let member = app.sign_in(&Wallet::from_seed("member")).await;
    for (number, routes) in routers.iter().enumerate() {
        for method in ["GET", "HEAD", "OPTIONS", "POST", "PUT", "TRACE", "PURGE"] {
            for path in ["/", "/any", "/nested", "/nested/", "/nested/x", "/merged", "/x", "*"] {
                for (cookie, status) in [(None, 401), (Some(&member), 403)] {
                    let mut request = Request::builder().method(method).uri(path);
                    if let Some(cookie) = cookie {
                        request = request.header("cookie", format!("__Host-didt={cookie}"));
                    }
                    let request = request.body(Body::empty()).expect("a request");
                    let Ok(response) = routes.clone().oneshot(request).await;
                    assert_eq!(response.status(), status, "{number} {method} {path}");
                }
            }
        }
    }
}

/// A rule that panics lets nobody through, and spoils nothing for the next request.
#[tokio::test]
async fn a_rule_that_panics_passes_nobody() {
    let app = App::new().with(with_ranks);
    let rule = Guard::data(|user: &User| {
        assert!(user.rank == Rank::Admin, "a rule with a mistake");
        true
    });
    let opposite = !rule.clone();
    let routes = Router::new()
        .route("/rule", get(async || "in").route_layer(rule.layer()))
        .route("/opposite", get(async || "in").route_layer(opposite.layer()))
        .layer(app.auth.layer());
    let [admin, member] = ["admin", "member"].map(Wallet::from_seed);
    let (admin, member) = (app.sign_in(&admin).await, app.sign_in(&member).await);
    for path in ["/rule", "/opposite"] {
        let (routes, member) = (routes.clone(), member.clone());
        let panicked = tokio::spawn(async move { send(&routes, path, Some(&member)).await });
        assert!(panicked.await.is_err_and(|error| error.is_panic()), "{path}");
    }
    assert_eq!(send(&routes, "/rule", Some(&admin)).await.status(), StatusCode::OK);
    assert_eq!(send(&routes, "/opposite", Some(&admin)).await.status(), StatusCode::FORBIDDEN);
}
