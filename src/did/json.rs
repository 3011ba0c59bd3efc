//! What `serde_json` leaves to its callers: borrowed strings, and values that are ignored
//! but must be sound all the same.

use std::borrow::Cow;

use serde::Deserialize;

use super::error::Malformed;

/// A JSON string, borrowed from the text where it has no escapes.
///
/// (A bare `Cow<str>` would always be copied.)
#[derive(Deserialize)]
pub(super) struct CowStr<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// The JSON string that `text` is, or `None` if it is anything else or has a lone surrogate.
pub(super) fn string(text: &str) -> Option<Cow<'_, str>> {
    serde_json::from_str(text).ok().map(|CowStr(string)| string)
}

/// Checks a value that is not read further: at most `max_depth` levels of arrays and
/// objects, and no lone surrogate in any of its strings.
///
/// `text` is known to be JSON (a `RawValue`), which makes finding brackets and
/// strings in it trivial: outside of strings every bracket is structure, inside
/// of them a backslash always escapes one character. `serde_json` bounds
/// neither depth nor surrogates in values that it skips.
pub(super) fn check_ignored(text: &str, max_depth: usize) -> Result<(), Malformed> {
    let bytes = text.as_bytes();
    let mut depth = 0usize;
    let mut position = 0;
    while let Some(byte) = bytes.get(position) {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                if depth > max_depth {
                    return Err(Malformed::TooDeep { limit: max_depth + 1 });
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => {
                let end = string_end(bytes, position);
                let sound = text.get(position..end).is_some_and(|s| string(s).is_some());
                if !sound {
                    return Err(Malformed::ClaimJson);
                }
                position = end;
                continue;
            }
            _ => {}
        }
        position += 1;
    }
    Ok(())
}

/// The position after the closing quote of the string that begins at `start`.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut position = start + 1;
    while let Some(byte) = bytes.get(position) {
        match byte {
            b'\\' => position += 2,
            b'"' => return position + 1,
            _ => position += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_that_is_told_counts_the_claim_itself() {
        assert_eq!(check_ignored("[[]]", 2), Ok(()));
        assert_eq!(check_ignored("[[[]]]", 2), Err(Malformed::TooDeep { limit: 3 }));
        // Levels, not brackets: what was closed counts no more, and none counts in a string.
        assert_eq!(check_ignored(r#"[[],{},[],"[[[\"[["]"#, 2), Ok(()));
    }
}
