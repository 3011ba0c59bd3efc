//! What the page answers, over HTTP.

use std::time::Duration;

use axum::Router;
use http::StatusCode;
use tower_didt::page::{PageError, Script, SignInPage, Texts};
use tower_didt::testing::Wallet;
use tower_didt::{BoundLogin, DidAuth, Lifetimes, Refusal, RememberMe, SessionCookie};
use tower_didt_test_support::store::{Call, FaultyStore};

use crate::support::{AUDIENCE, Answer, BROWSER, SCRIPT, and, app, app_with, ask, auth, sign_in};

#[tokio::test]
async fn the_pages_have_a_strict_policy_and_are_kept_by_nobody() {
    let app = app(&auth());
    for page in [
        "/auth/sign-in?rd=/x",
        "/auth/callback?magic_credential=x",
        "/auth/sign-out",
        "/auth/refused?rd=/x",
    ] {
        let answer = ask(&app, "GET", page, BROWSER).await;
        let refused = page.contains("/refused");
        let status = if refused { StatusCode::FORBIDDEN } else { StatusCode::OK };
        assert_eq!(answer.status, status, "{page}");
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("x-frame-options"), "DENY");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin");
        assert!(["no-referrer", "same-origin"].contains(&answer.header("referrer-policy")));
        let policy = answer.header("content-security-policy");
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
        for part in [
            "default-src 'none'",
            "script-src 'self' https://cdn.jsdelivr.net/npm/magic-sdk@33.13.0/dist/magic.js;",
            "frame-src https://auth.magic.link;",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "connect-src 'self'",
        ] {
            assert!(policy.contains(part), "{part} in {policy}");
        }
        let html = answer.text();
        assert!(html.contains("<noscript>") || page.ends_with("sign-out"), "{page}");
        assert!(!html.contains("{{"), "an unfilled place in {page}: {html}");
        let handlers = html.split(" on").skip(1).filter_map(|rest| rest.split_once('='));
        let handler = handlers.map(|(name, _)| name).find(|name| !name.contains(' '));
        assert_eq!(handler, None, "{page}");
        assert!(!html.contains("style="), "{page}");
        assert_eq!(html.matches("<script").count(), 1, "and that one has a src");
        assert!(html.contains("<script defer src=\"page."), "{page}");
    }
}

#[tokio::test]
async fn nothing_that_a_visitor_sends_is_in_the_page() {
    let app = app(&auth());
    let plain = ask(&app, "GET", "/auth/sign-in", BROWSER).await;
    let attack = "/auth/sign-in?rd=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&x=%3Cb%3E";
    let evil = and(BROWSER, &[("user-agent", "<script>"), ("referer", "https://evil.example/<b>")]);
    assert_eq!(ask(&app, "GET", attack, &evil).await.body, plain.body);
}

#[tokio::test]
async fn what_settings_say_is_escaped() {
    let page =
        SignInPage::new(&auth(), "pk\"><script>").with_title("<b>&\"'").with_intro("</p><script>");
    let answer = ask(&app_with(&auth(), page), "GET", "/auth/sign-in", BROWSER).await;
    assert!(answer.text().contains("<h1>&lt;b&gt;&amp;&quot;&#39;</h1>"));
    assert!(answer.text().contains("data-key=\"pk&quot;&gt;&lt;script&gt;\""));
    assert_eq!(answer.text().matches("<script").count(), 1);
}

fn files(answer: &Answer) -> Vec<String> {
    let attributes = answer.text().split(['"', ' ']);
    let names =
        attributes.filter(|text| ["page.", "icon."].iter().any(|stem| text.starts_with(stem)));
    names.map(str::to_owned).collect()
}

