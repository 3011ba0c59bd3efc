use http::StatusCode;
use serde_json::json;
use tower_didt::sealed::MemoryLedger;
use tower_didt::store::DEFAULT_MAX_SESSIONS_PER_ISSUER;
use tower_didt::testing::Wallet;
use tower_didt::{Clock, SealedStore, SealingKeys};
use tower_didt_test_support::store::{Call, FaultyStore};

use super::super::config::Config;
use super::super::policy::{Access, Admit, Policy, Rule};
use super::super::test_support::{
    AUDIENCE, Gateway, PROXY, START, alice, bearer, bob, config, empty, get, post, with_cookie,
};

async fn status(gateway: &Gateway, request: http::request::Builder) -> StatusCode {
    gateway.send(PROXY, empty(request)).await.status
}

#[tokio::test]
async fn a_token_becomes_a_cookie_without_a_body() {
    let gateway = Gateway::new(config());
    let request = bearer(post("/auth/login"), &gateway.token(&alice()));
    let answer = gateway.send(PROXY, empty(request)).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert!(answer.body.is_empty());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let cookie = answer.header("set-cookie").expect("a cookie");
    for attribute in
        ["__Host-didt=", "Secure", "HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=604800"]
    {
        assert!(cookie.contains(attribute), "{attribute}: {cookie}");
    }
}

#[tokio::test]
async fn who_asks_for_json_gets_issuer_and_expiry() {
    let gateway = Gateway::new(config());
    let rows = [
        ("application/json", true),
        ("text/html, Application/JSON;q=0.9", true),
        ("*/*", false),
        ("application/jsonp", false),
    ];
    for (accept, expected) in rows {
        let wallet = Wallet::from_seed(accept);
        let request = bearer(post("/auth/login"), &gateway.token(&wallet));
        let answer = gateway.send(PROXY, empty(request.header("accept", accept))).await;
        if !expected {
            assert_eq!(answer.status, StatusCode::NO_CONTENT, "{accept}");
            continue;
        }
        let body = answer.json();
        assert_eq!(body["issuer"], json!(wallet.issuer()));
        assert_eq!(body["created"], START.as_secs());
        assert_eq!(body["expires"], START.as_secs() + 604_800);
    }
}

