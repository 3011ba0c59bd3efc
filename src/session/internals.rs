//! What a process decides by that keeps copies of the sessions on a server, for the simulation of
//! many such processes.

#![allow(missing_docs, reason = "for tests of this project")]

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::copies::{self, Invalidations, Reporter, Reports, Rhythm};
use super::{SessionHandle, SessionRecord, Ticket, addressed, kept};
use crate::did::{Issuer, Timestamp};

/// A process's copies, and what makes them invalid.
pub struct Copies {
    invalidations: Arc<Invalidations>,
    copies: copies::Copies<SessionRecord, Connection>,
}

/// A question whose answer may be copied.
#[derive(Clone, Copy)]
pub struct Asked(copies::Asked);

/// Held while an issuer's sessions are changed.
pub struct Changing<'a>(
    #[allow(dead_code, reason = "for what it does when dropped")] copies::Changing<'a>,
);

/// The connection that reports changes.
pub struct Connection {
    reports: Reports,
    now: Box<dyn Fn() -> Duration + Send + Sync>,
}

/// The pauses between attempts to connect.
pub struct Pauses(copies::Pauses);

impl Reporter for Connection {
    fn is_trusted(&self) -> bool {
        self.reports.are_trusted((self.now)())
    }

    fn owns(&self, _slot: u16) -> bool {
        true
    }
}

impl Copies {
    pub fn new(max_bytes: u64) -> Self {
        let invalidations = Arc::new(Invalidations::new(max_bytes, 0));
        Self { copies: copies::Copies::new(Arc::clone(&invalidations), max_bytes), invalidations }
    }

    /// A connection by which a server reports changes, not made yet. `now` is a clock that never
    /// runs backwards.
    pub fn connection(
        &self,
        ping_interval: Duration,
        timeout: Duration,
        now: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Arc<Connection> {
        let rhythm = Rhythm { ping_interval, timeout };
        let reports = Reports::new(Arc::clone(&self.invalidations), rhythm);
        Arc::new(Connection { reports, now: Box::new(now) })
    }

    pub fn asking(&self, issuer: Issuer) -> Asked {
        Asked(self.copies.asking(issuer, 0))
    }

    pub fn get(&self, issuer: Issuer, handle: SessionHandle) -> Option<Arc<SessionRecord>> {
        self.copies.get(issuer, handle)
    }

    pub fn put(&self, record: &Arc<SessionRecord>, asked: Asked, by: Option<Arc<Connection>>) {
        self.copies.put(record, asked.0, by);
    }

    pub fn changing(&self, issuer: Issuer) -> Changing<'_> {
        Changing(copies::Changing::of(&self.invalidations, issuer))
    }

    /// A report that something of an issuer's has changed.
    pub fn changed(&self, issuer: Issuer) {
        self.invalidations.of_issuer(issuer.address());
    }
}

impl Connection {
    /// An answer to the question asked at `asked`. Returns whether the connection is a new one.
    pub fn answered(&self, asked: Duration) -> bool {
        self.reports.answered(asked, true)
    }

    /// Whether what the server says counts.
    pub fn is_believed(&self) -> bool {
        self.reports.is_believed((self.now)())
    }

    pub fn lost(&self) {
        self.reports.lost();
    }
}

impl Pauses {
    pub const fn new() -> Self {
        Self(copies::Pauses::new())
    }

    pub fn after(&mut self, was_up: bool, dice: u32) -> Duration {
        self.0.after(was_up, dice)
    }
}

impl Default for Pauses {
    fn default() -> Self {
        Self::new()
    }
}

macro_rules! opaque {
    ($($name:ty),+) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    )+};
}
opaque!(Copies, Asked, Changing<'_>, Connection, Pauses);

/// For how long without an answer a connection is kept.
pub fn patience(ping_interval: Duration, timeout: Duration) -> Duration {
    Rhythm { ping_interval, timeout }.patience()
}

/// For how long copies are good after a question that was answered.
pub fn trust(ping_interval: Duration, timeout: Duration) -> Duration {
    Rhythm { ping_interval, timeout }.trust()
}

/// The cookie's value of a session on a server.
pub fn ticket(id: &Ticket, issuer: Issuer) -> Ticket {
    addressed::ticket(id, issuer)
}

pub fn read_ticket(text: &str) -> Option<(SessionHandle, Issuer)> {
    addressed::read_ticket(text)
}

/// For how long, from `now`, a server keeps what matters until `end`.
pub fn kept_until(end: Timestamp, now: Timestamp) -> Duration {
    kept::until(end, now)
}

/// Whether a token may be dated ahead of another machine's clock.
pub fn is_young(issued_at: Timestamp, now: Timestamp) -> bool {
    kept::is_young(issued_at, now)
}
