//! The application's decision about an accepted token, kept for a while.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use serde::Serialize;

use super::Refusal;
use super::issuer_keys::OVERHEAD;
use super::login::{Asking, LoginError, asking};
use super::people::Person;
use crate::did::{ClaimDigest, Issuer, Timestamp, VerifiedClaim};
use crate::session::SessionData;

/// How long an answer about a token is kept where nothing else is configured: 30 seconds, so that
/// somebody who was banned is out within that time.
pub(super) const DEFAULT_ANSWER_TIME: Duration = Duration::from_secs(30);

/// The memory for answers, 4 MiB: some 10,000 small ones. Beyond it the application is asked again.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// A token was accepted: the facts for [`DidAuth::with_on_token`](super::DidAuth::with_on_token).
///
/// Nothing of the request is among them, since the answer holds for other requests too.
pub struct AcceptedToken {
    claim: VerifiedClaim,
    #[cfg_attr(not(feature = "magic"), allow(dead_code, reason = "read where Magic is asked"))]
    person: Person,
}

impl AcceptedToken {
    /// Who presents it. Look the user up by this and by nothing else.
    #[must_use]
    pub fn issuer(&self) -> Issuer {
        self.claim.issuer()
    }

    /// The verified token.
    #[must_use]
    pub const fn claim(&self) -> &VerifiedClaim {
        &self.claim
    }

    /// The user's profile at Magic, with [`DidAuth::with_magic`](super::DidAuth::with_magic).
    /// `None` for those who are admitted without.
    #[cfg(feature = "magic")]
    #[cfg_attr(docsrs, doc(cfg(feature = "magic")))]
    #[must_use]
    pub const fn magic_user(&self) -> Option<&crate::magic::MagicUser> {
        self.person.0.as_ref()
    }
}

impl fmt::Debug for AcceptedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcceptedToken").field("issuer", &self.issuer()).finish_non_exhaustive()
    }
}

/// The hook, with the answers that it gave lately.
#[derive(Clone)]
pub(super) struct TokenHook {
    ask: Arc<dyn Fn(AcceptedToken) -> Asking + Send + Sync>,
    kept: Cache<ClaimDigest, Kept>,
}

/// What the hook attached, and when it said so.
#[derive(Clone)]
struct Kept {
    data: SessionData,
    since: Timestamp,
}

impl TokenHook {
    pub(super) fn new<F, Fut, D>(hook: F) -> Self
    where
        F: Fn(AcceptedToken) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<D, Refusal>> + Send + 'static,
        D: Serialize,
    {
        Self { ask: Arc::new(move |token| asking(hook(token))), kept: answers() }
    }

    /// The same, with no answers yet: for a layer that is configured otherwise.
    #[cfg(feature = "magic")]
    pub(super) fn fresh(self) -> Self {
        Self { kept: answers(), ..self }
    }

    /// What the application attaches to a token, or its refusal. A refusal is never kept: who is
    /// let in meanwhile passes at once.
    pub(super) async fn answer(
        &self,
        claim: &VerifiedClaim,
        person: &Person,
        keep_for: Duration,
        now: Timestamp,
    ) -> Result<SessionData, LoginError> {
        let digest = claim.signed().digest();
        if let Some(kept) = self.kept.get(&digest)
            && now >= kept.since
            && now.since(kept.since) < keep_for
        {
            return Ok(kept.data);
        }
        let token = AcceptedToken { claim: claim.clone(), person: person.clone() };
        let answer = (self.ask)(token).await;
        match &answer {
            Ok(data) if !keep_for.is_zero() => {
                self.kept.insert(digest, Kept { data: data.clone(), since: now });
            }
            Ok(_) => {}
            Err(_) => self.kept.invalidate(&digest),
        }
        answer
    }
}

fn answers() -> Cache<ClaimDigest, Kept> {
    let weigher = |_: &ClaimDigest, kept: &Kept| {
        u32::try_from(kept.data.size() + OVERHEAD).unwrap_or(u32::MAX)
    };
    Cache::builder().max_capacity(MAX_BYTES).weigher(weigher).build()
}

impl fmt::Debug for TokenHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenHook").field("answers", &self.kept.entry_count()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::did::Verifier;
    use crate::testing::Wallet;

    /// Whoever signs in with one token after another cannot make it grow.
    #[tokio::test]
    async fn answers_stay_within_their_memory() {
        let now = Timestamp::from_secs(1_700_000_000);
        let hook = TokenHook::new(async |_| Ok("x".repeat(100_000)));
        let alice = Wallet::from_seed("alice");
        for _ in 0..100 {
            let token = alice.token("app").issued_at(now).mint();
            let claim = Verifier::new("app").verify(&token, now).expect("accepted");
            let answer = hook.answer(&claim, &Person::default(), DEFAULT_ANSWER_TIME, now).await;
            assert!(answer.is_ok());
        }
        hook.kept.run_pending_tasks();
        assert!(hook.kept.entry_count() > 10, "some are kept");
        assert!(hook.kept.weighted_size() <= MAX_BYTES, "{}", hook.kept.weighted_size());
    }

    /// Were the answer before it kept, a clock that goes back would let the banned in again.
    #[tokio::test]
    async fn a_refusal_puts_an_end_to_the_answer_before_it() {
        let banned = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let says = Arc::clone(&banned);
        let hook = TokenHook::new(move |_| {
            let banned = says.load(std::sync::atomic::Ordering::Relaxed);
            async move { if banned { Err(Refusal::forbidden()) } else { Ok(()) } }
        });
        let now = Timestamp::from_secs(1_700_000_000);
        let token = Wallet::from_seed("alice").token("app").issued_at(now).mint();
        let claim = Verifier::new("app").verify(&token, now).expect("accepted");
        let ask = async |now| {
            hook.answer(&claim, &Person::default(), DEFAULT_ANSWER_TIME, now).await.is_ok()
        };
        assert!(ask(now).await);
        banned.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(!ask(now.plus(DEFAULT_ANSWER_TIME)).await);
        assert!(!ask(now).await);
    }
}
