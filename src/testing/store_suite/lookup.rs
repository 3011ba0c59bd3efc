//! What is found, by ticket and by issuer, and what is not.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use super::fixture::{Fixture, Outcome, Violation, ensure};
use crate::did::Timestamp;
use crate::session::{PageRequest, SessionData};

pub(super) async fn a_session_is_found_as_it_was_minted(f: Fixture) -> Outcome {
    let data = attached(&("Ada", 36))?;
    let session = f.session("alice")?.with_data(data.clone());
    let expires_at = session.expires_at;
    let live = f.mint(session, f.now).await?;
    let record = f.load(&live).await?;
    ensure(record == live.record, "the record that is loaded is not the one that was minted")?;
    ensure(record.issuer == f.issuer("alice"), "the session belongs to another issuer")?;
    ensure(record.created_at == f.now, "the session was not created when it was minted")?;
    ensure(record.last_seen == f.now, "the session was not last seen when it was minted")?;
    ensure(record.expires_at == expires_at, "the session does not end when it was told to")?;
    ensure(record.data == data, "the session has other data than was attached")
}

pub(super) async fn two_sessions_have_two_tickets_and_two_handles(f: Fixture) -> Outcome {
    let (one, two) = (f.sign_in("alice").await?, f.sign_in("alice").await?);
    ensure(one.ticket() != two.ticket(), "two sessions have one ticket")?;
    ensure(one.record.handle != two.record.handle, "two sessions have one handle")?;
    let found = (f.load(&one).await?.handle, f.load(&two).await?.handle);
    ensure(found == (one.record.handle, two.record.handle), "a ticket opens another session")
}

pub(super) async fn a_store_that_answers_is_ready(f: Fixture) -> Outcome {
    let live = f.sign_in("alice").await?;
    f.store.ready().await?;
    ensure(f.load(&live).await? == live.record, "asking whether it is ready changed a session")
}

/// RFC 6265 section 4.1.1: `cookie-octet`.
pub(super) async fn a_ticket_can_be_put_into_a_cookie(f: Fixture) -> Outcome {
    let mut live = f.sign_in("alice").await?;
    let fits = |ticket: &str| {
        let octet = |byte: u8| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte);
        !ticket.is_empty() && ticket.bytes().all(octet)
    };
    ensure(fits(live.ticket()), "a new ticket is no cookie value")?;
    f.touch(&mut live, f.at(60)).await?;
    ensure(fits(live.ticket()), "a renewed ticket is no cookie value")
}

pub(super) async fn strange_tickets_open_nothing(f: Fixture) -> Outcome {
    f.sign_in("alice").await?;
    let strange = [
        String::new(),
        " ".to_owned(),
        "*".to_owned(),
        "\0".to_owned(),
        "null".to_owned(),
        "../../etc/passwd".to_owned(),
        "a\r\nFLUSHALL\r\n".to_owned(),
        "{a}:[b]?".to_owned(),
        "A".to_owned(),
        "A".repeat(43),
        "0".repeat(64),
        "Grüße aus 日本 🦀".to_owned(),
        "\u{feff}\u{202e}".to_owned(),
        "é".repeat(43),
        "=".repeat(4096),
        "_".repeat(4096),
        "A".repeat(1 << 20),
        "🦀".repeat(1 << 18),
        f.issuer("alice").to_string(),
    ];
    for ticket in &strange {
        let loaded = f.store.load(ticket, f.now).await?;
        let beginning: String = ticket.chars().take(20).collect();
        ensure(loaded.is_none(), format!("{beginning:?} opens a session"))?;
    }
    Ok(())
}

pub(super) async fn a_ticket_that_was_changed_opens_nothing(f: Fixture) -> Outcome {
    let live = f.sign_in("alice").await?;
    let ticket = live.ticket();
    let (all_but_last, all_but_first) = (ticket.split_at(ticket.len() - 1).0, ticket.split_at(1).1);
    let changed = [
        all_but_last.to_owned(),
        all_but_first.to_owned(),
        format!("{ticket}="),
        format!("{ticket}A"),
        format!("A{ticket}"),
        format!(" {ticket}"),
        format!("{ticket} "),
        format!("\"{ticket}\""),
        format!("{ticket}\0"),
        format!("{ticket}{ticket}"),
        ticket.chars().rev().collect(),
        ticket.chars().map(swap_case).collect(),
    ];
    for changed in changed {
        let loaded = f.store.load(&changed, f.now).await?;
        ensure(loaded.is_none(), "a ticket that was changed opens a session")?;
    }
    f.load(&live).await.map(drop)
}

