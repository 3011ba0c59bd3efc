//! Several sites in one process: what opens one of them opens no other.

use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tower_didt::testing::Wallet;
use tower_didt_test_support::redis::Server;
use tower_didt_test_support::{needs_postgres, needs_redis, postgres};

use crate::didt::{Didt, Directory, LISTEN, command, eventually, file};
use crate::http::{Answer, ask, ask_at, get};

const SECRET: &str = "an-administrators-secret-of-some-length";

const KEYS: &str = "gw2qY-IjNaVs4dXsnbrRAc7x5GNDkoN_T8cOQ0MEqOc";

const SHOP: &str = "shop.example.com";
const BLOG: &str = "blog.example.com";

/// Two sites, with cookies of these names.
fn sites(shop: &str, blog: &str) -> String {
    let site = |name: &str, cookie: &str| {
        format!(
            "[[sites]]\nname = \"{name}\"\nhosts = [\"{name}.example.com\"]\naudiences = [\"app-{name}\"]\n\
             admit = \"any_key\"\ncookie.name = \"{cookie}\"\n\
             [[sites.rules]]\nname = \"open-{name}\"\npaths = [\"/{name}/**\"]\naccess = \"public\"\n"
        )
    };
    format!("{}{}", site("shop", shop), site("blog", blog))
}

fn top(store: &str) -> String {
    format!("trusted_proxies = [\"127.0.0.1\"]\n{LISTEN}{store}")
}

/// What a gateway's check of a request for this host is answered with.
fn check(didt: SocketAddr, host: &str, path: &str, credential: (&str, &str)) -> Answer {
    let headers = [
        ("x-original-method", "GET"),
        ("x-original-scheme", "https"),
        ("x-original-host", host),
        ("x-original-uri", path),
        credential,
    ];
    ask(didt, "GET", "/check/nginx", &headers)
}

fn bearer(site: &str) -> String {
    format!("Bearer {}", Wallet::from_seed("alice").token(format!("app-{site}")).mint())
}

fn login(didt: SocketAddr, host: &str, bearer: &str) -> Answer {
    ask_at(didt, host, "POST", "/auth/login", &[("authorization", bearer)])
}

fn signed_in(didt: SocketAddr, site: &str) -> String {
    let answer = login(didt, &format!("{site}.example.com"), &bearer(site));
    assert_eq!(answer.status, 204, "{answer:?}");
    let cookie = answer.head.lines().find_map(|line| line.strip_prefix("set-cookie: "));
    cookie.and_then(|cookie| cookie.split(';').next()).expect("a cookie").to_owned()
}

/// All that must hold of two sites that share this store.
fn are_apart(store: &str, shop_cookie: &str, blog_cookie: &str) {
    let (_didt, public, private) =
        Didt::start(&format!("{}{}", top(store), sites(shop_cookie, blog_cookie)));
    eventually("it is ready", || get(private, "/readyz").status == 200);

    let (shop_token, blog_token) = (bearer("shop"), bearer("blog"));
    assert_eq!(login(public, BLOG, &shop_token).status, 401, "a token signs in at its own site");
    assert_eq!(check(public, BLOG, "/", ("authorization", &shop_token)).status, 401);
    assert_eq!(check(public, SHOP, "/", ("authorization", &blog_token)).status, 401);
    assert_eq!(check(public, SHOP, "/", ("authorization", &shop_token)).status, 200);

    let (shop, blog) = (signed_in(public, "shop"), signed_in(public, "blog"));
    let opens = |host: &str, cookie: &str| check(public, host, "/", ("cookie", cookie)).status;
    assert_eq!([opens(SHOP, &shop), opens(BLOG, &blog)], [200, 200]);
    let renamed = |cookie: &str, name: &str| {
        let (_, value) = cookie.split_once('=').expect("name=value");
        format!("__Host-{name}={value}")
    };
    for stolen in [shop.clone(), renamed(&shop, blog_cookie)] {
        assert_eq!(opens(BLOG, &stolen), 401, "{stolen}");
        let session = ask_at(public, BLOG, "GET", "/auth/session", &[("cookie", &stolen)]);
        assert_eq!(session.status, 401, "{session:?}");
    }
    for stolen in [blog.clone(), renamed(&blog, shop_cookie)] {
        assert_eq!(opens(SHOP, &stolen), 401, "{stolen}");
    }
    assert_eq!([opens(SHOP, &shop), opens(BLOG, &blog)], [200, 200], "and nothing came of trying");

    let everywhere = "/auth/logout?everywhere=1";
    let out = ask_at(public, SHOP, "POST", everywhere, &[("cookie", &shop)]);
    assert_eq!(out.status, 204, "{out:?}");
    assert_eq!(
        [opens(SHOP, &shop), opens(BLOG, &blog)],
        [401, 200],
        "the other site's session stays"
    );
    assert_eq!(check(public, BLOG, "/", ("authorization", &blog_token)).status, 200);
}

