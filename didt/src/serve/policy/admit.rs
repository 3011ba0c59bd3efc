//! Who passes where a session or a token is required.
//!
//! A DID token proves that its maker holds a key, and anyone can make a key: the client id that a
//! token must name appears on every page that signs people in. So a policy says whom it admits, and
//! there is no default that could silently let everyone in.

use std::fmt;
use std::sync::Arc;

use tower_didt::Session;

use super::Parties;

/// Whom a rule admits if it asks for a session or a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Admit {
    /// Every issuer, which means everyone who can make a key.
    AnyKey,
    /// The users of the application, according to Magic.
    Known,
    /// These only.
    Listed(Arc<Parties>),
}

/// Whether a caller passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Admitted,
    /// The list has others.
    NotListed,
    /// Magic says that no user has this key.
    Unknown,
    /// Magic has to say who this is, and has not yet.
    NotYetKnown,
}

impl Admit {
    /// The words for it in the policy file.
    pub(crate) const WORDS: [&str; 3] = ["any_key", "known", "listed"];

    /// What a rule's own words mean, with those at the top of the policy for what it leaves unsaid.
    pub(crate) fn new(own: Said, top: &Said) -> Result<Self, AdmitFault> {
        own.check()?;
        match own {
            Said { listed: Some(list), .. } => Ok(Self::Listed(list)),
            Said { word: Some(Word::AnyKey), .. } => Ok(Self::AnyKey),
            Said { word: Some(Word::Known), .. } => top.known(),
            Said { word: Some(Word::Listed), .. } => top.list(),
            Said { word: None, listed: None, .. } => match (top.word, &top.listed) {
                (Some(Word::AnyKey), _) => Ok(Self::AnyKey),
                (Some(Word::Known), _) => top.known(),
                (None, None) if top.magic => Ok(Self::Known),
                (None, None) => Err(AdmitFault::Unsaid),
                _ => top.list(),
            },
        }
    }

    /// For what no request reaches.
    pub(crate) fn nobody() -> Self {
        Self::Listed(Arc::default())
    }

    pub(crate) fn admits(&self, session: &Session) -> Verdict {
        let known = || {
            session.magic_user().ok_or_else(|| match session.is_unknown_to_magic() {
                true => Verdict::Unknown,
                false => Verdict::NotYetKnown,
            })
        };
        match self {
            Self::AnyKey => Verdict::Admitted,
            Self::Known => known().map_or_else(|why| why, |_| Verdict::Admitted),
            Self::Listed(list) if list.issuers.contains(&session.issuer()) => Verdict::Admitted,
            Self::Listed(list) if list.emails.is_empty() => Verdict::NotListed,
            Self::Listed(list) => match known() {
                Ok(user) if user.email().is_some_and(|email| list.lists_email(email)) => {
                    Verdict::Admitted
                }
                Ok(_) => Verdict::NotListed,
                Err(why) => why,
            },
        }
    }

    /// Whether a key passes that Magic does not know.
    pub(crate) fn admits_unknown_keys(&self) -> bool {
        match self {
            Self::AnyKey => true,
            Self::Known => false,
            Self::Listed(list) => !list.issuers.is_empty(),
        }
    }

    /// The word for it in the policy file.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::AnyKey => "any_key",
            Self::Known => "known",
            Self::Listed(_) => "listed",
        }
    }

    /// Who is listed; `None` where nobody has to be.
    pub(crate) fn listed(&self) -> Option<&Parties> {
        match self {
            Self::AnyKey | Self::Known => None,
            Self::Listed(list) => Some(list),
        }
    }
}

/// A phrase for people.
impl fmt::Display for Admit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AnyKey => f.write_str("of any key (any_key)"),
            Self::Known => f.write_str("of a user known to Magic (known)"),
            Self::Listed(list) if list.emails.is_empty() && list.issuers.len() == 1 => {
                f.write_str("of the one issuer listed")
            }
            Self::Listed(list) if list.emails.is_empty() => {
                write!(f, "of one of {} issuers listed", list.issuers.len())
            }
            Self::Listed(list) => write!(
                f,
                "of one of {} issuers and {} e-mail patterns listed",
                list.issuers.len(),
                list.emails.len()
            ),
        }
    }
}

/// One of the words of the policy file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    AnyKey,
    Known,
    Listed,
}

impl Word {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "any_key" => Some(Self::AnyKey),
            "known" => Some(Self::Known),
            "listed" => Some(Self::Listed),
            _ => None,
        }
    }
}

