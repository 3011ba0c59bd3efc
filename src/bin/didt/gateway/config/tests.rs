use std::collections::HashSet;

use proptest::prelude::*;

use super::keys::{KEYS, variable};
use super::*;
use crate::gateway::policy::{Access, Target};

/// What stands in every secret file, and in no output.
const NEEDLE: &str = "n33dl3";

const MINIMAL: &str = "audiences = [\"did:magic:a\"]\n";

/// The files that settings may name here.
fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let key = || rcgen::KeyPair::generate().expect("a key");
    let text = match path.to_str() {
        Some("secret") => format!("{NEEDLE}-0123456789-0123456789-0123456789\r\n"),
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
    Loaded::new(&Sources {
        file: file.map(|text| ("gateway.toml", text)),
        variables: variables.iter().map(pair).collect(),
        flags: flags.iter().map(pair).collect(),
        read,
    })
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
fn nothing_but_an_audience_is_needed() {
    let Loaded { config, settings } = good(MINIMAL);
    assert_eq!(config.audiences, Audiences::from("did:magic:a"));
    assert_eq!(config.public.listen, Listen::Tcp(([127, 0, 0, 1], 8080).into()));
    assert!(config.public.tls.is_none() && config.private.is_none());
    assert_eq!(config.trusted_proxies, TrustedProxies::default(), "nobody is trusted");
    assert!(config.trusted_origins.is_empty());
    assert_eq!(config.cookie, SessionCookie::default());
    assert_eq!(config.sessions.lifetimes, Lifetimes::default());
    assert_eq!(config.sessions.max_per_issuer, None);
    assert_eq!(config.sessions.replay, Replay::Authenticate);
    assert_eq!(config.sessions.max_token_age, Duration::from_secs(900));
    assert!(config.sessions.bound_login.is_none());
    assert!(matches!(config.store, Store::Memory));
    assert_eq!(config.identity, IdentityHeaders::default());
    assert!(config.assertion.is_none());
    assert_eq!(config.limits, Limits::default());
    assert_eq!(config.log, Log::default());
    let target = Target::new(b"GET", b"https", b"a.example", b"/").expect("canonical");
    assert_eq!(config.policy.rule_for(&target).access, Access::Required);
    assert!(settings.iter().skip(1).all(|setting| setting.origin == Origin::Default));
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
        (&[], &[], 3, "gateway.toml:3"),
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
    assert_eq!(config.audiences, Audiences::from(["did:magic:a", "did:magic:b"]));
    assert_eq!(config.public.listen, Listen::Unix("/run/public.sock".into()));
    let private = config.private.expect("a private listener");
    assert_eq!(private.listen, Listen::Tcp("[::]:9090".parse().expect("an address")));
    let secret = private.admin_secret.expect("a secret");
    assert_eq!(secret.expose(), format!("{NEEDLE}-0123456789-0123456789-0123456789"));
    assert_eq!(config.sessions.max_per_issuer, NonZeroUsize::new(5));
    assert!(matches!(config.store, Store::Redis(_)));
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.policy.otherwise().access, Access::Optional);
}

