//! A user known to the stub.

use serde_json::{Map, Value, json};

use crate::did::{Clock, Issuer, SystemClock};
use crate::magic::{self, MagicUser};

/// A user of the stub's application. Fields that are not set are `null`, as with Magic.
#[derive(Clone, Debug)]
pub struct TestUser {
    issuer: Issuer,
    fields: Map<String, Value>,
    wallets: Vec<Value>,
}

impl TestUser {
    /// A user with nothing but an issuer.
    #[must_use]
    pub fn new(issuer: Issuer) -> Self {
        let mut fields = Map::new();
        fields.insert("issuer".into(), json!(issuer));
        fields.insert("public_address".into(), json!(issuer.address()));
        for name in ["email", "oauth_provider", "phone_number", "username"] {
            fields.insert(name.into(), Value::Null);
        }
        Self { issuer, fields, wallets: Vec::new() }
    }

    /// A user as the API has it: an object with an `issuer`, whose fields are kept as they are.
    #[must_use]
    pub fn from_json(user: Map<String, Value>) -> Option<Self> {
        let issuer: Issuer = user.get("issuer")?.as_str()?.parse().ok()?;
        let wallets = user.get("wallets").and_then(Value::as_array).cloned().unwrap_or_default();
        let fields = user.into_iter().filter(|(name, _)| name != "wallets");
        let blank = Self { wallets, ..Self::new(issuer) };
        Some(fields.fold(blank, |user, (name, value)| user.field(&name, value)))
    }

    /// Sets the e-mail address.
    #[must_use]
    pub fn email(self, email: &str) -> Self {
        self.field("email", email.into())
    }

    /// Sets the phone number.
    #[must_use]
    pub fn phone_number(self, number: &str) -> Self {
        self.field("phone_number", number.into())
    }

    /// Sets the provider of the social login.
    #[must_use]
    pub fn oauth_provider(self, provider: &str) -> Self {
        self.field("oauth_provider", provider.into())
    }

    /// Sets the user name.
    #[must_use]
    pub fn username(self, name: &str) -> Self {
        self.field("username", name.into())
    }

    /// Adds a wallet, listed to those who ask for its kind or for `ANY`.
    #[must_use]
    pub fn wallet(mut self, kind: &str, network: &str, address: &str) -> Self {
        self.wallets.push(json!({
            "network": network, "public_address": address, "wallet_type": kind,
        }));
        self
    }

    /// Sets any field to any value, including `issuer`, to try answers that Magic should not give.
    #[must_use]
    pub fn field(mut self, name: &str, value: Value) -> Self {
        self.fields.insert(name.into(), value);
        self
    }

    /// What Magic's client makes of the user, asked just now: for tests that call a handler with
    /// a [`MagicUser`], or make a session of one by
    /// [`TestSession::magic_user`](crate::testing::TestSession).
    ///
    /// # Panics
    ///
    /// If the fields are such that the client would not understand Magic.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test helper: what fails, fails the test")]
    pub fn magic_user(&self) -> MagicUser {
        magic::user_of_object(self.issuer, SystemClock.now(), &self.to_json(Some("ANY")))
            .expect("a user that Magic could describe so")
    }

    pub(super) const fn issuer(&self) -> Issuer {
        self.issuer
    }

    /// The user object that the API returns.
    pub(super) fn to_json(&self, wallets: Option<&str>) -> Value {
        let mut fields = self.fields.clone();
        let asked = |wallet: &&Value| match wallets {
            None | Some("NONE") => false,
            Some("ANY") => true,
            Some(kind) => wallet.get("wallet_type").and_then(Value::as_str) == Some(kind),
        };
        let listed: Vec<_> = self.wallets.iter().filter(asked).cloned().collect();
        let listed = if listed.is_empty() { Value::Null } else { Value::Array(listed) };
        fields.entry("wallets").or_insert(listed);
        Value::Object(fields)
    }
}
