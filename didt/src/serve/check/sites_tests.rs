//! Of several sites, each is decided on as if it were the only one.

use std::sync::Arc;

use axum::body::Body;
use axum::{Extension, Router};
use envoy_types::ext_authz::v3::pb::{CheckRequest, HttpResponse};
use envoy_types::pb::envoy::service::auth::v3::AttributeContext;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{self, HttpRequest};
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use http::{Request, StatusCode};
use proptest::prelude::*;
use tower::ServiceExt;
use tower_didt::testing::{FixedClock, Wallet};

use crate::serve::config::{self, Loaded, Sources};
use crate::serve::test_support::{PROXY, START};
use crate::serve::{did_auth, public};

/// The endpoints for these settings.
fn router(text: &str) -> Router {
    let sources = Sources {
        file: Some(("gateway.toml", text)),
        variables: Vec::new(),
        flags: Vec::new(),
        files: false,
        read: config::read_file,
    };
    let sites = config::load(&sources).unwrap_or_else(|invalid| panic!("{invalid}\n{text}"));
    let clock = FixedClock::at(START);
    let sites = sites.try_map(|_, Loaded { config, .. }| {
        let store = did_auth::open(&config).expect("a store").store;
        let audiences = config.audiences.clone().expect("audiences");
        let auth = did_auth::did_auth(&config, audiences, None, None, store).expect("a layer");
        let auth = auth.with_clock(clock.clone());
        Ok::<_, ()>(public::Site { config, auth, page: None, magic: None })
    });
    public::router(sites.expect("sites"), &Arc::default(), Arc::new(clock)).expect("no assertions")
}

/// What is decided, and which headers come with it.
async fn decided(
    router: &Router,
    host: &str,
    path: &str,
    token: Option<&str>,
) -> (StatusCode, Vec<(String, String)>) {
    let mut request = Request::get("/check/caddy")
        .header("host", "didt")
        .header("x-forwarded-method", "GET")
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-host", host)
        .header("x-forwarded-uri", path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let mut request = request.body(Body::empty()).expect("a request");
    request.extensions_mut().insert(PROXY);
    let Ok(response) = router.clone().oneshot(request).await;
    let text = |value: &http::HeaderValue| value.to_str().expect("ASCII").to_owned();
    let headers = response.headers().iter();
    let mut headers: Vec<_> =
        headers.map(|(name, value)| (name.to_string(), text(value))).collect();
    headers.sort();
    (response.status(), headers)
}

/// Rules of a site: a path and what it asks for.
fn rules() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    let path = prop::sample::select(vec!["/a", "/a/**", "/b/**", "/*/c", "/b/c"]);
    let access = prop::sample::select(vec![
        "access = \"public\"",
        "access = \"optional\"",
        "fresh = \"5m\"",
        "addresses = [\"0xde709f2102306220921060314715629080e2fb77\"]",
    ]);
    prop::collection::vec((path, access), 0..4)
}

fn written(table: &str, rules: &[(&str, &str)]) -> String {
    let rules = rules.iter().enumerate();
    let rule = |(number, (path, access)): (usize, &(&str, &str))| {
        format!("[[{table}]]\nname = \"r{number}\"\npaths = [\"{path}\"]\n{access}\n")
    };
    rules.map(rule).collect()
}

