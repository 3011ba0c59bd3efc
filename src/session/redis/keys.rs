//! What the keys are called.
//!
//! All keys of an issuer carry the issuer's address in braces: a cluster keeps
//! them in one slot (the *hash tag* of the cluster specification), so that one
//! command or script changes them together or not at all.

use crate::did::{Address, Issuer};
#[cfg(feature = "sealed")]
use crate::session::SessionHandle;
use crate::session::TokenMark;

/// Slots of every cluster.
pub(super) const SLOTS: u16 = 16_384;

/// The longest prefix. Every key carries it.
const MAX_PREFIX_LEN: usize = 64;

/// What the keys of one application are called.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    prefix: Box<str>,
}

/// What a key is the name of.
#[derive(Debug, PartialEq)]
pub(super) enum Named {
    /// Something of an issuer's that processes have copies of.
    CopiedOf(Address),
    /// Another key of an issuer's, of which no process has a copy.
    Other,
}

impl Keys {
    /// Keys that begin with `prefix`, or `None` if it is empty, longer than 64 bytes or
    /// has anything but visible ASCII without braces (a brace would choose the slot).
    pub(super) fn new(prefix: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'{' && byte != b'}';
        let good = (1..=MAX_PREFIX_LEN).contains(&prefix.len()) && prefix.bytes().all(plain);
        good.then(|| Self { prefix: prefix.into() })
    }

    /// The key of an issuer with this ending. Put together by hand: every question for a session makes one,
    /// and `format!` takes several times as long.
    fn of(&self, issuer: Issuer, ending: &str) -> String {
        let digits = issuer.address().digits();
        // Hexadecimal digits always are text.
        let digits = std::str::from_utf8(&digits).unwrap_or_default();
        [&self.prefix, ":{0x", digits, "}:", ending].concat()
    }

    /// The hash of an issuer's sessions.
    pub(super) fn sessions_of(&self, issuer: Issuer) -> String {
        self.of(issuer, "s")
    }

    /// What matches the names of all issuers' hashes of sessions, as `SCAN` reads patterns.
    pub(super) fn pattern_of_sessions(&self) -> String {
        let mut pattern = String::new();
        for character in self.prefix.chars() {
            if matches!(character, '*' | '?' | '[' | ']' | '^' | '-' | '\\') {
                pattern.push('\\');
            }
            pattern.push(character);
        }
        pattern + ":{0x*}:s"
    }

    /// Whose sessions a key of that pattern holds.
    pub(super) fn issuer_of_sessions(&self, key: &str) -> Option<Issuer> {
        let tag = key.strip_prefix(&*self.prefix)?.strip_prefix(":{")?.strip_suffix("}:s")?;
        tag.parse::<Address>().ok().map(Issuer::from)
    }

    /// The hash of an issuer's sessions, their index, and how far reading into the index has come.
    pub(super) fn list_of(&self, issuer: Issuer) -> Vec<String> {
        let progress = self.of(issuer, "c");
        vec![self.sessions_of(issuer), self.index_of(issuer), progress]
    }

    /// The handles of an issuer's sessions in their order.
    pub(super) fn index_of(&self, issuer: Issuer) -> String {
        self.of(issuer, "i")
    }

    /// The mark of a used token.
    pub(super) fn token(&self, token: &TokenMark) -> String {
        let digest = hex::encode(token.digest.as_bytes());
        format!("{}:{digest}", self.of(token.issuer, "t"))
    }

    /// The revocations of an issuer's tokens.
    pub(super) fn revoked_of(&self, issuer: Issuer) -> String {
        self.of(issuer, "r")
    }

    /// When the newest token of an issuer was issued.
    pub(super) fn newest_of(&self, issuer: Issuer) -> String {
        self.of(issuer, "n")
    }

    /// The latest birth assigned to a sealed session of an issuer.
    #[cfg(feature = "sealed")]
    pub(super) fn births_of(&self, issuer: Issuer) -> String {
        self.of(issuer, "b")
    }

    /// The hash of an issuer's ended sealed sessions.
    #[cfg(feature = "sealed")]
    pub(super) fn ends_of(&self, issuer: Issuer) -> String {
        self.of(issuer, "e")
    }

