//! The settings of a sign-in page.

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
        Self {
            auth: auth.clone().with_plain_rejections(),
            key: key.to_owned(),
            prefix: DEFAULT_PREFIX.to_owned(),
            hosts: ReturnHosts::of(auth).without_prefix(DEFAULT_PREFIX),
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
