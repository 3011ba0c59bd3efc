mod magic;
mod refused;
mod rules;
mod sites;

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::time::Duration;

use proptest::prelude::*;
use tower_didt::{Lifetimes, Replay, SessionLimit};

use super::keys::{KEYS, variable};
use super::*;
use crate::serve::policy::{Access, Target};

/// The text in every secret file, which must be in no output.
const NEEDLE: &str = "n33dl3";

const MINIMAL: &str = "audiences = [\"did:magic:a\"]\nadmit = \"any_key\"\n";

/// The files that settings may name here.
fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let key = || rcgen::KeyPair::generate().expect("a key");
    let text = match path.to_str() {
        Some("secret") => format!("{NEEDLE}-0123456789-0123456789-0123456789\r\n"),
        Some("magic-key") => "sk_live_0123456789ABCDEF\n".to_owned(),
        Some("emails") => "# people\neve@example.com\n\n  *@staff.example  \n".to_owned(),
        Some("short") => format!("{NEEDLE}\n"),
        Some("blanks") => format!("{NEEDLE} 0123456789 0123456789 0123456789"),
        Some("two-lines") => format!("{NEEDLE}-0123456789-0123456789-0123456789\n\n"),
        Some("empty") => "\n".to_owned(),
        Some("keys") => "gw2qY-IjNaVs4dXsnbrRAc7x5GNDkoN_T8cOQ0MEqOc".to_owned(),
        Some("weak") => "0".repeat(64),
        Some("url") => format!("redis://user:{NEEDLE}@127.0.0.1:1/0\n"),
        Some("urls") => format!("redis://:{NEEDLE}@127.0.0.1:1\nredis://:{NEEDLE}@127.0.0.1:2\n"),
        Some("other-url") => format!("https://user:{NEEDLE}@127.0.0.1/"),
        Some("pem-key") => key().serialize_pem(),
        Some("pem-certificate") => {
            let params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]);
            params.expect("a name").self_signed(&key()).expect("a certificate").pem()
        }
        _ => return Err(io::ErrorKind::NotFound.into()),
    };
    Ok(Zeroizing::new(text.into_bytes()))
}

fn pair(pair: &(&str, &str)) -> (String, String) {
    (pair.0.to_owned(), pair.1.to_owned())
}

fn load(
    file: Option<&str>,
    variables: &[(&str, &str)],
    flags: &[(&str, &str)],
) -> Result<Loaded, Invalid> {
    let sites = super::load(&Sources {
        file: file.map(|text| ("gateway.toml", text)),
        variables: variables.iter().map(pair).collect(),
        flags: flags.iter().map(pair).collect(),
        files: true,
        read,
    });
    sites.map(|sites| sites.first().clone())
}

fn good(file: &str) -> Loaded {
    load(Some(file), &[], &[]).unwrap_or_else(|invalid| panic!("{invalid}"))
}

fn problem(file: &str) -> String {
    load(Some(file), &[], &[]).expect_err(file).to_string()
}

fn value<'a>(loaded: &'a Loaded, key: &str) -> (&'a str, String) {
    let setting = loaded.settings.iter().find(|setting| setting.key == key).expect("a setting");
    (&setting.value, setting.origin.to_string())
}

#[test]
fn nothing_but_an_audience_and_who_is_admitted_is_needed() {
    let Loaded { config, settings } = good(MINIMAL);
    assert_eq!(config.audiences, Some(Audiences::from("did:magic:a")));
    assert_eq!(config.public.listen, Listen::Tcp(([127, 0, 0, 1], 8080).into()));
    assert!(config.public.tls.is_none() && config.private.is_none());
    assert_eq!(config.trusted_proxies, TrustedProxies::default(), "nobody is trusted");
    assert!(config.trusted_origins.is_empty());
    assert_eq!(config.cookie, SessionCookie::default());
    assert_eq!(config.sessions.lifetimes, Lifetimes::default());
    assert_eq!(config.sessions.max_per_issuer, SessionLimit::Default);
    assert_eq!(config.sessions.replay, Replay::Authenticate);
    assert_eq!(config.sessions.max_token_age, Duration::from_secs(900));
    assert!(config.sessions.bound_login.is_none());
    assert!(matches!(config.store, Store::Memory));
    assert_eq!(config.identity, IdentityHeaders::default());
    assert!(config.assertion.is_none());
    assert_eq!(config.limits, Limits::default());
    assert_eq!(config.log, Log::default());
    let target = Target::new(b"GET", b"https", b"a.example", b"/").expect("canonical");
    assert_eq!(config.policy.rule_for(&target, None).expect("a rule").access, Access::Required);
    assert!(settings.iter().all(|setting| {
        ["audiences", "admit"].contains(&setting.key) || setting.origin == Origin::Default
    }));
}