#[test]
fn sites_are_apart_in_memory() {
    are_apart("", "didt", "didt");
    are_apart("", "shop", "blog");
}

#[test]
fn sites_are_apart_in_sealed_cookies_with_the_same_keys() {
    let directory = Directory::new();
    let keys = file(&directory, "keys", KEYS);
    let store = format!("[store]\nkind = \"sealed\"\nkeys_file = {keys:?}\n");
    are_apart(&store, "didt", "didt");
    are_apart(&store, "shop", "blog");
}

#[test]
fn sites_are_apart_in_one_redis() {
    needs_redis!();
    let redis = Server::start();
    let store = format!("[store]\nkind = \"redis\"\nurl = \"{}\"\n", redis.url());
    are_apart(&store, "didt", "didt");
    // Of another one: in the first, somebody has signed out everywhere.
    let redis = Server::start();
    let directory = Directory::new();
    let keys = file(&directory, "keys", KEYS);
    let store =
        format!("[store]\nkind = \"sealed\"\nkeys_file = {keys:?}\nurl = \"{}\"\n", redis.url());
    are_apart(&store, "didt", "didt");
}

#[test]
fn sites_are_apart_in_one_file_of_sqlite() {
    let directory = Directory::new();
    let url = format!("sqlite:{}", directory.0.join("sessions.db").display());
    are_apart(&format!("[store]\nkind = \"sqlite\"\nurl = \"{url}\"\n"), "didt", "didt");
}

#[test]
fn sites_are_apart_in_one_database_of_postgresql() {
    needs_postgres!();
    let server = postgres::Server::start();
    let directory = Directory::new();
    let url = file(&directory, "url", &server.url());
    are_apart(&format!("[store]\nkind = \"postgres\"\nurl_file = {url:?}\n"), "didt", "didt");
}

#[test]
fn a_host_of_no_site_is_refused_and_every_spelling_of_one_is_found() {
    let (mut didt, public, private) = Didt::start(&format!("{}{}", top(""), sites("a", "b")));
    let none = ("accept", "*/*");
    for host in ["other.example.com", "example.com", "a.shop.example.com", "127.0.0.1", "[::1]:80"]
    {
        assert_eq!(check(public, host, "/shop/x", none).status, 403, "{host}");
        let own = ask_at(public, host, "GET", "/auth/session", &[]);
        assert_eq!(own.status, 421, "{host}: {own:?}");
        assert_eq!(own.body, "{\"error\":\"unknown_host\"}", "{own:?}");
        assert!(own.head.contains("cache-control: no-store"), "{own:?}");
    }
    for host in ["SHOP.example.com", "shop.example.com:443", "Shop.Example.Com:8443"] {
        assert_eq!(check(public, host, "/shop/x", none).status, 200, "{host}");
        assert_eq!(
            check(public, host, "/blog/x", none).status,
            401,
            "{host}: the other site's rule"
        );
        assert_eq!(ask_at(public, host, "GET", "/auth/session", &[]).status, 401, "{host}");
    }
    for host in ["shop.example.com.", "shop.example.com:0", "shop.example.com@blog.example.com"] {
        assert_eq!(check(public, host, "/shop/x", none).status, 403, "{host}");
        assert!(ask_at(public, host, "GET", "/auth/session", &[]).status >= 400, "{host}");
    }
    // Of two hosts in one request, neither is taken, even where they are the same.
    for second in [BLOG, SHOP] {
        let two = ask_at(public, SHOP, "GET", "/auth/session", &[("host", second)]);
        assert!([400, 421].contains(&two.status), "{two:?}");
    }
    let line = didt.line_with("unknown_host");
    assert!(line.contains("didt::audit"), "{line}");
    let text = get(private, "/metrics").body;
    let passed = "didt_site_checks_total{site=\"shop\",outcome=\"passed\"} 3";
    assert!(text.contains(passed), "{text}");
    assert!(text.contains("reason=\"unknown_host\",rule=\"none\"}"), "{text}");
    assert!(text.contains("rule=\"default\",site=\"shop\"}"), "{text}");
}

