//! Changing what is attached to a session.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::fixture::{Fixture, Live, Outcome, Violation, ensure};
use super::races::race;
use crate::session::{DataUpdate, SessionData, SessionRecord};

/// How many change one session's data at a time.
const WRITERS: u64 = 8;

fn data(text: &str) -> SessionData {
    SessionData::new(&text).unwrap_or_default()
}

/// Changes the data of a session as it was read, and expects that to succeed.
async fn change(f: &Fixture, live: &mut Live, text: &str, second: i64) -> Outcome {
    let read = f.load(live).await?;
    let new = read.data.changed_to(&data(text));
    match f.store.update_data(&read, new, f.at(second)).await? {
        DataUpdate::Stored { renewed } => {
            if let Some(ticket) = renewed {
                live.renew(ticket.expose_secret().to_owned());
            }
            Ok(())
        }
        other => Err(Violation::new(format!("data that nobody else changed: {other:?}"))),
    }
}

pub(super) async fn changed_data_is_found_by_the_next_load(f: Fixture) -> Outcome {
    let mut live = f.mint(f.session("alice")?.with_data(data("first")), f.now).await?;
    for (text, version) in [("second", 1), ("third", 2), ("first", 3), ("", 4)] {
        change(&f, &mut live, text, 0).await?;
        let found = f.load(&live).await?;
        ensure(
            found.data.read::<String>().is_ok_and(|found| found.as_deref() == Some(text)),
            format!("changed data {text:?} was not found"),
        )?;
        ensure(found.data.version() == version, "the version of changed data was lost")?;
    }
    f.lists(f.issuer("alice"), &[&live]).await
}

pub(super) async fn data_can_be_attached_and_taken_away(f: Fixture) -> Outcome {
    let mut live = f.sign_in("alice").await?;
    change(&f, &mut live, "attached", 0).await?;
    let read = f.load(&live).await?;
    let none = read.data.changed_to(&SessionData::NONE);
    match f.store.update_data(&read, none, f.now).await? {
        DataUpdate::Stored { renewed } => {
            if let Some(ticket) = renewed {
                live.renew(ticket.expose_secret().to_owned());
            }
        }
        other => return Err(Violation::new(format!("taking data away: {other:?}"))),
    }
    let found = f.load(&live).await?;
    ensure(found.data.is_none(), "data that was taken away is there")?;
    ensure(found.data.version() == 2, "the version of data that was taken away was lost")?;
    change(&f, &mut live, "attached again", 0).await
}

pub(super) async fn a_remembered_session_stays_remembered(f: Fixture) -> Outcome {
    for first in [SessionData::NONE, data("first")] {
        let mut live = f.mint(f.session("alice")?.with_data(first.remembered()), f.now).await?;
        let forgotten = "that a session is remembered was forgotten";
        ensure(f.load(&live).await?.is_remembered(), forgotten)?;
        f.touch(&mut live, f.at(60)).await?;
        ensure(f.load(&live).await?.is_remembered(), forgotten)?;
        change(&f, &mut live, "second", 60).await?;
        let found = f.load(&live).await?;
        ensure(found.is_remembered(), forgotten)?;
        let text = found.data.read::<String>();
        ensure(text.is_ok_and(|text| text.as_deref() == Some("second")), "its data was lost")?;
    }
    ensure(!f.load(&f.sign_in("bob").await?).await?.is_remembered(), "it was made up")
}

pub(super) async fn changing_data_changes_nothing_else(f: Fixture) -> Outcome {
    let mut live = f.sign_in("alice").await?;
    let beside = f.sign_in("alice").await?;
    f.touch(&mut live, f.at(60)).await?;
    change(&f, &mut live, "new", 60).await?;
    let found = f.load(&live).await?;
    let mut expected = SessionRecord::clone(&live.record);
    (expected.last_seen, expected.data) = (f.at(60), found.data.clone());
    ensure(*found == expected, "a change of data changed more than the data")?;
    let unchanged = *f.load(&beside).await? == *beside.record;
    ensure(unchanged, "a change of data changed another session of the same issuer")?;
    f.touch(&mut live, f.at(120)).await?;
    let touched = f.load(&live).await?;
    ensure(touched.data == found.data, "a touch took changed data back")?;
    ensure(touched.last_seen == f.at(120), "a session with changed data was not touched")
}

