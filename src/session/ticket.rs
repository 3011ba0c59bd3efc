//! The secret that a session cookie carries.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{SessionHandle, StoreError};

/// Random bytes in a session id: 256 bits, twice what ASVS 5.0 asks for (7.2.3).
const ID_LEN: usize = 32;

/// The value of a session cookie: its holder is signed in.
///
/// Wiped from memory when dropped; `Debug` does not show it.
pub struct Ticket(Zeroizing<String>);

impl Ticket {
    /// A new session id, 256 bits from the operating system's generator, as 43
    /// digits of URL-safe base64; and the handle that a store keeps in its place.
    ///
    /// # Errors
    ///
    /// [`StoreError::Randomness`] if the operating system's random number generator failed.
    pub fn random() -> Result<(Self, SessionHandle), StoreError> {
        let mut id = Zeroizing::new([0u8; ID_LEN]);
        getrandom::fill(&mut *id).map_err(|_| StoreError::Randomness)?;
        let text = Zeroizing::new(URL_SAFE_NO_PAD.encode(*id));
        Ok((Self(text), handle_of(&id)))
    }

    /// A ticket of a store's own making, such as a sealed session. It must consist
    /// of characters that a cookie's value may have (RFC 6265, `cookie-octet`).
    #[must_use]
    pub fn from_secret(value: String) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The cookie's value. Keep it out of logs.
    #[must_use]
    pub fn expose_secret(&self) -> &str {
        &self.0
    }

    /// The handle of the session whose id a client sent, or `None` if `ticket` is
    /// no id that [`random`](Self::random) could have made.
    ///
    /// A store finds sessions by this hash, never by the id: what is read out of
    /// a store opens no session (CVE-2019-16782), and comparing hashes gives no
    /// timing to learn an id from.
    #[must_use]
    pub fn handle_of(ticket: &str) -> Option<SessionHandle> {
        let mut id = Zeroizing::new([0u8; ID_LEN]);
        let length = URL_SAFE_NO_PAD.decode_slice(ticket, &mut *id).ok()?;
        (length == ID_LEN).then(|| handle_of(&id))
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket(redacted)")
    }
}

fn handle_of(id: &[u8; ID_LEN]) -> SessionHandle {
    SessionHandle::from_bytes(Sha256::digest(id).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_256_random_bits_and_is_found_by_its_hash_alone() {
        let (ticket, handle) = Ticket::random().expect("randomness");
        assert_eq!(ticket.expose_secret().len(), 43);
        assert_eq!(Ticket::handle_of(ticket.expose_secret()), Some(handle));
        let (other, _) = Ticket::random().expect("randomness");
        assert_ne!(other.expose_secret(), ticket.expose_secret());
    }

    #[test]
    fn the_stored_hash_presented_as_a_ticket_is_another_session() {
        let (_, handle) = Ticket::random().expect("randomness");
        let as_ticket = URL_SAFE_NO_PAD.encode(handle.as_bytes());
        assert_ne!(Ticket::handle_of(&as_ticket), Some(handle));
        assert_eq!(Ticket::handle_of(&handle.to_string()), None);
    }

    #[test]
    fn one_id_has_one_text() {
        let (ticket, _) = Ticket::random().expect("randomness");
        let text = ticket.expose_secret();
        for bad in [format!("{text}="), format!(" {text}"), format!("{text}A"), text[..42].into()] {
            assert_eq!(Ticket::handle_of(&bad), None, "{bad:?}");
        }
        // The last digit carries four bits: the other two must be zero.
        let mut bent = text.to_owned();
        let last = bent.pop().expect("43 digits");
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let at = alphabet.iter().position(|b| *b == last as u8).expect("a digit");
        bent.push(alphabet[at + 1] as char);
        assert_eq!(Ticket::handle_of(&bent), None);
    }

    #[test]
    fn debug_shows_nothing() {
        let (ticket, _) = Ticket::random().expect("randomness");
        assert_eq!(format!("{ticket:?}"), "Ticket(redacted)");
    }
}