    /// The newest version of a sealed session's data.
    #[cfg(feature = "sealed")]
    pub(super) fn version_of(&self, issuer: Issuer, handle: SessionHandle) -> String {
        format!("{}:{handle}", self.of(issuer, "v"))
    }

    /// What a key names, or `None` if it is not one of ours.
    pub(super) fn read(&self, key: &[u8]) -> Option<Named> {
        let rest = key.strip_prefix(self.prefix.as_bytes())?.strip_prefix(b":{0x")?;
        let (digits, rest) = rest.split_at_checked(2 * Address::LEN)?;
        let mut address = [0; Address::LEN];
        hex::decode_to_slice(digits, &mut address).ok()?;
        match rest.strip_prefix(b"}:")? {
            b"s" | b"e" => Some(Named::CopiedOf(Address::from_bytes(address))),
            b"n" | b"b" | b"r" | b"i" | b"c" => Some(Named::Other),
            [b't' | b'v', b':', ..] => Some(Named::Other),
            _ => None,
        }
    }
}

/// The slot of all keys of an issuer.
pub(super) fn slot_of(issuer: Issuer) -> u16 {
    crc16(b"0x".iter().chain(&issuer.address().digits())) % SLOTS
}

/// CRC-16/XMODEM, by which a cluster assigns slots (cluster specification, appendix).
fn crc16<'a>(bytes: impl IntoIterator<Item = &'a u8>) -> u16 {
    bytes.into_iter().fold(0, |crc, byte| {
        let [high, low] = crc.to_be_bytes();
        let step = CRC16.get(usize::from(high ^ byte)).copied().unwrap_or_default();
        (u16::from(low) << 8) ^ step
    })
}

/// What a byte does to the sum: every question to a cluster asks for the sum of 42 of them.
const CRC16: [u16; 256] = {
    let mut table = [0; 256];
    let (mut steps, mut byte): (&mut [u16], u16) = (&mut table, 0);
    while let [first, rest @ ..] = steps {
        let (mut crc, mut bit) = (byte << 8, 0);
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
            bit += 1;
        }
        *first = crc;
        (steps, byte) = (rest, byte + 1);
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    fn issuer() -> Issuer {
        "did:ethr:0x52908400098527886E0F7030069857D2E4169EE7".parse().expect("an issuer")
    }

    #[test]
    fn a_key_is_read_back_and_another_prefix_is_not_ours() {
        let keys = Keys::new("didt").expect("a prefix");
        let key = keys.sessions_of(issuer());
        assert_eq!(key, "didt:{0x52908400098527886e0f7030069857d2e4169ee7}:s");
        assert_eq!(keys.read(key.as_bytes()), Some(Named::CopiedOf(issuer().address())));
        let [sessions, index, progress] = keys.list_of(issuer()).try_into().expect("three keys");
        assert_eq!(sessions, key);
        for key in [index, progress] {
            assert_eq!(keys.read(key.as_bytes()), Some(Named::Other));
            let slot = key.split_once('{').zip(key.split_once('}'));
            assert!(slot.is_some(), "{key}");
        }
        #[cfg(feature = "sealed")]
        {
            let (ends, births) = (keys.ends_of(issuer()), keys.births_of(issuer()));
            assert_eq!(keys.read(ends.as_bytes()), Some(Named::CopiedOf(issuer().address())));
            assert_eq!(keys.read(births.as_bytes()), Some(Named::Other));
        }
        assert_eq!(Keys::new("shop").expect("a prefix").read(key.as_bytes()), None);
        for bad in
            ["", "didt", "didt:{0x52}:s", "didt:{0xzz908400098527886e0f7030069857d2e4169ee7}:s"]
        {
            assert_eq!(keys.read(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn prefixes_that_would_choose_the_slot_or_break_a_key_are_refused() {
        for bad in ["", "a b", "{a}", "}", "ä", "a\n", &"x".repeat(65)] {
            assert!(Keys::new(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn slots_are_those_of_the_cluster_specification() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(crc16(b"foo") % SLOTS, 12_182); // CLUSTER KEYSLOT foo
        // By Python: binascii.crc_hqx(b"0x52908400098527886e0f7030069857d2e4169ee7", 0) % 16384
        assert_eq!(slot_of(issuer()), 4_390);
        assert_eq!(slot_of(Address::from_bytes([0; 20]).into()), 15_912);
    }
}