#[test]
fn administration_and_log_name_the_site() {
    let directory = Directory::new();
    let secret = file(&directory, "secret", SECRET);
    let admin = format!("[admin]\nsecret_file = {secret:?}\n");
    let configuration = format!("{}{}", top(&admin), sites("a", "b"));
    let mut didt = Didt::spawn(&mut command(&directory, &configuration));
    let (public, private) = (didt.listens("public"), didt.listens("private"));
    let secret = format!("Bearer {SECRET}");
    let admin =
        |method: &str, path: &str| ask(private, method, path, &[("authorization", &secret)]);
    let json = |answer: Answer| -> Value { serde_json::from_str(&answer.body).expect("JSON") };
    assert_eq!(json(admin("GET", "/admin/sites"))["sites"], serde_json::json!(["shop", "blog"]));

    let (shop, blog) = (signed_in(public, "shop"), signed_in(public, "blog"));
    let line = didt.line_with("signed in");
    assert!(line.contains("site=shop") || line.contains("site=\"shop\""), "{line}");
    let issuer = Wallet::from_seed("alice").issuer();
    for site in ["shop", "blog"] {
        let listed = json(admin("GET", &format!("/admin/issuers?site={site}")));
        assert_eq!(listed["issuers"].as_array().map(Vec::len), Some(1), "{listed}");
        assert_eq!(listed["issuers"][0]["site"], site);
        let listed = json(admin("GET", &format!("/admin/sessions?issuer={issuer}&site={site}")));
        assert_eq!(listed["sessions"].as_array().map(Vec::len), Some(1), "{listed}");
    }
    for wrong in ["/admin/issuers", "/admin/issuers?site=other", "/admin/issuers?site=SHOP"] {
        assert_eq!(admin("GET", wrong).status, 400, "{wrong}");
    }
    assert_eq!(admin("POST", &format!("/admin/revoke?issuer={issuer}&site=other")).status, 400);

    // The command asks at each site, or at one.
    let sessions = |args: &[&str]| -> Vec<Value> {
        let file = directory.0.join("didt.toml");
        let mut didt = std::process::Command::new(env!("CARGO_BIN_EXE_didt"));
        didt.arg("sessions").args(args).arg("--config").arg(file);
        didt.args(["--set", &format!("listen.private={private}")]);
        let output = didt.output().expect("didt runs");
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).expect("text");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    assert_eq!(sessions(&["list"]).len(), 2);
    assert_eq!(sessions(&["count"])[0]["sessions"], 2);
    let listed = sessions(&["list", "--site", "blog"]);
    assert_eq!((listed.len(), &listed[0]["site"]), (1, &serde_json::json!("blog")));

    let opens = |host: &str, cookie: &str| check(public, host, "/", ("cookie", cookie)).status;
    let ended = admin("POST", &format!("/admin/revoke?issuer={issuer}&site=shop"));
    assert_eq!(ended.status, 200, "{ended:?}");
    assert_eq!([opens(SHOP, &shop), opens(BLOG, &blog)], [401, 200], "one site's sessions");
    assert_eq!(admin("POST", &format!("/admin/revoke?issuer={issuer}")).status, 200);
    assert_eq!(opens(BLOG, &blog), 401, "all sites' sessions");
}

