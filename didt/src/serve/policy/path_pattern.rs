//! What a rule says about the path. Never a regular expression: those match more than they seem to.

use std::fmt;

use super::path::{self, PathFault};

/// A path as it is, with `*` for one whole segment, and `/**` at the end for everything below.
///
/// `/static/**` is about `/static/` and all below, not about `/static`: as with Caddy, nginx
/// (`location /static/`) and git. `/hello` and `/hello/` are two paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathPattern {
    text: String,
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Exactly(String),
    /// `*`, one that is not empty.
    Any,
    /// `**`, one or more, the last of which may be empty.
    Rest,
}

impl PathPattern {
    pub(crate) fn parse(text: &str) -> Result<Self, PathPatternFault> {
        // Stars are ordinary characters of a path.
        if path::canonical(text.as_bytes()).map_err(PathPatternFault::Path)? != text {
            return Err(PathPatternFault::OtherSpelling);
        }
        let mut segments = Vec::new();
        for segment in text.split('/').skip(1) {
            if matches!(segments.last(), Some(Segment::Rest)) {
                return Err(PathPatternFault::Star);
            }
            segments.push(match segment {
                "*" => Segment::Any,
                "**" => Segment::Rest,
                _ if segment.contains('*') => return Err(PathPatternFault::Star),
                _ => Segment::Exactly(segment.to_owned()),
            });
        }
        Ok(Self { text: text.to_owned(), segments })
    }

    /// `/**`.
    pub(crate) fn is_everything(&self) -> bool {
        self.segments == [Segment::Rest]
    }

    /// `path` is canonical.
    pub(crate) fn matches(&self, path: &str) -> bool {
        let mut path = path.split('/').skip(1);
        for segment in &self.segments {
            let Some(found) = path.next() else { return false };
            match segment {
                Segment::Exactly(exactly) if exactly == found => {}
                Segment::Any if !found.is_empty() => {}
                Segment::Rest => return true,
                _ => return false,
            }
        }
        path.next().is_none()
    }

    /// A path that both match, if there is one.
    pub(crate) fn meet(&self, other: &Self) -> Option<String> {
        let mut path = String::new();
        let (mut ones, mut others) = (self.segments.iter(), other.segments.iter());
        loop {
            let segment = match (ones.next(), others.next()) {
                (None, None) => return Some(path),
                (Some(Segment::Rest), Some(first)) => return Some(all(path, first, others)),
                (Some(first), Some(Segment::Rest)) => return Some(all(path, first, ones)),
                (Some(Segment::Any), Some(Segment::Any)) => EXAMPLE,
                (Some(Segment::Any), Some(Segment::Exactly(text)))
                | (Some(Segment::Exactly(text)), Some(Segment::Any))
                    if !text.is_empty() =>
                {
                    text
                }
                (Some(Segment::Exactly(one)), Some(Segment::Exactly(other))) if one == other => one,
                _ => return None,
            };
            path.push('/');
            path.push_str(segment);
        }
    }

    /// Whether this matches whatever `other` matches.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let mut others = other.segments.iter();
        for segment in &self.segments {
            match (segment, others.next()) {
                (_, None) => return false,
                (Segment::Rest, Some(_)) => return true,
                (Segment::Any, Some(Segment::Exactly(text))) if !text.is_empty() => {}
                (Segment::Any, Some(Segment::Any)) => {}
                (Segment::Exactly(own), Some(Segment::Exactly(text))) if own == text => {}
                _ => return false,
            }
        }
        others.next().is_none()
    }
}

/// A segment that may be anything.
const EXAMPLE: &str = "x";

