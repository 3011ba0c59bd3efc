//! Which e-mail addresses a rule means.

use std::fmt;
use std::str::FromStr;

use super::email::{Email, parse_domain};

/// The people that a rule covers: one address, `ada@example.com`, or all of a domain,
/// `*@example.com`.
///
/// Compared as [`Email`]s are. A domain does not include its sub-domains. An address with
/// anything but ASCII in it matches no pattern.
///
/// ```
/// use tower_didt::magic::{Email, EmailPattern};
///
/// let pattern: EmailPattern = "*@example.com".parse()?;
/// assert!(pattern.matches(&"Ada@EXAMPLE.com".parse::<Email>()?));
/// assert!(!pattern.matches(&"ada@example.com.evil.test".parse::<Email>()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EmailPattern(Kind);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Kind {
    One(Email),
    Domain(Box<str>),
}

impl EmailPattern {
    /// Whether a rule with this pattern means `email`.
    #[must_use]
    pub fn matches(&self, email: &Email) -> bool {
        email.is_ascii()
            && match &self.0 {
                Kind::One(one) => one == email,
                Kind::Domain(domain) => **domain == *email.domain(),
            }
    }

    /// The address, if the pattern is a single one.
    #[must_use]
    pub const fn as_email(&self) -> Option<&Email> {
        match &self.0 {
            Kind::One(email) => Some(email),
            Kind::Domain(_) => None,
        }
    }
}

impl FromStr for EmailPattern {
    type Err = ParseEmailPatternError;

    /// Reads an address or `*@domain`. A `*` elsewhere, and a name with anything but ASCII in it,
    /// which could match nobody, are errors.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = ParseEmailPatternError(());
        if let Some(domain) = text.strip_prefix("*@") {
            return parse_domain(domain)
                .map(|domain| Self(Kind::Domain(domain.into())))
                .ok_or(error);
        }
        let email: Email = text.parse().map_err(|_| error)?;
        if !email.is_ascii() || email.local_part().contains('*') {
            return Err(error);
        }
        Ok(Self(Kind::One(email)))
    }
}

impl fmt::Display for EmailPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::One(email) => fmt::Display::fmt(email, f),
            Kind::Domain(domain) => write!(f, "*@{domain}"),
        }
    }
}

impl fmt::Debug for EmailPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::One(_) => f.write_str("EmailPattern(redacted)"),
            Kind::Domain(domain) => write!(f, "EmailPattern(*@{domain})"),
        }
    }
}

/// The text is neither one e-mail address nor `*@` and a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseEmailPatternError(());

impl fmt::Display for ParseEmailPatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected an e-mail address in ASCII, or *@ and a domain")
    }
}

impl std::error::Error for ParseEmailPatternError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_its_addresses_and_no_others() {
        let rows = [
            ("ada@example.com", "ADA@Example.Com", true),
            ("Ada@EXAMPLE.com", "ada@example.com", true),
            ("ada@example.com", "eve@example.com", false),
            ("ada@example.com", "ada@sub.example.com", false),
            ("*@example.com", "anyone@example.com", true),
            ("*@EXAMPLE.com", "anyone@example.COM", true),
            ("*@example.com", "ada@sub.example.com", false),
            ("*@example.com", "ada@example.com.evil.test", false),
            ("*@example.com", "ada@evilexample.com", false),
            ("*@example.com", "ädä@example.com", false),
            ("*@example.com", "\u{430}da@example.com", false),
            ("kim@example.com", "\u{212a}im@example.com", false),
        ];
        for (pattern, email, expected) in rows {
            let parsed: EmailPattern = pattern.parse().expect(pattern);
            let found = parsed.matches(&email.parse().expect(email));
            assert_eq!(found, expected, "{pattern} and {email}");
        }
    }

    #[test]
    fn what_could_mean_everybody_or_nobody_is_not_a_pattern() {
        for bad in [
            "",
            "*",
            "*@",
            "*@*",
            "@example.com",
            "**@example.com",
            "a*@example.com",
            "*a@example.com",
            "*@*.example.com",
            "*@.example.com",
            "*@example.com,*@other.com",
            "*@exa mple.com",
            "*@@example.com",
            "*@a@example.com",
            "ädä@example.com",
            "example.com",
        ] {
            assert!(bad.parse::<EmailPattern>().is_err(), "{bad:?} was taken for a pattern");
        }
    }

    #[cfg(feature = "idna")]
    #[test]
    fn a_domain_in_unicode_means_its_ascii_form() {
        for pattern in ["*@bücher.example", "*@xn--bcher-kva.example", "ada@BÜCHER.example"] {
            let pattern: EmailPattern = pattern.parse().expect(pattern);
            for email in ["ada@Bücher.example", "ada@xn--bcher-kva.example"] {
                assert!(pattern.matches(&email.parse().expect(email)), "{pattern} and {email}");
            }
        }
    }
}
