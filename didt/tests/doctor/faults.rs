//! Each mistake turns its probe red, and no other.

use super::fault::Fault;
use super::gateway::Gateway;
use super::process::{Process, Report, examine};

/// Examines a gateway for each row: the probes that fail or warn, and a word of what they found.
fn expect(rows: &[(Fault, &[&str], &str)]) {
    let echo = Process::echo();
    let mut surprises = Vec::new();
    for (fault, red, word) in rows {
        let gateway = Gateway::start(*fault, &echo);
        let report = examine(&gateway.url);
        let failed = [report.with("failed"), report.with("warning")].concat();
        if failed != *red {
            surprises.push(format!("{fault:?}: {failed:?}, not {red:?}:\n{}", report.text));
            continue;
        }
        let found: String = red.iter().map(|name| report.found(name)).collect();
        if !found.contains(word) {
            surprises.push(format!("{fault:?}: nothing of {word:?} in {found:?}"));
        }
        let unknown = report.with("unknown");
        if !unknown.is_empty() {
            surprises.push(format!("{fault:?}: could not tell {unknown:?}:\n{}", report.text));
        }
        let code = i32::from(!report.with("failed").is_empty());
        if report.code != code {
            surprises.push(format!("{fault:?}: exit code {}", report.code));
        }
        for cookie in gateway.cookies.lock().expect("not poisoned").iter() {
            assert!(!report.text.contains(cookie), "{fault:?} shows a cookie");
        }
    }
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
}

