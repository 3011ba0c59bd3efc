//! All settings that there are.

/// In the order in which they are explained.
pub(crate) const KEYS: &[&str] = &[
    "audiences",
    "default_access",
    "admit",
    "issuers",
    "addresses",
    "emails",
    "emails_file",
    "trusted_proxies",
    "trusted_origins",
    "listen.public",
    "listen.private",
    "listen.prefix",
    "listen.tls.certificate",
    "listen.tls.key",
    "cookie.name",
    "cookie.domain",
    "cookie.same_site",
    "sessions.lifetime",
    "sessions.idle_timeout",
    "sessions.remembered_lifetime",
    "sessions.max_per_issuer",
    "sessions.replay",
    "sessions.max_token_age",
    "sessions.not_before_leeway",
    "sessions.issued_at_leeway",
    "sessions.expiry_leeway",
    "sessions.bound_login",
    "sessions.bound_login_key_file",
    "magic.secret_key_file",
    "magic.api_url",
    "magic.required",
    "magic.timeout",
    "magic.fresh_for",
    "magic.stale_until",
    "magic.renew_after",
    "magic.sign_out",
    "store.kind",
    "store.keys_file",
    "store.url",
    "store.url_file",
    "store.cluster_urls",
    "store.cluster_urls_file",
    "store.sentinel_urls",
    "store.sentinel_urls_file",
    "store.prefix",
    "store.timeout",
    "store.ping_interval",
    "store.local_copies_bytes",
    "store.root_certificates",
    "store.client_certificate",
    "store.client_key",
    "store.migrate",
    "store.transaction_pooling",
    "identity.issuer",
    "identity.address",
    "identity.email",
    "identity.session",
    "identity.expires",
    "identity.assertion",
    "assertion.issuer",
    "assertion.audience",
    "assertion.lifetime",
    "assertion.key_file",
    "sign_in.publishable_key",
    "sign_in.method",
    "sign_in.providers",
    "sign_in.home",
    "sign_in.after_sign_out",
    "sign_in.return_origins",
    "sign_in.title",
    "sign_in.intro",
    "sign_in.logo",
    "sign_in.accent",
    "sign_in.css_file",
    "sign_in.privacy_link",
    "sign_in.help_link",
    "sign_in.texts_file",
    "sign_in.endpoint",
    "sign_in.magic_file",
    "sign_in.oauth_file",
    "admin.secret_file",
    "limits.connections",
    "limits.header_bytes",
    "limits.header_timeout",
    "limits.request_timeout",
    "limits.write_timeout",
    "limits.shutdown_timeout",
    "rates.sign_ins",
    "rates.sign_ins_per_issuer",
    "rates.denials",
    "rates.exempt_networks",
    "log.format",
    "log.level",
    "log.personal",
    "log.access",
];

/// Where a setting is said, where there are several sites.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// At the top, for all of them.
    All,
    /// By each site for itself: whose tokens and keys are accepted, and what people see.
    Site,
    /// By a site, or else at the top for those that do not say it.
    Either,
}

/// What each site says for itself. A setting that two sites had in common would open one to the other.
const OF_A_SITE: [&str; 12] = [
    "audiences",
    "default_access",
    "admit",
    "issuers",
    "addresses",
    "emails",
    "emails_file",
    "trusted_origins",
    "cookie.domain",
    MAGIC_KEY,
    "assertion.audience",
    PUBLISHABLE_KEY,
];

/// Tables of which a site may say what differs.
const OF_EITHER: [&str; 4] = ["cookie.", "sessions.", MAGIC, SIGN_IN];

const MAGIC: &str = "magic.";
const MAGIC_KEY: &str = "magic.secret_key_file";
const SIGN_IN: &str = "sign_in.";
const PUBLISHABLE_KEY: &str = "sign_in.publishable_key";

/// Where this setting is said; `None` if there is no such key.
pub(crate) fn scope(key: &str) -> Option<Scope> {
    let key = KEYS.iter().copied().find(|known| *known == key)?;
    Some(if OF_A_SITE.contains(&key) {
        Scope::Site
    } else if OF_EITHER.iter().any(|table| key.starts_with(table)) {
        Scope::Either
    } else {
        Scope::All
    })
}

/// The key of a site without which this one at the top means nothing to it.
pub(super) fn needed_for(key: &str) -> Option<&'static str> {
    [(MAGIC, MAGIC_KEY), (SIGN_IN, PUBLISHABLE_KEY)]
        .into_iter()
        .find_map(|(table, needed)| key.starts_with(table).then_some(needed))
}

/// What begins the name of an environment variable that is a setting.
pub(crate) const VARIABLE_PREFIX: &str = "DIDT__";

/// The environment variable of a key: `DIDT__SESSIONS__LIFETIME`.
pub(crate) fn variable(key: &str) -> String {
    format!("{VARIABLE_PREFIX}{}", key.to_ascii_uppercase().replace('.', "__"))
}

/// Whether this is a table of settings.
pub(super) fn is_section(table: &str) -> bool {
    below(table).next().is_some()
}

/// Explains that there is no such key, and lists the table's keys.
pub(super) fn unknown(key: &str) -> String {
    if is_section(key) {
        return format!("is a table; its keys are {}", list(key));
    }
    let known = key.rsplit_once('.').map(|(section, _)| section).filter(|name| is_section(name));
    match known {
        Some(section) => format!("unknown key; the keys of [{section}] are {}", list(section)),
        None => format!(
            "unknown key; the keys outside tables are {}, and the tables are {}",
            top(),
            tables()
        ),
    }
}

fn below(section: &str) -> impl Iterator<Item = &'static str> {
    KEYS.iter().filter_map(move |key| key.strip_prefix(section)?.strip_prefix('.'))
}

fn list(section: &str) -> String {
    below(section).collect::<Vec<_>>().join(", ")
}

fn top() -> String {
    let top = KEYS.iter().copied().filter(|key| !key.contains('.'));
    top.collect::<Vec<_>>().join(", ")
}

fn tables() -> String {
    let mut tables: Vec<_> = KEYS.iter().filter_map(|key| Some(key.split_once('.')?.0)).collect();
    tables.dedup();
    format!(
        "{}, [[rules]], [[sites]]",
        tables.iter().map(|table| format!("[{table}]")).collect::<Vec<_>>().join(", ")
    )
}
