//! The one notion of time: seconds since the Unix epoch, handed in by the caller.

use std::cmp::Ordering;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A point in time: seconds since the Unix epoch as a *finite* 64-bit float.
///
/// Tokens carry their times as JSON numbers, and real ones hold fractions and
/// values such as `1.0000000000016881e+21`, far outside of 64-bit integers.
/// One type serves for those times and for `now`, so that comparing never
/// converts, overflows or wraps: arithmetic saturates at the largest finite value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timestamp(f64);

impl Timestamp {
    /// The Unix epoch, 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0.0);

    /// The farthest point in the future that can be written down.
    pub const MAX: Self = Self(f64::MAX);

    /// A whole number of seconds since the Unix epoch.
    ///
    /// Exact up to 2⁵³ seconds (285 million years) either side of the epoch.
    #[must_use]
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds as f64)
    }

    /// Seconds since the Unix epoch, or `None` if `seconds` is infinite or not a number.
    #[must_use]
    pub fn from_secs_f64(seconds: f64) -> Option<Self> {
        seconds.is_finite().then_some(Self(seconds))
    }

    /// Seconds since the Unix epoch.
    #[must_use]
    pub const fn as_secs_f64(self) -> f64 {
        self.0
    }

    /// Displays seconds since the Unix epoch, as stores write them: `1700000000`, `1700000000.5`,
    /// `1e21`.
    pub(crate) fn seconds(self) -> impl fmt::Display {
        Seconds(self.0)
    }

    /// Whole seconds since the Unix epoch, rounded down, saturating at the ends of `i64`.
    #[must_use]
    pub fn as_secs(self) -> i64 {
        self.0.floor() as i64
    }

    /// This point in time moved into the future; saturates.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self((self.0 + span.as_secs_f64()).min(f64::MAX))
    }

    /// This point in time moved into the past; saturates.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self((self.0 - span.as_secs_f64()).max(f64::MIN))
    }

    /// How long ago `earlier` was; zero if it is in the future, saturating at `Duration::MAX`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::try_from_secs_f64((self.0 - earlier.0).max(0.0)).unwrap_or(Duration::MAX)
    }
}

impl From<SystemTime> for Timestamp {
    /// Milliseconds are kept, finer parts are dropped.
    fn from(time: SystemTime) -> Self {
        let millis = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => after.as_millis() as f64,
            Err(before) => -(before.duration().as_millis() as f64),
        };
        Self(millis / 1000.0)
    }
}

// A finite float has a total order; `-0.0` and `0.0` are one point in time, as in
// `PartialEq` above, which is why this is not `total_cmp`.
impl Eq for Timestamp {}

impl Ord for Timestamp {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.partial_cmp(&other.0).unwrap_or(Ordering::Equal)
    }
}

impl PartialOrd for Timestamp {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl TryFrom<Timestamp> for SystemTime {
    type Error = OutOfRange;

    /// Milliseconds are kept, finer parts are dropped.
    fn try_from(time: Timestamp) -> Result<Self, OutOfRange> {
        let span = Duration::try_from_secs_f64((time.0.abs() * 1000.0).round() / 1000.0)
            .map_err(|_| OutOfRange(()))?;
        let moved =
            if time.0 < 0.0 { UNIX_EPOCH.checked_sub(span) } else { UNIX_EPOCH.checked_add(span) };
        moved.ok_or(OutOfRange(()))
    }
}

/// The error for a [`Timestamp`] that the system's clock cannot represent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfRange(());

impl fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time is outside the range of the system's clock")
    }
}

impl std::error::Error for OutOfRange {}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, with milliseconds if there are any: `2023-11-14T22:13:20Z`,
    /// `2023-11-14T22:13:20.500Z`. A time outside the years 0 to 9999, which RFC 3339 cannot write,
    /// is displayed as seconds since the Unix epoch: `1e21 s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const YEAR_0: f64 = -62_167_219_200.0;
        const YEAR_10000: f64 = 253_402_300_800.0;
        let millis = (self.0 * 1000.0).round();
        if !(YEAR_0 * 1000.0..YEAR_10000 * 1000.0).contains(&millis) {
            return write!(f, "{} s", self.seconds());
        }
        let millis = millis as i64;
        let (seconds, millis) = (millis.div_euclid(1000), millis.rem_euclid(1000));
        let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = civil_date(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if millis > 0 { write!(f, ".{millis:03}Z") } else { f.write_str("Z") }
    }
}

