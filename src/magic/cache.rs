//! What Magic said lately, by issuer. No I/O, no clock: `now` is handed in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use moka::sync::Cache;

use super::MagicUser;
use crate::did::{Issuer, Timestamp};

/// The memory of an entry besides its value: the cache's node and queues, and the key.
const OVERHEAD: usize = 300;

/// Memory for issuers that belong to nobody: about 3,000 of them. It is separate from the
/// users' memory, so that made-up keys push out only other made-up keys, never a profile.
const MAX_NOBODY_BYTES: u64 = 1024 * 1024;

/// For how long answers hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ages {
    /// A profile younger than this is not asked for again.
    pub(super) fresh: Duration,
    /// A profile older than this is not used any more, whatever happens.
    pub(super) stale: Duration,
    /// How long an issuer counts as unknown before Magic is asked again.
    pub(super) nobody: Duration,
}

/// What the cache knows about an issuer.
#[derive(Debug)]
pub(super) enum Known {
    Fresh(MagicUser),
    /// Good enough, and due to be renewed.
    Stale(MagicUser),
    /// Magic said recently that there is no such user.
    Nobody,
    Nothing,
}

#[derive(Clone, Debug)]
pub(super) struct ProfileCache {
    users: Cache<Issuer, MagicUser>,
    nobodies: Cache<Issuer, Timestamp>,
    /// Issuers whose renewal failed, and when to try again.
    postponed: Cache<Issuer, Timestamp>,
    /// Another number with each issuer that belongs to nobody; in no other cache the same.
    state: Arc<AtomicU64>,
}

/// The numbers that caches had as their state.
static LAST_STATE: AtomicU64 = AtomicU64::new(0);

fn new_state() -> u64 {
    LAST_STATE.fetch_add(1, Ordering::Relaxed) + 1
}

impl ProfileCache {
    /// A cache of about `max_bytes`, in which nothing stays for longer than `keep`: it is
    /// personal data.
    pub(super) fn new(max_bytes: u64, keep: Duration) -> Self {
        let weigh = |_: &Issuer, user: &MagicUser| {
            u32::try_from(user.memory_size() + OVERHEAD).unwrap_or(u32::MAX)
        };
        let users = Cache::builder().max_capacity(max_bytes).weigher(weigh);
        let issuers = || Cache::builder().max_capacity(MAX_NOBODY_BYTES / OVERHEAD as u64).build();
        let users = users.time_to_live(keep).build();
        let state = Arc::new(AtomicU64::new(new_state()));
        Self { users, nobodies: issuers(), postponed: issuers(), state }
    }

    pub(super) fn look(&self, issuer: Issuer, ages: Ages, now: Timestamp) -> Known {
        if let Some(user) = self.users.get(&issuer) {
            let age = now.since(user.asked_at());
            if age < ages.fresh {
                return Known::Fresh(user);
            }
            if age <= ages.stale {
                return Known::Stale(user);
            }
        }
        match self.nobodies.get(&issuer) {
            Some(asked_at) if now.since(asked_at) <= ages.nobody => Known::Nobody,
            _ => Known::Nothing,
        }
    }

    /// When Magic said that there is no such user, if it has not said otherwise since, however long
    /// ago that was.
    pub(super) fn gone_since(&self, issuer: Issuer) -> Option<Timestamp> {
        self.nobodies.get(&issuer)
    }

    /// Whether Magic said, when this profile was made or later, that there is no such user. Every
    /// request of a session asks, so it is looked up only once nobody has been added since.
    pub(super) fn is_gone(&self, user: &MagicUser) -> bool {
        // Read first: whoever is added meanwhile is looked up with the next request.
        let state = self.state.load(Ordering::Acquire);
        if user.is_not_gone_in(state) {
            return false;
        }
        let gone = self.gone_since(user.issuer()).is_some_and(|gone| gone >= user.asked_at());
        if !gone {
            user.note_not_gone_in(state);
        }
        gone
    }

    /// The last profile, however old.
    pub(super) fn last(&self, issuer: Issuer) -> Option<MagicUser> {
        self.users.get(&issuer)
    }

    pub(super) fn keep(&self, user: MagicUser) {
        self.nobodies.invalidate(&user.issuer());
        self.postponed.invalidate(&user.issuer());
        self.users.insert(user.issuer(), user);
    }

    pub(super) fn keep_nobody(&self, issuer: Issuer, asked_at: Timestamp) {
        self.users.invalidate(&issuer);
        self.postponed.invalidate(&issuer);
        self.nobodies.insert(issuer, asked_at);
        self.state.swap(new_state(), Ordering::AcqRel);
    }

    /// Leaves the next attempt to renew a profile for later.
    pub(super) fn postpone(&self, issuer: Issuer, until: Timestamp) {
        self.postponed.insert(issuer, until);
    }

    /// Whether a renewal may be tried now.
    pub(super) fn may_renew(&self, issuer: Issuer, now: Timestamp) -> bool {
        self.postponed.get(&issuer).is_none_or(|until| until <= now)
    }