#[tokio::test]
async fn files_are_kept_for_ever_and_come_compressed_to_those_who_ask() {
    let app = app(&auth());
    let files = files(&ask(&app, "GET", "/auth/sign-in", BROWSER).await);
    assert_eq!(files.len(), 3, "{files:?}");
    for file in files {
        let path = format!("/auth/{file}");
        let plain = ask(&app, "GET", &path, &[]).await;
        assert_eq!(plain.header("cache-control"), "public, max-age=31536000, immutable", "{file}");
        assert_eq!(plain.header("vary"), "accept-encoding");
        assert_eq!(plain.header("content-encoding"), "");
        assert_eq!(plain.header("x-content-type-options"), "nosniff");
        let packed = ask(&app, "GET", &path, &[("accept-encoding", "br, GZIP;q=0.8")]).await;
        assert_eq!(packed.header("content-encoding"), "gzip");
        let mut unpacked = Vec::new();
        let mut decoder = flate2::read::GzDecoder::new(&packed.body[..]);
        std::io::Read::read_to_end(&mut decoder, &mut unpacked).unwrap();
        assert_eq!(unpacked, plain.body, "{file}");
        let refused = ask(&app, "GET", &path, &[("accept-encoding", "gzip;q=0, br")]).await;
        assert_eq!(refused.body, plain.body);
        assert_eq!(ask(&app, "GET", &format!("{path}x"), &[]).await.status, StatusCode::NOT_FOUND);
        assert_eq!(ask(&app, "POST", &path, SCRIPT).await.status, StatusCode::METHOD_NOT_ALLOWED);
    }
}

#[tokio::test]
async fn people_are_offered_to_be_remembered_only_where_the_choice_is_theirs() {
    let thirty_days = Lifetimes::new(Duration::from_secs(30 * 24 * 3600));
    let by_application = auth().with_remember_me(RememberMe::new(thirty_days));
    let by_people = auth().with_remember_me(RememberMe::new(thirty_days).chosen_by_people());
    for (auth, offered) in [(&auth(), false), (&by_application, false), (&by_people, true)] {
        for email in [true, false] {
            let page = SignInPage::new(auth, "pk_live_test").with_email(email);
            let page = page.with_providers(["google"]).unwrap();
            let answer = ask(&app_with(auth, page), "GET", "/auth/sign-in", BROWSER).await;
            let boxes = answer.text().matches(r#"id="remember" type="checkbox">Keep me"#).count();
            assert_eq!(boxes, usize::from(offered));
            assert!(!answer.text().contains("checked"), "it is the person who ticks it");
        }
    }
    let token = Wallet::from_seed("alice").token(AUDIENCE).mint();
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("didt-remember", "yes")];
    let answer = ask(&app(&by_people), "POST", "/auth/sign-in", &and(SCRIPT, &headers)).await;
    assert!(answer.header("set-cookie").contains("Max-Age=2592000"));
}

/// What a browser loads of ours, over the wire.
#[test]
fn the_page_weighs_no_more_than_15_kilobytes() {
    let page = SignInPage::new(&auth(), "pk_live_test")
        .with_providers(["google", "github", "apple"])
        .unwrap();
    let weight = page.weight();
    assert!((4_000..15_000).contains(&weight), "{weight} bytes");
}

