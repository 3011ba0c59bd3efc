//! Which tokens were used and which were revoked, in Redis.
//!
//! A token's mark says `u<count>` if it was used and `s<count>` if it was only seen: count is how
//! often its issuer had signed out everywhere by then. What was revoked of an issuer's tokens is
//! `1 <count> <until>`: the version of this form, how often everything was revoked, and until
//! when tokens were issued that are revoked. So a token is revoked if it was issued no later, or if
//! its mark was made at a lower count; that is decided in one script, in the order in which Redis
//! acts, whatever the clocks of the machines say. Versions before this made marks without text:
//! those are used, at a count of 0.

use redis::Value;

use super::fault::Fault;
use super::script::{self, Request};
use super::{Inner, millis};
use crate::did::Timestamp;
use crate::session::{TokenMark, TokenState, kept};

impl Inner {
    pub(super) async fn claim(
        &self,
        token: &TokenMark,
        now: Timestamp,
    ) -> Result<TokenState, Fault> {
        let args = vec![millis(token.usable_until, now), token.issued_at.seconds().to_string()];
        let request = Request::script(&script::CLAIM, self.keys_of(token), args);
        read_state(&self.ask(token.issuer, &request).await?.value)
    }

    pub(super) async fn state_of(
        &self,
        token: &TokenMark,
        now: Timestamp,
    ) -> Result<TokenState, Fault> {
        let is_young = kept::is_young(token.issued_at, now);
        let life = if is_young { millis(token.usable_until, now) } else { String::new() };
        let args = vec![life, token.issued_at.seconds().to_string()];
        let request = Request::script(&script::STATE, self.keys_of(token), args).and_repeatable();
        read_state(&self.ask(token.issuer, &request).await?.value)
    }

    fn keys_of(&self, token: &TokenMark) -> Vec<String> {
        vec![self.keys.token(token), self.keys.revoked_of(token.issuer)]
    }
}

/// What the scripts say of a token.
pub(super) fn read_state(value: &Value) -> Result<TokenState, Fault> {
    match value {
        Value::Int(0) => Ok(TokenState::New),
        Value::Int(1) => Ok(TokenState::Used),
        Value::Int(2) => Ok(TokenState::Revoked),
        _ => Err(Fault::unexpected()),
    }
}

/// For how long, in ms, it matters what is revoked now.
pub(super) fn revoked_for(now: Timestamp) -> String {
    kept::revoked(now).as_millis().to_string()
}
