//! What goes wrong, and when.

use std::collections::BTreeMap;

use crate::node::Node;
use crate::time::{MS, Micros, SECOND};
use crate::world::{Event, ToNode, World};

/// How long it takes until a replica takes over from a master that does not answer.
const DETECTION: Micros = SECOND;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    Cut,
    Reset,
    Freeze,
    Pause,
    Crash,
    Failover,
    Restart,
    Reload,
    /// The server is there again.
    Recovered,
    /// A replica takes over that lacks what was written since.
    Promoted(Micros),
}

impl World {
    pub(crate) fn schedule_faults(&mut self) {
        for fault in [
            Fault::Cut,
            Fault::Reset,
            Fault::Freeze,
            Fault::Pause,
            Fault::Crash,
            Fault::Failover,
            Fault::Restart,
            Fault::Reload,
        ] {
            self.schedule(fault, SECOND);
        }
    }

    /// `quiet`: for how long at least it does not happen.
    fn schedule(&mut self, fault: Fault, quiet: Micros) {
        let faults = self.scenario.faults;
        let apart = match fault {
            Fault::Cut => faults.cut,
            Fault::Reset => faults.reset,
            Fault::Freeze => faults.freeze,
            Fault::Pause => faults.pause,
            Fault::Crash => faults.crash,
            Fault::Failover => faults.failover,
            Fault::Restart => faults.restart,
            Fault::Reload => faults.reload,
            Fault::Recovered | Fault::Promoted(_) => 0,
        };
        if apart > 0 {
            let next = self.time.now() + quiet + self.dice.until_next(apart);
            self.push(next, Event::Fault(fault));
        }
    }

    pub(crate) fn befall(&mut self, fault: Fault) {
        self.schedule(fault, 0);
        self.faults += 1;
        let now = self.time.now();
        let span = self.dice.between(MS, self.scenario.faults.longest);
        let number = self.dice.below(self.nodes.len());
        let node = self.nodes.get_mut(number);
        match fault {
            Fault::Cut => {
                self.trace.note(now, Some(number), None, "is cut off until", now + span);
                if let Some(node) = node {
                    node.cut_until = node.cut_until.max(now + span);
                }
            }
            Fault::Reset => self.lose(number),
            Fault::Freeze => {
                self.trace.note(now, Some(number), None, "stands still until", now + span);
                if let Some(node) = node {
                    node.frozen_until = node.frozen_until.max(now + span);
                }
            }
            Fault::Restart => {
                self.trace.note(now, Some(number), None, "starts anew", 0);
                if let Some(node) = node {
                    node.restart(&self.scenario, &self.time);
                    let Node { boot, link, .. } = node;
                    let event = Event::Connect { node: number, boot: *boot, link: link.number };
                    self.push(now, event);
                }
            }
            Fault::Reload => {
                self.trace.note(now, Some(number), None, "reads new settings", 0);
                if let Some(node) = node {
                    node.reload(&self.scenario);
                }
            }
            Fault::Pause => {
                self.trace.note(now, None, None, "the server stands still until", now + span);
                if let Some(server) = self.servers.last_mut() {
                    server.paused_until = server.paused_until.max(now + span);
                }
            }
            Fault::Crash => {
                self.kill();
                self.push(now + span, Event::Fault(Fault::Recovered));
            }
            Fault::Recovered => {
                self.trace.note(now, None, None, "the server is back", 0);
                if let Some(server) = self.servers.last_mut() {
                    server.is_alive = true;
                }
            }
            Fault::Failover => self.fail_over(),
            Fault::Promoted(since) => self.promote(since),
        }
    }

    /// The server ends, and all its connections do.
    fn kill(&mut self) {
        let now = self.time.now();
        self.trace.note(now, None, None, "the server is killed", 0);
        let number = self.servers.len().saturating_sub(1);
        if let Some(server) = self.servers.last_mut() {
            server.is_alive = false;
        }
        self.tracking.get_mut(number).into_iter().flatten().for_each(Vec::clear);
        self.listeners.get_mut(number).into_iter().for_each(BTreeMap::clear);
        for node in 0..self.nodes.len() {
            let Some((boot, link)) = self.nodes.get(node).map(|it| (it.boot, it.link.number))
            else {
                continue;
            };
            self.to_node(node, boot, link, ToNode::Closed);
        }
    }

    /// Either the master ends, and a replica takes over when that is noticed, or it is told to step
    /// back at once.
    fn fail_over(&mut self) {
        let now = self.time.now();
        if self.servers.last().is_none_or(|server| !server.is_alive) {
            return;
        }
        let since = now - self.dice.between(0, self.scenario.faults.lag).min(now);
        let is_planned =
            self.scenario.wire == crate::scenario::Wire::Together && self.dice.chance(0.5);
        if is_planned {
            self.promote(since);
        } else {
            self.kill();
            self.push(now + DETECTION, Event::Fault(Fault::Promoted(since)));
        }
    }

    fn promote(&mut self, since: Micros) {
        let now = self.time.now();
        self.trace.note(
            now,
            None,
            None,
            "a replica takes over, without what was written since",
            since,
        );
        let Some(old) = self.servers.last_mut() else { return };
        old.is_master = false;
        let (new, lost) = old.replica(since);
        self.ledger.undoes(&lost, since, now);
        self.tracking.push(vec![Vec::new(); self.people.len()]);
        self.listeners.push(BTreeMap::new());
        self.servers.push(new);
    }
}
