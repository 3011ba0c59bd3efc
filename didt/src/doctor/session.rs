//! Signing in, out, and who one is in between.

use std::sync::Arc;

use serde::Deserialize;
use tower_didt::testing::Wallet;

use super::seen::Seen;
use super::wire::Answer;

/// Where tokens for signing in come from.
#[derive(Clone)]
pub(super) enum Tokens {
    None,
    One(String),
    /// The one token was used for another URL.
    Spent,
    Minted {
        wallet: Arc<Wallet>,
        other: Arc<Wallet>,
        audience: String,
    },
}

impl Tokens {
    /// What is left for the next URL: a token signs in once.
    pub(super) fn after_use(&self) -> Self {
        match self {
            Self::One(_) => Self::Spent,
            others => others.clone(),
        }
    }
}

/// A session at the gateway.
#[derive(Clone, Debug)]
pub(super) struct Session {
    /// `name=value`, as it goes into `Cookie`.
    pub(super) cookie: String,
    pub(super) cookie_name: String,
    /// As the sign-in endpoints report it.
    pub(super) issuer: Option<String>,
    /// What the upstream sees of a plain request with it.
    pub(super) seen: Seen,
}

/// The cookie that an answer to a sign-in sets: name and value.
pub(super) fn session_cookie(answer: &Answer) -> Option<(&str, &str)> {
    let pairs = answer.all("set-cookie").filter_map(|cookie| {
        let pair = cookie.split_once(';').map_or(cookie, |(pair, _)| pair);
        pair.split_once('=')
    });
    // A bound login takes its challenge away.
    let mut living =
        pairs.filter(|(name, value)| !value.is_empty() && !name.ends_with("challenge"));
    living.next().map(|(name, value)| (name.trim(), value.trim()))
}

/// The `issuer` of the answer about the own session.
pub(super) fn issuer_of(answer: &Answer) -> Option<String> {
    #[derive(Deserialize)]
    struct Who {
        issuer: String,
    }
    let who: Who = serde_json::from_slice(&answer.body).ok()?;
    Some(who.issuer)
}