#[tokio::test]
async fn a_token_is_exchanged_for_the_cookie_and_who_is_signed_in_goes_straight_on() {
    let app = app(&auth());
    let session = ask(&app, "GET", "/auth/signed-in", SCRIPT).await;
    assert_eq!(session.text(), r#"{"signed_in":false}"#);
    let cookie = sign_in(&app).await;
    let signed_in = [("cookie", cookie.as_str())];
    let session = ask(&app, "GET", "/auth/signed-in", &and(SCRIPT, &signed_in)).await;
    assert_eq!(session.text(), r#"{"signed_in":true}"#);
    assert_eq!(session.header("cache-control"), "no-store");
    for (query, to) in [
        ("", "/"),
        ("?rd=/me", "/me"),
        ("?rd=https://app.example/me", "/me"),
        ("?rd=//evil.example", "/"),
        ("?rd=https://evil.example/", "/"),
        ("?rd=/me&rd=/me", "/"),
        ("?rd=%2Fme%3Fa%3Db", "/me?a=b"),
        ("?rd=%252Fme", "/"),
        ("?rd=/auth/sign-out", "/"),
        ("?rd=", "/"),
    ] {
        let on =
            ask(&app, "GET", &format!("/auth/sign-in{query}"), &and(BROWSER, &signed_in)).await;
        assert_eq!((on.status, on.header("location")), (StatusCode::SEE_OTHER, to), "{query}");
        assert_eq!(on.header("cache-control"), "no-store");
    }
    let long = format!("/auth/sign-in?rd=/me&x={}", "x".repeat(8 * 1024));
    let on = ask(&app, "GET", &long, &and(BROWSER, &signed_in)).await;
    assert_eq!(on.header("location"), "/", "a query of more than 8 KiB is not read");
    let again = ask(&app, "GET", "/auth/sign-in?again&rd=/me", &and(BROWSER, &signed_in)).await;
    assert_eq!(again.status, StatusCode::OK, "who is asked again sees the page");
}

#[tokio::test]
async fn people_go_back_to_listed_origins_and_to_hosts_below_the_cookies_domain() {
    let auth = auth()
        .with_cookie(SessionCookie::for_sub_domains("didt", "example.org").unwrap())
        .with_trusted_origins(["https://trusted.example"])
        .unwrap();
    let page = SignInPage::new(&auth, "pk_live_test")
        .with_return_origins(["https://listed.example"])
        .unwrap()
        .with_home("/start")
        .unwrap();
    let app = app_with(&auth, page);
    let alice = Wallet::from_seed("alice");
    let cookie = tower_didt::testing::sign_in(&auth, &alice).await;
    for (rd, to) in [
        ("https://trusted.example/a", "https://trusted.example/a"),
        ("https://listed.example/b", "https://listed.example/b"),
        ("https://wiki.example.org/c", "https://wiki.example.org/c"),
        ("https://example.org.evil.example/", "/start"),
        ("http://wiki.example.org/", "/start"),
        ("https://wiki.example.org:8443/", "/start"),
        ("https://wikiexample.org/", "/start"),
    ] {
        let headers = and(BROWSER, &[("cookie", cookie.to_str().unwrap())]);
        let on = ask(&app, "GET", &format!("/auth/sign-in?rd={rd}"), &headers).await;
        assert_eq!(on.header("location"), to, "{rd}");
    }
    let policy = ask(&app, "GET", "/auth/sign-out", BROWSER).await;
    let policy = policy.header("content-security-policy");
    assert!(
        policy.contains("form-action 'self' https://example.org https://*.example.org"),
        "{policy}"
    );
}

#[tokio::test]
async fn signing_out_takes_a_post_from_our_own_page() {
    let app = app(&auth());
    let cookie = sign_in(&app).await;
    let signed_in = [("cookie", cookie.as_str())];
    let alive =
        async || ask(&app, "GET", "/me", &and(SCRIPT, &signed_in)).await.status == StatusCode::OK;

    assert_eq!(
        ask(&app, "GET", "/auth/sign-out", &and(BROWSER, &signed_in)).await.status,
        StatusCode::OK
    );
    assert!(alive().await, "a link signs nobody out");
    for foreign in [
        &[
            ("host", "app.example"),
            ("sec-fetch-site", "cross-site"),
            ("origin", "https://evil.example"),
        ][..],
        &[("host", "app.example"), ("origin", "https://evil.example")],
        &[("host", "app.example"), ("origin", "null")],
        &[
            ("host", "app.example"),
            ("sec-fetch-site", "same-site"),
            ("origin", "https://blog.app.example"),
        ],
    ] {
        for path in ["/auth/sign-out", "/auth/sign-in", "/auth/challenge"] {
            let answer = ask(&app, "POST", path, &and(foreign, &signed_in)).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path} {foreign:?}");
            assert!(answer.headers.get("set-cookie").is_none());
        }
    }
    assert!(alive().await);

    let form = [
        ("host", "app.example"),
        ("accept", "text/html,*/*;q=0.8"),
        ("origin", "https://app.example"),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let out = ask(&app, "POST", "/auth/sign-out?rd=/bye", &and(&form, &signed_in)).await;
    assert_eq!((out.status, out.header("location")), (StatusCode::SEE_OTHER, "/bye"));
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    assert!(!alive().await);
    let again = ask(&app, "POST", "/auth/sign-out?rd=https://evil.example", SCRIPT).await;
    assert_eq!((again.status, again.text()), (StatusCode::OK, r#"{"location":"/"}"#));
}

#[tokio::test]
async fn a_rejection_has_a_word_for_the_page_and_says_no_more() {
    let alice = Wallet::from_seed("alice");
    let bearer = |token: String| format!("Bearer {token}");
    let old = bearer(alice.token(AUDIENCE).issued_at(tower_didt::Timestamp::from_secs(1)).mint());
    let other = bearer(alice.token("did:magic:other").mint());
    let good = || bearer(alice.token(AUDIENCE).mint());
    let single = auth().with_replay(tower_didt::Replay::SingleUse);
    let used = good();
    let refusing = auth().with_on_sign_in(async |_| Err::<(), _>(Refusal::forbidden()));
    let down = auth().with_on_sign_in(async |_| Err::<(), _>(Refusal::unavailable()));
    let bound = auth().with_bound_login(BoundLogin::required());
    let single_app = app(&single);
    let used_by_default = good();
    let default_app = app(&auth());
    ask(
        &default_app,
        "POST",
        "/auth/sign-in",
        &and(SCRIPT, &[("authorization", &used_by_default)]),
    )
    .await;
    ask(&single_app, "POST", "/auth/sign-in", &and(SCRIPT, &[("authorization", &used)])).await;
    let rows: [(&str, Router, String, u16, &str); 8] = [
        ("expired", app(&auth()), old, 401, "clock"),
        ("another application's", app(&auth()), other, 401, "not_accepted"),
        ("nonsense", app(&auth()), "Bearer x".to_owned(), 401, "not_accepted"),
        ("used", single_app, used, 401, "used"),
        ("used, and good for other requests", default_app, used_by_default, 401, "used"),
        ("refused", app(&refusing), good(), 403, "refused"),
        ("hook cannot tell", app(&down), good(), 503, "refused"),
        ("unbound", app(&bound), good(), 401, "challenge"),
    ];
    for (name, app, token, status, reason) in rows {
        let answer =
            ask(&app, "POST", "/auth/sign-in", &and(SCRIPT, &[("authorization", &token)])).await;
        assert_eq!(answer.status.as_u16(), status, "{name}");
        assert_eq!(answer.text(), format!(r#"{{"reason":"{reason}"}}"#), "{name}");
        assert!(answer.headers.get("set-cookie").is_none(), "{name}");
    }
}

#[tokio::test]
async fn a_sign_out_that_the_store_was_not_told_of_is_not_called_one() {
    let store = FaultyStore::default();
    let app = app(&auth().with_store(store.clone()));
    let cookie = sign_in(&app).await;
    store.set_failing(Call::Revoke, true);
    for accept in ["application/json", "text/html"] {
        let headers = [("cookie", cookie.as_str()), ("accept", accept)];
        let own = [("host", "app.example"), ("sec-fetch-site", "same-origin")];
        let answer = ask(&app, "POST", "/auth/sign-out", &and(&own, &headers)).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{accept}");
        assert!(answer.headers.get("set-cookie").is_none(), "the session is alive");
    }
}

#[tokio::test]
async fn a_rejection_that_takes_cookies_away_does_so_through_the_page_too() {
    let app = app(&auth());
    let token = format!("Bearer {}", Wallet::from_seed("alice").token(AUDIENCE).mint());
    let four = "__Host-didt=1; __Host-didt=2; __Host-didt=3; __Host-didt=4";
    let sent = and(SCRIPT, &[("authorization", &token), ("cookie", four)]);
    let answer = ask(&app, "POST", "/auth/sign-in", &sent).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let cleared = answer.header("set-cookie");
    assert!(cleared.contains("Max-Age=0"), "the next sign-in would fail too: {cleared:?}");
}

#[tokio::test]
async fn a_bound_login_takes_its_challenge_from_the_page() {
    let auth = auth().with_bound_login(BoundLogin::required());
    let app = app(&auth);
    let page = ask(&app, "GET", "/auth/sign-in", BROWSER).await;
    assert!(page.text().contains("data-bound"));
    let challenge = ask(&app, "POST", "/auth/challenge", SCRIPT).await;
    let cookie = challenge.header("set-cookie").split(';').next().unwrap().to_owned();
    let value: serde_json::Value = serde_json::from_slice(&challenge.body).unwrap();
    let alice = Wallet::from_seed("alice");
    let token = alice.token(AUDIENCE).attachment(value["challenge"].as_str().unwrap());
    let token = format!("Bearer {}", token.mint());
    let headers = and(SCRIPT, &[("authorization", &token), ("cookie", &cookie)]);
    assert_eq!(ask(&app, "POST", "/auth/sign-in", &headers).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_page_works_below_any_path_and_without_a_router() {
    use http::{Request, Response};
    use http_body_util::{BodyExt, Empty};
    use tower::ServiceExt;
    let page = SignInPage::new(&auth(), "pk_live_test").with_prefix("/account").unwrap();
    let ask = async |uri: &str| {
        let request = Request::get(uri).body(Empty::<bytes::Bytes>::new()).unwrap();
        let response: Response<_> = page.clone().oneshot(request).await.unwrap();
        (response.status(), response.into_body().collect().await.unwrap().to_bytes())
    };
    assert_eq!(ask("/account/sign-in").await.0, StatusCode::OK);
    assert_eq!(ask("/sign-in").await.0, StatusCode::OK, "with the prefix taken off");
    for no in ["/account", "/account/", "/account/x/sign-in", "/accountx/sign-in", "/", "/SIGN-IN"]
    {
        assert_eq!(ask(no).await.0, StatusCode::NOT_FOUND, "{no}");
    }
}

/// A home among the pages would send signed-in people there for ever.
#[test]
fn a_home_that_leads_back_to_the_page_is_refused() {
    let page = || SignInPage::new(&auth(), "pk_live_test");
    for home in ["/auth", "/auth/", "/auth/sign-in", "/auth/x?y"] {
        assert_eq!(page().with_home(home).err(), Some(PageError::Path), "{home}");
        let moved = page().with_prefix("/account").unwrap().with_home(home).unwrap();
        assert_eq!(moved.with_prefix("/auth").err(), Some(PageError::Path), "{home}");
    }
    assert!(page().with_home("/authors").is_ok());
    assert_eq!(
        page().with_prefix("/account").unwrap().with_home("/account").err(),
        Some(PageError::Path)
    );
    let root = || page().with_prefix("/").unwrap();
    assert!(root().with_home("/start").is_ok());
    for home in ["/sign-in", "/sign-in?again", "/callback", "/sign-out"] {
        assert_eq!(root().with_home(home).err(), Some(PageError::Path), "{home}");
    }
}

#[tokio::test]
async fn a_page_at_the_root_of_its_host_leads_back_to_other_paths() {
    let auth = auth();
    let page = SignInPage::new(&auth, "pk_live_test").with_prefix("/").unwrap();
    let page = page.with_home("/start").unwrap();
    let app = Router::new().fallback_service(page);
    let token = format!("Bearer {}", Wallet::from_seed("alice").token(AUDIENCE).mint());
    let answer = ask(&app, "POST", "/sign-in", &and(SCRIPT, &[("authorization", &token)])).await;
    let cookie = answer.cookie();
    let signed_in = [("cookie", &*cookie)];
    for (query, home) in [("?rd=/orders", "/orders"), ("", "/start"), ("?rd=//evil", "/start")] {
        let path = format!("/sign-in{query}");
        let answer = ask(&app, "GET", &path, &and(BROWSER, &signed_in)).await;
        assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, home));
    }
}

#[test]
fn settings_that_could_break_the_page_or_its_policy_are_refused() {
    let page = || SignInPage::new(&auth(), "pk_live_test");
    for bad in ["auth", "//evil", "/a/../b", "/a b"] {
        assert_eq!(page().with_prefix(bad).err(), Some(PageError::Path), "{bad}");
    }
    for bad in ["https://evil.example/", "//evil.example", "start"] {
        assert_eq!(page().with_home(bad).err(), Some(PageError::Path), "{bad}");
    }
    for bad in
        ["http://auth.example", "https://auth.example/", "https://a.example; script-src *", "*"]
    {
        assert_eq!(page().with_endpoint(bad).err(), Some(PageError::Endpoint), "{bad}");
    }
    assert!(page().with_endpoint("https://auth.example.com").is_ok());
    assert_eq!(page().with_providers(["myspace"]).err(), Some(PageError::Provider));
    for bad in ["javascript:alert(1)", "http://x.example/", "//x.example", "https://x.example/a b"]
    {
        assert_eq!(page().with_logo(bad).err(), Some(PageError::Link), "{bad}");
        assert_eq!(page().with_help_link(bad).err(), Some(PageError::Link), "{bad}");
    }
    let digest = "sha384-jYoYWKrywj9La074Nulf9jkjNsHb4zFV8jY0J0M4MLsb9toUSyh+GIBfiUMy1adx";
    assert!(Script::pinned("https://cdn.example/a.js", digest).is_ok());
    for (url, integrity) in [
        ("http://cdn.example/a.js", digest),
        ("https://cdn.example/a.js; x", digest),
        ("https://cdn.example/a.js,b", digest),
        ("https://cdn.example/a.js", "sha384-AAAA"),
        ("https://cdn.example/a.js", "md5-AAAA"),
        ("https://cdn.example/a.js", ""),
    ] {
        assert_eq!(
            Script::pinned(url, integrity).err(),
            Some(PageError::Script),
            "{url} {integrity}"
        );
    }
}

#[tokio::test]
async fn a_language_file_replaces_every_word_and_says_which_language_it_is() {
    let english: std::collections::BTreeMap<String, String> =
        serde_json::from_str(Texts::english()).unwrap();
    let marked = english.keys().map(|key| (key.clone(), format!("¿{key}?")));
    let mut marked: std::collections::BTreeMap<_, _> = marked.collect();
    marked.insert("lang".to_owned(), "es".to_owned());
    let texts = Texts::from_json(&serde_json::to_string(&marked).unwrap()).unwrap();
    let remembering = RememberMe::new(Lifetimes::default()).chosen_by_people();
    let page = SignInPage::new(&auth().with_remember_me(remembering), "pk").with_texts(texts);
    let page = page.with_providers(["google"]).unwrap();
    let page = page
        .with_privacy_link("/privacy")
        .unwrap()
        .with_help_link("https://help.example/")
        .unwrap();
    let app = app_with(&auth(), page);
    let mut all = String::new();
    for view in ["sign-in", "callback", "sign-out", "refused"] {
        let answer = ask(&app, "GET", &format!("/auth/{view}"), BROWSER).await;
        assert!(answer.text().contains("<html lang=\"es\">"));
        all += answer.text();
    }
    for (key, text) in &english {
        assert!(!all.contains(&format!(">{text}<")), "{key} is still English");
        assert!(key == "lang" || all.contains(&format!("¿{key}?")), "{key} is nowhere to be seen");
    }
    for bad in ["[]", "{\"titel\":\"x\"}", "{\"title\":\"\"}", "{\"title\":1}", "nonsense"] {
        assert_eq!(Texts::from_json(bad).err(), Some(PageError::Texts), "{bad}");
    }
    let long = format!("{{\"title\":\"{}\"}}", "x".repeat(1001));
    assert_eq!(Texts::from_json(&long).err(), Some(PageError::Texts));
    assert!(Texts::from_json("{\"title\":\"Anmelden\"}").is_ok(), "the rest stays English");
}

#[tokio::test]
async fn every_word_that_the_script_asks_for_is_in_the_language_file() {
    let english: serde_json::Value = serde_json::from_str(Texts::english()).unwrap();
    let script = include_str!("../../src/page/files/page.js");
    let mut asked = 0;
    for call in ["say(\"", "complain(\"", "Fault(\"", ": \"", ", \""] {
        for rest in script.split(call).skip(1) {
            let key = rest.split('"').next().unwrap();
            let named = matches!(call, "say(\"" | "complain(\"" | "Fault(\"") && !key.is_empty();
            asked += usize::from(named);
            assert!(!named || english.get(format!("say_{key}")).is_some(), "{key}");
        }
    }
    assert!(asked > 20, "{asked}");
    for (key, _) in english.as_object().unwrap().iter() {
        let Some(said) = key.strip_prefix("say_") else { continue };
        let server = matches!(said, "used" | "challenge" | "clock" | "cross_origin" | "refused");
        assert!(server || script.contains(&format!("\"{said}\"")), "{said} is never said");
    }
}

#[tokio::test]
async fn the_page_reads_its_rejections_itself_whatever_the_application_makes_of_others() {
    let auth: DidAuth = auth().with_rejection_handler(|rejected| {
        let mut answer = rejected.into_answer();
        *answer.status_mut() = StatusCode::SEE_OTHER;
        answer
    });
    let answer = ask(&app(&auth), "POST", "/auth/sign-in", SCRIPT).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}
