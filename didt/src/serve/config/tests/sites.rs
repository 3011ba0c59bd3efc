//! `[[sites]]`: what is of which site, and what two of them must not have in common.

use super::*;

const SHOP: &str = "[[sites]]\nname = \"shop\"\nhosts = [\"shop.example.com\"]\naudiences = [\"did:magic:shop\"]\n\
                    admit = \"any_key\"\n";
const BLOG: &str = "[[sites]]\nname = \"blog\"\nhosts = [\"blog.example.com\"]\naudiences = [\"did:magic:blog\"]\n\
                    admit = \"any_key\"\n";

fn sites(file: &str) -> Result<Sites<Loaded>, Invalid> {
    super::super::load(&Sources {
        file: Some(("gateway.toml", file)),
        variables: Vec::new(),
        flags: Vec::new(),
        files: true,
        read,
    })
}

fn named<'a>(sites: &'a Sites<Loaded>, name: &str) -> &'a Loaded {
    sites.named(SiteName::parse(name).as_ref()).expect("a site")
}

#[test]
fn each_site_has_its_own_settings_and_rules_over_those_for_all() {
    let rule = "[[sites.rules]]\nname = \"open\"\npaths = [\"/open\"]\naccess = \"public\"\n";
    let file = format!(
        "trusted_proxies = [\"127.0.0.1\"]\n[sessions]\nlifetime = \"1h\"\nidle_timeout = \"5m\"\n\
         [magic]\ntimeout = \"1s\"\n[store]\nkind = \"redis\"\nurl_file = \"url\"\n\
         {SHOP}sessions.lifetime = \"2h\"\nmagic.secret_key_file = \"magic-key\"\n{rule}{BLOG}\
         cookie.name = \"b\"\n"
    );
    let sites = sites(&file).expect("good");
    let (shop, blog) = (named(&sites, "shop"), named(&sites, "blog"));
    let hour = Duration::from_secs(60 * 60);
    assert_eq!(shop.config.sessions.lifetimes.absolute(), 2 * hour);
    assert_eq!(blog.config.sessions.lifetimes.absolute(), hour);
    assert_eq!(value(blog, "sessions.idle_timeout"), ("5m", "gateway.toml:4".to_owned()));
    assert_eq!(shop.config.cookie.name(), "__Host-didt");
    assert_eq!(blog.config.cookie.name(), "__Host-b");
    assert_eq!(shop.config.policy.rules().len(), 1);
    assert_eq!(blog.config.policy.rules().len(), 0);
    assert_eq!(shop.config.magic.as_ref().expect("[magic]").timeout, Duration::from_secs(1));
    assert!(blog.config.magic.is_none(), "what is for all sites takes effect at those with a key");
    assert!(shop.config.audiences.as_ref().expect("audiences").accept("did:magic:shop"));
    assert!(!shop.config.audiences.as_ref().expect("audiences").accept("did:magic:blog"));
}

