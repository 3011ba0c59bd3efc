//! Files that settings name.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

/// The most that is read of a file: certificates are the longest.
const MAX_LEN: u64 = 1024 * 1024;

/// Reads a whole file. Pipes and devices are refused: they might never end, or yield their text
/// only once.
pub(crate) fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let file = File::open(path)?;
    // Once and for all, so that no copy of a secret is left behind where it grew.
    let len = usize::try_from(file.metadata()?.len().min(MAX_LEN)).unwrap_or_default();
    let mut bytes = Zeroizing::new(Vec::with_capacity(len + 2));
    file.take(MAX_LEN + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_LEN {
        return Err(io::Error::other(format!("longer than {MAX_LEN} bytes")));
    }
    Ok(bytes)
}
