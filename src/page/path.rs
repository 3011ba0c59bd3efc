//! The one spelling of a path and query that a visitor may be sent back to.
//!
//! Between the page and the service that answers, several readers decode, merge and strip
//! differently. A path that any of them could take for another one, or for a host, is refused.
//! The rules are those that `didt serve` has for the paths it guards.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use super::ReturnFault;

/// What browsers escape in a query themselves (the *special-query percent-encode set* of the URL
/// standard), and what RFC 3986 section 3.4 does not allow there.
const QUERY: &AsciiSet = &CONTROLS
    .add(b'"')
    .add(b'\'')
    .add(b'<')
    .add(b'>')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Escapes one byte, whatever it is.
const EVERYTHING: &AsciiSet = percent_encoding::NON_ALPHANUMERIC;

/// Reads a path with an optional query and writes it in its canonical form. `text` is visible
/// ASCII without `\` and `#`.
pub(super) fn canonical(text: &str) -> Result<String, ReturnFault> {
    let (path, query) = match text.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (text, None),
    };
    let rest = path.strip_prefix('/').ok_or(ReturnFault::NotAbsolute)?;
    let mut canonical = String::with_capacity(text.len());
    let mut segments = rest.split('/').peekable();
    while let Some(segment) = segments.next() {
        if segment.is_empty() && segments.peek().is_some() {
            return Err(ReturnFault::Path);
        }
        canonical.push('/');
        push_segment(segment, &mut canonical)?;
    }
    if let Some(query) = query {
        canonical.push('?');
        canonical.extend(utf8_percent_encode(query, QUERY));
    }
    Ok(canonical)
}

/// An escape stays an escape if it must be one, and is refused where readers differ about it.
fn push_segment(segment: &str, canonical: &mut String) -> Result<(), ReturnFault> {
    let decoded = percent_decode_str(segment).decode_utf8().map_err(|_| ReturnFault::Path)?;
    if matches!(decoded.trim(), "." | "..") {
        return Err(ReturnFault::Path);
    }
    let mut rest = segment;
    while let Some(escape) = rest.find('%') {
        let (plain, escaped) = rest.split_at(escape);
        push_plain(plain, canonical)?;
        let digits = escaped.get(1..3).ok_or(ReturnFault::Path)?;
        push_escaped(digits, canonical)?;
        rest = escaped.get(3..).unwrap_or_default();
    }
    push_plain(rest, canonical)?;
    // The control characters beyond ASCII, which take two bytes.
    if decoded.chars().any(char::is_control) {
        return Err(ReturnFault::Path);
    }
    Ok(())
}

fn push_plain(text: &str, canonical: &mut String) -> Result<(), ReturnFault> {
    for character in text.chars() {
        match character {
            // Some servers cut a segment off there.
            ';' => return Err(ReturnFault::Path),
            '[' | ']' | '|' | '^' => {
                canonical
                    .extend(utf8_percent_encode(character.encode_utf8(&mut [0; 4]), EVERYTHING));
            }
            plain if is_unreserved(plain) || is_plain(plain) => canonical.push(plain),
            _ => return Err(ReturnFault::Path),
        }
    }
    Ok(())
}

fn push_escaped(digits: &str, canonical: &mut String) -> Result<(), ReturnFault> {
    let hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let byte = u8::from_str_radix(digits, 16).ok().filter(|_| hex).ok_or(ReturnFault::Path)?;
    match char::from(byte) {
        '/' | '\\' | '%' | ';' | '\0'..='\x1f' | '\x7f' => return Err(ReturnFault::Path),
        // Nobody escapes these but to get past somebody.
        needless if is_unreserved(needless) => return Err(ReturnFault::Path),
        plain if is_plain(plain) => canonical.push(plain),
        _ => {
            canonical.push('%');
            canonical.push_str(&digits.to_ascii_uppercase());
        }
    }
    Ok(())
}

/// RFC 3986 section 2.3.
const fn is_unreserved(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | '_' | '~')
}

/// What else RFC 3986 section 3.3 allows in a segment, without `;`.
const fn is_plain(character: char) -> bool {
    matches!(character, '!' | '$' | '&' | '\'' | '(' | ')' | '*' | '+' | ',' | '=' | ':' | '@')
}