fn all<'a>(
    mut path: String,
    first: &'a Segment,
    others: impl Iterator<Item = &'a Segment>,
) -> String {
    for segment in std::iter::once(first).chain(others) {
        path.push('/');
        path.push_str(match segment {
            Segment::Exactly(text) => text,
            Segment::Any | Segment::Rest => EXAMPLE,
        });
    }
    path
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathPatternFault {
    /// No request has such a path.
    Path(PathFault),
    /// Requests with such a path are matched in another spelling.
    OtherSpelling,
    Star,
}

impl fmt::Display for PathPatternFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(fault) => fault.fmt(f),
            Self::OtherSpelling => f.write_str(
                "is not in canonical form: no query, escapes in upper case, and no needless escapes",
            ),
            Self::Star => f.write_str(
                "has a star in the wrong place: * must be a whole segment, and ** the last one",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> PathPattern {
        PathPattern::parse(text).expect(text)
    }

    #[test]
    fn patterns_match_whole_segments() {
        let rows = [
            ("the same", "/hello", "/hello", true),
            ("another", "/hello", "/hellO", false),
            ("longer", "/hello", "/hello/x", false),
            ("same beginning", "/hello", "/hello2", false),
            ("root", "/", "/", true),
            ("root is not everything", "/", "/x", false),
            ("star: a segment", "/api/*", "/api/users", true),
            ("star: no segment", "/api/*", "/api", false),
            ("star: an empty segment", "/api/*", "/api/", false),
            ("star: two segments", "/api/*", "/api/users/1", false),
            ("star: a slash more", "/api/*", "/api/users/", false),
            ("star in the middle", "/api/*/status", "/api/x/status", true),
            ("star in the middle, deeper", "/api/*/status", "/api/x/y/status", false),
            ("rest: one below", "/static/**", "/static/app.js", true),
            ("rest: far below", "/static/**", "/static/a/b/c", true),
            ("rest: the folder with its slash", "/static/**", "/static/", true),
            ("rest: not without", "/static/**", "/static", false),
            ("rest: not beside", "/static/**", "/staticfile", false),
            ("rest: everything", "/**", "/", true),
            ("rest: everything, deep", "/**", "/a/b/", true),
            ("rest after a star", "/*/x/**", "/a/x/b", true),
        ];
        for (name, text, path, expected) in rows {
            assert_eq!(pattern(text).matches(path), expected, "{name}");
        }
    }

    /// A slash more or less made the exemption of one path one of another: GO-2025-3955.
    #[test]
    fn a_trailing_slash_makes_another_path() {
        assert!(!pattern("/hello/").matches("/hello"));
        assert!(!pattern("/hello").matches("/hello/"));
        assert!(pattern("/hello/").matches("/hello/"));
    }

    #[test]
    fn what_an_earlier_pattern_covers_is_known() {
        let rows = [
            ("/a", "/a", true),
            ("/a", "/b", false),
            ("/*", "/a", true),
            ("/a", "/*", false),
            ("/*", "/", false),
            ("/**", "/", true),
            ("/**", "/a/**", true),
            ("/a/**", "/**", false),
            ("/a/**", "/a", false),
            ("/a/**", "/a/", true),
            ("/a/**", "/a/*/c", true),
            ("/a/*", "/a/**", false),
            ("/a/*", "/a/*/c", false),
            ("/*/*", "/*/**", false),
        ];
        for (first, second, expected) in rows {
            assert_eq!(pattern(first).covers(&pattern(second)), expected, "{first} {second}");
        }
    }

    #[test]
    fn patterns_that_no_canonical_path_could_match_are_refused() {
        let rows = [
            ("", PathPatternFault::Path(PathFault::Empty)),
            ("api", PathPatternFault::Path(PathFault::NotRooted)),
            ("^/api/.*", PathPatternFault::Path(PathFault::NotRooted)),
            ("/a//b", PathPatternFault::Path(PathFault::EmptySegment)),
            ("/a/../b", PathPatternFault::Path(PathFault::DotSegment)),
            ("/a%2fb", PathPatternFault::Path(PathFault::EncodedSlash)),
            ("/a#b", PathPatternFault::Path(PathFault::Fragment)),
            ("/é", PathPatternFault::Path(PathFault::EightBit)),
            ("/a?b", PathPatternFault::OtherSpelling),
            ("/%c3%a9", PathPatternFault::OtherSpelling),
            ("/%40me", PathPatternFault::OtherSpelling),
            ("/a*", PathPatternFault::Star),
            ("/**/a", PathPatternFault::Star),
            ("/**/", PathPatternFault::Star),
            ("/***", PathPatternFault::Star),
        ];
        for (text, fault) in rows {
            assert_eq!(PathPattern::parse(text), Err(fault), "{text:?}");
        }
        assert!(pattern("/%C3%A9").matches("/%C3%A9"));
        assert!(pattern("/@me").matches("/@me"));
    }
}
