//! For how long servers keep what a store writes, where it expires by itself.

use std::time::Duration;

use crate::did::Timestamp;

/// How much longer than needed things stay on a server: by so much the clocks of the
/// machines may differ, and a token that one machine takes for expired is still
/// known as used to another that does not.
pub(super) const MARGIN: Duration = Duration::from_secs(300);

/// The longest that anything stays, whatever the application says: 100 years.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// For how long it is remembered at least when an issuer's newest token was issued: where the
/// cap on the age of tokens is raised, older ones are good again that were made before.
const NEWEST_KEPT: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// How long what was revoked is remembered: as long as anything of an issuer. Tokens live for minutes,
/// but `with_max_token_age` may allow for far more, and no caller says how much.
const REVOKED_KEPT: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// How far the clocks of machines may differ. A token that one machine sees when it is younger than this
/// may be dated ahead of the clock of another, on which its issuer signs out everywhere.
const MAX_CLOCK_SKEW: Duration = crate::did::DEFAULT_LEEWAY;

/// For how long, from `now`, something must stay that matters until `end`.
pub(super) fn until(end: Timestamp, now: Timestamp) -> Duration {
    end.since(now).min(LONGEST).saturating_add(MARGIN)
}

/// For how long, from `now`, it is noted when an issuer's newest token was issued.
pub(super) fn newest(usable_until: Timestamp, now: Timestamp) -> Duration {
    until(usable_until.max(now.plus(NEWEST_KEPT)), now)
}

/// For how long, from `now`, it matters what is revoked now.
pub(super) fn revoked(now: Timestamp) -> Duration {
    until(now.plus(REVOKED_KEPT), now)
}

/// Whether a token that was issued then may be dated ahead of another machine's clock.
pub(super) fn is_young(issued_at: Timestamp, now: Timestamp) -> bool {
    issued_at.plus(MAX_CLOCK_SKEW) > now
}
