//! What the upstream saw of a request: the answers of `didt echo`.

use serde::Deserialize;

use super::wire::Answer;

/// The header of `didt echo`'s answers.
const MARK: &str = "x-didt-echo";

/// What came through the gateway.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Seen {
    /// Its ordinal at the upstream. An answer from a cache repeats an old one.
    pub(super) request: u64,
    pub(super) target: String,
    headers: Vec<(String, String)>,
}

impl Seen {
    /// Whether the answer is `didt echo`'s, fresh or out of a cache.
    pub(super) fn marks(answer: &Answer) -> bool {
        answer.has(MARK)
    }

    /// `None` if there is no body to read it from, as for `HEAD`.
    pub(super) fn read(answer: &Answer) -> Option<Self> {
        serde_json::from_slice(&answer.body).ok()
    }

    /// The values of a header, of exactly this name.
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(header, _)| header.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// The headers that some upstream would take for this one. CGI and WSGI make
    /// `HTTP_X_AUTH_ISSUER` of `X-Auth-Issuer` and of `X_Auth_Issuer`, others do so with dots,
    /// lighttpd with whatever is no letter and no digit.
    pub(super) fn alike<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let name = fold(name);
        let alike = self.headers.iter().filter(move |(header, _)| fold(header) == name);
        alike.map(|(header, value)| (header.as_str(), value.as_str()))
    }
}

fn fold(name: &str) -> String {
    name.to_ascii_lowercase().replace(|letter: char| !letter.is_ascii_alphanumeric(), "-")
}
