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
        "{}, [[rules]]",
        tables.iter().map(|table| format!("[{table}]")).collect::<Vec<_>>().join(", ")
    )
}