#[test]
fn every_key_is_explained_once_whatever_was_set() {
    let redis = format!("{MINIMAL}[store]\nkind = \"redis\"\nurl_file = \"url\"\n");
    for file in [MINIMAL, &redis] {
        let loaded = good(file);
        let keys: Vec<_> = loaded.settings.iter().map(|setting| setting.key).collect();
        assert_eq!(keys, KEYS);
    }
    let variables: HashSet<_> = KEYS.iter().map(|key| variable(key)).collect();
    assert_eq!(variables.len(), KEYS.len(), "each key has a variable of its own");
}

#[test]
fn flags_outrank_the_environment_and_that_the_file() {
    let file = format!("{MINIMAL}[sessions]\nlifetime = \"3d\"\n");
    let variable = [("DIDT__SESSIONS__LIFETIME", "2d")];
    let flag = [("sessions.lifetime", "5d"), ("sessions.lifetime", "1d")];
    let rows: [(&[_], &[_], u64, &str); 4] = [
        (&[], &[], 3, "gateway.toml:4"),
        (&variable, &[], 2, "DIDT__SESSIONS__LIFETIME"),
        (&[], &flag, 1, "--set"),
        (&variable, &flag, 1, "--set"),
    ];
    for (variables, flags, days, origin) in rows {
        let loaded = load(Some(&file), variables, flags).expect("good");
        let lifetime = loaded.config.sessions.lifetimes.absolute();
        assert_eq!(lifetime, Duration::from_secs(days * 86_400), "{origin}");
        let (_, told) = value(&loaded, "sessions.lifetime");
        assert_eq!(told, origin);
    }
}

#[test]
fn a_container_needs_no_file() {
    let variables = [
        ("DIDT__AUDIENCES", "did:magic:a,did:magic:b"),
        ("DIDT__DEFAULT_ACCESS", "optional"),
        ("DIDT__ADMIT", "any_key"),
        ("DIDT__TRUSTED_PROXIES", "[\"10.0.0.0/8\"]"),
        ("DIDT__LISTEN__PUBLIC", "unix:/run/public.sock"),
        ("DIDT__LISTEN__PRIVATE", "[::]:9090"),
        ("DIDT__ADMIN__SECRET_FILE", "secret"),
        ("DIDT__SESSIONS__MAX_PER_ISSUER", "5"),
        ("DIDT__STORE__KIND", "redis"),
        ("DIDT__STORE__URL_FILE", "url"),
        ("DIDT__LOG__FORMAT", "json"),
    ];
    let config = load(None, &variables, &[]).expect("good").config;
    assert_eq!(config.audiences, Some(Audiences::from(["did:magic:a", "did:magic:b"])));
    assert_eq!(config.public.listen, Listen::Unix("/run/public.sock".into()));
    let private = config.private.as_ref().expect("a private listener");
    assert_eq!(private.listen, Listen::Tcp("[::]:9090".parse().expect("an address")));
    let secret = private.admin_secret.as_ref().expect("a secret");
    assert_eq!(secret.expose(), format!("{NEEDLE}-0123456789-0123456789-0123456789"));
    let five = NonZeroUsize::new(5).expect("not 0");
    assert_eq!(config.sessions.max_per_issuer, SessionLimit::AtMost(five));
    assert!(matches!(config.store, Store::Redis(_)));
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.policy.otherwise().access, Access::Optional);
}

