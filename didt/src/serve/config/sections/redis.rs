//! `[store]`: what there is to say about a server, and Redis.

use std::fmt;
use std::time::Duration;

use tower_didt::RedisStore;
use tower_didt::redis::{RedisConfigError, RedisStoreBuilder};
use zeroize::Zeroizing;

use crate::serve::config::invalid::Invalid;
use crate::serve::config::settings::Settings;
use crate::serve::sites::SiteName;

/// Bounds for every duration of the Redis client.
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(60);

const DEFAULT_TIMEOUT: Duration = Duration::from_millis(200);
const DEFAULT_DATABASE_TIMEOUT: Duration = Duration::from_millis(500);
const DEFAULT_PING_INTERVAL: Duration = Duration::from_millis(250);
const DEFAULT_PREFIX: &str = "didt";
const DEFAULT_LOCAL_COPIES: u64 = 32 * 1024 * 1024;

/// 64 GiB: anything larger is a typo.
const MAX_LOCAL_COPIES: u64 = 64 * 1024 * 1024 * 1024;

/// Where the server is: one of these says it.
pub(super) const PLACES: [&str; 4] =
    ["store.url", "store.url_file", "store.cluster_urls", "store.cluster_urls_file"];

/// The Sentinels that know where the master is, whose name is the host in `store.url`.
const SENTINELS: &str = "store.sentinel_urls";
const SENTINELS_FILE: &str = "store.sentinel_urls_file";

/// What else there is to say about a server.
pub(super) const OPTIONS: [&str; 9] = [
    SENTINELS,
    SENTINELS_FILE,
    "store.prefix",
    "store.timeout",
    "store.ping_interval",
    "store.local_copies_bytes",
    "store.root_certificates",
    "store.client_certificate",
    "store.client_key",
];

/// What is said about a server, whichever kind it is of.
pub(super) struct Given {
    /// Which key says where it is.
    pub(super) place: Option<&'static str>,
    urls: Option<(Zeroizing<Vec<String>>, bool)>,
    sentinels: Option<Zeroizing<Vec<String>>>,
    pub(super) prefix: String,
    /// Whether other sites are connected to the same server.
    pub(super) shared: bool,
    pub(super) timeout: Duration,
    pub(super) ping_interval: Duration,
    pub(super) local_copies: u64,
    roots: Option<(std::path::PathBuf, Pem)>,
    client: Option<(Pem, Pem)>,
}

impl Given {
    /// The one URL, for servers that are no cluster.
    pub(super) fn url(&self) -> Option<&str> {
        let (urls, _) = self.urls.as_ref().filter(|(_, cluster)| !cluster)?;
        urls.first().map(String::as_str)
    }
}

/// Reads what there is to say about a server. A database waits for disks, and may take longer.
///
/// The names of everything that a site keeps there begin with `store.prefix` and its own name: no site
/// finds what another one keeps.
pub(super) fn given(
    settings: &mut Settings<'_>,
    is_database: bool,
    site: Option<&SiteName>,
) -> Result<Given, Invalid> {
    let mut given = PLACES.iter().filter(|key| settings.is_given(key));
    let place = given.next().copied();
    if let (Some(place), Some(other)) = (place, given.next()) {
        return Err(settings.invalid(
            other,
            format_args!("says where the store is, and so does {place}; expected only one of them"),
        ));
    }
    let urls = places(settings, is_database)?;
    let sentinels = sentinels(settings, place)?;
    let prefix = settings
        .parsed_or("store.prefix", DEFAULT_PREFIX, |prefix| Ok::<_, String>(prefix.to_owned()))?;
    let prefix = match site {
        // A database's names have no hyphens, and names of sites no underscores.
        Some(site) if is_database => format!("{prefix}_{}", site.as_str().replace('-', "_")),
        Some(site) => format!("{prefix}:{site}"),
        None => prefix,
    };
    let default = if is_database { DEFAULT_DATABASE_TIMEOUT } else { DEFAULT_TIMEOUT };
    let timeout = settings.span_or("store.timeout", default, SHORTEST..=LONGEST)?;
    let ping =
        settings.span_or("store.ping_interval", DEFAULT_PING_INTERVAL, SHORTEST..=LONGEST)?;
    let copies = settings.whole_or(
        "store.local_copies_bytes",
        DEFAULT_LOCAL_COPIES,
        0..=MAX_LOCAL_COPIES,
    )?;
    let roots = settings.file("store.root_certificates")?;
    let client = client_certificate(settings)?;
    Ok(Given {
        place,
        urls,
        sentinels,
        prefix,
        shared: site.is_some(),
        timeout,
        ping_interval: ping,
        local_copies: copies,
        roots,
        client,
    })
}

/// Redis, where it is said where that is.
pub(super) fn redis(
    settings: &Settings<'_>,
    given: Given,
) -> Result<Option<RedisStoreBuilder>, Invalid> {
    let Given { place, urls, sentinels, prefix, timeout, .. } = given;
    let (Some(place), Some((urls, cluster))) = (place, urls) else { return Ok(None) };
    let mut builder = match (cluster, urls.first(), sentinels) {
        (false, Some(url), Some(sentinels)) => {
            RedisStore::sentinel_builder(url.as_str(), sentinels.iter().map(String::as_str))
        }
        (false, Some(url), None) => RedisStore::builder(url.as_str()),
        _ => RedisStore::cluster_builder(urls.iter().map(String::as_str)),
    }
    .with_prefix(prefix)
    .with_timeout(timeout)
    .with_ping_interval(given.ping_interval)
    .with_local_copies(given.local_copies);
    let reads_files = settings.reads_files();
    if let Some((_, pem)) = given.roots.filter(|_| reads_files) {
        builder = builder.with_root_certificates(pem.as_slice());
    }
    if let Some((chain, key)) = given.client.filter(|_| reads_files) {
        builder = builder.with_client_certificate(chain.as_slice(), key.as_slice());
    }
    builder.validate().map_err(|error| {
        let key = match error {
            RedisConfigError::InvalidPrefix => "store.prefix",
            _ => place,
        };
        refused(settings, key, error)
    })?;
    Ok(Some(builder))
}

