//! What makes no sense, and what is said about it.

use super::*;

const PAGE: (&str, &str) = ("sign_in.publishable_key", "pk_live_0123");

const LONG_PREFIX: &str = concat!(
    "/0123456789012345678901234567890123456789012345678901234567890123456789",
    "/0123456789012345678901234567890123456789012345678901234567890123456789",
);

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
        ("publishable key", &[("audiences", "pk_live_0123")], "\"pk_live_0123\" is a publishable"),
        ("secret key", &[("audiences", "sk_live_n33dl3")], "has a secret API key"),
        ("blank audience", &[("audiences", "[\" \"]")], "must not be empty or have blanks"),
        (
            "audience with an invisible blank",
            &[("audiences", "\u{200b}did:magic:a")],
            "have blanks",
        ),
        ("old test key", &[("audiences", "PK_TEST_0123")], "is a publishable"),
        ("nobody is a proxy", &[("trusted_proxies", "0.0.0.0")], "is no peer's address"),
        ("nobody is a proxy of IPv6", &[("trusted_proxies", "::")], "is no peer's address"),
        ("half of everybody is a proxy", &[("trusted_proxies", "128.0.0.0/1")], "strangers"),
        ("everybody of IPv6 is a proxy", &[("trusted_proxies", "::/0")], "strangers"),
        ("everybody is a proxy", &[("trusted_proxies", "0.0.0.0/0")], "strangers"),
        ("proxy within a network", &[("trusted_proxies", "10.1.2.3/8")], "write \"10.0.0.0/8\""),
        ("cookie for a suffix", &[("cookie.domain", "co.uk")], "public suffix"),
        ("cookie for an address", &[("cookie.domain", "192.168.1.10")], "is an address"),
        ("pages of anybody", &[("trusted_origins", "https://*.github.io")], "publicsuffix.org"),
        ("bad origin", &[("trusted_origins", "app.example.com")], "\"app.example.com\": "),
        (
            "URL without a scheme",
            &[("store.kind", "redis"), ("store.url", "localhost:6379")],
            "such as \"redis://localhost:6379\"",
        ),
        ("text for a number", &[("limits.connections", "many")], "not \"many\""),
        ("audience twice", &[("audiences", "a,a")], "is listed twice"),
        ("unknown access", &[("default_access", "deny")], "\"deny\" is not one of"),
        ("proxy by name", &[("trusted_proxies", "localhost")], "no IP address"),
        ("origin with a path", &[("trusted_origins", "https://a.example/")], "trailing slash"),
        ("listen on a name", &[("listen.public", "localhost:80")], "is not an address"),
        ("listen without a port", &[("listen.public", "127.0.0.1")], "is not an address"),
        ("relative socket", &[("listen.public", "unix:run/x")], "not an absolute path"),
        (
            "listeners at one place",
            &[("listen.private", "127.0.0.1:8080")],
            "is the address of listen.public",
        ),
        ("no prefix", &[("listen.prefix", "")], "listen.prefix: \"\" is no prefix"),
        ("prefix of everything", &[("listen.prefix", "/")], "is no prefix"),
        ("relative prefix", &[("listen.prefix", "auth")], "is no prefix"),
        ("prefix with an end", &[("listen.prefix", "/auth/")], "none at the end"),
        ("prefix of a host", &[("listen.prefix", "//evil.example")], "is no prefix"),
        ("prefix that goes up", &[("listen.prefix", "/a/../b")], "is no prefix"),
        ("prefix in two spellings", &[("listen.prefix", "/a%75th")], "is no prefix"),
        ("prefix with parameters", &[("listen.prefix", "/a;b")], "is no prefix"),
        ("prefix for a router", &[("listen.prefix", "/{*all}")], "is no prefix"),
        ("prefix beyond ASCII", &[("listen.prefix", "/ä")], "is no prefix"),
        ("prefix of checks", &[("listen.prefix", "/check")], "gateways ask below /check"),
        ("prefix below checks", &[("listen.prefix", "/check/me")], "gateways ask below /check"),
        (
            "prefix of Envoy's",
            &[("listen.prefix", "/envoy.service.auth.v3.Authorization")],
            "gateways ask below",
        ),
        ("long prefix", &[("listen.prefix", LONG_PREFIX)], "128 bytes at most"),
        ("page without a key", &[("sign_in.logo", "/logo.svg")], "needs sign_in.publishable_key"),
        (
            "secret key for a page",
            &[("sign_in.publishable_key", "sk_live_n33dl3")],
            "sign_in.publishable_key: holds a secret API key",
        ),
        (
            "blank before a secret key",
            &[("sign_in.publishable_key", " sk_live_n33dl3")],
            "sign_in.publishable_key: holds a secret API key",
        ),
        ("home of the page", &[PAGE, ("sign_in.home", "/auth/sign-in")], "sign_in.home: "),
        (
            "home below another prefix",
            &[PAGE, ("listen.prefix", "/-"), ("sign_in.home", "/-/x")],
            "sign_in.home: ",
        ),
        ("home elsewhere", &[PAGE, ("sign_in.home", "https://evil.example/")], "sign_in.home: "),
        (
            "end elsewhere",
            &[PAGE, ("sign_in.after_sign_out", "//evil.example")],
            "sign_in.after_sign_out: ",
        ),
        ("logo of plain HTTP", &[PAGE, ("sign_in.logo", "http://a.example/x")], "sign_in.logo: "),
        ("colour", &[PAGE, ("sign_in.accent", "red")], "sign_in.accent: "),
        ("script as a link", &[PAGE, ("sign_in.help_link", "javascript:x")], "sign_in.help_link: "),
        (
            "mail as a link",
            &[PAGE, ("sign_in.privacy_link", "mailto:x@example.com")],
            "sign_in.privacy_link: ",
        ),
        ("frame", &[PAGE, ("sign_in.endpoint", "https://a.example/x")], "sign_in.endpoint: "),
        ("provider", &[PAGE, ("sign_in.providers", "myspace")], "sign_in.providers: "),
        (
            "script of nobody",
            &[PAGE, ("sign_in.oauth_file", "secret")],
            "expected sign_in.providers",
        ),
        (
            "return host",
            &[PAGE, ("sign_in.return_origins", "evil.example")],
            "sign_in.return_origins",
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
            "has no certificates",
        ),
        (
            "certificate for a key",
            &[("listen.tls.certificate", "pem-certificate"), ("listen.tls.key", "pem-certificate")],
            "has no private key",
        ),
        ("cookie name", &[("cookie.name", "a b")], "cookie.name: \"a b\" is invalid"),
        ("empty cookie name", &[("cookie.name", "")], "cookie.name: \"\" is invalid"),
        ("cookie prefix", &[("cookie.name", "__Host-a")], "has a prefix"),
        ("cookie for everybody", &[("cookie.domain", "com")], "public suffix"),
        ("same site", &[("cookie.same_site", "Lax")], "is not one of \"lax\""),
        ("span without a unit", &[("sessions.lifetime", "7")], "is not a duration"),
        ("no lifetime", &[("sessions.lifetime", "0s")], "out of bounds"),
        ("endless lifetime", &[("sessions.lifetime", "401d")], "out of bounds"),
        (
            "idle for longer than life",
            &[("sessions.idle_timeout", "8d")],
            "longer than sessions.lifetime",
        ),
        (
            "remembered for less than others",
            &[("sessions.remembered_lifetime", "6d")],
            "shorter than sessions.lifetime (7days)",
        ),
        ("remembered for ever", &[("sessions.remembered_lifetime", "401d")], "out of bounds"),
        ("no sessions", &[("sessions.max_per_issuer", "0")], "whole number from 1"),
        ("replay", &[("sessions.replay", "yes")], "is not one of"),
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
        ("unknown store", &[("store.kind", "mysql")], "\"mysql\" is not one of"),
        (
            "PostgreSQL nowhere",
            &[("store.kind", "postgres")],
            "expected store.url or store.url_file",
        ),
        (
            "PostgreSQL's URL of something else",
            &[("store.kind", "postgres"), ("store.url", "redis://a")],
            "expected postgres://",
        ),
        (
            "PostgreSQL's password in the open",
            &[("store.kind", "postgres"), ("store.url", "postgres://a:n33dl3@a/b")],
            "store.url_file",
        ),
        (
            "secret URL that is not PostgreSQL's",
            &[("store.kind", "postgres"), ("store.url_file", "url")],
            "expected postgres://",
        ),
        (
            "schema with a quote",
            &[
                ("store.kind", "postgres"),
                ("store.url", "postgres://a/b"),
                ("store.prefix", "a\"b"),
            ],
            "lower-case ASCII letters",
        ),
        (
            "cluster of PostgreSQL",
            &[("store.kind", "postgres"), ("store.cluster_urls", "redis://a")],
            "is for Redis alone",
        ),
        (
            "migrating Redis",
            &[("store.kind", "redis"), ("store.url", "redis://a"), ("store.migrate", "true")],
            "is for store.kind \"postgres\" or \"sqlite\" alone",
        ),
        (
            "SQLite in memory",
            &[("store.kind", "sqlite"), ("store.url", "sqlite::memory:")],
            "expected sqlite:",
        ),
        (
            "copies for SQLite",
            &[
                ("store.kind", "sqlite"),
                ("store.url", "sqlite:a.db"),
                ("store.local_copies_bytes", "1"),
            ],
            "means nothing to SQLite",
        ),
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
            "expected only one of them",
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
        (
            "a password of Sentinels that everybody reads",
            &[
                ("store.kind", "redis"),
                ("store.url", "redis://mymaster"),
                ("store.sentinel_urls", "redis://:n33dl3@a"),
            ],
            "store.sentinel_urls_file",
        ),
        (
            "Sentinels of no master",
            &[("store.kind", "redis"), ("store.sentinel_urls", "redis://a:26379")],
            "such as redis://mymaster",
        ),
        (
            "Sentinels of a cluster",
            &[
                ("store.kind", "redis"),
                ("store.cluster_urls", "redis://a"),
                ("store.sentinel_urls", "redis://a:26379"),
            ],
            "such as redis://mymaster",
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
        ("header in upper case", &[("identity.issuer", "X-User")], "is not a valid header name"),
        (
            "header with an underscore",
            &[("identity.issuer", "x_user")],
            "is not a valid header name",
        ),
        ("header with a dot", &[("identity.issuer", "x.user")], "is not a valid header name"),
        (
            "two headers of one name",
            &[("identity.issuer", "x-auth-address")],
            "is the header of identity.issuer",
        ),
        ("credential header", &[("identity.issuer", "authorization")], "has another meaning"),
        ("cookie header", &[("identity.issuer", "cookie")], "has another meaning"),
        ("hop-by-hop header", &[("identity.issuer", "connection")], "has another meaning"),
        ("forwarded header", &[("identity.issuer", "x-forwarded-user")], "has another meaning"),
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
            "has no PKCS #8 key",
        ),
        ("endless assertion", &[("assertion.lifetime", "1d")], "out of bounds"),
        (
            "administration in public",
            &[("admin.secret_file", "secret")],
            "needs a private listener",
        ),
        ("no connections", &[("limits.connections", "0")], "whole number from 1"),
        ("a rate that is no number", &[("rates.sign_ins", "many")], "whole number from 0"),
        (
            "half a network",
            &[("rates.exempt_networks", "10.1.2.3/8")],
            "10.0.0.0/8 for the network",
        ),
        ("an access log of another kind", &[("log.access", "all")], "expected true or false"),
        ("tiny heads", &[("limits.header_bytes", "100")], "whole number from 8192"),
        ("no time to answer", &[("limits.request_timeout", "0s")], "out of bounds"),
        ("log format", &[("log.format", "xml")], "is not one of"),
        ("log level", &[("log.level", "trace")], "is not one of"),
        ("rules", &[("rules", "[]")], "in the file only"),
        (
            "unknown key",
            &[("sessions.lifetme", "1d")],
            "unknown key; the keys of [sessions] are lifetime,",
        ),
        (
            "unknown table",
            &[("session.lifetime", "1d")],
            "unknown key; the keys outside tables are audiences,",
        ),
        ("table", &[("sessions", "1d")], "is a table; its keys are lifetime,"),
    ];
    for (name, flags, expected) in rows {
        let told = load(Some(MINIMAL), &[], flags).expect_err(name).to_string();
        assert!(told.contains(expected), "{name}: {told}");
        assert!(!told.contains(NEEDLE), "{name}: {told}");
    }
}
