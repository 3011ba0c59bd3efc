//! An e-mail address: an attribute of a person, never the identity.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The longest address in bytes: RFC 5321, section 4.5.3.1.3 allows a path of 256, brackets included.
const MAX_LEN: usize = 254;

/// The longest local part in bytes: RFC 5321, section 4.5.3.1.1.
const MAX_LOCAL_LEN: usize = 64;

/// The longest domain in bytes: RFC 1035, section 2.3.4, without the root's dot.
const MAX_DOMAIN_LEN: usize = 253;

/// The longest label of a domain in bytes: RFC 1035, section 2.3.4.
const MAX_LABEL_LEN: usize = 63;

/// An e-mail address as Magic states it, with its domain in lower case.
///
/// **An attribute, never the identity**: two issuers may have one address (somebody who
/// signs in by e-mail and by Google), and the address of an issuer can change. Look users up by
/// [`Issuer`](crate::Issuer).
///
/// Exactly one `@`; a local part without quotes, spaces, commas and control characters; a domain
/// of letters, digits and hyphens. Two addresses are equal if their domains are, and their local
/// parts differ in the case of ASCII letters at most. No other folding takes place, so a letter
/// that merely looks alike is another address.
///
/// A domain in Unicode is kept in its ASCII form (IDNA) with the feature `idna`, and is
/// not an address without it.
///
/// ```
/// use tower_didt::magic::Email;
///
/// let email: Email = "Ada@Example.COM".parse()?;
/// assert_eq!(email.as_str(), "Ada@example.com");
/// assert_eq!(email, "ada@example.com".parse()?);
/// # Ok::<(), tower_didt::magic::ParseEmailError>(())
/// ```
#[derive(Clone)]
pub struct Email {
    text: Box<str>,
    /// Where the `@` is.
    at: usize,
}

impl Email {
    /// The address: the local part as Magic states it, the domain in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What precedes the `@`.
    #[must_use]
    pub fn local_part(&self) -> &str {
        self.text.get(..self.at).unwrap_or_default()
    }

    /// What follows the `@`: ASCII, in lower case.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.text.get(self.at + 1..).unwrap_or_default()
    }

    /// Whether the address is visible ASCII throughout. Only such an address matches an
    /// [`EmailPattern`](super::EmailPattern), and only such a one belongs into an HTTP header.
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        self.text.is_ascii()
    }
}

impl FromStr for Email {
    type Err = ParseEmailError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = ParseEmailError(());
        let (local, domain) = text.split_once('@').ok_or(error)?;
        if text.len() > MAX_LEN || local.is_empty() || local.len() > MAX_LOCAL_LEN {
            return Err(error);
        }
        if !local.chars().all(is_local) {
            return Err(error);
        }
        let domain = parse_domain(domain).ok_or(error)?;
        Ok(Self { at: local.len(), text: format!("{local}@{domain}").into() })
    }
}

/// RFC 5322's `atext` and dots; and letters beyond ASCII (RFC 6531), which match no pattern.
fn is_local(character: char) -> bool {
    match character {
        '0'..='9' | 'A'..='Z' | 'a'..='z' => true,
        '!' | '#' | '$' | '%' | '&' | '\'' | '*' | '+' | '-' | '.' | '/' => true,
        '=' | '?' | '^' | '_' | '`' | '{' | '|' | '}' | '~' => true,
        other => !other.is_ascii() && other.is_alphanumeric(),
    }
}

/// A domain in ASCII and lower case, or `None` if it is not one.
pub(super) fn parse_domain(domain: &str) -> Option<String> {
    let domain = match domain.is_ascii() {
        true => domain.to_ascii_lowercase(),
        false => unicode_domain(domain)?,
    };
    let label = |label: &str| {
        let bytes = label.as_bytes();
        (1..=MAX_LABEL_LEN).contains(&bytes.len())
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
            && bytes.first() != Some(&b'-')
            && bytes.last() != Some(&b'-')
    };
    (domain.len() <= MAX_DOMAIN_LEN && domain.split('.').all(label)).then_some(domain)
}

