//! Sessions that an attacker would like to choose, keep or get back.

use std::time::Duration;

use tower_didt::testing::Wallet;
use tower_didt::{NoSessions, Replay};

use crate::server::{AUDIENCE, Learned, START, Server, issuer};

fn sign_in_beside(
    server: &Server,
    user: &str,
    cookie: &str,
) -> tower_didt_test_support::http::Reply {
    let bearer = format!("Bearer {}", server.token(user));
    let cookie = format!("__Host-didt={cookie}");
    server.get("/me", &[("authorization", &bearer), ("cookie", &cookie)])
}

/// Session fixation: the attacker plants an id of their own choice (CWE-384; ASVS 5.0, 7.2.4).
#[test]
fn session_fixation_with_a_chosen_id() {
    let server = Server::start();
    for planted in ["A".repeat(43), "x".to_owned(), String::new()] {
        let ticket = sign_in_beside(&server, "alice", &planted).ticket().expect("a session");
        assert_ne!(ticket, planted);
        assert!(!server.opens(&planted));
        assert!(server.opens(&ticket));
    }
}

/// Session fixation: the attacker plants the id of a session of their own. Signing in gives
/// the victim a new one and ends the planted one (CVE-2022-25896, passport; passport 0.4.1
/// kept the id; GHSA-f24x-5g9q-753f: signing in replaces the session that was there).
#[test]
fn session_fixation_with_the_attackers_own_session() {
    let server = Server::start();
    let planted = server.sign_in("mallory");
    let reply = sign_in_beside(&server, "alice", &planted);
    assert_eq!(reply.body, issuer("alice").to_string());
    let ticket = reply.ticket().expect("a session");
    assert_ne!(ticket, planted);
    assert!(!server.opens(&planted), "the session that was there is ended");
    assert!(server.opens(&ticket));
}

/// The id changes at every login, the same user's too (ASVS 5.0, 7.2.4; passport 0.4.1 kept it).
#[test]
fn the_id_changes_at_every_login() {
    let server = Server::start();
    let mut seen = std::collections::HashSet::new();
    let mut last = String::new();
    for user in ["alice", "bob", "alice", "bob", "alice"] {
        last = sign_in_beside(&server, user, &last).ticket().expect("a session");
        assert!(seen.insert(last.clone()), "an id came back");
    }
    for ticket in &seen {
        assert_eq!(server.opens(ticket), *ticket == last);
    }
}

/// A used token beside another user's cookie: it speaks for its own issuer and makes no session;
/// the cookie's session is neither used nor ended by it.
#[test]
fn a_used_token_beside_another_users_cookie() {
    let server = Server::start();
    let token = server.token("alice");
    let bearer = format!("Bearer {token}");
    let reply = server.get("/me", &[("authorization", &bearer)]);
    let ticket = reply.ticket().expect("a session");
    let mallory = server.sign_in("mallory");
    let cookie = format!("__Host-didt={mallory}");
    let reply = server.get("/me", &[("authorization", &bearer), ("cookie", &cookie)]);
    assert_eq!((reply.status, &*reply.body), (200, &*issuer("alice").to_string()));
    assert_eq!(reply.header("set-cookie"), None);
    assert!(server.opens(&mallory) && server.opens(&ticket));
}

/// A token that was stolen on the way is sent again: no session comes of it, not even after its
/// own session was ended, nor written in another way.
#[test]
fn a_replayed_token() {
    let server = Server::start();
    let token = server.token("alice");
    let bearer = format!("Bearer {token}");
    let ticket = server.get("/me", &[("authorization", &bearer)]).ticket().expect("a session");
    let cookie = format!("__Host-didt={ticket}");
    assert_eq!(server.request("POST", "/sign-out", &[("cookie", &cookie)]).status, 200);
    for again in [bearer.clone(), bearer.trim_end_matches('=').to_owned()] {
        let reply = server.get("/me", &[("authorization", &again)]);
        assert_eq!((reply.status, reply.ticket()), (200, None));
    }
    let strict = Server::with(|auth| auth.with_replay(Replay::SingleUse), |router| router);
    assert!(strict.get("/me", &[("authorization", &bearer)]).ticket().is_some());
    strict.get("/me", &[("authorization", &bearer)]).assert_refused(401);
}

