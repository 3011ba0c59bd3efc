//! From an answer's status and body to what it says. No I/O.
//!
//! Both generations of the API are understood: the new one answers with the bare object, the
//! old one wraps it in `{"data": …, "error_code": "", "message": "", "status": "ok"}`.

use std::time::Duration;

use bytes::Bytes;
use http::header::{DATE, RETRY_AFTER};
use http::{HeaderMap, Response, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::email::Email;
use super::error::{MagicError, NotUnderstood, Unavailable};
#[cfg(feature = "testing")]
use super::user::MagicUser;
use super::user::{Person, UserWallet};
#[cfg(feature = "testing")]
use crate::did::Timestamp;
use crate::did::{Audiences, Issuer};

/// The longest wait that is believed of a `Retry-After`.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// The longest phone number: E.164 has 15 digits and the plus; some write spaces or an extension.
const MAX_PHONE_LEN: usize = 32;

/// The longest name in bytes: of a provider, a user, a kind of wallet, a network.
const MAX_NAME_LEN: usize = 128;

/// The longest address of a wallet in bytes. Cardano's Byron addresses take 114.
const MAX_WALLET_ADDRESS_LEN: usize = 128;

/// How many wallets of a person are read. Magic lists some twenty kinds.
const MAX_WALLETS: usize = 64;

/// The longest client id in bytes. `did:magic:` and a UUID take 46, the older form 44.
const MAX_CLIENT_ID_LEN: usize = 256;

/// The part of a body that distinguishes success from failure, in either generation.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    status: Value,
    #[serde(default)]
    error_code: Value,
}

/// A user object. Fields of the wrong type are missing fields; a repeated one is an error.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct UserObject {
    issuer: Value,
    email: Value,
    oauth_provider: Value,
    phone_number: Value,
    username: Value,
    wallets: Value,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ClientObject {
    client_id: Value,
}

/// Reads the answer to the question who `issuer` is.
pub(super) fn user(answer: &Response<Bytes>, issuer: Issuer) -> Result<Person, MagicError> {
    let user: UserObject = object(answer, true)?;
    match &user.issuer {
        // What Magic says of an issuer that it does not know.
        Value::Null => return Err(MagicError::NoSuchUser),
        Value::String(text) if text.parse() == Ok(issuer) => {}
        Value::String(text) if text.parse::<Issuer>().is_ok() => {
            return Err(MagicError::NotUnderstood(NotUnderstood::OtherIssuer));
        }
        _ => return Err(not_understood()),
    }
    Ok(Person {
        email: user.email.as_str().and_then(|text| text.parse::<Email>().ok()),
        phone_number: phone_number(&user.phone_number),
        oauth_provider: name(&user.oauth_provider),
        username: name(&user.username),
        wallets: wallets(&user.wallets),
    })
}

/// Reads the object that the API has for a user. For tests.
#[cfg(feature = "testing")]
pub(crate) fn user_of_object(
    issuer: Issuer,
    asked_at: Timestamp,
    object: &Value,
) -> Result<MagicUser, MagicError> {
    let answer = Response::new(Bytes::from(object.to_string()));
    Ok(MagicUser::new(issuer, asked_at, user(&answer, issuer)?))
}

/// Reads the answer to the question which application the secret key belongs to.
pub(super) fn client_id(answer: &Response<Bytes>) -> Result<String, MagicError> {
    let client: ClientObject = object(answer, false)?;
    match client.client_id {
        // As an audience, what is blank admits nobody; it is refused here, where it can be said
        // why.
        Value::String(id) if is_client_id(&id) => Ok(id),
        _ => Err(MagicError::NotUnderstood(NotUnderstood::NoClientId)),
    }
}

/// Reads the answer to a sign-out, whose body does not matter unless it says that it failed.
pub(super) fn signed_out(answer: &Response<Bytes>) -> Result<(), MagicError> {
    check_status(answer, true)?;
    match serde_json::from_slice::<Envelope<'_>>(answer.body()) {
        Ok(envelope) if envelope.failed() => Err(envelope.failure(answer.status(), true)),
        _ => Ok(()),
    }
}