pub(super) async fn of_two_changes_of_the_same_data_one_is_refused(f: Fixture) -> Outcome {
    let mut live = f.mint(f.session("alice")?.with_data(data("first")), f.now).await?;
    let read = f.load(&live).await?;
    change(&f, &mut live, "second", 0).await?;
    // The same value too: it was computed from what is no longer there.
    for text in ["second", "other"] {
        let late = read.data.changed_to(&data(text));
        match f.store.update_data(&read, late, f.now).await? {
            DataUpdate::Conflict { current } => {
                let newest = f.load(&live).await?;
                let right = current.is_none_or(|current| current.data == newest.data);
                ensure(right, "the conflict shows other data than the session has")?;
            }
            other => return Err(Violation::new(format!("a change that came too late: {other:?}"))),
        }
    }
    let kept = f.load(&live).await?.data.read::<String>();
    ensure(kept.is_ok_and(|kept| kept.as_deref() == Some("second")), "a late change was stored")
}

pub(super) async fn of_many_changes_at_once_one_is_stored(f: Fixture) -> Outcome {
    let live = f.sign_in("alice").await?;
    let read = f.load(&live).await?;
    let stored = Arc::new(AtomicU64::new(0));
    let writers = (0..WRITERS).map(|writer| {
        let (f, read, stored) = (f.clone(), Arc::clone(&read), Arc::clone(&stored));
        async move {
            let new = read.data.changed_to(&data(&format!("of writer {writer}")));
            if let DataUpdate::Stored { .. } = f.store.update_data(&read, new, f.now).await? {
                stored.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        }
    });
    race(&f.spawner, writers).await?;
    let stored = stored.load(Ordering::Relaxed);
    ensure(stored == 1, format!("{stored} of {WRITERS} changes of the same data were stored"))
}

pub(super) async fn changing_data_brings_no_session_back(f: Fixture) -> Outcome {
    let alice = f.issuer("alice");
    let (one, two) = (f.sign_in("alice").await?, f.sign_in("alice").await?);
    let reads = [f.load(&one).await?, f.load(&two).await?];
    f.store.revoke(alice, one.record.handle, f.now).await?;
    f.store.revoke_all(alice, f.at(1)).await?;
    for (mut live, read) in [one, two].into_iter().zip(reads) {
        let new = read.data.changed_to(&data("late"));
        match f.store.update_data(&read, new, f.at(2)).await? {
            DataUpdate::Ended => {}
            DataUpdate::Stored { renewed: Some(ticket) } => {
                live.renew(ticket.expose_secret().to_owned());
                return Err(Violation::new("the data of a session that was ended was changed"));
            }
            other => return Err(Violation::new(format!("a session that was ended: {other:?}"))),
        }
        f.is_gone(&live).await?;
    }
    Ok(())
}

pub(super) async fn nobody_changes_the_data_of_another_issuer(f: Fixture) -> Outcome {
    let live = f.mint(f.session("alice")?.with_data(data("hers")), f.now).await?;
    let mut made_up = SessionRecord::clone(&live.record);
    made_up.issuer = f.issuer("mallory");
    let new = made_up.data.changed_to(&data("his"));
    let update = f.store.update_data(&made_up, new, f.now).await?;
    ensure(matches!(update, DataUpdate::Ended), "another issuer's session was found")?;
    let kept = f.load(&live).await?.data.read::<String>();
    ensure(kept.is_ok_and(|kept| kept.as_deref() == Some("hers")), "another changed her data")
}
