//! The file of keys: PEM, with the time of each before it.
//!
//! ```text
//! from 2026-07-01T00:00:00Z
//! until 2027-01-15T00:00:00Z
//! -----BEGIN PRIVATE KEY-----
//! ```
//!
//! Text before a block is no part of PEM (RFC 7468 section 2), so that other programs read such a file
//! too. Here it has these two words, and comments that begin with `#`.

use std::fmt;
use std::time::UNIX_EPOCH;

use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use tower_didt::Timestamp;

/// The most keys of a file: one that signs, one that comes and one that goes are three.
const MAX_KEYS: usize = 16;

/// A key, when it signs, and the line that it begins in, from 1.
pub(super) struct Entry {
    pub(super) der: PrivatePkcs8KeyDer<'static>,
    pub(super) from: Option<Timestamp>,
    pub(super) until: Option<Timestamp>,
    pub(super) line: usize,
}

pub(super) fn read(text: &str) -> Result<Vec<Entry>, InvalidKey> {
    let mut entries = Vec::new();
    let (mut from, mut until) = (None, None);
    let mut lines = text.lines().enumerate();
    while let Some((number, written)) = lines.next() {
        let line = number + 1;
        let written = written.trim();
        match written.split_once(char::is_whitespace) {
            _ if written.is_empty() || written.starts_with('#') => {}
            _ if written.starts_with("-----BEGIN ") => {
                let mut block = zeroize::Zeroizing::new(format!("{written}\n"));
                for (_, written) in lines.by_ref() {
                    block.push_str(written.trim());
                    block.push('\n');
                    if written.trim().starts_with("-----END ") {
                        break;
                    }
                }
                let der = PrivatePkcs8KeyDer::from_pem_slice(block.as_bytes());
                let der = der.map_err(|_| InvalidKey::NoKey { line })?;
                let (from, until) = (from.take(), until.take());
                if from.zip(until).is_some_and(|(from, until)| until <= from) {
                    return Err(InvalidKey::Never { line });
                }
                if entries.len() == MAX_KEYS {
                    return Err(InvalidKey::TooMany);
                }
                entries.push(Entry { der, from, until, line });
            }
            Some(("from", time)) if from.is_none() => from = Some(moment(time, line)?),
            Some(("until", time)) if until.is_none() => until = Some(moment(time, line)?),
            _ => return Err(InvalidKey::Line { line }),
        }
    }
    if from.is_some() || until.is_some() || entries.is_empty() {
        return Err(InvalidKey::NoKey { line: text.lines().count().max(1) });
    }
    Ok(entries)
}

fn moment(text: &str, line: usize) -> Result<Timestamp, InvalidKey> {
    let time = humantime::parse_rfc3339(text.trim()).map_err(|_| InvalidKey::Time { line })?;
    let since = time.duration_since(UNIX_EPOCH).map_err(|_| InvalidKey::Time { line })?;
    i64::try_from(since.as_secs()).map(Timestamp::from_secs).map_err(|_| InvalidKey::Time { line })
}

/// The file of keys is unusable. Lines count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InvalidKey {
    NoKey { line: usize },
    Line { line: usize },
    Time { line: usize },
    Never { line: usize },
    Twice { line: usize },
    TooMany,
    NoneNow,
}

impl fmt::Display for InvalidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKey { line } => write!(
                f,
                "line {line}: expected an Ed25519, P-256 or RSA key (2048 to 4096 bits) in PKCS #8 form, PEM; \
                 `didt keygen ed25519` makes one"
            ),
            Self::Line { line } => write!(
                f,
                "line {line}: expected a key in PEM, `from` or `until` with a time, or a comment that begins with #"
            ),
            Self::Time { line } => {
                write!(f, "line {line}: expected a time in UTC, such as 2026-07-01T00:00:00Z")
            }
            Self::Never { line } => write!(f, "line {line}: this key ends before it begins"),
            Self::Twice { line } => write!(f, "line {line}: the file has this key twice"),
            Self::TooMany => write!(f, "the file has more than {MAX_KEYS} keys"),
            Self::NoneNow => f.write_str("no key of the file signs now, by its times"),
        }
    }
}

impl std::error::Error for InvalidKey {}
