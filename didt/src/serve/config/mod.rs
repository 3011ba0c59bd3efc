//! The configuration of `didt serve`, read and checked.
//!
//! ```text
//! file (TOML) ─► document ─┬─────────────► rules ─► Policy ─┐
//!                          ▼                                │
//! environment, flags ─► settings ─► sections, one by one ───┴─► Config, and what to say about it
//! ```
//!
//! With `[[sites]]`, `parts` makes settings and rules of each site, and the rest is done for each.

mod apart;
mod changes;
mod disk;
mod document;
mod given;
mod invalid;
mod keys;
mod origin;
mod parties;
mod parts;
mod readers;
mod rules;
mod secret;
mod sections;
mod settings;
mod stand_in;
mod value;

use std::io;
use std::path::Path;
use std::sync::Arc;

use tower_didt::{Audiences, SessionCookie};
use zeroize::Zeroizing;

pub(crate) use self::changes::{Change, Changes};
pub(crate) use self::disk::read as read_file;
use self::document::Document;
pub(crate) use self::document::MAX_FILE_LEN;
pub(crate) use self::given::Given;
pub(crate) use self::invalid::Invalid;
pub(crate) use self::keys::{Scope, VARIABLE_PREFIX, scope};
pub(crate) use self::origin::Origin;
use self::parts::Part;
pub(crate) use self::secret::Secret;
#[cfg(test)]
pub(crate) use self::sections::Leeways;
pub(crate) use self::sections::{
    Assertion, IdentityHeaders, Limits, Listen, Log, LogFormat, LogLevel, Magic, PrivateListener,
    PublicListener, Rates, Sessions, SignIn, Store, TlsFiles,
};
pub(crate) use self::settings::Setting;
use self::settings::Settings;
use super::peer::TrustedProxies;
use super::policy::Policy;
use super::sites::{Named, SiteName, Sites};

/// Where settings come from.
pub(crate) struct Sources<'a> {
    /// The name and the text of the policy file.
    pub(crate) file: Option<(&'a str, &'a str)>,
    /// All environment variables whose names begin with [`VARIABLE_PREFIX`].
    pub(crate) variables: Vec<(String, String)>,
    /// Keys and values of `--set`; the last one wins.
    pub(crate) flags: Vec<(String, String)>,
    /// Whether the files that settings name are read. Without them all else is checked, and nothing
    /// can be served.
    pub(crate) files: bool,
    /// Reads the files that settings name: [`read_file`], but in tests.
    pub(crate) read: fn(&Path) -> io::Result<Zeroizing<Vec<u8>>>,
}

impl<'a> Sources<'a> {
    /// The policy file, parsed.
    fn document(&self) -> Result<Option<Document<'a>>, Invalid> {
        self.file.map(|(name, text)| Document::parse(name, text)).transpose()
    }
}

/// The settings of a site, or of the only one, and what to report about them.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Arc<Config>,
    /// Every key once, in a fixed order; the rules are not among them.
    pub(crate) settings: Vec<Setting>,
}

/// Reads the settings of each site.
pub(crate) fn load(sources: &Sources<'_>) -> Result<Sites<Loaded>, Invalid> {
    parts(sources)?.try_map(|site, part| Loaded::read(part, site))
}