/// Whether no rule hides a later one, which would be an error.
fn good(rules: &[(&str, &str)]) -> bool {
    let hides = |earlier: &str, later: &str| {
        earlier == later
            || (earlier == "/a/**" && later == "/a")
            || matches!((earlier, later), ("/b/**" | "/*/c", "/b/c"))
    };
    rules.iter().enumerate().all(|(place, (later, _))| {
        rules.iter().take(place).all(|(earlier, _)| !hides(earlier, later))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn each_of_two_sites_decides_as_it_would_as_the_only_one(
        one in rules().prop_filter("no rule is hidden", |rules| good(rules)),
        other in rules().prop_filter("no rule is hidden", |rules| good(rules)),
        path in prop::sample::select(vec!["/", "/a", "/a/x", "/b/c", "/x/c", "/a/../b", "/a%2Fb", "/b/%63"]),
        second in any::<bool>(),
        audience in prop::sample::select(vec![None, Some("one"), Some("other")]),
        spelling in prop::sample::select(vec!["", ":443", ":8443", "."]),
        upper in any::<bool>(),
    ) {
        let top = "trusted_proxies = [\"127.0.0.1\"]\n";
        let site = |name: &str, rules: &[(&str, &str)]| format!(
            "[[sites]]\nname = \"{name}\"\nhosts = [\"{name}.example.com\"]\naudiences = [\"{name}\"]\n\
             admit = \"any_key\"\n{}", written("sites.rules", rules)
        );
        let both = router(&format!("{top}{}{}", site("one", &one), site("other", &other)));
        let (name, own) = if second { ("other", &other) } else { ("one", &one) };
        let alone = router(&format!(
            "audiences = [\"{name}\"]\nadmit = \"any_key\"\n{top}{}", written("rules", own)
        ));
        let mut host = format!("{name}.example.com{spelling}");
        if upper {
            host = host.to_uppercase();
        }
        let token = audience.map(|audience| {
            Wallet::from_seed("alice").token(audience).issued_at(START).mint()
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let (expected, given) = (
                decided(&alone, &host, path, token.as_deref()).await,
                decided(&both, &host, path, token.as_deref()).await,
            );
            prop_assert_eq!(&given, &expected, "{} {} {:?}", host, path, audience);
            let stranger = format!("x{host}");
            let (status, _) = decided(&both, &stranger, path, token.as_deref()).await;
            prop_assert_eq!(status, StatusCode::FORBIDDEN, "{}", stranger);
            Ok(())
        })?;
    }
}

const TWO: &str = "trusted_proxies = [\"127.0.0.1\"]\n\
    [[sites]]\nname = \"shop\"\nhosts = [\"shop.example.com\"]\naudiences = [\"shop\"]\nadmit = \"any_key\"\n\
    [[sites.rules]]\nname = \"open\"\npaths = [\"/shop\"]\naccess = \"public\"\n\
    [[sites]]\nname = \"blog\"\nhosts = [\"blog.example.com\"]\naudiences = [\"blog\"]\nadmit = \"any_key\"\n\
    [[sites.rules]]\nname = \"open\"\npaths = [\"/blog\"]\naccess = \"public\"\n";

async fn status(router: &Router, request: http::request::Builder) -> StatusCode {
    let mut request = request.body(Body::empty()).expect("a request");
    request.extensions_mut().insert(PROXY);
    let Ok(response) = router.clone().oneshot(request).await;
    response.status()
}

/// What Envoy is answered that asks by gRPC.
async fn by_grpc(router: &Router, host: &str, path: &str) -> StatusCode {
    let http = HttpRequest {
        method: "GET".to_owned(),
        scheme: "https".to_owned(),
        host: host.to_owned(),
        path: path.to_owned(),
        ..HttpRequest::default()
    };
    let request = attribute_context::Request { http: Some(http), ..Default::default() };
    let attributes = AttributeContext { request: Some(request), ..Default::default() };
    let service = router.clone().layer(Extension(PROXY));
    let answer = AuthorizationClient::new(service)
        .check(CheckRequest { attributes: Some(attributes) })
        .await
        .expect("an answer")
        .into_inner();
    match answer.http_response {
        Some(HttpResponse::DeniedResponse(denied)) => {
            let code = denied.status.expect("a status").code;
            StatusCode::from_u16(u16::try_from(code).expect("small")).expect("a status")
        }
        _ => StatusCode::OK,
    }
}

#[tokio::test]
async fn the_host_that_a_gateway_of_any_kind_states_says_which_site_decides() {
    let router = router(TWO);
    let ask = async |kind: &str, host: &str, path: &str| match kind {
        "nginx" | "haproxy" => {
            let question = Request::get(format!("/check/{kind}"))
                .header("host", "didt")
                .header("x-original-method", "GET")
                .header("x-original-scheme", "https")
                .header("x-original-host", host)
                .header("x-original-uri", path);
            status(&router, question).await
        }
        "caddy" | "traefik" => {
            let question = Request::get(format!("/check/{kind}"))
                .header("host", "didt")
                .header("x-forwarded-method", "GET")
                .header("x-forwarded-proto", "https")
                .header("x-forwarded-host", host)
                .header("x-forwarded-uri", path);
            status(&router, question).await
        }
        "envoy" => {
            let question = Request::get(format!("/check/envoy{path}"));
            let question = question.header("x-forwarded-proto", "https").header("host", host);
            status(&router, question).await
        }
        _ => by_grpc(&router, host, path).await,
    };
    for kind in ["nginx", "haproxy", "caddy", "traefik", "envoy", "envoy over gRPC"] {
        for (host, path, expected) in [
            ("shop.example.com", "/shop", StatusCode::OK),
            ("Shop.Example.com:8443", "/shop", StatusCode::OK),
            ("shop.example.com", "/blog", StatusCode::UNAUTHORIZED),
            ("blog.example.com", "/blog", StatusCode::OK),
            ("blog.example.com", "/shop", StatusCode::UNAUTHORIZED),
            ("example.com", "/shop", StatusCode::FORBIDDEN),
            ("shop.example.com.", "/shop", StatusCode::FORBIDDEN),
            ("shop.example.com,blog.example.com", "/shop", StatusCode::FORBIDDEN),
        ] {
            assert_eq!(ask(kind, host, path).await, expected, "{kind}: {host}{path}");
        }
    }
}

#[tokio::test]
async fn a_request_that_names_several_hosts_or_none_is_for_no_site() {
    let router = router(TWO);
    let (shop, blog) = ("shop.example.com", "blog.example.com");
    let own = "/auth/session";
    let at_shop = format!("https://{shop}{own}");
    let rows: [(&str, &[&str], StatusCode); 9] = [
        (own, &[shop], StatusCode::UNAUTHORIZED),
        // As HTTP/2 has it.
        (&at_shop, &[], StatusCode::UNAUTHORIZED),
        (&at_shop, &["SHOP.example.com"], StatusCode::UNAUTHORIZED),
        (&at_shop, &[blog], StatusCode::MISDIRECTED_REQUEST),
        (&at_shop, &[shop, shop], StatusCode::MISDIRECTED_REQUEST),
        (own, &[shop, blog], StatusCode::MISDIRECTED_REQUEST),
        (own, &[shop, shop], StatusCode::MISDIRECTED_REQUEST),
        (own, &["example.com"], StatusCode::MISDIRECTED_REQUEST),
        (own, &[], StatusCode::MISDIRECTED_REQUEST),
    ];
    for (target, hosts, expected) in rows {
        let request =
            hosts.iter().fold(Request::get(target), |request, host| request.header("host", *host));
        assert_eq!(status(&router, request).await, expected, "{target} {hosts:?}");
    }
}
