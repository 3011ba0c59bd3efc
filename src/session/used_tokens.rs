//! Which tokens were used, and which were revoked.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::PoisonError;
use std::time::Duration;

use super::issuer_lines::IssuerLines;
use super::{TokenMark, TokenState};
use crate::did::{Issuer, Timestamp};
use crate::sync::Mutex;

/// A token dated this little ahead of the clock may take twice the room of one that is dated
/// further ahead: many honest clocks are off by seconds, few by minutes.
const NEARLY_NOW: Duration = Duration::from_secs(5);

/// How many tokens dated ahead one issuer may have once half of their room is taken.
const AHEAD_PER_ISSUER: usize = 16;

/// How many tokens whose time has come are sorted in for each that is used: more than one, so
/// that they become fewer; few, so that no call waits long.
const COME_AT_A_TIME: usize = 64;

/// How many marks that have expired are forgotten with each call: more than one, so that they become
/// fewer; few, so that no call waits long where very many expired while nobody signed in.
pub(super) const FORGOTTEN_AT_A_TIME: usize = 64;

/// The used tokens, bounded in number, and never wrong about one of them: one that was used is
/// never taken for new, one that was revoked never for good.
///
/// Tokens are marked one by one, up to `max`. What happens beyond that is arranged so that it
/// harms nobody but its cause, whether that is one issuer or a new one for each token:
///
/// - The mark that goes is that of the token issued first, and its **issuer's line** rises to when
///   that was: all tokens of this issuer that were issued no later count as used. Other issuers'
///   lines stay where they are, but for the few that [`IssuerLines`] confuses with them.
/// - **Tokens dated ahead of the clock do not push out others.** They have half of the room, those
///   far ahead a quarter, and if it is taken they are [too early](TokenState::TooEarly): refused
///   until their own time comes. So no line ever rises beyond the clock, and a token that has just
///   been issued is never below one.
///
/// Revocations are kept in the same way: the moment for each of `max` issuers, and lines for those
/// that were revoked before. Ended by it are the tokens issued until then, and the issuer's
/// tokens dated later that were here before it: that is why those are marked even if they are
/// only seen.
#[derive(Debug)]
pub(super) struct UsedTokens {
    marks: Mutex<Marks>,
}

/// Eight bytes of a digest suffice: whoever finds two tokens of its own that share them has one
/// that counts as used, and within another issuer's nobody can make a token.
type Digest = u64;

type Key = (Timestamp, Issuer, Digest);

#[derive(Clone, Copy, Debug)]
struct Mark {
    usable_until: Timestamp,
    /// Or was it only seen?
    used: bool,
    revoked: bool,
}

#[derive(Debug)]
struct Marks {
    max: usize,
    /// Tokens that were issued no later than the clock shows.
    come: BTreeMap<Key, Mark>,
    /// Tokens dated ahead of the clock, for each issuer together.
    ahead: BTreeMap<(Issuer, Timestamp, Digest), Mark>,
    /// The same in the order in which their time comes.
    ahead_by_time: BTreeSet<Key>,
    /// Below its line everything of an issuer's counts as used.
    used: IssuerLines,
    /// Everything that was usable until then counts as used: it has expired, if the clock is right.
    expired: Option<Timestamp>,
    revoked: Revoked,
}

#[derive(Debug)]
struct Revoked {
    by_issuer: HashMap<Issuer, Timestamp>,
    by_time: BTreeSet<(Timestamp, Issuer)>,
    lines: IssuerLines,
}

impl UsedTokens {
    pub(super) fn new(max: usize) -> Self {
        let max = max.max(1);
        let revoked = Revoked {
            by_issuer: HashMap::new(),
            by_time: BTreeSet::new(),
            lines: IssuerLines::behind(max),
        };
        Self {
            marks: Mutex::new(Marks {
                max,
                come: BTreeMap::new(),
                ahead: BTreeMap::new(),
                ahead_by_time: BTreeSet::new(),
                used: IssuerLines::behind(max),
                expired: None,
                revoked,
            }),
        }
    }

