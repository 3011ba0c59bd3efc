//! A token makes one session, ever.

use std::sync::Arc;

use super::fixture::{Fixture, Outcome, at_most, ensure};
use super::races::race;
#[cfg(feature = "layer")]
use crate::session::TokenMark;
use crate::session::{Minted, SessionData, TokenState};

/// How many calls race for one token.
const CONTENDERS: usize = 64;

pub(super) async fn a_token_makes_one_session(f: Fixture) -> Outcome {
    let session = f.session("alice")?;
    let live = f.mint(session.clone(), f.now).await?;
    f.refuses(session.clone(), f.now).await?;
    f.refuses(session.clone(), f.at(60)).await?;
    // What is asked for beside the token does not make it another one.
    let mut other = session.with_data(SessionData::new(&"other").unwrap_or_default());
    other.expires_at = f.at(7200);
    f.refuses(other, f.now).await?;
    f.load(&live).await?;
    f.lists(f.issuer("alice"), &[&live]).await
}

pub(super) async fn of_many_mints_at_once_one_makes_a_session(f: Fixture) -> Outcome {
    let session = f.session("alice")?;
    let mints = (0..CONTENDERS).map(|_| {
        let (store, session, now) = (Arc::clone(&f.store), session.clone(), f.now);
        async move { Ok(store.mint(session, now).await?) }
    });
    let minted = race(&f.spawner, mints).await?;
    let sessions = minted.iter().filter(|minted| matches!(minted, Minted::Session { .. })).count();
    let refusals = minted.iter().filter(|minted| matches!(minted, Minted::AlreadyUsed)).count();
    ensure(
        (sessions, refusals) == (1, CONTENDERS - 1),
        format!("one token made {sessions} sessions and was refused {refusals} times"),
    )?;
    if f.store.lists_sessions() {
        let listed = f.all_of(f.issuer("alice")).await?.len();
        ensure(listed == 1, format!("{listed} sessions of one token are listed"))?;
    }
    Ok(())
}

pub(super) async fn a_claimed_token_makes_no_session(f: Fixture) -> Outcome {
    let session = f.session("alice")?;
    ensure(f.claims(session.token, f.now).await?, "a new token could not be claimed")?;
    f.refuses(session.clone(), f.now).await?;
    ensure(!f.claims(session.token, f.now).await?, "a token was claimed twice")?;
    f.lists(f.issuer("alice"), &[]).await
}

pub(super) async fn a_token_that_made_a_session_cannot_be_claimed(f: Fixture) -> Outcome {
    let session = f.session("alice")?;
    let live = f.mint(session.clone(), f.now).await?;
    ensure(!f.claims(session.token, f.now).await?, "a token was minted, then claimed")?;
    f.load(&live).await.map(drop)
}

pub(super) async fn of_mints_and_claims_at_once_one_succeeds(f: Fixture) -> Outcome {
    let session = f.session("alice")?;
    let calls = (0..CONTENDERS).map(|number| {
        let (store, session, now) = (Arc::clone(&f.store), session.clone(), f.now);
        async move {
            if number % 2 == 0 {
                return Ok(store.claim(session.token, now).await? == TokenState::New);
            }
            Ok(matches!(store.mint(session, now).await?, Minted::Session { .. }))
        }
    });
    let wins = race(&f.spawner, calls).await?.into_iter().filter(|won| *won).count();
    ensure(wins == 1, format!("{wins} calls used one token up"))
}

pub(super) async fn a_token_is_used_from_then_on_and_no_other_is(f: Fixture) -> Outcome {
    let (minted, claimed, other) = (f.session("alice")?, f.token("alice")?, f.token("alice")?);
    ensure(!f.is_used(minted.token, f.now).await?, "a token is used before it was minted")?;
    ensure(!f.is_used(claimed, f.now).await?, "a token is used before it was claimed")?;
    ensure(!f.is_used(other, f.now).await?, "asking whether a token is used uses it")?;
    let token = minted.token;
    f.mint(minted, f.now).await?;
    f.store.claim(claimed, f.now).await?;
    ensure(f.is_used(token, f.now).await?, "a token that made a session is not used")?;
    ensure(f.is_used(claimed, f.now).await?, "a claimed token is not used")?;
    ensure(!f.is_used(other, f.now).await?, "a token is used because others are")
}

pub(super) async fn a_used_token_stays_used_until_it_is_refused_anyway(f: Fixture) -> Outcome {
    let (session, claimed) = (f.session("alice")?, f.token("alice")?);
    f.mint(session.clone(), f.now).await?;
    f.store.claim(claimed, f.now).await?;
    for _ in 0..50 {
        f.sign_in("bob").await?;
    }
    let last = session.token.usable_until;
    f.refuses(session, last).await?;
    ensure(!f.claims(claimed, last).await?, "a claimed token was forgotten too early")?;
    ensure(f.is_used(claimed, last).await?, "a used token was forgotten too early")
}

pub(super) async fn a_mint_with_a_used_token_changes_nothing(f: Fixture) -> Outcome {
    let used = f.session("alice")?;
    let first = f.mint(used.clone(), f.now).await?;
    let (second, bobs) = (f.sign_in("alice").await?, f.sign_in("bob").await?);
    f.refuses(used.clone().replacing(Some(&second.record)), f.now).await?;
    f.refuses(used.clone().replacing(Some(&bobs.record)), f.now).await?;
    if f.store.lists_sessions() {
        f.refuses(used.with_limit(at_most(1)), f.now).await?;
    }
    for live in [&first, &second, &bobs] {
        f.load(live).await?;
    }
    Ok(())
}

pub(super) async fn the_end_of_a_session_does_not_free_its_token(f: Fixture) -> Outcome {
    let (one, other) = (f.session("alice")?, f.session("alice")?);
    let live = f.mint(one.clone(), f.now).await?;
    f.store.revoke(live.record.issuer, live.record.handle, f.now).await?;
    f.refuses(one, f.now).await?;
    let live = f.mint(other.clone(), f.now).await?;
    f.store.revoke_all(live.record.issuer, f.now).await?;
    f.refuses(other, f.now).await
}

/// As the layer uses up the challenge of a bound login: it is good for one sign-in of anybody.
#[cfg(feature = "layer")]
pub(super) async fn what_is_nobodys_is_used_up_whoever_brings_it(f: Fixture) -> Outcome {
    let challenge = || -> Outcome<TokenMark> {
        let digest = *f.token("challenge")?.digest.as_bytes();
        Ok(TokenMark::of_anybody(digest, f.now, f.at(600)))
    };
    let (one, other) = (challenge()?, challenge()?);
    ensure(!f.is_used(one, f.now).await?, "a new challenge is used")?;
    ensure(f.claims(one, f.now).await?, "a new challenge could not be used")?;
    let alices = f.sign_in("alice").await?;
    for user in ["alice", "bob"] {
        ensure(f.is_used(one, f.now).await?, "a challenge that was used is new again")?;
        ensure(!f.claims(one, f.now).await?, "a challenge was used twice")?;
        f.store.revoke_all(f.issuer(user), f.now).await?;
    }
    f.is_gone(&alices).await?;
    ensure(!f.claims(one, f.at(600)).await?, "a challenge was forgotten too early")?;
    ensure(f.claims(other, f.now).await?, "a challenge is used because another is")
}