/// Reads the `sources`, but these keys as they stand in the sources `before`, at the site of the same
/// name. Of them, a site that is new has from before what is the same for all sites.
pub(crate) fn load_pinned(
    sources: &Sources<'_>,
    before: &Sources<'_>,
    keys: &[&'static str],
) -> Result<Sites<Loaded>, Invalid> {
    let old = parts(before)?;
    let of_all = |key: &&str| scope(key) == Some(Scope::All);
    let of_all: Vec<_> = keys.iter().copied().filter(of_all).collect();
    let pinned = parts(sources)?.try_map(|site, mut part| {
        match old.named(site.map(|site| &site.name)) {
            Some(old) => part.settings.pin(keys, &old.settings),
            None => part.settings.pin(&of_all, &old.first().settings),
        }
        Ok(part)
    })?;
    apart::check(&pinned)?;
    pinned.try_map(|site, part| Loaded::read(part, site))
}

/// The settings as given, of each site; an error where sites are not apart.
fn parts<'a>(sources: &'a Sources<'a>) -> Result<Sites<Part<'a>>, Invalid> {
    let mut document = sources.document()?;
    let settings = Settings::new(sources, document.as_mut())?;
    let parts = parts::split(settings, document)?;
    apart::check(&parts)?;
    Ok(parts)
}

impl Loaded {
    fn read(part: Part<'_>, site: Option<&Named>) -> Result<Self, Invalid> {
        let Part { mut settings, source, rules } = part;
        let config = Config::read(&mut settings, source.as_ref().map(|from| (from, rules)), site)?;
        Ok(Self { config: Arc::new(config), settings: settings.into_explained() })
    }
}

/// The rules only: what other settings say is not looked at, and no file that they name is read.
pub(crate) fn policy(sources: &Sources<'_>) -> Result<Sites<Policy>, Invalid> {
    parts(sources)?.try_map(|site, part| {
        let Part { mut settings, source, rules } = part;
        let lifetime = sections::longest_lifetime(&mut settings)?;
        let magic = settings.is_given("magic.secret_key_file");
        let given = source.as_ref().map(|from| (from, rules));
        rules::policy(&mut settings, given, site, lifetime, magic)
    })
}

/// The private listener only: what other settings say is not looked at, and no file that they name
/// is read.
pub(crate) fn private_listener(sources: &Sources<'_>) -> Result<Option<Listen>, Invalid> {
    let mut document = sources.document()?;
    sections::private_listener(&mut Settings::new(sources, document.as_mut())?)
}

/// The private listener and administrators' secret only.
pub(crate) fn administration(
    sources: &Sources<'_>,
) -> Result<(Option<Listen>, Option<Secret>), Invalid> {
    let mut document = sources.document()?;
    let mut settings = Settings::new(sources, document.as_mut())?;
    Ok((sections::private_listener(&mut settings)?, sections::admin_secret(&mut settings)?))
}

/// The settings of a gateway, all of them checked; where it has several sites, those of one.
#[derive(Debug)]
pub(crate) struct Config {
    /// The name of the site, where there are several.
    pub(crate) site: Option<SiteName>,
    /// `None` means the audience of the secret key's application, which Magic supplies.
    pub(crate) audiences: Option<Audiences>,
    pub(crate) public: PublicListener,
    pub(crate) private: Option<PrivateListener>,
    pub(crate) trusted_proxies: TrustedProxies,
    pub(crate) trusted_origins: Vec<String>,
    pub(crate) cookie: SessionCookie,
    pub(crate) sessions: Sessions,
    pub(crate) magic: Option<Magic>,
    pub(crate) store: Store,
    pub(crate) identity: IdentityHeaders,
    pub(crate) assertion: Option<Assertion>,
    pub(crate) sign_in: Option<SignIn>,
    pub(crate) policy: Policy,
    pub(crate) limits: Limits,
    pub(crate) rates: Rates,
    pub(crate) log: Log,
}

impl Config {
    fn read(
        settings: &mut Settings<'_>,
        rules: Option<rules::Given<'_>>,
        site: Option<&Named>,
    ) -> Result<Self, Invalid> {
        let audiences = sections::audiences(settings)?;
        let trusted_proxies = sections::trusted_proxies(settings)?;
        let trusted_origins = sections::trusted_origins(settings)?;
        let (public, private) = sections::listen(settings)?;
        let cookie = sections::cookie(settings)?;
        let sessions = sections::sessions(settings)?;
        let magic = sections::magic(settings)?;
        let store = sections::store(settings, site.map(|site| &site.name))?;
        sections::check_together(settings, &sessions, &store)?;
        let identity = sections::identity(settings)?;
        let assertion = sections::assertion(settings)?;
        let sign_in = sections::sign_in(settings, &public.prefix)?;
        let limits = sections::limits(settings)?;
        let rates = sections::rates(settings)?;
        let log = sections::log(settings)?;
        let policy =
            rules::policy(settings, rules, site, sessions.longest_lifetime(), magic.is_some())?;
        Ok(Self {
            site: site.map(|site| site.name.clone()),
            audiences,
            public,
            private,
            trusted_proxies,
            trusted_origins,
            cookie,
            sessions,
            magic,
            store,
            identity,
            assertion,
            sign_in,
            policy,
            limits,
            rates,
            log,
        })
    }
}

#[cfg(test)]
mod tests;
