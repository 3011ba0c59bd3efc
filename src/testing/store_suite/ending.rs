//! Gone is gone: what ends a session, and which.

use super::fixture::{Fixture, Outcome, at_most, ensure};
use crate::session::{Minted, NewSession, SessionHandle, StoreError};

pub(super) async fn revoking_ends_one_session(f: Fixture) -> Outcome {
    let mut one = f.sign_in("alice").await?;
    let two = f.sign_in("alice").await?;
    f.touch(&mut one, f.at(60)).await?;
    let revoke = || f.store.revoke(one.record.issuer, one.record.handle, f.now);
    ensure(revoke().await?, "revoking a living session says that there was none")?;
    f.is_gone(&one).await?;
    f.load(&two).await?;
    f.lists(f.issuer("alice"), &[&two]).await?;
    ensure(!revoke().await?, "revoking a session twice says that there was one")?;
    f.is_gone(&one).await
}

pub(super) async fn nobody_ends_the_session_of_another_issuer(f: Fixture) -> Outcome {
    let live = f.sign_in("alice").await?;
    f.sign_in("mallory").await?;
    let revoked = f.store.revoke(f.issuer("mallory"), live.record.handle, f.now).await?;
    ensure(!revoked, "one issuer's revocation of another's session says that it had it")?;
    f.load(&live).await?;
    let revoked = f.store.revoke(f.issuer("alice"), live.record.handle, f.now).await?;
    ensure(revoked, "another issuer's try to revoke a session keeps its owner from it")?;
    f.is_gone(&live).await
}

pub(super) async fn unknown_handles_end_nothing(f: Fixture) -> Outcome {
    let live = f.sign_in("alice").await?;
    for bytes in [[0; 32], [0xff; 32], [7; 32]] {
        let handle = SessionHandle::from_bytes(bytes);
        let revoked = f.store.revoke(f.issuer("alice"), handle, f.now).await?;
        ensure(!revoked, "revoking a handle that no session has says that there was one")?;
    }
    f.load(&live).await.map(drop)
}

pub(super) async fn revoking_all_ends_every_older_session_and_no_younger_one(
    f: Fixture,
) -> Outcome {
    let alice = f.issuer("alice");
    f.store.revoke_all(alice, f.now).await?;
    let mut older = Vec::new();
    for second in [-1, 0, 0] {
        older.push(f.mint(f.session_issued("alice", 1)?, f.at(second)).await?);
    }
    if let Some(first) = older.first_mut() {
        f.touch(first, f.at(60)).await?;
    }
    f.store.revoke_all(alice, f.now).await?;
    for live in &older {
        f.is_gone(live).await?;
    }
    f.lists(alice, &[]).await?;

    // In the same moment, and by a machine whose clock is behind.
    let same = f.mint(f.session_issued("alice", 1)?, f.now).await?;
    let behind = f.mint(f.session_issued("alice", 1)?, f.at(-30)).await?;
    f.load(&same).await?;
    f.load(&behind).await?;
    f.store.revoke_all(alice, f.now).await?;
    f.is_gone(&same).await?;
    f.is_gone(&behind).await?;

    // By a machine whose clock is behind that of the one that minted the session.
    let ahead = f.mint(f.session_issued("alice", 30)?, f.at(30)).await?;
    f.store.revoke_all(alice, f.now).await?;
    f.is_gone(&ahead).await
}

pub(super) async fn revoking_all_leaves_other_issuers_alone(f: Fixture) -> Outcome {
    let (alices, bobs) = (f.sign_in("alice").await?, f.sign_in("bob").await?);
    f.store.revoke_all(f.issuer("alice"), f.now).await?;
    f.is_gone(&alices).await?;
    f.load(&bobs).await?;
    f.lists(f.issuer("bob"), &[&bobs]).await
}

pub(super) async fn a_replaced_session_ends(f: Fixture) -> Outcome {
    let old = f.sign_in("alice").await?;
    let new = f.mint(f.session("alice")?.replacing(Some(&old.record)), f.now).await?;
    f.is_gone(&old).await?;
    f.load(&new).await?;
    f.lists(f.issuer("alice"), &[&new]).await?;
    // One that is gone already can be replaced too.
    let newer = f.mint(f.session("alice")?.replacing(Some(&old.record)), f.now).await?;
    f.load(&new).await?;
    f.load(&newer).await.map(drop)
}

pub(super) async fn a_replaced_session_of_another_issuer_ends(f: Fixture) -> Outcome {
    let (old, other) = (f.sign_in("alice").await?, f.sign_in("alice").await?);
    let new = f.mint(f.session("bob")?.replacing(Some(&old.record)), f.now).await?;
    f.is_gone(&old).await?;
    f.load(&other).await?;
    f.load(&new).await?;
    f.lists(f.issuer("alice"), &[&other]).await?;
    f.lists(f.issuer("bob"), &[&new]).await
}

pub(super) async fn the_oldest_session_makes_room(f: Fixture) -> Outcome {
    let limited = || -> Outcome<NewSession> { Ok(f.session("alice")?.with_limit(at_most(2))) };
    if !f.store.lists_sessions() {
        let session = limited()?;
        let refused = f.store.mint(session.clone(), f.now).await;
        let refused = matches!(refused, Err(StoreError::Unsupported));
        ensure(refused, "a store that cannot count sessions must refuse to limit them")?;
        let used = f.is_used(session.token, f.now).await?;
        return ensure(!used, "a mint that the store does not support used the token up");
    }
    let bobs = f.sign_in("bob").await?;
    let mut sessions = Vec::new();
    for second in 0..4 {
        sessions.push(f.mint(limited()?, f.at(second)).await?);
    }
    let [first, second, third, fourth] = sessions.as_slice() else { return Ok(()) };
    f.is_gone(first).await?;
    f.is_gone(second).await?;
    f.load(&bobs).await?;
    f.lists(f.issuer("alice"), &[third, fourth]).await?;
    // A session that ends makes room as well, be it replaced or revoked.
    let fifth = limited()?.replacing(Some(&third.record));
    let fifth = f.mint(fifth, f.at(4)).await?;
    f.lists(f.issuer("alice"), &[fourth, &fifth]).await?;
    f.store.revoke(f.issuer("alice"), fourth.record.handle, f.at(5)).await?;
    let sixth = f.mint(limited()?, f.at(6)).await?;
    f.lists(f.issuer("alice"), &[&fifth, &sixth]).await?;
    // A limit that was lowered holds at the next sign-in.
    let alone = f.session("alice")?.with_limit(at_most(1));
    match f.store.mint(alone, f.at(7)).await? {
        Minted::Session { record, .. } => {
            let listed = f.all_of(f.issuer("alice")).await?;
            ensure(listed == [record], "a limit that was lowered is not kept")
        }
        _ => ensure(false, "a new token made no session"),
    }
}