/// What may be read by everybody is quoted; a file's contents never are.
pub(super) fn refused(settings: &Settings<'_>, key: &str, error: impl fmt::Display) -> Invalid {
    match settings.bare_text(key).ok().flatten() {
        Some(url) if key == "store.url" => settings.invalid(key, format_args!("{url:?}: {error}")),
        _ => settings.invalid(key, error),
    }
}

/// The URLs, and whether they belong to a cluster.
fn places(
    settings: &mut Settings<'_>,
    is_database: bool,
) -> Result<Option<(Zeroizing<Vec<String>>, bool)>, Invalid> {
    let [url_key, url_file, cluster_key, cluster_file] = PLACES;
    let mut found = None;
    match settings.bare_text(url_key)? {
        Some(url) => {
            if !is_database {
                has_scheme(settings, url_key, &url)?;
            }
            public(settings, url_key, url_file, &url)?;
            settings.explain(url_key, &url);
            found = Some((vec![url], false));
        }
        None => settings.explain(url_key, "none"),
    }
    if let Some(text) = settings.secret(url_file)? {
        found = Some((vec![text.expose().to_owned()], false));
    }
    match settings.bare_list(cluster_key)? {
        Some(urls) => {
            urls.iter().try_for_each(|url| {
                has_scheme(settings, cluster_key, url)?;
                public(settings, cluster_key, cluster_file, url)
            })?;
            settings.explain(cluster_key, urls.join(", "));
            found = Some((urls, true));
        }
        None => settings.explain(cluster_key, "none"),
    }
    if let Some(text) = settings.secret(cluster_file)? {
        found = Some((text.expose().lines().map(str::to_owned).collect(), true));
    }
    Ok(found.map(|(urls, cluster)| (Zeroizing::new(urls), cluster)))
}

/// The URLs of the Sentinels, if there are any.
fn sentinels(
    settings: &mut Settings<'_>,
    place: Option<&str>,
) -> Result<Option<Zeroizing<Vec<String>>>, Invalid> {
    let listed = settings.bare_list(SENTINELS)?;
    match &listed {
        Some(urls) => {
            urls.iter().try_for_each(|url| {
                has_scheme(settings, SENTINELS, url)?;
                public(settings, SENTINELS, SENTINELS_FILE, url)
            })?;
            settings.explain(SENTINELS, urls.join(", "));
        }
        None => settings.explain(SENTINELS, "none"),
    }
    let secret = settings.secret(SENTINELS_FILE)?;
    let (key, urls) = match (listed, secret) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            return Err(settings.invalid(
                SENTINELS_FILE,
                "says where the Sentinels are, as store.sentinel_urls does; expected one of them",
            ));
        }
        (Some(urls), None) => (SENTINELS, urls),
        (None, Some(text)) => {
            (SENTINELS_FILE, text.expose().lines().map(str::to_owned).collect::<Vec<_>>())
        }
    };
    let [url_key, url_file, ..] = PLACES;
    if place.is_none_or(|place| place != url_key && place != url_file) {
        return Err(settings.invalid(
            key,
            "needs store.url beside it, with the Sentinels' name of the master as its host, such as redis://mymaster",
        ));
    }
    Ok(Some(Zeroizing::new(urls)))
}

/// A URL that says what it leads to.
fn has_scheme(settings: &Settings<'_>, key: &str, url: &str) -> Result<(), Invalid> {
    if url.contains("://") || url.contains(['@', '?', '#']) {
        return Ok(());
    }
    let right = if url.starts_with('/') { "unix://" } else { "redis://" };
    Err(settings.invalid(
        key,
        format_args!(
            "{url:?} has no scheme; expected redis://, rediss:// or unix://, such as \"{right}{url}\""
        ),
    ))
}

/// A URL that anyone may read. A user and a password come before an `@`, or after
/// a `?` if the URL names a socket; they must not appear in the settings.
fn public(settings: &Settings<'_>, key: &str, file: &str, url: &str) -> Result<(), Invalid> {
    if url.contains(['@', '?', '#']) {
        return Err(settings.invalid(key, format_args!(
            "must not have a user, a password or options; put the whole URL into a file, and name it with {file}"
        )));
    }
    Ok(())
}

type Pem = Zeroizing<Vec<u8>>;

fn client_certificate(settings: &mut Settings<'_>) -> Result<Option<(Pem, Pem)>, Invalid> {
    const CHAIN: &str = "store.client_certificate";
    const KEY: &str = "store.client_key";
    match (settings.file(CHAIN)?, settings.file(KEY)?) {
        (Some((_, chain)), Some((_, key))) => Ok(Some((chain, key))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(settings.invalid(CHAIN, "a certificate needs store.client_key too")),
        (None, Some(_)) => Err(settings.invalid(KEY, "a key needs store.client_certificate too")),
    }
}
