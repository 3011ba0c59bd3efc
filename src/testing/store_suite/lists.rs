//! Lists in pages, and the limit of what an issuer may have.

use super::fixture::{Fixture, Live, Outcome, at_most, ensure};
use crate::did::Issuer;
use crate::session::{
    DEFAULT_MAX_SESSIONS_PER_ISSUER, MAX_ENDED_PER_MINT, MAX_SESSIONS_PER_PAGE, PageCursor,
    PageRequest, SessionHandle, SessionLimit, SessionPage,
};

pub(super) async fn a_list_comes_in_pages_oldest_first(f: Fixture) -> Outcome {
    if !f.store.lists_sessions() {
        return Ok(());
    }
    let sessions = sign_in(&f, 7).await?;
    f.sign_in("bob").await?;
    for size in [1, 2, 3, 6, 7, 8] {
        let request = PageRequest::first().with_size(size);
        let first = f.store.sessions_of(f.issuer("alice"), request, f.now).await?;
        let expected = 7.min(size);
        ensure(
            first.sessions.len() == expected,
            format!("a page of {size} has {} of 7 sessions", first.sessions.len()),
        )?;
        ensure(
            first.next.is_some() == (size < 7),
            format!("a page of {size} of 7 sessions is wrong about a next one"),
        )?;
        let listed = f.pages_of(f.issuer("alice"), request).await?;
        let listed: Vec<_> = listed.iter().map(|record| record.handle).collect();
        ensure(
            listed == handles(&sessions),
            format!("pages of {size} together are not the list in its order"),
        )?;
    }
    Ok(())
}

pub(super) async fn no_page_is_longer_than_the_longest(f: Fixture) -> Outcome {
    if !f.store.lists_sessions() {
        return Ok(());
    }
    sign_in(&f, MAX_SESSIONS_PER_PAGE + 5).await?;
    let page = page_of(&f, PageRequest::first().with_size(usize::MAX)).await?;
    ensure(
        page.sessions.len() == MAX_SESSIONS_PER_PAGE,
        format!("a page of the largest size has {} sessions", page.sessions.len()),
    )?;
    let Some(next) = page.next else {
        return ensure(false, "a page that is not the last says that it is");
    };
    let rest = page_of(&f, PageRequest::after(next)).await?;
    ensure(rest.sessions.len() == 5 && rest.next.is_none(), "the rest is not on the next page")
}

pub(super) async fn a_cursor_survives_the_sessions_around_it(f: Fixture) -> Outcome {
    if !f.store.lists_sessions() {
        return Ok(());
    }
    let alice = f.issuer("alice");
    let mut sessions = sign_in(&f, 6).await?;
    let two = PageRequest::first().with_size(2);
    let Some(cursor) = page_of(&f, two).await?.next else {
        return ensure(false, "a page of two of six sessions says that it is the last");
    };
    // The session that the cursor was made from, one before it and one behind it.
    for index in [1, 0, 2] {
        if let Some(live) = sessions.get(index) {
            f.store.revoke(alice, live.record.handle, f.now).await?;
        }
    }
    // One that was used, and one that is new.
    if let Some(live) = sessions.get_mut(3) {
        f.touch(live, f.at(60)).await?;
    }
    sessions.push(f.mint(f.session("alice")?, f.at(61)).await?);
    let rest = f.pages_of(alice, PageRequest::after(cursor).with_size(2)).await?;
    let rest: Vec<_> = rest.iter().map(|record| record.handle).collect();
    ensure(
        Some(rest.as_slice()) == handles(&sessions).get(3..),
        "what follows a cursor are not the sessions that live behind it",
    )?;
    // All of them, and one that comes afterwards.
    f.store.revoke_all(alice, f.now).await?;
    let rest = f.pages_of(alice, PageRequest::after(cursor)).await?;
    ensure(rest.is_empty(), "sessions that were ended follow a cursor")?;
    let new = f.mint(f.session_issued("alice", 120)?, f.at(120)).await?;
    let rest = f.pages_of(alice, PageRequest::after(cursor)).await?;
    ensure(
        rest.iter().any(|record| record.handle == new.record.handle),
        "a session that is newer than a cursor does not follow it",
    )
}

