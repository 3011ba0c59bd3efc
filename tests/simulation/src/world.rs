//! The simulation itself: what happens, in the order of time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use crate::call::{Call, Reply};
use crate::dice::Dice;
use crate::faults::Fault;
use crate::node::{Answering, Node, Task};
use crate::people::Person;
use crate::promises::{Bounds, Breach, Counts, Kind, Ledger, Sent};
use crate::scenario::Scenario;
use crate::server::Server;
use crate::time::{Micros, SECOND, Time};
use crate::trace::Trace;

/// Whether a future woke itself.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[derive(Debug)]
pub(crate) enum Event {
    /// Somebody does something.
    Act,
    Send(usize, Kind),
    /// A request is looked at again, if its node was not started anew.
    Wake(u64),
    /// Node, number of its start, number of the connection.
    ToServer {
        server: usize,
        node: usize,
        boot: u64,
        link: u64,
        message: ToServer,
    },
    ToNode {
        node: usize,
        boot: u64,
        link: u64,
        message: ToNode,
    },
    /// A node makes a connection.
    Connect {
        node: usize,
        boot: u64,
        link: u64,
    },
    /// A node asks whether all is well.
    Ask {
        node: usize,
        boot: u64,
        link: u64,
    },
    /// A node has waited long enough for the answer to what it asked then.
    GiveUp {
        node: usize,
        boot: u64,
        link: u64,
        asked: Micros,
    },
    /// A node asks again what it was answered by a server that it does not believe.
    Again {
        node: usize,
        boot: u64,
        call: Call,
    },
    Fault(Fault),
}

#[derive(Debug)]
pub(crate) enum ToServer {
    Hello(Micros),
    Call(Call),
    /// A call that was answered already.
    Late(Call),
}

#[derive(Debug)]
pub(crate) enum ToNode {
    Answer {
        asked: Micros,
        is_master: bool,
    },
    /// Something of a person's has changed.
    Report(usize),
    Reply {
        call: Call,
        reply: Reply,
    },
    Closed,
}

struct Scheduled {
    at: Micros,
    order: u64,
    event: Event,
}

struct Flight {
    sent: Sent,
    boot: u64,
    answering: Answering,
}

/// A broken promise, with what is needed to see it again.
#[derive(Clone, Debug)]
pub struct Failure {
    pub breach: Breach,
    pub seed: u64,
    pub scenario: &'static str,
    pub step: u64,
    pub at: Micros,
    pub trace: String,
}

/// What a run that broke no promise has seen.
#[derive(Debug)]
pub struct Report {
    pub steps: u64,
    pub simulated: Micros,
    pub counts: Counts,
    pub faults: u64,
    pub bounds: Bounds,
    pub digest: u64,
}

pub struct World {
    pub(crate) scenario: Scenario,
    seed: u64,
    pub(crate) time: Time,
    pub(crate) dice: Dice,
    pub(crate) bounds: Bounds,
    queue: BinaryHeap<Reverse<Scheduled>>,
    order: u64,
    pub(crate) nodes: Vec<Node>,
    pub(crate) people: Vec<Person>,
    /// All that there were; the last is the master.
    pub(crate) servers: Vec<Server>,
    /// For each server and person: the connections on which a change is reported.
    pub(crate) tracking: Vec<Vec<Vec<(usize, u64, u64)>>>,
    /// For each server: the connections on which all changes are reported, by node.
    pub(crate) listeners: Vec<BTreeMap<usize, (u64, u64)>>,
    pub(crate) ledger: Ledger,
    flights: HashMap<u64, Flight>,
    requests: u64,
    pub(crate) trace: Trace,
    pub(crate) breach: Option<Breach>,
    pub(crate) faults: u64,
}