/// What one place in the settings says about who is admitted: its top, or a rule.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    pub(crate) word: Option<Word>,
    pub(crate) listed: Option<Arc<Parties>>,
    /// Whether Magic can be asked who is known: `[magic]`.
    pub(crate) magic: bool,
}

impl Said {
    pub(crate) const fn is_empty(&self) -> bool {
        self.word.is_none() && self.listed.is_none()
    }

    /// Whether its own words agree with one another.
    pub(crate) const fn check(&self) -> Result<(), AdmitFault> {
        match (self.word, &self.listed) {
            (Some(Word::AnyKey | Word::Known), Some(_)) => Err(AdmitFault::Contradiction),
            _ => Ok(()),
        }
    }

    fn known(&self) -> Result<Admit, AdmitFault> {
        if self.magic { Ok(Admit::Known) } else { Err(AdmitFault::NobodyToAsk) }
    }

    fn list(&self) -> Result<Admit, AdmitFault> {
        self.listed.clone().map(Admit::Listed).ok_or(AdmitFault::NoList)
    }
}

/// Why it is open who is admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AdmitFault {
    /// Nothing was set, which would admit everyone.
    Unsaid,
    /// `listed`, without a list.
    NoList,
    /// `any_key` or `known`, with a list.
    Contradiction,
    /// `known`, without `[magic]`.
    NobodyToAsk,
}

impl fmt::Display for AdmitFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unsaid => {
                "missing: anyone can make a key and sign in with it, because the client id that a \
                 token names is on every page of yours, so everyone would pass where a session \
                 or a token is required. List who may pass, such as addresses = \
                 [\"0xde709f2102306220921060314715629080e2fb77\"] (or issuers; at the top or in a \
                 rule), or say admit = \"any_key\" if every key is welcome and your application \
                 decides what its holder may do"
            }
            Self::NoList => {
                "\"listed\" without a list; expected addresses = \
                 [\"0xde709f2102306220921060314715629080e2fb77\"] or issuers too"
            }
            Self::NobodyToAsk => "\"known\" asks Magic; expected magic.secret_key_file",
            Self::Contradiction => {
                "\"any_key\" and \"known\" let more people pass than issuers, addresses and emails \
                 list; keep one of the two"
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use tower_didt::testing::Wallet;

    use super::*;

    fn list(seeds: &[&str]) -> Arc<Parties> {
        Arc::new(seeds.iter().map(|seed| Wallet::from_seed(seed).issuer()).collect())
    }

    fn said(word: Option<&str>, seeds: &[&str]) -> Said {
        let listed = (!seeds.is_empty()).then(|| list(seeds));
        Said { word: word.map(|word| Word::parse(word).expect("a word")), listed, magic: false }
    }

    #[test]
    fn nothing_said_admits_nobody_unnoticed() {
        assert_eq!(Admit::new(Said::default(), &Said::default()), Err(AdmitFault::Unsaid));
        assert_eq!(Admit::nobody().listed().map(|listed| listed.issuers.len()), Some(0));
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
    fn whom_magic_knows_passes_where_nothing_is_said_and_magic_can_be_asked() {
        let top = |word| Said { magic: true, ..said(word, &[]) };
        assert_eq!(Admit::new(Said::default(), &top(None)), Ok(Admit::Known));
        assert_eq!(Admit::new(Said::default(), &top(Some("any_key"))), Ok(Admit::AnyKey));
        assert_eq!(Admit::new(said(Some("known"), &[]), &top(Some("any_key"))), Ok(Admit::Known));
        let nobody = Err(AdmitFault::NobodyToAsk);
        assert_eq!(Admit::new(said(Some("known"), &[]), &Said::default()), nobody);
        assert_eq!(Admit::new(Said::default(), &said(Some("known"), &[])), nobody);
        let contradiction = Err(AdmitFault::Contradiction);
        assert_eq!(Admit::new(said(Some("known"), &["a"]), &top(None)), contradiction);
    }

    #[test]
    fn only_any_key_and_listed_issuers_admit_keys_that_magic_does_not_know() {
        assert!(Admit::AnyKey.admits_unknown_keys() && !Admit::Known.admits_unknown_keys());
        assert!(Admit::Listed(list(&["alice"])).admits_unknown_keys());
        let emails = HashSet::from(["*@a.example".parse().expect("a pattern")]);
        let staff = Parties { emails, ..Parties::default() };
        assert!(!Admit::Listed(Arc::new(staff)).admits_unknown_keys());
    }
}
