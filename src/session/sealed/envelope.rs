//! Sealing bytes into the value of a cookie, and opening it again.

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::keys::{SealingKey, SealingKeys};
use crate::session::Ticket;

/// The form of an envelope and of what it holds. Forms that are added later get
/// another number, and this one stays readable.
const VERSION: u8 = 1;

const SALT_LEN: usize = 32;
const TAG_LEN: usize = 16;
const HEADER_LEN: usize = 1 + 4 + SALT_LEN;

/// Separates our envelopes from whatever else might be sealed with the same key.
const CONTEXT: &[u8] = b"tower-didt sealed session";

/// Every envelope has its own key, derived from 256 random bits, which
/// seals nothing else. So there is nothing for a nonce to distinguish.
///
/// With one key for all envelopes and random 96-bit nonces, no more than 2³² of
/// them might be sealed with a key (NIST SP 800-38D section 8.3), which a busy
/// service reaches within months. One HMAC each, and there is no such bound.
const NONCE: [u8; 12] = [0; 12];

/// Random bytes for one envelope.
pub(super) type Salt = [u8; SALT_LEN];

/// Characters of an envelope that holds so many bytes.
pub(super) const fn sealed_len(content: usize) -> usize {
    (HEADER_LEN.saturating_add(content).saturating_add(TAG_LEN)).saturating_mul(4).saturating_add(2)
        / 3
}

/// Seals: version, key id, salt, ciphertext, tag, as URL-safe base64.
///
/// Authenticated in addition to the content: that it is a session of this crate,
/// version and key id, and the cookie's name, so that a value from one cookie is
/// worth nothing in another.
///
/// `None` only for contents of more than 64 GiB.
pub(super) fn seal(
    key: &SealingKey,
    cookie: &str,
    salt: &Salt,
    content: Vec<u8>,
) -> Option<Ticket> {
    let header = header(key, salt);
    let mut content = content;
    let tag = Aes256Gcm::new((&*key.of_envelope(salt)).into())
        .encrypt_inout_detached(
            &NONCE.into(),
            &associated_data(&header, cookie),
            InOutBuf::from(content.as_mut_slice()),
        )
        .ok()?;
    let envelope = [header.as_slice(), &content, &tag].concat();
    Some(Ticket::from_secret(URL_SAFE_NO_PAD.encode(envelope)))
}

/// Opens what [`seal`] sealed with any of the keys for this cookie, and reads its content; `None`
/// for anything else.
pub(super) fn open<T>(
    keys: &SealingKeys,
    cookie: &str,
    ticket: &str,
    read: impl Fn(&[u8]) -> Option<T>,
) -> Option<T> {
    let (version, id) = version_and_key(ticket)?;
    if version != VERSION {
        return None;
    }
    // Two keys of one id are unlikely, not impossible.
    keys.iter().filter(|key| key.id == id).find_map(|key| {
        let mut envelope = URL_SAFE_NO_PAD.decode(ticket).ok()?;
        let (header, sealed) = envelope.split_first_chunk_mut::<HEADER_LEN>()?;
        let (content, tag) = sealed.split_last_chunk_mut::<TAG_LEN>()?;
        let (_, salt) = header.split_last_chunk()?;
        Aes256Gcm::new((&*key.of_envelope(salt)).into())
            .decrypt_inout_detached(
                &NONCE.into(),
                &associated_data(header, cookie),
                InOutBuf::from(&mut *content),
                (&*tag).into(),
            )
            .ok()?;
        read(content)
    })
}

/// What an envelope begins with: eight digits are six bytes.
fn version_and_key(ticket: &str) -> Option<(u8, [u8; 4])> {
    let mut start = [0; 6];
    let length =
        URL_SAFE_NO_PAD.decode_slice(ticket.as_bytes().first_chunk::<8>()?, &mut start).ok()?;
    let [version, id @ .., _] = start;
    (length == start.len()).then_some((version, id))
}

fn header(key: &SealingKey, salt: &Salt) -> [u8; HEADER_LEN] {
    let mut header = [0; HEADER_LEN];
    let parts = [VERSION].into_iter().chain(key.id).chain(*salt);
    header.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
    header
}

