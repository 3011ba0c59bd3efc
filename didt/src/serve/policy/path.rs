//! The one spelling of a path.
//!
//! Programs between the client and the service that answers decode, merge and strip
//! differently. A path that any of them could take for another one is refused; what all of
//! them take for the same is brought into one form.

use std::fmt;

use percent_encoding::{percent_decode, percent_encode_byte};

/// The most bytes of path and query: what one buffer of nginx holds
/// (`large_client_header_buffers`).
pub(crate) const MAX_URI_LEN: usize = 8 * 1024;

/// Reads path and query of a request and returns its path.
///
/// Escapes get upper-case digits (RFC 3986 section 6.2.2.1): some servers and links spell them
/// in lower case, and nobody takes the two for different. What RFC 3986 lets stand in a
/// path unescaped, but JavaScript's `encodeURIComponent` escapes (`@`, `:`, `$`, `&`, `+`, `,`,
/// `=`), is unescaped; what browsers leave and RFC 3986 does not (`[`, `]`, `|`, `^`), is escaped.
pub(super) fn canonical(uri: &[u8]) -> Result<String, PathFault> {
    let path = of(uri)?;
    let rest = path.get(1..).unwrap_or_default();
    let mut canonical = String::with_capacity(path.len());
    let mut segments = rest.split(|byte| *byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        if segment.is_empty() && segments.peek().is_some() {
            return Err(PathFault::EmptySegment);
        }
        canonical.push('/');
        push_segment(segment, &mut canonical)?;
    }
    Ok(canonical)
}

/// The path of a request, if it is one at all: what is refused here, no rule lets pass.
pub(super) fn of(uri: &[u8]) -> Result<&[u8], PathFault> {
    if uri.len() > MAX_URI_LEN {
        return Err(PathFault::TooLong);
    }
    // In the query too: no client sends them there, and a reader might cut at them.
    uri.iter().try_for_each(|byte| match byte {
        b'#' => Err(PathFault::Fragment),
        b' ' => Err(PathFault::Blank),
        0..=0x1f | 0x7f => Err(PathFault::Control),
        0x80.. => Err(PathFault::EightBit),
        _ => Ok(()),
    })?;
    let path = uri.split(|byte| *byte == b'?').next().unwrap_or_default();
    match path {
        [] => return Err(PathFault::Empty),
        [b'/', ..] => {}
        _ => return Err(PathFault::NotRooted),
    }
    let mut escapes = path.split(|byte| *byte == b'%').skip(1);
    if !escapes.all(|escape| matches!(escape, [high, low, ..] if hex_digit(*high).and(hex_digit(*low)).is_some())) {
        return Err(PathFault::MalformedEscape);
    }
    let decoded: Vec<u8> = percent_decode(path).collect();
    if decoded.iter().any(u8::is_ascii_control) {
        return Err(PathFault::EncodedControl);
    }
    let text = std::str::from_utf8(&decoded).map_err(|_| PathFault::NotUtf8)?;
    // Of the control characters beyond ASCII, which take two bytes.
    if text.chars().any(char::is_control) {
        return Err(PathFault::EncodedControl);
    }
    Ok(path)
}

fn push_segment(segment: &[u8], canonical: &mut String) -> Result<(), PathFault> {
    let decoded: Vec<u8> = percent_decode(segment).collect();
    if is_dots(&decoded) {
        return Err(PathFault::DotSegment);
    }
    let mut bytes = segment.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let mut digit = || bytes.next().copied().and_then(hex_digit);
                let (high, low) = (digit(), digit());
                let pair = high.zip(low).ok_or(PathFault::MalformedEscape)?;
                push_escaped(pair.0 << 4 | pair.1, canonical)?;
            }
            b'\\' => return Err(PathFault::Backslash),
            b';' => return Err(PathFault::Parameters),
            byte if is_unreserved(*byte) || is_plain(*byte) => canonical.push(char::from(*byte)),
            b'[' | b']' | b'|' | b'^' => canonical.push_str(percent_encode_byte(*byte)),
            _ => return Err(PathFault::Character),
        }
    }
    let text = std::str::from_utf8(&decoded).map_err(|_| PathFault::NotUtf8)?;
    if text.chars().any(|character| looks_like(character).is_some()) {
        return Err(PathFault::LookAlike);
    }
    Ok(())
}

/// Writes a byte of a path as the canonical form has it, whatever it is.
pub(super) fn push(byte: u8, canonical: &mut String) {
    if byte == b'/' || is_unreserved(byte) || is_plain(byte) {
        canonical.push(char::from(byte));
    } else {
        canonical.push_str(percent_encode_byte(byte));
    }
}

/// What a byte becomes that was written as an escape.
fn push_escaped(byte: u8, canonical: &mut String) -> Result<(), PathFault> {
    match byte {
        b'/' => return Err(PathFault::EncodedSlash),
        b'\\' => return Err(PathFault::EncodedBackslash),
        b'%' => return Err(PathFault::DoubleEncoding),
        b';' => return Err(PathFault::Parameters),
        byte if is_unreserved(byte) => return Err(PathFault::NeedlessEscape),
        byte if is_plain(byte) => canonical.push(char::from(byte)),
        byte => canonical.push_str(percent_encode_byte(byte)),
    }
    Ok(())
}

