//! What a request carries: a bearer token, a session cookie, both, or nothing.

use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE};

use super::Rejection;

/// The credentials of one request, not yet looked at any further.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Credentials<'a> {
    /// What follows `Bearer` in `Authorization`.
    pub(super) token: Option<&'a [u8]>,
    pub(super) cookie: CookieValue<'a>,
}

/// How many different values of one cookie are looked at. A host and its parent domain make two,
/// and each look-up may cost the store a round trip, at a stranger's wish.
pub(super) const MAX_COOKIE_VALUES: usize = 4;

/// The values of one cookie in one request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum CookieValue<'a> {
    Absent,
    One(&'a str),
    /// Different values: a parent domain has set one of the same name, or an older configuration
    /// has left one behind. What they open says which one counts.
    Several(CookieValues<'a>),
}

/// The first few different values of one cookie.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct CookieValues<'a> {
    values: [Option<&'a [u8]>; MAX_COOKIE_VALUES],
    /// There are more, so that none of them can be known to be the only good one.
    more: bool,
}

impl<'a> CookieValues<'a> {
    fn add(&mut self, value: &'a [u8]) {
        for slot in &mut self.values {
            match slot {
                Some(known) if *known == value => return,
                Some(_) => {}
                None => {
                    *slot = Some(value);
                    return;
                }
            }
        }
        self.more = true;
    }

    /// The values that could be ours: only text, and none if there are too many.
    pub(super) fn texts(self) -> impl Iterator<Item = &'a str> {
        let values = if self.more { Default::default() } else { self.values };
        values.into_iter().flatten().filter_map(|value| std::str::from_utf8(value).ok())
    }

    /// Whether one more would be too many.
    pub(super) fn is_full(&self) -> bool {
        self.values.iter().all(Option::is_some)
    }
}

impl<'a> Credentials<'a> {
    /// Reads the credentials. A scheme other than `Bearer` is not ours to judge.
    ///
    /// Two `Authorization` headers, or two credentials joined by a comma in one,
    /// are refused: another reader on the way might have picked the other one.
    pub(super) fn read(headers: &'a HeaderMap, cookie_name: &str) -> Result<Self, Rejection> {
        let mut authorization = headers.get_all(AUTHORIZATION).iter();
        let token = match (authorization.next(), authorization.next()) {
            (None, _) => None,
            (Some(value), None) => bearer_token(value.as_bytes())?,
            (Some(_), Some(_)) => return Err(Rejection::AmbiguousCredentials),
        };
        Ok(Self { token, cookie: cookie_value(headers, cookie_name) })
    }
}

/// What follows `Bearer` and one or more spaces (RFC 6750 section 2.1; the scheme
/// in any case, RFC 9110 section 11.1). Whether it is a token is the verifier's to say.
fn bearer_token(value: &[u8]) -> Result<Option<&[u8]>, Rejection> {
    const SCHEME: &[u8] = b"bearer";
    let Some((scheme, rest)) = value.split_at_checked(SCHEME.len()) else {
        return Ok(None);
    };
    if !scheme.eq_ignore_ascii_case(SCHEME) || !matches!(rest.first(), None | Some(b' ' | b'\t')) {
        return Ok(None);
    }
    if rest.contains(&b',') {
        return Err(Rejection::AmbiguousCredentials);
    }
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    Ok(rest.get(spaces..))
}

/// Finds the cookie of exactly this name in all `Cookie` headers (HTTP/2 splits them).
///
/// Only spaces and tabs around a pair are trimmed. Trimming Unicode blanks, as
/// general cookie parsers do, would let a page on a sub-domain set a cookie that
/// is read as `__Host-…` though no browser granted it that prefix.
pub(super) fn cookie_value<'a>(headers: &'a HeaderMap, name: &str) -> CookieValue<'a> {
    let mut found = CookieValues::default();
    let headers = headers.get_all(COOKIE).iter();
    for pair in headers.flat_map(|header| header.as_bytes().split(|byte| *byte == b';')) {
        if let Some(value) = value_of(pair, name.as_bytes()) {
            found.add(value);
        }
    }
    match found.values {
        [None, ..] => CookieValue::Absent,
        [Some(value), None, ..] => match std::str::from_utf8(value) {
            Ok(value) => CookieValue::One(value),
            Err(_) => CookieValue::Several(found),
        },
        _ => CookieValue::Several(found),
    }
}

/// The value of a `name=value` pair, if it has this name.
fn value_of<'a>(pair: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    trim(pair).strip_prefix(name)?.strip_prefix(b"=")
}

fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(headers: &[(&'static str, &[u8])]) -> Result<(Option<Vec<u8>>, Vec<String>), ()> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_bytes(value).expect("a header value"));
        }
        let credentials = Credentials::read(&map, "__Host-s").map_err(|_| ())?;
        let cookie = match credentials.cookie {
            CookieValue::Absent => vec![],
            CookieValue::One(value) => vec![value.to_owned()],
            CookieValue::Several(values) => {
                std::iter::once("several").chain(values.texts()).map(str::to_owned).collect()
            }
        };
        Ok((credentials.token.map(<[u8]>::to_vec), cookie))
    }

    #[test]
    fn authorization_is_read_as_rfc_6750_has_it() {
        let rows: [(&str, &[u8], Result<Option<&[u8]>, ()>); 13] = [
            ("plain", b"Bearer abc", Ok(Some(b"abc"))),
            ("scheme in any case", b"bEaReR abc", Ok(Some(b"abc"))),
            ("several spaces", b"Bearer   abc", Ok(Some(b"abc"))),
            ("a tab is no space", b"Bearer\tabc", Ok(Some(b"\tabc"))),
            ("a blank after the token is part of it", b"Bearer a b", Ok(Some(b"a b"))),
            ("nothing after the scheme", b"Bearer", Ok(Some(b""))),
            ("only a space after the scheme", b"Bearer ", Ok(Some(b""))),
            ("8-bit bytes", b"Bearer \xff", Ok(Some(b"\xff"))),
            ("another scheme", b"Basic abc", Ok(None)),
            ("a longer scheme", b"Bearers abc", Ok(None)),
            ("a short scheme", b"B", Ok(None)),
            ("empty", b"", Ok(None)),
            ("joined by a comma", b"Bearer abc, Bearer def", Err(())),
        ];
        for (name, value, expected) in rows {
            let got = read(&[("authorization", value)]).map(|(token, _)| token);
            assert_eq!(got, expected.map(|token| token.map(<[u8]>::to_vec)), "{name}");
        }
    }

    #[test]
    fn two_authorization_headers_are_refused_even_if_equal() {
        assert!(read(&[("authorization", b"Bearer a"), ("authorization", b"Bearer a")]).is_err());
        assert!(read(&[("authorization", b"Bearer a"), ("authorization", b"Basic a")]).is_err());
    }

    #[test]
    fn the_cookie_is_found_by_its_exact_name() {
        let rows: [(&str, &[&[u8]], &[&str]); 19] = [
            ("alone", &[b"__Host-s=v"], &["v"]),
            ("among others", &[b"a=b; __Host-s=v; c=d"], &["v"]),
            ("without blanks", &[b"a=b;__Host-s=v;c=d"], &["v"]),
            ("tabs and spaces around", &[b"a=b; \t __Host-s=v \t"], &["v"]),
            ("in the second header", &[b"a=b", b"__Host-s=v"], &["v"]),
            ("twice, equal", &[b"__Host-s=v; __Host-s=v"], &["v"]),
            ("twice, different", &[b"__Host-s=v; __Host-s=w"], &["several", "v", "w"]),
            (
                "in two headers, different, one repeated",
                &[b"__Host-s=v", b"__Host-s=w; __Host-s=v"],
                &["several", "v", "w"],
            ),
            (
                "as many as are looked at",
                &[b"__Host-s=1; __Host-s=2; __Host-s=3; __Host-s=4"],
                &["several", "1", "2", "3", "4"],
            ),
            (
                "too many",
                &[b"__Host-s=1; __Host-s=2; __Host-s=3; __Host-s=4; __Host-s=5"],
                &["several"],
            ),
            ("one that is no text beside one", &[b"__Host-s=\xff; __Host-s=v"], &["several", "v"]),
            ("another case", &[b"__host-s=v"], &[]),
            ("a longer name", &[b"__Host-s2=v"], &[]),
            ("a space within the name", &[b"__Host-s =v"], &[]),
            ("a no-break space before the name", &[b"a=b;\xc2\xa0__Host-s=v"], &[]),
            ("an em quad before the name", &[b"a=b;\xe2\x80\x80__Host-s=v"], &[]),
            ("a Latin-1 no-break space before the name", &[b"a=b;\xa0__Host-s=v"], &[]),
            ("empty value", &[b"__Host-s="], &[""]),
            ("no value", &[b"__Host-s"], &[]),
        ];
        for (name, headers, expected) in rows {
            let headers: Vec<_> = headers.iter().map(|value| ("cookie", *value)).collect();
            let (_, cookie) = read(&headers).expect(name);
            assert_eq!(cookie, expected, "{name}");
        }
    }

    #[test]
    fn a_cookie_that_is_not_text_never_passes_for_a_ticket() {
        let (_, cookie) = read(&[("cookie", b"__Host-s=\xff")]).expect("read");
        assert_eq!(cookie, ["several"], "none that counts");
    }
}
