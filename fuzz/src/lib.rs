//! Requirements for any input, one function per target.
//!
//! A target for another parser (a sealed cookie, a store's records, a proxy's headers) is one
//! more function here, one more file of one line in `fuzz_targets/`, one more `[[bin]]`.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use arbitrary::Arbitrary;
use http::header::{AUTHORIZATION, COOKIE, SET_COOKIE};
use http::{HeaderValue, Request, Response, StatusCode};
use serde_json::Value;
use serde_json::value::RawValue;
use tower::{Layer, Service, service_fn};
use tower_didt::testing::{FixedClock, Wallet};
use tower_didt::token::{DidToken, Malformed};
use tower_didt::{DidAuth, Issuer, Session, Timestamp, TokenError, Verifier};

mod redis_record;
mod sealed_cookie;

pub use self::redis_record::redis_record;
pub use self::sealed_cookie::sealed_cookie;
pub use didt::fuzzing::{original_url, policy_file};

const AUDIENCE: &str = "did:magic:9be1c0a2-6d2d-4f0e-8f52-2f0a6b1f7c34";
const NOW: Timestamp = Timestamp::from_secs(1_760_000_000);

/// Any bytes as a token: no panic, and one verdict whatever the order of the checks.
pub fn token(data: &[u8]) {
    let verifier = Verifier::new(AUDIENCE);
    let verdict = verifier.verify(data, NOW);
    assert_eq!(verifier.verify(data, NOW), verdict);
    let signed = DidToken::decode(data).and_then(DidToken::into_signed);
    let other_order = signed.and_then(|signed| verifier.check(&signed, NOW));
    assert_eq!(verdict.is_ok(), other_order.is_ok());
    if let Ok(claim) = verdict {
        assert_eq!(claim.claim().aud(), AUDIENCE);
        assert_eq!(claim.claim().iss(), claim.issuer());
        assert!(claim.expires_at() >= NOW);
        let long_after = Timestamp::MAX;
        assert!(claim.expires_at() == long_after || verifier.verify(data, long_after).is_err());
    }
}

/// A claim as a wallet makes it, with these changes, really signed.
#[derive(Arbitrary, Debug)]
pub struct ClaimCase {
    changes: Vec<Change>,
    now: f64,
    max_age: Option<u32>,
    leeways: [u16; 3],
}

#[derive(Arbitrary, Debug)]
enum Change {
    Number(Field, f64),
    Text(Field, String),
    /// A value as it stands in the text, JSON or not.
    Raw(Field, String),
    Without(Field),
    /// A key of its own at the end, JSON or not.
    Extra(String, String),
    Again(Field),
    Splice {
        at: u16,
        cut: u8,
        text: String,
    },
    Nest(Field, u8),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Field {
    Iat,
    Ext,
    Nbf,
    Iss,
    Sub,
    Aud,
    Tid,
    Add,
    Other,
}

impl Field {
    const fn key(self) -> &'static str {
        match self {
            Self::Iat => "iat",
            Self::Ext => "ext",
            Self::Nbf => "nbf",
            Self::Iss => "iss",
            Self::Sub => "sub",
            Self::Aud => "aud",
            Self::Tid => "tid",
            Self::Add => "add",
            Self::Other => "other",
        }
    }
}

