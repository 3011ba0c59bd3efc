//! `[cookie]`.

use std::net::IpAddr;

use tower_didt::{SameSite, SessionCookie};

use crate::serve::config::invalid::Invalid;
use crate::serve::config::settings::Settings;

const DEFAULT_NAME: &str = "didt";

pub(in crate::serve::config) fn cookie(
    settings: &mut Settings<'_>,
) -> Result<SessionCookie, Invalid> {
    let name = settings.parsed_or("cookie.name", DEFAULT_NAME, |name| {
        let lower = name.to_ascii_lowercase();
        if lower.starts_with("__host-") || lower.starts_with("__secure-") {
            return Err(
                "has a prefix; expected only the name, since the prefix is added".to_owned()
            );
        }
        SessionCookie::named(name).map_err(|error| format!("is invalid; {error}"))?;
        Ok(name.to_owned())
    })?;
    let cookie = settings.parsed("cookie.domain", |domain| {
        takes_cookies(domain)?;
        SessionCookie::for_sub_domains(&name, domain)
            .map_err(|error| format!("is invalid; {error}"))
    })?;
    let same_site = settings.choice(
        "cookie.same_site",
        &[("lax", SameSite::Lax), ("strict", SameSite::Strict), ("none", SameSite::None)],
    )?;
    let cookie = match cookie {
        Some(cookie) => cookie,
        None => {
            SessionCookie::named(&name).map_err(|error| settings.invalid("cookie.name", error))?
        }
    };
    Ok(cookie.with_same_site(same_site))
}

/// Browsers drop a cookie for an address and for a public suffix (RFC 6265bis section 5.7), and
/// nobody would stay signed in.
fn takes_cookies(domain: &str) -> Result<(), String> {
    let plain = domain.trim_start_matches('.').trim_end_matches('.').to_ascii_lowercase();
    let address = plain.trim_matches(['[', ']']).parse::<IpAddr>();
    // `127.1` and `10.0.0.0x7f` are addresses to a browser too (URL Standard).
    let last = plain.rsplit('.').next().unwrap_or_default();
    let digits = last.strip_prefix("0x").unwrap_or(last);
    let is_number = !last.is_empty()
        && digits
            .bytes()
            .all(|byte| byte.is_ascii_digit() || last != digits && byte.is_ascii_hexdigit());
    if address.is_ok() || is_number {
        return Err("is an address, for which no browser keeps a cookie of several hosts; leave \
                    cookie.domain out"
            .to_owned());
    }
    let suffix = psl::suffix(plain.as_bytes());
    if suffix.is_some_and(|suffix| suffix.is_known() && suffix == plain.as_bytes()) {
        return Err(format!(
            "is a public suffix (publicsuffix.org), under which everybody can have a site, so that no \
             browser keeps a cookie for it; expected a domain of yours, such as \"example.{plain}\""
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::takes_cookies;

    #[test]
    fn domains_that_browsers_take_no_cookies_for_are_refused() {
        for bad in [
            "co.uk",
            "github.io",
            "CO.UK",
            ".co.uk",
            "co.uk.",
            "s3.amazonaws.com",
            "192.168.1.10",
            "127.1",
            "example.7",
            "10.0.0.0x7f",
            "[::1]",
            "::1",
            "com.ck",
        ] {
            assert!(takes_cookies(bad).is_err(), "{bad}");
        }
        for good in ["example.co.uk", "example.com", "www.ck", "corp.internal", "shop.localhost"] {
            assert_eq!(takes_cookies(good), Ok(()), "{good}");
        }
    }
}