/// The object of a success, out of its wrapper if it has one.
fn object<T: for<'de> Deserialize<'de>>(
    answer: &Response<Bytes>,
    about_user: bool,
) -> Result<T, MagicError> {
    let object = unwrapped::<&RawValue>(answer, about_user)?;
    // (Serde would read an array as the fields in their order.)
    if !object.get().starts_with('{') {
        return Err(not_understood());
    }
    serde_json::from_str(object.get()).map_err(|_| not_understood())
}

/// What a success says, out of its wrapper if it has one.
fn unwrapped<'a, T: Deserialize<'a>>(
    answer: &'a Response<Bytes>,
    about_user: bool,
) -> Result<T, MagicError> {
    check_status(answer, about_user)?;
    let body: &[u8] = answer.body();
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(not_understood());
    }
    let envelope: Envelope<'_> = serde_json::from_slice(body).map_err(|_| not_understood())?;
    if envelope.failed() {
        return Err(envelope.failure(answer.status(), about_user));
    }
    let value = match envelope.data {
        Some(data) if !envelope.status.is_null() => serde_json::from_str(data.get()),
        _ => serde_json::from_slice(body),
    };
    value.map_err(|_| not_understood())
}

impl Envelope<'_> {
    fn failed(&self) -> bool {
        self.error_code().is_some()
            || matches!(&self.status, Value::String(word) if word == "failed")
    }

    fn error_code(&self) -> Option<&str> {
        self.error_code.as_str().filter(|code| !code.is_empty())
    }

    /// What a body that reports a failure means: that there is no such user, only where it says so.
    fn failure(&self, status: StatusCode, about_user: bool) -> MagicError {
        let not_found = self.error_code().is_some_and(|code| {
            code.contains("NOT_FOUND")
                || code.contains("DOES_NOT_EXIST")
                || code.contains("UNKNOWN_USER")
        });
        match status {
            _ if about_user && not_found => MagicError::NoSuchUser,
            StatusCode::OK => not_understood(),
            other => MagicError::NotUnderstood(NotUnderstood::Status(other)),
        }
    }
}

/// What the status says, if it does not say yes.
fn check_status(answer: &Response<Bytes>, about_user: bool) -> Result<(), MagicError> {
    let status = answer.status();
    Err(match status.as_u16() {
        200..=299 => return Ok(()),
        401 | 403 => MagicError::KeyRefused(status),
        429 => MagicError::RateLimited { retry_after: retry_after(answer.headers()) },
        408 | 500..=599 => MagicError::Unavailable(Unavailable::Failing(status)),
        // A page of some proxy, or a path that is no longer there, is not word of a user: only
        // the API's own error is.
        400 | 404 if about_user => match serde_json::from_slice::<Envelope<'_>>(answer.body()) {
            Ok(body) if status == StatusCode::NOT_FOUND && body.error_code().is_some() => {
                MagicError::NoSuchUser
            }
            Ok(body) => body.failure(status, about_user),
            Err(_) => MagicError::NotUnderstood(NotUnderstood::Status(status)),
        },
        _ => MagicError::NotUnderstood(NotUnderstood::Status(status)),
    })
}

/// Whole seconds, or a date (RFC 9110, section 10.2.3), which counts from the answer's own `Date`:
/// the clocks need not agree. Dates in the two forms that no sender may use any more say nothing.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let date = |name| OffsetDateTime::parse(text(name)?, &Rfc2822).ok();
    let wait = match text(RETRY_AFTER)?.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => (date(RETRY_AFTER)? - date(DATE)?).try_into().unwrap_or_default(),
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

const fn not_understood() -> MagicError {
    MagicError::NotUnderstood(NotUnderstood::Body)
}

