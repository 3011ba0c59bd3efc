//! Published bypasses of other gateways, tried on our rules.

use super::*;

fn requests(path: &str) -> Requests {
    let path = PathPattern::parse(path).expect("a pattern");
    Requests { paths: Some(vec![path]), ..Requests::default() }
}

/// Requires a session everywhere except at `path`.
fn policy_with_public(path: &str) -> Policy {
    let public = Rule {
        name: "public".to_owned(),
        access: Access::Public,
        admit: Admit::AnyKey,
        passes_foreign: false,
        keeps_slashes: false,
        requests: requests(path),
    };
    Policy::new(vec![public], Rule::otherwise(Access::Required, Admit::AnyKey))
}

fn access(policy: &Policy, uri: &[u8]) -> Result<Access, NotCanonical> {
    Target::new(b"GET", b"https", b"example.com", uri)
        .map(|target| policy.rule_for(&target, None).expect("a rule").access)
}

/// CVE-2025-54576 (oauth2-proxy): the rule was matched on path and query.
#[test]
fn a_query_that_looks_like_a_public_path_opens_nothing() {
    let policy = policy_with_public("/api/*/status");
    assert_eq!(access(&policy, b"/api/x/status?y"), Ok(Access::Public));
    for uri in ["/api/private?path=/status", "/api/private?/api/x/status", "/private?/status"] {
        assert_eq!(access(&policy, uri.as_bytes()), Ok(Access::Required), "{uri}");
    }
}

/// GHSA-pxq7-h93f-9jrg: the gateway cut at `#`, the rule did not.
#[test]
fn a_fragment_that_looks_like_a_public_path_opens_nothing() {
    let policy = policy_with_public("/public");
    for uri in ["/private#/public", "/public#/private", "/private?#/public", "/#/../public"] {
        assert!(access(&policy, uri.as_bytes()).is_err(), "{uri}");
    }
}

/// CVE-2026-33494 (Oathkeeper): the rule saw the path before the upstream resolved it.
#[test]
fn a_path_that_leaves_the_public_folder_opens_nothing() {
    let policy = policy_with_public("/public/**");
    for uri in [
        "/public/../admin",
        "/public/%2e%2e/admin",
        "/public/%2E%2e/admin",
        "/public/.%2e/admin",
        "/public/..%2fadmin",
        "/public/..%5cadmin",
        "/public\\..\\admin",
        "/public/..;/admin",
        "/public//../admin",
        "//admin/../public/",
        "/public/%252e%252e/admin",
        "/./admin",
    ] {
        assert!(access(&policy, uri.as_bytes()).is_err(), "{uri}");
    }
}

/// CVE-2021-32637 (Authelia) and GHSA-9g5w-hqr3-w2ph: what could not be parsed was let through.
#[test]
fn a_malformed_or_8_bit_url_opens_nothing() {
    let policy = policy_with_public("/**");
    let uris: [&[u8]; 7] =
        [b"/%", b"/%zz", b"/\xff", b"/caf\xc3\xa9", b"/a b", b"", b"/public\0/admin"];
    for uri in uris {
        assert!(access(&policy, uri).is_err(), "{uri:?}");
    }
}

/// GO-2025-3955: `/hello/` was exempt, and so was `/hello`.
#[test]
fn a_public_path_exempts_itself_alone() {
    let policy = policy_with_public("/hello/");
    assert_eq!(access(&policy, b"/hello/"), Ok(Access::Public));
    for uri in ["/hello", "/hello/x", "/Hello/", "/hello2/"] {
        assert_eq!(access(&policy, uri.as_bytes()), Ok(Access::Required), "{uri}");
    }
    let policy = policy_with_public("/hello");
    for uri in ["/hello/", "/hello.html", "/hell"] {
        assert_eq!(access(&policy, uri.as_bytes()), Ok(Access::Required), "{uri}");
    }
}

/// The stricter of two rules is not escaped by a spelling that the upstream reads as its path.
#[test]
fn another_spelling_does_not_fall_through_to_a_laxer_rule() {
    let admin = Rule {
        name: "admin".to_owned(),
        access: Access::Fresh(std::time::Duration::from_secs(60)),
        admit: Admit::AnyKey,
        passes_foreign: false,
        keeps_slashes: false,
        requests: requests("/@admin"),
    };
    let policy = Policy::new(vec![admin], Rule::otherwise(Access::Public, Admit::nobody()));
    for uri in ["/@admin", "/%40admin", "/@admin?x"] {
        assert_ne!(access(&policy, uri.as_bytes()), Ok(Access::Public), "{uri}");
    }
    for uri in ["/@admin;x", "/@%61dmin", "/@admin%00", "/x/../@admin", "/@admin%2f"] {
        assert!(access(&policy, uri.as_bytes()).is_err(), "{uri}");
    }
}

#[test]
fn the_first_rule_that_matches_applies() {
    let rule = |name: &str, access, path| Rule {
        name: name.to_owned(),
        access,
        admit: Admit::AnyKey,
        passes_foreign: false,
        keeps_slashes: false,
        requests: requests(path),
    };
    let policy = Policy::new(
        vec![
            rule("first", Access::Optional, "/a/b"),
            rule("second", Access::Public, "/a/**"),
            rule("third", Access::Required, "/**"),
        ],
        Rule::otherwise(Access::Required, Admit::AnyKey),
    );
    let name = |uri: &[u8]| {
        let target = Target::new(b"GET", b"https", b"example.com", uri).expect("canonical");
        policy.rule_for(&target, None).expect("a rule").name.clone()
    };
    assert_eq!(name(b"/a/b"), "first");
    assert_eq!(name(b"/a/c"), "second");
    assert_eq!(name(b"/b"), "third");
    let none = Policy::new(Vec::new(), Rule::otherwise(Access::Required, Admit::AnyKey));
    let target = Target::new(b"GET", b"https", b"example.com", b"/").expect("canonical");
    assert_eq!(none.rule_for(&target, None).expect("a rule").name, Rule::OTHERWISE);
}