/// CVE-2019-16782: what names a session in lists and in the store must not open it.
pub(super) async fn a_handle_is_no_ticket(f: Fixture) -> Outcome {
    let live = f.sign_in("alice").await?;
    let (bytes, hex) = (live.record.handle.as_bytes(), live.record.handle.to_string());
    let mut texts = vec![hex.to_uppercase(), hex];
    texts.extend([STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD].map(|e| e.encode(bytes)));
    for text in texts {
        let loaded = f.store.load(&text, f.now).await?;
        ensure(loaded.is_none(), "a handle opens its session")?;
    }
    Ok(())
}

pub(super) async fn data_comes_back_as_it_was_attached(f: Fixture) -> Outcome {
    let rows = [
        ("nothing", SessionData::NONE),
        ("an empty text", attached(&"")?),
        ("a number", attached(&-1.5e-300)?),
        ("Unicode", attached(&"Grüße aus 日本 🦀 \u{0}\u{7f}\u{2028}\"\\")?),
        ("nested JSON", attached(&(["a", "b"], ((1, 2), [Some(true), None])))?),
        ("1 KiB", attached(&"x".repeat(1022))?),
    ];
    for (name, data) in rows {
        let live = f.mint(f.session("alice")?.with_data(data.clone()), f.now).await?;
        ensure(live.record.data == data, format!("{name} is not what was minted"))?;
        ensure(f.load(&live).await?.data == data, format!("{name} does not come back"))?;
    }
    Ok(())
}

pub(super) async fn sessions_are_listed_oldest_first(f: Fixture) -> Outcome {
    let alice = f.issuer("alice");
    f.lists(alice, &[]).await?;
    f.sign_in("bob").await?;
    let mut sessions = Vec::new();
    for second in 0..5 {
        sessions.push(f.mint(f.session("alice")?, f.at(second)).await?);
    }
    // A session does not become younger by being used.
    if let Some(oldest) = sessions.first_mut() {
        f.touch(oldest, f.at(100)).await?;
    }
    f.lists(alice, &sessions.iter().collect::<Vec<_>>()).await?;
    if f.store.lists_sessions() {
        let listed = f.all_of(alice).await?;
        let seen = listed.first().map(|record| record.last_seen);
        ensure(seen == Some(f.at(100)), "the list does not show when a session was last seen")?;
    }
    Ok(())
}

pub(super) async fn expired_sessions_are_not_listed(f: Fixture) -> Outcome {
    let (mut short, mut long) = (f.session("alice")?, f.session("alice")?);
    (short.expires_at, long.expires_at) = (f.at(100), f.at(200));
    let (short, long) = (f.mint(short, f.now).await?, f.mint(long, f.now).await?);
    let at = |seconds| f.clone().moved_to(f.at(seconds));
    let alice = f.issuer("alice");
    // The order of two sessions of one moment is not part of the contract.
    if f.store.lists_sessions() {
        let listed = at(99).all_of(alice).await?.len();
        ensure(listed == 2, format!("{listed} of two living sessions are listed"))?;
    }
    at(100).lists(alice, &[&long]).await?;
    at(200).lists(alice, &[]).await?;
    drop(short);
    Ok(())
}

/// A token may be valid for ever, and a clock may be wrong.
pub(super) async fn extreme_times_do_no_harm(f: Fixture) -> Outcome {
    let mut endless = f.session("alice")?;
    endless.expires_at = Timestamp::MAX;
    endless.token.usable_until = Timestamp::MAX;
    let mut live = f.mint(endless, f.now).await?;
    f.load(&live).await?;
    f.touch(&mut live, f.at(60)).await?;
    f.lists(f.issuer("alice"), &[&live]).await?;

    // Whatever a store answers here, it must neither panic nor be of no use afterwards.
    let far = [Timestamp::from_secs(i64::MIN), Timestamp::EPOCH, Timestamp::MAX];
    for now in far {
        for expires_at in far {
            let mut session = f.session("bob")?;
            session.expires_at = expires_at;
            let _ = f.store.mint(session, now).await;
        }
        let _ = f.store.load(live.ticket(), now).await;
        let _ = f.store.sessions_of(f.issuer("bob"), PageRequest::first(), now).await;
        let _ = f.store.touch(&live.record, now).await;
    }
    // Tokens of that time may count as used now, those that end later must not.
    let mut later = f.session("carol")?;
    later.token.usable_until = f.at(1800);
    f.mint(later, f.now).await.map(drop)
}

fn attached(value: &impl serde::Serialize) -> Outcome<SessionData> {
    SessionData::new(value).map_err(|error| Violation::new(format!("the suite's data: {error}")))
}

fn swap_case(digit: char) -> char {
    if digit.is_ascii_lowercase() { digit.to_ascii_uppercase() } else { digit.to_ascii_lowercase() }
}
