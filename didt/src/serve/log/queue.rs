//! Lines on their way to standard error.
//!
//! The reader of standard error may pause: a collector that is restarted, a terminal that is
//! stopped, a full disk behind a pipe. A write then waits for as long as that lasts. So requests
//! put their lines into a queue with a bound, and a thread of its own does the waiting.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::{Metadata, warn};
use tracing_subscriber::fmt::MakeWriter;

use super::super::audit;

/// The target of what the log says about itself.
pub(super) const TARGET: &str = "didt::log";

/// How much may wait: about three thousand lines, a second of refusals at full speed.
const MAX_BYTES: usize = 1024 * 1024;

/// The part for lines that are not audit events; the rest is reserved for those.
const MAX_ORDINARY_BYTES: usize = MAX_BYTES / 2;

/// The memory of a line besides its text: its place in the queue and its allocation.
const LINE_OVERHEAD: usize = 64;

/// How much is written at a time; what pipes hold on Linux (pipe(7)).
const BATCH_BYTES: usize = 64 * 1024;

/// The pause between two attempts if another program has made standard error non-blocking.
const PAUSE: Duration = Duration::from_millis(50);

/// What is dropped first where not everything can wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    Ordinary,
    /// Audit events, and what says that lines were dropped.
    Vital,
}

/// Lines that wait to be written. Clones are one queue.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    ordinary: VecDeque<Line>,
    vital: VecDeque<Line>,
    bytes: usize,
    ordinary_bytes: usize,
    /// Of the next line: what is in the two queues is one sequence.
    number: u64,
    writing: bool,
    dropped: Dropped,
}

#[derive(Debug)]
struct Line {
    number: u64,
    text: Vec<u8>,
}

impl Line {
    const fn cost(&self) -> usize {
        self.text.len().saturating_add(LINE_OVERHEAD)
    }
}

/// How many lines were dropped because they could not wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Dropped {
    ordinary: u64,
    audit: u64,
}

impl State {
    fn push(&mut self, weight: Weight, text: Vec<u8>) -> Dropped {
        let line = Line { number: self.number, text };
        let cost = line.cost();
        self.number = self.number.wrapping_add(1);
        let mut dropped = Dropped::default();
        if weight == Weight::Vital {
            while self.bytes.saturating_add(cost) > MAX_BYTES {
                let Some(oldest) = self.ordinary.pop_front() else { break };
                self.bytes = self.bytes.saturating_sub(oldest.cost());
                self.ordinary_bytes = self.ordinary_bytes.saturating_sub(oldest.cost());
                dropped.ordinary += 1;
            }
        }
        let fits = self.bytes.saturating_add(cost) <= MAX_BYTES;
        match weight {
            Weight::Vital if fits => self.vital.push_back(line),
            Weight::Vital => dropped.audit += 1,
            Weight::Ordinary
                if fits && self.ordinary_bytes.saturating_add(cost) <= MAX_ORDINARY_BYTES =>
            {
                self.ordinary_bytes = self.ordinary_bytes.saturating_add(cost);
                self.ordinary.push_back(line);
            }
            Weight::Ordinary => {
                dropped.ordinary += 1;
                return self.note(dropped);
            }
        }
        if dropped.audit == 0 {
            self.bytes = self.bytes.saturating_add(cost);
        }
        self.note(dropped)
    }

    const fn note(&mut self, dropped: Dropped) -> Dropped {
        self.dropped.ordinary = self.dropped.ordinary.saturating_add(dropped.ordinary);
        self.dropped.audit = self.dropped.audit.saturating_add(dropped.audit);
        dropped
    }

    fn pop(&mut self) -> Option<Line> {
        let ordinary = self.ordinary.front().map_or(u64::MAX, |line| line.number);
        let vital = self.vital.front().map_or(u64::MAX, |line| line.number);
        let line = if ordinary < vital {
            let line = self.ordinary.pop_front()?;
            self.ordinary_bytes = self.ordinary_bytes.saturating_sub(line.cost());
            line
        } else {
            self.vital.pop_front()?
        };
        self.bytes = self.bytes.saturating_sub(line.cost());
        Some(line)
    }

    fn is_empty(&self) -> bool {
        self.ordinary.is_empty() && self.vital.is_empty()
    }
}

impl Lines {
    /// Starts to write the queue's lines, on a thread of its own.
    pub(super) fn write_to(out: impl Write + Send + 'static) -> io::Result<Self> {
        let lines = Self::default();
        let queue = lines.clone();
        thread::Builder::new().name("didt-log".to_owned()).spawn(move || queue.write(out))?;
        Ok(lines)
    }

    /// Plain text, whatever the log's format: for people who started the program, and for tests.
    pub(crate) fn say(&self, message: impl std::fmt::Display) {
        self.push(Weight::Vital, format!("didt: {message}\n").into_bytes());
    }

    /// Waits until everything is written, but no longer than this. Blocks the thread: for the end
    /// only.
    pub(crate) fn flush(&self, limit: Duration) {
        let state = self.state();
        let waiting = |state: &mut State| state.writing || !state.is_empty();
        let _ = self.0.changed.wait_timeout_while(state, limit, waiting);
    }

    fn push(&self, weight: Weight, text: Vec<u8>) {
        let dropped = self.state().push(weight, text);
        self.0.changed.notify_all();
        for (kind, count) in [("ordinary", dropped.ordinary), ("audit", dropped.audit)] {
            if count > 0 {
                metrics::counter!("didt_log_lines_dropped_total", "kind" => kind).increment(count);
            }
        }
    }