impl ClaimCase {
    fn text(&self, wallet: &Wallet) -> String {
        let seconds = NOW.as_secs();
        let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default();
        let mut entries: Vec<(String, String)> = [
            (Field::Iat, seconds.to_string()),
            (Field::Ext, (seconds + 900).to_string()),
            (Field::Iss, quoted(&wallet.issuer().to_string())),
            (Field::Sub, quoted("user")),
            (Field::Aud, quoted(AUDIENCE)),
            (Field::Nbf, seconds.to_string()),
            (Field::Tid, quoted("token")),
            (Field::Add, quoted("0x00")),
        ]
        .map(|(field, value)| (quoted(field.key()), value))
        .into();
        let mut splices = Vec::new();
        for change in &self.changes {
            let mut set = |field: &Field, value: String| {
                let key = quoted(field.key());
                match entries.iter_mut().find(|(known, _)| *known == key) {
                    Some(entry) => entry.1 = value,
                    None => entries.push((key, value)),
                }
            };
            match change {
                Change::Number(field, number) => set(field, format!("{number:e}")),
                Change::Text(field, text) => set(field, quoted(text)),
                Change::Raw(field, raw) => set(field, raw.clone()),
                Change::Without(field) => {
                    let key = quoted(field.key());
                    entries.retain(|(known, _)| *known != key);
                }
                Change::Extra(key, raw) => entries.push((quoted(key), raw.clone())),
                Change::Again(field) => {
                    let key = quoted(field.key());
                    let again = entries.iter().find(|(known, _)| *known == key).cloned();
                    entries.extend(again);
                }
                Change::Splice { at, cut, text } => splices.push((*at, *cut, text)),
                Change::Nest(field, levels) => {
                    let levels = usize::from(*levels);
                    set(field, format!("{}0{}", "[".repeat(levels), "]".repeat(levels)));
                }
            }
        }
        let fields: Vec<_> =
            entries.into_iter().map(|(key, value)| format!("{key}:{value}")).collect();
        let mut text = format!("{{{}}}", fields.join(","));
        for (at, cut, new) in splices {
            let at = text.floor_char_boundary(usize::from(at) % (text.len() + 1));
            let end = text.floor_char_boundary((at + usize::from(cut)).min(text.len()));
            text.replace_range(at..end.max(at), new);
        }
        text
    }
}

/// A really signed claim: what is accepted means the same to an independent reading of it.
pub fn claim(case: &ClaimCase) {
    static WALLET: LazyLock<Wallet> = LazyLock::new(|| Wallet::from_seed("fuzz"));
    let text = case.text(&WALLET);
    let token = WALLET.token_from_claim(&text);
    let near = NOW.as_secs_f64() + case.now % 2000.0;
    let Some(now) = Timestamp::from_secs_f64(near) else { return };
    let [expiry, not_before, issued_at] = case.leeways.map(|l| Duration::from_secs(l.into()));
    let mut verifier = Verifier::new(AUDIENCE)
        .with_max_token_len(1 << 20)
        .with_expiry_leeway(expiry)
        .with_not_before_leeway(not_before)
        .with_issued_at_leeway(issued_at);
    if let Some(max_age) = case.max_age {
        verifier = verifier.with_max_age(Duration::from_secs(max_age.into()));
    }
    let verdict = verifier.verify(&token, now);

    // An independent reading: serde_json's `Value` of each key, and arithmetic on plain floats.
    let entries: Option<BTreeMap<String, Box<RawValue>>> = serde_json::from_str(&text).ok();
    let value = |key: &str| -> Option<Value> {
        serde_json::from_str(entries.as_ref()?.get(key)?.get()).ok()
    };
    let number = |key: &str| value(key)?.as_f64();
    let string = |key: &str| value(key)?.as_str().map(str::to_owned);
    let sound = || {
        let issuer = string("iss")?;
        let own = WALLET.issuer().to_string();
        let mine = own.eq_ignore_ascii_case(&issuer) && issuer.starts_with("did:ethr:0x");
        let add = !entries.as_ref()?.contains_key("add") || string("add").is_some();
        let texts = string("sub").is_some() && string("tid").is_some() && add;
        let times = near <= number("ext")? + expiry.as_secs_f64()
            && number("nbf")? - not_before.as_secs_f64() <= near
            && number("iat")? - issued_at.as_secs_f64() <= near
            && case.max_age.is_none_or(|max_age| {
                number("iat").is_some_and(|iat| near <= iat + f64::from(max_age))
            });
        (mine && texts && times && string("aud")? == AUDIENCE).then_some(())
    };
    match verdict {
        Ok(claim) => {
            assert!(sound().is_some(), "accepted: {text}");
            assert_eq!(claim.issuer(), WALLET.issuer());
        }
        Err(error) => {
            // The other reading takes the last of two equal keys, any depth, and lone surrogates
            // where nobody looks: what is refused for those alone is right to be.
            let stricter = match error {
                TokenError::Malformed(Malformed::DuplicateKey | Malformed::TooDeep { .. }) => true,
                TokenError::Malformed(Malformed::ClaimJson) => {
                    serde_json::from_str::<Value>(&text).is_err()
                }
                _ => false,
            };
            assert!(stricter || sound().is_none(), "refused ({error}): {text}");
        }
    }
}

