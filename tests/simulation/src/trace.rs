//! What happened lately, for whoever looks into a broken promise.

use std::collections::VecDeque;
use std::fmt::Write;

use crate::time::{MS, Micros};

/// How many events are kept.
const KEPT: usize = 400_000;

/// How many of them are shown.
const SHOWN: usize = 80;

/// In the place of a node's number.
const SERVER: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Line {
    at: Micros,
    node: u32,
    /// Whom it concerns; `None` for all.
    who: Option<u32>,
    what: &'static str,
    number: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Trace {
    lines: VecDeque<Line>,
    digest: u64,
}

impl Trace {
    pub(crate) fn note(
        &mut self,
        at: Micros,
        node: Option<usize>,
        who: Option<usize>,
        what: &'static str,
        number: u64,
    ) {
        let (node, who) = (node.map_or(SERVER, |node| node as u32), who.map(|who| who as u32));
        if self.lines.len() >= KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back(Line { at, node, who, what, number });
        // FNV-1a, enough to tell two runs apart.
        let parts =
            [at, u64::from(node), who.map_or(u64::MAX, u64::from), number, what.len() as u64];
        for part in parts {
            self.digest = (self.digest ^ part).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// The same for two runs in which the same happened.
    pub(crate) const fn digest(&self) -> u64 {
        self.digest
    }

    /// The latest events that concern somebody, a node or the server.
    pub(crate) fn about(&self, who: usize, node: Option<usize>) -> String {
        let concerns = |line: &&Line| match line.who {
            Some(of) => of as usize == who,
            None => line.node == SERVER || node.is_none_or(|node| line.node as usize == node),
        };
        let mut lines: Vec<&Line> = self.lines.iter().rev().filter(concerns).take(SHOWN).collect();
        lines.reverse();
        let mut text = String::new();
        for Line { at, node, who, what, number } in lines {
            let who = who.map_or_else(String::new, |who| format!("person {who}"));
            let node = match *node {
                SERVER => "server".to_owned(),
                node => format!("node {node}"),
            };
            let _ = writeln!(
                text,
                "{:>12}.{:03} ms  {node:<9} {who:<11} {what} {number}",
                at / MS,
                at % MS
            );
        }
        text
    }
}
