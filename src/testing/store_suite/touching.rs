//! Writing down that a session is in use.

use super::fixture::{Fixture, Outcome, ensure};
use crate::session::{SessionData, SessionRecord};

pub(super) async fn touching_moves_last_seen_forward_and_never_back(f: Fixture) -> Outcome {
    let mut live = f.sign_in("alice").await?;
    for (at, expected) in [(60, 60), (120, 120), (30, 120), (-100, 120), (121, 121)] {
        f.touch(&mut live, f.at(at)).await?;
        let seen = f.load(&live).await?.last_seen;
        ensure(
            seen == f.at(expected),
            format!(
                "touched at second {at}, expected {expected}, found {}",
                seen.since(f.now).as_secs()
            ),
        )?;
    }
    Ok(())
}

pub(super) async fn touching_changes_nothing_else(f: Fixture) -> Outcome {
    let data = SessionData::new(&"kept").unwrap_or_default();
    let mut live = f.mint(f.session("alice")?.with_data(data), f.now).await?;
    let beside = f.sign_in("alice").await?;
    f.touch(&mut live, f.at(60)).await?;
    let mut expected = SessionRecord::clone(&live.record);
    expected.last_seen = f.at(60);
    ensure(*f.load(&live).await? == expected, "a touch changed more than the last use")?;
    let untouched = *f.load(&beside).await? == *beside.record;
    ensure(untouched, "a touch changed another session of the same issuer")?;
    f.lists(f.issuer("alice"), &[&live, &beside]).await
}

pub(super) async fn touching_brings_no_session_back(f: Fixture) -> Outcome {
    let alice = f.issuer("alice");
    let mut sessions = vec![f.sign_in("alice").await?, f.sign_in("alice").await?];
    for live in &mut sessions {
        f.touch(live, f.at(60)).await?;
    }
    let (Some(one), Some(two)) = (sessions.first(), sessions.get(1)) else { return Ok(()) };
    let records = (f.load(one).await?, f.load(two).await?);
    f.store.revoke(alice, one.record.handle, f.now).await?;
    f.store.revoke_all(alice, f.now).await?;
    for (mut live, record) in sessions.into_iter().zip([records.0, records.1]) {
        if let Some(ticket) = f.store.touch(&record, f.at(120)).await?.renewed {
            live.renew(ticket.expose_secret().to_owned());
        }
        f.is_gone(&live).await?;
    }
    let replaced = f.sign_in("bob").await?;
    f.mint(f.session("bob")?.replacing(Some(&replaced.record)), f.now).await?;
    f.store.touch(&replaced.record, f.at(120)).await?;
    f.is_gone(&replaced).await
}
