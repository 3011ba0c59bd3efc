//! The whole application, from sign-in to administration: on SQLite, and on PostgreSQL where it is
//! installed.

use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt;
use team::settings::{Magic, Settings};
use team::stand_in;
use tower::ServiceExt;
use tower_didt::testing::{SignedIn, Wallet, signed_in};
use tower_didt::{DidAuth, Timestamp};
use tower_didt_test_support::directory::Directory;
use tower_didt_test_support::postgres;

const FORM: &str = "application/x-www-form-urlencoded";

fn settings(database_url: &str) -> Settings {
    Settings {
        database_url: database_url.to_owned(),
        listen: "127.0.0.1:0".to_owned(),
        magic: None,
        administrator: Some(stand_in::wallet(stand_in::ADMIN).issuer()),
    }
}

fn sqlite(folder: &Directory) -> String {
    format!("sqlite:{}", folder.0.join("team.sqlite").display())
}

/// Somebody's browser.
struct Browser(SignedIn<Router>);

struct Answer {
    status: StatusCode,
    location: String,
    body: String,
}

async fn send(
    app: impl tower::Service<
        Request<Body>,
        Response = axum::response::Response,
        Error = std::convert::Infallible,
    >,
    request: Request<Body>,
) -> Answer {
    let Ok(response) = app.oneshot(request).await;
    let location = response.headers().get(LOCATION).map(|value| value.to_str().unwrap().to_owned());
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    Answer { status, location: location.unwrap_or_default(), body }
}

fn page(path: &str) -> Request<Body> {
    let request = Request::get(path).header("accept", "text/html");
    let request = request.header("sec-fetch-mode", "navigate").header("sec-fetch-dest", "document");
    request.body(Body::empty()).unwrap()
}

/// Asks for a page with a token of this time, made for this browser as the sign-in page has it made.
async fn present(app: &Router, auth: &DidAuth, email: &str, path: &str, time: Timestamp) -> Answer {
    let (wallet, challenge) = (stand_in::wallet(email), auth.challenge().unwrap());
    let token = wallet.token(stand_in::CLIENT_ID).issued_at(time);
    let token = token.attachment(challenge.value()).mint();
    let cookie = challenge.set_cookie().to_str().unwrap().split(';').next().unwrap().to_owned();
    let request = Request::get(path)
        .header("authorization", format!("Bearer {token}"))
        .header("cookie", cookie);
    send(app.clone(), request.body(Body::empty()).unwrap()).await
}

impl Browser {
    async fn sign_in(app: &Router, auth: &DidAuth, email: &str) -> Self {
        Self(signed_in(app.clone(), auth, &stand_in::wallet(email)).await)
    }

    async fn get(&self, path: &str) -> Answer {
        send(self.0.clone(), page(path)).await
    }

    async fn post(&self, path: &str, form: &str) -> Answer {
        let request = Request::post(path).header(CONTENT_TYPE, FORM);
        let request = request.header("sec-fetch-site", "same-origin");
        send(self.0.clone(), request.body(Body::from(form.to_owned())).unwrap()).await
    }

    /// The value of the first hidden field of this name.
    async fn field(&self, path: &str, name: &str) -> String {
        let body = self.get(path).await.body;
        let start = format!("name=\"{name}\" value=\"");
        let value = body.split_once(&start).expect("a field").1;
        value.split('"').next().unwrap().to_owned()
    }
}

async fn roles_sessions_and_names(database_url: &str) {
    let (auth, app) = team::open(&settings(database_url)).await.unwrap();

    let nobody = send(app.clone(), page("/admin")).await;
    assert_eq!(nobody.status, StatusCode::FOUND);
    assert_eq!(nobody.location, "/auth/sign-in?rd=/admin");

    // Somebody who may not gets a 403, never a way to sign in again.
    let ada = Browser::sign_in(&app, &auth, "ada@example.com").await;
    assert_eq!(ada.get("/admin").await.status, StatusCode::FORBIDDEN);
    assert_eq!(ada.post("/admin/role", "").await.status, StatusCode::FORBIDDEN);
    assert!(ada.get("/").await.body.contains("Hello, somebody new"));
    let renamed = ada.post("/name", "name=+%3CAda%3E+").await;
    assert_eq!((renamed.status, renamed.location.as_str()), (StatusCode::SEE_OTHER, "/"));
    assert!(ada.get("/").await.body.contains("Hello, &lt;Ada&gt;"));
    assert_eq!(ada.post("/name", "name=++").await.status, StatusCode::BAD_REQUEST);

    // On another device she has the name that she chose.
    let phone = Browser::sign_in(&app, &auth, "ada@example.com").await;
    assert!(phone.get("/").await.body.contains("Hello, &lt;Ada&gt;"));
    let first = phone.field("/", "session").await;
    assert_eq!(phone.post("/end", &format!("session={first}")).await.status, StatusCode::SEE_OTHER);
    assert_eq!(ada.get("/").await.status, StatusCode::FOUND, "the oldest was hers");

    let admin = Browser::sign_in(&app, &auth, stand_in::ADMIN).await;
    let listed = admin.get("/admin").await.body;
    let issuer = stand_in::wallet("ada@example.com").issuer();
    assert!(listed.contains(&issuer.to_string()) && listed.contains("&lt;Ada&gt;"));
    assert_eq!(listed.matches("action=\"/admin/role\"").count(), 1, "for Ada, not for oneself");

    // Her session ends, so that the next one has the new role.
    let promote = format!("issuer={issuer}&role=admin");
    assert_eq!(admin.post("/admin/role", &promote).await.status, StatusCode::SEE_OTHER);
    assert_eq!(phone.get("/").await.status, StatusCode::FOUND);
    let later = Timestamp::from(SystemTime::now() + Duration::from_secs(2));
    let promoted = present(&app, &auth, "ada@example.com", "/admin", later).await;
    assert_eq!(promoted.status, StatusCode::OK, "{}", promoted.body);

    // There is always an administrator.
    let own = format!("issuer={}&role=member", stand_in::wallet(stand_in::ADMIN).issuer());
    assert_eq!(admin.post("/admin/role", &own).await.status, StatusCode::BAD_REQUEST);
    let unknown = format!("issuer={}&role=admin", Wallet::from_seed("nobody").issuer());
    assert_eq!(admin.post("/admin/role", &unknown).await.status, StatusCode::BAD_REQUEST);

    let grace = Browser::sign_in(&app, &auth, "grace@example.com").await;
    let handle = grace.field("/", "session").await;
    let end = format!("issuer={}&session={handle}", stand_in::wallet("grace@example.com").issuer());
    assert_eq!(admin.post("/admin/end", &end).await.status, StatusCode::SEE_OTHER);
    assert_eq!(grace.get("/").await.status, StatusCode::FOUND);
}

