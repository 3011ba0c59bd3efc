//! Signing out everywhere ends tokens too.

use super::fixture::{Fixture, Outcome, ensure};
use crate::session::TokenState;

pub(super) async fn revoking_all_ends_older_tokens_used_or_not(f: Fixture) -> Outcome {
    let (minted, claimed) = (f.session("alice")?, f.token("alice")?);
    let [unseen, old, seen] = [0, -600, -5].map(|second| f.issued("alice", second));
    let (unseen, old, seen) = (unseen?, old?, seen?);
    f.mint(minted.clone(), f.now).await?;
    f.store.claim(claimed, f.now).await?;
    f.store.state_of(seen, f.now).await?;
    f.store.revoke_all(f.issuer("alice"), f.now).await?;
    for (token, which) in [
        (minted.token, "a token that made a session"),
        (claimed, "a token that was claimed"),
        (seen, "a token that was seen"),
        (unseen, "an older token that nobody has seen"),
        (old, "a much older token that nobody has seen"),
    ] {
        f.is_revoked(token, f.now, which).await?;
        f.is_revoked(token, f.at(200), which).await?;
    }
    let between = f.issued("alice", 30)?;
    f.store.revoke_all(f.issuer("alice"), f.at(60)).await?;
    f.is_revoked(between, f.at(60), "a token of between two sign-outs that nobody has seen").await
}

pub(super) async fn revoking_all_ends_tokens_dated_ahead_that_were_presented(
    f: Fixture,
) -> Outcome {
    let (minted, claimed, seen) =
        (f.session_issued("alice", 200)?, f.issued("alice", 201)?, f.issued("alice", 202)?);
    f.mint(minted.clone(), f.now).await?;
    f.store.claim(claimed, f.now).await?;
    let state = f.store.state_of(seen, f.now).await?;
    ensure(state == TokenState::New, "a token that was seen is not new")?;
    f.store.revoke_all(f.issuer("alice"), f.now).await?;
    for second in [0, 100, 201, 500] {
        let now = f.at(second);
        f.is_revoked(minted.token, now, "a token dated ahead that made a session").await?;
        f.is_revoked(claimed, now, "a token dated ahead that was claimed").await?;
        f.is_revoked(seen, now, "a token dated ahead that was seen").await?;
    }
    Ok(())
}

pub(super) async fn after_revoking_all_a_fresh_token_signs_in(f: Fixture) -> Outcome {
    let alice = f.issuer("alice");
    f.sign_in("alice").await?;
    for (revoked, signed_in) in [(0, 1), (2, 3)] {
        f.store.revoke_all(alice, f.at(revoked)).await?;
        let fresh = f.session_issued("alice", signed_in)?;
        let state = f.store.state_of(fresh.token, f.at(signed_in)).await?;
        ensure(state == TokenState::New, format!("a fresh token is {state:?} after revoking"))?;
        let live = f.mint(fresh.clone(), f.at(signed_in)).await?;
        f.load(&live).await?;
        ensure(f.is_used(fresh.token, f.at(signed_in)).await?, "a used token is not")?;
    }
    Ok(())
}

pub(super) async fn revoked_tokens_stay_revoked_when_clocks_differ(f: Fixture) -> Outcome {
    let token = f.issued("alice", -10)?;
    f.store.revoke_all(f.issuer("alice"), f.now).await?;
    f.store.revoke_all(f.issuer("alice"), f.at(-60)).await?;
    f.is_revoked(token, f.now, "a token, after a machine revoked whose clock is behind").await?;
    f.is_revoked(token, f.at(-60), "a token, at a machine whose clock is behind").await
}

pub(super) async fn revoking_all_leaves_tokens_of_others_alone(f: Fixture) -> Outcome {
    let (used, new) = (f.token("bob")?, f.session("bob")?);
    f.store.claim(used, f.now).await?;
    f.store.revoke_all(f.issuer("alice"), f.now).await?;
    ensure(f.is_used(used, f.now).await?, "another issuer's used token is revoked")?;
    f.mint(new, f.now).await?;
    f.mint(f.session_issued("bob", -300)?, f.now).await.map(drop)
}

pub(super) async fn revoking_one_session_leaves_tokens_alone(f: Fixture) -> Outcome {
    let session = f.session("alice")?;
    let live = f.mint(session.clone(), f.now).await?;
    f.store.revoke(f.issuer("alice"), live.record.handle, f.now).await?;
    ensure(f.is_used(session.token, f.now).await?, "the token of one session was revoked with it")?;
    f.sign_in("alice").await.map(drop)
}