#[test]
fn a_reload_is_of_all_sites_or_of_none() {
    let directory = Directory::new();
    let two = format!("{}{}", top(""), sites("a", "b"));
    let mut didt = Didt::spawn(&mut command(&directory, &two));
    let (public, _) = (didt.listens("public"), didt.listens("private"));
    let shop = signed_in(public, "shop");
    let opens = |host: &str, cookie: &str| check(public, host, "/", ("cookie", cookie)).status;
    let mut reload = |configuration: &str, says: &str| {
        file(&directory, "didt.toml", configuration);
        didt.signal("HUP");
        didt.line_with(says);
    };

    let third = "[[sites]]\nname = \"docs\"\nhosts = [\"docs.example.com\"]\naudiences = [\"app-docs\"]\n\
                 admit = \"any_key\"\n";
    reload(&format!("{two}{third}"), "site docs: site");
    let docs = signed_in(public, "docs");
    assert_eq!([opens(SHOP, &shop), opens("docs.example.com", &docs)], [200, 200]);

    // Whatever the docs have used their tokens for, nobody at the new site knows of it.
    let moved = third.replace("docs", "pages").replace("app-pages", "app-docs");
    reload(&format!("{two}{moved}"), "went from the site docs to the site pages");
    reload(
        &format!("{two}{third}").replace("app-docs", "app-blog"),
        "every application belongs to one site",
    );
    reload(
        &format!("audiences = [\"app-shop\"]\nadmit = \"any_key\"\n{}", top("")),
        "with a restart only",
    );
    assert_eq!([opens(SHOP, &shop), opens("docs.example.com", &docs)], [200, 200]);
    assert_eq!(check(public, "pages.example.com", "/", ("accept", "*/*")).status, 403);

    // The name of a cookie is one of the things that need a restart, at each site.
    reload(&two.replace("cookie.name = \"a\"", "cookie.name = \"c\""), "site shop: cookie.name");
    assert_eq!(opens(SHOP, &shop), 200);
    assert_eq!(check(public, "docs.example.com", "/", ("accept", "*/*")).status, 403, "it is gone");
    assert_eq!(opens("docs.example.com", &docs), 403);
    let renamed = docs.replace("__Host-didt=", "__Host-a=");
    assert_eq!([opens(SHOP, &docs), opens(SHOP, &renamed)], [401, 401], "nor elsewhere");
    // Sessions in memory went with their site.
    reload(&format!("{two}{third}"), "site docs: site");
    eventually("it is there again", || opens("docs.example.com", &docs) == 401);
    assert_eq!(opens(SHOP, &shop), 200);
}

/// The two sites, each with one more line of settings.
fn sites_with(shop: &str, blog: &str) -> String {
    let with = |text: String, cookie: &str, line: &str| {
        let name = format!("cookie.name = \"{cookie}\"\n");
        assert!(text.contains(&name), "{text}");
        text.replace(&name, &format!("{name}{line}\n"))
    };
    with(with(sites("a", "b"), "a", shop), "b", blog)
}

#[test]
fn a_challenge_of_one_site_binds_no_sign_in_at_another() {
    let directory = Directory::new();
    let key = file(&directory, "key", KEYS);
    let bound = format!("[sessions]\nbound_login = \"required\"\nbound_login_key_file = {key:?}\n");
    // The cookies have one name.
    let both = sites("didt", "didt");
    let (_didt, public, _) = Didt::start(&format!("{}{both}", top(&bound)));
    let challenge = |host: &str| {
        let answer = ask_at(public, host, "POST", "/auth/challenge", &[]);
        let cookie = answer.header("set-cookie").and_then(|cookie| cookie.split(';').next());
        let body: Value = serde_json::from_str(&answer.body).expect("JSON");
        let value = body["challenge"].as_str().expect("a value").to_owned();
        (cookie.expect("a cookie").to_owned(), value)
    };
    let sign_in = |site: &str, (cookie, value): &(String, String)| {
        let token =
            Wallet::from_seed("alice").token(format!("app-{site}")).attachment(value).mint();
        let headers = [("authorization", &*format!("Bearer {token}")), ("cookie", cookie)];
        ask_at(public, &format!("{site}.example.com"), "POST", "/auth/login", &headers).status
    };
    let (shop, blog) = (challenge(SHOP), challenge(BLOG));
    assert_eq!([sign_in("blog", &shop), sign_in("shop", &blog)], [401, 401]);
    assert_eq!([sign_in("shop", &shop), sign_in("blog", &blog)], [204, 204]);
}

