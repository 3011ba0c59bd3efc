//! Which domains are no good to trust, and for a cookie: those that anybody can have a host under,
//! and addresses.

/// Whether anybody can have a host under this domain (publicsuffix.org). Nobody knows without the
/// feature `public-suffix`.
pub(super) fn is_public_suffix(domain: &str) -> bool {
    #[cfg(feature = "public-suffix")]
    {
        let domain = domain.trim_end_matches('.').to_ascii_lowercase();
        let suffix = psl::suffix(domain.as_bytes());
        suffix.is_some_and(|suffix| suffix.is_known() && suffix == domain.as_bytes())
    }
    #[cfg(not(feature = "public-suffix"))]
    {
        let _ = domain;
        false
    }
}

/// Whether browsers take this host for an IPv4 address: its last label is a number (URL Standard,
/// "ends in a number checker"), as in `127.1` and `10.0.0.0x7f`.
pub(super) fn is_ipv4(host: &str) -> bool {
    let last = host.strip_suffix('.').unwrap_or(host).rsplit('.').next().unwrap_or_default();
    let hexadecimal = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit())
        || last.strip_prefix("0x").or_else(|| last.strip_prefix("0X")).is_some_and(hexadecimal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_ends_in_a_number_is_an_address() {
        for address in ["127.0.0.1", "127.1", "1", "10.0.0.0x7f", "a.0X1", "example.7.", "0x"] {
            assert!(is_ipv4(address), "{address}");
        }
        for name in ["example.com", "7.example", "a.0xg", "x1", "", "com.", "1.xn--p1ai"] {
            assert!(!is_ipv4(name), "{name}");
        }
    }

    #[cfg(feature = "public-suffix")]
    #[test]
    fn public_suffixes_are_known() {
        for suffix in ["com", "co.uk", "github.io", "GitHub.io", "vercel.app", "co.uk.", "com.ck"] {
            assert!(is_public_suffix(suffix), "{suffix}");
        }
        for domain in ["example.com", "example.co.uk", "www.ck", "corp.internal", "localhost", ""] {
            assert!(!is_public_suffix(domain), "{domain}");
        }
    }
}