    #[cfg(test)]
    fn weights(&self) -> (u64, u64) {
        self.users.run_pending_tasks();
        self.nobodies.run_pending_tasks();
        (self.users.weighted_size(), self.nobodies.entry_count())
    }
}

#[cfg(test)]
mod tests {
    use super::super::user::Person;
    use super::*;
    use crate::did::Address;

    const AGES: Ages = Ages {
        fresh: Duration::from_secs(300),
        stale: Duration::from_secs(3600),
        nobody: Duration::from_secs(10),
    };

    fn issuer(number: u32) -> Issuer {
        let mut bytes = [0; Address::LEN];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        Address::from_bytes(bytes).into()
    }

    fn user(number: u32, at: i64) -> MagicUser {
        MagicUser::new(issuer(number), Timestamp::from_secs(at), Person::default())
    }

    #[test]
    fn a_profile_is_fresh_then_stale_then_forgotten() {
        let cache = ProfileCache::new(1024 * 1024, AGES.stale);
        cache.keep(user(1, 1000));
        let look = |at| cache.look(issuer(1), AGES, Timestamp::from_secs(at));
        assert!(matches!(look(1000), Known::Fresh(_)));
        assert!(matches!(look(1299), Known::Fresh(_)));
        assert!(matches!(look(1300), Known::Stale(_)));
        assert!(matches!(look(4600), Known::Stale(_)));
        assert!(matches!(look(4601), Known::Nothing));
    }

    #[test]
    fn whoever_is_gone_is_noticed_at_once_and_in_each_cache() {
        let (one, other) =
            (ProfileCache::new(1024, AGES.stale), ProfileCache::new(1024, AGES.stale));
        let (user, clone) = (user(1, 1000), user(1, 1000).clone());
        for cache in [&one, &other] {
            assert!(!cache.is_gone(&user) && !cache.is_gone(&user));
            cache.keep_nobody(issuer(2), Timestamp::from_secs(1100));
            assert!(!cache.is_gone(&user));
        }
        one.keep_nobody(issuer(1), Timestamp::from_secs(1100));
        assert!(one.is_gone(&user) && one.is_gone(&user) && one.is_gone(&clone));
        assert!(!other.is_gone(&user), "one cache says nothing of the other");
        assert!(one.is_gone(&user), "nor the other of it");
        // A profile of later.
        let back = MagicUser::new(issuer(1), Timestamp::from_secs(1101), Person::default());
        assert!(!one.is_gone(&back));
    }

    #[test]
    fn an_attempt_that_failed_is_not_repeated_with_every_request() {
        let cache = ProfileCache::new(1024 * 1024, AGES.stale);
        cache.keep(user(1, 1000));
        cache.postpone(issuer(1), Timestamp::from_secs(1410));
        let may_renew = |at| cache.may_renew(issuer(1), Timestamp::from_secs(at));
        assert!(!may_renew(1409) && may_renew(1410));
        cache.postpone(issuer(1), Timestamp::from_secs(9000));
        assert!(!may_renew(4601) && cache.may_renew(issuer(2), Timestamp::from_secs(4601)));
        // It is of no matter once there is an answer.
        cache.keep(user(1, 1500));
        assert!(may_renew(1501));
    }

    #[test]
    fn made_up_keys_push_out_each_other_and_no_profile() {
        const BOUND: u64 = 64 * 1024;
        let cache = ProfileCache::new(BOUND, AGES.stale);
        for number in 0..20 {
            cache.keep(user(number, 1000));
        }
        for number in 1000..11_000 {
            cache.keep_nobody(issuer(number), Timestamp::from_secs(1000));
        }
        let (_, nobodies) = cache.weights();
        assert!(nobodies <= MAX_NOBODY_BYTES / OVERHEAD as u64, "{nobodies}");
        for number in 0..20 {
            let known = cache.look(issuer(number), AGES, Timestamp::from_secs(1000));
            assert!(matches!(known, Known::Fresh(_)), "{number}: {known:?}");
        }
    }

    #[test]
    fn the_bound_holds_for_profiles_of_any_size() {
        const BOUND: u64 = 64 * 1024;
        let cache = ProfileCache::new(BOUND, AGES.stale);
        for number in 0..500 {
            let person = Person { username: Some("x".repeat(128).into()), ..Person::default() };
            cache.keep(MagicUser::new(issuer(number), Timestamp::EPOCH, person));
        }
        let (bytes, _) = cache.weights();
        assert!(bytes > 0 && bytes <= BOUND, "{bytes} bytes");
    }

    #[test]
    fn somebody_whom_magic_no_longer_knows_is_nobody_and_back() {
        let cache = ProfileCache::new(1024 * 1024, AGES.stale);
        cache.keep(user(1, 1000));
        cache.keep_nobody(issuer(1), Timestamp::from_secs(1100));
        let look = |at| cache.look(issuer(1), AGES, Timestamp::from_secs(at));
        assert!(matches!(look(1110), Known::Nobody));
        assert!(matches!(look(1111), Known::Nothing));
        cache.keep(user(1, 1112));
        assert!(matches!(look(1112), Known::Fresh(_)));
    }
}
