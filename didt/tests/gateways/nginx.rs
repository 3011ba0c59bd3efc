//! nginx, by `auth_request`.

use std::process::Command;

use crate::behaviour;
use crate::support::{Echoed, Gateway, Site, Store, needs};

pub(crate) const NGINX: Gateway = Gateway {
    name: "nginx",
    program: "nginx",
    files: &["nginx.conf", "didt.conf"],
    command: Some(|program, directory| {
        let mut command = Command::new(program);
        command.arg("-p").arg(directory).arg("-c").arg(directory.join("nginx.conf"));
        // One process: whoever kills it has killed all of it.
        command.args(["-g", "master_process off;"]);
        command
    }),
    http2: Some(&[("didt.conf", "listen 127.0.0.1:8080;", "listen 127.0.0.1:8080 http2;")]),
    listens_early: false,
    removes_session_cookie: true,
};

behaviour::tests!(NGINX);
behaviour::tests!(NGINX: names_that_applications_have);

/// The recipe of README.md for a page of one's own.
#[test]
fn a_page_of_ones_own_leaves_the_status_for_every_method() {
    needs!(NGINX.program);
    let recipe = "default_type text/html; return 401 '<a href=\"/sign-in\">Sign in</a>';";
    let readme = include_str!("../../../examples/gateways/nginx/README.md");
    assert!(readme.contains(recipe), "README.md has another recipe");
    let change = ("didt.conf", "        return 401;\n", &*format!("        {recipe}\n"));
    let site = Site::with(&NGINX, Store::Memory, &[change]);
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let reply = site.request(method, "/orders", &[]);
        assert_eq!(reply.status, 401, "{method}: {reply:?}");
        assert!(reply.header("www-authenticate").is_some(), "{method}: {reply:?}");
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{method}: {reply:?}");
        assert!(reply.body.contains("Sign in</a>"), "{method}: {reply:?}");
    }
}

/// The mistakes that are made with nginx.
mod mistakes {
    use super::*;

    #[test]
    fn a_header_that_is_not_set() {
        needs!(NGINX.program);
        let line = "        proxy_set_header X-Auth-Issuer    $didt_issuer;\n";
        behaviour::doctor_finds(&NGINX, &[("didt.conf", line, "")], "identity");
    }

    #[test]
    fn a_location_that_is_not_asked_about() {
        needs!(NGINX.program);
        let change =
            ("didt.conf", "    location / {\n", "    location / {\n        auth_request off;\n");
        behaviour::doctor_finds(&NGINX, &[change], "guarded");
    }

    #[test]
    fn a_return_in_a_guarded_location() {
        needs!(NGINX.program);
        let added =
            "    location = /private {\n        return 200 secret;\n    }\n\n    location / {\n";
        behaviour::doctor_finds(&NGINX, &[("didt.conf", "    location / {\n", added)], "guarded");
    }

    #[test]
    fn checks_that_anybody_may_ask() {
        needs!(NGINX.program);
        let open = "    location /check/ {\n        auth_request off;\n        proxy_pass http://didt;\n    }\n\n    location / {\n";
        let change = ("didt.conf", "    location / {\n", open);
        behaviour::doctor_finds(&NGINX, &[change], "private-endpoints");
    }

    #[test]
    fn an_upgrade_that_didt_is_not_told_of() {
        needs!(NGINX.program);
        let changes = [
            ("didt.conf", "Upgrade        $didt_upgrade;", "Upgrade        $http_upgrade;"),
            (
                "didt.conf",
                "map $didt_upgrade $didt_connection",
                "map $http_upgrade $didt_connection",
            ),
        ];
        behaviour::doctor_finds(&NGINX, &changes, "other-upgrade");
    }

    /// The check lets both pass, and the page is the first one's.
    #[test]
    fn pages_in_a_cache_that_does_not_know_of_the_user() {
        needs!(NGINX.program);
        let cache = |key: &str| {
            format!(
                "    location / {{\n        proxy_cache pages;\n        proxy_cache_valid 200 1m;\n        \
                 {key}\n"
            )
        };
        let zone = "proxy_cache_path pages keys_zone=pages:1m;\n\nupstream didt {";
        let (careless, careful) =
            (cache(""), cache("proxy_cache_key \"$scheme$host$request_uri$didt_issuer\";"));
        for (location, alices) in [(&careless, true), (&careful, false)] {
            let changes = [
                ("didt.conf", "upstream didt {", zone),
                ("didt.conf", "    location / {\n", location),
            ];
            let site = Site::with(&NGINX, Store::Memory, &changes);
            let page = |user| {
                let cookie = site.sign_in(user);
                let reply = site.get("/orders?cache=60", &[("Cookie", &*cookie)]);
                reply.received().expect("both pass").values("x-auth-issuer").join(" ")
            };
            let (alice, bob) = (page("alice"), page("bob"));
            assert_eq!(alice == bob, alices, "{alice} {bob}");
        }
        let changes = [
            ("didt.conf", "upstream didt {", zone),
            ("didt.conf", "    location / {\n", &careless),
        ];
        behaviour::doctor_finds(&NGINX, &changes, "shared-cache");
    }

    #[test]
    fn answers_of_the_check_in_a_cache_that_does_not_know_of_the_cookie() {
        needs!(NGINX.program);
        let zone = "proxy_cache_path cache keys_zone=checks:1m;\n\nupstream didt {";
        let cache = "        internal;\n        proxy_cache checks;\n        proxy_cache_valid 200 1m;\n        \
                     proxy_cache_key $request_uri;\n        proxy_ignore_headers Cache-Control Set-Cookie;\n        \
                     proxy_pass http://didt/check/nginx;";
        let changes = [
            ("didt.conf", "upstream didt {", zone),
            ("didt.conf", "        internal;\n        proxy_pass http://didt/check/nginx;", cache),
        ];
        behaviour::doctor_finds(&NGINX, &changes, "shared-cache");
    }

    /// nginx chooses the server by the host in the request line, and `$http_host` is the other.
    #[test]
    fn rules_for_one_host_and_pages_of_another() {
        needs!(NGINX.program);
        let policy =
            ("didt.toml", "name = \"public\"", "name = \"public\"\nhosts = [\"other.example\"]");
        let careless =
            ("didt.conf", "    if ($didt_two_hosts) {\n        return 400;\n    }\n", "");
        for (changes, status) in [(&[policy][..], 400), (&[policy, careless], 200)] {
            let site = Site::with(&NGINX, Store::Memory, changes);
            let host = site.host();
            let head = format!("GET http://{host}/public/ HTTP/1.1\r\nHost: other.example\r\n");
            let reply = site.send(format!("{head}Connection: close\r\n\r\n").as_bytes());
            assert_eq!(reply.status, status, "{reply:?}");
        }
    }
}
