//! A flood of well-formed tokens, each signed by a key of its own: every one is good, and costs
//! a signature check.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tower_didt::testing::Wallet;
use tower_didt::{Clock, SystemClock};

use crate::client::Client;
use crate::process::{AUDIENCE, Server};
use crate::{figures, seconds};

/// Connections of the flood.
const CONNECTIONS: usize = 16;

/// Who has a session goes on using it during the flood, without a limit and with one on tokens; what is
/// turned away is turned away with 503 and `Retry-After`, and nothing else happens to anybody.
#[test]
fn a_flood_of_tokens_of_random_keys() {
    // Signed beforehand, so that signing does not slow the flood down.
    let count = 100 * usize::try_from(seconds(12)).expect("a number");
    let tokens: Arc<Vec<_>> = Arc::new(
        (0..count)
            .map(|n| {
                let wallet = Wallet::from_seed(format!("stranger {n}"));
                let token = wallet.token(AUDIENCE).issued_at(SystemClock.now()).mint();
                (format!("Bearer {token}"), wallet.issuer().to_string())
            })
            .collect(),
    );
    for limit in ["none", "all", "tokens"] {
        let mut server = Server::start("memory", limit);
        let before = holder(&server, &Arc::new(AtomicUsize::new(200)), &Arc::default());
        let before = before.join().expect("nothing wrong");
        let (memory, cpu) = (server.memory(), server.cpu());
        let (over, next) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let holder = holder(&server, &Arc::new(AtomicUsize::new(usize::MAX)), &over);
        let flood: Vec<_> = (0..CONNECTIONS).map(|_| flood(&server, &tokens, &next)).collect();
        let (mut passed, mut turned_away) = (0, 0);
        for connection in flood {
            let counts = connection.join().expect("nothing wrong");
            passed += counts.0;
            turned_away += counts.1;
        }
        over.store(true, Ordering::SeqCst);
        let during = holder.join().expect("the holder of a session saw nothing wrong");
        let cpu = server.cpu().saturating_sub(cpu).as_secs_f64() * 1e6;
        println!("limit {limit}: {passed} passed, {turned_away} turned away");
        println!(
            "  CPU time of the server, the session's requests included: {:.0} µs a token, \
             memory {} -> {} KiB",
            cpu / count as f64,
            memory,
            server.memory()
        );
        println!("  session before: {}", figures::percentiles(before.times));
        println!(
            "  session during: {}; {} turned away of {}",
            figures::percentiles(during.times.clone()),
            during.turned_away,
            during.times.len()
        );
        assert!(server.is_running());
        assert_eq!(passed + turned_away, count);
        assert!(passed > 0, "{limit}: nobody can sign in any more");
        match limit {
            "none" => assert_eq!((turned_away, during.turned_away), (0, 0)),
            "tokens" => assert_eq!(during.turned_away, 0, "cookies are not counted"),
            // A limit of 8, and 17 connections: tokens that wait for their turn hold places too.
            // How many requests are turned away, sessions among them, depends on the machine.
            _ => {}
        }
    }
}

struct Held {
    times: Vec<Duration>,
    turned_away: usize,
}

/// Somebody with a session, who uses it so many times or until it is over.
fn holder(
    server: &Server,
    times: &Arc<AtomicUsize>,
    over: &Arc<AtomicBool>,
) -> std::thread::JoinHandle<Held> {
    let (mut client, times, over) =
        (Client::new(server.address), Arc::clone(times), Arc::clone(over));
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let alice = Wallet::from_seed("alice");
            let token = alice.token(AUDIENCE).issued_at(SystemClock.now()).mint();
            let bearer = format!("Bearer {token}");
            let cookie = loop {
                let answer = client.send("GET", "/me", &[("authorization", &*bearer)]).await;
                if answer.status == 200 {
                    break format!("__Host-didt={}", answer.ticket.expect("a session"));
                }
                assert_eq!((answer.status, answer.retry_after), (503, true), "{answer:?}");
            };
            let mut held = Held { times: Vec::new(), turned_away: 0 };
            while !over.load(Ordering::SeqCst) && times.fetch_sub(1, Ordering::SeqCst) > 0 {
                let answer = client.send("GET", "/me", &[("cookie", &*cookie)]).await;
                match answer.status {
                    200 => assert_eq!(answer.body, alice.issuer().to_string()),
                    503 => held.turned_away += 1,
                    _ => panic!("{answer:?}"),
                }
                held.times.push(answer.took);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            held
        })
    })
}

/// One connection of the flood: how many passed, how many were turned away.
fn flood(
    server: &Server,
    tokens: &Arc<Vec<(String, String)>>,
    next: &Arc<AtomicUsize>,
) -> std::thread::JoinHandle<(usize, usize)> {
    let (mut client, tokens, next) =
        (Client::new(server.address), Arc::clone(tokens), Arc::clone(next));
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let (mut passed, mut turned_away) = (0, 0);
            while let Some((bearer, issuer)) = tokens.get(next.fetch_add(1, Ordering::SeqCst)) {
                let answer = client.send("GET", "/me", &[("authorization", &**bearer)]).await;
                match answer.status {
                    200 => {
                        assert_eq!(&answer.body, issuer);
                        assert!(answer.ticket.is_some());
                        passed += 1;
                    }
                    503 => {
                        assert!(answer.retry_after && answer.ticket.is_none(), "{answer:?}");
                        turned_away += 1;
                    }
                    _ => panic!("{answer:?}"),
                }
            }
            (passed, turned_away)
        })
    })
}