#[test]
fn pages_and_return_addresses_are_of_one_site() {
    let more =
        |name: &str, line: &str| format!("sign_in.publishable_key = \"pk_live_{name}\"\n{line}");
    let trusted = "trusted_origins = [\"https://app.example.com\"]";
    let both = sites_with(&more("shop", trusted), &more("blog", ""));
    let (_didt, public, _) = Didt::start(&format!("{}{both}", top("")));
    let (shop, blog) = (signed_in(public, "shop"), signed_in(public, "blog"));

    // A page of one site signs nobody in or out at another, and is trusted by the one that says so.
    let from = |host: &str, path: &str, origin: &str, credential: (&str, &str)| {
        let headers = [("origin", origin), ("sec-fetch-site", "same-site"), credential];
        ask_at(public, host, "POST", path, &headers).status
    };
    let (at_shop, at_blog) = ("https://shop.example.com", "https://blog.example.com");
    let app = "https://app.example.com";
    let token = |site: &str| bearer(site);
    assert_eq!(from(BLOG, "/auth/login", at_shop, ("authorization", &token("blog"))), 403);
    assert_eq!(from(SHOP, "/auth/login", at_blog, ("authorization", &token("shop"))), 403);
    assert_eq!(from(BLOG, "/auth/logout", at_shop, ("cookie", &blog)), 403);
    assert_eq!(from(BLOG, "/auth/login", app, ("authorization", &token("blog"))), 403);
    assert_eq!(from(SHOP, "/auth/login", app, ("authorization", &token("shop"))), 204);

    let read_by = |host: &str, origin: &str| {
        let headers = [
            ("x-original-method", "GET"),
            ("x-original-scheme", "https"),
            ("x-original-host", host),
            ("x-original-uri", "/"),
            ("origin", origin),
        ];
        let answer = ask(public, "GET", "/check/nginx", &headers);
        answer.header("access-control-allow-origin").map(str::to_owned)
    };
    assert_eq!(read_by(SHOP, app).as_deref(), Some(app));
    assert_eq!(read_by(BLOG, app), None);

    let leads_to = |host: &str, cookie: &str, rd: &str| {
        let path = format!("/auth/sign-in?rd={rd}");
        let headers = [("cookie", cookie), ("accept", "text/html")];
        let answer = ask_at(public, host, "GET", &path, &headers);
        assert_eq!(answer.status, 303, "{answer:?}");
        answer.header("location").expect("a location").to_owned()
    };
    assert_eq!(leads_to(SHOP, &shop, "/orders"), "/orders");
    for away in [at_blog, "https://blog.example.com/x", "//blog.example.com/x"] {
        assert_eq!(leads_to(SHOP, &shop, away), "/", "{away}");
    }
    let page = |host: &str, cookie: &str| {
        ask_at(public, host, "GET", "/auth/sign-in", &[("cookie", cookie)]).body
    };
    assert!(page(BLOG, &shop).contains("pk_live_blog"), "a stranger sees the site's own page");
    assert!(!page(BLOG, &shop).contains("pk_live_shop"));
}

#[test]
fn an_assertion_is_for_the_upstreams_of_its_site() {
    let directory = Directory::new();
    let keygen =
        std::process::Command::new(env!("CARGO_BIN_EXE_didt")).args(["keygen", "ed25519"]).output();
    let key =
        file(&directory, "key", &String::from_utf8(keygen.expect("didt").stdout).expect("text"));
    let signs = format!("[assertion]\nissuer = \"https://auth.example.com\"\nkey_file = {key:?}\n");
    let both = sites_with("assertion.audience = \"for-shop\"", "assertion.audience = \"for-blog\"");
    let (_didt, public, _) = Didt::start(&format!("{}{both}", top(&signs)));
    for (host, site) in [(SHOP, "shop"), (BLOG, "blog")] {
        let answer = check(public, host, "/", ("authorization", &bearer(site)));
        let assertion = answer.header("x-auth-assertion").expect("an assertion").to_owned();
        let claims = assertion.split('.').nth(1).expect("claims");
        let claims = URL_SAFE_NO_PAD.decode(claims).expect("base64");
        let claims: Value = serde_json::from_slice(&claims).expect("JSON");
        assert_eq!(claims["aud"], format!("for-{site}"), "{claims}");
    }
    // Upstreams ask for the keys by whatever name they have for this server.
    for host in [SHOP, BLOG, "127.0.0.1"] {
        assert_eq!(ask_at(public, host, "GET", "/auth/jwks.json", &[]).status, 200, "{host}");
    }
}
