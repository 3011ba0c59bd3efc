//! The report for people.

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use time::OffsetDateTime;
use tower_didt::{Timestamp, TokenError};

use super::Report;

/// Writes the report. Text from the token is quoted and escaped, so that it can neither pass
/// for a line of the report nor command the terminal.
pub(super) fn write(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let Report { claim, now, .. } = report;
    let moment = |time| Moment { time, now: *now };
    writeln!(out, "UNVERIFIED: what the token says of itself. Nothing in it can be believed.")?;
    writeln!(out)?;
    writeln!(out, "  issuer    {}", claim.iss())?;
    writeln!(out, "  address   {}", claim.iss().address())?;
    writeln!(out, "  audience  {:?}", claim.aud())?;
    writeln!(out, "  issued    {} (iat)", moment(claim.iat()))?;
    writeln!(out, "  expires   {} (ext)", moment(claim.ext()))?;
    writeln!(out, "  begins    {} (nbf)", moment(claim.nbf()))?;
    writeln!(out, "  token id  {:?}", claim.tid())?;
    writeln!(out, "  sub       {:?} - holder's own word, never a user id", claim.untrusted_sub())?;
    let add = if claim.add().is_some() { "present" } else { "absent" };
    writeln!(out, "  add       {add}")?;
    writeln!(out)?;
    match &report.proof {
        Ok(()) => writeln!(out, "  proof        the proof matches the issuer")?,
        Err(error) => writeln!(out, "  proof        would fail: {error}")?,
    }
    writeln!(out, "  time         {}", Outlook(report))?;
    match &report.verify {
        Some(Ok(())) => {
            writeln!(out, "  verify       would accept it for this audience")?;
        }
        Some(Err(error)) => {
            writeln!(out, "  verify       would reject it ({}): {error}", error.name())?;
        }
        None => {}
    }
    writeln!(out, "  not checked  {}: `didt verify` does", report.not_checked().join(", "))?;
    report.hints().iter().try_for_each(|hint| writeln!(out, "  hint         {hint}"))
}

/// `1700000000, 2023-11-14 22:13:20 UTC, 1 min ago`.
struct Moment {
    time: Timestamp,
    now: Timestamp,
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { time, now } = *self;
        write!(f, "{}, ", Seconds(time))?;
        match Date::of(time) {
            Some(date) if time > now => write!(f, "{date}, in {}", Span(time.since(now))),
            Some(date) => write!(f, "{date}, {} ago", Span(now.since(time))),
            None if time > now => f.write_str("far in the future"),
            None => f.write_str("far in the past"),
        }
    }
}

/// What the times mean for the token.
struct Outlook<'a>(&'a Report);

impl fmt::Display for Outlook<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (now, ext) = (self.0.now, self.0.claim.ext());
        match self.0.statement() {
            Ok(()) if Date::of(ext).is_none() => f.write_str("expires far in the future")?,
            Ok(()) => write!(f, "expires in {}", Span(ext.since(now)))?,
            Err(TokenError::Expired { .. }) if Date::of(ext).is_none() => {
                f.write_str("would fail: expired long ago")?;
            }
            Err(TokenError::Expired { .. }) => {
                write!(f, "would fail: expired {} ago", Span(now.since(ext)))?;
            }
            Err(TokenError::NotYetValid { not_before, leeway, .. }) => {
                let start = Moment { time: not_before, now };
                write!(f, "would fail: not yet valid until {start} (leeway {})", Span(leeway))?;
            }
            Err(error) => write!(f, "would fail: {error}")?,
        }
        write!(f, ", at {}", Seconds(now))?;
        Date::of(now).map_or(Ok(()), |date| write!(f, ", {date}"))
    }
}

/// Seconds since the Unix epoch, as a token has them.
struct Seconds(Timestamp);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        if seconds.abs() < 1e15 { write!(f, "{seconds}") } else { write!(f, "{seconds:e}") }
    }
}

/// A point in time that the calendar reaches: four digits of years, either side.
struct Date(OffsetDateTime);

impl Date {
    fn of(time: Timestamp) -> Option<Self> {
        OffsetDateTime::from_unix_timestamp(time.as_secs()).ok().map(Self)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hour, minute, second) = self.0.to_hms();
        write!(f, "{} {hour:02}:{minute:02}:{second:02} UTC", self.0.date())
    }
}

/// `14 min 3 s`: the two largest units, rounded down; below a minute to the millisecond.
struct Span(Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
        let seconds = self.0.as_secs();
        if seconds < 60 {
            let milliseconds = self.0.subsec_millis();
            return write!(f, "{} s", seconds as f64 + f64::from(milliseconds) / 1000.0);
        }
        let mut units = UNITS.into_iter().skip_while(|(length, _)| seconds < *length);
        let (Some((large, unit)), next) = (units.next(), units.next()) else { return Ok(()) };
        write!(f, "{} {unit}", seconds / large)?;
        match next {
            Some((small, unit)) if seconds % large >= small => {
                write!(f, " {} {unit}", seconds % large / small)
            }
            _ => Ok(()),
        }
    }
}