#[test]
fn every_table_is_read() {
    let file = r#"
        audiences = ["did:magic:a"]
        addresses = ["0xde709f2102306220921060314715629080e2fb77"]
        trusted_proxies = ["10.0.0.0/8", "unix"]
        trusted_origins = ["https://app.example.com"]

        [listen]
        public = "0.0.0.0:443"
        private = "127.0.0.1:9090"
        tls = { certificate = "pem-certificate", key = "pem-key" }

        [cookie]
        name = "shop"
        domain = "example.com"
        same_site = "strict"

        [sessions]
        lifetime = "1d"
        idle_timeout = "1h 30m"
        replay = "newest_only"
        max_token_age = "5m"
        not_before_leeway = "1m"
        issued_at_leeway = "2m"
        expiry_leeway = "3s"
        bound_login = "required"
        bound_login_key_file = "keys"

        [store]
        kind = "sealed"
        keys_file = "keys"
        cluster_urls_file = "urls"
        prefix = "shop"
        timeout = "100ms"
        local_copies_bytes = 0

        [identity]
        issuer = "x-user"

        [assertion]
        issuer = "https://auth.example.com"
        audience = "api"
        lifetime = "30s"
        key_file = "pem-key"

        [limits]
        connections = 10
        header_bytes = 16384
        header_timeout = "5s"
        request_timeout = "6s"
        write_timeout = "8s"
        shutdown_timeout = "7s"

        [log]
        level = "debug"
    "#;
    let config = good(file).config;
    let tls = config.public.tls.as_ref().expect("TLS");
    assert_eq!(tls.certificate, Path::new("pem-certificate"));
    assert_eq!(tls.key, Path::new("pem-key"));
    assert_eq!(config.cookie.name(), "__Secure-shop");
    let lifetimes = config.sessions.lifetimes;
    assert_eq!(lifetimes.absolute(), Duration::from_secs(86_400));
    assert_eq!(lifetimes.idle_timeout(), Some(Duration::from_secs(5_400)));
    assert_eq!(config.sessions.replay, Replay::NewestOnly);
    assert_eq!(config.sessions.max_token_age, Duration::from_secs(300));
    let leeways = Leeways {
        not_before: Duration::from_secs(60),
        issued_at: Duration::from_secs(120),
        expiry: Duration::from_secs(3),
    };
    assert_eq!(config.sessions.leeways, leeways);
    assert!(config.sessions.bound_login.is_some());
    assert!(matches!(config.store, Store::Sealed { ledger: Some(_), .. }));
    assert_eq!(config.identity.issuer, "x-user");
    let assertion = config.assertion.as_ref().expect("an assertion");
    assert_eq!(
        (assertion.issuer.as_str(), assertion.audience.as_str()),
        ("https://auth.example.com", "api")
    );
    assert_eq!(assertion.lifetime, Duration::from_secs(30));
    assert!(assertion.key.expose().starts_with("-----BEGIN PRIVATE KEY-----"));
    let seconds = Duration::from_secs;
    let limits = Limits {
        connections: 10,
        header_bytes: 16_384,
        header_timeout: seconds(5),
        request_timeout: seconds(6),
        write_timeout: seconds(8),
        shutdown_timeout: seconds(7),
    };
    assert_eq!(config.limits, limits);
    assert_eq!(config.log.level, LogLevel::Debug);
}

#[test]
fn listeners_share_no_place_but_may_both_ask_for_any_port() {
    let listen = |public: &str, private: &str| {
        load(Some(MINIMAL), &[], &[("listen.public", public), ("listen.private", private)]).is_ok()
    };
    assert!(listen("127.0.0.1:0", "127.0.0.1:0"));
    assert!(listen("127.0.0.1:80", "127.0.0.1:81"));
    assert!(listen("127.0.0.1:80", "127.0.0.2:80"));
    assert!(listen("unix:/a", "unix:/b"));
    assert!(!listen("127.0.0.1:80", "127.0.0.1:80"));
    assert!(!listen("0.0.0.0:80", "127.0.0.1:80"));
    assert!(!listen("[::1]:80", "[::]:80"));
    assert!(!listen("unix:/a", "unix:/a"));
}

#[test]
fn admin_secrets_are_long_single_lines_from_files_alone() {
    let secret = |file| {
        let flags = [("listen.private", "127.0.0.1:1"), ("admin.secret_file", file)];
        load(Some(MINIMAL), &[], &flags)
    };
    assert!(secret("secret").is_ok());
    let rows = [
        ("short", "shorter than 32"),
        ("empty", "empty"),
        ("blanks", "visible ASCII"),
        ("two-lines", "visible ASCII"),
        ("missing", "cannot be read"),
        // The secret in place of the file's name.
        ("n33dl3-0123456789-0123456789-0123456789", "cannot be read"),
    ];
    for (file, expected) in rows {
        let told = secret(file).expect_err(file).to_string();
        assert!(told.contains(expected) && !told.contains(NEEDLE), "{told}");
    }
    let inline = problem(&format!("{MINIMAL}[admin]\nsecret = \"n33dl3\"\n"));
    assert!(inline.contains("admin.secret: unknown key"), "{inline}");
    assert!(!inline.contains(NEEDLE), "{inline}");
}

