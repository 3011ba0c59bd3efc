//! Messages between nodes and the server, and the connections that carry them.

use crate::broken::Broken;
use crate::call::{Call, Op, Reply};
use crate::node::Node;
use crate::scenario::Wire;
use crate::store::Wish;
use crate::time::{MS, Micros, SECOND, micros};
use crate::world::{Event, ToNode, ToServer, World};
use tower_didt::internals::node::patience;

/// How long to wait before asking again what could not be answered for the moment.
const PAUSE: Micros = 5 * MS;

impl World {
    /// Does what a request wants.
    pub(crate) fn grant(&mut self, node: usize, request: u64, wish: Wish) {
        match wish {
            Wish::WakeAt(at) => self.push(at, Event::Wake(request)),
            Wish::Ask(op, slot) => {
                self.transmit(node, Call { op, slot, request });
            }
        }
    }

    /// Sends a question, once there is a connection.
    pub(crate) fn transmit(&mut self, number: usize, call: Call) {
        let is_alive = self.servers.last().is_some_and(|server| server.is_alive);
        let master = self.servers.len().saturating_sub(1);
        let wire = self.scenario.wire;
        let Some(node) = self.nodes.get_mut(number) else { return };
        let goes = match wire {
            Wire::Together => node.link.is_up,
            Wire::Apart => is_alive,
        };
        if !goes {
            node.link.waiting.push(call);
            return;
        }
        node.link.sent.retain(|sent| sent.slot.is_awaited());
        node.link.sent.push(call.clone());
        let server = if wire == Wire::Apart { master } else { node.link.server };
        self.to_server(number, server, ToServer::Call(call));
    }

    fn delay(&mut self) -> Micros {
        self.dice.between(self.scenario.delay / 10, self.scenario.delay)
    }

    pub(crate) fn to_server(&mut self, number: usize, server: usize, message: ToServer) {
        let (now, delay, wire) = (self.time.now(), self.delay(), self.scenario.wire);
        let Some(node) = self.nodes.get_mut(number) else { return };
        let mut at = now.max(node.cut_until) + delay;
        if wire == Wire::Together || matches!(message, ToServer::Hello(_)) {
            at = at.max(node.link.to_server);
            node.link.to_server = at;
        }
        let (boot, link) = (node.boot, node.link.number);
        self.push(at, Event::ToServer { server, node: number, boot, link, message });
    }

    /// Sends something to a node, on the connection that it had then.
    pub(crate) fn to_node(&mut self, number: usize, boot: u64, link: u64, message: ToNode) {
        let (now, delay, wire) = (self.time.now(), self.delay(), self.scenario.wire);
        let is_reply = matches!(message, ToNode::Reply { .. });
        let mut late = 0;
        if matches!(message, ToNode::Report(_)) {
            match self.scenario.broken {
                Some(Broken::ReportsLost) if self.dice.chance(0.05) => return,
                Some(Broken::AnswersOvertakeReports) if self.dice.chance(0.05) => {
                    late = self.dice.between(100 * MS, 3 * SECOND);
                }
                _ => {}
            }
        }
        let Some(node) = self.nodes.get_mut(number) else { return };
        let mut at = now.max(node.cut_until) + delay;
        if late > 0 {
            at += late;
        } else if (wire == Wire::Together || !is_reply) && node.link.number == link {
            at = at.max(node.link.to_node);
            node.link.to_node = at;
        }
        self.push(at, Event::ToNode { node: number, boot, link, message });
    }

    pub(crate) fn connect(&mut self, number: usize, boot: u64, link: u64) {
        let master = self.servers.len().saturating_sub(1);
        let Some(node) = self.nodes.get_mut(number) else { return };
        if node.boot != boot || node.link.number != link {
            return;
        }
        (node.link.to_server, node.link.to_node, node.link.server) = (0, 0, master);
        self.hello(number);
    }

    pub(crate) fn ask(&mut self, number: usize, boot: u64, link: u64) {
        let Some(node) = self.nodes.get(number) else { return };
        if node.boot == boot && node.link.number == link {
            self.hello(number);
        }
    }

    /// Asks whether the server can be believed.
    fn hello(&mut self, number: usize) {
        let asked = self.time.now();
        let Some(node) = self.nodes.get_mut(number) else { return };
        node.link.awaiting = Some(asked);
        let (boot, link, server) = (node.boot, node.link.number, node.link.server);
        self.trace.note(asked, Some(number), None, "asks on its connection", link);
        self.to_server(number, server, ToServer::Hello(asked));
        let patience = patience(self.scenario.ping_interval, self.scenario.timeout);
        let event = Event::GiveUp { node: number, boot, link, asked };
        self.push(asked + micros(patience), event);
    }

    pub(crate) fn at_server(
        &mut self,
        number: usize,
        node: usize,
        boot: u64,
        link: u64,
        message: ToServer,
    ) {
        let now = self.time.now();
        let Some(server) = self.servers.get_mut(number) else { return };
        if !server.is_alive {
            // The machine is there, and nobody listens on it.
            return self.to_node(node, boot, link, ToNode::Closed);
        }
        if server.paused_until > now {
            let event = Event::ToServer { server: number, node, boot, link, message };
            let later = server.paused_until;
            return self.push(later, event);
        }
        match message {
            ToServer::Hello(asked) => {
                let is_master =
                    server.is_master || self.scenario.broken == Some(Broken::ReplicaSaysMaster);
                self.to_node(node, boot, link, ToNode::Answer { asked, is_master });
                if self.scenario.wire == Wire::Apart {
                    let listeners = self.listeners.get_mut(number);
                    listeners.and_then(|listeners| listeners.insert(node, (boot, link)));
                }
            }
            ToServer::Call(call) => self.execute(number, (node, boot, link), call),
            ToServer::Late(call) => {
                self.act_on(number, &call);
            }
        }
    }

