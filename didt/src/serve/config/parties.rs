//! Identities as settings name them: `did:ethr:0x…` and `0x…`.

use std::collections::HashSet;
use std::sync::Arc;

use tower_didt::{Address, Issuer};

use super::invalid::Invalid;
use super::settings::Settings;
use crate::serve::policy::{Admit, Said, Word};

/// `admit`, `issuers` and `addresses` at the top of the settings.
pub(super) fn admitted(settings: &mut Settings<'_>) -> Result<Said, Invalid> {
    const ADMIT: &str = "admit";
    let word = settings.parsed(ADMIT, word)?;
    let issuers = list(settings, "issuers", issuer)?;
    let addresses = list(settings, "addresses", address)?;
    let listed = issuers.is_some() || addresses.is_some();
    let listed = listed.then(|| Arc::new(issuers.into_iter().chain(addresses).flatten().collect()));
    let said = Said { word, listed };
    said.check().map_err(|fault| settings.invalid(ADMIT, fault))?;
    Ok(said)
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
        return Err(settings.invalid(key, "is empty, which would let nobody pass; leave it out"));
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
        format!("is none of {}", Admit::WORDS.map(|word| format!("{word:?}")).join(", "))
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

/// Mixed case is a checksum (EIP-55): where it is wrong, a digit is, and the list names somebody
/// else. One case only is no checksum.
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