/// A file, and what must be said about it.
#[test]
fn what_is_in_the_wrong_place_or_shared_is_refused_with_line_and_reason() {
    let two = format!("{SHOP}{BLOG}");
    let with = |line: &str| format!("{SHOP}{line}\n{BLOG}");
    let pair = |shop: &str, blog: &str| format!("{SHOP}{shop}\n{BLOG}{blog}\n");
    let rule = "[[rules]]\nname = \"x\"\npaths = [\"/x\"]\n";
    let key = "key_file = \"pem-key\"\nissuer = \"i\"\n";
    let rows = [
        (
            "at the top: audiences",
            format!("audiences = [\"a\"]\n{two}"),
            ":1: audiences: each of several",
        ),
        ("at the top: admit", format!("admit = \"any_key\"\n{two}"), ":1: admit: each of several"),
        ("at the top: a rule", format!("{rule}{two}"), ":1: rules: belong to a site"),
        (
            "at the top: a domain",
            format!("cookie.domain = \"example.com\"\n{two}"),
            ":1: cookie.domain: each",
        ),
        (
            "in a site: a listener",
            with("listen.public = \"127.0.0.1:1\""),
            ":6: site shop: listen.public: is the same",
        ),
        (
            "in a site: a store",
            with("store.kind = \"memory\""),
            ":6: site shop: store.kind: is the same for all",
        ),
        (
            "in a site: proxies",
            with("trusted_proxies = [\"127.0.0.1\"]"),
            ":6: site shop: trusted_proxies: is",
        ),
        (
            "in a site: a log",
            with("log.level = \"debug\""),
            ":6: site shop: log.level: is the same for all",
        ),
        (
            "in a site: limits",
            with("limits.connections = 1"),
            ":6: site shop: limits.connections: is the same",
        ),
        (
            "in a site: headers",
            with("identity.issuer = \"x-me\""),
            ":6: site shop: identity.issuer: is the same",
        ),
        (
            "in a site: the secret",
            with("admin.secret_file = \"secret\""),
            ":6: site shop: admin.secret_file: is",
        ),
        ("in a site: unknown", with("cookies = 1"), ":6: site shop: cookies: unknown key"),
        (
            "in a site: a bad value",
            with("cookie.name = \"__Host-a\""),
            ":6: site shop: cookie.name: \"__Host-a\"",
        ),
        (
            "no audience",
            two.replace("audiences = [\"did:magic:blog\"]\n", ""),
            ":6: site blog: audiences: missing",
        ),
        ("nobody passes", two.replacen("admit = \"any_key\"\n", "", 1), "site shop: admit: "),
        ("no name", two.replace("name = \"shop\"\n", ""), ":1: sites: name: missing"),
        (
            "bad name",
            two.replace("\"shop\"", "\"Shop\""),
            ":2: sites: name: \"Shop\" is not a site's name",
        ),
        (
            "no hosts",
            two.replace("hosts = [\"shop.example.com\"]\n", ""),
            ":1: sites: hosts: missing",
        ),
        (
            "empty hosts",
            two.replace("[\"shop.example.com\"]", "[]"),
            ":3: site shop: hosts: expected a list",
        ),
        ("a port", two.replace("shop.example.com", "shop.example.com:80"), "must not have a port"),
        (
            "upper case",
            two.replace("shop.example.com", "Shop.example.com"),
            "must be in lower case",
        ),
        ("a dot", two.replace("shop.example.com", "shop.example.com."), "ends in a dot"),
        (
            "a host twice",
            two.replace("[\"shop.e", "[\"shop.example.com\", \"shop.e"),
            ":3: site shop: hosts: \"shop.example.com\" is listed",
        ),
        (
            "a table",
            "[sites]\nname = \"a\"\n".to_owned(),
            "expected a list of tables: each site begins with [[sites]]",
        ),
        ("no site", "sites = []\n".to_owned(), "is an empty list"),
        (
            "one name",
            two.replace("\"blog\"", "\"shop\""),
            ":6: site shop: name: another site has this name",
        ),
        (
            "one host",
            two.replace("blog.example.com", "shop.example.com"),
            ":6: site blog: hosts: \"shop.example.com\" and",
        ),
        (
            "a host in a wildcard",
            two.replace("blog.example.com", "*.example.com"),
            "have hosts in common",
        ),
        (
            "wildcards in each other",
            two.replace("shop.example", "*.a.b").replace("blog.example", "*.b"),
            "have hosts in common",
        ),
        (
            "one application",
            two.replace("did:magic:blog", "did:magic:shop"),
            "site blog: audiences: \"did:magic:shop\" is accepted by the site shop",
        ),
        (
            "a cookie for both",
            with("cookie.domain = \"example.com\""),
            ":6: site shop: cookie.domain: browsers would send the cookie to \"blog.example.com\"",
        ),
        (
            "a cookie for neither",
            with("cookie.domain = \"example.org\""),
            ":6: site shop: cookie.domain: \"example.org\" is not above",
        ),
        (
            "a rule for another",
            format!(
                "{SHOP}[[sites.rules]]\nname = \"x\"\nhosts = [\"blog.example.com\"]\npaths = [\"/x\"]\n{BLOG}"
            ),
            ":8: rule \"x\": hosts: \"blog.example.com\" is no host of the site shop",
        ),
        (
            "magic for no site",
            format!("magic.timeout = \"1s\"\n{two}"),
            ":1: magic.timeout: has no effect: no site has magic.secret_key_file",
        ),
        (
            "a page for no site",
            format!("sign_in.title = \"x\"\n{two}"),
            ":1: sign_in.title: has no effect: no site has sign_in.publishable_key",
        ),
        (
            "one audience of assertions",
            format!(
                "[assertion]\n{key}{}",
                pair("assertion.audience = \"a\"", "assertion.audience = \"a\"")
            ),
            "site blog: assertion.audience: is the one of the site shop",
        ),
    ];
    for (name, file, expected) in rows {
        let told = sites(&file).expect_err(name).to_string();
        assert!(told.contains(expected), "{name}: {told}");
    }
    assert!(sites(&two).is_ok());
    let apart = pair("cookie.domain = \"shop.example.com\"", "assertion.audience = \"b\"");
    let told = sites(&apart).expect_err("assertions need a key").to_string();
    assert!(told.contains("assertion.audience"), "{told}");
}

