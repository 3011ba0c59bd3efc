//! How long a session lives, and when using it is worth writing down.
#![cfg_attr(not(feature = "layer"), allow(dead_code, reason = "only the layer enforces limits"))]

use std::fmt;
use std::time::Duration;

use super::SessionRecord;
use crate::did::Timestamp;

/// How long a session lives at most by default: 7 days, like Magic's own.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How often a session's `last_seen` is written at most by default.
const DEFAULT_REFRESH_INTERVAL: Duration = Duration::from_secs(60);

/// How often within its span an idle timeout is measured: by default, and at the least.
const REFRESHES_PER_IDLE_TIMEOUT: u32 = 10;
const FEWEST_REFRESHES: u32 = 2;

/// How long sessions live (ASVS 5.0, 7.3.1 and 7.3.2). Enforced on the server;
/// the cookie's `Max-Age` only tidies up the browser.
///
/// ```
/// use std::time::Duration;
/// use tower_didt::Lifetimes;
///
/// const HOUR: Duration = Duration::from_secs(3600);
/// // Half a day at most, and over after an hour in which nothing happens.
/// let lifetimes = Lifetimes::new(12 * HOUR).with_idle_timeout(HOUR);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    absolute: Duration,
    idle: Option<Duration>,
    /// The default is another one for each idle timeout.
    refresh_interval: Option<Duration>,
}

impl Lifetimes {
    /// Sessions that end `absolute` after they were minted, used or not.
    #[must_use]
    pub const fn new(absolute: Duration) -> Self {
        Self { absolute, idle: None, refresh_interval: None }
    }

    /// Ends a session too when no request used it for this long. Defaults to no idle timeout.
    ///
    /// Using a session is written down a tenth of this span apart (see
    /// [`with_refresh_interval`](Self::with_refresh_interval)), so a session
    /// may end that much early, never late.
    #[must_use]
    pub const fn with_idle_timeout(mut self, idle: Duration) -> Self {
        self.idle = Some(idle);
        self
    }

    /// How much later than the last time written down a request must be for
    /// `last_seen` to be written again. Defaults to 60 seconds, or a tenth of
    /// the idle timeout if that is less. Never more than half of the idle timeout: a session
    /// would end while it is in use.
    #[must_use]
    pub const fn with_refresh_interval(mut self, interval: Duration) -> Self {
        self.refresh_interval = Some(interval);
        self
    }

    /// The longest that a session may live.
    #[must_use]
    pub const fn absolute(&self) -> Duration {
        self.absolute
    }

    /// For how long a session may stay unused.
    #[must_use]
    pub const fn idle_timeout(&self) -> Option<Duration> {
        self.idle
    }

    /// The same, but no longer than this in all.
    #[must_use]
    pub(crate) fn at_most(mut self, longest: Duration) -> Self {
        self.absolute = self.absolute.min(longest);
        self
    }

    /// When a session that begins `now` ends.
    #[must_use]
    pub(crate) fn end_of_session(&self, now: Timestamp) -> Timestamp {
        now.plus(self.absolute)
    }

    /// Checks that a session is alive.
    ///
    /// # Errors
    ///
    /// [`SessionExpired`] with the limit that has passed. A record may carry an
    /// end that an earlier, longer setting gave it: the sooner one counts.
    pub(crate) fn check(
        &self,
        record: &SessionRecord,
        now: Timestamp,
    ) -> Result<(), SessionExpired> {
        let end = record.expires_at.min(self.end_of_session(record.created_at));
        if end <= now {
            return Err(SessionExpired::Absolute);
        }
        match self.idle {
            Some(idle) if record.last_seen.plus(idle) <= now => Err(SessionExpired::Idle),
            _ => Ok(()),
        }
    }

    /// Whether a request `now` is worth writing down.
    #[must_use]
    pub(crate) fn refresh_due(&self, record: &SessionRecord, now: Timestamp) -> bool {
        record.last_seen.plus(self.refresh_interval()) <= now
    }

    fn refresh_interval(&self) -> Duration {
        let (interval, times) = match self.refresh_interval {
            Some(interval) => (interval, FEWEST_REFRESHES),
            None => (DEFAULT_REFRESH_INTERVAL, REFRESHES_PER_IDLE_TIMEOUT),
        };
        self.idle.map_or(interval, |idle| interval.min(idle / times))
    }
}

