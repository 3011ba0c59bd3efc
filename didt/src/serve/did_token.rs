//! The DID token in a value of `Authorization`, as the most lenient reader finds it.

use tower_didt::token::DidToken;

/// The token behind `Bearer`, in any case and with any blanks around. Nothing of it is checked.
pub(crate) fn stated(value: &[u8]) -> Option<DidToken> {
    let (scheme, rest) = value.trim_ascii().split_at_checked(b"bearer".len())?;
    let token = scheme.eq_ignore_ascii_case(b"bearer").then(|| rest.trim_ascii())?;
    DidToken::decode(token).ok()
}