#[test]
fn every_table_is_read() {
    let file = r#"
        audiences = ["did:magic:a"]
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
        shutdown_timeout = "7s"

        [log]
        level = "debug"
    "#;
    let config = good(file).config;
    let tls = config.public.tls.expect("TLS");
    assert_eq!(tls.certificate, Path::new("pem-certificate"));
    assert_eq!(tls.key, Path::new("pem-key"));
    assert_eq!(config.cookie.name(), "__Secure-shop");
    let lifetimes = config.sessions.lifetimes;
    assert_eq!(lifetimes.absolute(), Duration::from_secs(86_400));
    assert_eq!(lifetimes.idle_timeout(), Some(Duration::from_secs(5_400)));
    assert_eq!(config.sessions.replay, Replay::NewestOnly);
    assert_eq!(config.sessions.max_token_age, Duration::from_secs(300));
    assert!(config.sessions.bound_login.is_some());
    assert!(matches!(config.store, Store::Sealed { ledger: Some(_), .. }));
    assert_eq!(config.identity.issuer, "x-user");
    let assertion = config.assertion.expect("an assertion");
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

/// `KEY=VALUE` over the minimal file, and what must be said about it.
#[test]
fn settings_that_make_no_sense_are_refused() {
    let rows: &[(&str, &[(&str, &str)], &str)] = &[
        ("no audience", &[("audiences", "")], "audiences: missing"),
        ("empty audience", &[("audiences", "[\"\"]")], "must not be empty"),
        (
            "audience with a blank",
            &[("audiences", "[\"a b\"]")],
            "must not be empty or have blanks",
        ),
        ("audience twice", &[("audiences", "a,a")], "stands there twice"),
        ("unknown access", &[("default_access", "deny")], "\"deny\" is none of"),
        ("proxy by name", &[("trusted_proxies", "localhost")], "no IP address"),
        (
            "origin with a path",
            &[("trusted_origins", "https://a.example/")],
            "trusted origin must be",
        ),
        ("listen on a name", &[("listen.public", "localhost:80")], "is no address"),
        ("listen without a port", &[("listen.public", "127.0.0.1")], "is no address"),
        ("relative socket", &[("listen.public", "unix:run/x")], "no absolute path"),
        (
            "listeners at one place",
            &[("listen.private", "127.0.0.1:8080")],
            "where listen.public is",
        ),
        (
            "key without certificate",
            &[("listen.tls.key", "pem-key")],
            "needs listen.tls.certificate",
        ),
        (
            "certificate without key",
            &[("listen.tls.certificate", "pem-certificate")],
            "needs listen.tls.key",
        ),
        (
            "key for a certificate",
            &[("listen.tls.certificate", "pem-key"), ("listen.tls.key", "pem-key")],
            "holds no certificates",
        ),
        (
            "certificate for a key",
            &[("listen.tls.certificate", "pem-certificate"), ("listen.tls.key", "pem-certificate")],
            "holds no private key",
        ),
        ("cookie name", &[("cookie.name", "a b")], "cookie.name: \"a b\" cannot be"),
        ("empty cookie name", &[("cookie.name", "")], "cookie.name: \"\" cannot be"),
        ("cookie prefix", &[("cookie.name", "__Host-a")], "has a prefix"),
        ("cookie for everybody", &[("cookie.domain", "com")], "two labels or more"),
        ("same site", &[("cookie.same_site", "Lax")], "is none of \"lax\""),
        ("span without a unit", &[("sessions.lifetime", "7")], "is no span of time"),
        ("no lifetime", &[("sessions.lifetime", "0s")], "out of bounds"),
        ("endless lifetime", &[("sessions.lifetime", "401d")], "out of bounds"),
        (
            "idle for longer than life",
            &[("sessions.idle_timeout", "8d")],
            "longer than sessions.lifetime",
        ),
        ("no sessions", &[("sessions.max_per_issuer", "0")], "whole number from 1"),
        ("replay", &[("sessions.replay", "yes")], "is none of"),
        ("no token age", &[("sessions.max_token_age", "0s")], "out of bounds"),
        ("key that binds nothing", &[("sessions.bound_login_key_file", "keys")], "has no effect"),
        (
            "password for a key",
            &[("sessions.bound_login", "required"), ("sessions.bound_login_key_file", "secret")],
            "32 random bytes",
        ),
        (
            "placeholder for a key",
            &[("sessions.bound_login", "required"), ("sessions.bound_login_key_file", "weak")],
            "32 random bytes",
        ),
        ("unknown store", &[("store.kind", "postgres")], "\"postgres\" is none of"),
        ("keys for memory", &[("store.keys_file", "keys")], "for store.kind \"sealed\" alone"),
        ("Redis for memory", &[("store.url_file", "url")], "for store.kind \"redis\""),
        ("prefix for memory", &[("store.prefix", "a")], "for store.kind \"redis\""),
        ("Redis nowhere", &[("store.kind", "redis")], "expected one of store.url,"),
        ("sealed without keys", &[("store.kind", "sealed")], "needs keys"),
        ("weak key", &[("store.kind", "sealed"), ("store.keys_file", "weak")], "not random"),
        (
            "counting sealed sessions",
            &[
                ("store.kind", "sealed"),
                ("store.keys_file", "keys"),
                ("sessions.max_per_issuer", "5"),
            ],
            "cannot be counted",
        ),
        (
            "prefix without Redis",
            &[("store.kind", "sealed"), ("store.keys_file", "keys"), ("store.prefix", "a")],
            "needs store.url",
        ),
        (
            "two places",
            &[("store.kind", "redis"), ("store.url", "redis://a"), ("store.url_file", "url")],
            "expected one of them",
        ),
        (
            "URL of something else",
            &[("store.kind", "redis"), ("store.url", "http://a")],
            "expected redis://",
        ),
        (
            "secret URL of something else",
            &[("store.kind", "redis"), ("store.url_file", "other-url")],
            "expected redis://",
        ),
        (
            "password in the open",
            &[("store.kind", "redis"), ("store.url", "redis://:n33dl3@a")],
            "store.url_file",
        ),
        (
            "user in the open",
            &[("store.kind", "redis"), ("store.cluster_urls", "redis://n33dl3@a")],
            "store.cluster_urls_file",
        ),
        (
            "password of a socket",
            &[("store.kind", "redis"), ("store.url", "unix:///a?pass=n33dl3")],
            "store.url_file",
        ),
        ("no nodes", &[("store.kind", "redis"), ("store.cluster_urls", "[]")], "expected redis://"),
        (
            "braces",
            &[("store.kind", "redis"), ("store.url", "redis://a"), ("store.prefix", "{a}")],
            "store.prefix",
        ),
        (
            "no time",
            &[("store.kind", "redis"), ("store.url", "redis://a"), ("store.timeout", "0s")],
            "out of bounds",
        ),
        ("header in upper case", &[("identity.issuer", "X-User")], "is no header name here"),
        ("header with an underscore", &[("identity.issuer", "x_user")], "is no header name here"),
        ("header with a dot", &[("identity.issuer", "x.user")], "is no header name here"),
        (
            "two headers of one name",
            &[("identity.issuer", "x-auth-address")],
            "is the header of identity.issuer",
        ),
        ("credential header", &[("identity.issuer", "authorization")], "means something else"),
        ("cookie header", &[("identity.issuer", "cookie")], "means something else"),
        ("hop-by-hop header", &[("identity.issuer", "connection")], "means something else"),
        ("forwarded header", &[("identity.issuer", "x-forwarded-user")], "means something else"),
        (
            "assertion without a key",
            &[("assertion.issuer", "a"), ("assertion.audience", "b")],
            "needs assertion.key_file",
        ),
        (
            "assertion for nobody",
            &[("assertion.issuer", "a"), ("assertion.key_file", "pem-key")],
            "needs assertion.audience",
        ),
        (
            "assertion with some key",
            &[
                ("assertion.issuer", "a"),
                ("assertion.audience", "b"),
                ("assertion.key_file", "secret"),
            ],
            "holds no PKCS #8 key",
        ),
        ("endless assertion", &[("assertion.lifetime", "1d")], "out of bounds"),
        (
            "administration in public",
            &[("admin.secret_file", "secret")],
            "needs a private listener",
        ),
        ("no connections", &[("limits.connections", "0")], "whole number from 1"),
        ("tiny heads", &[("limits.header_bytes", "100")], "whole number from 8192"),
        ("no time to answer", &[("limits.request_timeout", "0s")], "out of bounds"),
        ("log format", &[("log.format", "xml")], "is none of"),
        ("log level", &[("log.level", "trace")], "is none of"),
        ("rules", &[("rules", "[]")], "in the file alone"),
        (
            "unknown key",
            &[("sessions.lifetme", "1d")],
            "unknown key; those of [sessions] are lifetime,",
        ),
        (
            "unknown table",
            &[("session.lifetime", "1d")],
            "unknown key; those outside of tables are audiences,",
        ),
        ("table", &[("sessions", "1d")], "is a table; its keys are lifetime,"),
    ];
    for (name, flags, expected) in rows {
        let told = load(Some(MINIMAL), &[], flags).expect_err(name).to_string();
        assert!(told.contains(expected), "{name}: {told}");
        assert!(!told.contains(NEEDLE), "{name}: {told}");
    }
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
        ("[listn]\n", "gateway.toml:2: listn: unknown key"),
        ("listen = 1\n", "gateway.toml:2: listen: is a table"),
        (
            "\n\n[listen]\npublc = 1\n",
            "gateway.toml:5: listen.publc: unknown key; those of [listen]",
        ),
        ("[listen]\npublic = 1\n", "gateway.toml:3: listen.public: expected a text in quotes"),
        (
            "[limits]\nconnections = \"10\"\n",
            "gateway.toml:3: limits.connections: expected a whole number",
        ),
        ("trusted_proxies = \"10.0.0.0/8\"\n", "gateway.toml:2: trusted_proxies: expected a list"),
        ("trusted_proxies = [1]\n", "gateway.toml:2: trusted_proxies: expected a list"),
        ("\"sessions.lifetime\" = \"1d\"\n", "gateway.toml:2: \"sessions.lifetime\": unknown key"),
        ("[listen.tls.more]\n", "gateway.toml:2: listen.tls.more: unknown key"),
        ("[log]\nlevel = \"info\"\nlevel = \"warn\"\n", "gateway.toml:4: "),
        ("[log\n", "gateway.toml:2: "),
        ("log = { level = \"info\"", "gateway.toml:2: "),
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
    assert!(told.contains("in the file alone"), "{told}");
}

fn with_rules(rules: &str) -> String {
    format!("{MINIMAL}{rules}")
}

#[test]
fn rules_say_who_may_pass() {
    let file = with_rules(
        r#"
        [[rules]]
        name = "assets"
        hosts = ["*.example.com"]
        methods = ["GET", "HEAD"]
        paths = ["/static/**"]
        access = "public"

        [[rules]]
        name = "home"
        paths = ["/"]
        access = "optional"

        [[rules]]
        name = "admin"
        paths = ["/admin", "/admin/**"]
        fresh = "10m"
        issuers = ["did:ethr:0xDE709F2102306220921060314715629080e2fb77"]
        addresses = ["0x52908400098527886E0F7030069857D2E4169EE7"]

        [[rules]]
        name = "api"
        paths = ["/**"]
        "#,
    );
    let policy = good(&file).config.policy;
    let rule = |method: &str, host: &str, path: &str| {
        let [method, host, path] = [method, host, path].map(str::as_bytes);
        policy.rule_for(&Target::new(method, b"https", host, path).expect("canonical"))
    };
    assert_eq!(rule("GET", "a.example.com", "/static/x").access, Access::Public);
    assert_eq!(rule("POST", "a.example.com", "/static/x").name, "api");
    assert_eq!(rule("GET", "example.com", "/static/x").name, "api");
    assert_eq!(rule("GET", "example.com", "/").access, Access::Optional);
    let admin = rule("GET", "example.com", "/admin/users");
    assert_eq!(admin.access, Access::Fresh(Duration::from_secs(600)));
    let issuers = admin.issuers.as_ref().expect("issuers");
    assert_eq!(issuers.len(), 2);
    for issuer in
        ["de709f2102306220921060314715629080e2fb77", "52908400098527886e0f7030069857d2e4169ee7"]
    {
        let issuer = format!("did:ethr:0x{issuer}").parse().expect("an issuer");
        assert!(issuers.contains(&issuer), "{issuer}");
    }
    assert_eq!(rule("GET", "example.com", "/api").access, Access::Required);
    assert!(rule("GET", "example.com", "/api").issuers.is_none());
}

#[test]
fn rules_that_make_no_sense_are_refused() {
    let rows = [
        ("no name", "paths = [\"/\"]", "missing field `name`"),
        ("no paths", "name = \"a\"", "missing field `paths`"),
        ("unknown key", "name = \"a\"\npaths = [\"/\"]\npath = \"/\"", "unknown field `path`"),
        ("path, not paths", "name = \"a\"\npaths = \"/\"", "invalid type"),
        ("empty name", "name = \"\"\npaths = [\"/\"]", "expected a name"),
        ("name of a log line", "name = \"a\\nb\"\npaths = [\"/\"]", "expected a name"),
        ("name of the default", "name = \"default\"\npaths = [\"/\"]", "what no rule is called"),
        ("empty paths", "name = \"a\"\npaths = []", "paths is empty"),
        ("path twice", "name = \"a\"\npaths = [\"/\", \"/\"]", "stands there twice"),
        ("path with dots", "name = \"a\"\npaths = [\"/a/../b\"]", "has a . or .. segment"),
        ("path with slashes", "name = \"a\"\npaths = [\"/a//b\"]", "two slashes in a row"),
        ("regular expression", "name = \"a\"\npaths = [\"^/a/.*$\"]", "does not begin with /"),
        ("half a star", "name = \"a\"\npaths = [\"/a*\"]", "a star in the wrong place"),
        (
            "host in upper case",
            "name = \"a\"\npaths = [\"/\"]\nhosts = [\"A.example\"]",
            "must be in lower case",
        ),
        (
            "host with a port",
            "name = \"a\"\npaths = [\"/\"]\nhosts = [\"a.example:443\"]",
            "must not have a port",
        ),
        ("no hosts", "name = \"a\"\npaths = [\"/\"]\nhosts = []", "hosts is empty"),
        (
            "method in lower case",
            "name = \"a\"\npaths = [\"/\"]\nmethods = [\"get\"]",
            "is no method",
        ),
        ("unknown method", "name = \"a\"\npaths = [\"/\"]\nmethods = [\"GTE\"]", "is no method"),
        (
            "unknown access",
            "name = \"a\"\npaths = [\"/\"]\naccess = \"deny\"",
            "\"deny\" is none of",
        ),
        (
            "fresh as access",
            "name = \"a\"\npaths = [\"/\"]\naccess = \"fresh\"",
            "\"fresh\" is none of",
        ),
        (
            "fresh and public",
            "name = \"a\"\npaths = [\"/\"]\nfresh = \"1m\"\naccess = \"public\"",
            "access = \"public\" does not",
        ),
        (
            "fresh and optional",
            "name = \"a\"\npaths = [\"/\"]\nfresh = \"1m\"\naccess = \"optional\"",
            "access = \"optional\" does not",
        ),
        ("fresh for no time", "name = \"a\"\npaths = [\"/\"]\nfresh = \"0s\"", "out of bounds"),
        (
            "fresh for longer than life",
            "name = \"a\"\npaths = [\"/\"]\nfresh = \"8d\"",
            "longer than sessions.lifetime",
        ),
        (
            "fresh without a unit",
            "name = \"a\"\npaths = [\"/\"]\nfresh = \"10\"",
            "no span of time",
        ),
        (
            "issuers and public",
            "name = \"a\"\npaths = [\"/\"]\naccess = \"public\"\naddresses = [\"0x52908400098527886E0F7030069857D2E4169EE7\"]",
            "issuers and addresses ask for somebody",
        ),
        ("no issuers", "name = \"a\"\npaths = [\"/\"]\nissuers = []", "issuers is empty"),
        (
            "address for an issuer",
            "name = \"a\"\npaths = [\"/\"]\nissuers = [\"0x52908400098527886E0F7030069857D2E4169EE7\"]",
            "is no issuer",
        ),
        (
            "short address",
            "name = \"a\"\npaths = [\"/\"]\naddresses = [\"0x5290\"]",
            "is no address",
        ),
    ];
    for (name, rule, expected) in rows {
        let told = problem(&with_rules(&format!("[[rules]]\n{rule}\n")));
        assert!(told.starts_with("gateway.toml:"), "{name}: {told}");
        assert!(told.contains(expected), "{name}: {told}");
    }
    let two = |first: &str, second: &str| {
        problem(&with_rules(&format!("[[rules]]\n{first}\n[[rules]]\n{second}\n")))
    };
    let told = two("name = \"a\"\npaths = [\"/\"]", "name = \"a\"\npaths = [\"/b\"]");
    assert_eq!(told, "gateway.toml:6: rule \"a\": there is another rule of this name");
    let told = two("name = \"a\"\npaths = [\"/x\"]", "name = \"b\"\npaths = [\"/x\"]");
    assert!(
        told.starts_with("gateway.toml:7: rule \"b\": never applies: the rule \"a\""),
        "{told}"
    );
    let told = two(
        "name = \"a\"\npaths = [\"/**\"]",
        "name = \"b\"\nmethods = [\"GET\"]\npaths = [\"/x\"]",
    );
    assert!(told.contains("never applies"), "{told}");

    let many: String =
        (0..1_001).map(|n| format!("[[rules]]\nname = \"r{n}\"\npaths = [\"/{n}\"]\n")).collect();
    assert!(problem(&with_rules(&many)).contains("more than 1000"));
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
