//! Random sequences of events: the layer and its store do what the reference says.

use std::collections::HashSet;

use http::StatusCode;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::Config;
use tower_didt::store::SessionStore;
use tower_didt::{MemoryStore, SessionHandle};
use tower_didt_test_support::store::FaultyStore;

use crate::faults::Weather;
use crate::reference::{ABSOLUTE, IDLE, MAX_TOKEN_AGE, Outcome, REFRESH, Reference};
use crate::world::{Handler, Reply, World};

const USERS: usize = 3;

#[derive(Clone, Debug)]
enum Event {
    /// A token is issued and presented, perhaps beside some session's cookie.
    SignIn {
        user: usize,
        ahead: i64,
        beside: Option<Index>,
    },
    /// A token of before is presented again.
    Replay {
        token: Index,
        beside: Option<Index>,
    },
    /// A cookie alone; the handler may sign out.
    Visit {
        session: Index,
        handler: Handler,
    },
    /// The operator's part.
    Revoke {
        session: Index,
    },
    RevokeAll {
        user: usize,
    },
    /// The clock moves, forwards or backwards.
    Move {
        by: i64,
    },
    /// The store's mood changes.
    Weather(Weather),
}

fn event() -> impl Strategy<Value = Event> {
    let beside = || proptest::option::weighted(0.4, any::<Index>());
    let user = || 0..USERS;
    let ahead = prop_oneof![4 => Just(0), 1 => -MAX_TOKEN_AGE - 2..MAX_TOKEN_AGE + 2];
    let handler = prop_oneof![
        6 => Just(Handler::Answer),
        1 => Just(Handler::SignOut),
        1 => Just(Handler::SignOutEverywhere),
    ];
    let by = prop_oneof![
        4 => 0..REFRESH * 2,
        2 => proptest::sample::select(vec![
            1, REFRESH - 1, REFRESH, IDLE - 1, IDLE, MAX_TOKEN_AGE, MAX_TOKEN_AGE + 1, ABSOLUTE,
        ]),
        1 => -2 * IDLE..0,
    ];
    let weather = prop_oneof![
        3 => Just(Weather::Fair),
        1 => Just(Weather::Down),
        1 => Just(Weather::ReadOnly),
    ];
    prop_oneof![
        5 => (user(), ahead, beside())
            .prop_map(|(user, ahead, beside)| Event::SignIn { user, ahead, beside }),
        3 => (any::<Index>(), beside()).prop_map(|(token, beside)| Event::Replay { token, beside }),
        8 => (any::<Index>(), handler)
            .prop_map(|(session, handler)| Event::Visit { session, handler }),
        1 => any::<Index>().prop_map(|session| Event::Revoke { session }),
        1 => user().prop_map(|user| Event::RevokeAll { user }),
        5 => by.prop_map(|by| Event::Move { by }),
        1 => weather.prop_map(Event::Weather),
    ]
}

/// The layer and the reference side by side.
struct Run<S> {
    reference: Reference,
    weather: Weather,
    store: FaultyStore<S>,
    world: World,
    /// The text of the reference's tokens.
    tokens: Vec<String>,
    /// Cookie and handle of the reference's sessions.
    sessions: Vec<(String, SessionHandle)>,
}

impl<S: SessionStore + Clone> Run<S> {
    fn new(store: S, cap: Option<usize>, single_use: bool) -> Self {
        let store = FaultyStore::over(store);
        let world = World::new(store.clone(), cap, single_use);
        let reference = Reference::new(cap, single_use);
        let (tokens, sessions) = (Vec::new(), Vec::new());
        Self { reference, weather: Weather::Fair, store, world, tokens, sessions }
    }

    async fn apply(&mut self, event: &Event) {
        let count = self.sessions.len();
        let pick = |index: &Index| (count > 0).then(|| index.index(count));
        match event {
            Event::SignIn { user, ahead, beside } => {
                let token = self.reference.issue(*user, *ahead);
                self.tokens.push(World::token(*user, self.reference.tokens[token].issued));
                self.present(token, beside.as_ref().and_then(pick)).await;
            }
            Event::Replay { token, beside } if !self.tokens.is_empty() => {
                let token = token.index(self.tokens.len());
                self.present(token, beside.as_ref().and_then(pick)).await;
            }
            Event::Visit { session, handler } => {
                if let Some(session) = pick(session) {
                    self.visit(session, *handler).await;
                }
            }
            Event::Revoke { session } => {
                if let Some(session) = pick(session) {
                    let issuer = World::issuer(self.reference.sessions[session].user);
                    let told = self.world.auth.revoke(issuer, self.sessions[session].1).await;
                    self.told(told.is_ok(), |reference| reference.revoke(session));
                }
            }
            Event::RevokeAll { user } => {
                let told = self.world.auth.sign_out_everywhere(World::issuer(*user)).await;
                self.told(told.is_ok(), |reference| reference.revoke_all(*user));
            }
            Event::Move { by } => {
                self.reference.move_clock(*by);
                self.world.set_time(self.reference.now());
            }
            Event::Weather(weather) => {
                self.weather = *weather;
                weather.set(&self.store);
            }
            Event::Replay { .. } => {}
        }
    }

    /// What was asked of the store happened, unless it is down.
    fn told(&mut self, ok: bool, change: impl FnOnce(&mut Reference)) {
        assert_eq!(ok, self.weather != Weather::Down);
        if ok {
            change(&mut self.reference);
        }
    }