impl Default for Lifetimes {
    /// 7 days, like Magic's own sessions, and no idle timeout.
    fn default() -> Self {
        Self::new(DEFAULT_LIFETIME)
    }
}

/// Why a session ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionExpired {
    /// It reached its longest lifetime.
    Absolute,
    /// No request has used it for too long.
    Idle,
}

impl fmt::Display for SessionExpired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absolute => "the session reached the end of its lifetime",
            Self::Idle => "the session was not used for too long",
        })
    }
}

impl std::error::Error for SessionExpired {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{SessionData, SessionHandle};

    fn record(created: i64, seen: i64, expires: i64) -> SessionRecord {
        let mut record = SessionRecord::new(
            SessionHandle::from_bytes([1; 32]),
            "did:ethr:0x52908400098527886E0F7030069857D2E4169EE7".parse().expect("an issuer"),
            Timestamp::from_secs(created),
            Timestamp::from_secs(expires),
            SessionData::NONE,
        );
        record.last_seen = Timestamp::from_secs(seen);
        record
    }

    #[test]
    fn both_limits_are_enforced_to_the_second() {
        let lifetimes =
            Lifetimes::new(Duration::from_secs(100)).with_idle_timeout(Duration::from_secs(10));
        assert_eq!(lifetimes.idle_timeout(), Some(Duration::from_secs(10)));
        let rows = [
            ("fresh", record(0, 0, 100), 0, Ok(())),
            ("last idle second", record(0, 50, 100), 59, Ok(())),
            ("idle", record(0, 50, 100), 60, Err(SessionExpired::Idle)),
            ("last second", record(0, 95, 100), 99, Ok(())),
            ("end", record(0, 95, 100), 100, Err(SessionExpired::Absolute)),
            ("lifetime since shortened", record(0, 95, 1_000), 100, Err(SessionExpired::Absolute)),
            ("lifetime since lengthened", record(0, 45, 50), 50, Err(SessionExpired::Absolute)),
            ("clock went backwards", record(50, 50, 150), 20, Ok(())),
        ];
        for (name, record, now, expected) in rows {
            assert_eq!(lifetimes.check(&record, Timestamp::from_secs(now)), expected, "{name}");
        }
    }

    #[test]
    fn by_default_a_session_lives_for_seven_days_however_little_it_is_used() {
        let lifetimes = Lifetimes::default();
        assert_eq!(lifetimes.absolute(), Duration::from_secs(604_800));
        assert_eq!(lifetimes.idle_timeout(), None);
        assert_eq!(lifetimes.end_of_session(Timestamp::from_secs(100)).as_secs(), 604_900);
    }

    #[test]
    fn writing_activity_down_is_throttled() {
        let lifetimes = Lifetimes::default();
        assert!(!lifetimes.refresh_due(&record(0, 0, 1_000), Timestamp::from_secs(59)));
        assert!(lifetimes.refresh_due(&record(0, 0, 1_000), Timestamp::from_secs(60)));
        let brisk = lifetimes.with_idle_timeout(Duration::from_secs(50));
        assert!(brisk.refresh_due(&record(0, 0, 1_000), Timestamp::from_secs(5)));
    }

    #[test]
    fn an_interval_that_was_asked_for_holds_in_whatever_order_and_ends_no_session_in_use() {
        let seconds = Duration::from_secs;
        for (asked, due) in [(5, 5), (200, 200), (299, 299), (301, 300), (600, 300), (9_000, 300)] {
            let (idle, asked) = (seconds(600), seconds(asked));
            let default = Lifetimes::default();
            let orders = [
                default.with_idle_timeout(idle).with_refresh_interval(asked),
                default.with_refresh_interval(asked).with_idle_timeout(idle),
            ];
            for lifetimes in orders {
                let is_due =
                    |at| lifetimes.refresh_due(&record(0, 0, 10_000), Timestamp::from_secs(at));
                assert!(!is_due(due - 1) && is_due(due), "{asked:?}");
            }
        }
        let rarely = Lifetimes::default().with_refresh_interval(seconds(9_000));
        assert!(!rarely.refresh_due(&record(0, 0, 10_000), Timestamp::from_secs(8_999)));
    }
}