#[tokio::test]
async fn roles_sessions_and_names_on_sqlite() {
    let folder = Directory::new();
    roles_sessions_and_names(&sqlite(&folder)).await;
}

#[tokio::test]
async fn roles_sessions_and_names_on_postgresql() {
    if !postgres::available("the team's application on PostgreSQL") {
        return;
    }
    let server = tokio::task::spawn_blocking(postgres::Server::start).await.unwrap();
    roles_sessions_and_names(&server.url()).await;
}

/// Their own issuer is on their page, so nobody has it before they have signed in once.
#[tokio::test]
async fn the_settings_make_an_administrator_of_somebody_who_is_a_member_already() {
    let folder = Directory::new();
    let mut settings = Settings { administrator: None, ..settings(&sqlite(&folder)) };
    let (auth, app) = team::open(&settings).await.unwrap();
    let ada = Browser::sign_in(&app, &auth, "ada@example.com").await;
    assert_eq!(ada.get("/admin").await.status, StatusCode::FORBIDDEN);

    settings.administrator = Some(stand_in::wallet("ada@example.com").issuer());
    let (auth, app) = team::open(&settings).await.unwrap();
    let ada = Browser::sign_in(&app, &auth, "ada@example.com").await;
    assert_eq!(ada.get("/admin").await.status, StatusCode::OK);
    let grace = Browser::sign_in(&app, &auth, "grace@example.com").await;
    assert_eq!(grace.get("/admin").await.status, StatusCode::FORBIDDEN);

    // Once given, the role is taken away by nothing but the page.
    settings.administrator = None;
    let (auth, app) = team::open(&settings).await.unwrap();
    let ada = Browser::sign_in(&app, &auth, "ada@example.com").await;
    assert_eq!(ada.get("/admin").await.status, StatusCode::OK);
}

/// Another page's form does nothing here, whatever cookie comes along.
#[tokio::test]
async fn a_foreign_page_changes_nothing() {
    let folder = Directory::new();
    let (auth, app) = team::open(&settings(&sqlite(&folder))).await.unwrap();
    let admin = Browser::sign_in(&app, &auth, stand_in::ADMIN).await;
    let request = Request::post("/name").header(CONTENT_TYPE, FORM);
    let request = request.header("sec-fetch-site", "cross-site").body(Body::from("name=Mallory"));
    assert_eq!(send(admin.0.clone(), request.unwrap()).await.status, StatusCode::FORBIDDEN);
    assert!(!admin.get("/").await.body.contains("Mallory"));
}

/// What proves nothing must not be there where Magic is.
#[tokio::test]
async fn with_keys_of_magics_there_is_no_stand_in() {
    let folder = Directory::new();
    let post = || {
        let request = Request::post("/stand-in/token").header(CONTENT_TYPE, FORM);
        request.body(Body::from("email=admin%40example.com&attachment=none")).unwrap()
    };
    let mut settings = settings(&sqlite(&folder));
    let (_, app) = team::open(&settings).await.unwrap();
    assert_eq!(send(app.clone(), post()).await.status, StatusCode::OK);
    assert!(send(app, page("/auth/sign-in")).await.body.contains("Keep me signed in"));

    let (client_id, publishable_key) = ("did:magic:app".to_owned(), "pk_live_1".to_owned());
    settings.magic = Some(Magic { client_id, publishable_key });
    let (auth, app) = team::open(&settings).await.unwrap();
    assert_eq!(send(app.clone(), post()).await.status, StatusCode::NOT_FOUND);
    let now = Timestamp::from(SystemTime::now());
    let refused = present(&app, &auth, stand_in::ADMIN, "/", now).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "it is for another audience");
}