impl World {
    pub fn new(scenario: Scenario, seed: u64) -> Self {
        let (mut dice, time, bounds) = (Dice::new(seed), Time::default(), scenario.bounds());
        let skew = scenario.skew;
        let people: Vec<Person> =
            (0..scenario.people).map(|who| Person::new(who, skew, &mut dice)).collect();
        let issuers: Vec<_> = people.iter().map(|person| person.wallet.issuer()).collect();
        let mut nodes: Vec<Node> = Vec::with_capacity(scenario.nodes);
        for _ in 0..scenario.nodes {
            let ahead = dice.either_way(skew);
            let node = Node::new(&scenario, &time, ahead, nodes.first().map(Node::caches));
            nodes.push(node);
        }
        let server = Server::new(&issuers, scenario.faults.lag + SECOND, scenario.broken);
        let mut world = Self {
            bounds,
            seed,
            dice,
            queue: BinaryHeap::new(),
            order: 0,
            nodes,
            tracking: vec![vec![Vec::new(); people.len()]],
            listeners: vec![BTreeMap::new()],
            people,
            servers: vec![server],
            ledger: Ledger::new(bounds, issuers),
            flights: HashMap::new(),
            requests: 0,
            trace: Trace::default(),
            breach: None,
            faults: 0,
            time,
            scenario,
        };
        for node in 0..world.nodes.len() {
            let at = world.dice.between(0, SECOND / 4);
            world.push(at, Event::Connect { node, boot: 0, link: 0 });
        }
        world.push(SECOND, Event::Act);
        world.schedule_faults();
        world
    }

    /// Runs for so many steps.
    ///
    /// # Errors
    ///
    /// The first promise that is broken.
    pub fn run(&mut self, steps: u64) -> Result<(), Box<Failure>> {
        for step in 0..steps {
            let Some(Reverse(Scheduled { at, event, .. })) = self.queue.pop() else { break };
            self.time.set(at);
            self.happens(event);
            if let Some(breach) = self.breach.take() {
                let trace = self.trace.about(breach.who, breach.node);
                let (seed, scenario) = (self.seed, self.scenario.name);
                return Err(Box::new(Failure { breach, seed, scenario, step, at, trace }));
            }
        }
        Ok(())
    }

    pub fn report(self, steps: u64) -> Report {
        Report {
            steps,
            simulated: self.time.now(),
            counts: self.ledger.counts,
            faults: self.faults,
            bounds: self.bounds,
            digest: self.trace.digest(),
        }
    }

    pub(crate) fn push(&mut self, at: Micros, event: Event) {
        self.order += 1;
        self.queue.push(Reverse(Scheduled { at, order: self.order, event }));
    }

    fn happens(&mut self, event: Event) {
        if let Some(later) = self.is_frozen(&event) {
            return self.push(later, event);
        }
        match event {
            Event::Act => {
                let next = self.time.now() + self.dice.until_next(self.scenario.action);
                self.push(next, Event::Act);
                self.act();
            }
            Event::Send(node, kind) => self.send(node, kind),
            Event::Wake(request) => self.poll(request),
            Event::ToServer { server, node, boot, link, message } => {
                self.at_server(server, node, boot, link, message);
            }
            Event::ToNode { node, boot, link, message } => self.at_node(node, boot, link, message),
            Event::Connect { node, boot, link } => self.connect(node, boot, link),
            Event::Ask { node, boot, link } => self.ask(node, boot, link),
            Event::GiveUp { node, boot, link, asked } => {
                let awaits = |node: &Node| {
                    node.boot == boot
                        && node.link.number == link
                        && node.link.awaiting == Some(asked)
                };
                if self.nodes.get(node).is_some_and(awaits) {
                    self.lose(node);
                }
            }
            Event::Again { node, boot, call } => {
                if self.nodes.get(node).is_some_and(|node| node.boot == boot) {
                    self.transmit(node, call);
                }
            }
            Event::Fault(fault) => self.befall(fault),
        }
    }

