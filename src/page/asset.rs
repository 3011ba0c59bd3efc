//! One file of the page: named by its contents, compressed once, kept by browsers for ever.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Response};
use http_body_util::Full;
use sha2::{Digest, Sha256};

/// Bytes of the hash in a file's name: 72 bits distinguish any two versions.
const HASH_LEN: usize = 9;

/// A file that goes out as it is, or compressed to those who take it so.
#[derive(Clone, Debug)]
pub(super) struct Asset {
    mime: &'static str,
    plain: Bytes,
    gzip: Bytes,
}

impl Asset {
    pub(super) fn new(mime: &'static str, contents: impl Into<Bytes>) -> Self {
        let plain = contents.into();
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        // Writing into memory does not fail; if it did, nobody would be sent a part of a file.
        let gzip = encoder.write_all(&plain).and_then(|()| encoder.finish());
        let gzip = gzip.map(Bytes::from).unwrap_or_default();
        Self { mime, plain, gzip }
    }

    /// `stem.hash.extension`.
    pub(super) fn name(&self, stem: &str, extension: &str) -> String {
        let digest = Sha256::digest(&self.plain);
        let hash: Vec<u8> = digest.iter().copied().take(HASH_LEN).collect();
        format!("{stem}.{}.{extension}", URL_SAFE_NO_PAD.encode(hash))
    }

    pub(super) fn len_compressed(&self) -> usize {
        self.gzip.len()
    }

    /// A file whose name changes with its contents.
    pub(super) fn respond_immutable(&self, request: &HeaderMap) -> Response<Full<Bytes>> {
        let mut response = self.respond(request);
        let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
        response.headers_mut().insert(CACHE_CONTROL, forever);
        response
    }

    pub(super) fn respond(&self, request: &HeaderMap) -> Response<Full<Bytes>> {
        let compressed = !self.gzip.is_empty() && accepts_gzip(request);
        let contents = if compressed { &self.gzip } else { &self.plain };
        let mut response = Response::new(Full::new(contents.clone()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.mime));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        if compressed {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}

/// RFC 9110 section 12.5.3. A client that names `gzip` with a quality of zero does not accept it.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter();
    let codings = values.flat_map(|value| value.to_str().unwrap_or_default().split(','));
    codings.map(str::to_ascii_lowercase).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let refused = |part: &str| {
            part.strip_prefix("q=").is_some_and(|weight| weight.trim_matches(['0', '.']).is_empty())
        };
        parts.next() == Some("gzip") && !parts.any(refused)
    })
}
