use proptest::prelude::*;

use super::super::path::PathFault;
use super::super::{Access, Admit, HostPattern, PathPattern, Policy, Requests, Rule, Target};
use super::super::{Undecided, Way, overlap};
use super::models::{GATEWAYS, SERVICES};
use super::*;

pub(super) fn rule(name: &str, path: &str, access: Access, keeps_slashes: bool) -> Rule {
    let admit = if access.asks_for_somebody() { Admit::AnyKey } else { Admit::nobody() };
    let paths = Some(vec![PathPattern::parse(path).expect("a path")]);
    let requests = Requests { paths, ..Requests::default() };
    Rule { name: name.to_owned(), access, admit, passes_foreign: false, keeps_slashes, requests }
}

pub(super) fn policy(rules: Vec<Rule>) -> Policy {
    Policy::new(rules, Rule::otherwise(Access::Required, Admit::AnyKey))
}

fn target(uri: &str) -> Target {
    Target::read(b"GET", b"https", b"app.example.com", uri.as_bytes()).expect(uri)
}

/// The rule for a target, and how it was found.
fn found(policy: &Policy, uri: &str) -> Result<(String, Way), PathFault> {
    let target = match Target::read(b"GET", b"https", b"app.example.com", uri.as_bytes()) {
        Ok(target) => target,
        Err(super::super::NotCanonical::Path(fault)) => return Err(fault),
        Err(other) => panic!("{other}"),
    };
    match policy.decide(&target, None) {
        Ok(decided) => Ok((decided.rule.name.clone(), decided.way)),
        Err(Undecided::Path(fault)) => Err(fault),
        Err(Undecided::ClientUnknown) => panic!("{uri}: no rule is about networks"),
    }
}

const APPLICATIONS: [&str; 12] = [
    "/api/queues/%2F/orders",
    "/api/queues/%2f",
    "/api/v4/projects/group%2Fsub%2Fproject/issues",
    "/@scope%2fpackage",
    "/files/100%25",
    "/a;v=1/b;jsessionid=1",
    "/a//b",
    "/file%2Ename",
    "/a/%2e%2e/b",
    "/a/./b",
    "/a\\b",
    "/<name>",
];

#[test]
fn where_no_rule_is_about_paths_every_form_passes() {
    for (rules, name) in [
        (vec![], "default"),
        (
            vec![rule("all", "/**", Access::Fresh(std::time::Duration::from_secs(600)), false)],
            "all",
        ),
        // Another rule that decides alike is no difference.
        (vec![rule("a", "/a/**", Access::Required, false)], "default"),
    ] {
        let policy = policy(rules);
        for uri in APPLICATIONS {
            let (found, way) = found(&policy, uri).expect(uri);
            assert!(found == name || found == "a", "{uri}: {found}");
            assert_eq!(way, Way::AnyPath, "{uri}");
        }
    }
}

/// Rules decide alike only where the same people pass, and the application gets the same of them.
#[test]
fn a_form_between_rules_that_differ_in_more_than_access_is_refused() {
    let differences: [(&str, fn(&mut Rule)); 2] = [
        ("whom it admits", |rule| rule.admit = Admit::Known),
        ("foreign credentials", |rule| rule.passes_foreign = true),
    ];
    for (name, differ) in differences {
        let mut other = rule("other", "/a/**", Access::Required, false);
        differ(&mut other);
        let policy = policy(vec![other]);
        for uri in ["/a/..%2fb", "/b/..%2fa/x", "/a/%2e%2e/b", "//a/b"] {
            assert!(found(&policy, uri).is_err(), "{name}: {uri}");
        }
        let within = found(&policy, "/a/x%2Fy").map(|(rule, _)| rule);
        assert_eq!(within.as_deref(), Ok("other"), "{name}");
    }
}

#[test]
fn rules_about_other_hosts_methods_and_networks_do_not_matter() {
    let mut other = rule("host", "/public/**", Access::Public, false);
    other.requests.hosts = Some(vec![HostPattern::parse("other.example.com").expect("a host")]);
    let mut method = rule("method", "/public/**", Access::Public, false);
    method.requests.methods = Some(vec![http::Method::HEAD]);
    let mut network = rule("network", "/public/**", Access::Public, false);
    network.requests.networks =
        Some(vec![super::super::Network::parse("10.0.0.0/8").expect("one")]);
    let an_hour = Access::Fresh(std::time::Duration::from_secs(3600));
    let mut stricter = rule("stricter", "/x/**", an_hour, false);
    stricter.requests.networks.clone_from(&network.requests.networks);
    let policy = policy(vec![other, method, network, stricter]);
    let target = target("/public/..%2fx/admin");
    let way =
        |client: Option<[u8; 4]>| policy.decide(&target, client.map(Into::into)).map(|d| d.way);
    assert_eq!(way(Some([192, 0, 2, 1])).ok(), Some(Way::AnyPath));
    assert!(way(Some([10, 0, 0, 1])).is_err(), "in that network, paths differ");
    assert!(way(None).is_err(), "it may be in that network");
}