/// The ASCII form of a domain in Unicode. One that IDNA would first map to other letters
/// (full-width ones, the Kelvin sign) is refused: it looks like a domain that it is not.
#[cfg(feature = "idna")]
fn unicode_domain(domain: &str) -> Option<String> {
    // Some letters beyond ASCII have an ASCII letter as their lower case: the Kelvin sign has k.
    let mimics = |c: char| !c.is_ascii() && c.to_lowercase().any(|lower| lower.is_ascii());
    if domain.chars().any(mimics) {
        return None;
    }
    let ascii = idna::domain_to_ascii_strict(domain).ok()?;
    let (unicode, valid) = idna::domain_to_unicode(&ascii);
    (valid.is_ok() && unicode == domain.to_lowercase()).then_some(ascii)
}

#[cfg(not(feature = "idna"))]
fn unicode_domain(_: &str) -> Option<String> {
    None
}

impl PartialEq for Email {
    fn eq(&self, other: &Self) -> bool {
        self.text.eq_ignore_ascii_case(&other.text)
    }
}

impl Eq for Email {}

impl Hash for Email {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for byte in self.text.bytes() {
            state.write_u8(byte.to_ascii_lowercase());
        }
        state.write_u8(0xff);
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Email {
    /// Shows nothing of it: personal data does not belong into logs by accident.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(redacted)")
    }
}

impl Serialize for Email {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Email {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// The text is not one e-mail address, or not one that is handled here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseEmailError(());

impl fmt::Display for ParseEmailError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected an e-mail address: a name, one @, and a domain")
    }
}

impl std::error::Error for ParseEmailError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_does_not_tell_addresses_apart_and_nothing_else_is_folded() {
        let email = |text: &str| text.parse::<Email>().expect(text);
        assert_eq!(email("Ada.L@EXAMPLE.com"), email("ada.l@example.COM"));
        assert_ne!(email("ada@example.com"), email("adal@example.com"));
        assert_ne!(email("a.da@example.com"), email("ada@example.com"));
        assert_ne!(email("ada+x@example.com"), email("ada@example.com"));
        // A dotless i and the Kelvin sign are no i and no k.
        assert_ne!(email("ıda@example.com"), email("ida@example.com"));
        assert_ne!(email("\u{212a}im@example.com"), email("kim@example.com"));
    }

    #[test]
    fn what_is_not_exactly_one_plain_address_is_refused() {
        let long = format!("{}@example.com", "a".repeat(65));
        let longer = format!("a@{}.com", "a.".repeat(130));
        let label = format!("a@{}.com", "b".repeat(64));
        for bad in [
            "",
            "@",
            "ada",
            "ada@",
            "@example.com",
            "ada@example.com@evil.test",
            "a b@example.com",
            "ada@exam ple.com",
            "ada@example.com\r\nx-auth: 1",
            "ada@example.com\n",
            "ada\0@example.com",
            "\"ada\"@example.com",
            "<ada@example.com>",
            "ada@example.com,eve@example.com",
            "a,b@example.com",
            "a;b@example.com",
            "a(b)@example.com",
            "a:b@example.com",
            "ada@[127.0.0.1]",
            "ada@example..com",
            "ada@.example.com",
            "ada@example.com.",
            "ada@-example.com",
            "ada@exa_mple.com",
            "ada@*",
            "ada\u{202e}@example.com",
            "ada\u{200b}@example.com",
            "ada\u{ff20}example.com",
            "ada@ｅｘａｍｐｌｅ.com",
            "ada@e\u{212a}ample.com",
            &long,
            &longer,
            &label,
        ] {
            assert!(bad.parse::<Email>().is_err(), "{bad:?} was taken for an address");
        }
    }

    #[test]
    fn an_address_survives_serialisation_and_debug_hides_it() {
        let email: Email = "Ada@Example.com".parse().expect("an address");
        let json = serde_json::to_string(&email).expect("JSON");
        assert_eq!(json, r#""Ada@example.com""#);
        assert_eq!(serde_json::from_str::<Email>(&json).expect("an address"), email);
        assert_eq!((email.local_part(), email.domain()), ("Ada", "example.com"));
        assert!(!format!("{email:?}").contains("Ada"));
    }

    #[cfg(feature = "idna")]
    #[test]
    fn a_domain_in_unicode_is_kept_in_ascii() {
        let email: Email = "ada@Bücher.example".parse().expect("an address");
        assert_eq!(email.as_str(), "ada@xn--bcher-kva.example");
        assert!(email.is_ascii());
        // A Cyrillic а makes another domain, not example.com.
        let other: Email = "ada@ex\u{430}mple.com".parse().expect("an address");
        assert_ne!(other, "ada@example.com".parse().expect("an address"));
    }
}
