//! Who uses the nodes, and what they do.

use std::time::Duration;

use tower_didt::testing::Wallet;

use crate::dice::Dice;
use crate::promises::Kind;
use crate::time::{MS, Micros, SECOND, at};
use crate::world::{Event, World};

pub(crate) const AUDIENCE: &str = "did:magic:simulation";

/// Devices of one person.
const DEVICES: usize = 3;

/// The nodes that mostly serve one person.
const HOMES: usize = 5;

/// Tokens of one person that somebody may have stolen.
const STOLEN: usize = 4;

#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) wallet: Wallet,
    /// How far the clock of the devices is ahead, in microseconds.
    ahead: i64,
    /// The session of each device.
    devices: [Option<usize>; DEVICES],
    tokens: Vec<usize>,
}

impl Person {
    pub(crate) fn new(who: usize, skew: Micros, dice: &mut Dice) -> Self {
        let wallet = Wallet::from_seed(format!("person {who}"));
        Self { wallet, ahead: dice.either_way(skew), devices: [None; DEVICES], tokens: Vec::new() }
    }
}

impl World {
    /// Somebody does something.
    pub(crate) fn act(&mut self) {
        let who = self.dice.below(self.people.len());
        let device = self.dice.below(DEVICES);
        let session = self.people.get(who).and_then(|person| *person.devices.get(device)?);
        let Some(session) = session else {
            return self.sign_in(who, None);
        };
        let node = self.home_of(who);
        match self.dice.below(100) {
            0..=3 => self.send(node, Kind::SignOut { session }),
            4..=5 => self.send(node, Kind::Everywhere { session }),
            6..=8 => {
                let other = self.dice.below(DEVICES);
                let victim = self.people.get(who).and_then(|person| *person.devices.get(other)?);
                if let Some(victim) = victim.filter(|victim| *victim != session) {
                    self.send(node, Kind::EndOther { session, victim });
                }
            }
            9..=16 => {
                let tokens = self.people.get(who).map_or(&[][..], |person| &person.tokens);
                let choice = self.dice.below(tokens.len());
                let stolen = tokens.get(choice).copied();
                if let Some(token) = stolen {
                    let node = self.any_node();
                    self.send(node, Kind::SignIn { token, beside: None });
                }
            }
            // Somebody else signs in on this device.
            17 => {
                let other = self.dice.below(self.people.len());
                if other != who {
                    self.sign_in(other, Some(session));
                }
            }
            _ => self.send(node, Kind::Browse { session }),
        }
    }

    fn sign_in(&mut self, who: usize, beside: Option<usize>) {
        let Some(person) = self.people.get(who) else { return };
        let now = self.time.now();
        // Some are made to be used later.
        let dated = if self.dice.chance(0.03) { 200 * SECOND } else { 0 };
        let issued_at = at((now + dated).saturating_add_signed(person.ahead));
        let token = person.wallet.token(AUDIENCE).issued_at(issued_at);
        let text = token.lifespan(Duration::from_secs(1_000_000)).mint();
        let token = self.ledger.token(who, text, issued_at);
        if let Some(person) = self.people.get_mut(who) {
            person.tokens.push(token);
            if person.tokens.len() > STOLEN {
                person.tokens.remove(0);
            }
        }
        let is_storm = self.dice.below(100) < self.scenario.storms;
        let nodes = if is_storm { self.scenario.storm_size } else { 1 };
        for _ in 0..nodes {
            let node = if is_storm { self.any_node() } else { self.home_of(who) };
            let at = now + if is_storm { self.dice.between(0, 10 * MS) } else { 0 };
            self.push(at, Event::Send(node, Kind::SignIn { token, beside }));
        }
        // A thief keeps it until it expires, on this clock and on that.
        for seconds in [600, 880, 900, 920, 940, 1_020, 1_090, 1_210] {
            let (node, early) = (self.any_node(), self.dice.between(0, 20) * SECOND);
            self.push(
                now + seconds * SECOND - early,
                Event::Send(node, Kind::SignIn { token, beside: None }),
            );
        }
    }

    /// What follows on an answer.
    pub(crate) fn goes_on(
        &mut self,
        kind: Kind,
        status: u16,
        cookie: Option<&str>,
        sessions: usize,
    ) {
        let now = self.time.now();
        let who = self.ledger.whose(kind);
        // A new session: on a device that has none, or in the place of another's.
        if self.ledger.sessions.len() > sessions
            && let Kind::SignIn { beside, .. } = kind
        {
            if let Some(beside) = beside {
                self.signed_out(beside);
            }
            let device = self.people.get_mut(who).and_then(|person| {
                let free = person.devices.iter().position(Option::is_none).unwrap_or(0);
                person.devices.get_mut(free)
            });
            if let Some(device) = device {
                *device = Some(self.ledger.sessions.len() - 1);
            }
        }
        if let Some(session) = kind.session()
            && cookie == Some("")
        {
            self.signed_out(session);
        }
        if status != 200 {
            return;
        }
        match kind {
            Kind::SignOut { session } | Kind::EndOther { victim: session, .. } => {
                self.signed_out(session);
                self.steal(session, now);
            }
            Kind::Everywhere { .. } => {
                let Some(person) = self.people.get_mut(who) else { return };
                let (devices, tokens) =
                    (std::mem::take(&mut person.devices), person.tokens.clone());
                for session in devices.into_iter().flatten() {
                    self.steal(session, now);
                }
                for token in tokens {
                    let (node, later) = (self.any_node(), self.dice.between(1, 200 * MS));
                    self.push(now + later, Event::Send(node, Kind::SignIn { token, beside: None }));
                }
            }
            _ => {}
        }
    }

    fn signed_out(&mut self, session: usize) {
        let who = self.ledger.sessions.get(session).map(|session| session.who);
        if let Some(person) = who.and_then(|who| self.people.get_mut(who)) {
            for device in &mut person.devices {
                if *device == Some(session) {
                    *device = None;
                }
            }
        }
    }

    /// Somebody has copied a cookie, and presents it wherever it was seen lately, after its session
    /// was ended.
    fn steal(&mut self, session: usize, now: Micros) {
        let seen_at = self.ledger.sessions.get(session).map(|session| session.seen_at.clone());
        let mut nodes = seen_at.unwrap_or_default();
        nodes.push(self.any_node());
        let bound = self.bounds.elsewhere;
        for node in nodes {
            for _ in 0..2 {
                let later = self.dice.between(1, bound + bound / 2 + MS);
                self.push(now + later, Event::Send(node, Kind::Browse { session }));
            }
        }
    }

    fn home_of(&mut self, who: usize) -> usize {
        if self.dice.chance(0.1) {
            return self.any_node();
        }
        // The same ones for the same person.
        let home = self.dice.below(HOMES);
        (who * 7_919 + home * 104_729) % self.nodes.len().max(1)
    }

    fn any_node(&mut self) -> usize {
        self.dice.below(self.nodes.len())
    }
}
