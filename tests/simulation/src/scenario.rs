//! What is tried: how many nodes, which faults, how often.

use std::time::Duration;

use tower_didt::internals::node;

use crate::broken::Broken;
use crate::promises::Bounds;
use crate::time::{MS, Micros, SECOND, micros};

/// How answers and reports reach a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// On one connection, in the order in which the server acted, as with Redis.
    Together,
    /// Reports on a connection of their own, as with PostgreSQL.
    Apart,
}

/// Faults and how far they are apart on average, of all nodes together; 0 for never.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Nothing gets through to a node or from it for a while; it arrives later.
    pub cut: Micros,
    /// A node's connection breaks.
    pub reset: Micros,
    /// A node stands still.
    pub freeze: Micros,
    /// The server stands still.
    pub pause: Micros,
    /// The server is killed and comes back with its data.
    pub crash: Micros,
    /// A replica takes over, which may lack the latest writes.
    pub failover: Micros,
    /// A node is replaced by a new process.
    pub restart: Micros,
    /// A node reads the next generation of its settings.
    pub reload: Micros,
    /// How long cuts, freezes and pauses take at most.
    pub longest: Micros,
    /// How far a replica lags at most.
    pub lag: Micros,
}

#[derive(Clone, Debug)]
pub struct Scenario {
    pub name: &'static str,
    pub about: &'static str,
    pub nodes: usize,
    pub people: usize,
    pub wire: Wire,
    pub ping_interval: Duration,
    pub timeout: Duration,
    /// How far clocks of nodes and of people are from the true time at most.
    pub skew: Micros,
    /// The longest that a message takes in one direction.
    pub delay: Micros,
    /// How far people's actions are apart on average.
    pub action: Micros,
    /// Of 100 sign-ins, those with the same token at many nodes at once.
    pub storms: usize,
    pub storm_size: usize,
    /// How long sessions live by each generation of the settings.
    pub lifetimes: Vec<Duration>,
    pub faults: Faults,
    pub broken: Option<Broken>,
}

const DAYS: Duration = Duration::from_secs(7 * 24 * 60 * 60);

impl Scenario {
    fn healthy() -> Self {
        Self {
            name: "healthy",
            about: "nothing fails; 1,000 nodes, clocks up to 30 s off",
            nodes: 1_000,
            people: 400,
            wire: Wire::Together,
            ping_interval: Duration::from_millis(250),
            timeout: Duration::from_millis(200),
            skew: 30 * SECOND,
            delay: 5 * MS,
            action: MS / 4,
            storms: 5,
            storm_size: 40,
            lifetimes: vec![DAYS],
            faults: Faults::default(),
            broken: None,
        }
    }

    /// All that there are.
    pub fn all() -> Vec<Self> {
        let healthy = Self::healthy();
        let faults = Faults {
            cut: 20 * MS,
            reset: 50 * MS,
            freeze: 300 * MS,
            pause: 20 * SECOND,
            crash: 30 * SECOND,
            longest: 3 * SECOND,
            ..Faults::default()
        };
        vec![
            Self {
                name: "storms",
                about: "every other sign-in brings one token to 100 nodes at once",
                storms: 50,
                storm_size: 100,
                action: 2 * MS,
                faults: Faults { reset: 200 * MS, ..Faults::default() },
                ..healthy.clone()
            },
            Self {
                name: "cut_off",
                about: "nodes cut off, frozen, reset; the server paused and killed",
                faults,
                ..healthy.clone()
            },
            Self {
                name: "cut_off_apart",
                about: "the same with reports on a connection of their own, as of PostgreSQL",
                // Every change is reported to every node: fewer nodes, and as many events.
                nodes: 100,
                action: 2 * MS,
                wire: Wire::Apart,
                timeout: Duration::from_millis(500),
                faults: Faults { cut: 200 * MS, reset: 500 * MS, ..faults },
                ..healthy.clone()
            },
            Self {
                name: "failover",
                about: "replicas take over that lag by up to 200 ms",
                faults: Faults { failover: 2 * SECOND, lag: 200 * MS, crash: 0, ..faults },
                ..healthy.clone()
            },
            Self {
                name: "clocks",
                about: "hours with clocks up to 30 s off: tokens and sessions of 20 minutes expire",
                people: 60,
                ping_interval: Duration::from_secs(60),
                timeout: Duration::from_secs(2),
                action: 500 * MS,
                lifetimes: vec![Duration::from_secs(1_200)],
                faults: Faults { reset: 10 * SECOND, longest: SECOND, ..Faults::default() },
                ..healthy.clone()
            },
            Self {
                name: "upgrade",
                about: "nodes are replaced and read new settings, half with shorter lifetimes",
                people: 60,
                ping_interval: Duration::from_secs(60),
                timeout: Duration::from_secs(1),
                action: 500 * MS,
                lifetimes: vec![Duration::from_secs(3_600), Duration::from_secs(900)],
                faults: Faults { restart: 3 * SECOND, reload: 3 * SECOND, ..Faults::default() },
                ..healthy.clone()
            },
            healthy,
        ]
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|scenario| scenario.name == name)
    }

    #[must_use]
    pub fn broken(self, broken: Broken) -> Self {
        Self { broken: Some(broken), ..self }
    }

    /// Whether nothing fails on the way to the server or on it.
    fn is_calm(&self) -> bool {
        let Faults { cut, reset, freeze, pause, crash, failover, .. } = self.faults;
        [cut, reset, freeze, pause, crash, failover].iter().all(|apart| *apart == 0)
    }

    pub fn bounds(&self) -> Bounds {
        let trust = micros(node::trust(self.ping_interval, self.timeout));
        let shortest = self.lifetimes.iter().min().copied().unwrap_or_default();
        let calm = self.is_calm();
        Bounds {
            // While all is well a report takes no longer than any message.
            elsewhere: if calm { self.delay } else { trust },
            skew: self.skew,
            shortest_lifetime: micros(shortest),
            stall: 4 * self.faults.longest + micros(self.timeout) + 2 * self.delay,
            old_master: trust,
            calm,
        }
    }
}
