//! Who is sent to a sign-in page: only a person who opens a page.
//!
//! A script that gets a redirect in place of a 401 follows it to HTML that it cannot read, or to
//! another origin where CORS stops it. Browsers say what a request is for
//! ([Fetch Metadata](https://www.w3.org/TR/fetch-metadata/)); older ones are judged by `Accept`.

use http::header::{ACCEPT, AUTHORIZATION, ORIGIN, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH: [HeaderName; 3] = [SEC_FETCH_MODE, SEC_FETCH_DEST, SEC_FETCH_SITE];

/// Prefetches: what browsers fetch before the user asks for it. The answer is kept or thrown away,
/// and the person who follows the link then asks again.
const PREFETCH: [HeaderName; 3] = [
    HeaderName::from_static("sec-purpose"),
    HeaderName::from_static("purpose"),
    HeaderName::from_static("x-moz"),
];

/// What only scripts send with a `GET`: an `Origin`, and the headers of jQuery, htmx, pjax and Turbo, whose
/// `Accept` prefers HTML.
const BY_SCRIPT: [HeaderName; 5] = [
    ORIGIN,
    HeaderName::from_static("x-requested-with"),
    HeaderName::from_static("hx-request"),
    HeaderName::from_static("x-pjax"),
    HeaderName::from_static("turbo-frame"),
];

/// The names of all headers that [`is_navigation`] reads, in lower case: for whatever stands between a
/// client and this decision and passes on only what it is told to.
pub const NAVIGATION_HEADERS: [&str; 14] = [
    "accept",
    "authorization",
    "hx-request",
    "origin",
    "purpose",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "sec-purpose",
    "turbo-frame",
    "upgrade",
    "x-moz",
    "x-pjax",
    "x-requested-with",
];

/// The most media ranges of an `Accept` that are read; browsers send fewer than ten.
const MAX_MEDIA_RANGES: usize = 32;

/// Whether a person opens a page with this request, who can be shown another one instead.
///
/// True for `GET` and `HEAD` that a browser marks as a navigation of a whole document; without
/// Fetch Metadata, for those that prefer HTML to everything else they accept. False for
/// WebSockets, prefetches, requests with an `Authorization`, and everything that a script or a
/// program asks for.
///
/// ```
/// use http::{HeaderMap, Method};
/// use tower_didt::layer::is_navigation;
///
/// let mut headers = HeaderMap::new();
/// headers.insert("accept", "application/json".parse()?);
/// assert!(!is_navigation(&Method::GET, &headers));
/// headers.insert("accept", "text/html,*/*;q=0.8".parse()?);
/// assert!(is_navigation(&Method::GET, &headers));
/// assert!(!is_navigation(&Method::POST, &headers));
/// # Ok::<(), http::header::InvalidHeaderValue>(())
/// ```
#[must_use]
pub fn is_navigation(method: &Method, headers: &HeaderMap) -> bool {
    let has = |name: &HeaderName| headers.contains_key(name);
    if !matches!(*method, Method::GET | Method::HEAD)
        || has(&AUTHORIZATION)
        || has(&UPGRADE)
        || PREFETCH.iter().any(has)
    {
        return false;
    }
    if SEC_FETCH.iter().any(has) {
        return is_only(headers, &SEC_FETCH_MODE, b"navigate")
            && is_only(headers, &SEC_FETCH_DEST, b"document");
    }
    !BY_SCRIPT.iter().any(has) && prefers_html(headers)
}

fn is_only(headers: &HeaderMap, name: &HeaderName, expected: &[u8]) -> bool {
    let mut values = headers.get_all(name).iter();
    values.next().is_some_and(|value| value.as_bytes() == expected) && values.next().is_none()
}

/// Whether `Accept` (RFC 9110 section 12.5.1) names HTML, and nothing that it likes better. The
/// wildcard of programs that take anything is no such name.
fn prefers_html(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT).iter().map(HeaderValue::to_str);
    let ranges = values.flat_map(|value| value.unwrap_or_default().split(','));
    let (mut html, mut other) = (0, 0);
    for range in ranges.take(MAX_MEDIA_RANGES) {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight = parts.find_map(weight).unwrap_or(1000);
        match kind.as_str() {
            "text/html" | "application/xhtml+xml" => html = html.max(weight),
            _ => other = other.max(weight),
        }
    }
    html > 0 && html >= other
}

/// A quality value in thousandths; none that could be read counts as zero.
fn weight(parameter: &str) -> Option<u16> {
    let (name, value) = parameter.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case("q") {
        return None;
    }
    let (whole, fraction) = value.trim().split_once('.').unwrap_or((value.trim(), ""));
    let digits = format!("{whole}{fraction:0<3}");
    let number = digits.parse().unwrap_or(0);
    // Of a number, `parse` also takes one with a sign.
    let plain = digits.bytes().all(|digit| digit.is_ascii_digit());
    let right = plain && whole.len() == 1 && fraction.len() <= 3 && number <= 1000;
    Some(if right { number } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_headers_that_decide_are_named() {
        let read = SEC_FETCH.into_iter().chain(PREFETCH).chain(BY_SCRIPT);
        let read = read.chain([ACCEPT, AUTHORIZATION, UPGRADE]);
        let mut read: Vec<String> = read.map(|name| name.to_string()).collect();
        read.sort_unstable();
        assert_eq!(read, NAVIGATION_HEADERS);
    }
}
