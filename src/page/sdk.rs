//! Magic's scripts: whose they are, where they come from, and how they are known again.

use bytes::Bytes;

use super::PageError;

/// `magic-sdk`, from the CDN that Magic's documentation loads it from.
const MAGIC_URL: &str = "https://cdn.jsdelivr.net/npm/magic-sdk@33.13.0/dist/magic.js";
const MAGIC_INTEGRITY: &str =
    "sha384-jYoYWKrywj9La074Nulf9jkjNsHb4zFV8jY0J0M4MLsb9toUSyh+GIBfiUMy1adx";

/// `@magic-ext/oauth2`.
const OAUTH_URL: &str = "https://cdn.jsdelivr.net/npm/@magic-ext/oauth2@15.14.0/dist/extension.js";
const OAUTH_INTEGRITY: &str =
    "sha384-iJSs+3yQaeaIC6QY1B9+GK5Y4HlvT7XpozmmABykKYTLtFk2GdVpY2/cS2XC2HcA";

/// One of Magic's scripts: pinned at another server, or a file that this server hands out.
#[derive(Clone, Debug)]
pub struct Script(pub(super) Source);

#[derive(Clone, Debug)]
pub(super) enum Source {
    Pinned { url: String, integrity: String },
    File(Bytes),
}

impl Script {
    /// `magic-sdk` 33.13.0 from `cdn.jsdelivr.net`, pinned by its SHA-384. The default.
    #[must_use]
    pub fn magic() -> Self {
        Self::constant(MAGIC_URL, MAGIC_INTEGRITY)
    }

    /// `@magic-ext/oauth2` 15.14.0 from there. The default.
    #[must_use]
    pub fn oauth() -> Self {
        Self::constant(OAUTH_URL, OAUTH_INTEGRITY)
    }

    /// A script at this `https` URL, which browsers run only if its digest is this one: a
    /// [subresource integrity](https://www.w3.org/TR/sri-2/) such as `sha384-…`. The server
    /// there must allow other origins to load it (CORS).
    ///
    /// # Errors
    ///
    /// [`PageError::Script`] if `url` is not an `https` URL in plain ASCII, or `integrity` is not
    /// one `sha256`, `sha384` or `sha512` digest in base64.
    pub fn pinned(url: &str, integrity: &str) -> Result<Self, PageError> {
        // A policy ends a source at a blank, a semicolon or a comma.
        let plain =
            |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/@!$&()*+=%[]".contains(&byte);
        let good = url.len() > "https://".len()
            && url.starts_with("https://")
            && url.bytes().all(plain)
            && is_integrity(integrity);
        let (url, integrity) = (url.to_owned(), integrity.to_owned());
        good.then_some(Self(Source::Pinned { url, integrity })).ok_or(PageError::Script)
    }

    /// A script that this server hands out itself: the contents of `dist/magic.js` in the npm package
    /// `magic-sdk`, or of `dist/extension.js` in `@magic-ext/oauth2`.
    #[must_use]
    pub fn file(contents: impl Into<Bytes>) -> Self {
        Self(Source::File(contents.into()))
    }

    fn constant(url: &str, integrity: &str) -> Self {
        Self(Source::Pinned { url: url.to_owned(), integrity: integrity.to_owned() })
    }
}

fn is_integrity(text: &str) -> bool {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let Some((algorithm, digest)) = text.split_once('-') else { return false };
    let len = match algorithm {
        "sha256" => 32,
        "sha384" => 48,
        "sha512" => 64,
        _ => return false,
    };
    STANDARD.decode(digest).is_ok_and(|bytes| bytes.len() == len)
}
