//! A newer token of an issuer supersedes the older ones.

use super::fixture::{Fixture, Outcome, ensure};

pub(super) async fn a_newer_token_supersedes_older_ones(f: Fixture) -> Outcome {
    let issued = |user, at| f.issued(user, at);
    let accepts = |token| f.store.advance(token, f.now);
    ensure(accepts(issued("alice", -20)?).await?, "the first token is not the newest")?;
    ensure(accepts(issued("alice", -10)?).await?, "a newer token is not the newest")?;
    ensure(accepts(issued("alice", -10)?).await?, "a token as new as the newest is refused")?;
    ensure(!accepts(issued("alice", -11)?).await?, "a token older than the newest is accepted")?;
    ensure(!accepts(issued("alice", -20)?).await?, "a token that was the newest still is")?;
    ensure(accepts(issued("bob", -20)?).await?, "another issuer's newest token counts")
}

pub(super) async fn a_token_from_the_future_locks_nobody_out(f: Fixture) -> Outcome {
    ensure(f.store.advance(f.issued("alice", 299)?, f.now).await?, "the future is refused")?;
    let next = f.issued("alice", 1)?;
    ensure(f.store.advance(next, f.at(1)).await?, "a token from the future locks others out")?;
    let older = f.issued("alice", -1)?;
    ensure(!f.store.advance(older, f.at(1)).await?, "a token from the future counts as none")
}

pub(super) async fn the_newest_token_is_not_used_by_being_the_newest(f: Fixture) -> Outcome {
    let session = f.session("alice")?;
    f.store.advance(session.token, f.now).await?;
    ensure(!f.is_used(session.token, f.now).await?, "the newest token counts as used")?;
    f.mint(session.clone(), f.now).await?;
    ensure(f.store.advance(session.token, f.now).await?, "a used token is not the newest")
}

pub(super) async fn signing_out_does_not_bring_older_tokens_back(f: Fixture) -> Outcome {
    f.store.advance(f.issued("alice", 0)?, f.now).await?;
    let live = f.sign_in("alice").await?;
    f.store.revoke(live.record.issuer, live.record.handle, f.now).await?;
    f.store.revoke_all(live.record.issuer, f.now).await?;
    let older = f.store.advance(f.issued("alice", -1)?, f.now).await?;
    ensure(!older, "an older token is accepted again after signing out")?;
    let unseen = f.issued("alice", -1)?;
    f.is_revoked(unseen, f.now, "an older token that nobody has seen, where a newest was noted")
        .await
}
