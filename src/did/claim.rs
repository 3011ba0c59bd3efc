//! The claim: the JSON object that the user's key signed.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::error::{Field, Malformed};
use super::json::{self, CowStr};
use super::{Issuer, Timestamp};

/// How deep a claim may be nested, its own object being the first level.
///
/// Real claims are flat; the limit bounds what an unknown key may hold.
const MAX_CLAIM_DEPTH: usize = 32;

/// What the token's holder states, as decoded from the token.
///
/// A claim by itself proves nothing. Anyone can make a secp256k1 key and sign
/// any claim with it: after verification the one proven fact is that the holder
/// of the key behind [`iss`](Self::iss) made this statement for this
/// [`aud`](Self::aud). Identify users by the issuer and by nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    iat: Timestamp,
    ext: Timestamp,
    nbf: Timestamp,
    iss: Issuer,
    sub: Box<str>,
    aud: Box<str>,
    tid: Box<str>,
    add: Option<Box<str>>,
}

impl Claim {
    /// When the token was issued, by the holder's clock.
    #[must_use]
    pub const fn iat(&self) -> Timestamp {
        self.iat
    }

    /// When the token expires. The holder chooses it: real tokens exist that
    /// live for 30 trillion years.
    #[must_use]
    pub const fn ext(&self) -> Timestamp {
        self.ext
    }

    /// Before when the token must not be used.
    #[must_use]
    pub const fn nbf(&self) -> Timestamp {
        self.nbf
    }

    /// Who the claim says has signed it.
    #[must_use]
    pub const fn iss(&self) -> Issuer {
        self.iss
    }

    /// The application that the token is for: its Magic client id.
    #[must_use]
    pub fn aud(&self) -> &str {
        &self.aud
    }

    /// The token's own id.
    #[must_use]
    pub fn tid(&self) -> &str {
        &self.tid
    }

    /// The signature over the attachment, as written in the token.
    #[must_use]
    pub fn add(&self) -> Option<&str> {
        self.add.as_deref()
    }

    /// `sub`: a user id of Magic's **in the holder's own words**.
    ///
    /// Nothing ties it to the key that signed. Anyone can sign a token, with a
    /// key of their own, that carries somebody else's `sub`: looking a user up
    /// by it hands them that user's account. It is here for support and logs.
    #[must_use]
    pub fn untrusted_sub(&self) -> &str {
        &self.sub
    }

    /// Reads a claim: one JSON object and nothing after it.
    pub(super) fn parse(text: &str) -> Result<Self, Malformed> {
        let fields: Fields<'_> = serde_json::from_str(text).map_err(|_| Malformed::ClaimJson)?;
        if let Some(fault) = fields.fault {
            return Err(fault);
        }
        Ok(Self {
            iat: time(Field::Iat, fields.iat)?,
            ext: time(Field::Ext, fields.ext)?,
            nbf: time(Field::Nbf, fields.nbf)?,
            iss: string(Field::Iss, fields.iss)?
                .parse()
                .map_err(|_| Malformed::Invalid(Field::Iss))?,
            sub: string(Field::Sub, fields.sub)?.into(),
            aud: string(Field::Aud, fields.aud)?.into(),
            tid: string(Field::Tid, fields.tid)?.into(),
            add: match fields.add {
                Some(_) => Some(string(Field::Add, fields.add)?.into()),
                None => None,
            },
        })
    }

    /// Bytes on the heap.
    pub(super) fn heap_size(&self) -> usize {
        self.sub.len() + self.aud.len() + self.tid.len() + self.add().map_or(0, str::len)
    }
}

/// A required time: a JSON number, read as the nearest 64-bit float, which must be finite.
fn time(field: Field, value: Option<&RawValue>) -> Result<Timestamp, Malformed> {
    let text = value.ok_or(Malformed::Missing(field))?.get();
    // The text is valid JSON already. Only a number begins like this, and every
    // JSON number is a number to Rust as well, which rounds correctly.
    if !text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
        return Err(Malformed::Invalid(field));
    }
    text.parse().ok().and_then(Timestamp::from_secs_f64).ok_or(Malformed::Invalid(field))
}