    async fn present(&mut self, token: usize, cookie: Option<usize>) {
        let beside = cookie.map(|session| self.sessions[session].0.clone());
        let reply = self.world.send(Some(&self.tokens[token]), beside.as_deref(), Handler::Answer);
        let reply = reply.await;
        let no_session = reply.caller.is_none_or(|(_, handle)| handle.is_none());
        if no_session
            && self.reference.is_valid(token)
            && self.weather != Weather::Down
            && self.reference.may_count_as_used(token)
        {
            self.reference.count_as_used(token);
        }
        if reply.status == StatusCode::UNAUTHORIZED
            && self.weather != Weather::Down
            && self.reference.may_count_as_revoked(token)
        {
            self.reference.count_as_revoked(token);
        }
        let expected = if !self.reference.is_valid(token) {
            // Refused before any store is asked.
            Outcome::Refused
        } else if self.weather == Weather::Down {
            Outcome::Unavailable
        } else {
            self.reference.present(token, cookie, self.weather == Weather::Fair)
        };
        self.check(reply, expected);
    }

    async fn visit(&mut self, session: usize, handler: Handler) {
        let (cookie, _) = self.sessions[session].clone();
        let expected = match self.weather {
            Weather::Down => Outcome::Unavailable,
            weather => self.reference.resume(session, weather == Weather::Fair),
        };
        let reply = self.world.send(None, Some(&cookie), handler).await;
        if !matches!(expected, Outcome::Resumed(_)) || handler == Handler::Answer {
            if expected == Outcome::Refused {
                assert_eq!(reply.cookie.as_deref(), Some(""), "a dead cookie is taken away");
            }
            self.check(reply, expected);
            return;
        }
        assert_eq!(reply.cookie.as_deref(), Some(""), "signing out takes the cookie away");
        match handler {
            Handler::Answer => {}
            Handler::SignOut => self.reference.revoke(session),
            Handler::SignOutEverywhere => {
                self.reference.revoke_all(self.reference.sessions[session].user);
            }
        }
    }

    fn check(&mut self, reply: Reply, expected: Outcome) {
        let status = match expected {
            Outcome::Minted(_) | Outcome::Resumed(_) | Outcome::ByToken(_) => StatusCode::OK,
            Outcome::Refused => StatusCode::UNAUTHORIZED,
            Outcome::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        };
        assert_eq!(reply.status, status, "{expected:?}: {reply:?}");
        let minted = reply.cookie.filter(|cookie| !cookie.is_empty());
        match expected {
            Outcome::Minted(session) => {
                let (issuer, handle) = reply.caller.expect("passed");
                assert_eq!(issuer, World::issuer(self.reference.sessions[session].user));
                self.sessions.push((minted.expect("a session"), handle.expect("a session")));
            }
            Outcome::Resumed(session) => {
                let issuer = World::issuer(self.reference.sessions[session].user);
                assert_eq!(reply.caller, Some((issuer, Some(self.sessions[session].1))));
                assert_eq!(minted, None, "no second session");
            }
            Outcome::ByToken(user) => {
                assert_eq!(reply.caller, Some((World::issuer(user), None)));
                assert_eq!(minted, None, "one session per token");
            }
            Outcome::Refused | Outcome::Unavailable => {
                assert_eq!((reply.caller, minted), (None, None));
            }
        }
    }

    /// Requirements after every event, whatever led there.
    async fn check_all(&self) {
        let ids: HashSet<_> = self.sessions.iter().map(|(cookie, _)| cookie).collect();
        assert_eq!(ids.len(), self.sessions.len(), "an id was used twice");
        if self.weather == Weather::Down {
            return;
        }
        for user in 0..USERS {
            let listed = self.world.list(World::issuer(user)).await;
            let listed: Vec<_> = listed.iter().map(|record| record.handle).collect();
            let alive = self.reference.alive_of(user);
            let handles: Vec<_> = alive.iter().map(|id| self.sessions[*id].1).collect();
            assert_eq!(listed, handles, "the sessions of user {user}");
            assert!(self.reference.cap.is_none_or(|cap| listed.len() <= cap));
        }
    }

    /// Every session ever made, asked for by its cookie.
    async fn check_every_cookie(&mut self) {
        self.weather = Weather::Fair;
        Weather::Fair.set(&self.store);
        for session in 0..self.sessions.len() {
            self.visit(session, Handler::Answer).await;
        }
    }
}

fn config() -> Config {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(64);
    Config { cases, failure_persistence: None, max_shrink_iters: 4096, ..Config::default() }
}

/// Runs sequences of events over a store that `new_store` makes anew each time.
fn run<S: SessionStore + Clone>(new_store: impl Fn() -> S) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let events = proptest::collection::vec(event(), 1..120);
    let cap = proptest::option::of(1usize..4);
    let mut runner = proptest::test_runner::TestRunner::new(config());
    let result = runner.run(&(events, cap, any::<bool>()), |(events, cap, single_use)| {
        runtime.block_on(async {
            let mut run = Run::new(new_store(), cap, single_use);
            for event in &events {
                run.apply(event).await;
                run.check_all().await;
            }
            run.check_every_cookie().await;
        });
        Ok(())
    });
    assert_eq!(result.map_err(|failure| failure.to_string()), Ok(()));
}

#[test]
fn sessions_in_memory_live_and_die_as_the_reference_says() {
    run(MemoryStore::new);
}
