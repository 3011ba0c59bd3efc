//! `[[rules]]`.

use super::*;
use crate::serve::policy::Admit;

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
        issuers = ["did:ethr:0xde709f2102306220921060314715629080e2fb77"]
        addresses = ["0x52908400098527886E0F7030069857D2E4169EE7"]

        [[rules]]
        name = "api"
        paths = ["/**"]
        "#,
    );
    let policy = &good(&file).config.policy;
    let rule = |method: &str, host: &str, path: &str| {
        let [method, host, path] = [method, host, path].map(str::as_bytes);
        policy
            .rule_for(&Target::new(method, b"https", host, path).expect("canonical"), None)
            .expect("a rule")
    };
    assert_eq!(rule("GET", "a.example.com", "/static/x").access, Access::Public);
    assert_eq!(rule("POST", "a.example.com", "/static/x").name, "api");
    assert_eq!(rule("GET", "example.com", "/static/x").name, "api");
    assert_eq!(rule("GET", "example.com", "/").access, Access::Optional);
    let admin = rule("GET", "example.com", "/admin/users");
    assert_eq!(admin.access, Access::Fresh(Duration::from_secs(600)));
    let issuers = &admin.admit.listed().expect("issuers").issuers;
    assert_eq!(issuers.len(), 2);
    for issuer in
        ["de709f2102306220921060314715629080e2fb77", "52908400098527886e0f7030069857d2e4169ee7"]
    {
        let issuer = format!("did:ethr:0x{issuer}").parse().expect("an issuer");
        assert!(issuers.contains(&issuer), "{issuer}");
    }
    assert_eq!(rule("GET", "example.com", "/api").access, Access::Required);
    assert_eq!(rule("GET", "example.com", "/api").admit, Admit::AnyKey);
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
        (
            "name of the default",
            "name = \"default\"\npaths = [\"/\"]",
            "is reserved for what applies",
        ),
        ("empty paths", "name = \"a\"\npaths = []", "paths must not be empty"),
        ("path twice", "name = \"a\"\npaths = [\"/\", \"/\"]", "is listed twice"),
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
        ("no hosts", "name = \"a\"\npaths = [\"/\"]\nhosts = []", "hosts must not be empty"),
        (
            "method in lower case",
            "name = \"a\"\npaths = [\"/\"]\nmethods = [\"get\"]",
            "is not a method",
        ),
        ("unknown method", "name = \"a\"\npaths = [\"/\"]\nmethods = [\"GTE\"]", "is not a method"),
        (
            "unknown access",
            "name = \"a\"\npaths = [\"/\"]\naccess = \"deny\"",
            "\"deny\" is not one of",
        ),
        (
            "fresh as access",
            "name = \"a\"\npaths = [\"/\"]\naccess = \"fresh\"",
            "\"fresh\" is not one of",
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
        (
            "unknown word about credentials",
            "name = \"a\"\npaths = [\"/\"]\nforeign_credentials = \"allow\"",
            "foreign_credentials: \"allow\" is none of \"stop\", \"pass\"",
        ),
        (
            "slashes in another way",
            "name = \"a\"\npaths = [\"/\"]\nencoded_slashes = \"decode\"",
            "encoded_slashes: \"decode\" is not \"keep\"",
        ),
        (
            "credentials and public",
            "name = \"a\"\npaths = [\"/\"]\naccess = \"public\"\nforeign_credentials = \"pass\"",
            "public rules always leave them",
        ),
        (
            "credentials and a switch",
            "name = \"a\"\npaths = [\"/\"]\nforeign_credentials = true",
            "invalid type",
        ),
        ("fresh for no time", "name = \"a\"\npaths = [\"/\"]\nfresh = \"0s\"", "out of bounds"),
        (
            "fresh for longer than life",
            "name = \"a\"\npaths = [\"/\"]\nfresh = \"8d\"",
            "longer than sessions.lifetime",
        ),
        ("fresh without a unit", "name = \"a\"\npaths = [\"/\"]\nfresh = \"10\"", "not a duration"),
        (
            "issuers and public",
            "name = \"a\"\npaths = [\"/\"]\naccess = \"public\"\naddresses = [\"0x52908400098527886E0F7030069857D2E4169EE7\"]",
            "admit, issuers, addresses and emails require sign-in",
        ),
        ("no issuers", "name = \"a\"\npaths = [\"/\"]\nissuers = []", "issuers must not be empty"),
        (
            "address for an issuer",
            "name = \"a\"\npaths = [\"/\"]\nissuers = [\"0x52908400098527886E0F7030069857D2E4169EE7\"]",
            "is not an issuer",
        ),
        (
            "short address",
            "name = \"a\"\npaths = [\"/\"]\naddresses = [\"0x5290\"]",
            "is not an address",
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
    assert_eq!(told, "gateway.toml:7: rule \"a\": another rule has this name");
    let told = two("name = \"a\"\npaths = [\"/x\"]", "name = \"b\"\npaths = [\"/x\"]");
    assert!(
        told.starts_with("gateway.toml:8: rule \"b\": never applies: the rule \"a\""),
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

const LISTED: &str = "addresses = [\"0xde709f2102306220921060314715629080e2fb77\"]\n";

/// Anyone can make a key and sign in with it.
#[test]
fn what_is_guarded_is_open_to_any_key_only_where_that_is_said() {
    let audiences = "audiences = [\"did:magic:a\"]\n";
    let rule = |more: &str| format!("[[rules]]\nname = \"a\"\npaths = [\"/a\"]\n{more}");
    let all = |more: &str| format!("[[rules]]\nname = \"all\"\npaths = [\"/**\"]\n{more}");
    let public = "default_access = \"public\"\n";
    let refused = [
        String::new(),
        rule("access = \"public\"\n"),
        rule(LISTED),
        format!("{public}{}", rule("")),
        format!("{public}{}", rule("fresh = \"5m\"\n")),
        format!("{public}admit = \"listed\"\n{}", rule("")),
        format!("{public}{}", rule("admit = \"listed\"\n")),
        all(""),
        format!("[[rules]]\nname = \"b\"\npaths = [\"/**\"]\nmethods = [\"GET\"]\n{LISTED}"),
        "admit = \"listed\"\n".to_owned(),
    ];
    for text in refused {
        let told = problem(&format!("{audiences}{text}"));
        assert!(told.contains("admit") && told.contains("addresses"), "{text}: {told}");
    }
    let accepted = [
        ("any key", "admit = \"any_key\"\n".to_owned()),
        ("a list", LISTED.to_owned()),
        ("the word too", format!("admit = \"listed\"\n{LISTED}")),
        ("nothing is guarded", public.to_owned()),
        ("nobody has to be known", "default_access = \"optional\"\n".to_owned()),
        ("each rule says it", format!("{public}{}", rule("admit = \"any_key\"\n"))),
        ("the default is never reached", format!("{}{}", rule(LISTED), all(LISTED))),
    ];
    for (name, text) in accepted {
        let told = load(Some(&format!("{audiences}{text}")), &[], &[]).err();
        assert_eq!(told, None, "{name}");
    }
}

#[test]
fn a_list_and_any_key_contradict_each_other() {
    let audiences = "audiences = [\"did:magic:a\"]\n";
    for text in [
        format!("admit = \"any_key\"\n{LISTED}"),
        format!("{LISTED}[[rules]]\nname = \"a\"\npaths = [\"/a\"]\nadmit = \"any_key\"\n{LISTED}"),
    ] {
        assert!(problem(&format!("{audiences}{text}")).contains("keep one"), "{text}");
    }
    let unknown = problem(&format!("{audiences}admit = \"everybody\"\n"));
    assert!(
        unknown.contains("\"everybody\" is not one of \"any_key\", \"known\", \"listed\""),
        "{unknown}"
    );
}

#[test]
fn a_list_at_the_top_is_for_every_rule_that_has_none() {
    let text = format!(
        "audiences = [\"did:magic:a\"]\n{LISTED}\
         [[rules]]\nname = \"a\"\npaths = [\"/a\"]\n\
         [[rules]]\nname = \"b\"\npaths = [\"/b\"]\nadmit = \"any_key\"\n"
    );
    let policy = &good(&text).config.policy;
    let admit = |path: &str| {
        let target = Target::new(b"GET", b"https", b"a.example", path.as_bytes());
        policy.rule_for(&target.expect("canonical"), None).expect("a rule").admit.clone()
    };
    assert_eq!(admit("/a").listed().map(|listed| listed.issuers.len()), Some(1));
    assert_eq!(admit("/b"), Admit::AnyKey);
    assert_eq!(
        admit("/c").listed().map(|listed| listed.issuers.len()),
        Some(1),
        "and for the default"
    );
}