/// One token under two policies over one store, a short one for browsers and a long one for
/// machines: whichever sees it first and however much later the other does, it makes one
/// session.
#[test]
fn a_token_under_two_policies_of_one_store() {
    use tower::{Layer, ServiceExt};
    for (later, short_first) in [(0, true), (0, false), (100, true)] {
        let server = Server::start();
        let short = server.auth.clone().with_max_token_age(Duration::from_secs(60));
        let long = server.auth.clone().with_max_token_age(Duration::from_secs(3600));
        let sign_in = |auth: &tower_didt::DidAuth, token: &str| {
            let inner = tower::service_fn(|_: http::Request<()>| async {
                Ok::<_, std::convert::Infallible>(http::Response::new(()))
            });
            let request =
                http::Request::builder().header("authorization", format!("Bearer {token}"));
            let call = auth.layer().layer(inner).oneshot(request.body(()).expect("a request"));
            let Ok(response) = server.runtime.block_on(call);
            assert_eq!(response.status(), 200);
            response.headers().contains_key("set-cookie")
        };
        let alice = Wallet::from_seed("alice");
        let token = alice.token(AUDIENCE).issued_at(START).lifespan(Duration::from_secs(9999));
        let token = token.mint();
        let (first, second) = if short_first { (&short, &long) } else { (&long, &short) };
        assert!(sign_in(first, &token));
        server.clock.advance(Duration::from_secs(later));
        // Others sign in meanwhile: stores tidy up.
        assert!(sign_in(&short, &server.token("bob")));
        assert!(!sign_in(second, &token), "a second session, {later} seconds later");
    }
}

/// Limits that count a name as it is written are evaded by writing it in another way
/// (CVE-2025-24806, Authelia): an issuer is one however its digits are written.
#[test]
fn one_issuer_under_many_spellings() {
    let two = std::num::NonZeroUsize::new(2).expect("two");
    let limited = |auth: tower_didt::DidAuth| auth.with_max_sessions_per_issuer(two);
    let server = Server::with(limited, |router| router);
    let (wallet, alice) = (Wallet::from_seed("alice"), issuer("alice").to_string());
    let digits = alice.strip_prefix("did:ethr:0x").expect("an issuer");
    let spellings = [digits.to_owned(), digits.to_lowercase(), digits.to_uppercase()];
    let tickets: Vec<_> = (0..6)
        .map(|n| {
            let spelling = format!("did:ethr:0x{}", spellings[n % 3]);
            let token = wallet.token(AUDIENCE).issued_at(START).set("iss", spelling).mint();
            let reply = server.get("/me", &[("authorization", &format!("Bearer {token}"))]);
            assert_eq!((reply.status, &*reply.body), (200, &*alice));
            reply.ticket().expect("a session")
        })
        .collect();
    let alive = tickets.iter().filter(|ticket| server.opens(ticket)).count();
    assert_eq!(alive, 2, "a limit per spelling");
    let cookie = format!("__Host-didt={}", tickets[5]);
    assert_eq!(server.request("POST", "/everywhere", &[("cookie", &cookie)]).status, 200);
    assert!(tickets.iter().all(|ticket| !server.opens(ticket)), "one spelling lives on");
}

/// After signing out the cookie is worth nothing on the server, whatever the browser keeps
/// (ASVS 5.0, 7.4.1).
#[test]
fn a_cookie_kept_after_signing_out() {
    let server = Server::start();
    let (here, there) = (server.sign_in("alice"), server.sign_in("alice"));
    let cookie = |ticket: &str| format!("__Host-didt={ticket}");
    let reply = server.request("POST", "/sign-out", &[("cookie", &cookie(&here))]);
    assert!(reply.header("set-cookie").expect("taken away").contains("Max-Age=0"));
    assert!(!server.opens(&here) && server.opens(&there));
    server.request("POST", "/everywhere", &[("cookie", &cookie(&there))]);
    assert!(!server.opens(&there));
}

