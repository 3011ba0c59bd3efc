//! Real threads on one store: whatever the order, no guarantee is broken.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use http::StatusCode;
use tower_didt::MemoryStore;
use tower_didt::store::SessionStore;

use crate::world::{Handler, Reply, World};

/// How often each race is run.
fn rounds() -> usize {
    std::env::var("RACE_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(200)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

/// Runs `parts` at the same time, each in a thread of its own.
fn at_once<T: Send>(parts: Vec<Box<dyn FnOnce() -> T + Send + '_>>) -> Vec<T> {
    let start = Barrier::new(parts.len());
    std::thread::scope(|scope| {
        let threads: Vec<_> = parts
            .into_iter()
            .map(|part| {
                scope.spawn(|| {
                    start.wait();
                    part()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}

/// One token presented by several threads at once, alone and beside another user's cookie:
/// one session, and the other user's is ended at most by that one.
fn one_token_makes_one_session(new_store: impl Fn() -> Arc<dyn SessionStore>) {
    for round in 0..rounds() {
        let world = shared(new_store(), None, round % 2 == 1);
        let other = block_on(world.send(Some(&World::token(1, 0)), None, Handler::Answer));
        let other = other.cookie.expect("a session");
        let token = World::token(0, 0);
        let replies = at_once(
            (0..4)
                .map(|n| {
                    let (world, token) = (&world, &token);
                    let beside = (n % 2 == 1).then_some(&*other);
                    let send = move || block_on(world.send(Some(token), beside, Handler::Answer));
                    Box::new(send) as Box<dyn FnOnce() -> Reply + Send>
                })
                .collect(),
        );
        let minted: Vec<_> = replies.iter().filter_map(|reply| reply.cookie.as_ref()).collect();
        assert_eq!(minted.len(), 1, "round {round}: {replies:?}");
        let sessions = block_on(world.list(World::issuer(0)));
        assert_eq!(sessions.len(), 1, "round {round}");
        if round % 2 == 1 {
            let passed = replies.iter().filter(|reply| reply.status == StatusCode::OK).count();
            assert_eq!(passed, 1, "single use, round {round}: {replies:?}");
        }
    }
}

/// A session in use is ended: once that has been said, nobody gets in and nothing brings it back.
fn what_was_revoked_stays_away(new_store: impl Fn() -> Arc<dyn SessionStore>) {
    for round in 0..rounds() {
        let world = shared(new_store(), None, false);
        let ticket = block_on(world.send(Some(&World::token(0, 0)), None, Handler::Answer))
            .cookie
            .expect("a session");
        // Every visit is worth writing down from here on.
        world.set_time(50);
        let (revoked, late) = (AtomicBool::new(false), AtomicUsize::new(0));
        let (world, ticket, revoked, late) = (&world, &ticket, &revoked, &late);
        let visit = || {
            move || {
                block_on(async {
                    for _ in 0..30 {
                        let gone = revoked.load(Ordering::SeqCst);
                        let reply = world.send(None, Some(ticket), Handler::Answer).await;
                        if gone && reply.status == StatusCode::OK {
                            late.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                });
            }
        };
        let end = move || {
            block_on(async {
                let issuer = World::issuer(0);
                match round % 3 {
                    0 => world.auth.sign_out_everywhere(issuer).await.expect("told"),
                    1 => {
                        let reply = world.send(None, Some(ticket), Handler::SignOut).await;
                        assert_eq!(reply.status, StatusCode::OK);
                    }
                    _ => {
                        let sessions = world.list(issuer).await;
                        let handle = sessions.first().expect("a session").handle;
                        assert!(world.auth.revoke(issuer, handle).await.expect("told"));
                    }
                }
            });
            revoked.store(true, Ordering::SeqCst);
        };
        let parts: Vec<Box<dyn FnOnce() + Send>> =
            vec![Box::new(visit()), Box::new(end), Box::new(visit())];
        at_once(parts);
        assert_eq!(late.load(Ordering::SeqCst), 0, "round {round}: let in after it was ended");
        let reply = block_on(world.send(None, Some(ticket), Handler::Answer));
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "round {round}");
        let sessions = block_on(world.list(World::issuer(0)));
        assert!(sessions.is_empty(), "round {round}: {sessions:?}");
    }
}

/// Sign-ins, visits and sign-outs everywhere, all at once: after the last one of these
/// nobody is in but by a sign-in that was answered later, and the cap holds throughout.
fn everything_at_once(new_store: impl Fn() -> Arc<dyn SessionStore>) {
    const CAP: usize = 3;
    for round in 0..rounds() {
        let world = &shared(new_store(), Some(CAP), false);
        world.set_time(50);
        let over = &AtomicUsize::new(0);
        let sign_in = |thread: usize| {
            move || {
                block_on(async {
                    let mut tickets = Vec::new();
                    for n in 0..5i64 {
                        // Younger than every sign-out, unless one comes while it is presented.
                        let token = World::token(0, 51 + n + 5 * thread as i64);
                        let reply = world.send(Some(&token), None, Handler::Answer).await;
                        let Some(ticket) = reply.cookie else {
                            assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{reply:?}");
                            continue;
                        };
                        world.send(None, Some(&ticket), Handler::Answer).await;
                        let alive = world.first_page(World::issuer(0)).await;
                        over.fetch_max(alive.len(), Ordering::SeqCst);
                        tickets.push(ticket);
                    }
                    tickets
                })
            }
        };
        let sign_out = move || {
            block_on(async {
                for _ in 0..3 {
                    world.auth.sign_out_everywhere(World::issuer(0)).await.expect("told");
                    tokio::task::yield_now().await;
                }
            });
            Vec::new()
        };
        let parts: Vec<Box<dyn FnOnce() -> Vec<String> + Send>> =
            vec![Box::new(sign_in(0)), Box::new(sign_in(1)), Box::new(sign_out)];
        let tickets = at_once(parts).concat();
        assert!(over.load(Ordering::SeqCst) <= CAP, "round {round}: more sessions than allowed");

        // What the list says is what the cookies say.
        let listed = block_on(world.list(World::issuer(0))).len();
        let alive = |ticket: &&String| {
            block_on(world.send(None, Some(ticket), Handler::Answer)).status == StatusCode::OK
        };
        assert_eq!(tickets.iter().filter(alive).count(), listed, "round {round}");
        block_on(world.auth.sign_out_everywhere(World::issuer(0))).expect("told");
        assert_eq!(tickets.iter().filter(alive).count(), 0, "round {round}: complete");
    }
}

fn shared(store: Arc<dyn SessionStore>, cap: Option<usize>, single_use: bool) -> World {
    let mut world = World::new(tower_didt::NoSessions, cap, single_use);
    world.auth = world.auth.with_store(store);
    world
}

fn memory() -> Arc<dyn SessionStore> {
    Arc::new(MemoryStore::new())
}

#[test]
fn in_memory_one_token_makes_one_session_however_many_threads_present_it() {
    one_token_makes_one_session(memory);
}

#[test]
fn in_memory_a_session_that_was_ended_stays_away_while_threads_use_it() {
    what_was_revoked_stays_away(memory);
}

#[test]
fn in_memory_sign_ins_visits_and_sign_outs_at_once_keep_cap_and_list() {
    everything_at_once(memory);
}
