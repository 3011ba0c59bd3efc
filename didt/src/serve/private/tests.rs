use std::collections::HashSet;

use axum::Router;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, COOKIE, HOST, SET_COOKIE};
use axum::http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;
use tower_didt::sealed::MemoryLedger;
use tower_didt::store::SessionStore;
use tower_didt::testing::Wallet;
use tower_didt::{DidAuth, MemoryStore, SealedStore, SealingKeys, Verifier};
use tower_didt_test_support::store::FaultyStore;

use crate::serve::audit::Audit;
use crate::serve::config::{Log, Secret};
use crate::serve::measures::{self, Measures};
use crate::serve::server::Stopper;
use crate::serve::sites::{Named, Sites};

const SECRET: &str = "correct horse battery staple";

/// A private listener's routes, and what is behind them.
struct Private {
    router: Router,
    auth: DidAuth,
    stopper: Stopper,
}

impl Private {
    fn new(store: impl SessionStore, secret: Option<&str>) -> Self {
        let auth = DidAuth::new(Verifier::new("app")).with_store(store);
        let stopper = Stopper::new();
        let recorder = measures::recorder().expect("a recorder");
        let secret = secret.map(|text| Secret::new(text.to_owned()));
        let measures = Measures::of(&recorder);
        let router = {
            let audit = Audit::new(&Log::default());
            super::router(
                &Sites::one(auth.clone()),
                measures,
                stopper.stop(),
                7,
                secret.as_ref(),
                audit,
                None,
            )
        };
        Self { router, auth, stopper }
    }

    async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.expect("infallible")
    }

    async fn get(&self, path: &str) -> Response<Body> {
        self.send(Request::get(path).body(Body::empty()).expect("a request")).await
    }

    /// As an administrator.
    async fn administer(&self, method: &str, path: &str) -> (StatusCode, Value) {
        let request = Request::builder().method(method).uri(path);
        let request = request.header(AUTHORIZATION, format!("Bearer {SECRET}"));
        let response = self.send(request.body(Body::empty()).expect("a request")).await;
        let status = response.status();
        (status, serde_json::from_str(&text(response).await).unwrap_or_default())
    }

    /// Signs in: the cookie.
    async fn sign_in(&self, wallet: &Wallet) -> String {
        let token = wallet.token("app").mint();
        let request = Request::get("/").header(HOST, "example.com");
        let request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        let response = self.guarded(request.body(Body::empty()).expect("a request")).await;
        let cookie = response.headers()[SET_COOKIE].to_str().expect("ASCII");
        cookie.split(';').next().expect("a pair").to_owned()
    }

    async fn opens(&self, cookie: &str) -> bool {
        let request = Request::get("/").header(HOST, "example.com").header(COOKIE, cookie);
        self.guarded(request.body(Body::empty()).expect("a request")).await.status() == 200
    }

    async fn guarded(&self, request: Request<Body>) -> Response<Body> {
        let app = Router::new().route("/", axum::routing::get(async || "in"));
        app.layer(self.auth.layer()).oneshot(request).await.expect("infallible")
    }
}

async fn text(response: Response<Body>) -> String {
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    String::from_utf8(body.to_vec()).expect("text")
}

#[tokio::test]
async fn alive_is_who_answers_and_ready_whose_store_does() {
    let private = Private::new(MemoryStore::new(), None);
    let ready = private.get("/readyz").await;
    assert_eq!(private.get("/healthz").await.status(), StatusCode::OK);
    assert_eq!(
        (ready.status(), text(ready).await.as_str()),
        (StatusCode::OK, "ready\ngeneration 7\n")
    );

    let without = Private::new(FaultyStore::unreachable(), None);
    assert_eq!(without.get("/healthz").await.status(), StatusCode::OK);
    let ready = without.get("/readyz").await;
    assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
    let told = text(ready).await;
    assert!(!told.contains("refused"), "what is wrong with it is for the log: {told}");
}

#[tokio::test]
async fn of_several_sites_the_stores_of_all_have_to_answer() {
    let site = |name: &str, store: DidAuth| {
        let name = name.parse().expect("a name");
        (Named { name, hosts: Vec::new() }, store)
    };
    let auth = || DidAuth::new(Verifier::new("app"));
    let (good, bad) = (auth(), auth().with_store(FaultyStore::unreachable()));
    for (sites, expected) in [
        (vec![site("a", good.clone()), site("b", good.clone())], StatusCode::OK),
        (vec![site("a", good), site("b", bad)], StatusCode::SERVICE_UNAVAILABLE),
    ] {
        let sites = Sites::several(sites).expect("two");
        let recorder = measures::recorder().expect("a recorder");
        let (measures, stopper) = (Measures::of(&recorder), Stopper::new());
        let router = super::router(
            &sites,
            measures,
            stopper.stop(),
            1,
            None,
            Audit::new(&Log::default()),
            None,
        );
        let request = Request::get("/readyz").body(Body::empty()).expect("a request");
        let response = router.oneshot(request).await.expect("infallible");
        assert_eq!(response.status(), expected);
    }
}