/// The date of a number of days since 1970-01-01, in the Gregorian calendar: `civil_from_days` of
/// Howard Hinnant's "chrono-compatible low-level date algorithms". Years begin in March there, so
/// that the leap day is the last. (A date crate would be the only one that the token verifier needs
/// it for.)
const fn civil_date(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + (month <= 2) as i64, month, day)
}

/// Seconds since the Unix epoch as text, with a fraction only if there is one.
struct Seconds(f64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.abs() < 1e15 { write!(f, "{}", self.0) } else { write!(f, "{:e}", self.0) }
    }
}

impl Serialize for Timestamp {
    /// An integer where the value is a whole number that a float holds exactly, else a float.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const EXACT: f64 = 9_007_199_254_740_992.0; // 2⁵³
        if self.0.fract() == 0.0 && self.0.abs() <= EXACT {
            serializer.serialize_i64(self.0 as i64)
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_secs_f64(f64::deserialize(deserializer)?)
            .ok_or_else(|| de::Error::custom("a time must be a finite number"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_and_stays_finite() {
        assert_eq!(Timestamp::MAX.plus(Duration::MAX), Timestamp::MAX);
        assert!(Timestamp(f64::MIN).minus(Duration::MAX).0.is_finite());
        assert_eq!(Timestamp::MAX.since(Timestamp(f64::MIN)), Duration::MAX);
        assert_eq!(Timestamp::EPOCH.since(Timestamp::from_secs(5)), Duration::ZERO);
        assert_eq!(Timestamp::MAX.as_secs(), i64::MAX);
    }

    #[test]
    fn only_finite_values_are_times() {
        assert_eq!(Timestamp::from_secs_f64(f64::NAN), None);
        assert_eq!(Timestamp::from_secs_f64(f64::INFINITY), None);
        assert_eq!(Timestamp::from_secs_f64(-0.0), Some(Timestamp::EPOCH));
    }

    #[test]
    fn whole_seconds_print_and_serialise_without_a_fraction() {
        let json = |t: Timestamp| serde_json::to_string(&t).expect("a number");
        assert_eq!(json(Timestamp::from_secs(1_700_000_000)), "1700000000");
        assert_eq!(json(Timestamp(0.5)), "0.5");
        assert_eq!(json(Timestamp(1.0000000000016881e21)), "1.0000000000016881e+21");
        assert_eq!(Timestamp::from_secs(1_700_000_000).seconds().to_string(), "1700000000");
        assert_eq!(Timestamp(1e21).seconds().to_string(), "1e21");
    }

    #[test]
    fn times_are_displayed_as_rfc_3339() {
        for (seconds, text) in [
            (0.0, "1970-01-01T00:00:00Z"),
            (1_700_000_000.0, "2023-11-14T22:13:20Z"),
            (1_700_000_000.5, "2023-11-14T22:13:20.500Z"),
            (951_782_400.0, "2000-02-29T00:00:00Z"),
            (4_107_542_399.0, "2100-02-28T23:59:59Z"),
            (4_107_542_400.0, "2100-03-01T00:00:00Z"),
            (-1.5, "1969-12-31T23:59:58.500Z"),
            (-62_167_219_200.0, "0000-01-01T00:00:00Z"),
            (253_402_300_799.0, "9999-12-31T23:59:59Z"),
            (253_402_300_799.999_9, "253402300799.9999 s"),
            (253_402_300_800.0, "253402300800 s"),
            (1.0000000000016881e21, "1.0000000000016881e21 s"),
        ] {
            assert_eq!(Timestamp(seconds).to_string(), text, "{seconds}");
        }
    }

    #[test]
    fn times_convert_to_the_systems_clock_and_back() {
        for seconds in [0.0, 1_700_000_000.0, 1_700_000_000.25, -1.5] {
            let time = Timestamp(seconds);
            assert_eq!(SystemTime::try_from(time).map(Timestamp::from), Ok(time));
        }
        for time in [Timestamp::MAX, Timestamp(f64::MIN)] {
            assert_eq!(SystemTime::try_from(time), Err(OutOfRange(())));
        }
    }

    #[test]
    fn a_clock_before_the_epoch_is_negative_and_no_panic() {
        let before = UNIX_EPOCH - Duration::from_millis(1500);
        assert_eq!(Timestamp::from(before).as_secs_f64(), -1.5);
    }
}
