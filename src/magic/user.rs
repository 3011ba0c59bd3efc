//! What Magic says of a person.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use super::email::Email;
use crate::did::{Issuer, Timestamp};

/// A person as Magic's Admin API describes them: the one behind an [`Issuer`].
///
/// The issuer is the identity; everything else is an attribute, as of [`asked_at`](Self::asked_at),
/// and can change. Which attributes there are depends on how the person signs in: users of SMS,
/// passkeys and wallets have no e-mail address.
///
/// Cheap to clone. `Debug` shows the issuer only: the rest is personal data.
#[derive(Clone)]
pub struct MagicUser {
    issuer: Issuer,
    asked_at: Timestamp,
    shared: Arc<Shared>,
}

/// What the clones of a profile share.
struct Shared {
    person: Person,
    /// The last state of a cache in which it is known that this user was not gone.
    not_gone_in: AtomicU64,
}

/// A user's attributes, without issuer and time. Its JSON is the compact form that sessions store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Person {
    #[serde(rename = "e", skip_serializing_if = "Option::is_none")]
    pub(super) email: Option<Email>,
    #[serde(rename = "p", skip_serializing_if = "Option::is_none")]
    pub(super) phone_number: Option<Box<str>>,
    #[serde(rename = "o", skip_serializing_if = "Option::is_none")]
    pub(super) oauth_provider: Option<Box<str>>,
    #[serde(rename = "u", skip_serializing_if = "Option::is_none")]
    pub(super) username: Option<Box<str>>,
    #[serde(rename = "w", skip_serializing_if = "Vec::is_empty")]
    pub(super) wallets: Vec<UserWallet>,
}

/// A session's copy of a profile. The issuer is the session's own.
#[derive(Serialize, Deserialize)]
struct Stored<P> {
    #[serde(rename = "t")]
    asked_at: Timestamp,
    #[serde(flatten)]
    person: P,
}

impl MagicUser {
    pub(super) fn new(issuer: Issuer, asked_at: Timestamp, person: Person) -> Self {
        // The state of no cache: theirs begin at 1.
        let not_gone_in = AtomicU64::new(0);
        Self { issuer, asked_at, shared: Arc::new(Shared { person, not_gone_in }) }
    }

    /// Whether [`note_not_gone_in`](Self::note_not_gone_in) was last called with this state.
    pub(super) fn is_not_gone_in(&self, state: u64) -> bool {
        self.shared.not_gone_in.load(Ordering::Relaxed) == state
    }

    /// Remembers that the cache did not know the user as gone in this state.
    pub(super) fn note_not_gone_in(&self, state: u64) {
        self.shared.not_gone_in.store(state, Ordering::Relaxed);
    }

    /// The same profile, asked for at this time. For tests.
    #[cfg(all(feature = "testing", feature = "layer"))]
    pub(crate) fn as_of(&self, asked_at: Timestamp) -> Self {
        Self { asked_at, ..self.clone() }
    }

    /// Whose profile it is: the identity.
    #[must_use]
    pub const fn issuer(&self) -> Issuer {
        self.issuer
    }

    /// When Magic was asked.
    #[must_use]
    pub const fn asked_at(&self) -> Timestamp {
        self.asked_at
    }

    /// The e-mail address, which Magic has verified. `None` if Magic knows none, or states
    /// something that is not an address.
    #[must_use]
    pub fn email(&self) -> Option<&Email> {
        self.shared.person.email.as_ref()
    }

    /// The phone number in the form of E.164, such as `+14155550100`.
    #[must_use]
    pub fn phone_number(&self) -> Option<&str> {
        self.shared.person.phone_number.as_deref()
    }

    /// The provider of a social login, such as `google`. `None` for other kinds of login.
    #[must_use]
    pub fn oauth_provider(&self) -> Option<&str> {
        self.shared.person.oauth_provider.as_deref()
    }