/// A layer with one session in it, and that session's cookie.
struct Guarded {
    auth: DidAuth,
    ticket: String,
    token: String,
    issuer: Issuer,
}

static GUARDED: LazyLock<Guarded> = LazyLock::new(|| {
    let auth = DidAuth::new(Verifier::new(AUDIENCE)).with_clock(FixedClock::at(NOW));
    let wallet = Wallet::from_seed("fuzz");
    let token = wallet.token(AUDIENCE).issued_at(NOW).mint();
    let bearer = HeaderValue::try_from(format!("Bearer {token}")).ok();
    let (_, cookie) = send(&auth, bearer.map(|value| (AUTHORIZATION, value)));
    let ticket = cookie.unwrap_or_default();
    assert_eq!(ticket.len(), 43);
    Guarded { auth, ticket, token, issuer: wallet.issuer() }
});

fn send(
    auth: &DidAuth,
    headers: impl IntoIterator<Item = (http::HeaderName, HeaderValue)>,
) -> (StatusCode, Option<String>) {
    let mut request = Request::new(());
    for (name, value) in headers {
        request.headers_mut().append(name, value);
    }
    let inner = service_fn(|request: Request<()>| async move {
        assert!(request.extensions().get::<Session>().is_some());
        Ok::<_, Infallible>(Response::new(()))
    });
    let mut service = auth.layer().layer(inner);
    let Ok(response) = wait(service.call(request));
    let cookie = response.headers().get(SET_COOKIE).and_then(|value| value.to_str().ok());
    let value = cookie.and_then(|cookie| cookie.strip_prefix("__Host-didt="));
    let value = value.and_then(|value| value.split(';').next());
    (response.status(), value.map(str::to_owned))
}

/// The outcome of a future that waits for nothing but memory.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    loop {
        let polled = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(outcome) = polled {
            return outcome;
        }
    }
}