#[test]
fn routes_that_are_not_guarded() {
    expect(&[
        (Fault::OpenMethod("OPTIONS"), &["guarded"], "OPTIONS reaches the upstream"),
        (Fault::OpenMethod("HEAD"), &["guarded"], "HEAD reaches the upstream"),
        (Fault::OpenMethod("BREW"), &["guarded"], "BREW reaches the upstream"),
        (Fault::OpenHttp10, &["guarded"], "GET over HTTP/1.0 reaches the upstream"),
        (Fault::BelievesForwardedUri, &["forwarded-headers"], "X-Forwarded-Uri: /public/page"),
        (Fault::BelievesOriginalMethod, &["forwarded-headers"], "X-Original-Method: OPTIONS"),
        (Fault::OpenHosts, &["hosts"], "a foreign Host reaches"),
        (Fault::GluesHost, &["hosts"], r#"Host: "x/public/page?" reaches"#),
        (Fault::LastHost, &["hosts"], "two Host headers, the second foreign, reaches"),
    ]);
}

#[test]
fn refusals_that_are_improper() {
    expect(&[
        (Fault::NoChallenge, &["denial"], "without WWW-Authenticate"),
        (Fault::CacheableDenial, &["denial"], "Cache-Control"),
        (Fault::PermanentRedirect, &["denial", "sign-in-page"], "a 308 that caches keep"),
    ]);
}

#[test]
fn people_who_are_not_sent_to_sign_in_and_programs_that_are() {
    expect(&[
        (Fault::Page, &[], ""),
        (Fault::PageForNobody, &["sign-in-page"], "is not sent to /auth/sign-in"),
        (Fault::PageForAll, &["sign-in-page"], "a fetch is redirected (302)"),
        (Fault::PageForgets, &["sign-in-page"], "the way back is missing"),
        (Fault::PageElsewhere, &["sign-in-page"], "people are sent to \"https://elsewhere"),
        (Fault::RedirectStored, &["sign-in-page"], "caches may store the redirect"),
        (Fault::PageStored, &["sign-in-page"], "caches may store the page"),
        (Fault::PageOpen, &["sign-in-page"], "rd=//didt-doctor.invalid/ leads to"),
        (Fault::PageSplits, &["sign-in-page"], "writes a header of its own"),
    ]);
}

#[test]
fn identities_that_are_the_clients_own() {
    expect(&[
        (Fault::KeepsIdentity, &["spoofed-identity", "spoofed-public"], "x-auth-issuer reaches"),
        (Fault::AppendsIdentity, &["spoofed-identity", "spoofed-public"], "X-AUTH-ISSUER reaches"),
        (Fault::KeepsIdentityOnPublic, &["spoofed-public"], "x-auth-issuer reaches"),
        (Fault::KeepsUnderscores, &["spoofed-identity", "spoofed-public"], "x_auth_issuer reaches"),
        (Fault::KeepsDots, &["spoofed-identity", "spoofed-public"], "x.auth.issuer reaches"),
        (Fault::KeepsMarks, &["spoofed-identity", "spoofed-public"], "x!auth!issuer reaches"),
        (Fault::BelievesIdentity, &["spoofed-stranger"], "X-AuTh-iSsUeR reaches the upstream"),
        (Fault::PlaceholderOnPublic, &["spoofed-public"], "literal placeholder"),
    ]);
}

#[test]
fn identities_that_do_not_arrive() {
    expect(&[
        (Fault::ConnectionRemoves, &["connection-header"], "x-auth-issuer does not reach"),
        (Fault::KeepsUpgrade, &["other-upgrade"], "Upgrade: h2c reaches the upstream"),
        (Fault::NoIdentity, &["identity"], "does not reach the upstream"),
        (Fault::Placeholder, &["identity"], "{http.reverse_proxy"),
        (Fault::WrongIdentity, &["identity"], "the session another's"),
    ]);
}

#[test]
fn paths_that_are_read_in_two_ways() {
    expect(&[
        (Fault::RawPrefix, &["paths-public"], r#""/public/page/../..;/private""#),
        (Fault::ResolvesAfterCheck, &["paths-public"], r#"reaches the upstream as "/private""#),
        (Fault::MatchesEnd, &["paths-public"], r#""/private#/public/page""#),
        (
            Fault::OpenByDefault,
            &["paths-public", "paths-guarded", "hosts", "path-case"],
            r#""//private""#,
        ),
    ]);
}

#[test]
fn credentials_in_the_wrong_place_or_number() {
    expect(&[
        (Fault::LeaksCookie, &["upstream-credentials"], "the cookie __Host-didt"),
        (Fault::LeaksToken, &["upstream-credentials"], "sees Authorization"),
        (Fault::FirstAuthorization, &["ambiguous-credentials"], "two credentials reaches"),
        (Fault::SplitsCommas, &["ambiguous-credentials"], "two credentials reaches"),
        (Fault::FirstCookie, &["ambiguous-credentials"], "cookies of two users reaches"),
    ]);
}

#[test]
fn pages_of_other_sites() {
    expect(&[
        (Fault::HidesMethod, &["cross-site-post"], "POST with Sec-Fetch-Site: cross-site reaches"),
        (Fault::HidesUpgrade, &["websocket-origin"], "a WebSocket with another Origin reaches"),
        (Fault::HidesOrigin, &["cross-site-post", "websocket-origin"], "Origin: null reaches"),
    ]);
}

#[test]
fn answers_that_are_kept_for_too_long() {
    expect(&[
        (
            Fault::SharedCache,
            &["shared-cache", "sign-out"],
            "without a cookie, a page that a session",
        ),
        (
            Fault::CachesForTarget,
            &["shared-cache", "kept-refusal", "sign-out"],
            "a session is refused a page",
        ),
        (Fault::CacheForAllUsers, &["shared-cache"], "one user's answer is given to another"),
        (Fault::CachesDecisions, &["sign-out"], "the cookie of a signed-out session"),
    ]);
}

#[test]
fn session_cookies_that_caches_may_store() {
    expect(&[
        (Fault::RenewsCookie, &[], ""),
        (Fault::StoresRemoval, &["stored-cookie"], "an answer to a dead cookie carries the cookie"),
        (Fault::StoresCookie, &["stored-cookie"], "no Cache-Control forbids storing it"),
        (Fault::StoresCookieInCdn, &["stored-cookie"], "cdn-cache-control lets caches store it"),
    ]);
}

#[test]
fn endpoints_that_are_nobodys_business() {
    expect(&[
        (Fault::OpenMetrics, &["private-endpoints"], "GET /metrics is answered with 200"),
        (Fault::OpenAdmin, &["private-endpoints"], "POST /admin/revoke is answered with 405"),
        (Fault::OpenGuardedAdmin, &["private-endpoints"], "asks for the administration secret"),
        (Fault::OpenCheck, &["private-endpoints"], "GET /check/nginx says who is calling"),
    ]);
}

#[test]
fn cookies_that_do_not_arrive_as_they_should() {
    expect(&[
        (Fault::DoublesCookies, &["sign-in-cookie", "sign-out-cookie"], "is set 2 times"),
        (Fault::InsecureCookies, &["sign-in-cookie", "sign-out-cookie"], "is not Secure"),
        (Fault::DropsClearing, &["sign-out-cookie"], "sets no cookie"),
    ]);
}

#[test]
fn what_cannot_be_told_is_no_pass() {
    let echo = Process::echo();
    let rows = [
        (Fault::DropsCookies, "signing in set no cookie"),
        (Fault::OtherUpstream, "answers 200, but not as didt echo"),
        (Fault::UpstreamGone, "the gateway answers 502"),
    ];
    for (fault, word) in rows {
        let gateway = Gateway::start(fault, &echo);
        let report: Report = examine(&gateway.url);
        assert_eq!(report.code, 1, "{fault:?}");
        for name in ["upstream", "spoofed-identity", "identity", "shared-cache", "sign-out"] {
            assert!(report.with("unknown").contains(&name), "{fault:?}, {name}:\n{}", report.text);
            let found = report.found(name);
            assert!(found.contains(word), "{fault:?}, {name}: {found}");
        }
        let red = fault == Fault::DropsCookies;
        assert_eq!(report.with("failed").contains(&"sign-in-cookie"), red, "{fault:?}");
    }
}
