//! Identities as settings name them: `did:ethr:0x…` and `0x…`.

use std::collections::HashSet;
use std::sync::Arc;

use tower_didt::magic::EmailPattern;
use tower_didt::{Address, Issuer};

use super::invalid::Invalid;
use super::settings::Settings;
use crate::serve::policy::{Admit, Parties, Said, Word};

/// `admit`, `issuers`, `addresses`, `emails` and `emails_file` at the top of the settings. `magic`:
/// whether there is `[magic]` to ask.
pub(super) fn admitted(settings: &mut Settings<'_>, magic: bool) -> Result<Said, Invalid> {
    const ADMIT: &str = "admit";
    let word = settings.parsed(ADMIT, word)?;
    let issuers = list(settings, "issuers", issuer)?;
    let addresses = list(settings, "addresses", address)?;
    let emails = emails(settings, magic)?;
    let listed = issuers.is_some() || addresses.is_some() || emails.is_some();
    let listed = listed.then(|| {
        let issuers = issuers.into_iter().chain(addresses).flatten().collect();
        Arc::new(Parties { issuers, emails: emails.unwrap_or_default() })
    });
    let said = Said { word, listed, magic };
    said.check().map_err(|fault| settings.invalid(ADMIT, fault))?;
    Ok(said)
}

/// The patterns of `emails` and of the lines of `emails_file`.
fn emails(
    settings: &mut Settings<'_>,
    magic: bool,
) -> Result<Option<HashSet<EmailPattern>>, Invalid> {
    const KEY: &str = "emails";
    const FILE: &str = "emails_file";
    if !magic && let Some(key) = [KEY, FILE].into_iter().find(|key| settings.is_given(key)) {
        return Err(settings.invalid(key, NEEDS_MAGIC));
    }
    let texts = settings.list(KEY)?;
    if settings.is_given(KEY) && texts.is_empty() {
        return Err(settings.invalid(KEY, "is empty, which would let nobody pass; omit it"));
    }
    let mut patterns = HashSet::new();
    for text in &texts {
        let pattern =
            email(text).map_err(|fault| settings.invalid(KEY, format_args!("{text:?} {fault}")))?;
        patterns.insert(pattern);
    }
    if let Some((_, contents)) = settings.file(FILE)? {
        let text = std::str::from_utf8(&contents)
            .map_err(|_| settings.invalid(FILE, "the file is not UTF-8"))?;
        let lines = text.lines().enumerate().map(|(number, line)| (number + 1, line.trim()));
        for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            let pattern = email(line).map_err(|fault| {
                settings.invalid(FILE, format_args!("line {number} of the file {fault}"))
            })?;
            patterns.insert(pattern);
        }
        if patterns.is_empty() {
            return Err(settings.invalid(FILE, "the file lists nobody"));
        }
    }
    Ok((!patterns.is_empty()).then_some(patterns))
}

/// Why e-mail addresses cannot be listed.
pub(super) const NEEDS_MAGIC: &str =
    "e-mail addresses come from Magic; expected magic.secret_key_file";

/// Reads `ada@example.com` or `*@example.com`.
pub(super) fn email(text: &str) -> Result<EmailPattern, &'static str> {
    text.parse().map_err(|_| {
        "is not an e-mail address in ASCII, such as ada@example.com, nor a domain, such as *@example.com"
    })
}

fn list(
    settings: &mut Settings<'_>,
    key: &'static str,
    parse: fn(&str) -> Result<Issuer, String>,
) -> Result<Option<HashSet<Issuer>>, Invalid> {
    if !settings.is_given(key) {
        settings.explain(key, "none");
        return Ok(None);
    }
    let texts = settings.list(key)?;
    if texts.is_empty() {
        return Err(settings.invalid(key, "is empty, which would let nobody pass; omit it"));
    }
    let parties = texts.iter().map(|text| {
        parse(text).map_err(|fault| settings.invalid(key, format_args!("{text:?} {fault}")))
    });
    let parties: HashSet<_> = parties.collect::<Result<_, _>>()?;
    if parties.len() < texts.len() {
        return Err(settings.invalid(key, "names somebody twice"));
    }
    Ok(Some(parties))
}

pub(super) fn word(text: &str) -> Result<Word, String> {
    Word::parse(text).ok_or_else(|| {
        format!("is not one of {}", Admit::WORDS.map(|word| format!("{word:?}")).join(", "))
    })
}

/// Reads `did:ethr:0x…`.
pub(super) fn issuer(text: &str) -> Result<Issuer, String> {
    let issuer: Issuer = text.parse().map_err(|fault| format!("is not an issuer; {fault}"))?;
    checksum(text, &issuer.to_string())?;
    Ok(issuer)
}

/// Reads `0x…`.
pub(super) fn address(text: &str) -> Result<Issuer, String> {
    let address: Address = text.parse().map_err(|_| {
        "is not an address; expected 0x and 40 hexadecimal digits, such as \
         0xde709f2102306220921060314715629080e2fb77"
    })?;
    checksum(text, &address.to_string())?;
    Ok(Issuer::from(address))
}

/// Mixed case is a checksum (EIP-55): if it is wrong, so is a digit, and the list names someone
/// else. A single case has no checksum.
fn checksum(text: &str, right: &str) -> Result<(), String> {
    let digits = text.rsplit_once('x').map_or(text, |(_, digits)| digits);
    let mixed = digits.contains(|c: char| c.is_ascii_uppercase())
        && digits.contains(|c: char| c.is_ascii_lowercase());
    if mixed && !right.ends_with(digits) {
        return Err(format!(
            "has a wrong checksum (EIP-55), so a digit may be mistyped; compare it with its source, \
             and if all digits are right, write {right}"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of EIP-55.
    #[test]
    fn a_mixed_case_address_must_have_the_right_checksum() {
        let right = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
        let lower = right.to_lowercase();
        let upper = format!("0x{}", &right[2..].to_uppercase());
        for good in [right, &lower, &upper] {
            assert!(address(good).is_ok(), "{good}");
        }
        let wrong = right.replace("5aA", "5AA");
        let problem = address(&wrong).expect_err("a wrong checksum");
        assert!(problem.contains("EIP-55") && problem.contains(right), "{problem}");
        // One digit mistyped.
        assert!(address(&right.replace("BeAed", "BeAec")).is_err());
        assert!(issuer(&format!("did:ethr:{right}")).is_ok());
        assert!(issuer(&format!("did:ethr:{wrong}")).is_err());
    }
}