/// Fixed lengths first, so that no two of these can be the same bytes.
fn associated_data(header: &[u8; HEADER_LEN], cookie: &str) -> Vec<u8> {
    [CONTEXT, header, cookie.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COOKIE: &str = "__Host-didt";

    fn keys() -> SealingKeys {
        SealingKeys::generate().expect("randomness")
    }

    fn opened(keys: &SealingKeys, cookie: &str, ticket: &str) -> Option<Vec<u8>> {
        open(keys, cookie, ticket, |content| Some(content.to_vec()))
    }

    fn sealed(keys: &SealingKeys, content: &[u8]) -> String {
        let ticket = seal(keys.newest(), COOKIE, &[5; 32], content.to_vec()).expect("short");
        ticket.expose_secret().to_owned()
    }

    #[test]
    fn what_was_sealed_opens_and_its_length_was_known() {
        let keys = keys();
        for length in 0..200 {
            let content = vec![b'x'; length];
            let text = sealed(&keys, &content);
            assert_eq!(text.len(), sealed_len(length));
            assert_eq!(opened(&keys, COOKIE, &text), Some(content));
        }
        assert_eq!(sealed_len(usize::MAX), usize::MAX / 3);
    }

    #[test]
    fn a_change_of_any_bit_opens_nothing() {
        let keys = keys();
        let envelope = URL_SAFE_NO_PAD.decode(sealed(&keys, b"content")).expect("base64");
        for position in 0..envelope.len() {
            for bit in 0..8 {
                let mut changed = envelope.clone();
                changed[position] ^= 1 << bit;
                let text = URL_SAFE_NO_PAD.encode(changed);
                assert_eq!(opened(&keys, COOKIE, &text), None, "bit {bit} of byte {position}");
            }
        }
    }

    #[test]
    fn a_change_of_any_character_opens_nothing() {
        let keys = keys();
        // A length at which the last character carries bits that mean nothing.
        let text = sealed(&keys, b"content!");
        assert_eq!(text.len() % 4, 2);
        for position in 0..text.len() {
            for other in *b"ABQgw-_=+/ \0" {
                let mut changed = text.clone().into_bytes();
                if changed[position] != other {
                    changed[position] = other;
                    let changed = String::from_utf8(changed).expect("ASCII");
                    assert_eq!(opened(&keys, COOKIE, &changed), None, "{other} at {position}");
                }
            }
        }
    }

    #[test]
    fn a_part_of_an_envelope_opens_nothing() {
        let keys = keys();
        let text = sealed(&keys, b"content");
        for length in 0..text.len() {
            assert_eq!(opened(&keys, COOKIE, &text[..length]), None, "{length} characters");
            assert_eq!(opened(&keys, COOKIE, &text[text.len() - length..]), None);
        }
        assert_eq!(opened(&keys, COOKIE, &format!("{text}AAAA")), None);
        assert_eq!(opened(&keys, COOKIE, &format!("{text}=")), None);
    }

    #[test]
    fn another_key_or_cookie_opens_nothing() {
        let keys = keys();
        let text = sealed(&keys, b"content");
        assert_eq!(opened(&SealingKeys::generate().expect("randomness"), COOKIE, &text), None);
        for cookie in ["", "__Host-didt2", "__Host-did", "__Host-DIDT"] {
            assert_eq!(opened(&keys, cookie, &text), None, "{cookie:?}");
        }
    }

    #[test]
    fn the_same_content_is_never_sealed_the_same_way() {
        let keys = keys();
        let seal = |salt| seal(keys.newest(), COOKIE, &[salt; 32], b"content".to_vec());
        let (one, two) = (seal(1).expect("short"), seal(2).expect("short"));
        let bytes = |ticket: &Ticket| URL_SAFE_NO_PAD.decode(ticket.expose_secret()).expect("ok");
        let (one, two) = (bytes(&one), bytes(&two));
        assert_eq!(one[..5], two[..5], "version and key id");
        let same = one[37..].iter().zip(&two[37..]).filter(|(a, b)| a == b).count();
        assert!(same < 5, "{same} of 23 bytes are the same under another salt");
    }
}
