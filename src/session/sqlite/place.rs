//! Whether connections still have that file open which their path leads to.
//!
//! Where a file is replaced, by a backup say, those who have it open go on with the old one, which
//! nobody else sees any more: what is revoked in the new one would be alive there.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A path, and which file it led to lately.
pub(super) struct Place {
    path: PathBuf,
    /// How long it may take to open the file.
    opening: Duration,
    seen: Mutex<Seen>,
}

struct Seen {
    file: Option<Identity>,
    /// Until when connections that have another file open may have been made.
    settled: Instant,
}

impl Place {
    pub(super) fn new(path: &Path, opening: Duration) -> Self {
        let seen = Seen { file: identity(path), settled: Instant::now() };
        Self { path: path.to_owned(), opening, seen: Mutex::new(seen) }
    }

    /// Whether a connection of this age has the file open that is there now. Where in doubt it has not.
    pub(super) fn is_open_by(&self, age: Duration) -> bool {
        let file = identity(&self.path);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.file != file {
            *seen = Seen { file, settled: Instant::now() + self.opening };
        }
        age <= seen.settled.elapsed()
    }
}

/// What tells a file from another of the same name. While a connection has it open, no other file
/// gets its number.
#[cfg(unix)]
type Identity = (u64, u64);
#[cfg(not(unix))]
type Identity = std::time::SystemTime;

#[cfg(unix)]
fn identity(path: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;

    std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

#[cfg(not(unix))]
fn identity(path: &Path) -> Option<Identity> {
    std::fs::metadata(path).ok()?.created().ok()
}
