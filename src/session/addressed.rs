//! Tickets that tell whose session they open, for stores that look there.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::{SessionHandle, Ticket};
use crate::did::{Address, Issuer};

/// Digits of a session id: 32 bytes in base64.
const ID_DIGITS: usize = 43;

/// Digits of an issuer's address in a ticket: 20 bytes in base64.
const ADDRESS_DIGITS: usize = 27;

/// The cookie's value: the session id and, behind it, whose session it is.
///
/// The address tells where to look, nothing more: the session is found by the hash of the id, within
/// that issuer's sessions.
pub(super) fn ticket(id: &Ticket, issuer: Issuer) -> Ticket {
    let address = Zeroizing::new(URL_SAFE_NO_PAD.encode(issuer.address().as_bytes()));
    // Never grows, so that no copy of the id stays behind in freed memory.
    let mut text = String::with_capacity(ID_DIGITS + ADDRESS_DIGITS);
    text.push_str(id.expose_secret());
    text.push_str(&address);
    Ticket::from_secret(text)
}

/// What a ticket says, or `None` if no ticket of this store looks like that.
pub(super) fn read_ticket(text: &str) -> Option<(SessionHandle, Issuer)> {
    let (id, digits) = text.split_at_checked(ID_DIGITS)?;
    let mut address = [0; Address::LEN];
    let length = URL_SAFE_NO_PAD.decode_slice(digits, &mut address).ok()?;
    let issuer = Address::from_bytes(address).into();
    (length == Address::LEN).then_some((Ticket::handle_of(id)?, issuer))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issuer() -> Issuer {
        "did:ethr:0x52908400098527886E0F7030069857D2E4169EE7".parse().expect("an issuer")
    }

    #[test]
    fn a_ticket_is_read_back_and_has_one_text() {
        let (id, handle) = Ticket::random().expect("randomness");
        let ticket = ticket(&id, issuer());
        let text = ticket.expose_secret();
        assert_eq!(text.len(), 70);
        assert_eq!(read_ticket(text), Some((handle, issuer())));
        let longer = format!("{text}A");
        for bad in [
            "",
            "é",
            id.expose_secret(),
            &text[..69],
            &longer,
            &"é".repeat(35),
            &"A".repeat(100_000),
        ] {
            assert_eq!(read_ticket(bad), None, "{bad:?}");
        }
        // 20 bytes leave two bits of the last digit unused: they must be zero.
        let mut bent = text.to_owned();
        let last = bent.pop().expect("70 digits");
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let at = alphabet.iter().position(|b| *b == last as u8).expect("a digit");
        bent.push(alphabet[at + 1] as char);
        assert_eq!(read_ticket(&bent), None);
    }
}