#[test]
fn a_form_that_everybody_reads_into_one_rule_passes_and_any_other_is_refused() {
    let rules = || {
        vec![
            rule("api", "/api/**", Access::Fresh(std::time::Duration::from_secs(60)), false),
            rule("public", "/public/**", Access::Public, false),
            rule("badge", "/projects/*/badge", Access::Public, false),
        ]
    };
    let rows: [(&str, Option<&str>); 30] = [
        ("/api/queues/%2F/orders", Some("api")),
        ("/api/queues/%252F/orders", Some("api")),
        ("/api/a;x=1/b", Some("api")),
        ("/api//a", Some("api")),
        ("/api/a/%2e%2e/b", Some("api")),
        ("/api/100%25", Some("api")),
        ("/wiki/100%25", Some("default")),
        ("/public/100%25", Some("public")),
        ("/public/a%2Fb", Some("public")),
        ("/public/a%2F..%2Fb", Some("public")),
        ("/public/a%252F..%252Fb", Some("public")),
        ("/api/..%2fpublic/x", None),
        ("/public/..%2fapi/x", None),
        ("/public/..%2fwiki", None),
        ("/public/..%5cwiki", None),
        ("/public/%2e%2e/wiki", None),
        ("/public/%252e%252e/wiki", None),
        ("/public/..;/wiki", None),
        ("/public/..%3bx/wiki", None),
        ("/public/..%20/wiki", None),
        ("/public/..%EF%BC%8Fwiki", None),
        ("/public/x/..%2f..%2fwiki", None),
        ("/public;/x", None),
        ("//public/x", None),
        ("//x/public/x", None),
        ("/\\x/public/x", None),
        ("/public%3F/x", Some("default")),
        ("/public%2Fx%3F", None),
        ("/projects/a%2Fb/badge", None),
        ("/%70ublic/x", None),
    ];
    let policy = policy(rules());
    for (uri, expected) in rows {
        let found = found(&policy, uri).ok().map(|(name, _)| name);
        assert_eq!(found.as_deref(), expected, "{uri}");
    }
}

#[test]
fn what_is_malformed_or_climbs_out_or_hides_controls_is_refused_whatever_the_rules_are() {
    let everything = policy(vec![rule("all", "/**", Access::Public, true)]);
    for uri in [
        "/..",
        "/%2e%2e",
        "/a/../..",
        "/..%2fa",
        "/a/..;/../b",
        "/a%2F..%2F..%2Fb",
        "/..\\a",
        "/%252e%252e/a",
        "/%00",
        "/a%0d%0ab",
        "/a%2500",
        "/a%25250a",
        "/a%2",
        "/%zz",
        "/a%",
        "/%C0%AE",
        "/%ff",
        "/%C2%85",
        "/\u{e9}",
        "/a b",
        "/a#b",
        "/a?b#c",
        "/a\u{7f}",
        "/%2525252541",
        "",
        "a//b",
        "/..%EF%BC%8Fa",
    ] {
        assert!(found(&everything, uri).is_err(), "{uri:?}");
    }
    assert!(found(&everything, "/a%252541").is_ok(), "as far as it goes");
}

#[test]
fn a_rule_may_say_that_slashes_are_kept() {
    let kept = |keeps| {
        policy(vec![
            rule("badge", "/projects/*/badge", Access::Public, keeps),
            rule("files", "/projects/*/files/**", Access::Public, false),
        ])
    };
    for uri in ["/projects/a%2Fb/badge", "/projects/a%2fb%2Fc/badge", "/projects/%2F/badge"] {
        assert_eq!(found(&kept(true), uri), Ok(("badge".to_owned(), Way::KeptSlashes)), "{uri}");
        assert_eq!(found(&kept(false), uri), Err(PathFault::EncodedSlash), "{uri}");
    }
    for uri in [
        "/projects/..%2Fb/badge",
        "/projects/a%2F..%2fb/badge",
        "/projects/a%2F%2e%2e/badge",
        "/projects/a%2F%252e%252e/badge",
        "/projects/a%2F..;x/badge",
        "/projects/a%5Cb/badge",
        "/projects/a%2Fb/badge;x",
        "/projects/a%2Fb//badge",
        "/projects/a%2Fb/files/x",
    ] {
        let result = found(&kept(true), uri);
        assert!(
            !matches!(&result, Ok((name, _)) if name != "default" && uri.ends_with("badge")),
            "{uri}: {result:?}"
        );
        assert!(!matches!(&result, Ok((_, Way::KeptSlashes))), "{uri}: {result:?}");
    }
}

#[test]
fn work_and_memory_for_a_path_are_bounded() {
    let long = format!("/a%2F{}", "b".repeat(MAX_LEN));
    assert_eq!(all(long.as_bytes(), Slashes::Read), None);
    let mixed = "/%252e;%2f%5c//%3f\\..;a%25%2e/".repeat(MAX_LEN / 32);
    assert!(mixed.len() <= MAX_LEN);
    assert_eq!(all(mixed.as_bytes(), Slashes::Read), None);
    for uri in APPLICATIONS {
        assert!(
            all(uri.as_bytes(), Slashes::Read).is_some_and(|all| all.len() < MAX_READINGS),
            "{uri}"
        );
    }
}