    fn execute(&mut self, server: usize, from: (usize, u64, u64), call: Call) {
        let (node, boot, link) = from;
        let revokes = matches!(call.op, Op::Revoke { .. } | Op::RevokeAll { .. });
        let reply = if self.scenario.broken == Some(Broken::RevokesLater) && revokes {
            let at = self.time.now() + 2 * SECOND;
            let message = ToServer::Late(call.clone());
            self.push(at, Event::ToServer { server, node, boot, link, message });
            Reply::Found(true)
        } else {
            if let Op::Load { issuer, .. } = call.op
                && self.scenario.wire == Wire::Together
            {
                let who = self.servers.get(server).and_then(|server| server.who(issuer));
                let tracking = self.tracking.get_mut(server);
                if let Some(readers) = tracking.zip(who).and_then(|(all, who)| all.get_mut(who))
                    && !readers.contains(&from)
                {
                    readers.push(from);
                }
            }
            self.act_on(server, &call)
        };
        self.to_node(node, boot, link, ToNode::Reply { call, reply });
    }

    /// The server acts, and tells those who have to know, before it answers.
    fn act_on(&mut self, number: usize, call: &Call) -> Reply {
        let now = self.time.now();
        let Some(server) = self.servers.get_mut(number) else { return Reply::Lost };
        let executed = server.execute(call, now, &mut self.dice);
        let who = server.who(call.op.issuer());
        self.trace.note(now, None, who, call.op.name(), call.request);
        if executed.minted > 1 {
            self.breach.get_or_insert(crate::promises::Breach {
                promise: crate::promises::Promise::OneSessionPerToken,
                who: who.unwrap_or(0),
                node: None,
                what: format!("the server made {} sessions of a token", executed.minted),
            });
        }
        if let Some(who) = executed.changed {
            let readers = match self.scenario.wire {
                // Once, until it is read again.
                Wire::Together => {
                    let readers = self.tracking.get_mut(number).and_then(|all| all.get_mut(who));
                    readers.map(std::mem::take).unwrap_or_default()
                }
                Wire::Apart => {
                    let listeners = self.listeners.get(number).into_iter().flatten();
                    listeners.map(|(node, (boot, link))| (*node, *boot, *link)).collect()
                }
            };
            for (node, boot, link) in readers {
                self.to_node(node, boot, link, ToNode::Report(who));
            }
        }
        executed.reply
    }

    pub(crate) fn at_node(&mut self, number: usize, boot: u64, link: u64, message: ToNode) {
        let now = self.time.now();
        let ping_interval = micros(self.scenario.ping_interval);
        let is_apart = self.scenario.wire == Wire::Apart;
        let Some(node) = self.nodes.get_mut(number) else { return };
        let is_reply = matches!(message, ToNode::Reply { .. });
        if node.boot != boot || (node.link.number != link && !(is_apart && is_reply)) {
            return;
        }
        match message {
            ToNode::Answer { is_master: false, .. } | ToNode::Closed => self.lose(number),
            ToNode::Answer { asked, .. } => {
                self.trace.note(now, Some(number), None, "is answered what it asked at", asked);
                node.link.awaiting = None;
                let elapsed = std::time::Duration::from_micros(asked);
                if node.store.connection().answered(elapsed) || !node.link.is_up {
                    node.link.is_up = true;
                    for call in std::mem::take(&mut node.link.waiting) {
                        if call.slot.is_awaited() {
                            self.transmit(number, call);
                        }
                    }
                }
                self.push(now.max(asked + ping_interval), Event::Ask { node: number, boot, link });
            }
            ToNode::Report(who) => {
                let issuer = self.people.get(who).map(|person| person.wallet.issuer());
                if let Some(issuer) = issuer {
                    node.store.copies().changed(issuer);
                }
            }
            ToNode::Reply { call, reply } => {
                let is_believed = is_apart || node.store.connection().is_believed();
                if is_believed || !call.op.is_repeatable() {
                    call.slot.put(reply);
                    return self.poll(call.request);
                }
                if call.slot.is_awaited() {
                    self.push(now + PAUSE, Event::Again { node: number, boot, call });
                }
            }
        }
    }

    /// A node's connection is lost.
    pub(crate) fn lose(&mut self, number: usize) {
        let now = self.time.now();
        let broken = self.scenario.broken;
        let Some(node) = self.nodes.get_mut(number) else { return };
        self.trace.note(now, Some(number), None, "loses its connection", node.link.number);
        if broken != Some(Broken::SilentReconnect) {
            node.store.connection().lost();
        }
        let Node { boot, link, .. } = node;
        link.number += 1;
        let (boot, connect) = (*boot, link.number);
        // Nodes that lose their connections together come back apart, as they do by real dice.
        let dice = (number as u32)
            .wrapping_add(1)
            .wrapping_mul(2_654_435_769)
            .wrapping_mul(link.number as u32);
        let pause = link.pauses.after(link.is_up, dice);
        (link.is_up, link.awaiting) = (false, None);
        let mut lost = Vec::new();
        for call in std::mem::take(&mut link.sent) {
            if !call.slot.is_awaited() {
                continue;
            }
            if broken == Some(Broken::LostMeansNone) && matches!(call.op, Op::Load { .. }) {
                lost.push((call, Reply::Loaded(None)));
            } else if call.op.is_repeatable() {
                link.waiting.push(call);
            } else {
                lost.push((call, Reply::Lost));
            }
        }
        let event = Event::Connect { node: number, boot, link: connect };
        self.push(now + micros(pause), event);
        for (call, reply) in lost {
            call.slot.put(reply);
            self.poll(call.request);
        }
    }
}
