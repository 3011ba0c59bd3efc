//! An invalid setting, reported in one line.

use std::fmt;

use super::origin::Origin;

/// What is wrong with the settings: where, which key, what, and what is expected instead.
///
/// Never shows a secret, nor the value of a key that names a file: somebody
/// may have put the secret itself there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invalid {
    origin: Origin,
    /// A dotted key, or what else is at fault.
    what: String,
    problem: String,
}

impl Invalid {
    pub(crate) fn new(origin: Origin, what: impl Into<String>, problem: impl fmt::Display) -> Self {
        Self { origin, what: what.into(), problem: problem.to_string() }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Default => {}
            Origin::Flag if self.what.is_empty() => f.write_str("--set: ")?,
            Origin::Flag => f.write_str("--set ")?,
            origin => write!(f, "{origin}: ")?,
        }
        if !self.what.is_empty() {
            write!(f, "{}: ", OneLine(&self.what))?;
        }
        OneLine(&self.problem).fmt(f)
    }
}

/// Logs and terminals get only visible characters.
struct OneLine<'a>(&'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.split(char::is_control).enumerate().try_for_each(|(number, part)| {
            f.write_str(if number > 0 { " " } else { "" })?;
            f.write_str(part)
        })
    }
}

impl std::error::Error for Invalid {}