#[tokio::test]
async fn signing_in_takes_a_good_token_that_was_not_used() {
    let gateway = Gateway::new(config());
    let token = gateway.token(&alice());
    let login = |token: &str| bearer(post("/auth/login"), token);
    assert_eq!(status(&gateway, login(&token)).await, StatusCode::NO_CONTENT);

    let again = gateway.send(PROXY, empty(login(&token))).await;
    assert_eq!(again.status, StatusCode::UNAUTHORIZED, "no cookie, no yes");
    let challenge = again.header("www-authenticate").expect("a challenge");
    assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
    assert_eq!(again.cookie(), None);
    assert_eq!(again.header("x-auth-reason"), Some("token_used"));

    let bad = gateway.send(PROXY, empty(login("nonsense"))).await;
    assert_eq!(bad.status, StatusCode::UNAUTHORIZED);
    assert_eq!(bad.header("x-auth-reason"), None, "whoever tries tokens learns nothing");
    let other = alice().token("did:magic:other").issued_at(gateway.clock.now()).mint();
    assert_eq!(status(&gateway, login(&other)).await, StatusCode::UNAUTHORIZED);

    let none = gateway.send(PROXY, empty(post("/auth/login"))).await;
    assert_eq!(none.status, StatusCode::UNAUTHORIZED);
    assert_eq!(none.header("www-authenticate"), Some("Bearer realm=\"magic\""));
    let cookie = gateway.sign_in(&bob()).await;
    let with_cookie_alone = with_cookie(post("/auth/login"), &cookie);
    assert_eq!(status(&gateway, with_cookie_alone).await, StatusCode::UNAUTHORIZED);

    let fresh = gateway.token(&Wallet::from_seed("carol"));
    let wrong_method = gateway.send(PROXY, empty(bearer(get("/auth/login"), &fresh))).await;
    assert_eq!(wrong_method.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(wrong_method.cookie(), None, "{wrong_method:?}");
}

/// GHSA-f24x-5g9q-753f: the sign-in path replaces a session that is there.
#[tokio::test]
async fn signing_in_as_somebody_else_replaces_the_session() {
    let gateway = Gateway::new(config());
    let alices = gateway.sign_in(&alice()).await;
    let request = with_cookie(bearer(post("/auth/login"), &gateway.token(&bob())), &alices);
    let bobs = gateway.send(PROXY, empty(request)).await.cookie().expect("a new session");
    assert_ne!(alices, bobs);
    let who = async |cookie: &str| {
        gateway.send(PROXY, empty(with_cookie(get("/auth/session"), cookie))).await
    };
    assert_eq!(who(&bobs).await.json()["issuer"], json!(bob().issuer()));
    assert_eq!(who(&alices).await.status, StatusCode::UNAUTHORIZED);
}

/// With such a rule it is replaced: `a_rule_for_fresh_sessions_asks_to_sign_in_again`.
#[tokio::test]
async fn where_no_rule_asks_for_a_fresh_session_signing_in_again_keeps_the_one_there_is() {
    let policy = Policy::new(Vec::new(), Rule::otherwise(Access::Required, Admit::AnyKey));
    let gateway = Gateway::new(Config { policy, ..config() });
    let cookie = gateway.sign_in(&alice()).await;
    let again = with_cookie(bearer(post("/auth/login"), &gateway.token(&alice())), &cookie);
    let again = gateway.send(PROXY, empty(again)).await;
    assert_eq!((again.status, again.cookie()), (StatusCode::NO_CONTENT, None));
    assert_eq!(status(&gateway, with_cookie(get("/auth/session"), &cookie)).await, 200);
}

#[tokio::test]
async fn a_foreign_page_signs_nobody_in_or_out() {
    let gateway = Gateway::new(config());
    let cookie = gateway.sign_in(&alice()).await;
    let foreign = |builder: http::request::Builder| {
        builder.header("sec-fetch-site", "cross-site").header("origin", "https://evil.example")
    };
    let login = foreign(bearer(post("/auth/login"), &gateway.token(&bob())));
    assert_eq!(status(&gateway, login).await, StatusCode::FORBIDDEN);
    let logout = foreign(with_cookie(post("/auth/logout"), &cookie));
    assert_eq!(status(&gateway, logout).await, StatusCode::FORBIDDEN);
    assert_eq!(status(&gateway, with_cookie(get("/auth/session"), &cookie)).await, 200);
}

#[tokio::test]
async fn signing_out_ends_the_session_and_takes_the_cookie_away() {
    let gateway = Gateway::new(config());
    let cookie = gateway.sign_in(&alice()).await;
    let other = gateway.sign_in(&alice()).await;
    let answer = gateway.send(PROXY, empty(with_cookie(post("/auth/logout"), &cookie))).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert!(answer.clears_cookie(), "{answer:?}");
    let session = |cookie: &str| with_cookie(get("/auth/session"), cookie);
    assert_eq!(status(&gateway, session(&cookie)).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(&gateway, session(&other)).await, StatusCode::OK);

    let again = gateway.send(PROXY, empty(with_cookie(post("/auth/logout"), &cookie))).await;
    assert_eq!(again.status, StatusCode::NO_CONTENT, "twice is no error");
    assert_eq!(status(&gateway, post("/auth/logout")).await, StatusCode::NO_CONTENT);
}

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// As browsers send the form of a page of their own site: with Fetch Metadata, and from before.
const OWN_FORMS: [&[(&str, &str)]; 3] = [
    &[
        FORM,
        ("origin", "https://app.example.com"),
        ("accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
    ],
    &[
        FORM,
        // Of a page with `Referrer-Policy: no-referrer`.
        ("origin", "null"),
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
    ],
    &[
        FORM,
        ("origin", "https://app.example.com"),
        ("accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
    ],
];

fn logout(
    query: &str,
    headers: &[(&str, &str)],
    cookie: &str,
    body: &str,
) -> http::Request<axum::body::Body> {
    let mut request = post(&format!("/auth/logout{query}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    with_cookie(request, cookie).body(body.to_owned().into()).expect("a request")
}

#[tokio::test]
async fn a_form_of_an_own_page_signs_out_and_leads_the_person_on() {
    let gateway = Gateway::new(config());
    for headers in OWN_FORMS {
        for (query, body, to) in [
            ("", "", "/"),
            ("?rd=/bye", "", "/bye"),
            ("", "rd=%2Fbye%3Fa%3Db", "/bye?a=b"),
            ("", "rd=https%3A%2F%2Fapp.example.com%2Fbye", "/bye"),
            ("?rd=/bye", "everywhere=0", "/bye"),
            ("?rd=https://evil.example/", "", "/"),
            ("", "rd=//evil.example", "/"),
            ("", "rd=/bye%0d%0aSet-Cookie:%20x=y", "/"),
            ("?rd=/auth/sign-in", "", "/"),
        ] {
            let cookie = gateway.sign_in(&alice()).await;
            let answer = gateway.send(PROXY, logout(query, headers, &cookie, body)).await;
            assert_eq!(answer.status, StatusCode::SEE_OTHER, "{query} {body}: {answer:?}");
            assert_eq!(answer.header("location"), Some(to), "{query} {body}");
            assert!(answer.clears_cookie(), "{query} {body}");
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert_eq!(status(&gateway, with_cookie(get("/auth/session"), &cookie)).await, 401);
            let again = gateway.send(PROXY, logout(query, headers, &cookie, "")).await;
            assert_eq!(again.status, StatusCode::SEE_OTHER, "who is signed out is led on too");
        }
    }
    let two = [gateway.sign_in(&alice()).await, gateway.sign_in(&alice()).await];
    let answer = gateway.send(PROXY, logout("", OWN_FORMS[0], &two[0], "everywhere=1")).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    for cookie in &two {
        assert_eq!(status(&gateway, with_cookie(get("/auth/session"), cookie)).await, 401);
    }
}

#[tokio::test]
async fn a_form_of_a_foreign_page_signs_nobody_out() {
    let gateway = Gateway::new(config());
    let cookie = gateway.sign_in(&alice()).await;
    for (name, headers) in [
        ("a foreign page", &[("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")]),
        (
            "another sub-domain",
            &[("origin", "https://x.example.com"), ("sec-fetch-site", "same-site")],
        ),
        ("a sandboxed frame", &[("origin", "null"), ("sec-fetch-site", "cross-site")]),
        ("a page without an origin", &[FORM, ("sec-fetch-site", "cross-site")]),
        ("before Fetch Metadata", &[FORM, ("origin", "https://evil.example")]),
        ("another port", &[FORM, ("origin", "https://app.example.com:8443")]),
        ("a look-alike", &[FORM, ("origin", "https://app.example.com.evil.example")]),
        ("null before Fetch Metadata", &[FORM, ("origin", "null")]),
        ("no origin at all", &[FORM, ("origin", "")]),
        (
            "two origins",
            &[("origin", "https://app.example.com"), ("origin", "https://app.example.com")],
        ),
    ] {
        let headers = [&[FORM], &headers[..]].concat();
        let answer = gateway.send(PROXY, logout("?rd=/bye", &headers, &cookie, "")).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{name}");
        assert_eq!((answer.header("location"), answer.cookie()), (None, None), "{name}");
        assert!(!answer.clears_cookie(), "{name}");
    }
    assert_eq!(status(&gateway, with_cookie(get("/auth/session"), &cookie)).await, 200);
}

/// curl and scripts send forms too, and go nowhere.
#[tokio::test]
async fn a_program_that_signs_out_gets_no_redirect_and_a_form_is_read_strictly() {
    let gateway = Gateway::new(config());
    let accept = |value| ("accept", value);
    let script = [FORM, ("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors")];
    for headers in [&[FORM, accept("*/*")][..], &script, &[accept("application/json")]] {
        let cookie = gateway.sign_in(&alice()).await;
        let answer = gateway.send(PROXY, logout("?rd=/bye", headers, &cookie, "")).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{headers:?}");
        assert_eq!(answer.header("location"), None);
        assert!(answer.clears_cookie());
    }
    let cookie = gateway.sign_in(&alice()).await;
    let long = format!("rd=/{}", "x".repeat(8 * 1024));
    for (query, body) in [
        ("?everywhere=1", "everywhere=0"),
        ("?rd=/a", "rd=/b"),
        ("?rd=/a&rd=/b", ""),
        ("", "rd=/a&rd=/b"),
        ("", "everywhere=yes"),
        ("", "nowhere=1"),
        ("", &long),
    ] {
        let answer = gateway.send(PROXY, logout(query, OWN_FORMS[0], &cookie, body)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query} {body:.20}");
        assert!(!answer.clears_cookie());
    }
    assert_eq!(status(&gateway, with_cookie(get("/auth/session"), &cookie)).await, 200);
}

#[tokio::test]
async fn signing_out_everywhere_ends_all_of_this_issuers_sessions() {
    let gateway = Gateway::new(config());
    let cookies = [gateway.sign_in(&alice()).await, gateway.sign_in(&alice()).await];
    let bobs = gateway.sign_in(&bob()).await;
    for nonsense in ["everywhere=yes", "everywhere=1&everywhere=0", "everywhere", "nowhere=1"] {
        let request = with_cookie(post(&format!("/auth/logout?{nonsense}")), &cookies[0]);
        assert_eq!(status(&gateway, request).await, StatusCode::BAD_REQUEST, "{nonsense}");
    }
    let nobody = post("/auth/logout?everywhere=1");
    assert_eq!(status(&gateway, nobody).await, StatusCode::UNAUTHORIZED);
    let request = with_cookie(post("/auth/logout?everywhere=1"), &cookies[0]);
    assert_eq!(status(&gateway, request).await, StatusCode::NO_CONTENT);
    for cookie in &cookies {
        let session = with_cookie(get("/auth/session"), cookie);
        assert_eq!(status(&gateway, session).await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(status(&gateway, with_cookie(get("/auth/session"), &bobs)).await, StatusCode::OK);
}

/// CVE-2024-39315: what is told about a session opens nothing.
#[tokio::test]
async fn a_session_is_described_without_a_secret() {
    let gateway = Gateway::new(config());
    let cookie = gateway.sign_in(&alice()).await;
    let (_, id) = cookie.split_once('=').expect("a pair");
    for path in ["/auth/session", "/auth/sessions"] {
        let answer = gateway.send(PROXY, empty(with_cookie(get(path), &cookie))).await;
        let body = String::from_utf8(answer.body.to_vec()).expect("text");
        assert!(!body.contains(id), "{path}: {body}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    let session = gateway.send(PROXY, empty(with_cookie(get("/auth/session"), &cookie))).await;
    let keys: Vec<_> = session.json().as_object().expect("an object").keys().cloned().collect();
    assert_eq!(keys, ["address", "created", "expires", "issuer", "session"]);
    assert_eq!(session.json()["address"], alice().issuer().address().to_string());
    // CVE-2019-16782: the handle that is told is no cookie.
    let handle = session.json()["session"].as_str().expect("a handle").to_owned();
    let as_cookie = with_cookie(get("/auth/session"), &format!("__Host-didt={handle}"));
    assert_eq!(status(&gateway, as_cookie).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn sessions_are_listed_and_ended_one_by_one_by_their_owner_alone() {
    let gateway = Gateway::new(config());
    let first = gateway.sign_in(&alice()).await;
    gateway.clock.advance(std::time::Duration::from_secs(5));
    let second = gateway.sign_in(&alice()).await;
    let bobs = gateway.sign_in(&bob()).await;
    let list = gateway.send(PROXY, empty(with_cookie(get("/auth/sessions"), &second))).await;
    let list = list.json();
    let sessions = list["sessions"].as_array().expect("a list");
    let current: Vec<_> = sessions.iter().map(|session| session["current"].clone()).collect();
    assert_eq!(current, [json!(false), json!(true)], "oldest first");
    assert_eq!(sessions[0]["created"], START.as_secs());
    let handle = sessions[0]["session"].as_str().expect("a handle");

    let end = |handle: &str, cookie: &str| {
        with_cookie(get(&format!("/auth/sessions/{handle}")).method("DELETE"), cookie)
    };
    assert_eq!(status(&gateway, end(handle, &bobs)).await, StatusCode::NOT_FOUND);
    assert_eq!(status(&gateway, end("nonsense", &second)).await, StatusCode::NOT_FOUND);
    assert_eq!(status(&gateway, end(handle, &second)).await, StatusCode::NO_CONTENT);
    assert_eq!(status(&gateway, end(handle, &second)).await, StatusCode::NOT_FOUND);
    assert_eq!(status(&gateway, with_cookie(get("/auth/session"), &first)).await, 401);
    assert_eq!(status(&gateway, with_cookie(get("/auth/session"), &second)).await, 200);
}

/// One made-up key signs in without end: its list stays a page, and its sessions a few hundred.
#[tokio::test]
async fn a_list_of_sessions_comes_in_pages_however_often_somebody_signs_in() {
    let gateway = Gateway::new(config());
    let mut cookie = String::new();
    for _ in 0..DEFAULT_MAX_SESSIONS_PER_ISSUER.get() + 20 {
        cookie = gateway.sign_in(&alice()).await;
        gateway.clock.advance(std::time::Duration::from_secs(1));
    }
    gateway.sign_in(&bob()).await;
    let page = async |query: &str| {
        let path = format!("/auth/sessions{query}");
        gateway.send(PROXY, empty(with_cookie(get(&path), &cookie))).await
    };
    let (mut query, mut created, mut sizes) = (String::new(), Vec::new(), Vec::new());
    loop {
        let answer = page(&query).await;
        assert!(answer.body.len() < 32 * 1024, "{} bytes", answer.body.len());
        let page = answer.json();
        let sessions = page["sessions"].as_array().expect("a list");
        sizes.push(sessions.len());
        created.extend(sessions.iter().map(|one| one["created"].as_i64().expect("a time")));
        let Some(next) = page["next"].as_str() else { break };
        query = format!("?cursor={next}");
    }
    assert_eq!(sizes, [100, 100, 56]);
    let first = START.as_secs() + 20;
    assert_eq!(created, (first..first + 256).collect::<Vec<_>>(), "the newest, oldest first");

    let two = page("?limit=2").await.json();
    assert_eq!(two["sessions"].as_array().map(Vec::len), Some(2));
    let next = two["next"].as_str().expect("a cursor");
    let rest = page(&format!("?limit=1&cursor={next}")).await.json();
    assert_eq!(rest["sessions"][0]["created"], created[2]);
    for bad in [
        "?limit=0",
        "?limit=101",
        "?limit=-1",
        "?limit=all",
        "?limit=1&limit=2",
        "?cursor=",
        "?cursor=1",
        "?cursor=zzzzzzzzzzzzzzzz",
        "?cursor=0000000000000000&cursor=0000000000000000",
    ] {
        let answer = page(bad).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{bad}");
        assert_eq!(answer.json(), json!({ "error": "invalid_request" }), "{bad}");
    }
}

#[tokio::test]
async fn asking_who_one_is_with_a_token_signs_nobody_in() {
    let gateway = Gateway::new(config());
    let token = gateway.token(&alice());
    for path in ["/auth/session", "/auth/sessions"] {
        let answer = gateway.send(PROXY, empty(bearer(get(path), &token))).await;
        assert_eq!((answer.status, answer.cookie()), (StatusCode::OK, None), "{path}");
        assert_eq!(answer.json()["issuer"], json!(alice().issuer()), "{path}");
    }
    assert_eq!(status(&gateway, bearer(post("/auth/login"), &token)).await, 204);
}

#[tokio::test]
async fn a_bound_login_takes_the_challenge_of_the_same_browser() {
    let gateway =
        Gateway::with(config(), |auth| auth.with_bound_login(tower_didt::BoundLogin::required()));
    let challenge = gateway.send(PROXY, empty(post("/auth/challenge"))).await;
    let cookie = challenge.cookie().expect("the challenge's cookie");
    let body = challenge.json();
    let value = body["challenge"].as_str().expect("its value");
    let alice = alice();
    let token = alice.token(AUDIENCE).issued_at(gateway.clock.now()).attachment(value).mint();
    assert_eq!(status(&gateway, bearer(post("/auth/login"), &token)).await, 401);
    let bound = with_cookie(bearer(post("/auth/login"), &token), &cookie);
    assert_eq!(status(&gateway, bound).await, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn without_a_key_there_is_no_key_set() {
    assert_eq!(status(&Gateway::new(config()), get("/auth/jwks.json")).await, 404);
}

#[tokio::test]
async fn a_store_that_does_not_list_sessions_says_so() {
    let keys = SealingKeys::generate().expect("a key");
    let gateway = Gateway::with_store(SealedStore::new(keys, MemoryLedger::new()));
    let cookie = gateway.sign_in(&alice()).await;
    let answer = gateway.send(PROXY, empty(with_cookie(get("/auth/sessions"), &cookie))).await;
    assert_eq!(answer.status, StatusCode::NOT_IMPLEMENTED);
    assert_eq!(answer.json(), json!({ "error": "not_implemented" }));
}

#[tokio::test]
async fn a_sign_out_that_the_store_was_not_told_of_is_none() {
    let store = FaultyStore::default();
    store.set_failing(Call::Revoke, true);
    store.set_failing(Call::RevokeAll, true);
    let gateway = Gateway::with_store(store);
    let cookie = gateway.sign_in(&alice()).await;
    for path in ["/auth/logout", "/auth/logout?everywhere=1"] {
        let answer = gateway.send(PROXY, empty(with_cookie(post(path), &cookie))).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert!(answer.header("retry-after").is_some(), "{path}");
        assert_eq!(answer.header("set-cookie"), None, "{path}: the cookie stays");
    }
    assert_eq!(status(&gateway, with_cookie(get("/auth/session"), &cookie)).await, 200);
}

fn cors_gateway() -> Gateway {
    let trusted = vec!["https://app.example.org".to_owned()];
    let settings = Config { trusted_origins: trusted.clone(), ..config() };
    Gateway::with(settings, |auth| auth.with_trusted_origins(trusted).expect("origins"))
}

fn preflight(path: &str, origin: &str) -> http::Request<axum::body::Body> {
    let request = get(path).method("OPTIONS").header("origin", origin);
    let request = request.header("access-control-request-method", "POST");
    empty(request.header("access-control-request-headers", "authorization"))
}

/// No browser sends `Authorization` to another origin without this.
#[tokio::test]
async fn pages_of_trusted_origins_and_no_others_get_cors() {
    let gateway = cors_gateway();
    let (page, other) = ("https://app.example.org", "https://evil.example.org");
    for path in
        ["/auth/login", "/auth/logout", "/auth/session", "/auth/sessions", "/auth/challenge"]
    {
        let allowed = gateway.send(PROXY, preflight(path, page)).await;
        assert_eq!(allowed.status, StatusCode::NO_CONTENT, "{path}");
        assert_eq!(allowed.header("access-control-allow-origin"), Some(page), "{path}");
        assert_eq!(allowed.header("access-control-allow-credentials"), Some("true"), "{path}");
        let headers = allowed.header("access-control-allow-headers").expect("headers");
        assert!(headers.contains("authorization"), "{path}: {headers}");
        assert_eq!(allowed.header("vary"), Some("origin"), "{path}");
        let refused = gateway.send(PROXY, preflight(path, other)).await;
        assert_eq!(refused.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(refused.header("access-control-allow-origin"), None, "{path}");
        assert_eq!(refused.header("vary"), Some("origin"), "{path}");
    }
    for (origin, expected) in [(page, Some(page)), (other, None), ("null", None)] {
        // What is answered, and what is refused.
        let denied =
            gateway.send(PROXY, empty(get("/auth/session").header("origin", origin))).await;
        assert_eq!(denied.status, StatusCode::UNAUTHORIZED);
        assert_eq!(denied.header("access-control-allow-origin"), expected, "{origin}");
        let token = gateway.token(&alice());
        let request = bearer(post("/auth/login").header("origin", origin), &token);
        let answer = gateway.send(PROXY, empty(request)).await;
        let signed_in = if origin == page { StatusCode::NO_CONTENT } else { StatusCode::FORBIDDEN };
        assert_eq!(answer.status, signed_in, "{origin}");
        assert_eq!(answer.header("access-control-allow-origin"), expected, "{origin}");
        // A gateway passes denials of its checks on.
        let question = get("/check/traefik")
            .header("x-forwarded-method", "GET")
            .header("x-forwarded-proto", "https")
            .header("x-forwarded-host", "api.example.com")
            .header("x-forwarded-uri", "/private")
            .header("origin", origin);
        let denied = gateway.send(PROXY, empty(question)).await;
        assert_eq!(denied.status, StatusCode::UNAUTHORIZED, "{denied:?}");
        assert_eq!(denied.header("access-control-allow-origin"), expected, "{origin}");
    }
    // What passes is the application's to answer, and with it who may read the answer.
    let question = get("/check/traefik")
        .header("x-forwarded-method", "GET")
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-host", "api.example.com")
        .header("x-forwarded-uri", "/public/x")
        .header("origin", page);
    let passed = gateway.send(PROXY, empty(question)).await;
    assert_eq!(passed.status, StatusCode::OK, "{passed:?}");
    assert_eq!(passed.header("access-control-allow-origin"), None);
    let none = Gateway::new(config()).send(PROXY, preflight("/auth/login", page)).await;
    assert_eq!(none.header("access-control-allow-origin"), None);
    assert_eq!(none.header("vary"), None);
}
