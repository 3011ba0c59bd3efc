//! What people commonly do to a token, or to the question. Hints for people: no verdict
//! depends on them.

use std::time::Duration;

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use tower_didt::token::InvalidAudience::Blank;
use tower_didt::token::{Claim, InvalidAudience};
use tower_didt::{Audiences, Timestamp, TokenError};

/// What the layer of this crate allows where nothing else is configured.
const MAX_TOKEN_AGE: Duration = Duration::from_secs(900);

/// A time in seconds beyond this, the year 5138, is one in milliseconds: there 1973.
const MILLISECONDS: Timestamp = Timestamp::from_secs(100_000_000_000);

const TIMES_ARE_SECONDS: &str = "iat is in milliseconds, it seems; a claim's times are in seconds";

/// Why this text is not a token.
pub(super) fn on_text(token: &[u8]) -> Vec<&'static str> {
    let text = token.trim_ascii();
    let mut hints = Vec::new();
    if text.is_empty() {
        hints.push("there is nothing in it; is the variable set?");
    } else if text.len() < token.len() {
        hints.push("there are blanks or line ends around it");
    }
    let unquoted = text.strip_prefix(b"\"").or_else(|| text.strip_prefix(b"'"));
    let text = unquoted.unwrap_or(text);
    if unquoted.is_some() {
        hints.push("there are quotes around it; they are not part of the token");
    }
    if has_prefix(text, b"authorization:") || has_prefix(text, b"bearer ") {
        hints.push("the header's name or the word Bearer is still on it; pass what comes after");
    } else if text.starts_with(b"eyJ") && text.iter().filter(|byte| **byte == b'.').count() == 2 {
        hints.push("this looks like a JWT; a DID token is made by Magic's getIdToken");
    } else if text.starts_with(b"[") {
        hints.push("this is decoded already; pass the base64 that it came from");
    } else if text.contains(&b'%') {
        hints.push("it is URL-encoded; %2B means +, %2F means /, %3D means =");
    } else if is_cut_off(text) {
        hints.push("its end is missing; was it copied as a whole?");
    }
    hints
}

/// Why a token that can be read would be refused, or might be.
pub(super) fn on_token(
    claim: &Claim,
    now: Timestamp,
    faults: &[&TokenError],
    audiences: &[String],
) -> Vec<&'static str> {
    let mut hints = Vec::new();
    if claim.iat() > MILLISECONDS {
        hints.push(TIMES_ARE_SECONDS);
    }
    for fault in faults {
        match fault {
            TokenError::IncorrectSigner { .. } => hints.push(
                "the proof is for other bytes: was the claim edited, or parsed and written again?",
            ),
            TokenError::AudienceMismatch { .. } if has_fault(audiences, |fault| fault != Blank) => {
                hints.push("an audience is the client id, did:magic:…, not one of the API keys");
            }
            TokenError::AudienceMismatch { .. } if has_fault(audiences, |fault| fault == Blank) => {
                hints.push("an audience is the client id, did:magic:…, without blanks around it");
            }
            TokenError::AudienceMismatch { .. } if !audiences.is_empty() => hints
                .push("the page's publishable key and this client id belong to two applications"),
            TokenError::Expired { .. } => {
                hints.push("ask for a token right before it is sent; Magic's live for 15 minutes");
            }
            TokenError::NotYetValid { .. } if claim.iat() <= MILLISECONDS => {
                hints.push("the clock that made it and this one differ: is one of them wrong?");
            }
            _ => {}
        }
    }
    if faults.is_empty() && now.since(claim.iat()) > MAX_TOKEN_AGE {
        hints.push(
            "issued more than 15 minutes ago: a DidAuth refuses it unless configured otherwise",
        );
    }
    hints
}

fn has_prefix(text: &[u8], prefix: &[u8]) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// Whether one of the audiences cannot be a client id, for a reason like this.
fn has_fault(audiences: &[String], like: impl Fn(InvalidAudience) -> bool) -> bool {
    let faults = audiences.iter().filter_map(|one| Audiences::from(one.as_str()).check().err());
    faults.into_iter().any(like)
}

/// Whether this is the begin of a token: JSON that ends too early.
fn is_cut_off(text: &[u8]) -> bool {
    let lenient = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let alphabet = if text.iter().any(|byte| b"-_".contains(byte)) { URL_SAFE } else { STANDARD };
    // What is left of the last four characters says nothing.
    let whole = text.get(..text.len() - text.len() % 4).unwrap_or_default();
    GeneralPurpose::new(&alphabet, lenient).decode(whole).is_ok_and(|json| {
        json.starts_with(b"[")
            && serde_json::from_slice::<[&serde_json::value::RawValue; 2]>(&json)
                .is_err_and(|error| error.is_eof())
    })
}
