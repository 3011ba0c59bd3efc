//! Who passes where a session or a token is required.
//!
//! A DID token proves that its maker holds a key, and anybody can make a key: the client id that a
//! token has to name stands on every page that signs people in. So a policy says whom it admits,
//! and there is no default that could let everybody in unnoticed.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use tower_didt::Issuer;

/// Whom a rule admits that asks for a session or a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Admit {
    /// Every issuer, which is everybody who can make a key.
    AnyKey,
    /// These issuers only.
    Listed(Arc<HashSet<Issuer>>),
}

impl Admit {
    /// The words for it in the policy file.
    pub(crate) const WORDS: [&str; 2] = ["any_key", "listed"];

    /// What a rule's own words mean, with those at the top of the policy for what it leaves unsaid.
    pub(crate) fn new(own: Said, top: &Said) -> Result<Self, AdmitFault> {
        own.check()?;
        match own {
            Said { listed: Some(list), .. } => Ok(Self::Listed(list)),
            Said { word: Some(Word::AnyKey), .. } => Ok(Self::AnyKey),
            Said { word: Some(Word::Listed), .. } => top.list(),
            Said { word: None, listed: None } => match (top.word, &top.listed) {
                (Some(Word::AnyKey), _) => Ok(Self::AnyKey),
                (None, None) => Err(AdmitFault::Unsaid),
                _ => top.list(),
            },
        }
    }

    /// For what no request reaches.
    pub(crate) fn nobody() -> Self {
        Self::Listed(Arc::default())
    }

    pub(crate) fn admits(&self, issuer: &Issuer) -> bool {
        match self {
            Self::AnyKey => true,
            Self::Listed(list) => list.contains(issuer),
        }
    }

    /// The word for it in the policy file.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::AnyKey => "any_key",
            Self::Listed(_) => "listed",
        }
    }

    /// The issuers that are listed; `None` where any is admitted.
    pub(crate) fn listed(&self) -> Option<&HashSet<Issuer>> {
        match self {
            Self::AnyKey => None,
            Self::Listed(list) => Some(list),
        }
    }
}

/// A phrase for people.
impl fmt::Display for Admit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AnyKey => f.write_str("of any key (any_key)"),
            Self::Listed(list) if list.len() == 1 => f.write_str("of the one issuer listed"),
            Self::Listed(list) => write!(f, "of one of {} issuers listed", list.len()),
        }
    }
}

/// One of the words of the policy file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    AnyKey,
    Listed,
}

impl Word {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "any_key" => Some(Self::AnyKey),
            "listed" => Some(Self::Listed),
            _ => None,
        }
    }
}

/// What one place in the settings says about who is admitted: its top, or a rule.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    pub(crate) word: Option<Word>,
    /// The union of `issuers` and `addresses`.
    pub(crate) listed: Option<Arc<HashSet<Issuer>>>,
}

impl Said {
    pub(crate) const fn is_empty(&self) -> bool {
        self.word.is_none() && self.listed.is_none()
    }

    /// Whether its own words agree with one another.
    pub(crate) const fn check(&self) -> Result<(), AdmitFault> {
        match (self.word, &self.listed) {
            (Some(Word::AnyKey), Some(_)) => Err(AdmitFault::Contradiction),
            _ => Ok(()),
        }
    }

    fn list(&self) -> Result<Admit, AdmitFault> {
        self.listed.clone().map(Admit::Listed).ok_or(AdmitFault::NoList)
    }
}

/// Why it is open who is admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AdmitFault {
    /// Nothing was said, which would admit everybody.
    Unsaid,
    /// `listed`, without a list.
    NoList,
    /// `any_key`, with a list.
    Contradiction,
}

impl fmt::Display for AdmitFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unsaid => {
                "missing: anybody can make a key and sign in with it, because the client id that a \
                 token names stands on every page of yours, so everybody would pass where a session \
                 or a token is required. List who may pass, such as addresses = \
                 [\"0xde709f2102306220921060314715629080e2fb77\"] (or issuers; at the top or in a \
                 rule), or say admit = \"any_key\" if every key is welcome and your application \
                 decides what its holder may do"
            }
            Self::NoList => {
                "\"listed\" without a list; expected addresses = \
                 [\"0xde709f2102306220921060314715629080e2fb77\"] or issuers beside it"
            }
            Self::Contradiction => {
                "\"any_key\" lets everybody pass, and issuers and addresses list who may; keep one \
                 of the two"
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use tower_didt::testing::Wallet;

    use super::*;

    fn list(seeds: &[&str]) -> Arc<HashSet<Issuer>> {
        Arc::new(seeds.iter().map(|seed| Wallet::from_seed(seed).issuer()).collect())
    }

    fn said(word: Option<&str>, seeds: &[&str]) -> Said {
        let listed = (!seeds.is_empty()).then(|| list(seeds));
        Said { word: word.map(|word| Word::parse(word).expect("a word")), listed }
    }

    #[test]
    fn nothing_said_admits_nobody_unnoticed() {
        assert_eq!(Admit::new(Said::default(), &Said::default()), Err(AdmitFault::Unsaid));
        assert!(!Admit::nobody().admits(&Wallet::from_seed("alice").issuer()));
        let sentences = AdmitFault::Unsaid.to_string();
        assert_eq!(sentences.matches(". ").count(), 1, "two sentences: {sentences}");
    }

    #[test]
    fn a_rules_own_word_counts_before_the_top() {
        let none = || said(None, &[]);
        let listed = |seeds: &[&str]| Ok(Admit::Listed(list(seeds)));
        let rows = [
            ("any key at the top", none(), said(Some("any_key"), &[]), Ok(Admit::AnyKey)),
            ("a list at the top", none(), said(None, &["a"]), listed(&["a"])),
            ("both words at the top", none(), said(Some("listed"), &["a"]), listed(&["a"])),
            ("no list at the top", none(), said(Some("listed"), &[]), Err(AdmitFault::NoList)),
            ("own list, any key", said(None, &["b"]), said(Some("any_key"), &[]), listed(&["b"])),
            ("own list, other list", said(None, &["b"]), said(None, &["a"]), listed(&["b"])),
            ("own any key", said(Some("any_key"), &[]), said(None, &["a"]), Ok(Admit::AnyKey)),
            ("own word, list above", said(Some("listed"), &[]), said(None, &["a"]), listed(&["a"])),
            ("no list", said(Some("listed"), &[]), none(), Err(AdmitFault::NoList)),
            (
                "no list, any key",
                said(Some("listed"), &[]),
                said(Some("any_key"), &[]),
                Err(AdmitFault::NoList),
            ),
            ("two answers", said(Some("any_key"), &["a"]), none(), Err(AdmitFault::Contradiction)),
        ];
        for (name, own, top, expected) in rows {
            assert_eq!(Admit::new(own, &top), expected, "{name}");
        }
    }

    #[test]
    fn a_list_admits_those_on_it() {
        let [alice, bob] = ["alice", "bob"].map(|seed| Wallet::from_seed(seed).issuer());
        assert!(Admit::AnyKey.admits(&bob));
        let listed = Admit::Listed(list(&["alice"]));
        assert!(listed.admits(&alice) && !listed.admits(&bob));
    }
}