    /// Until when what is to be done at a node has to wait.
    fn is_frozen(&self, event: &Event) -> Option<Micros> {
        let node = match event {
            Event::Send(node, _) => *node,
            Event::Wake(request) => self.flights.get(request)?.sent.node,
            Event::ToNode { node, .. }
            | Event::Connect { node, .. }
            | Event::Ask { node, .. }
            | Event::Again { node, .. }
            | Event::GiveUp { node, .. } => *node,
            _ => return None,
        };
        let until = self.nodes.get(node)?.frozen_until;
        (until > self.time.now()).then_some(until)
    }

    /// Somebody sends a request to a node.
    pub(crate) fn send(&mut self, number: usize, kind: Kind) {
        let now = self.time.now();
        let who = self.ledger.whose(kind);
        let (token, cookie) = match kind {
            Kind::SignIn { token, beside } => (Some(token), beside),
            kind => (None, kind.session()),
        };
        let token = token.and_then(|token| self.ledger.tokens.get(token));
        let token = token.map(|token| Arc::clone(&token.text));
        let cookie = cookie.and_then(|session| self.ledger.sessions.get(session));
        let cookie = cookie.map(|session| Arc::clone(&session.cookie));
        let task = match kind {
            Kind::Browse { .. } | Kind::SignIn { .. } => Task::Answer,
            Kind::SignOut { .. } => Task::SignOut,
            Kind::Everywhere { .. } => Task::Everywhere,
            Kind::EndOther { victim, .. } => match self.ledger.sessions.get(victim) {
                Some(victim) => Task::End(victim.handle()),
                None => return,
            },
        };
        let Some(node) = self.nodes.get_mut(number) else { return };
        let (id, lifetime) = (self.requests, node.lifetime(&self.scenario));
        let sent = Sent { id, kind, node: number, ahead: node.ahead, lifetime, began: now };
        self.requests += 1;
        self.ledger.sends(&sent);
        self.trace.note(now, Some(number), Some(who), kind.name(), id);
        let boot = node.boot;
        let answering = node.call(token.as_deref(), cookie.as_deref(), task);
        self.flights.insert(id, Flight { sent, boot, answering });
        self.poll(id);
    }

    /// Goes on with a request as far as it gets.
    pub(crate) fn poll(&mut self, request: u64) {
        let Some(flight) = self.flights.get_mut(&request) else { return };
        let number = flight.sent.node;
        let Some(node) = self.nodes.get(number) else { return };
        if node.boot != flight.boot {
            // Its process has ended: the client's connection breaks.
            self.flights.remove(&request);
            return;
        }
        let store = node.store.clone();
        // Who wakes itself only gives way to others, of whom there are none here.
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let polled = loop {
            let polled = flight.answering.as_mut().poll(&mut Context::from_waker(&waker));
            if polled.is_ready() || !woken.0.swap(false, Ordering::Relaxed) {
                break polled;
            }
        };
        for wish in store.wishes() {
            self.grant(number, request, wish);
        }
        let Poll::Ready(answer) = polled else { return };
        let Some(Flight { sent, .. }) = self.flights.remove(&request) else { return };
        let now = self.time.now();
        let who = self.ledger.whose(sent.kind);
        let what = match answer.status {
            200 => "  200 to",
            401 => "  401 to",
            503 => "  503 to",
            _ => "  refused",
        };
        self.trace.note(now, Some(number), Some(who), what, request);
        let sessions = self.ledger.sessions.len();
        if let Err(breach) = self.ledger.receives(&sent, &answer, now) {
            self.breach.get_or_insert(breach);
            return;
        }
        self.goes_on(sent.kind, answer.status, answer.cookie.as_deref(), sessions);
    }
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "World({}, seed {})", self.scenario.name, self.seed)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { breach, seed, scenario, step, at, trace } = self;
        write!(
            f,
            "broken: {}\n{}\nseed {seed}, scenario {scenario}, step {step}, {at} µs\n{trace}\
             again: tests/simulation/run --seed {seed} --steps {} {scenario}",
            breach.promise,
            breach.what,
            step + 1
        )
    }
}
