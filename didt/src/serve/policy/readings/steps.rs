//! What programs do to paths, one step each.

use super::super::path;
use super::Slashes;

type Step = fn(&[u8]) -> Vec<u8>;

/// The steps that somebody may take.
pub(super) fn of(slashes: Slashes) -> impl Iterator<Item = Step> {
    let decoders: &[Step] = match slashes {
        Slashes::Read => &[decode, decode_but_slash, decode_but_slashes, decode_slashes],
        Slashes::Kept => &[decode_but_slash],
    };
    let others: &[Step] = &[
        decode_unreserved,
        merge_slashes,
        resolve_dots,
        clean,
        cut_parameters,
        cut_at_parameters,
        cut_query,
        turn_backslashes,
        drop_authority,
        trim_names,
        fold,
    ];
    decoders.iter().chain(others).copied()
}

/// What the two digits behind a `%` stand for, and what comes after them.
pub(super) fn escaped(after: &[u8]) -> Option<(u8, &[u8])> {
    let [high, low, rest @ ..] = after else { return None };
    let (high, low) = (path::hex_digit(*high)?, path::hex_digit(*low)?);
    Some((high << 4 | low, rest))
}

/// Decodes the escapes of these once; others, and what is no escape, stay.
fn decode_some(path: &[u8], which: impl Fn(u8) -> bool) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let [byte, after @ ..] = rest {
        rest = after;
        match escaped(after) {
            Some((character, after)) if *byte == b'%' && which(character) => {
                decoded.push(character);
                rest = after;
            }
            _ => decoded.push(*byte),
        }
    }
    decoded
}

/// nginx, Express, Tomcat, IIS.
fn decode(path: &[u8]) -> Vec<u8> {
    decode_some(path, |_| true)
}

/// The same, with `encodedReverseSolidusHandling="passthrough"`.
fn decode_but_slashes(path: &[u8]) -> Vec<u8> {
    decode_some(path, |byte| !matches!(byte, b'/' | b'\\'))
}

/// Tomcat with `encodedSolidusHandling="passthrough"`.
fn decode_but_slash(path: &[u8]) -> Vec<u8> {
    decode_some(path, |byte| byte != b'/')
}

/// Envoy's `UNESCAPE_AND_FORWARD` and `UNESCAPE_AND_REDIRECT`.
fn decode_slashes(path: &[u8]) -> Vec<u8> {
    decode_some(path, |byte| matches!(byte, b'/' | b'\\'))
}

/// HAProxy's `percent-decode-unreserved`, Envoy's `normalize_path`.
fn decode_unreserved(path: &[u8]) -> Vec<u8> {
    decode_some(path, path::is_unreserved)
}

/// nginx, Envoy, HAProxy, Tomcat, file systems.
fn merge_slashes(path: &[u8]) -> Vec<u8> {
    let mut merged: Vec<u8> = path.to_vec();
    merged.dedup_by(|one, other| *one == b'/' && *other == b'/');
    merged
}

/// RFC 3986 section 5.2.4: an empty segment is one.
fn resolve_dots(path: &[u8]) -> Vec<u8> {
    let mut names: Vec<&[u8]> = Vec::new();
    let mut segments = path.split(|byte| *byte == b'/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            b"." => {}
            b".." => drop(names.pop()),
            name => {
                names.push(name);
                continue;
            }
        }
        if last {
            names.push(b"");
        }
    }
    [b"/".as_slice(), &names.join(&b'/')].concat()
}

/// Go's `path.Clean`: no slash is left at the end.
fn clean(path: &[u8]) -> Vec<u8> {
    let resolved = resolve_dots(&merge_slashes(path));
    let end = resolved.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
    resolved.get(..end).unwrap_or_default().to_vec()
}

/// Servlet containers, in each segment.
fn cut_parameters(path: &[u8]) -> Vec<u8> {
    let segments = path.split(|byte| *byte == b'/');
    let names = segments.map(|segment| until(segment, |byte| byte == b';'));
    names.collect::<Vec<_>>().join(&b'/')
}

/// Servers that look for `;jsessionid=` at the end.
fn cut_at_parameters(path: &[u8]) -> Vec<u8> {
    until(path, |byte| byte == b';').to_vec()
}

/// Programs that decode before they look for the query.
fn cut_query(path: &[u8]) -> Vec<u8> {
    until(path, |byte| matches!(byte, b'?' | b'#')).to_vec()
}

/// IIS, Envoy's `normalize_path`, everything that follows WHATWG's URLs.
fn turn_backslashes(path: &[u8]) -> Vec<u8> {
    path.iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte }).collect()
}

/// `new URL(path, base)` in Node: two slashes begin a host.
fn drop_authority(path: &[u8]) -> Vec<u8> {
    let Some(rest) = path.strip_prefix(b"//") else { return path.to_vec() };
    let rest = rest.iter().position(|byte| *byte != b'/').and_then(|start| rest.get(start..));
    let rest = rest.unwrap_or_default();
    let end = rest.iter().position(|byte| *byte == b'/');
    end.and_then(|end| rest.get(end..)).unwrap_or_default().to_vec()
}

/// File systems of Windows: blanks around a name do not count.
fn trim_names(path: &[u8]) -> Vec<u8> {
    let segments = path.split(|byte| *byte == b'/');
    segments.map(<[u8]>::trim_ascii).collect::<Vec<_>>().join(&b'/')
}

/// Best fit (Windows code pages) and NFKC: look-alikes become what they look like.
pub(super) fn fold(path: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(path) else { return path.to_vec() };
    let mut folded = String::with_capacity(text.len());
    for character in text.chars() {
        match path::looks_like(character) {
            Some(like) => folded.push_str(like),
            None => folded.push(character),
        }
    }
    folded.into_bytes()
}

fn until(bytes: &[u8], ends: impl Fn(u8) -> bool) -> &[u8] {
    bytes.split(|byte| ends(*byte)).next().unwrap_or_default()
}
