//! Bytes in, verified claim out: no I/O, no HTTP, and `now` handed in by the caller.
//!
//! ```text
//! text ─ token ─► DidToken ─ signature ─► SignedClaim ─ verifier ─► VerifiedClaim
//!        (base64, JSON,      (recovers      (cacheable   (audience,
//!         claim, proof form)  the signer)    for ever)    times, attachment)
//! ```
//!
//! The curve is behind `signature`; `issuer_key` is what spares half of it.

mod audiences;
mod claim;
mod clock;
mod curve;
mod error;
mod issuer;
mod issuer_key;
mod json;
mod personal_sign;
mod quoted;
mod signature;
mod signed;
mod time;
mod token;
mod verifier;

pub use self::audiences::{Audiences, InvalidAudience};
pub use self::claim::Claim;
pub use self::clock::{Clock, SystemClock};
pub use self::error::{Field, Malformed, SignatureFault, SignatureOf, TokenError};
pub use self::issuer::{Address, Issuer, ParseIssuerError};
pub use self::issuer_key::IssuerKey;
pub use self::signed::{ClaimDigest, SignedClaim};
pub use self::time::{OutOfRange, Timestamp};
pub use self::token::{DidToken, MAX_TOKEN_LEN};
pub use self::verifier::{DEFAULT_LEEWAY, VerifiedClaim, Verifier};

#[cfg(feature = "testing")]
pub(crate) use self::{personal_sign::prehash, signature::address_of};

/// Who made a signature, over any digest: what the public API does not allow.
#[cfg(any(fuzzing, tower_didt_internals))]
pub(crate) fn recover_signer(text: &str, digest: &[u8; 32]) -> Result<Address, SignatureFault> {
    let key = signature::Signature::parse(text)?.recover(digest)?;
    Ok(address_of(&key))
}
