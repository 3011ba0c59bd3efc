//! What `Debug`, `Display` and panics show of the values that hold secrets: never a token, a proof
//! or a cookie's value (CWE-532).

use std::convert::Infallible;
use std::fmt::Write;
use std::sync::{Arc, Mutex};

use http::{Request, Response};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_didt::store::{Minted, NewSession, SessionStore, Ticket, TokenMark, Touched};
use tower_didt::testing::{FixedClock, Wallet};
use tower_didt::token::DidToken;
use tower_didt::{DidAuth, Login, MemoryStore, OnceOnly, Rejection, Session, StoreError, Verifier};

use crate::server::{AUDIENCE, START};

/// Collects everything that could end up in a log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Log {
    fn debug(&self, value: &dyn std::fmt::Debug) {
        let mut log = self.0.lock().expect("no panic inside");
        write!(log, "{value:?}\n{value:#?}\n").expect("text");
    }

    fn error(&self, error: &(dyn std::error::Error + 'static)) {
        self.debug(&error);
        let mut next = Some(error);
        while let Some(error) = next {
            writeln!(self.0.lock().expect("no panic inside"), "{error}").expect("text");
            next = error.source();
        }
    }
}

/// A token, and the parts of it that make it one.
fn token() -> (String, Vec<String>) {
    let wallet = Wallet::from_seed("alice");
    let claim = wallet.token(AUDIENCE).issued_at(START).claim();
    let (token, proof) = (wallet.token_from_claim(&claim), wallet.personal_sign(&claim));
    // A part of a secret is one too.
    let secrets = vec![token[40..80].to_owned(), proof[2..42].to_owned(), claim];
    (token, secrets)
}

#[test]
fn debug_and_display_show_no_secret() {
    let log = Log::default();
    let (token, mut secrets) = token();
    let verifier = Verifier::new(AUDIENCE);

    // From a token to a claim, and everything that can be wrong with one.
    let decoded = DidToken::decode(&token).expect("a token");
    log.debug(&decoded);
    let signed = decoded.into_signed().expect("signed");
    log.debug(&signed);
    log.debug(&signed.digest());
    let verified = verifier.verify(&token, START).expect("a good token");
    log.debug(&verified);
    log.debug(&verifier);
    let policies = [
        Verifier::new("other"),
        verifier.clone().with_attachment("another"),
        verifier.clone().with_max_token_len(10),
    ];
    let times = [START, tower_didt::Timestamp::EPOCH, tower_didt::Timestamp::MAX];
    for (policy, now) in policies.iter().zip(times).chain(times.map(|now| (&verifier, now))) {
        if let Err(error) = policy.verify(&token, now) {
            log.error(&error);
            log.error(&Rejection::from(error));
        }
    }
    let mut bent = token.clone().into_bytes();
    for position in (0..bent.len()).step_by(11) {
        bent[position] = b'~' - bent[position] % 64;
        if let Err(error) = verifier.verify(&bent, START) {
            log.error(&error);
        }
    }

    // Sessions and stores.
    let (ticket, handle) = Ticket::random().expect("randomness");
    secrets.push(ticket.expose_secret().to_owned());
    log.debug(&ticket);
    log.debug(&handle);
    let secret = Ticket::from_secret("a sealed session".to_owned());
    secrets.push("sealed session".to_owned());
    log.debug(&secret);
    let mut touched = Touched::default();
    touched.renewed = Some(secret);
    log.debug(&touched);
    let store = MemoryStore::new();
    let mark = TokenMark::new(&verified, START);
    let new = NewSession::new(mark, START.plus(std::time::Duration::from_secs(60)));
    log.debug(&new);
    let minting = store.mint(new, START);
    log.debug(&minting);
    let minted = minting.try_now().expect("at once").expect("minted");
    log.debug(&minted);
    if let Minted::Session { ticket, record } = &minted {
        secrets.push(ticket.expose_secret().to_owned());
        log.debug(record);
        let loading = store.load(ticket.expose_secret(), START);
        log.debug(&loading);
    }
    log.debug(&store);
    log.debug(&OnceOnly::new(store));
    log.debug(&Wallet::from_seed("alice"));
    log.debug(&Wallet::from_seed("alice").token(AUDIENCE));
    for error in [
        StoreError::Unavailable("refused".into()),
        StoreError::Corrupt("bent".into()),
        StoreError::Randomness,
    ] {
        log.error(&error);
        log.error(&Rejection::from(error));
    }

    let log = log.0.lock().expect("no panic inside").clone();
    assert!(log.len() > 10_000, "something was logged");
    for secret in &secrets {
        assert!(!log.contains(&**secret), "{secret} in\n{log}");
    }
}

