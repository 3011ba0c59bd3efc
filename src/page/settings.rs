//! What a sign-in page can be told.

use std::fmt;

use super::ReturnHosts;
use super::looks::Accent;
use super::sdk::Script;
use super::texts::Texts;
use crate::middleware::DidAuth;

/// Magic's own frame.
pub(super) const DEFAULT_ENDPOINT: &str = "https://auth.magic.link";

pub(super) const DEFAULT_PREFIX: &str = "/auth";

/// The providers that `@magic-ext/oauth2` 15.14 knows for redirects, and how they are spelt.
pub(super) const PROVIDERS: [(&str, &str); 12] = [
    ("google", "Google"),
    ("facebook", "Facebook"),
    ("apple", "Apple"),
    ("github", "GitHub"),
    ("bitbucket", "Bitbucket"),
    ("gitlab", "GitLab"),
    ("linkedin", "LinkedIn"),
    ("twitter", "Twitter"),
    ("discord", "Discord"),
    ("twitch", "Twitch"),
    ("microsoft", "Microsoft"),
    ("steam", "Steam"),
];

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) auth: DidAuth,
    pub(super) key: String,
    pub(super) prefix: String,
    pub(super) hosts: ReturnHosts,
    pub(super) home: String,
    pub(super) after_sign_out: Option<String>,
    pub(super) endpoint: String,
    pub(super) magic: Script,
    pub(super) oauth: Script,
    pub(super) email: bool,
    pub(super) links: bool,
    pub(super) providers: Vec<(&'static str, &'static str)>,
    pub(super) accent: Accent,
    pub(super) css: String,
    pub(super) logo: Option<String>,
    pub(super) privacy: Option<String>,
    pub(super) help: Option<String>,
    pub(super) texts: Texts,
}

impl Settings {
    pub(super) fn new(auth: &DidAuth, key: &str) -> Self {
        let mut hosts = ReturnHosts::own()
            .with_trusted(auth.trusted_origins().clone())
            .without_prefix(DEFAULT_PREFIX);
        if let Some(domain) = auth.cookie_domain() {
            hosts = hosts.with_domain(domain);
        }
        Self {
            auth: auth.clone().with_plain_rejections(),
            key: key.to_owned(),
            prefix: DEFAULT_PREFIX.to_owned(),
            hosts,
            home: "/".to_owned(),
            after_sign_out: None,
            endpoint: DEFAULT_ENDPOINT.to_owned(),
            magic: Script::magic(),
            oauth: Script::oauth(),
            email: true,
            links: false,
            providers: Vec::new(),
            accent: Accent::DEFAULT,
            css: String::new(),
            logo: None,
            privacy: None,
            help: None,
            texts: Texts::default(),
        }
    }
}

/// An invalid setting of a sign-in page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PageError {
    /// A prefix or an address of the own host that is not a canonical path.
    Path,
    /// A frame that is not an `https` origin.
    Endpoint,
    /// A script whose URL or digest is malformed.
    Script,
    /// An OAuth provider that Magic's extension does not know.
    Provider,
    /// A colour that is not `#rrggbb`.
    Colour,
    /// A link or an image that is neither a path nor an `https` URL.
    Link,
    /// A language file that cannot be read.
    Texts,
}

impl fmt::Display for PageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Path => "a path must begin with one / and be in canonical form, such as /auth",
            Self::Endpoint => "the frame must be an https origin, such as https://auth.magic.link",
            Self::Script => {
                "a script must be an https URL, its integrity one sha256-, sha384- or sha512- digest"
            }
            Self::Provider => "the OAuth provider is not one that Magic's extension knows",
            Self::Colour => "a colour must be # and six hexadecimal digits",
            Self::Link => "a link must be a path or a whole https URL",
            Self::Texts => "the language file must be a JSON object of strings with known keys",
        })
    }
}

impl std::error::Error for PageError {}
