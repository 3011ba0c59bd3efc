//! Who is listed: issuers, and people by their e-mail addresses.

use std::collections::HashSet;

use tower_didt::Issuer;
use tower_didt::magic::{Email, EmailPattern};

/// The people that a rule lists. Any of the lists admits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parties {
    /// The union of `issuers` and `addresses`.
    pub(crate) issuers: HashSet<Issuer>,
    pub(crate) emails: HashSet<EmailPattern>,
}

impl Parties {
    /// Whether an address is listed, by itself or with its domain.
    pub(crate) fn lists_email(&self, email: &Email) -> bool {
        if !email.is_ascii() {
            return false;
        }
        let domain = format!("*@{}", email.domain());
        // By look-up, since the lists may be long. What parses to another pattern is another
        // address.
        [email.as_str(), &domain].into_iter().any(|text| {
            let pattern = text.parse::<EmailPattern>();
            pattern.is_ok_and(|pattern| pattern.matches(email) && self.emails.contains(&pattern))
        })
    }
}

impl From<HashSet<Issuer>> for Parties {
    fn from(issuers: HashSet<Issuer>) -> Self {
        Self { issuers, emails: HashSet::new() }
    }
}

impl FromIterator<Issuer> for Parties {
    fn from_iter<I: IntoIterator<Item = Issuer>>(issuers: I) -> Self {
        issuers.into_iter().collect::<HashSet<_>>().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_listed_by_itself_or_with_its_domain() {
        let emails = ["ada@Example.com", "*@corp.example"];
        let emails = emails.map(|text| text.parse().expect("a pattern")).into();
        let parties = Parties { emails, ..Parties::default() };
        for (email, listed) in [
            ("ADA@example.COM", true),
            ("eve@example.com", false),
            ("anyone@CORP.example", true),
            ("anyone@sub.corp.example", false),
            ("*@example.com", false),
            ("\u{430}da@corp.example", false),
        ] {
            let email: Email = email.parse().expect(email);
            assert_eq!(parties.lists_email(&email), listed, "{email}");
        }
    }
}
