//! Handles that say what they name, so that it need not be looked up.

use hmac::Mac;

use super::keys::{SealingKey, SealingKeys};
use super::ledger::{Birth, SealedSession};
use crate::did::{Issuer, Timestamp};
use crate::session::SessionHandle;

/// Bytes of the signature: nobody can try 2⁹⁶ of them on a server.
const MAC_LEN: usize = 12;

/// Random bytes, for sessions of one issuer that are born in the same
/// microsecond on machines that know nothing of each other.
const RANDOM_LEN: usize = 4;

/// What a handle says about its session.
///
/// ```text
/// 0        8              16           20          32
/// │ birth  │ end, as f64  │ random     │ signature │
/// ```
///
/// All big-endian. The signature covers the issuer too. So a store that keeps no
/// list knows of a handle alone whether it named a session of this issuer, and
/// for how long a revocation has to be remembered; nobody can fill that memory
/// with revocations of sessions that never were.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct HandleParts {
    pub(super) birth: Birth,
    pub(super) expires_at: Timestamp,
    pub(super) random: [u8; RANDOM_LEN],
}

impl HandleParts {
    /// The handle, signed with the session's key.
    pub(super) fn sign(self, key: &SealingKey, issuer: Issuer) -> SessionHandle {
        let text = self.to_bytes();
        let mac = key.handle_mac(&[issuer.address().as_bytes(), &text]).finalize().into_bytes();
        let mut handle = [0; 32];
        handle.iter_mut().zip(text.into_iter().chain(mac)).for_each(|(to, from)| *to = from);
        SessionHandle::from_bytes(handle)
    }

    /// Reads a handle without asking whether it is genuine.
    pub(super) fn read(handle: &SessionHandle) -> Option<Self> {
        let (birth, rest) = handle.as_bytes().split_first_chunk()?;
        let (end, rest) = rest.split_first_chunk()?;
        let (random, _) = rest.split_first_chunk()?;
        Some(Self {
            birth: Birth::from_u64(u64::from_be_bytes(*birth)),
            expires_at: Timestamp::from_secs_f64(f64::from_be_bytes(*end))?,
            random: *random,
        })
    }

    pub(super) const fn session(self, issuer: Issuer, handle: SessionHandle) -> SealedSession {
        SealedSession { issuer, handle, birth: self.birth, expires_at: self.expires_at }
    }

    fn to_bytes(self) -> [u8; 32 - MAC_LEN] {
        let mut bytes = [0; 32 - MAC_LEN];
        let parts = self.birth.as_u64().to_be_bytes().into_iter();
        let parts = parts.chain(self.expires_at.as_secs_f64().to_be_bytes()).chain(self.random);
        bytes.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
        bytes
    }
}

/// The session that a handle names, and its key; `None` if no key of ours ever
/// gave this handle to a session of this issuer.
pub(super) fn session_of(
    keys: &SealingKeys,
    issuer: Issuer,
    handle: SessionHandle,
) -> Option<(&SealingKey, SealedSession)> {
    let (text, mac) = handle.as_bytes().split_last_chunk::<MAC_LEN>()?;
    let issuer_bytes = issuer.address();
    let is_signed_by = |key: &&SealingKey| {
        let signature = key.handle_mac(&[issuer_bytes.as_bytes(), text]);
        signature.verify_truncated_left(mac).is_ok()
    };
    let key = keys.iter().find(is_signed_by)?;
    Some((key, HandleParts::read(&handle)?.session(issuer, handle)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> HandleParts {
        HandleParts {
            birth: Birth::from_u64(0x0102_0304_0506_0708),
            expires_at: Timestamp::from_secs(1_700_000_000),
            random: [9; 4],
        }
    }

    fn issuer(byte: u8) -> Issuer {
        crate::did::Address::from_bytes([byte; 20]).into()
    }

    #[test]
    fn a_handle_says_what_it_names() {
        let keys = SealingKeys::generate().expect("randomness");
        let handle = parts().sign(keys.newest(), issuer(1));
        let (_, session) = session_of(&keys, issuer(1), handle).expect("a session");
        assert_eq!(HandleParts::read(&handle), Some(parts()));
        assert_eq!((session.issuer, session.handle), (issuer(1), handle));
        assert_eq!((session.birth, session.expires_at), (parts().birth, parts().expires_at));
    }

    #[test]
    fn no_changed_handle_and_no_other_issuer_is_believed() {
        let keys = SealingKeys::generate().expect("randomness");
        let handle = parts().sign(keys.newest(), issuer(1));
        assert!(session_of(&keys, issuer(2), handle).is_none());
        for position in 0..32 {
            let mut bytes = *handle.as_bytes();
            bytes[position] ^= 1;
            let changed = SessionHandle::from_bytes(bytes);
            assert!(session_of(&keys, issuer(1), changed).is_none(), "byte {position}");
        }
        let others = SealingKeys::generate().expect("randomness");
        assert!(session_of(&others, issuer(1), handle).is_none());
    }
}
