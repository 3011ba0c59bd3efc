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
mod sections;
mod settings;
mod stand_in;
mod value;

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use tower_didt::magic::SecretKey;
use tower_didt::page::Texts;
use tower_didt::postgres::PostgresStoreBuilder;
use tower_didt::redis::RedisStoreBuilder;
use tower_didt::sqlite::SqliteStoreBuilder;
use tower_didt::token::DEFAULT_LEEWAY;
use tower_didt::{
    Audiences, BoundLogin, Lifetimes, RememberMe, Replay, SealingKeys, SessionCookie, SessionLimit,
};
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
pub(crate) use self::settings::Setting;
use self::settings::Settings;
use super::peer::TrustedProxies;
use super::policy::{Network, Policy};
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

/// A page to sign in, for people who come without a session.
#[derive(Debug, Default)]
pub(crate) struct SignIn {
    /// Of the application at Magic.
    pub(crate) key: String,
    /// Links in place of codes.
    pub(crate) links: bool,
    pub(crate) providers: Vec<String>,
    pub(crate) home: String,
    pub(crate) after_sign_out: Option<String>,
    pub(crate) return_origins: Vec<String>,
    pub(crate) title: Option<String>,
    pub(crate) intro: Option<String>,
    pub(crate) logo: Option<String>,
    pub(crate) accent: Option<String>,
    /// Rules that are added to the style sheet.
    pub(crate) css: Option<String>,
    pub(crate) privacy_link: Option<String>,
    pub(crate) help_link: Option<String>,
    pub(crate) texts: Option<Texts>,
    /// The origin of Magic's frame. Defaults to Magic's own.
    pub(crate) endpoint: Option<String>,
    /// Magic's script, if this server hands it out.
    pub(crate) magic: Option<Vec<u8>>,
    /// The same for the script that providers need.
    pub(crate) oauth: Option<Vec<u8>>,
}

/// Where browsers and gateways connect.
#[derive(Debug)]
pub(crate) struct PublicListener {
    pub(crate) listen: Listen,
    /// What the paths for browsers and clients begin with. Defaults to `/auth`.
    pub(crate) prefix: String,
    /// HTTPS with these files, read again on SIGHUP; without them plain HTTP.
    pub(crate) tls: Option<TlsFiles>,
}

/// Where operators connect: health, metrics, administration. Plain HTTP.
#[derive(Debug)]
pub(crate) struct PrivateListener {
    pub(crate) listen: Listen,
    /// The bearer token for administration. Without it, there is no administration.
    pub(crate) admin_secret: Option<Secret>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Listen {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

#[derive(Debug)]
pub(crate) struct Sessions {
    pub(crate) lifetimes: Lifetimes,
    /// Where people choose whether their session outlives the browser's.
    pub(crate) remember_me: Option<RememberMe>,
    pub(crate) max_per_issuer: SessionLimit,
    pub(crate) replay: Replay,
    pub(crate) max_token_age: Duration,
    pub(crate) leeways: Leeways,
    pub(crate) bound_login: Option<BoundLogin>,
}

impl Sessions {
    /// The longest that any session lives.
    pub(crate) fn longest_lifetime(&self) -> Duration {
        let remembered = self.remember_me.map(|remember_me| remember_me.lifetimes().absolute());
        remembered.unwrap_or_default().max(self.lifetimes.absolute())
    }
}

/// How far the clocks of devices that make tokens may differ from this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leeways {
    /// How far ahead of our clock `nbf` may be. Defaults to 5 minutes.
    pub(crate) not_before: Duration,
    /// How far ahead of our clock `iat` may be. Defaults to 5 minutes.
    pub(crate) issued_at: Duration,
    /// For how long after `ext` a token is still accepted. Defaults to none.
    pub(crate) expiry: Duration,
}

impl Default for Leeways {
    fn default() -> Self {
        Self { not_before: DEFAULT_LEEWAY, issued_at: DEFAULT_LEEWAY, expiry: Duration::ZERO }
    }
}

/// Who people are: Magic's Admin API.
#[derive(Clone, Debug)]
pub(crate) struct Magic {
    pub(crate) secret_key: SecretKey,
    /// Defaults to Magic's own URL.
    pub(crate) api_url: Option<String>,
    /// Whether sign-in is refused while Magic cannot be asked. Defaults to yes.
    pub(crate) required: bool,
    /// For a call, retry included. Defaults to 3 seconds.
    pub(crate) timeout: Duration,
    /// For how long a profile is not asked for again. Defaults to 5 minutes.
    pub(crate) fresh_for: Duration,
    /// How old a profile may become while Magic fails. Defaults to an hour.
    pub(crate) stale_until: Duration,
    /// The age at which the profile of a session in use is renewed. Defaults to an hour.
    pub(crate) renew_after: Duration,
    /// Whether signing out ends Magic's session too. Defaults to no.
    pub(crate) sign_out: bool,
}

/// Where sessions are kept.
#[derive(Debug)]
pub(crate) enum Store {
    Memory,
    /// In their cookies; revocations in this process's memory or in Redis.
    Sealed {
        /// Boxed: they are larger than all else.
        keys: Box<SealingKeys>,
        ledger: Option<RedisStoreBuilder>,
    },
    Redis(RedisStoreBuilder),
    Postgres {
        builder: PostgresStoreBuilder,
        /// Whether the tables are made at start-up.
        migrate: bool,
    },
    Sqlite {
        builder: SqliteStoreBuilder,
        /// Whether the tables are made at start-up.
        migrate: bool,
    },
}

/// The names of the headers that tell the upstream who is calling. Every 200 has all of them,
/// empty if nobody is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IdentityHeaders {
    /// `did:ethr:0x…`, EIP-55. Defaults to `x-auth-issuer`.
    pub(crate) issuer: HeaderName,
    /// `0x…`, EIP-55. Defaults to `x-auth-address`.
    pub(crate) address: HeaderName,
    /// The e-mail address according to Magic; empty without `[magic]`, and for people who have
    /// none. Defaults to `x-auth-email`.
    pub(crate) email: HeaderName,
    /// The session's handle, 64 hexadecimal digits; empty for a token without a session.
    /// Defaults to `x-auth-session`.
    pub(crate) session: HeaderName,
    /// When the session ends, in Unix seconds. Defaults to `x-auth-expires`.
    pub(crate) expires: HeaderName,
    /// The signed assertion; empty if none is configured. Defaults to `x-auth-assertion`.
    pub(crate) assertion: HeaderName,
}