fn is_client_id(id: &str) -> bool {
    id.len() <= MAX_CLIENT_ID_LEN
        && id.bytes().all(|byte| byte.is_ascii_graphic())
        && Audiences::from(id).check().is_ok()
}

fn phone_number(value: &Value) -> Option<Box<str>> {
    let plain = |byte: u8| byte.is_ascii_digit() || b"+ -().x".contains(&byte);
    let text = value.as_str()?;
    (!text.is_empty() && text.len() <= MAX_PHONE_LEN && text.bytes().all(plain))
        .then(|| text.into())
}

/// A name as people choose it: anything that can be shown in a line.
fn name(value: &Value) -> Option<Box<str>> {
    let text = value.as_str()?;
    let plain = !text.is_empty() && text.len() <= MAX_NAME_LEN && !text.chars().any(is_invisible);
    plain.then(|| text.into())
}

/// Control characters, and those that turn or hide the text around them (Unicode's categories Zl
/// and Zp, and the Cf of UTS 55).
fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The wallets that can be read; others are missing.
fn wallets(value: &Value) -> Vec<UserWallet> {
    let wallet = |wallet: &Value| {
        let address = wallet.get("public_address")?.as_str()?;
        let plain = !address.is_empty()
            && address.len() <= MAX_WALLET_ADDRESS_LEN
            && address.bytes().all(|byte| byte.is_ascii_graphic());
        Some(UserWallet {
            kind: name(wallet.get("wallet_type")?)?,
            network: wallet.get("network").and_then(name),
            public_address: plain.then(|| address.into())?,
        })
    };
    value.as_array().into_iter().flatten().filter_map(wallet).take(MAX_WALLETS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "did:ethr:0x52908400098527886E0F7030069857D2E4169EE7";
    const OTHER: &str = "did:ethr:0x8617E340B3D01FA5F11F306F4090FD50E238070D";

    fn read(status: u16, body: &str) -> Result<Person, MagicError> {
        let answer = Response::builder().status(status).body(Bytes::from(body.to_owned()));
        user(&answer.expect("a response"), ISSUER.parse().expect("an issuer"))
    }

    fn with(fields: &str) -> String {
        format!(r#"{{"issuer":"{ISSUER}",{fields}}}"#)
    }

    #[test]
    fn both_generations_of_the_api_are_understood() {
        let bare = with(r#""email":"Ada@Example.com","oauth_provider":"google","wallets":null"#);
        let wrapped = format!(r#"{{"data":{bare},"error_code":"","message":"","status":"ok"}}"#);
        let lower = bare.replace(ISSUER, &ISSUER.to_lowercase());
        for body in [&bare, &wrapped, &lower] {
            let person = read(200, body).expect(body);
            assert_eq!(person.email.as_ref().map(Email::as_str), Some("Ada@example.com"));
            assert_eq!(person.oauth_provider.as_deref(), Some("google"));
        }
    }

    #[test]
    fn a_wait_is_seconds_or_a_date_and_never_longer_than_an_hour() {
        const DATE_SENT: &str = "Wed, 21 Oct 2026 07:28:00 GMT";
        for (value, date, expected) in [
            ("0", None, Some(0)),
            (" 7 ", None, Some(7)),
            ("99999999999", None, Some(3600)),
            ("Wed, 21 Oct 2026 07:28:30 GMT", Some(DATE_SENT), Some(30)),
            ("Wed, 21 Oct 2026 07:27:00 GMT", Some(DATE_SENT), Some(0)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(DATE_SENT), Some(3600)),
            ("Wed, 21 Oct 2026 07:28:30 GMT", None, None),
            ("Wed, 21 Oct 2026 07:28:30 GMT", Some("now"), None),
            ("Wednesday, 21-Oct-26 07:28:30 GMT", Some(DATE_SENT), None),
            ("Wed Oct 21 07:28:30 2026", Some(DATE_SENT), None),
            ("Wed, 31 Feb 2026 07:28:30 GMT", Some(DATE_SENT), None),
            ("-1", None, None),
            ("1.5", None, None),
            ("soon", Some(DATE_SENT), None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().expect("a header"));
            if let Some(date) = date {
                headers.insert(DATE, date.parse().expect("a header"));
            }
            assert_eq!(retry_after(&headers), expected.map(Duration::from_secs), "{value}");
        }
    }

    #[test]
    fn a_user_whom_magic_does_not_know_is_told_from_an_answer_that_is_not_the_apis() {
        let nulls = r#"{"issuer":null,"public_address":null,"email":null}"#;
        for (status, body) in [
            (200, "{}"),
            (200, nulls),
            (200, r#"{"data":{},"error_code":"","message":"","status":"ok"}"#),
            (404, r#"{"error_code":"USER_NOT_FOUND","message":"no"}"#),
            (404, r#"{"data":{},"error_code":"ANY","message":"","status":"failed"}"#),
            (
                400,
                r#"{"data":{},"error_code":"RESOURCE_NOT_FOUND","message":"","status":"failed"}"#,
            ),
        ] {
            let error = read(status, body).expect_err(body);
            assert!(matches!(error, MagicError::NoSuchUser), "{status} {body}: {error}");
        }
        for (status, body) in [
            (404, "<html>not found</html>"),
            (404, r#"{"detail":"Not Found"}"#),
            (404, ""),
            (
                400,
                r#"{"data":{},"error_code":"MISSING_REQUIRED_FIELDS","message":"","status":"failed"}"#,
            ),
            (422, r#"{"detail":[{"loc":["query","issuer"]}]}"#),
            (200, r#"{"error_code":"UNAUTHORIZED","message":"no"}"#),
            (200, r#"{"data":{},"error_code":"X","message":"","status":"failed"}"#),
            (200, r#"{"data":[],"error_code":"","message":"","status":"ok"}"#),
            (200, "<html></html>"),
            (200, ""),
            (200, "null"),
            (200, "[]"),
            (200, r#"["ada@example.com", null, null]"#),
            (200, "\"x\""),
            (200, "1"),
            (200, r#"{"issuer":5}"#),
            (200, r#"{"issuer":"ada"}"#),
            (200, r#"{"issuer":{}}"#),
            (301, ""),
            (302, "{}"),
            (204, ""),
        ] {
            let error = read(status, body).expect_err(body);
            assert!(matches!(error, MagicError::NotUnderstood(_)), "{status} {body}: {error}");
        }
    }

    #[test]
    fn an_answer_about_somebody_else_is_refused() {
        let body = format!(r#"{{"issuer":"{OTHER}","email":"eve@example.com"}}"#);
        let error = read(200, &body).expect_err("refused");
        assert!(matches!(error, MagicError::NotUnderstood(NotUnderstood::OtherIssuer)), "{error}");
    }

    #[test]
    fn a_repeated_field_is_refused_and_an_unknown_one_ignored() {
        for body in [
            with(r#""email":"a@example.com","email":"b@example.com""#),
            format!(r#"{{"issuer":"{OTHER}","issuer":"{ISSUER}"}}"#),
        ] {
            let error = read(200, &body).expect_err("refused");
            assert!(matches!(error, MagicError::NotUnderstood(_)), "{body}: {error}");
        }
        let known = read(200, &with(r#""email":"a@example.com","new":{"email":1},"new":2"#));
        assert!(known.expect("a user").email.is_some());
    }

    #[test]
    fn a_field_of_the_wrong_form_is_a_missing_field() {
        let huge = format!(r#""{}@example.com""#, "a".repeat(10_000));
        for email in [
            "null",
            "5",
            "true",
            "[]",
            "{}",
            r#""""#,
            r#""ada""#,
            &huge,
            r#"["a@b.c"]"#,
            r#""ada@example.com\r\nX-Auth-User: eve""#,
            r#""ada\u0000@example.com""#,
            r#""a@b.c,d@e.f""#,
        ] {
            for field in ["email", "phone_number"] {
                let person = read(200, &with(&format!(r#""{field}":{email}"#))).expect(email);
                assert_eq!(person, Person::default(), "{field} {email:.60}");
            }
        }
        for text in
            [r#""a\nb""#, r#""\u202eada""#, r#""""#, "5", &format!(r#""{}""#, "a".repeat(129))]
        {
            for field in ["username", "oauth_provider"] {
                let person = read(200, &with(&format!(r#""{field}":{text}"#))).expect(text);
                assert_eq!(person, Person::default(), "{field} {text:.60}");
            }
        }
    }

    #[test]
    fn no_more_than_64_wallets_are_read() {
        let wallet = r#"{"network":"MAINNET","public_address":"7Ec","wallet_type":"SOLANA"}"#;
        let body = with(&format!(r#""wallets":[{}]"#, [wallet; 100].join(",")));
        assert_eq!(read(200, &body).expect("a user").wallets.len(), 64);
    }

    #[test]
    fn wallets_are_read_one_by_one() {
        let body = with(
            r#""wallets":[{"network":"MAINNET","public_address":"7Ec","wallet_type":"SOLANA"},
               {"network":null,"public_address":"0x1","wallet_type":"ETH"}, 5, null, {},
               {"public_address":"a b","wallet_type":"ETH"}, {"public_address":"0x2"}]"#,
        );
        let wallets = read(200, &body).expect("a user").wallets;
        let kinds: Vec<_> =
            wallets.iter().map(|wallet| (wallet.kind(), wallet.network())).collect();
        assert_eq!(kinds, [("SOLANA", Some("MAINNET")), ("ETH", None)]);
    }

    #[test]
    fn a_status_says_what_is_wrong() {
        for (status, name) in [
            (401, "key_refused"),
            (403, "key_refused"),
            (429, "rate_limited"),
            (500, "unavailable"),
            (502, "unavailable"),
            (503, "unavailable"),
            (408, "unavailable"),
            (418, "not_understood"),
            (308, "not_understood"),
        ] {
            for body in [r#"{"error_code":"NOT_FOUND","message":"…"}"#, "<html></html>", ""] {
                assert_eq!(read(status, body).expect_err("an error").name(), name, "{status}");
            }
        }
    }

    #[test]
    fn a_wait_is_believed_within_limits() {
        for (header, expected) in
            [("7", Some(7)), ("999999999", Some(3600)), ("-1", None), ("soon", None)]
        {
            let answer =
                Response::builder().status(429).header(RETRY_AFTER, header).body(Bytes::new());
            match client_id(&answer.expect("a response")) {
                Err(MagicError::RateLimited { retry_after }) => {
                    assert_eq!(retry_after, expected.map(Duration::from_secs));
                }
                other => panic!("{header}: {other:?}"),
            }
        }
    }

    #[test]
    fn without_a_client_id_there_is_an_error_and_never_a_blank_audience() {
        let read = |body: &str| client_id(&Response::new(Bytes::from(body.to_owned())));
        assert_eq!(
            read(r#"{"client_id":"did:magic:app","app_scope":"GLOBAL"}"#).expect("an id"),
            "did:magic:app"
        );
        assert_eq!(
            read(r#"{"data":{"client_id":"etjub="},"error_code":"","message":"","status":"ok"}"#)
                .expect("an id"),
            "etjub="
        );
        for body in [
            "{}",
            r#"{"client_id":null}"#,
            r#"{"client_id":""}"#,
            r#"{"client_id":" "}"#,
            r#"{"client_id":5}"#,
            r#"{"client_id":"a\nb"}"#,
            r#"{"client_id":"did:magic:äpp"}"#,
            r#"{"client_id":"a","client_id":"b"}"#,
            r#"{"error_code":"UNAUTHORIZED","message":"x"}"#,
            "<html>",
            "",
        ] {
            let error = read(body).expect_err(body);
            assert!(matches!(error, MagicError::NotUnderstood(_)), "{body}: {error}");
        }
    }
}
