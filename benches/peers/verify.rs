//! Verifies the tokens of a file whenever it is told to, on one thread.
//!
//! ```text
//! bench-verify new|known|curve|seen|session FILE
//! ```
//!
//! Reads a number of milliseconds from each line of its input; verifies for as long, and
//! says how many tokens. `new` checks each in whole, with nothing remembered; `known`
//! remembers its issuer's key; `curve` has decoded it before, and recovers its signer alone.
//! `seen` and `session` are calls of the layer, with tokens seen before and with cookies.

use std::collections::HashMap;
use std::hint::black_box;
use std::io::{self, BufRead};
use std::time::{Duration, Instant};

use tower_didt::token::DidToken;
use tower_didt::{Clock, DidAuth, SystemClock, Verifier};
use tower_didt_benches::AUDIENCE;
use tower_didt_benches::calls::{Bare, bearer, pass, signed_in};
use tower_layer::Layer;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let how = arguments.next().unwrap_or_default();
    let file = arguments.next().ok_or("which file?")?;
    let text = std::fs::read_to_string(file)?;
    let tokens: Vec<&str> = text.lines().collect();
    let verifier = Verifier::new(AUDIENCE);

    match how.as_str() {
        "new" => turns(&tokens, |token| {
            black_box(verifier.verify(token, SystemClock.now())?);
            Ok(())
        }),
        "known" => {
            let mut keys = HashMap::new();
            for token in &tokens {
                let (_, key) = verifier.decode(token)?.into_signed_and_key()?;
                keys.insert(key.issuer(), key.prepared());
            }
            turns(&tokens, |token| {
                let now = SystemClock.now();
                let token = verifier.decode(token)?;
                verifier.check_statement(token.claim(), now)?;
                let key = keys.get(&token.claim().iss()).ok_or("no key")?;
                black_box(verifier.check(&token.into_signed_with(key)?, now)?);
                Ok(())
            })
        }
        "curve" => {
            let tokens: Result<Vec<_>, _> = tokens.iter().map(DidToken::decode).collect();
            turns(&tokens?, |token| {
                black_box(token.clone().into_signed()?);
                Ok(())
            })
        }
        "seen" | "session" => {
            let auth = DidAuth::new(verifier);
            let mut service = auth.layer().layer(Bare);
            let cookies = tokens.iter().map(|token| signed_in(&auth, token));
            let cookies: Vec<_> = cookies.collect();
            let bearers = tokens.iter().map(|token| bearer(token)).collect();
            let requests = if how == "seen" { bearers } else { cookies };
            turns(&requests, |request| {
                pass(&mut service, request.clone());
                Ok(())
            })
        }
        _ => Err("how?".into()),
    }
}

/// Goes round the tokens, for as long as each line of the input says.
fn turns<T>(
    tokens: &[T],
    mut verify: impl FnMut(&T) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut next = tokens.iter().cycle();
    for line in io::stdin().lock().lines() {
        let span = Duration::from_millis(line?.trim().parse()?);
        let (begin, mut count) = (Instant::now(), 0_u64);
        while begin.elapsed() < span {
            verify(next.next().ok_or("no tokens")?)?;
            count += 1;
        }
        println!("{count}");
    }
    Ok(())
}