impl IdentityHeaders {
    pub(crate) fn all(&self) -> [&HeaderName; 6] {
        [&self.issuer, &self.address, &self.email, &self.session, &self.expires, &self.assertion]
    }
}

impl Default for IdentityHeaders {
    fn default() -> Self {
        Self {
            issuer: HeaderName::from_static("x-auth-issuer"),
            address: HeaderName::from_static("x-auth-address"),
            email: HeaderName::from_static("x-auth-email"),
            session: HeaderName::from_static("x-auth-session"),
            expires: HeaderName::from_static("x-auth-expires"),
            assertion: HeaderName::from_static("x-auth-assertion"),
        }
    }
}

/// A short-lived JWT that vouches for the caller towards upstreams that must not trust the network.
#[derive(Debug)]
pub(crate) struct Assertion {
    /// `iss`.
    pub(crate) issuer: String,
    /// `aud`.
    pub(crate) audience: String,
    /// From `iat` to `exp`. Defaults to 60 seconds.
    pub(crate) lifetime: Duration,
    /// PKCS #8 keys, PEM: P-256 (ES256), Ed25519 (EdDSA) or RSA (RS256), with their times. The text of the file.
    pub(crate) key: Secret,
}

/// What a client may take of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Connections at a time; more wait in the system's queue. Defaults to 10,000.
    pub(crate) connections: usize,
    /// Bytes of a request's head. Defaults to 32 KiB.
    pub(crate) header_bytes: usize,
    /// For a request's head to arrive. Defaults to 10 seconds.
    pub(crate) header_timeout: Duration,
    /// For an answer to be made. Defaults to 10 seconds.
    pub(crate) request_timeout: Duration,
    /// For a client to read an answer. Defaults to 10 seconds.
    pub(crate) write_timeout: Duration,
    /// For what is in flight when the server stops. Defaults to 30 seconds.
    pub(crate) shutdown_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            header_bytes: 32 * 1024,
            header_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(10),
            shutdown_timeout: Duration::from_secs(30),
        }
    }
}

/// How often a client may sign in or be refused, per minute. `None` means any number, the default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rates {
    /// Attempts to sign in, by a client's network.
    pub(crate) sign_ins: Option<NonZeroU32>,
    /// Sign-ins of one issuer.
    pub(crate) sign_ins_per_issuer: Option<NonZeroU32>,
    /// Tokens that are refused, by a client's network.
    pub(crate) denials: Option<NonZeroU32>,
    /// Clients without limits.
    pub(crate) exempt: Vec<Network>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Log {
    pub(crate) format: LogFormat,
    pub(crate) level: LogLevel,
    /// Whether audit events name e-mail addresses.
    pub(crate) personal: bool,
    /// Whether each check is logged. Defaults to no.
    pub(crate) access: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}

/// How much is logged. Audit events are logged at every level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
}

/// A text that stays out of logs, wiped when dropped.
#[derive(Clone)]
pub(crate) struct Secret(Zeroizing<String>);

impl Secret {
    pub(crate) fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests;