/// `.` or `..`, as a reader sees it that cuts parameters off (Tomcat) or blanks (Windows).
fn is_dots(decoded: &[u8]) -> bool {
    matches!(name(decoded), b"." | b"..")
}

/// The name of a segment, to such a reader.
pub(super) fn name(segment: &[u8]) -> &[u8] {
    segment.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii()
}

/// What services that convert to an 8-bit character set by "best fit" (Windows code pages; NFKC
/// normalisation) make of full-width and small forms, and of other slashes and dots.
pub(super) const fn looks_like(character: char) -> Option<&'static str> {
    Some(match character {
        '\u{ff0f}' | '\u{2044}' | '\u{2215}' | '\u{29f8}' => "/",
        '\u{ff3c}' | '\u{fe68}' | '\u{2216}' | '\u{29f5}' | '\u{29f9}' => "\\",
        '\u{ff0e}' | '\u{fe52}' | '\u{2024}' | '\u{3002}' | '\u{ff61}' => ".",
        '\u{2025}' => "..",
        '\u{2026}' => "...",
        '\u{ff05}' | '\u{fe6a}' => "%",
        '\u{ff1f}' | '\u{fe56}' => "?",
        '\u{ff03}' | '\u{fe5f}' => "#",
        '\u{ff1b}' | '\u{fe54}' | '\u{37e}' => ";",
        '\u{ff1a}' | '\u{fe55}' => ":",
        _ => return None,
    })
}

/// RFC 3986 section 2.3.
pub(super) const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Other characters that may appear in a path unescaped (RFC 3986 section 3.3), except `;`.
const fn is_plain(byte: u8) -> bool {
    matches!(
        byte,
        b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@'
    )
}

pub(super) fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// What about a path could mean different things to different readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathFault {
    Empty,
    NotRooted,
    /// An absolute URI that names another scheme or host than the request's.
    OtherOrigin,
    TooLong,
    Fragment,
    Blank,
    Control,
    EightBit,
    Backslash,
    EmptySegment,
    DotSegment,
    /// Servlet containers cut `;` and what follows off each segment, before or after decoding.
    Parameters,
    EncodedSlash,
    EncodedBackslash,
    EncodedControl,
    /// A character that some services convert to one of `/ \ . % ? # ; :`.
    LookAlike,
    DoubleEncoding,
    /// An escaped letter, digit, `-`, `.`, `_` or `~`: no client writes them so by accident.
    NeedlessEscape,
    MalformedEscape,
    NotUtf8,
    Character,
}

impl PathFault {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty_path",
            Self::NotRooted => "no_leading_slash",
            Self::OtherOrigin => "other_origin",
            Self::TooLong => "long_path",
            Self::Fragment => "fragment",
            Self::Blank => "blank",
            Self::Control => "control_character",
            Self::EightBit => "eight_bit",
            Self::Backslash => "backslash",
            Self::EmptySegment => "empty_segment",
            Self::DotSegment => "dot_segment",
            Self::Parameters => "path_parameters",
            Self::EncodedSlash => "encoded_slash",
            Self::EncodedBackslash => "encoded_backslash",
            Self::EncodedControl => "encoded_control_character",
            Self::LookAlike => "look_alike_character",
            Self::DoubleEncoding => "double_encoding",
            Self::NeedlessEscape => "needless_escape",
            Self::MalformedEscape => "malformed_escape",
            Self::NotUtf8 => "not_utf8",
            Self::Character => "path_character",
        }
    }
}

impl fmt::Display for PathFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if matches!(self, Self::TooLong) {
            return write!(f, "is, with its query, longer than {MAX_URI_LEN} bytes");
        }
        f.write_str(match self {
            Self::Empty => "is empty",
            Self::NotRooted => "does not begin with /",
            Self::OtherOrigin => "belongs to an absolute URI of another scheme or host",
            Self::TooLong => "is too long",
            Self::Fragment => "or the query has a #",
            Self::Blank => "or the query has a blank",
            Self::Control => "or the query has a control character",
            Self::EightBit => "or the query has a byte that is not ASCII",
            Self::Backslash => "has a backslash",
            Self::EmptySegment => "has two slashes in a row",
            Self::DotSegment => "has a . or .. segment, plain or encoded",
            Self::Parameters => {
                "has a ;, plain or encoded, which some servers cut off and others do not"
            }
            Self::EncodedSlash => "has an encoded slash (%2F)",
            Self::EncodedBackslash => "has an encoded backslash (%5C)",
            Self::EncodedControl => "has an encoded control character",
            Self::LookAlike => {
                "has a character that some services read as a slash, a dot or the like"
            }
            Self::DoubleEncoding => "has an encoded percent sign (%25)",
            Self::NeedlessEscape => "has an encoded character that needs no encoding",
            Self::MalformedEscape => "has a % without two hexadecimal digits after it",
            Self::NotUtf8 => "has encoded bytes that are not UTF-8",
            Self::Character => "has a character that must be encoded",
        })
    }
}
