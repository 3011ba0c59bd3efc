//! Who signed: one key is one identity, in one canonical form (EIP-55).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha3::{Digest, Keccak256};

/// The method-specific prefix of every issuer that Magic signs for.
const DID_PREFIX: &str = "did:ethr:";

/// An Ethereum address, 20 bytes: what Magic calls the user's *public address*.
///
/// Displayed as `0x` and 40 hexadecimal digits with the EIP-55 checksum in
/// their case; parsed in any case.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address([u8; Self::LEN]);

impl Address {
    /// Length in bytes.
    pub const LEN: usize = 20;

    /// An address from its 20 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The 20 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// The 40 hexadecimal digits in lower case, without `0x`.
    pub(crate) fn digits(&self) -> [u8; 2 * Self::LEN] {
        let mut digits = [0; 2 * Self::LEN];
        // The lengths fit. (`hex::encode` makes a `String` digit by digit, which takes several times as long.)
        let _ = hex::encode_to_slice(self.0, &mut digits);
        digits
    }
}

impl fmt::Display for Address {
    /// `0x` and 40 digits, upper case where the EIP-55 checksum says so.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = self.digits();
        let checksum = Keccak256::digest(digits);
        for (position, digit) in digits.iter_mut().enumerate() {
            let byte = checksum.get(position / 2).copied().unwrap_or_default();
            let nibble = if position % 2 == 0 { byte >> 4 } else { byte & 0x0f };
            if nibble >= 8 {
                digit.make_ascii_uppercase();
            }
        }
        f.write_str("0x")?;
        f.write_str(std::str::from_utf8(&digits).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Address {
    type Err = ParseIssuerError;

    /// Reads `0x` and exactly 40 hexadecimal digits, in any case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix("0x").ok_or(ParseIssuerError(()))?;
        let mut bytes = [0; Self::LEN];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| ParseIssuerError(()))?;
        Ok(Self(bytes))
    }
}

/// The issuer of a token, `did:ethr:0x<address>`: **the** identity of a user.
///
/// Displayed in one canonical form, with the EIP-55 checksum, so that one key
/// is one identity wherever it is stored or compared; parsed in any case of
/// the digits. Chain ids, public keys, fragments and other DID methods are
/// refused: no Magic token carries them.
///
/// ```
/// use tower_didt::Issuer;
///
/// let issuer: Issuer = "did:ethr:0xb9e2fb6db1c2da8c6d6bd66bb1d7a4f2a7b3c5d1".parse()?;
/// assert_eq!(issuer, issuer.to_string().parse()?);
/// # Ok::<(), tower_didt::token::ParseIssuerError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Issuer(Address);

impl Issuer {
    /// The Ethereum address of the issuer's key.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.0
    }

    /// Whether parsing this text gives this issuer. Compares digits, which takes a fraction of the time
    /// that parsing them takes.
    #[cfg(any(test, feature = "redis"))]
    pub(crate) fn is_written(&self, text: &str) -> bool {
        let digits = text.strip_prefix(DID_PREFIX).and_then(|address| address.strip_prefix("0x"));
        digits.is_some_and(|digits| digits.as_bytes().eq_ignore_ascii_case(&self.0.digits()))
    }
}

impl From<Address> for Issuer {
    fn from(address: Address) -> Self {
        Self(address)
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{DID_PREFIX}{}", self.0)
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Issuer {
    type Err = ParseIssuerError;

    /// Reads `did:ethr:0x` and exactly 40 hexadecimal digits, in any case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.strip_prefix(DID_PREFIX).ok_or(ParseIssuerError(()))?.parse().map(Self)
    }
}

impl Serialize for Issuer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Issuer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// The text is not `did:ethr:0x` (or `0x`, for an address) and 40 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseIssuerError(());

impl fmt::Display for ParseIssuerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected did:ethr:0x and 40 hexadecimal digits")
    }
}

impl std::error::Error for ParseIssuerError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of EIP-55 itself.
    const EIP_55: [&str; 8] = [
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
        "0xde709f2102306220921060314715629080e2fb77",
        "0x27b1fdb04752bbc536007a920d24acb045561c26",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ];

    #[test]
    fn every_case_of_the_digits_displays_as_eip_55() {
        for canonical in EIP_55 {
            for text in [canonical.to_owned(), canonical.to_lowercase(), upper(canonical)] {
                let address: Address = text.parse().expect(canonical);
                assert_eq!(address.to_string(), canonical);
                let issuer: Issuer = format!("did:ethr:{text}").parse().expect(canonical);
                assert_eq!(issuer.to_string(), format!("did:ethr:{canonical}"));
            }
        }
    }

    #[test]
    fn a_text_names_an_issuer_where_parsing_it_gives_that_issuer() {
        let issuer: Issuer = format!("did:ethr:{}", EIP_55[0]).parse().expect("an issuer");
        let text = issuer.to_string();
        let lower = text.to_lowercase();
        let upper = format!("did:ethr:0x{}", text["did:ethr:0x".len()..].to_uppercase());
        for text in [
            &text,
            &lower,
            &upper,
            &text.to_uppercase(),
            &format!("{text}0"),
            &text[..text.len() - 1],
            &text["did:ethr:".len()..],
            &format!("did:ethr:{}", EIP_55[1]),
            "did:ethr:",
            "é",
        ] {
            assert_eq!(issuer.is_written(text), text.parse() == Ok(issuer), "{text:?}");
        }
        assert!(issuer.is_written(&lower) && issuer.is_written(&upper));
    }

    #[test]
    fn anything_but_the_one_form_is_refused() {
        let digits = "52908400098527886e0f7030069857d2e4169ee7";
        for bad in [
            format!("did:ethr:0X{digits}"),
            format!("DID:ethr:0x{digits}"),
            format!("did:ethr:0x1:0x{digits}"),
            format!("did:ethr:0x{digits}#owner"),
            format!("did:ethr:0x{digits} "),
            format!(" did:ethr:0x{digits}"),
            format!("did:ethr:0x{}", &digits[1..]),
            format!("did:ethr:0x0{digits}"),
            format!("did:ethr:0x00{digits}"),
            format!("did:ethr:{digits}"),
            format!("did:key:0x{digits}"),
            format!("0x{digits}"),
            format!("did:ethr:0x{}g", &digits[1..]),
            String::new(),
        ] {
            assert!(bad.parse::<Issuer>().is_err(), "{bad:?} was taken for an issuer");
        }
    }

    fn upper(address: &str) -> String {
        format!("0x{}", address[2..].to_uppercase())
    }
}
