//! All that a path may mean to somebody who reads it.
//!
//! Gateways and services decode, merge, cut and resolve paths, each in its own order and some of
//! them twice. Whatever they do is a sequence of the steps in `steps`, so what they may read is
//! what these lead to, applied in every order until nothing new comes.

mod steps;

use std::collections::BTreeSet;

use percent_encoding::percent_decode;

use super::path;

/// The longest path that is read in every way. Names of real queues, projects and packages take a
/// fifth of it.
const MAX_LEN: usize = 1024;

/// The most readings that are looked at. What people send has a dozen; each costs some microseconds.
const MAX_READINGS: usize = 64;

/// How often a path may have been encoded. Two times happens by accident, more by intent.
const MAX_ENCODINGS: usize = 3;

/// What becomes of `%2F`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slashes {
    /// Some read it as a slash.
    Read,
    /// Everybody keeps it, as a character within a segment.
    Kept,
}

/// Whether no reading of a path is harmful whatever the rules are: none climbs out of the root or has a
/// control character.
pub(super) fn are_harmless(path: &[u8]) -> bool {
    let mut seen = path.to_vec();
    for _ in 0..MAX_ENCODINGS {
        seen = percent_decode(&seen).collect();
        if seen.iter().any(u8::is_ascii_control) || climbs(&steps::fold(&seen)) {
            return false;
        }
    }
    percent_decode(&seen).eq(seen.iter().copied())
}

/// Whether `..` leads out of the root.
fn climbs(path: &[u8]) -> bool {
    let mut depth = 0_usize;
    for segment in path.split(|byte| matches!(byte, b'/' | b'\\')) {
        depth = match path::name(segment) {
            b"" | b"." => depth,
            b".." => match depth.checked_sub(1) {
                Some(depth) => depth,
                None => return true,
            },
            _ => depth + 1,
        };
    }
    false
}

/// Whether a kept slash stands beside a `.` or `..`, which nobody names anything.
pub(super) fn hides_dots(path: &[u8]) -> bool {
    let mut seen = path.to_vec();
    (0..MAX_ENCODINGS).any(|_| {
        seen = percent_decode(&seen).collect();
        let folded = steps::fold(&seen);
        let mut segments = folded.split(|byte| matches!(byte, b'/' | b'\\'));
        segments.any(|segment| matches!(path::name(segment), b"." | b".."))
    })
}

/// What a path may mean, each in the form that rules are matched on, the one as it came first.
/// `None` where that is too much to look at.
pub(super) fn all(path: &[u8], slashes: Slashes) -> Option<Vec<String>> {
    if path.len() > MAX_LEN {
        return None;
    }
    let mut seen = BTreeSet::from([path.to_vec()]);
    let mut readings = vec![path.to_vec()];
    let mut next = 0;
    while let Some(reading) = readings.get(next).cloned() {
        next += 1;
        for step in steps::of(slashes) {
            let read = rooted(step(&reading));
            if seen.insert(read.clone()) {
                readings.push(read);
            }
        }
        if readings.len() > MAX_READINGS {
            return None;
        }
    }
    // What is read is either decoded once more by whoever acts on it, or it is the name itself.
    let mut forms: Vec<String> = readings.iter().map(|reading| as_url(reading)).collect();
    forms.extend(readings.iter().map(|reading| as_name(reading)));
    Some(forms)
}

fn rooted(path: Vec<u8>) -> Vec<u8> {
    if path.first() == Some(&b'/') { path } else { [b"/".as_slice(), &path].concat() }
}

/// The form of a path with escapes.
pub(super) fn as_url(path: &[u8]) -> String {
    let mut url = String::with_capacity(path.len());
    let mut rest = path;
    while let [byte, after @ ..] = rest {
        rest = after;
        match (byte, steps::escaped(after)) {
            (b'%', Some((byte, after))) => {
                rest = after;
                if byte == b'/' {
                    url.push_str("%2F");
                } else {
                    path::push(byte, &mut url);
                }
            }
            _ => path::push(*byte, &mut url),
        }
    }
    url
}

/// The form of a path in which nothing is an escape.
fn as_name(path: &[u8]) -> String {
    let mut name = String::with_capacity(path.len());
    path.iter().for_each(|byte| path::push(*byte, &mut name));
    name
}

#[cfg(test)]
mod models;
#[cfg(test)]
mod sites_tests;
#[cfg(test)]
mod tests;