/// A required string.
fn string<'a>(field: Field, value: Option<&'a RawValue>) -> Result<Cow<'a, str>, Malformed> {
    let text = value.ok_or(Malformed::Missing(field))?.get();
    json::string(text).ok_or(Malformed::Invalid(field))
}

/// The values of the keys that matter, as written in the claim's text.
#[derive(Default)]
struct Fields<'a> {
    iat: Option<&'a RawValue>,
    ext: Option<&'a RawValue>,
    nbf: Option<&'a RawValue>,
    iss: Option<&'a RawValue>,
    sub: Option<&'a RawValue>,
    aud: Option<&'a RawValue>,
    tid: Option<&'a RawValue>,
    add: Option<&'a RawValue>,
    /// The first thing found wrong. It is kept, not raised, because an error
    /// raised through serde would lose its type.
    fault: Option<Malformed>,
}

impl<'a> Fields<'a> {
    /// Where the value of `key` belongs, or `None` for a key that is ignored.
    fn slot(&mut self, key: &str) -> Option<&mut Option<&'a RawValue>> {
        Some(match key {
            "iat" => &mut self.iat,
            "ext" => &mut self.ext,
            "nbf" => &mut self.nbf,
            "iss" => &mut self.iss,
            "sub" => &mut self.sub,
            "aud" => &mut self.aud,
            "tid" => &mut self.tid,
            "add" => &mut self.add,
            _ => return None,
        })
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Fields::default();
        let mut ignored = BTreeSet::new();
        // A key arrives here unescaped, so "iss" and "\u0069ss" are one key. A
        // value arrives as raw text: checked to be JSON without recursion, not copied.
        while let Some((CowStr(key), value)) = map.next_entry::<CowStr<'de>, &'de RawValue>()? {
            let fault = match fields.slot(&key) {
                Some(Some(_)) => Some(Malformed::DuplicateKey),
                Some(slot) => {
                    *slot = Some(value);
                    None
                }
                None if !ignored.insert(key) => Some(Malformed::DuplicateKey),
                None => json::check_ignored(value.get(), MAX_CLAIM_DEPTH - 1).err(),
            };
            fields.fault = fields.fault.or(fault);
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::did::DidToken;
    use crate::testing::Wallet;

    /// A good claim with these members more.
    fn with(members: &str) -> Result<Claim, Malformed> {
        let claim = Wallet::from_seed("alice").token("app").claim();
        Claim::parse(&claim.replacen('{', &format!("{{{members},"), 1))
    }

    #[test]
    fn no_key_comes_twice_not_even_one_that_is_ignored() {
        with(r#""x":1,"y":1"#).expect("two keys");
        assert_eq!(with(r#""x":1,"x":1"#), Err(Malformed::DuplicateKey));
        assert_eq!(with(r#""x":1,"\u0078":1"#), Err(Malformed::DuplicateKey));
        assert_eq!(with(r#""aud":"app""#), Err(Malformed::DuplicateKey));
    }

    #[test]
    fn the_claim_itself_is_one_of_the_levels_that_it_may_have() {
        let nested = |levels| with(&format!(r#""x":{}{}"#, "[".repeat(levels), "]".repeat(levels)));
        nested(MAX_CLAIM_DEPTH - 1).expect("as deep as it may be");
        assert_eq!(nested(MAX_CLAIM_DEPTH), Err(Malformed::TooDeep { limit: MAX_CLAIM_DEPTH }));
    }

    #[test]
    fn each_getter_gives_the_field_of_its_name() {
        let wallet = Wallet::from_seed("alice");
        let token = wallet.token("the app").set("sub", "the user").set("tid", "the token").mint();
        let token = DidToken::decode(token).expect("a token");
        let claim = token.claim();
        assert_eq!(claim.iss(), wallet.issuer());
        assert_eq!(claim.aud(), "the app");
        assert_eq!(claim.untrusted_sub(), "the user");
        assert_eq!(claim.tid(), "the token");
    }
}