/// The layer, its service, its futures, and what a hook and a handler are given.
#[test]
fn debug_of_the_layer_shows_no_secret() {
    let log = Log::default();
    let (token, mut secrets) = token();
    let seen = log.clone();
    let auth = DidAuth::new(Verifier::new(AUDIENCE))
        .with_clock(FixedClock::at(START))
        .with_on_login(move |login: Login| {
            seen.debug(&login);
            async { Ok("data of the application's own") }
        });
    secrets.push("of the application's own".to_owned());
    let seen = log.clone();
    let inner = service_fn(move |request: Request<()>| {
        seen.debug(request.extensions().get::<Session>().expect("passed"));
        seen.debug(request.extensions());
        async { Ok::<_, Infallible>(Response::new(())) }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut service = auth.layer().layer(inner);
    let bearer = |token: &str| {
        let request = Request::builder().header("authorization", format!("Bearer {token}"));
        request.body(()).expect("a request")
    };
    let future = service.call(bearer(&token));
    log.debug(&future);
    let Ok(response) = runtime.block_on(future);
    // The cookie's value is marked as sensitive: even the whole response can be logged.
    log.debug(&response);
    let cookie = response.headers().get("set-cookie").expect("a session");
    let ticket = cookie.to_str().expect("ASCII")["__Host-didt=".len()..].split(';').next();
    let ticket = ticket.expect("a value").to_owned();
    secrets.push(ticket.clone());
    let cookie = |value: &str| {
        let request = Request::builder().header("cookie", format!("__Host-didt={value}"));
        request.body(()).expect("a request")
    };
    let unknown = "an-unknown-ticket";
    secrets.push(unknown.to_owned());
    for request in [cookie(&ticket), cookie(unknown), bearer(&token), bearer(&token[..200])] {
        let Ok(response) = runtime.block_on(service.clone().oneshot(request));
        log.debug(&response);
        log.debug(&response.extensions().get::<Rejection>());
    }
    log.debug(&auth);
    log.debug(&auth.layer());

    let log = log.0.lock().expect("no panic inside").clone();
    for secret in &secrets {
        assert!(!log.contains(&**secret), "{secret} in\n{log}");
    }
}

/// A hook or handler that panics with all that it was given in its message.
#[test]
fn panic_messages_show_no_secret() {
    let (token, secrets) = token();
    let auth = DidAuth::new(Verifier::new(AUDIENCE)).with_clock(FixedClock::at(START));
    let hooked = auth.clone().with_on_login(|login: Login| async move {
        assert!(login.uri().path() == "/nowhere", "cannot look up {login:?}");
        Ok(())
    });
    for auth in [auth, hooked] {
        let inner = service_fn(|request: Request<()>| async move {
            assert!(request.body() != &(), "cannot handle {:?}", request.extensions());
            Ok::<_, Infallible>(Response::new(()))
        });
        let request = Request::builder().header("authorization", format!("Bearer {token}"));
        let call = auth.layer().layer(inner).oneshot(request.body(()).expect("a request"));
        let panicked = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            let _ = runtime.expect("a runtime").block_on(call);
        })
        .join()
        .expect_err("a panic");
        let message = panicked.downcast_ref::<String>().expect("a message");
        assert!(message.starts_with("cannot"), "{message}");
        for secret in &secrets {
            assert!(!message.contains(&**secret), "{message}");
        }
    }
}
