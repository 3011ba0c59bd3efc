//! What `check` beside this counts the instructions of.
//!
//! ```text
//! bench-instructions CASE COUNT
//! ```
//!
//! Prepares everything, then does CASE as many times inside of [`counted`], which is what
//! callgrind is told to look at.

use tokio::runtime::Builder;
use tower_didt::sealed::MemoryLedger;
use tower_didt::testing::{FixedClock, Wallet};
use tower_didt::token::{DidToken, IssuerKey};
use tower_didt::{DidAuth, Issuer, SealedStore, SealingKeys, Timestamp, Verifier};
use tower_didt_benches::AUDIENCE;
use tower_didt_benches::calls::{Bare, bearer, pass, people, signed_in, signed_in_and_looked_up};
use tower_layer::Layer;

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

fn main() {
    let mut arguments = std::env::args().skip(1);
    let case = arguments.next().unwrap_or_default();
    let count: usize = arguments.next().and_then(|count| count.parse().ok()).expect("a number");

    // The same tokens on every run: what their numbers are decides how much is to be added.
    let tokens: Vec<String> = (0..count).map(token).collect();
    let verifier = Verifier::new(AUDIENCE);
    let auth = DidAuth::new(verifier.clone()).with_clock(FixedClock::at(NOW));
    // The curve's tables are made at their first use.
    verifier.verify(token(count), NOW).expect("a good token");

    match case.as_str() {
        "decode" => counted(tokens, |token| drop(DidToken::decode(token).expect("a token"))),
        "new-issuer" => {
            counted(tokens, |token| drop(verifier.verify(token, NOW).expect("a good token")));
        }
        "known-issuer" => {
            let known: Vec<_> = tokens.into_iter().map(|token| (key(&token), token)).collect();
            counted(known, |(key, token)| {
                let token = verifier.decode(token).expect("a token");
                drop(token.into_signed_with(&key).expect("a good token"));
            });
        }
        "token-seen" => {
            let mut service = auth.layer().layer(Bare);
            tokens.iter().for_each(|token| pass(&mut service, bearer(token)));
            let requests = tokens.iter().map(|token| bearer(token)).collect();
            counted(requests, |request| pass(&mut service, request));
        }
        "session" => {
            let mut service = auth.layer().layer(Bare);
            let requests = tokens.iter().map(|token| signed_in(&auth, token)).collect();
            counted(requests, |request| pass(&mut service, request));
        }
        "sealed" => {
            let keys = SealingKeys::generate().expect("randomness");
            let auth = auth.with_store(SealedStore::new(keys, MemoryLedger::new()));
            let requests = tokens.iter().map(|token| signed_in(&auth, token)).collect();
            let mut service = auth.layer().layer(Bare);
            counted(requests, |request| pass(&mut service, request));
        }
        "session-profile" => {
            let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
            let issuers = (0..count).map(|number| wallet(number).issuer());
            let auth = auth.with_magic(people(issuers, FixedClock::at(NOW)));
            let sign_in = |token: &String| signed_in_and_looked_up(&runtime, &auth, token);
            let requests = tokens.iter().map(sign_in).collect();
            let mut service = auth.layer().layer(Bare);
            counted(requests, |request| pass(&mut service, request));
        }
        _ => panic!("no such case"),
    }
}

/// A token of an issuer of its own, the same each time.
fn token(number: usize) -> String {
    let wallet = wallet(number);
    wallet.token(AUDIENCE).issued_at(NOW).set("tid", format!("token {number}")).mint()
}

fn wallet(number: usize) -> Wallet {
    Wallet::from_seed(number.to_string())
}

fn key(token: &str) -> IssuerKey {
    let (signed, key) =
        DidToken::decode(token).expect("a token").into_signed_and_key().expect("a good token");
    let _: Issuer = signed.issuer();
    key.prepared()
}

/// The only function whose instructions count. Its name must stay in the binary.
#[inline(never)]
fn counted<T>(inputs: Vec<T>, call: impl FnMut(T)) {
    inputs.into_iter().for_each(call);
}