/// Policies of a few rules that differ in what they ask for.
pub(super) fn policies() -> impl Strategy<Value = Vec<(&'static str, u8, bool)>> {
    let paths = vec![
        "/**", "/a/**", "/a", "/a/", "/b/**", "/*", "/*/b", "/a/*/b", "/a/b/**", "/", "/*/*",
        "/*/**", "/b/a/**", "/a/b", "/%25x",
    ];
    let paths: Vec<_> = paths.into_iter().filter(|path| PathPattern::parse(path).is_ok()).collect();
    proptest::collection::vec((prop::sample::select(paths), 0_u8..4, any::<bool>()), 1..5)
}

pub(super) fn targets() -> impl Strategy<Value = Vec<String>> {
    let pieces = vec![
        "/",
        "/",
        "/",
        "a",
        "b",
        "a",
        "b",
        "/a/",
        "/b/",
        "..",
        ".",
        "%2e",
        "%2e%2e",
        "%2F",
        "%2f",
        "%5C",
        "%252f",
        "%25",
        "%252e",
        "%252e%252e",
        ";",
        ";x",
        "%3b",
        "\\",
        "%20",
        "%3F",
        "%61",
        "%2561",
        "%EF%BC%8F",
        "x",
    ];
    let uri = proptest::collection::vec(prop::sample::select(pieces), 0..9)
        .prop_map(|pieces| format!("/{}", pieces.concat()));
    proptest::collection::vec(uri, 24)
}

pub(super) const LEVELS: [Access; 4] = [
    Access::Public,
    Access::Required,
    Access::Fresh(std::time::Duration::from_secs(600)),
    Access::Fresh(std::time::Duration::from_secs(60)),
];

/// No gateway, and no service behind it, reads an accepted target into a rule that asks for more.
fn nobody_reads_it_into_a_stricter_rule(
    policy: &Policy,
    uri: &str,
) -> Result<Option<Way>, TestCaseError> {
    nobody_reads_it_so_at(policy, "app.example.com", uri)
}

/// The same for a request with this `Host`.
pub(super) fn nobody_reads_it_so_at(
    policy: &Policy,
    host: &str,
    uri: &str,
) -> Result<Option<Way>, TestCaseError> {
    let Ok(target) = Target::read(b"GET", b"https", host.as_bytes(), uri.as_bytes()) else {
        return Ok(None);
    };
    let Ok(decided) = policy.decide(&target, None) else { return Ok(None) };
    let check = |read: &models::Read, by: &str| {
        let path = read.spelled();
        let seen = Target { path: path.clone(), odd: None, ..target.clone() };
        let other = policy.rule_for(&seen, None).expect("no networks");
        prop_assert!(
            !overlap::laxer(decided.rule, other),
            "{uri} passed by {:?} as {:?}, and {by} reads {path}, which is {:?}",
            decided.way,
            decided.rule.name,
            other.name,
        );
        Ok(())
    };
    let kept = decided.way == Way::KeptSlashes;
    for gateway in GATEWAYS.iter().filter(|gateway| gateway.keeps_slashes || !kept) {
        let Some((read, passed)) = (gateway.pass)(uri) else { continue };
        check(&read, gateway.name)?;
        for service in SERVICES.iter().filter(|service| service.keeps_slashes || !kept) {
            let Some(read) = (service.read)(&passed) else { continue };
            check(&read, &format!("{} behind {}", service.name, gateway.name))?;
        }
    }
    Ok(Some(decided.way))
}

proptest! {
    #[test]
    fn no_reading_of_an_accepted_target_meets_a_stricter_rule(rules in policies(), uris in targets()) {
        let rules = rules.iter().enumerate();
        let policy = policy(
            rules.map(|(n, (path, level, keeps))| rule(&n.to_string(), path, LEVELS[usize::from(*level)], *keeps)).collect(),
        );
        for uri in &uris {
            nobody_reads_it_into_a_stricter_rule(&policy, uri)?;
        }
    }
}

/// The property has something to say: targets of each kind are accepted.
#[test]
fn the_models_see_targets_that_pass_in_each_way() {
    let policy = policy(vec![
        rule("kept", "/k/*/b", Access::Public, true),
        rule("a", "/a/**", LEVELS[2], false),
    ]);
    let way = |uri: &str| nobody_reads_it_into_a_stricter_rule(&policy, uri).expect(uri);
    assert_eq!(way("/a/b"), Some(Way::Canonical));
    assert_eq!(way("/a/%2F/b"), Some(Way::EveryReading));
    assert_eq!(way("/k/x%2Fy/b"), Some(Way::KeptSlashes));
    assert_eq!(way("/k/..%2fa/b"), None);
}
