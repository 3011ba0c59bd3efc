//! Which token of an issuer was issued last.

use super::fixture::{Fixture, Outcome, ensure};
use crate::TokenMark;

pub(super) async fn an_older_token_is_told_from_the_newest(f: Fixture) -> Outcome {
    advance(&f, issued(&f, "alice", -20)?, true, "the first token of an issuer").await?;
    advance(&f, issued(&f, "alice", -10)?, true, "a newer token").await?;
    advance(&f, issued(&f, "alice", -10)?, true, "a token as new as the newest").await?;
    advance(&f, issued(&f, "alice", -11)?, false, "an older token").await?;
    advance(&f, issued(&f, "alice", -20)?, false, "the first token, now outdated").await?;
    advance(&f, issued(&f, "bob", -20)?, true, "an older token of another issuer").await
}

pub(super) async fn a_token_from_the_future_locks_nobody_out(f: Fixture) -> Outcome {
    advance(&f, issued(&f, "alice", 299)?, true, "a token from the future").await?;
    advance(&f, issued(&f, "alice", 0)?, true, "one of the present after it").await?;
    advance(&f, issued(&f, "alice", -1)?, false, "one older than the present").await
}

pub(super) async fn ending_sessions_does_not_bring_older_tokens_back(f: Fixture) -> Outcome {
    advance(&f, issued(&f, "alice", 0)?, true, "a token").await?;
    let live = f.sign_in("alice").await?;
    f.store.revoke(live.record.issuer, live.record.handle, f.now).await?;
    f.store.revoke_all(live.record.issuer, f.now).await?;
    advance(&f, issued(&f, "alice", -1)?, false, "an older token after signing out").await
}

/// The mark of a token issued so many seconds from now.
fn issued(f: &Fixture, user: &str, seconds: i64) -> Outcome<TokenMark> {
    let mut token = f.token(user)?;
    token.issued_at = f.at(seconds);
    Ok(token)
}

async fn advance(f: &Fixture, token: TokenMark, passes: bool, what: &str) -> Outcome {
    let passed = f.store.advance(token, f.now).await?;
    ensure(passed == passes, format!("{what} was {}", if passed { "let in" } else { "refused" }))
}
