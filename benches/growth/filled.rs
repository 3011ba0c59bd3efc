//! Sessions that are put into a server in bulk: of each, what opens it follows from its number.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use tower_didt::{Address, Issuer, SessionHandle};

/// A session that was filled in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filled(pub(crate) u64);

impl Filled {
    /// SHA-256 of `t` and the number: 32 bytes that nobody guesses, were they not in this file.
    fn id(self) -> [u8; 32] {
        Sha256::digest(format!("t{}", self.0)).into()
    }

    pub(crate) fn handle(self) -> SessionHandle {
        SessionHandle::from_bytes(Sha256::digest(self.id()).into())
    }

    /// Spread evenly, as addresses are.
    pub(crate) fn issuer(self) -> Issuer {
        let hash: [u8; 32] = Sha256::digest(format!("i{}", self.0)).into();
        let mut address = [0; Address::LEN];
        address.copy_from_slice(&hash[..Address::LEN]);
        Address::from_bytes(address).into()
    }

    /// The cookie's value: its id, and where to look for it.
    pub(crate) fn ticket(self, issuer: Issuer) -> String {
        URL_SAFE_NO_PAD.encode(self.id()) + &URL_SAFE_NO_PAD.encode(issuer.address().as_bytes())
    }
}
