//! The page as a stranger tries it: methods, files, parts and copies that there are not.

use http::StatusCode;
use tower_didt::page::SignInPage;

use crate::support::{BROWSER, SCRIPT, and, app, app_with, ask, auth, sign_in};

const PAGES: [(&str, &str); 7] = [
    ("/auth/sign-in", "GET, HEAD, POST"),
    ("/auth/sign-out", "GET, HEAD, POST"),
    ("/auth/callback", "GET, HEAD"),
    ("/auth/refused", "GET, HEAD"),
    ("/auth/signed-in", "GET, HEAD"),
    ("/auth/challenge", "POST"),
    ("/auth/page.js", "GET, HEAD"),
];

#[tokio::test]
async fn what_a_page_has_no_method_for_is_a_405_that_names_those_it_has() {
    let app = app(&auth());
    let cookie = sign_in(&app).await;
    let signed_in = and(SCRIPT, &[("cookie", &cookie)]);
    for (path, allowed) in PAGES {
        for method in [
            "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get",
            "X",
        ] {
            if allowed.split(", ").any(|known| known == method) {
                continue;
            }
            let answer = ask(&app, method, path, &signed_in).await;
            assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            assert_eq!(answer.header("allow"), allowed, "{method} {path}");
            assert_eq!(answer.header("cache-control"), "no-store", "{method} {path}");
            assert_eq!(answer.header("access-control-allow-origin"), "", "{method} {path}");
            assert!(answer.headers.get("set-cookie").is_none(), "{method} {path}");
        }
    }
    assert_eq!(ask(&app, "GET", "/me", &signed_in).await.status, StatusCode::OK, "as before");
}

#[tokio::test]
async fn a_head_says_what_a_get_says_and_changes_nothing() {
    let app = app(&auth());
    let cookie = sign_in(&app).await;
    for headers in [BROWSER.to_vec(), and(BROWSER, &[("cookie", &cookie)])] {
        for path in ["sign-in?rd=/me", "sign-in?again", "callback?state=x", "sign-out", "refused"] {
            let path = format!("/auth/{path}");
            let get = ask(&app, "GET", &path, &headers).await;
            let head = ask(&app, "HEAD", &path, &headers).await;
            assert_eq!((head.status, &head.headers), (get.status, &get.headers), "{path}");
        }
    }
    let me = ask(&app, "GET", "/me", &and(SCRIPT, &[("cookie", &cookie)])).await;
    assert_eq!(me.status, StatusCode::OK, "neither signs anybody out");
}

#[tokio::test]
async fn a_file_that_is_not_one_of_the_pages_is_not_found() {
    let app = app(&auth());
    let html = ask(&app, "GET", "/auth/sign-in", BROWSER).await;
    let script =
        html.text().split('"').find(|text| text.starts_with("page.") && text.ends_with(".js"));
    let script = script.expect("the script");
    assert_eq!(ask(&app, "GET", &format!("/auth/{script}"), &[]).await.status, StatusCode::OK);
    let upper = script.to_ascii_uppercase();
    let long = "x".repeat(20_000);
    for name in [
        "page.js",
        "page.css",
        "en.json",
        "sign-in.html",
        "status.html",
        "magic.js",
        "oauth.js",
        &upper,
        &format!("{script}/"),
        &format!("{script}%00"),
        &format!("{script};x"),
        &format!("./{script}"),
        &format!("x/../{script}"),
        &format!("%2e/{script}"),
        &format!("%2F{script}"),
        "..",
        "../Cargo.toml",
        "..%2fCargo.toml",
        "%2e%2e/Cargo.toml",
        "..%5cCargo.toml",
        "%2fetc%2fpasswd",
        "SIGN-IN",
        "sign-in/",
        "sign-in%00",
        "sign%2din",
        "",
        &long,
    ] {
        let answer = ask(&app, "GET", &format!("/auth/{name}"), BROWSER).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{name:.40}");
        assert!(answer.body.is_empty(), "{name:.40}");
        assert!(!answer.header("cache-control").contains("immutable"), "{name:.40}");
    }
}