pub(super) async fn a_cursor_that_was_made_up_shows_nothing_of_others(f: Fixture) -> Outcome {
    if !f.store.lists_sessions() {
        return Ok(());
    }
    let (alice, bobs) = (f.issuer("alice"), f.sign_in("bob").await?);
    let own = handles(&sign_in(&f, 3).await?);
    for number in [0, 1, 3, 1 << 31, 1 << 53, u64::MAX - 1, u64::MAX] {
        let request = PageRequest::after(PageCursor::from_u64(number)).with_size(2);
        let listed = f.pages_of(alice, request).await?;
        let known = listed.iter().all(|record| own.contains(&record.handle));
        ensure(known, format!("behind the cursor {number} lie sessions that are none of theirs"))?;
        if number == 0 {
            ensure(listed.len() == 3, "behind the first of all cursors not all sessions lie")?;
        }
    }
    f.load(&bobs).await.map(drop)
}

pub(super) async fn expired_sessions_do_not_stop_a_list(f: Fixture) -> Outcome {
    if !f.store.lists_sessions() {
        return Ok(());
    }
    let mut alive = Vec::new();
    for number in 0..7 {
        let mut session = f.session("alice")?;
        if number % 3 != 2 {
            session.expires_at = f.at(100);
        }
        let live = f.mint(session, f.at(number)).await?;
        if number % 3 == 2 {
            alive.push(live);
        }
    }
    let later = f.clone().moved_to(f.at(100));
    let listed = later.pages_of(f.issuer("alice"), PageRequest::first().with_size(2)).await?;
    let listed: Vec<_> = listed.iter().map(|record| record.handle).collect();
    ensure(
        listed == handles(&alive),
        "a list with expired sessions between is not that of the rest",
    )
}

pub(super) async fn an_issuer_has_256_sessions_unless_it_is_said_otherwise(f: Fixture) -> Outcome {
    let max = DEFAULT_MAX_SESSIONS_PER_ISSUER.get();
    let sessions = sign_in(&f, max + 2).await?;
    if !f.store.lists_sessions() {
        // Where nothing is kept of a session, nothing needs a limit.
        for live in sessions.iter().take(2) {
            f.load(live).await?;
        }
        return Ok(());
    }
    let listed: Vec<_> =
        f.all_of(f.issuer("alice")).await?.iter().map(|record| record.handle).collect();
    ensure(
        Some(listed.as_slice()) == handles(&sessions).get(2..),
        format!(
            "of {} sessions the newest {max} should be left, and {} are",
            max + 2,
            listed.len()
        ),
    )?;
    for live in sessions.iter().take(2) {
        f.is_gone(live).await?;
    }
    Ok(())
}

pub(super) async fn a_limit_that_was_lowered_holds_in_bounded_steps(f: Fixture) -> Outcome {
    if !f.store.lists_sessions() {
        return Ok(());
    }
    let alice = f.issuer("alice");
    let mut sessions = Vec::new();
    for second in 0..200 {
        let session = f.session("alice")?.with_limit(SessionLimit::Unlimited);
        sessions.push(f.mint(session, f.at(second)).await?);
    }
    ensure(f.all_of(alice).await?.len() == 200, "a session without a limit ended another")?;
    let mut left = 200;
    for second in 200..205 {
        sessions.push(f.mint(f.session("alice")?.with_limit(at_most(3)), f.at(second)).await?);
        let listed: Vec<_> = f.all_of(alice).await?.iter().map(|record| record.handle).collect();
        let ended = (left + 1 - listed.len().min(left + 1)).min(left);
        ensure(
            ended <= MAX_ENDED_PER_MINT,
            format!("one sign-in ended {ended} sessions, and {MAX_ENDED_PER_MINT} is the most"),
        )?;
        left = listed.len();
        let newest = handles(&sessions);
        ensure(newest.ends_with(&listed), "it is not the oldest sessions that ended")?;
    }
    ensure(left == 3, format!("after five sign-ins {left} of at most 3 sessions are left"))
}

/// Signs alice in so many times, a second apart.
async fn sign_in(f: &Fixture, count: usize) -> Outcome<Vec<Live>> {
    let mut sessions = Vec::with_capacity(count);
    for second in 0..count {
        let second = i64::try_from(second).unwrap_or_default();
        sessions.push(f.mint(f.session("alice")?, f.at(second)).await?);
    }
    Ok(sessions)
}

async fn page_of(f: &Fixture, request: PageRequest) -> Outcome<SessionPage> {
    let alice: Issuer = f.issuer("alice");
    Ok(f.store.sessions_of(alice, request, f.now).await?)
}

fn handles(sessions: &[Live]) -> Vec<SessionHandle> {
    sessions.iter().map(|live| live.record.handle).collect()
}