#[tokio::test]
async fn who_is_stopping_is_not_ready_and_alive() {
    let private = Private::new(MemoryStore::new(), None);
    private.stopper.finish();
    assert_eq!(private.get("/readyz").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(private.get("/healthz").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn without_a_secret_there_is_no_administration() {
    let private = Private::new(MemoryStore::new(), None);
    let issuer = Wallet::from_seed("alice").issuer();
    for (method, path) in [("GET", "sessions"), ("POST", "revoke")] {
        let (status, _) =
            private.administer(method, &format!("/admin/{path}?issuer={issuer}")).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn administration_is_for_those_who_know_the_secret() {
    let private = Private::new(MemoryStore::new(), Some(SECRET));
    let alice = Wallet::from_seed("alice");
    let cookie = private.sign_in(&alice).await;
    let path = format!("/admin/revoke?issuer={}", alice.issuer());
    let token = alice.token("app").mint();
    let rows: [(&str, Vec<(_, String)>); 10] = [
        ("nothing", vec![]),
        ("a session", vec![(COOKIE, cookie.clone())]),
        ("a token", vec![(AUTHORIZATION, format!("Bearer {token}"))]),
        ("another secret", vec![(AUTHORIZATION, "Bearer incorrect".to_owned())]),
        ("its beginning", vec![(AUTHORIZATION, format!("Bearer {}", &SECRET[..5]))]),
        ("more than it", vec![(AUTHORIZATION, format!("Bearer {SECRET}x"))]),
        ("an empty one", vec![(AUTHORIZATION, "Bearer ".to_owned())]),
        ("another scheme", vec![(AUTHORIZATION, format!("Basic {SECRET}"))]),
        ("no scheme", vec![(AUTHORIZATION, SECRET.to_owned())]),
        (
            "it, and another",
            vec![
                (AUTHORIZATION, format!("Bearer {SECRET}")),
                (AUTHORIZATION, "Bearer incorrect".to_owned()),
            ],
        ),
    ];
    for (name, headers) in rows {
        let mut request = Request::post(&path);
        for (header, value) in headers {
            request = request.header(header, value);
        }
        let response = private.send(request.body(Body::empty()).expect("a request")).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{name}");
        let challenge = response.headers()["www-authenticate"].to_str().expect("ASCII");
        assert_eq!(challenge, r#"Bearer realm="didt administration""#, "{name}");
        assert!(private.opens(&cookie).await, "{name}: nothing was ended");
    }
    let (status, _) = private.administer("POST", &path).await;
    assert_eq!(status, StatusCode::OK);
    assert!(!private.opens(&cookie).await);
}

#[tokio::test]
async fn a_secret_that_is_empty_admits_nobody() {
    let private = Private::new(MemoryStore::new(), Some(""));
    let path = format!("/admin/sessions?issuer={}", Wallet::from_seed("alice").issuer());
    for value in ["Bearer ", "Bearer", ""] {
        let request = Request::get(&path).header(AUTHORIZATION, value);
        let response = private.send(request.body(Body::empty()).expect("a request")).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{value:?}");
    }
}

#[tokio::test]
async fn sessions_are_listed_and_ended_one_by_one_or_all() {
    let private = Private::new(MemoryStore::new(), Some(SECRET));
    let (alice, bob) = (Wallet::from_seed("alice"), Wallet::from_seed("bob"));
    let cookies =
        [private.sign_in(&alice).await, private.sign_in(&alice).await, private.sign_in(&bob).await];
    let issuer = alice.issuer().to_string();
    let list = format!("/admin/sessions?issuer={issuer}");

    let (status, listed) = private.administer("GET", &list).await;
    assert_eq!((status, &listed["issuer"]), (StatusCode::OK, &json!(issuer)));
    let sessions = listed["sessions"].as_array().expect("a list");
    assert_eq!(sessions.len(), 2);
    for session in sessions {
        let keys: HashSet<_> = session.as_object().expect("one").keys().cloned().collect();
        let expected = ["issuer", "session", "email", "created_at", "last_seen", "expires_at"];
        assert_eq!(keys, expected.map(str::to_owned).into(), "and nothing that opens it");
    }
    let told = listed.to_string();
    for cookie in &cookies {
        let (_, id) = cookie.split_once('=').expect("a pair");
        assert!(!told.contains(id), "no cookie is told");
    }

    let one = sessions[0]["session"].as_str().expect("a handle");
    let revoke = format!("/admin/revoke?issuer={issuer}");
    let expected = json!({ "issuer": issuer, "session": one, "revoked": true });
    let answer = private.administer("POST", &format!("{revoke}&session={one}")).await;
    assert_eq!(answer, (StatusCode::OK, expected));
    let expected = json!({ "issuer": issuer, "session": one, "revoked": false });
    let answer = private.administer("POST", &format!("{revoke}&session={one}")).await;
    assert_eq!(answer, (StatusCode::OK, expected), "it was ended before");
    let open = [private.opens(&cookies[0]).await, private.opens(&cookies[1]).await];
    assert_eq!(open, [false, true]);
    let bobs = format!("/admin/revoke?issuer={}&session=", bob.issuer());
    let other = sessions[1]["session"].as_str().expect("a handle");
    let (_, answer) = private.administer("POST", &format!("{bobs}{other}")).await;
    assert_eq!(answer["revoked"], false, "it is not bob's");
    assert!(private.opens(&cookies[1]).await);

    let expected = json!({ "issuer": issuer, "session": null, "revoked": true });
    assert_eq!(private.administer("POST", &revoke).await, (StatusCode::OK, expected));
    assert!(!private.opens(&cookies[1]).await);
    assert!(private.opens(&cookies[2]).await, "bob stays");
    let (_, listed) = private.administer("GET", &list).await;
    assert_eq!(listed["sessions"], json!([]));
    // Percent-encoded, and in lower case: one key is one identity.
    let encoded = issuer.to_lowercase().replace(':', "%3A");
    let (status, listed) =
        private.administer("GET", &format!("/admin/sessions?issuer={encoded}")).await;
    assert_eq!((status, &listed["issuer"]), (StatusCode::OK, &json!(issuer)));
}

#[tokio::test]
async fn an_administrators_list_comes_in_pages_too() {
    let private = Private::new(MemoryStore::new(), Some(SECRET));
    let alice = Wallet::from_seed("alice");
    for _ in 0..105 {
        private.sign_in(&alice).await;
    }
    let list = format!("/admin/sessions?issuer={}", alice.issuer());
    let (_, first) = private.administer("GET", &list).await;
    assert_eq!(first["sessions"].as_array().map(Vec::len), Some(100));
    let next = first["next"].as_str().expect("a cursor");
    let (_, rest) = private.administer("GET", &format!("{list}&cursor={next}")).await;
    assert_eq!(rest["sessions"].as_array().map(Vec::len), Some(5));
    assert_eq!(rest["next"], json!(null));
    let (_, few) = private.administer("GET", &format!("{list}&limit=3")).await;
    assert_eq!(few["sessions"], json!(first["sessions"].as_array().expect("a list")[..3]));
    for bad in ["&limit=101", "&limit=0", "&cursor=1", "&page=2"] {
        let (status, _) = private.administer("GET", &format!("{list}{bad}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{bad}");
    }
}

#[tokio::test]
async fn a_mistyped_request_ends_nothing() {
    let private = Private::new(MemoryStore::new(), Some(SECRET));
    let alice = Wallet::from_seed("alice");
    let cookie = private.sign_in(&alice).await;
    let (issuer, bob) = (alice.issuer(), Wallet::from_seed("bob").issuer());
    let handle = "0".repeat(64);
    let queries = [
        String::new(),
        "issuer=".to_owned(),
        "issuer=alice".to_owned(),
        format!("issuer={issuer}&issuer={issuer}"),
        format!("issuer={issuer}&issuer={bob}"),
        format!("issuer={issuer}&sesion={handle}"),
        format!("issuer={issuer}&session="),
        format!("issuer={issuer}&session=1"),
        format!("issuer={issuer}&session={handle}&session={handle}"),
        format!("issuer={issuer}&x"),
        format!("issuer=%20{issuer}"),
        format!("Issuer={issuer}"),
    ];
    for query in queries {
        let answer = private.administer("POST", &format!("/admin/revoke?{query}")).await;
        let expected = (StatusCode::BAD_REQUEST, json!({ "error": "invalid_request" }));
        assert_eq!(answer, expected, "{query}");
    }
    let path = format!("/admin/revoke?issuer={issuer}");
    let (status, _) = private.administer("GET", &path).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "a link ends nothing");
    assert!(private.opens(&cookie).await);
    let (status, _) = private
        .administer("GET", &format!("/admin/sessions?issuer={issuer}&session={handle}"))
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_the_store_cannot_do_is_told() {
    let issuer = Wallet::from_seed("alice").issuer();
    let list = format!("/admin/sessions?issuer={issuer}");
    let revoke = format!("/admin/revoke?issuer={issuer}");

    let sealed = SealedStore::new(SealingKeys::generate().expect("keys"), MemoryLedger::new());
    let private = Private::new(sealed, Some(SECRET));
    let answer = private.administer("GET", &list).await;
    assert_eq!(answer, (StatusCode::NOT_IMPLEMENTED, json!({ "error": "unsupported" })));
    assert_eq!(private.administer("POST", &revoke).await.0, StatusCode::OK);

    let private = Private::new(FaultyStore::unreachable(), Some(SECRET));
    for (method, path) in [("GET", &list), ("POST", &revoke)] {
        let answer = private.administer(method, path).await;
        let expected = json!({ "error": "temporarily_unavailable" });
        assert_eq!(answer, (StatusCode::SERVICE_UNAVAILABLE, expected), "{path}");
    }
}

/// The lines of Prometheus' text format: every sample has its family's name, and a number.
fn samples(text: &str) -> Vec<(String, f64)> {
    let mut families = HashSet::new();
    let mut samples = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            let (kind, name) = (words.next().expect("a kind"), words.next().expect("a name"));
            assert!(matches!(kind, "HELP" | "TYPE"), "{line}");
            families.insert(name.to_owned());
            continue;
        }
        let (name, value) = line.rsplit_once(' ').expect("a name and a value");
        let family = name.split('{').next().expect("a name");
        let of_histogram =
            ["_bucket", "_sum", "_count"].iter().find_map(|end| family.strip_suffix(end));
        let known = [Some(family), of_histogram].into_iter().flatten();
        assert!(known.into_iter().any(|family| families.contains(family)), "{line}");
        samples.push((name.to_owned(), value.parse().expect("a number")));
    }
    samples
}

#[test]
fn what_was_measured_is_told_in_prometheus_text_format() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let recorder = measures::recorder().expect("a recorder");
    let text = metrics::with_local_recorder(&recorder, || {
        measures::describe();
        runtime.block_on(async {
            let private = Private::new(MemoryStore::new(), None);
            let stop = private.stopper.stop();
            private.sign_in(&Wallet::from_seed("alice")).await;
            let audit = Audit::new(&Log::default());
            let measures = Measures::of(&recorder);
            let sites = Sites::one(private.auth.clone());
            let router = super::router(&sites, measures, stop, 1, None, audit, None);
            let request = Request::get("/metrics").body(Body::empty()).expect("a request");
            let response = router.oneshot(request).await.expect("infallible");
            assert_eq!(response.status(), StatusCode::OK);
            let kind = response.headers()["content-type"].to_str().expect("ASCII");
            assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
            text(response).await
        })
    });
    let samples = samples(&text);
    let value = |name: &str| {
        let found = samples.iter().find(|(sample, _)| sample == name);
        found.unwrap_or_else(|| panic!("no {name} in {text}")).1
    };
    assert_eq!(value(r#"didt_requests_total{outcome="session"}"#), 1.0);
    assert_eq!(
        value(&format!("didt_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"))),
        1.0
    );
    assert!(value("process_start_time_seconds") > 1.6e9);
    let minted = |what: &str, more: &str| {
        value(&format!(r#"didt_store_seconds_{what}{{operation="mint",outcome="minted"{more}}}"#))
    };
    assert_eq!(minted("count", ""), 1.0);
    assert_eq!(minted("bucket", r#",le="+Inf""#), 1.0);
    assert!(minted("bucket", r#",le="5""#) <= 1.0);
    assert!(!text.contains("quantile"), "histograms, which can be added up over machines");
}

#[tokio::test]
async fn nothing_else_is_here() {
    let private = Private::new(MemoryStore::new(), Some(SECRET));
    for path in
        ["/", "/metrics/", "/healthz/x", "/auth/session", "/check/nginx", "/admin", "/admin/"]
    {
        assert_eq!(private.get(path).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
}