/// Lines of headers, `A…` for `Authorization` and all others for `Cookie`; `{T}` stands for the
/// cookie of a living session, `{D}` for a good token. Who passes is told by another reading.
pub fn headers(data: &[u8]) {
    let Guarded { auth, ticket, token, issuer } = &*GUARDED;
    let mut authorizations = Vec::new();
    let mut cookies = Vec::new();
    for line in data.split(|byte| *byte == b'\n') {
        let (kind, text) = line.split_at(line.len().min(1));
        let text = replace(&replace(text, b"{T}", ticket.as_bytes()), b"{D}", token.as_bytes());
        let Ok(value) = HeaderValue::from_bytes(&text) else { continue };
        if kind == b"A" { &mut authorizations } else { &mut cookies }.push(value);
    }

    let values = |header: &HeaderValue| {
        let text: Vec<char> = header.as_bytes().iter().map(|byte| char::from(*byte)).collect();
        let text: String = text.into_iter().collect();
        let pairs = text.split(';').map(|pair| pair.trim_matches([' ', '\t']).to_owned());
        let own = |pair: String| pair.strip_prefix("__Host-didt=").map(str::to_owned);
        pairs.filter_map(own).collect::<Vec<_>>()
    };
    let mut tickets: Vec<_> = cookies.iter().flat_map(values).collect();
    tickets.sort();
    tickets.dedup();
    // Of up to four different values, the one that opens a living session counts.
    let by_cookie = if tickets.len() <= 4 && tickets.contains(ticket) {
        StatusCode::OK
    } else {
        StatusCode::UNAUTHORIZED
    };
    let expected = match &*authorizations {
        [] => by_cookie,
        [one] => {
            let text = one.as_bytes();
            let scheme = text.get(..6).is_some_and(|s| s.eq_ignore_ascii_case(b"bearer"));
            match text.get(6..).filter(|_| scheme) {
                Some(rest)
                    if rest.is_empty() || rest.starts_with(b" ") || rest.starts_with(b"\t") =>
                {
                    let rest = String::from_utf8_lossy(rest);
                    let bare = rest.trim_start_matches(' ');
                    let policy = Verifier::new(AUDIENCE).with_max_age(Duration::from_secs(900));
                    if rest.contains(',') {
                        StatusCode::BAD_REQUEST
                    } else if let Ok(claim) = policy.verify(bare, NOW) {
                        // Beside four cookies a fifth would not be looked at: who has no session
                        // yet could not be let in with one.
                        let has_one = by_cookie == StatusCode::OK && claim.issuer() == *issuer;
                        if has_one || tickets.len() < 4 {
                            StatusCode::OK
                        } else {
                            StatusCode::BAD_REQUEST
                        }
                    } else {
                        StatusCode::UNAUTHORIZED
                    }
                }
                _ => by_cookie,
            }
        }
        _ => StatusCode::BAD_REQUEST,
    };
    let headers = authorizations
        .into_iter()
        .map(|value| (AUTHORIZATION, value))
        .chain(cookies.into_iter().map(|value| (COOKIE, value)));
    let made_a_session = |headers| {
        let (status, cookie) = send(auth, headers);
        assert_eq!(status, expected);
        cookie.is_some_and(|value| !value.is_empty())
    };
    // A token that somebody put among the seeds makes one session, and only a good one does.
    if made_a_session(headers.clone().collect::<Vec<_>>()) {
        assert_eq!(expected, StatusCode::OK);
        assert!(!made_a_session(headers.collect()), "a second session of one token");
    }
}

fn replace(text: &[u8], what: &[u8], with: &[u8]) -> Vec<u8> {
    match text.windows(what.len()).position(|window| window == what) {
        Some(at) => [&text[..at], with, &text[at + what.len()..]].concat(),
        None => text.to_vec(),
    }
}

/// Any text as an issuer: the one form, and a round trip.
pub fn issuer(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let digits = text.strip_prefix("did:ethr:0x").unwrap_or_default();
    let sound = digits.len() == 40 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let parsed = text.parse::<Issuer>();
    assert_eq!(parsed.is_ok(), sound);
    let Ok(issuer) = parsed else { return };
    let shown = issuer.to_string();
    assert!(shown.eq_ignore_ascii_case(text));
    assert_eq!(shown.parse(), Ok(issuer));
    assert_eq!(Issuer::from(issuer.address()), issuer);
    let json = serde_json::to_string(&issuer).unwrap_or_default();
    assert_eq!(serde_json::from_str::<Issuer>(&json).ok(), Some(issuer));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The committed seeds run on any toolchain: `cargo test --lib`.
    #[test]
    fn seeds_and_findings_hold() {
        for (name, target) in [
            ("token", token as fn(&[u8])),
            ("headers", headers),
            ("issuer", issuer),
            ("redis_record", redis_record),
            ("sealed_cookie", sealed_cookie),
            ("original_url", original_url),
            ("policy_file", policy_file),
            ("claim", |data| {
                if let Ok(case) = ClaimCase::arbitrary(&mut arbitrary::Unstructured::new(data)) {
                    claim(&case);
                }
            }),
        ] {
            let folder = format!("{}/seeds/{name}", env!("CARGO_MANIFEST_DIR"));
            let files = std::fs::read_dir(&folder).expect("seeds");
            let mut count = 0;
            for file in files {
                target(&std::fs::read(file.expect("a file").path()).expect("read"));
                count += 1;
            }
            assert!(count > 0, "no seeds for {name}");
        }
    }
}