#[test]
fn nothing_that_is_printed_holds_a_secret() {
    let file = format!(
        "{MINIMAL}[listen]\nprivate = \"127.0.0.1:1\"\n[admin]\nsecret_file = \"secret\"\n\
         [store]\nkind = \"redis\"\nurl_file = \"url\"\n"
    );
    let loaded = good(&file);
    assert_eq!(value(&loaded, "admin.secret_file").0, "set");
    assert_eq!(value(&loaded, "store.url_file").0, "set");
    assert!(!format!("{loaded:?}").contains(NEEDLE));
}

#[test]
fn what_is_wrong_in_the_file_is_told_with_its_line() {
    let rows = [
        ("[listn]\n", "gateway.toml:3: listn: unknown key"),
        ("listen = 1\n", "gateway.toml:3: listen: is a table"),
        (
            "\n\n[listen]\npublc = 1\n",
            "gateway.toml:6: listen.publc: unknown key; the keys of [listen]",
        ),
        (
            "[listen]\npublic = 1\n",
            "gateway.toml:4: listen.public: expected a text in quotes, such as \"…\", not the number 1",
        ),
        (
            "[rules]\nname = \"a\"\n",
            "gateway.toml:3: rules: is one table; expected a list of them: each rule begins with [[rules]]",
        ),
        (
            "[limits]\nconnections = \"10\"\n",
            "gateway.toml:4: limits.connections: expected a whole number",
        ),
        ("trusted_proxies = \"10.0.0.0/8\"\n", "gateway.toml:3: trusted_proxies: expected a list"),
        ("trusted_proxies = [1]\n", "gateway.toml:3: trusted_proxies: expected a list"),
        ("\"sessions.lifetime\" = \"1d\"\n", "gateway.toml:3: \"sessions.lifetime\": unknown key"),
        ("[listen.tls.more]\n", "gateway.toml:3: listen.tls.more: unknown key"),
        ("[log]\nlevel = \"info\"\nlevel = \"warn\"\n", "gateway.toml:5: "),
        ("[log\n", "gateway.toml:3: "),
        ("log = { level = \"info\"", "gateway.toml:3: "),
    ];
    for (more, expected) in rows {
        let told = problem(&format!("{MINIMAL}{more}"));
        assert!(told.starts_with(expected), "{told}");
    }
    let long = format!("{MINIMAL}# {}", "a".repeat(MAX_FILE_LEN));
    assert!(problem(&long).contains("longer than"), "a file of any length");
    let deep = format!("a = {}1{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(load(Some(&deep), &[], &[]).is_err(), "nested without end");
}

#[test]
fn an_unknown_variable_is_no_comment() {
    for name in ["DIDT__SESSIONS__LIFETME", "DIDT__", "DIDT__sessions__lifetime", "DIDT__SESSIONS"]
    {
        let told = load(Some(MINIMAL), &[(name, "1d")], &[]).expect_err(name).to_string();
        assert!(told.starts_with(&format!("{name}: no setting has this name")), "{told}");
    }
    let told = load(Some(MINIMAL), &[("DIDT__RULES", "[]")], &[]).expect_err("rules").to_string();
    assert!(told.contains("in the file only"), "{told}");
}

proptest! {
    #[test]
    fn no_text_panics_and_every_problem_is_one_line(
        pieces in proptest::collection::vec(
            prop::sample::select(vec![
                "audiences", "store", "url", "rules", "paths", "name", "=", "[", "]", "[[", "]]",
                "\"a\"", "'/x'", "\n", ".", "{", "}", "1", "\u{1b}", "\"\\u0007\"", ",", "é",
            ]),
            0..30,
        ),
    ) {
        if let Err(invalid) = load(Some(&pieces.concat()), &[], &[]) {
            prop_assert!(!invalid.to_string().contains(char::is_control));
        }
    }
}