/// Nobody has a copy of a page, so there is none to compare with; files change their name.
#[tokio::test]
async fn a_page_comes_whole_whatever_part_or_copy_of_it_is_asked_for() {
    let app = app(&auth());
    let html = ask(&app, "GET", "/auth/sign-in", BROWSER).await;
    let script =
        html.text().split('"').find(|text| text.starts_with("page.") && text.ends_with(".js"));
    for path in ["sign-in", script.expect("the script")] {
        let path = format!("/auth/{path}");
        let whole = ask(&app, "GET", &path, BROWSER).await;
        for condition in [
            ("range", "bytes=0-9"),
            ("range", "bytes=0-0,5-9,-1"),
            ("range", "bytes=99999999-"),
            ("if-range", "\"x\""),
            ("if-none-match", "*"),
            ("if-none-match", "\"x\""),
            ("if-match", "\"x\""),
            ("if-modified-since", "Fri, 31 Dec 9999 23:59:59 GMT"),
            ("if-unmodified-since", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ] {
            let answer = ask(&app, "GET", &path, &and(BROWSER, &[condition])).await;
            assert_eq!(
                (answer.status, &answer.body),
                (StatusCode::OK, &whole.body),
                "{condition:?}"
            );
            for header in ["etag", "last-modified", "content-range", "accept-ranges"] {
                assert_eq!(answer.header(header), "", "{condition:?}");
            }
        }
    }
}

/// Where the page is, and over what, is the visitor's word: nothing in the page comes of it.
#[tokio::test]
async fn no_header_of_a_visitor_changes_the_page_or_gets_into_an_answer() {
    let app = app(&auth());
    let plain = ask(&app, "GET", "/auth/sign-in", BROWSER).await;
    let cookie = sign_in(&app).await;
    for (name, value) in [
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "javascript"),
        ("x-forwarded-prefix", "//evil.example"),
        ("forwarded", "host=evil.example;proto=http"),
        ("x-original-url", "/auth/sign-out"),
        ("x-rewrite-url", "/auth/sign-out"),
        ("x-http-method-override", "POST"),
        ("x-auth-request-redirect", "https://evil.example/"),
        ("referer", "https://evil.example/\"><script>"),
        ("origin", "https://evil.example"),
        ("accept-language", "\"><script>"),
        ("user-agent", "<script>"),
    ] {
        let more = and(&BROWSER[1..], &[(name, value)]);
        let answer = ask(&app, "GET", "/auth/sign-in", &more).await;
        assert_eq!((answer.status, &answer.body), (StatusCode::OK, &plain.body), "{name}");
        assert_eq!(answer.header("access-control-allow-origin"), "", "{name}");
        let on = and(&more, &[("cookie", &cookie)]);
        let on = ask(&app, "GET", "/auth/sign-in", &on).await;
        assert_eq!((on.status, on.header("location")), (StatusCode::SEE_OTHER, "/"), "{name}");
    }
    // An address of the host that the request itself names is this host's path, whoever names it.
    let evil = and(&BROWSER[1..], &[("host", "evil.example"), ("cookie", &cookie)]);
    let own = ask(&app, "GET", "/auth/sign-in?rd=https://evil.example/x", &evil).await;
    assert_eq!(own.header("location"), "/x");
}

#[tokio::test]
async fn no_setting_gets_out_of_its_attribute_or_splits_a_header() {
    let page = || SignInPage::new(&auth(), "pk_live_test");
    for evil in [
        "https://x.example/\"onerror=alert(1)",
        "https://x.example/'><script>",
        "/logo.svg\"><script>",
        "https://x.example/\r\nSet-Cookie:x",
        "https://x.example;script-src/*",
        "https://x.example, https://y.example/",
        "https://*/",
        "https://x.example'/",
        "data:image/svg+xml,<svg>",
        "https://x.example:8443:1/",
        "/logo.svg#x",
    ] {
        for page in
            [page().with_logo(evil), page().with_privacy_link(evil), page().with_help_link(evil)]
        {
            let Ok(page) = page else { continue };
            let answer = ask(&app_with(&auth(), page), "GET", "/auth/sign-in", BROWSER).await;
            panic!("{evil:?} is in the page: {}", answer.text());
        }
        assert!(page().with_accent(evil).is_err(), "{evil:?}");
        assert!(page().with_endpoint(evil).is_err(), "{evil:?}");
    }
    let query = page().with_logo("https://x.example/logo?a='\"<>&b").unwrap();
    let answer = ask(&app_with(&auth(), query), "GET", "/auth/sign-in", BROWSER).await;
    let html = answer.text();
    assert!(html.contains("src=\"https://x.example/logo?a=%27%22%3C%3E&amp;b\""), "{html}");
    let policy = answer.header("content-security-policy");
    assert!(policy.contains("img-src 'self' https://x.example;"), "{policy}");
}