    /// The name that a user of passkeys chose.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        self.shared.person.username.as_deref()
    }

    /// The wallets of the kind that was asked for
    /// ([`AdminApi::with_wallets`](super::AdminApi::with_wallets)); none by default.
    #[must_use]
    pub fn wallets(&self) -> &[UserWallet] {
        &self.shared.person.wallets
    }

    /// Whether both describe the same person alike, whenever Magic was asked.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        self.issuer == other.issuer && self.shared.person == other.shared.person
    }

    /// The compact JSON text that a session keeps.
    pub(crate) fn to_session(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&Stored { asked_at: self.asked_at, person: &self.shared.person })
    }

    /// Reads what [`to_session`](Self::to_session) wrote, for the issuer of the session.
    pub(crate) fn from_session(issuer: Issuer, json: &str) -> Result<Self, serde_json::Error> {
        let stored: Stored<Person> = serde_json::from_str(json)?;
        Ok(Self::new(issuer, stored.asked_at, stored.person))
    }

    /// What it takes of memory, in bytes.
    pub(super) fn memory_size(&self) -> usize {
        let person = &self.shared.person;
        let texts = [&person.phone_number, &person.oauth_provider, &person.username];
        let texts: usize = texts.into_iter().flatten().map(|text| text.len()).sum();
        let wallets: usize = person.wallets.iter().map(UserWallet::memory_size).sum();
        let email = person.email.as_ref().map_or(0, |email| email.as_str().len());
        size_of::<Self>() + size_of::<Shared>() + texts + wallets + email
    }
}

impl PartialEq for MagicUser {
    fn eq(&self, other: &Self) -> bool {
        self.asked_at == other.asked_at && self.says_the_same(other)
    }
}

impl Eq for MagicUser {}

impl fmt::Debug for MagicUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MagicUser").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// A wallet that Magic keeps for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserWallet {
    #[serde(rename = "k")]
    pub(super) kind: Box<str>,
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub(super) network: Option<Box<str>>,
    #[serde(rename = "a")]
    pub(super) public_address: Box<str>,
}

impl UserWallet {
    /// The kind in Magic's words, such as `SOLANA`.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The network, such as `MAINNET`.
    #[must_use]
    pub fn network(&self) -> Option<&str> {
        self.network.as_deref()
    }

    /// The public address, in the form of its chain.
    #[must_use]
    pub fn public_address(&self) -> &str {
        &self.public_address
    }

    fn memory_size(&self) -> usize {
        let network = self.network.as_deref().map_or(0, str::len);
        size_of::<Self>() + self.kind.len() + network + self.public_address.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "did:ethr:0x52908400098527886E0F7030069857D2E4169EE7";

    #[test]
    fn a_profile_survives_in_a_session_and_takes_little_room() {
        let issuer = ISSUER.parse().expect("an issuer");
        let person = Person {
            email: Some("ada@example.com".parse().expect("an address")),
            ..Person::default()
        };
        let user = MagicUser::new(issuer, Timestamp::from_secs(1_700_000_000), person);
        let json = user.to_session().expect("JSON");
        assert_eq!(json, r#"{"t":1700000000,"e":"ada@example.com"}"#);
        assert_eq!(MagicUser::from_session(issuer, &json).expect("a profile"), user);

        let bare = MagicUser::new(issuer, Timestamp::EPOCH, Person::default());
        let json = bare.to_session().expect("JSON");
        assert_eq!(MagicUser::from_session(issuer, &json).expect("a profile"), bare);
    }

    #[test]
    fn debug_shows_no_personal_data() {
        let person = Person {
            email: Some("ada@example.com".parse().expect("an address")),
            phone_number: Some("+14155550100".into()),
            username: Some("lovelace".into()),
            ..Person::default()
        };
        let user = MagicUser::new(ISSUER.parse().expect("an issuer"), Timestamp::EPOCH, person);
        let shown = format!("{user:?}");
        for part in ["ada", "4155", "lovelace"] {
            assert!(!shown.contains(part), "{shown}");
        }
    }
}