    /// Marks a token as used, and says what it was before.
    pub(super) fn claim(&self, token: &TokenMark, now: Timestamp) -> TokenState {
        self.with_marks(|marks| marks.note(token, true, now))
    }

    /// What a token is. One dated ahead of the clock is marked as seen.
    pub(super) fn state_of(&self, token: &TokenMark, now: Timestamp) -> TokenState {
        self.with_marks(|marks| match token.issued_at > now {
            true => marks.note(token, false, now),
            false => marks.state_of(token),
        })
    }

    /// Whether a token that was claimed a moment ago is revoked.
    pub(super) fn is_revoked(&self, token: &TokenMark) -> bool {
        self.with_marks(|marks| marks.state_of(token) == TokenState::Revoked)
    }

    /// Revokes the tokens of an issuer that were issued until `now`, and those that were here.
    pub(super) fn revoke_all(&self, issuer: Issuer, now: Timestamp) {
        self.with_marks(|marks| marks.revoke_all(issuer, now));
    }

    #[cfg(test)]
    pub(super) fn max(&self) -> usize {
        self.with_marks(|marks| marks.max)
    }

    fn with_marks<T>(&self, act: impl FnOnce(&mut Marks) -> T) -> T {
        // Nothing inside panics; if it did, a mark might be missing that is being made.
        act(&mut self.marks.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Marks {
    fn state_of(&self, token: &TokenMark) -> TokenState {
        let mark = self.mark_of(token);
        if mark.is_some_and(|mark| mark.revoked) || self.revoked.includes(token) {
            return TokenState::Revoked;
        }
        let is_used = mark.is_some_and(|mark| mark.used)
            || self.used.of(token.issuer).is_some_and(|line| token.issued_at <= start_of(line))
            || self.expired.is_some_and(|expired| token.usable_until <= expired);
        if is_used { TokenState::Used } else { TokenState::New }
    }

    fn mark_of(&self, token: &TokenMark) -> Option<&Mark> {
        let (time, issuer, digest) = key_of(token);
        self.come.get(&(time, issuer, digest)).or_else(|| self.ahead.get(&(issuer, time, digest)))
    }

    /// Marks a new token, as used or as seen.
    fn note(&mut self, token: &TokenMark, used: bool, now: Timestamp) -> TokenState {
        let state = self.state_of(token);
        if state != TokenState::New {
            return state;
        }
        let (time, issuer, digest) = key_of(token);
        let ahead_key = (issuer, time, digest);
        let mark = Mark { usable_until: token.usable_until, used, revoked: false };
        if let Some(seen) = self.ahead.get_mut(&ahead_key) {
            seen.used |= used;
        } else if token.issued_at <= now {
            self.come.insert((time, issuer, digest), mark);
        } else if self.has_room_ahead(token, now) {
            self.ahead.insert(ahead_key, mark);
            self.ahead_by_time.insert((time, issuer, digest));
        } else {
            return TokenState::TooEarly;
        }
        self.sort_in(now);
        self.shrink(now);
        TokenState::New
    }

    fn has_room_ahead(&self, token: &TokenMark, now: Timestamp) -> bool {
        let near = token.issued_at.since(now) <= NEARLY_NOW;
        let (room, taken) = (self.max / if near { 2 } else { 4 }, self.ahead.len());
        let own = || self.ahead_of(token.issuer, now).take(AHEAD_PER_ISSUER).count();
        taken < room / 2 || (taken < room && own() < AHEAD_PER_ISSUER)
    }

    fn ahead_of(
        &self,
        issuer: Issuer,
        now: Timestamp,
    ) -> impl Iterator<Item = &(Issuer, Timestamp, Digest)> {
        let from = (issuer, now, Digest::MAX);
        self.ahead.range(from..=(issuer, Timestamp::MAX, Digest::MAX)).map(|(key, _)| key)
    }

    /// Puts tokens dated ahead among the others when their time has come.
    fn sort_in(&mut self, now: Timestamp) {
        for _ in 0..COME_AT_A_TIME {
            let Some(key) = self.ahead_by_time.first().copied().filter(|key| key.0 <= now) else {
                return;
            };
            self.ahead_by_time.remove(&key);
            let (time, issuer, digest) = key;
            if let Some(mark) = self.ahead.remove(&(issuer, time, digest))
                // What was only seen needs no mark any more: a revocation goes by its time.
                && (mark.used || mark.revoked)
            {
                self.come.insert(key, mark);
            }
        }
    }

    /// Forgets what has expired and what is too much.
    fn shrink(&mut self, now: Timestamp) {
        let mut expired = 0;
        while let Some((_, oldest)) = self.come.first_key_value() {
            let has_expired = oldest.usable_until < now;
            let is_too_much = self.come.len() + self.ahead.len() > self.max;
            if !is_too_much && (!has_expired || expired == FORGOTTEN_AT_A_TIME) {
                return;
            }
            expired += usize::from(has_expired);
            let Some(((time, issuer, _), mark)) = self.come.pop_first() else { return };
            if mark.revoked {
                self.revoked.lines.raise(issuer, rounded_up(time));
            }
            if has_expired {
                self.expired = self.expired.max(Some(mark.usable_until));
            } else {
                self.used.raise(issuer, rounded_up(time));
            }
        }
    }

    fn revoke_all(&mut self, issuer: Issuer, now: Timestamp) {
        let own = (issuer, now, 0)..=(issuer, Timestamp::MAX, Digest::MAX);
        self.ahead.range_mut(own).for_each(|(_, mark)| mark.revoked = true);
        // If the clock has gone back there are some here too.
        for ((_, of, _), mark) in self.come.range_mut((now, issuer, 0)..) {
            mark.revoked |= *of == issuer;
        }
        let line = self.used.of(issuer).map_or(now, |line| start_of(line).max(now));
        self.revoked.note(issuer, line, self.max);
    }
}

impl Revoked {
    fn includes(&self, token: &TokenMark) -> bool {
        let exact = self.by_issuer.get(&token.issuer);
        exact.is_some_and(|line| token.issued_at <= *line)
            || self.lines.of(token.issuer).is_some_and(|line| token.issued_at <= start_of(line))
    }

    fn note(&mut self, issuer: Issuer, line: Timestamp, max: usize) {
        let known = self.by_issuer.get(&issuer).copied();
        if known >= Some(line) {
            return;
        }
        if let Some(known) = known {
            self.by_time.remove(&(known, issuer));
        }
        self.by_issuer.insert(issuer, line);
        self.by_time.insert((line, issuer));
        while self.by_time.len() > max
            && let Some((line, issuer)) = self.by_time.pop_first()
        {
            self.by_issuer.remove(&issuer);
            self.lines.raise(issuer, rounded_up(line));
        }
    }
}

fn key_of(token: &TokenMark) -> Key {
    let [a, b, c, d, e, f, g, h, ..] = *token.digest.as_bytes();
    (token.issued_at, token.issuer, Digest::from_be_bytes([a, b, c, d, e, f, g, h]))
}

/// The whole second at or after a time; the last one for later times.
pub(super) fn rounded_up(time: Timestamp) -> u32 {
    time.as_secs_f64().ceil() as u32
}

/// The other way; the last second stands for all that lie later.
pub(super) fn start_of(second: u32) -> Timestamp {
    if second == u32::MAX { Timestamp::MAX } else { Timestamp::from_secs(second.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::did::{Address, ClaimDigest};

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

    const fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(1_700_000_000 + seconds)
    }

    /// The mark of a different token for each number, issued now.
    fn mark(number: u64) -> TokenMark {
        let mut digest = [7; 32];
        digest[..8].copy_from_slice(&number.to_be_bytes());
        TokenMark {
            digest: ClaimDigest::from_bytes(digest),
            issuer: issuer(0),
            issued_at: NOW,
            usable_until: at(900),
        }
    }

    fn issuer(number: u64) -> Issuer {
        let mut address = [0; 20];
        address[..8].copy_from_slice(&number.to_be_bytes());
        Address::from_bytes(address).into()
    }

    /// Tokens of one issuer, each issued at its time.
    struct Mint(u64);

    impl Mint {
        const fn new(number: u64) -> Self {
            Self(number)
        }

        fn issued(&self, seconds: i64) -> TokenMark {
            let (issued_at, usable_until) = (at(seconds), at(seconds + 900));
            TokenMark { issuer: issuer(self.0), issued_at, usable_until, ..mark(0) }
        }
    }

    use TokenState::{New, Revoked, TooEarly, Used};

    #[test]
    fn a_token_is_new_once() {
        let (tokens, token) = (UsedTokens::new(10), mark(1));
        assert_eq!(tokens.state_of(&token, NOW), New);
        assert_eq!(tokens.claim(&token, NOW), New);
        assert_eq!(tokens.state_of(&token, NOW), Used);
        assert_eq!(tokens.claim(&token, NOW), Used);
    }

    #[test]
    fn a_token_is_used_whatever_its_user_says_of_how_long_it_is_usable() {
        let (tokens, token) = (UsedTokens::new(10), mark(1));
        assert_eq!(tokens.claim(&token, NOW), New);
        assert_eq!(tokens.claim(&TokenMark { usable_until: at(5_000), ..token }, NOW), Used);
    }

    #[test]
    fn in_their_last_moment_tokens_are_new_once_each() {
        let tokens = UsedTokens::new(10);
        for token in [mark(1), mark(2)].map(|token| TokenMark { usable_until: NOW, ..token }) {
            assert_eq!(tokens.claim(&token, NOW), New);
            assert_eq!(tokens.claim(&token, NOW), Used);
        }
    }

    #[test]
    fn a_full_memory_stays_within_its_bound_and_never_takes_a_used_token_for_new() {
        let (tokens, mallory) = (UsedTokens::new(10), Mint::new(1));
        let used: Vec<_> = (0..50).map(|second| mallory.issued(second - 300)).collect();
        for token in &used {
            assert_eq!(tokens.claim(token, NOW), New);
        }
        tokens.with_marks(|marks| assert_eq!(marks.come.len(), 10));
        for token in &used {
            assert_eq!(tokens.claim(token, NOW), Used, "after it was forgotten");
        }
        let between = TokenMark { usable_until: at(599), ..mallory.issued(-290) };
        assert_eq!(tokens.claim(&between, NOW), Used, "as old as what was forgotten");
        assert_eq!(tokens.claim(&Mint::new(2).issued(-290), NOW), New, "another issuer's");
        assert_eq!(tokens.claim(&mallory.issued(-200), NOW), New, "a younger one");
    }

    #[test]
    fn however_many_marks_have_expired_no_call_forgets_more_than_a_few() {
        const MANY: usize = 10_000;
        let tokens = UsedTokens::new(MANY + 1);
        let many: Vec<_> = (0..MANY as u64).map(|number| Mint::new(number).issued(0)).collect();
        for token in &many {
            assert_eq!(tokens.claim(token, NOW), New);
        }
        let count = || tokens.with_marks(|marks| marks.come.len());
        // A day later: the next to sign in does not pay for all of them.
        let (later, mut calls) = (86_400, 0);
        while count() > calls {
            let before = count();
            calls += 1;
            let token = Mint::new(1 << 40 | calls as u64).issued(later);
            assert_eq!(tokens.claim(&token, at(later)), New);
            assert!(before + 1 - count() <= FORGOTTEN_AT_A_TIME, "{before}, then {}", count());
            assert_eq!(tokens.claim(&many[MANY - 1], at(later)), Used, "remembered or forgotten");
        }
        assert_eq!(calls, MANY.div_ceil(FORGOTTEN_AT_A_TIME), "as many calls as it takes");
        assert_eq!(tokens.claim(&many[0], NOW), Used, "by a clock that went back");
    }

    #[test]
    fn expired_marks_that_are_too_much_are_forgotten_without_a_line() {
        let tokens = UsedTokens::new(1_000);
        for number in 0..1_000 {
            assert_eq!(tokens.claim(&Mint::new(number).issued(0), NOW), New);
        }
        for number in 0..2_000 {
            let token = Mint::new(1 << 40 | number).issued(86_400);
            assert_eq!(tokens.claim(&token, at(86_400)), New);
            tokens.with_marks(|marks| assert!(marks.come.len() <= 1_000));
        }
        let line = tokens.with_marks(|marks| marks.used.of(issuer(0)));
        assert_eq!(line, None, "what has expired needs none");
    }

    #[test]
    fn expired_marks_are_forgotten_and_stay_used_when_the_clock_goes_back() {
        let tokens = UsedTokens::new(10);
        let early = TokenMark { usable_until: at(100), ..mark(1) };
        assert_eq!(tokens.claim(&early, NOW), New);
        assert_eq!(tokens.claim(&Mint::new(1).issued(1), at(101)), New);
        tokens.with_marks(|marks| assert_eq!(marks.come.len(), 1));
        assert_eq!(tokens.claim(&early, NOW), Used);
        assert_eq!(
            tokens.claim(&Mint::new(2).issued(0), at(101)),
            New,
            "nobody else is locked out"
        );
    }

    /// Floods a memory with four times as many tokens as it has room for, dated `ahead` seconds
    /// ahead, by as many keys as given, while an ordinary user signs in; then the flood ends.
    fn an_ordinary_user_signs_in_beside(keys: u64, ahead: i64, clock_ahead: i64) {
        const MAX: usize = 4_000;
        let tokens = UsedTokens::new(MAX);
        let seen_by_verifier = |token: &TokenMark, now| token.issued_at.since(now).as_secs() <= 300;
        for number in 0..4 * MAX as u64 {
            // Two hundred a second: a second of it is a twentieth of the room.
            let second = (number / 200) as i64;
            let token = Mint::new(number % keys).issued(second + ahead);
            let token = TokenMark { digest: mark(number).digest, ..token };
            assert!(seen_by_verifier(&token, at(second)));
            let first = tokens.claim(&token, at(second));
            assert!(matches!(first, New | Used | TooEarly), "{first:?}");
            if first == New {
                assert_eq!(tokens.claim(&token, at(second)), Used);
            }
            if number % 200 == 199 {
                // A user whose clock is off, with a token that took a moment to come here.
                let honest = Mint::new(1 << 40 | number).issued(second - 1 + clock_ahead);
                assert_eq!(tokens.claim(&honest, at(second)), New, "during, at {second}");
                assert_eq!(tokens.claim(&honest, at(second)), Used);
            }
            tokens.with_marks(|marks| assert!(marks.come.len() + marks.ahead.len() <= MAX));
        }
        for after in 0..300 {
            let honest = Mint::new(1 << 50 | after).issued(80 + after as i64 + clock_ahead);
            assert_eq!(tokens.claim(&honest, at(80 + after as i64)), New, "{after} s after");
        }
    }

    #[test]
    fn one_key_a_thousand_keys_or_a_new_key_each_lock_nobody_out() {
        for keys in [1, 1_000, u64::MAX] {
            for ahead in [0, 4, 290] {
                an_ordinary_user_signs_in_beside(keys, ahead, 0);
            }
        }
    }

    #[test]
    fn a_user_whose_clock_is_behind_is_not_locked_out_by_one_key_or_a_thousand() {
        for keys in [1, 1_000] {
            for ahead in [0, 290] {
                an_ordinary_user_signs_in_beside(keys, ahead, -120);
            }
        }
    }

    #[test]
    fn a_user_whose_clock_is_ahead_is_not_locked_out_by_one_key() {
        for ahead in [0, 290] {
            an_ordinary_user_signs_in_beside(1, ahead, 2);
            an_ordinary_user_signs_in_beside(1, ahead, 100);
        }
    }

    #[test]
    fn where_tokens_dated_ahead_have_no_room_they_are_good_when_their_time_comes() {
        let tokens = UsedTokens::new(4_000);
        for number in 0..4_000 {
            tokens.claim(&Mint::new(number).issued(290), NOW);
        }
        tokens.with_marks(|marks| assert_eq!(marks.ahead.len(), 1_000, "a quarter"));
        let honest = Mint::new(1 << 40).issued(60);
        assert_eq!(tokens.state_of(&honest, NOW), TooEarly);
        assert_eq!(tokens.claim(&honest, NOW), TooEarly);
        assert_eq!(tokens.claim(&honest, at(55)), New, "nearly now");
        let other = Mint::new(1 << 41).issued(60);
        assert_eq!(tokens.claim(&other, at(60)), New);
        assert_eq!(tokens.claim(&other, at(60)), Used);
    }

    #[test]
    fn used_tokens_that_were_dated_ahead_stay_used_when_their_time_has_come() {
        let tokens = UsedTokens::new(4_000);
        let ahead: Vec<_> = (0..1_000).map(|number| Mint::new(number).issued(290)).collect();
        for token in &ahead {
            assert_eq!(tokens.claim(token, NOW), New);
        }
        for (number, token) in (0..).zip(&ahead) {
            tokens.claim(&Mint::new(1 << 40 | number).issued(295), at(300));
            assert_eq!(tokens.claim(token, at(300)), Used);
        }
        tokens.with_marks(|marks| assert_eq!((marks.ahead.len(), marks.come.len()), (0, 2_000)));
    }

    #[test]
    fn revoking_ends_what_was_issued_until_then_and_nothing_younger() {
        let (tokens, alice) = (UsedTokens::new(100), Mint::new(1));
        assert_eq!(tokens.claim(&alice.issued(-20), NOW), New);
        tokens.revoke_all(issuer(1), NOW);
        for second in [-300, -20, -1, 0] {
            assert_eq!(tokens.state_of(&alice.issued(second), NOW), Revoked, "{second}");
            assert_eq!(tokens.claim(&alice.issued(second), NOW), Revoked, "{second}");
        }
        assert_eq!(tokens.claim(&alice.issued(1), at(1)), New);
        assert_eq!(tokens.claim(&Mint::new(2).issued(0), NOW), New, "another issuer's");
        tokens.revoke_all(issuer(1), at(-100));
        assert_eq!(tokens.claim(&alice.issued(0), NOW), Revoked, "by a clock that went back");
    }

    #[test]
    fn revoking_ends_tokens_dated_ahead_that_were_here_and_no_others() {
        let (tokens, alice) = (UsedTokens::new(100), Mint::new(1));
        let [used, seen, unseen] = [200, 201, 202].map(|second| alice.issued(second));
        assert_eq!(tokens.claim(&used, NOW), New);
        assert_eq!(tokens.state_of(&seen, NOW), New);
        tokens.revoke_all(issuer(1), NOW);
        for now in [NOW, at(100), at(201), at(500)] {
            assert_eq!(tokens.claim(&used, now), Revoked);
            assert_eq!(tokens.claim(&seen, now), Revoked);
            // So that what is sorted in is sorted in.
            tokens.claim(&Mint::new(2).issued(now.since(NOW).as_secs() as i64), now);
        }
        assert_eq!(tokens.claim(&unseen, at(200)), New);
    }

    #[test]
    fn revoked_tokens_stay_revoked_when_there_is_no_room() {
        let tokens = UsedTokens::new(10);
        let [old, ahead] = [-10, 100].map(|second| Mint::new(1).issued(second));
        assert_eq!(tokens.claim(&ahead, NOW), New);
        tokens.revoke_all(issuer(1), NOW);
        for number in 2..100 {
            let other = Mint::new(number);
            assert_eq!(tokens.claim(&other.issued(101), at(101)), New);
            tokens.revoke_all(issuer(number), at(101));
            tokens.with_marks(|marks| assert!(marks.revoked.by_issuer.len() <= 10));
            assert_eq!(tokens.claim(&other.issued(101), at(101)), Revoked);
        }
        assert_eq!(tokens.claim(&old, at(101)), Revoked);
        assert_eq!(tokens.claim(&ahead, at(101)), Revoked);
        assert_eq!(tokens.state_of(&Mint::new(1_000).issued(0), at(101)), New, "nobody else's");
    }
}
