//! `[[rules]]`.

use super::*;

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
