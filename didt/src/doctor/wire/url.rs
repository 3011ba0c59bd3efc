//! The URLs of the command line.

use std::fmt;
use std::str::FromStr;

use http::Uri;

/// An `http` or `https` URL: where to connect, and what to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) https: bool,
    /// For the connection: without the brackets of an IPv6 address.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// As it goes into `Host`.
    pub(crate) authority: String,
    /// Begins with a slash; no query.
    pub(crate) path: String,
}

impl Url {
    /// `https://host`, as browsers send it.
    pub(crate) fn origin(&self) -> String {
        let scheme = if self.https { "https" } else { "http" };
        format!("{scheme}://{}", self.authority)
    }

    /// Another target at the same place.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        (self.https, &self.host, self.port) == (other.https, &other.host, other.port)
    }
}

impl FromStr for Url {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uri: Uri = text.parse().map_err(|_| "it is no URL")?;
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err("it must begin with https:// or http://"),
        };
        let authority = uri.authority().ok_or("it has no host")?;
        if authority.as_str().contains('@') {
            return Err("it must not have a user or a password");
        }
        if uri.query().is_some() || text.contains('#') {
            return Err("it must not have a query or a fragment");
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self {
            https,
            host,
            port: authority.port_u16().unwrap_or(if https { 443 } else { 80 }),
            authority: authority.as_str().to_owned(),
            path: uri.path().to_owned(),
        })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_to_connect_and_what_to_ask_for() {
        let rows = [
            ("https://a.example", (true, "a.example", 443, "a.example", "/")),
            ("http://a.example:81/b/c", (false, "a.example", 81, "a.example:81", "/b/c")),
            ("http://[::1]:8080/b", (false, "::1", 8080, "[::1]:8080", "/b")),
        ];
        for (text, expected) in rows {
            let url: Url = text.parse().expect(text);
            let read = (url.https, &*url.host, url.port, &*url.authority, &*url.path);
            assert_eq!(read, expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_place_on_the_web_is_refused() {
        for bad in ["", "a.example", "ftp://a", "/b", "http://u:p@a/", "http://a/?b", "http://a/#b"]
        {
            assert!(bad.parse::<Url>().is_err(), "{bad:?}");
        }
    }
}
