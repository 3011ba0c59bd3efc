//! The headers that tell the upstream about the caller.

use http::{HeaderMap, HeaderValue};
use tower_didt::{Session, Timestamp};

use super::super::assertion::Signer;
use super::super::config::IdentityHeaders;
use super::super::people::ascii_email;
use super::denial::Denial;

/// Writes every identity header, empty if there is nothing to say: a header that is missing
/// from the answer would let the client's own value through at some gateways (GHSA-7r4p-vjf4-gxv4,
/// CVE-2026-31908).
pub(super) fn write(
    headers: &mut HeaderMap,
    names: &IdentityHeaders,
    session: Option<&Session>,
    signer: Option<&Signer>,
    now: Timestamp,
) -> Result<(), Denial> {
    for name in names.all() {
        headers.insert(name, HeaderValue::from_static(""));
    }
    let Some(session) = session else { return Ok(()) };
    let mut set = |name, value: String| {
        let value = HeaderValue::try_from(value).map_err(|_| Denial::Unsigned)?;
        headers.insert(name, value);
        Ok(())
    };
    // The issuer's text ends in the address, whose checksum takes a hash: it is made once for both.
    let issuer = session.issuer().to_string();
    let address = issuer.rsplit_once(':').map_or(issuer.as_str(), |(_, address)| address);
    set(&names.address, address.to_owned())?;
    set(&names.issuer, issuer)?;
    set(&names.expires, session.expires_at().as_secs().to_string())?;
    if let Some(email) = ascii_email(session) {
        set(&names.email, email)?;
    }
    if let Some(handle) = session.handle() {
        set(&names.session, handle.to_string())?;
    }
    if let Some(signer) = signer {
        set(&names.assertion, signer.sign(session, now).map_err(|_| Denial::Unsigned)?)?;
    }
    Ok(())
}
