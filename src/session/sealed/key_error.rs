//! Errors of sealing keys.

use std::fmt;

use super::MIN_KEY_LEN;

/// Why keys could not be read. None of these errors contains any of the text.
///
/// Lines count from 1; a key given as bytes counts as a line.
#[derive(Debug)]
#[non_exhaustive]
pub enum SealingKeyError {
    /// There is not a single key in the text.
    NoKeys,
    /// A line is neither hexadecimal nor base64, or is not even text.
    Malformed {
        /// Which line.
        line: usize,
    },
    /// A key has fewer than 32 bytes.
    TooShort {
        /// On which line.
        line: usize,
        /// How many it has.
        bytes: usize,
    },
    /// A key is visibly not random, such as one byte repeated.
    Weak {
        /// On which line.
        line: usize,
    },
    /// The file cannot be read.
    File(std::io::Error),
    /// The environment variable is not set.
    NotSet,
    /// The operating system's random number generator failed.
    Randomness,
}

impl fmt::Display for SealingKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKeys => f.write_str("there are no sealing keys"),
            Self::Malformed { line } => {
                write!(f, "the sealing key on line {line} is neither hexadecimal nor base64")
            }
            Self::TooShort { line, bytes } => write!(
                f,
                "the sealing key on line {line} has {bytes} bytes, and {MIN_KEY_LEN} are the least"
            ),
            Self::Weak { line } => write!(f, "the sealing key on line {line} is not random"),
            Self::File(_) => f.write_str("the file of sealing keys cannot be read"),
            Self::NotSet => f.write_str("the environment variable of sealing keys is not set"),
            Self::Randomness => {
                f.write_str("the operating system's random number generator failed")
            }
        }
    }
}

impl std::error::Error for SealingKeyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(source) => Some(source),
            _ => None,
        }
    }
}