#[test]
fn sites_are_in_the_file_only_and_what_is_of_one_is_not_set_for_all() {
    let two = format!("{SHOP}{BLOG}");
    type Pairs<'a> = &'a [(&'a str, &'a str)];
    let rows: [(Pairs<'_>, Pairs<'_>, &str); 4] = [
        (&[("DIDT__SITES", "[]")], &[], "can be given in the file only"),
        (&[], &[("sites", "[]")], "can be given in the file only"),
        (&[("DIDT__AUDIENCES", "a")], &[], "each of several sites says its own"),
        (&[], &[("admit", "any_key")], "each of several sites says its own"),
    ];
    for (variables, flags, expected) in rows {
        let told = load(Some(&two), variables, flags).expect_err(expected).to_string();
        assert!(told.contains(expected), "{told}");
    }
    let set = load(Some(&two), &[("DIDT__SESSIONS__LIFETIME", "3h")], &[]).expect("good");
    assert_eq!(set.config.sessions.lifetimes.absolute(), Duration::from_secs(3 * 60 * 60));
}

#[test]
fn a_change_names_the_site_that_it_is_of() {
    let two = format!("{SHOP}{BLOG}");
    let later = format!("log.level = \"debug\"\n{two}")
        .replace("blog.example.com", "www.example.com")
        .replace("did:magic:shop", "did:magic:new")
        + "cookie.name = \"b\"\n";
    let changes = Changes::between(&sites(&two).expect("good"), &sites(&later).expect("good"));
    let told: Vec<_> = changes.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "~ log.level: info -> debug",
            "~ site shop: audiences: did:magic:shop -> did:magic:new",
            "~ site blog: hosts: blog.example.com -> www.example.com",
            "~ site blog: cookie.name: didt -> b (takes effect after a restart)",
        ]
    );
    let blog = changes.of(SiteName::parse("blog").as_ref());
    assert!(
        blog.touch(&["cookie.name"]) && blog.touch(&["log.level"]) && !blog.touch(&["audiences"])
    );

    let gone = Changes::between(&sites(&two).expect("good"), &sites(SHOP).expect("good"));
    let told: Vec<_> = gone.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["- site blog: site: blog.example.com"]);
}

#[test]
fn a_site_that_is_new_has_what_needs_a_restart_from_before() {
    let given = |text: &str| Given {
        file: Some(("gateway.toml".to_owned(), text.to_owned())),
        variables: Vec::new(),
        flags: Vec::new(),
    };
    let before = given(&format!("limits.connections = 100\n{SHOP}"));
    let loaded = before.load(true).expect("good");
    let after = given(&format!("limits.connections = 200\ncookie.name = \"c\"\n{BLOG}{SHOP}"));
    let (served, changes) = after.load_after(&before, &loaded).expect("good");
    assert!(
        changes.iter().any(|change| change.needs_restart && change.what == "limits.connections")
    );
    for (_, site) in served.iter() {
        assert_eq!(site.config.limits.connections, 100, "all have one listener");
    }
    assert_eq!(named(&served, "shop").config.cookie.name(), "__Host-didt", "people are signed in");
    assert_eq!(named(&served, "blog").config.cookie.name(), "__Host-c", "nobody is signed in yet");
}
