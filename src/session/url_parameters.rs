//! What stands behind the question mark of a store's URL.

/// Whether each parameter of a URL is one of these, and given once. Each entry lists the names of one parameter:
/// where a name ends in `[`, any number of parameters begins so.
///
/// The crates that read the URLs pass over parameters that they do not know. With `sslmod=verify-full`
/// a connection would then be made without any check of the server's certificate, and what
/// stands behind a `?` in a password would be written to the log.
pub(super) fn are_known(url: &str, known: &[&[&str]]) -> bool {
    let Some((_, query)) = url.trim_end().split_once('?') else { return true };
    let mut given = vec![false; known.len()];
    form_urlencoded::parse(query.as_bytes()).all(|(name, _)| {
        let is_it = |known: &&str| match known.strip_suffix('[') {
            Some(_) => name.starts_with(*known) && name.ends_with(']'),
            None => name == *known,
        };
        let Some(index) = known.iter().position(|names| names.iter().any(is_it)) else {
            return false;
        };
        let repeats = name.ends_with(']');
        given.get_mut(index).is_some_and(|given| repeats || !std::mem::replace(given, true))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_known_and_given_once() {
        let known: &[&[&str]] = &[&["sslmode", "ssl-mode"], &["user"], &["options["]];
        for good in [
            "x://host/db",
            "x://host/db?",
            "x://host/db?sslmode=a",
            "x://host/db?sslmode=a&user=b\n",
            "x://host/db?%73slmode=a",
            "x://host/db?options[a]=1&options[b]=2",
        ] {
            assert!(are_known(good, known), "{good}");
        }
        for bad in [
            "x://host/db?sslmod=a",
            "x://host/db?SSLMODE=a",
            "x://host/db?sslmode=a&sslmode=b",
            "x://host/db?sslmode=a&ssl-mode=b",
            "x://host/db?sslmode=a&%73slmode=b",
            "x://host/db?user=b&ssl%20mode=a",
            "x://user:pass?word@host/db",
            "x://host/db?options[a",
            "x://host/db?options=a",
            "x://host/db?=a",
        ] {
            assert!(!are_known(bad, known), "{bad}");
        }
    }
}