    /// Nothing inside of it can panic and leave it half changed.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes for as long as the process lives.
    fn write(&self, mut out: impl Write) {
        loop {
            let batch = self.batch();
            // Where standard error is closed the lines are gone, and nobody is there to hear of it.
            let written = patiently(&mut out, &batch).is_ok();
            let dropped = {
                let mut state = self.state();
                state.writing = false;
                if written { std::mem::take(&mut state.dropped) } else { Dropped::default() }
            };
            if dropped != Dropped::default() {
                let Dropped { ordinary, audit } = dropped;
                warn!(
                    target: TARGET,
                    ordinary, audit, "lines were dropped here because standard error was not read"
                );
            }
            self.0.changed.notify_all();
        }
    }

    /// The next lines, once there are any.
    fn batch(&self) -> Vec<u8> {
        let mut state = self.state();
        while state.is_empty() {
            state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let mut batch = Vec::new();
        while batch.len() < BATCH_BYTES
            && let Some(line) = state.pop()
        {
            batch.extend_from_slice(&line.text);
        }
        state.writing = true;
        batch
    }
}

fn patiently(out: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match out.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(PAUSE),
            Err(error) => return Err(error),
        }
    }
    out.flush()
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Event<'a>;

    fn make_writer(&'a self) -> Event<'a> {
        Event { lines: self, weight: Weight::Ordinary, text: Vec::new() }
    }

    fn make_writer_for(&'a self, about: &Metadata<'_>) -> Event<'a> {
        let vital = [audit::TARGET, TARGET].contains(&about.target());
        let weight = if vital { Weight::Vital } else { Weight::Ordinary };
        Event { lines: self, weight, text: Vec::new() }
    }
}

/// One event that is being written: a line, once it is complete.
pub(crate) struct Event<'a> {
    lines: &'a Lines,
    weight: Weight,
    text: Vec<u8>,
}

impl Write for Event<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Event<'_> {
    fn drop(&mut self) {
        if !self.text.is_empty() {
            self.lines.push(self.weight, std::mem::take(&mut self.text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(state: &mut State) -> Vec<String> {
        let lines = std::iter::from_fn(|| state.pop());
        lines.map(|line| String::from_utf8(line.text).expect("text")).collect()
    }

    #[test]
    fn lines_of_both_kinds_leave_in_the_order_in_which_they_came() {
        let mut state = State::default();
        for (weight, text) in [
            (Weight::Ordinary, "a"),
            (Weight::Vital, "b"),
            (Weight::Vital, "c"),
            (Weight::Ordinary, "d"),
        ] {
            assert_eq!(state.push(weight, text.into()), Dropped::default());
        }
        assert_eq!(texts(&mut state), ["a", "b", "c", "d"]);
        assert_eq!((state.bytes, state.ordinary_bytes), (0, 0));
    }

    #[test]
    fn audit_events_are_the_last_to_be_dropped() {
        let mut state = State::default();
        let line = || vec![b'x'; 1000];
        let mut ordinary = 0;
        while state.push(Weight::Ordinary, line()) == Dropped::default() {
            ordinary += 1;
        }
        assert!(state.ordinary_bytes <= MAX_ORDINARY_BYTES, "half of the room is kept for audit");
        let (mut audit, mut pushed_out) = (0, 0);
        loop {
            let dropped = state.push(Weight::Vital, line());
            pushed_out += dropped.ordinary;
            if dropped.audit > 0 {
                break;
            }
            audit += 1;
            assert!(state.bytes <= MAX_BYTES);
        }
        assert_eq!(pushed_out, ordinary, "every other line gave way first");
        assert_eq!(audit, MAX_BYTES / (1000 + LINE_OVERHEAD));
        assert_eq!(state.dropped, Dropped { ordinary: ordinary + 1, audit: 1 });
    }

    /// A reader that comes back gets all that could wait, and then what could not.
    #[test]
    fn what_was_dropped_is_said_once_lines_flow_again() {
        struct Gate(Arc<Mutex<()>>, std::sync::mpsc::Sender<Vec<u8>>);
        impl Write for Gate {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let _open = self.0.lock().expect("no panic inside");
                let _ = self.1.send(bytes.to_vec());
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (gate, (send, written)) = (Arc::new(Mutex::new(())), std::sync::mpsc::channel());
        let lines = Lines::write_to(Gate(Arc::clone(&gate), send)).expect("a thread");
        let closed = gate.lock().expect("no panic inside");
        for _ in 0..3 {
            lines.push(Weight::Ordinary, vec![b'x'; MAX_ORDINARY_BYTES / 2]);
        }
        lines.push(Weight::Vital, vec![b'y'; MAX_BYTES - LINE_OVERHEAD]);
        lines.push(Weight::Vital, vec![b'z'; MAX_BYTES]);
        // Nobody waited until now, and nobody waits for longer than they said.
        lines.flush(Duration::from_millis(1));
        assert_ne!(lines.state().dropped, Dropped::default());
        drop(closed);
        lines.flush(Duration::from_secs(30));
        assert_eq!(lines.state().dropped, Dropped::default(), "it was said");
        assert!(written.try_iter().any(|bytes| bytes.contains(&b'y')));
    }
}
