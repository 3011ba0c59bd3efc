//! The `Cookie` header, bent in every way.

use tower_didt::store::PageRequest;

use crate::server::{HOST, Learned, Server};

/// A sub-domain or a page without HTTPS sets a cookie whose name begins with a blank that the
/// server trims: browsers do not see the `__Host-` prefix, the server does (RFC 6265bis
/// section 4.1.3.2; known from PHP, Django and others that trim Unicode blanks).
#[test]
fn cookie_prefix_smuggled_behind_a_blank() {
    let server = Server::start();
    let (victim, attacker) = (server.sign_in("alice"), server.sign_in("mallory"));
    let unicode = "\u{85}\u{a0}\u{1680}\u{2000}\u{2001}\u{2002}\u{2003}\u{2004}\u{2005}\u{2006}\
                   \u{2007}\u{2008}\u{2009}\u{200a}\u{200b}\u{2028}\u{2029}\u{202f}\u{205f}\
                   \u{3000}\u{feff}";
    let mut blanks: Vec<Vec<u8>> = unicode.chars().map(|c| c.to_string().into_bytes()).collect();
    blanks.extend([vec![0x85], vec![0xa0], vec![0xad], vec![0xff]]);
    // Refused by the HTTP parser already.
    blanks.extend([vec![0x00], vec![0x0b], vec![0x0c], vec![0x1c], vec![0x1f], vec![0x7f]]);
    for blank in blanks {
        let smuggled = [&*blank, b"__Host-didt=", attacker.as_bytes()].concat();
        let reply = server.with_cookies(&smuggled);
        assert!(matches!(reply.status, 400 | 401), "{blank:x?}: {reply:?}");
        reply.assert_refused(reply.status);
        // Beside the victim's own cookie it changes nothing.
        let own = format!("__Host-didt={victim}; ").into_bytes();
        let reply = server.with_cookies(&[own, smuggled].concat());
        if reply.status != 400 {
            assert_eq!(reply.body, crate::server::issuer("alice").to_string(), "{blank:x?}");
        }
    }
}

/// Names that only look the same: another case, another prefix, escapes, quotes, and the
/// `$Version` syntax of RFC 2965 that some servers still read.
#[test]
fn cookie_names_that_only_look_the_same() {
    let server = Server::start();
    let ticket = server.sign_in("mallory");
    for cookies in [
        format!("__host-didt={ticket}"),
        format!("__HOST-didt={ticket}"),
        format!("__Host-DIDT={ticket}"),
        format!("__Secure-didt={ticket}"),
        format!("didt={ticket}"),
        format!("__Host-didt2={ticket}"),
        format!("x__Host-didt={ticket}"),
        format!("__Host-didt ={ticket}"),
        format!("__Host-didt[]={ticket}"),
        format!("__%48ost-didt={ticket}"),
        format!("\"__Host-didt\"={ticket}"),
        format!("=__Host-didt={ticket}"),
        format!("$Version=1, __Host-didt={ticket}"),
        format!("$Version=\"1\",__Host-didt={ticket}"),
        format!("a=b,__Host-didt={ticket}"),
        format!("a=__Host-didt={ticket}"),
    ] {
        server.with_cookies(cookies.as_bytes()).assert_refused(401);
    }
    for value in [
        format!("\"{ticket}\""),
        format!(" {ticket}"),
        format!("{ticket}="),
        format!("{ticket}%00"),
        format!("{ticket},{ticket}"),
        format!("{ticket}\u{a0}"),
        ticket.to_lowercase(),
    ] {
        server.with_cookies(format!("__Host-didt={value}").as_bytes()).assert_refused(401);
    }
}

/// Cookie tossing: a second session cookie of the attacker's beside the victim's. Which of them
/// the server set cannot be told, so neither opens anything (RFC 6265 section 8.6). One that opens
/// no session is no such doubt: it locks nobody out.
#[test]
fn cookie_tossing() {
    let server = Server::start();
    let (victim, attacker) = (server.sign_in("alice"), server.sign_in("mallory"));
    let pair = |ticket: &str| format!("__Host-didt={ticket}");
    for (one, two) in [(&victim, &attacker), (&attacker, &victim)] {
        let reply = server.with_cookies(format!("{}; {}", pair(one), pair(two)).as_bytes());
        reply.assert_refused(401);
        let raw = format!(
            "GET /me HTTP/1.1\r\nHost: {HOST}\r\nCookie: {}\r\nCookie: {}\r\n\r\n",
            pair(one),
            pair(two)
        );
        server.send(raw.as_bytes()).assert_refused(401);
        let raw = raw.replace("/me", "/open");
        assert_eq!(server.send(raw.as_bytes()).body, "nobody");
    }
    for planted in ["", "planted", &"A".repeat(1_000)] {
        let reply = server.with_cookies(format!("{}; {}", pair(planted), pair(&victim)).as_bytes());
        assert_eq!(reply.status, 200, "{planted:?}");
    }
    assert!(server.opens(&victim), "the session itself lives on");
}

/// Thousands of cookies in one header, and a huge one: read in linear time, and nobody passes.
#[test]
fn a_flood_of_cookies() {
    let server = Server::start();
    let ticket = server.sign_in("alice");
    let many = "a=b; ".repeat(20_000);
    let reply = server.with_cookies(format!("{many}__Host-didt={ticket}").as_bytes());
    assert_eq!(reply.status, 200);
    server
        .with_cookies(format!("__Host-didt={}", "A".repeat(100_000)).as_bytes())
        .assert_refused(401);
    server.with_cookies(";".repeat(100_000).as_bytes()).assert_refused(401);
}

/// What lies in the store (the handle) is presented as a cookie (CVE-2019-16782, Rack).
#[test]
fn the_stored_hash_as_a_cookie() {
    use base64::Engine;
    let server = Server::start();
    let ticket = server.sign_in("alice");
    let sessions = server.auth.sessions_of(crate::server::issuer("alice"), PageRequest::first());
    let handle = server.runtime.block_on(sessions).expect("listed").sessions[0].handle;
    for forged in [
        handle.to_string(),
        handle.to_string().to_uppercase(),
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(handle.as_bytes()),
        base64::engine::general_purpose::STANDARD.encode(handle.as_bytes()),
    ] {
        assert!(!server.opens(&forged), "{forged}");
    }
    assert!(server.opens(&ticket));
}
