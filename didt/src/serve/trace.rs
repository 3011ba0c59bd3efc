//! `traceparent`: which trace a request belongs to (W3C Trace Context, section 3.2); and which site.

use http::{HeaderMap, HeaderValue};
use tracing::Span;

use super::audit;
use super::sites::SiteName;

/// `00-` 32 digits `-` 16 digits `-` 2 digits.
const LEN: usize = 55;

/// The header that gateways and tracers write.
pub(crate) const TRACEPARENT: &str = "traceparent";

/// A span for all lines of the log about a request; none where it names no trace, or names it in a way that
/// the standard tells to ignore.
pub(crate) fn span(headers: &HeaderMap) -> Span {
    match only(headers).and_then(trace_id) {
        Some(trace_id) => tracing::info_span!(target: audit::TARGET, "request", trace_id),
        None => Span::none(),
    }
}

/// A span that names a site in lines of the log; none where there is only one.
pub(crate) fn site(site: Option<&SiteName>) -> Span {
    site.map_or_else(
        Span::none,
        |site| tracing::info_span!(target: audit::TARGET, "site", name = %site),
    )
}

/// The header, if it names a trace.
pub(crate) fn parent(headers: &HeaderMap) -> Option<&HeaderValue> {
    only(headers).filter(|parent| trace_id(parent).is_some())
}

fn only(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut all = headers.get_all(TRACEPARENT).iter();
    all.next().filter(|_| all.next().is_none())
}

/// The trace's id: 32 hexadecimal digits in lower case, not all zero.
fn trace_id(parent: &HeaderValue) -> Option<&str> {
    let text = parent.to_str().ok()?;
    let mut parts = text.get(..LEN)?.split('-');
    let (version, trace, parent, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let later = text.get(LEN..)?;
    let complete = later.is_empty() || (version != "00" && later.starts_with('-'));
    let hex = |part: &str, len: usize| {
        part.len() == len && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let zero = |part: &str| part.bytes().all(|byte| byte == b'0');
    let good = hex(version, 2)
        && version != "ff"
        && hex(trace, 32)
        && !zero(trace)
        && hex(parent, 16)
        && !zero(parent)
        && hex(flags, 2);
    (good && complete && parts.next().is_none()).then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn only_what_the_standard_allows_names_a_trace() {
        let good = format!("00-{TRACE}-00f067aa0ba902b7-01");
        let later = format!("cc-{TRACE}-00f067aa0ba902b7-01-what-comes");
        for text in [&good, &later] {
            let headers = HeaderMap::from_iter([(
                http::HeaderName::from_static(TRACEPARENT),
                text.parse().expect("a value"),
            )]);
            assert_eq!(only(&headers).and_then(trace_id), Some(TRACE), "{text}");
            assert_eq!(parent(&headers), headers.get(TRACEPARENT), "{text}");
        }
        let zeros = "0".repeat(32);
        let bad = [
            String::new(),
            good.to_uppercase(),
            format!("{good}-more"),
            format!("ff-{TRACE}-00f067aa0ba902b7-01"),
            format!("00-{zeros}-00f067aa0ba902b7-01"),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{TRACE}-00f067aa0ba902b7-0"),
            format!("00-{TRACE}-00f067aa0ba902b7-0g"),
            format!("cc-{TRACE}-00f067aa0ba902b7-01.what"),
            format!("00{TRACE}-00f067aa0ba902b7-01-x"),
            " ".repeat(55),
        ];
        for text in bad {
            let headers = HeaderMap::from_iter([(
                http::HeaderName::from_static(TRACEPARENT),
                text.parse().expect("a value"),
            )]);
            assert_eq!(parent(&headers), None, "{text}");
        }
        let mut twice = HeaderMap::new();
        twice.append(TRACEPARENT, good.parse().expect("a value"));
        twice.append(TRACEPARENT, good.parse().expect("a value"));
        assert_eq!(parent(&twice), None, "two traces");
    }
}
