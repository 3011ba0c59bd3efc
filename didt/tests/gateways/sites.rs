//! One gateway, one `didt serve`, two applications.

use tower_didt::testing::Wallet;

use crate::caddy::CADDY;
use crate::envoy::envoy;
use crate::haproxy::HAPROXY;
use crate::nginx::NGINX;
use crate::support::{Echoed, Gateway, Reply, Site, Store, needs};
use crate::traefik::TRAEFIK;

const SHOP: &str = "shop.example.com";
const BLOG: &str = "blog.example.com";

/// The one site of the samples.
const AUDIENCES: &str = "audiences = [\"did:magic:f54168e9-9ce9-47f2-81c8-7cb2a96b26ba\"]\n";
const ADDRESSES: &str = "addresses = [\"0xde709f2102306220921060314715629080e2fb77\"]\n";
const RULES: &str = "[[rules]]\nname = \"public\"\npaths = [\"/public/**\"]\naccess = \"public\"\n";

fn site(name: &str) -> String {
    format!(
        "[[sites]]\nname = \"{name}\"\nhosts = [\"{name}.example.com\"]\naudiences = [\"app-{name}\"]\n\
         admit = \"any_key\"\nsign_in.publishable_key = \"pk_live_{name}\"\n\
         [[sites.rules]]\nname = \"public\"\npaths = [\"/{name}/**\"]\naccess = \"public\"\n"
    )
}

fn token(site: &str) -> String {
    let token = Wallet::from_seed("alice").token(format!("app-{site}")).mint();
    format!("Authorization: Bearer {token}\r\n")
}

fn each_host_is_guarded_for_its_own_application(gateway: &Gateway) {
    needs!(gateway.program);
    let sites = format!("{}{}", site("shop"), site("blog"));
    let changes = [
        ("didt.toml", AUDIENCES, ""),
        ("didt.toml", ADDRESSES, ""),
        ("didt.toml", RULES, sites.as_str()),
    ];
    let running = Site::with(gateway, Store::Memory, &changes);
    let ask = |host: &str, method: &str, path: &str, header: &str| -> Reply {
        let length = if method == "POST" { "Content-Length: 0\r\n" } else { "" };
        let raw = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\n{header}{length}Connection: close\r\n\r\n"
        );
        running.send(raw.as_bytes())
    };
    let reply = ask(SHOP, "POST", "/auth/login", &token("shop"));
    assert_eq!(reply.status, 204, "{reply:?}\n{}", running.didt.log());
    let session = reply.session_cookie().expect("signing in sets the cookie");
    let cookie = format!("Cookie: __Host-didt={session}\r\n");

    let reply = ask(SHOP, "GET", "/orders", &cookie);
    assert!(reply.received().is_some(), "{reply:?}");
    for host in ["SHOP.example.com", "shop.example.com:8443"] {
        assert_eq!(ask(host, "GET", "/orders", &cookie).status, 200, "{host}");
    }
    assert_eq!(ask(BLOG, "GET", "/orders", &cookie).status, 401, "another site's session");
    assert_eq!(ask(BLOG, "GET", "/orders", &token("shop")).status, 401, "another site's token");
    assert_eq!(ask(BLOG, "POST", "/auth/login", &token("shop")).status, 401);
    assert_eq!(ask(BLOG, "GET", "/orders", &token("blog")).status, 200);
    for (host, own, other) in [(SHOP, "/shop/x", "/blog/x"), (BLOG, "/blog/x", "/shop/x")] {
        assert_eq!(ask(host, "GET", own, "").status, 200, "{host}");
        assert_eq!(ask(host, "GET", other, "").status, 401, "{host}: a rule of the other site");
    }
    // Each has its own page.
    let page = |host: &str| ask(host, "GET", "/auth/sign-in", "").body;
    assert!(page(SHOP).contains("pk_live_shop") && !page(SHOP).contains("pk_live_blog"));
    assert!(page(BLOG).contains("pk_live_blog") && !page(BLOG).contains("pk_live_shop"));
    for host in ["other.example.com", "127.0.0.1", "a.shop.example.com"] {
        assert_eq!(ask(host, "GET", "/shop/x", &cookie).status, 403, "{host}");
        assert_eq!(ask(host, "GET", "/auth/session", &cookie).status, 421, "{host}");
    }
}

#[test]
fn behind_nginx_each_host_is_guarded_for_its_own_application() {
    each_host_is_guarded_for_its_own_application(&NGINX);
}

#[test]
fn behind_caddy_each_host_is_guarded_for_its_own_application() {
    each_host_is_guarded_for_its_own_application(&CADDY);
}

#[test]
fn behind_haproxy_each_host_is_guarded_for_its_own_application() {
    each_host_is_guarded_for_its_own_application(&HAPROXY);
}

#[test]
fn behind_traefik_each_host_is_guarded_for_its_own_application() {
    each_host_is_guarded_for_its_own_application(&TRAEFIK);
}

#[test]
fn behind_envoy_over_http_each_host_is_guarded_for_its_own_application() {
    each_host_is_guarded_for_its_own_application(&envoy("envoy-http"));
}

#[test]
fn behind_envoy_over_grpc_each_host_is_guarded_for_its_own_application() {
    each_host_is_guarded_for_its_own_application(&envoy("envoy-grpc"));
}

/// `didt doctor` looks at the one whose URL it is given.
#[test]
fn doctor_examines_one_of_the_sites() {
    needs!(NGINX.program);
    let guarded = format!(
        "[[sites]]\nname = \"here\"\nhosts = [\"127.0.0.1\"]\n{AUDIENCES}admit = \"any_key\"\n\
         [[sites.rules]]\nname = \"public\"\npaths = [\"/public/**\"]\naccess = \"public\"\n"
    );
    let sites = format!("{guarded}{}", site("blog"));
    let changes =
        [("didt.toml", AUDIENCES, ""), ("didt.toml", ADDRESSES, ""), ("didt.toml", RULES, &*sites)];
    let (code, text) = Site::with(&NGINX, Store::Memory, &changes).doctor();
    assert_eq!(code, 0, "{text}");
}
