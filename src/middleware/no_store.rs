//! One rule: no cache stores a response that carries one of our cookies.
//!
//! A cache that keeps such a response hands one visitor's session to the next (RFC 9111
//! section 7.3 allows storing responses with `Set-Cookie`, and content delivery networks do it). So
//! the response says `no-store`, whatever the application said, and loses every field that speaks
//! to some cache in particular and would outrank `Cache-Control` there.

use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Targeted fields end like this by convention (RFC 9213 section 2.2): `CDN-Cache-Control`,
/// `Cloudflare-CDN-Cache-Control`, `Vercel-CDN-Cache-Control`, `X-LiteSpeed-Cache-Control`.
const TARGETED: &str = "-cache-control";

/// Fields with other names that make caches store: `Surrogate-Control` (Edge Architecture
/// Specification; Fastly, Varnish), `Edge-Control` (Akamai), `X-Accel-Expires` (nginx; it outranks
/// `Cache-Control` there), and those of HTTP/1.0.
const OTHERS: [&str; 5] =
    ["expires", "pragma", "surrogate-control", "edge-control", "x-accel-expires"];

/// Forbids every cache to store the response with these headers.
///
/// Sets `Cache-Control: no-store` in place of any other value, and removes the fields that are
/// addressed to particular caches: any whose name ends in `-cache-control` (RFC 9213), and
/// `Surrogate-Control`, `Edge-Control`, `X-Accel-Expires`, `Expires`, `Pragma`.
///
/// The layer does this to each response that it adds a cookie to. Call it where you add a
/// [`Challenge`](super::Challenge)'s cookie to a response of your own.
pub fn forbid_storing(headers: &mut HeaderMap) {
    let speaks_to_caches =
        |name: &&HeaderName| name.as_str().ends_with(TARGETED) || OTHERS.contains(&name.as_str());
    // Most responses have none, and `Vec::new` allocates nothing.
    let found: Vec<HeaderName> = headers.keys().filter(speaks_to_caches).cloned().collect();
    for name in found {
        headers.remove(name);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_field_that_a_cache_goes_by_survives() {
        let mut headers = HeaderMap::new();
        for name in [
            "cache-control",
            "cdn-cache-control",
            "cloudflare-cdn-cache-control",
            "vercel-cdn-cache-control",
            "netlify-cdn-cache-control",
            "fastly-cache-control",
            "x-litespeed-cache-control",
            "a-cdn-of-tomorrow-cache-control",
            "surrogate-control",
            "edge-control",
            "x-accel-expires",
            "expires",
            "pragma",
        ] {
            headers.append(name, HeaderValue::from_static("public, max-age=600"));
            headers.append(name, HeaderValue::from_static("s-maxage=600"));
        }
        headers.insert("content-type", HeaderValue::from_static("text/html"));
        headers.insert("etag", HeaderValue::from_static("\"1\""));
        forbid_storing(&mut headers);
        let left: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value)).collect();
        assert_eq!(left.len(), 3, "{left:?}");
        assert_eq!(headers.get("cache-control"), Some(&HeaderValue::from_static("no-store")));
        assert_eq!(headers.get_all("cache-control").iter().count(), 1);
        assert!(headers.contains_key("content-type") && headers.contains_key("etag"));
    }
}