/// A cache that remembers verdicts forgets to look at the clock (CVE-2021-32701, Oathkeeper)
/// or answers under one policy what was asked under another (CVE-2026-33496, Oathkeeper).
#[test]
fn the_cache_never_answers_for_time_or_policy() {
    let server = Server::with(|auth| auth.with_store(NoSessions), |router| router);
    let alice = Wallet::from_seed("alice");
    let token = alice.token(AUDIENCE).issued_at(START).lifespan(Duration::from_secs(60)).mint();
    let bearer = format!("Bearer {token}");
    let status = || server.get("/me", &[("authorization", &bearer)]).status;
    assert_eq!(status(), 200);
    server.clock.advance(Duration::from_secs(60));
    assert_eq!(status(), 200);
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(status(), 401, "expired since it was cached");
    server.clock.set(START);
    assert_eq!(status(), 200);

    // A clone shares the cache, not the policy.
    use tower::{Layer, ServiceExt};
    let strict = server.auth.clone().with_max_token_age(Duration::from_secs(10));
    server.clock.advance(Duration::from_secs(11));
    assert_eq!(status(), 200);
    let inner = tower::service_fn(|_: http::Request<()>| async {
        Ok::<_, std::convert::Infallible>(http::Response::new(()))
    });
    let request = http::Request::builder().header("authorization", &bearer).body(());
    let call = strict.layer().layer(inner).oneshot(request.expect("a request"));
    let Ok(response) = server.runtime.block_on(call);
    assert_eq!(response.status(), 401, "too old for the strict clone");
}

/// A page that shows who is signed in gives tokens away (CVE-2024-39315, Pomerium): nothing
/// that an application can reach through a session is a token or opens a session.
#[test]
fn user_info_holds_no_token() {
    let server = Server::start();
    let token = server.token("alice");
    let reply = server.get("/info", &[("authorization", &format!("Bearer {token}"))]);
    let ticket = reply.ticket().expect("a session");
    let again = server.get("/info", &[("cookie", &format!("__Host-didt={ticket}"))]);
    for body in [&reply.body, &again.body] {
        assert!(body.contains(&issuer("alice").to_string()), "{body}");
        for secret in [&*token, &token[..40], &*ticket] {
            assert!(!body.contains(secret), "{body}");
        }
        // Nothing in it opens the session either.
        for word in body.split(|c: char| !c.is_ascii_alphanumeric() && !"-_".contains(c)) {
            assert!(!server.opens(word), "{word} opens the session");
        }
    }
}

/// Forty-three digits are guessed: each guess is a 401, and ids have no structure to start from.
#[test]
fn guessed_ids() {
    let server = Server::start();
    let ticket = server.sign_in("alice");
    for position in 0..ticket.len() {
        let mut guess = ticket.clone().into_bytes();
        guess[position] = if guess[position] == b'A' { b'E' } else { b'A' };
        assert!(!server.opens(&String::from_utf8(guess).expect("ASCII")));
    }
    let other = server.sign_in("alice");
    let same = ticket.bytes().zip(other.bytes()).filter(|(a, b)| a == b).count();
    assert!(same < 12, "{ticket} and {other} have {same} digits in common");
}

/// One issuer floods the store with sessions: using one of them is no dearer for it, or an
/// attacker's own sessions would hold up everybody whose lock they share (CWE-407).
#[test]
fn a_flood_of_sessions_of_one_issuer() {
    use tower_didt::store::{Minted, NewSession, SessionStore, TokenMark};
    use tower_didt::{MemoryStore, Verifier};
    let store = MemoryStore::new();
    let token = Wallet::from_seed("mallory").token(AUDIENCE).issued_at(START).mint();
    let claim = Verifier::new(AUDIENCE).verify(token, START).expect("a good token");
    let mut newest = None;
    for n in 0..20_000 {
        // The end is part of a mark: to the store these are so many tokens.
        let mark = TokenMark::new(&claim, START.plus(Duration::from_millis(900_000 + n)));
        let session = NewSession::new(mark, START.plus(Duration::from_secs(604_800)));
        let minted = store.mint(session, START).try_now().expect("at once").expect("minted");
        if let Minted::Session { record, .. } = minted {
            newest = Some(record);
        }
    }
    let newest = newest.expect("a session");
    let started = std::time::Instant::now();
    for _ in 0..2_000 {
        store.touch(&newest, START).try_now().expect("at once").expect("touched");
    }
    // Some 10 ms; searching the list took 2 s.
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}
