//! Request heads as clients send them: 302 for a person who opens a page, 401 for all else.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tower_didt::layer::is_navigation;

const CHROME: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7";
const FIREFOX: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

type Head = (&'static str, &'static str, &'static [(&'static str, &'static str)], bool);

const NAVIGATE: (&str, &str) = ("sec-fetch-mode", "navigate");
const DOCUMENT: (&str, &str) = ("sec-fetch-dest", "document");
const NONE: (&str, &str) = ("sec-fetch-site", "none");

const HEADS: &[Head] = &[
    (
        "Chrome, address bar",
        "GET",
        &[("accept", CHROME), NAVIGATE, DOCUMENT, NONE, ("sec-fetch-user", "?1")],
        true,
    ),
    (
        "Chrome, link from another site",
        "GET",
        &[("accept", CHROME), NAVIGATE, DOCUMENT, ("sec-fetch-site", "cross-site")],
        true,
    ),
    ("Firefox, HEAD", "HEAD", &[("accept", FIREFOX), NAVIGATE, DOCUMENT, NONE], true),
    ("Safari 16.3, without Fetch Metadata", "GET", &[("accept", FIREFOX)], true),
    (
        "Safari over plain http",
        "GET",
        &[("accept", FIREFOX), ("upgrade-insecure-requests", "1")],
        true,
    ),
    (
        "Googlebot",
        "GET",
        &[(
            "accept",
            "text/html,application/xhtml+xml,application/signed-exchange;v=b3,application/xml;q=0.9,*/*;q=0.8",
        )],
        true,
    ),
    (
        "lynx",
        "GET",
        &[(
            "accept",
            "text/html, text/plain, text/sgml, text/css, application/xhtml+xml, */*;q=0.01",
        )],
        true,
    ),
    ("w3m", "GET", &[("accept", "text/html, text/*;q=0.5, image/*, application/*, video/*")], true),
    ("curl that asks for HTML", "GET", &[("accept", "text/html")], true),
    ("upper case", "GET", &[("accept", "TEXT/HTML;Q=1.0")], true),
    ("a form", "POST", &[("accept", CHROME), NAVIGATE, DOCUMENT], false),
    ("a form without Fetch Metadata", "POST", &[("accept", FIREFOX)], false),
    ("PUT", "PUT", &[("accept", "text/html")], false),
    ("OPTIONS", "OPTIONS", &[NAVIGATE, DOCUMENT], false),
    (
        "fetch",
        "GET",
        &[("accept", "*/*"), ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")],
        false,
    ),
    (
        "fetch that accepts HTML",
        "GET",
        &[("accept", "text/html"), ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")],
        false,
    ),
    (
        "htmx and pjax",
        "GET",
        &[("accept", "text/html, */*"), ("x-requested-with", "XMLHttpRequest")],
        false,
    ),
    (
        "jQuery",
        "GET",
        &[
            ("accept", "application/json, text/javascript, */*; q=0.01"),
            ("x-requested-with", "XMLHttpRequest"),
        ],
        false,
    ),
    ("axios", "GET", &[("accept", "application/json, text/plain, */*")], false),
    (
        "an image",
        "GET",
        &[
            ("accept", "image/avif,image/webp,*/*;q=0.8"),
            ("sec-fetch-mode", "no-cors"),
            ("sec-fetch-dest", "image"),
        ],
        false,
    ),
    (
        "a script",
        "GET",
        &[("accept", "*/*"), ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "script")],
        false,
    ),
    ("a frame", "GET", &[("accept", CHROME), NAVIGATE, ("sec-fetch-dest", "iframe")], false),
    ("an old frame", "GET", &[("accept", CHROME), NAVIGATE, ("sec-fetch-dest", "frame")], false),
    ("an object", "GET", &[("accept", CHROME), NAVIGATE, ("sec-fetch-dest", "object")], false),
    (
        "a navigation by a service worker",
        "GET",
        &[("accept", "*/*"), ("sec-fetch-mode", "same-origin"), ("sec-fetch-dest", "empty")],
        false,
    ),
    ("a destination that is missing", "GET", &[("accept", CHROME), NAVIGATE], false),
    ("a mode that is missing", "GET", &[("accept", CHROME), DOCUMENT], false),
    (
        "a site and nothing else",
        "GET",
        &[("accept", CHROME), ("sec-fetch-site", "same-origin")],
        false,
    ),
    (
        "a mode in other letters",
        "GET",
        &[("accept", CHROME), ("sec-fetch-mode", "Navigate"), DOCUMENT],
        false,
    ),
    ("a mode twice", "GET", &[("accept", CHROME), NAVIGATE, NAVIGATE, DOCUMENT], false),
    (
        "a destination twice",
        "GET",
        &[("accept", CHROME), NAVIGATE, DOCUMENT, ("sec-fetch-dest", "empty")],
        false,
    ),
    (
        "a WebSocket",
        "GET",
        &[
            ("upgrade", "websocket"),
            ("connection", "Upgrade"),
            ("sec-fetch-mode", "websocket"),
            ("sec-fetch-dest", "empty"),
        ],
        false,
    ),
    ("a WebSocket of Safari", "GET", &[("upgrade", "websocket"), ("connection", "Upgrade")], false),
    (
        "an upgrade that says it is a navigation",
        "GET",
        &[("upgrade", "h2c"), ("accept", CHROME), NAVIGATE, DOCUMENT],
        false,
    ),
    ("a WebSocket over HTTP/2", "CONNECT", &[NAVIGATE, DOCUMENT], false),
    (
        "a token",
        "GET",
        &[("authorization", "Bearer x"), ("accept", CHROME), NAVIGATE, DOCUMENT],
        false,
    ),
    ("Basic", "GET", &[("authorization", "Basic eDp5"), ("accept", FIREFOX)], false),
    (
        "speculation rules",
        "GET",
        &[("sec-purpose", "prefetch"), ("accept", CHROME), NAVIGATE, DOCUMENT],
        false,
    ),
    (
        "prerender",
        "GET",
        &[("sec-purpose", "prefetch;prerender"), ("accept", CHROME), NAVIGATE, DOCUMENT],
        false,
    ),
    ("Safari's preview", "GET", &[("purpose", "prefetch"), ("accept", FIREFOX)], false),
    ("old Firefox's prefetch", "GET", &[("x-moz", "prefetch"), ("accept", FIREFOX)], false),
    (
        "<link rel=prefetch>",
        "GET",
        &[
            ("accept", CHROME),
            ("sec-purpose", "prefetch"),
            ("sec-fetch-mode", "no-cors"),
            ("sec-fetch-dest", "empty"),
        ],
        false,
    ),
    ("curl", "GET", &[("accept", "*/*"), ("user-agent", "curl/8.14.1")], false),
    ("wget", "GET", &[("accept", "*/*")], false),
    ("Go", "GET", &[("user-agent", "Go-http-client/1.1")], false),
    ("Python requests", "GET", &[("accept", "*/*"), ("accept-encoding", "gzip, deflate")], false),
    (
        "a bot that says it is Chrome",
        "GET",
        &[("accept", "*/*"), ("user-agent", "Mozilla/5.0 Chrome/142.0")],
        false,
    ),
    ("an uptime monitor", "HEAD", &[("accept", "*/*")], false),
    ("git", "GET", &[("accept", "*/*"), ("git-protocol", "version=2")], false),
    (
        "a feed reader",
        "GET",
        &[("accept", "application/atom+xml,application/rss+xml;q=0.9,text/html;q=0.5")],
        false,
    ),
    ("JSON before HTML", "GET", &[("accept", "application/json, text/html;q=0.9")], false),
    ("HTML that is not wanted", "GET", &[("accept", "text/html;q=0, */*;q=0")], false),
    ("HTML of no quality", "GET", &[("accept", "text/html;q=nonsense")], false),
    ("nearly HTML", "GET", &[("accept", "text/htmlx, xtext/html, text/*")], false),
    ("an event stream", "GET", &[("accept", "text/event-stream")], false),
    (
        "Apollo",
        "GET",
        &[("accept", "application/graphql-response+json, application/json;q=0.9")],
        false,
    ),
    (
        "Prometheus",
        "GET",
        &[(
            "accept",
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.4,*/*;q=0.3",
        )],
        false,
    ),
    ("an empty Accept", "GET", &[("accept", "")], false),
];

#[test]
fn a_person_who_opens_a_page_is_sent_and_nobody_else() {
    for (name, method, headers, sent) in HEADS {
        let mut map = HeaderMap::new();
        for (header, value) in *headers {
            map.append(HeaderName::from_static(header), HeaderValue::from_static(value));
        }
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        assert_eq!(is_navigation(&method, &map), *sent, "{name}");
    }
}

#[test]
fn html_may_be_named_in_a_second_line_and_only_the_first_ranges_are_read() {
    let mut map = HeaderMap::new();
    map.append("accept", HeaderValue::from_static("image/png;q=0.5"));
    map.append("accept", HeaderValue::from_static("text/html"));
    assert!(is_navigation(&Method::GET, &map));
    let many = format!("{}text/html", "image/png;q=0.1,".repeat(32));
    map.clear();
    map.insert("accept", HeaderValue::try_from(many).unwrap());
    assert!(!is_navigation(&Method::GET, &map));
}
