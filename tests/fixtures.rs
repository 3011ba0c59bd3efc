//! Tokens that third-party libraries signed, each with the verdict it must get.
//!
//! `fixtures/README.md` tells where they come from.

#![expect(clippy::expect_used, reason = "a test that panics is a test that fails")]

use serde::Deserialize;
use tower_didt::token::{DidToken, IssuerKey};
use tower_didt::{Timestamp, TokenError, VerifiedClaim, Verifier};

#[derive(Deserialize)]
struct Row {
    name: String,
    token: String,
    now: Timestamp,
    audience: String,
    attachment: Option<String>,
    verdict: String,
    error: Option<String>,
    issuer: Option<String>,
    expires_at: Option<Timestamp>,
    rule: String,
    why: String,
}

impl Row {
    fn all() -> Vec<Self> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/tokens.ndjson");
        let text = std::fs::read_to_string(path).expect("the fixtures");
        text.lines().map(|line| serde_json::from_str(line).expect("a row")).collect()
    }

    fn verifier(&self) -> Verifier {
        let verifier = Verifier::new(self.audience.as_str());
        match &self.attachment {
            Some(attachment) => verifier.with_attachment(attachment.as_str()),
            None => verifier,
        }
    }

    /// What differs from the expected verdict, if anything.
    fn fault(&self, verdict: &Result<VerifiedClaim, TokenError>) -> Option<String> {
        let (name, why) = (&self.name, &self.why);
        match verdict {
            Ok(claim) => {
                let expected = self.verdict == "accept"
                    && self.issuer.as_deref() == Some(&*claim.issuer().to_string())
                    && self.expires_at == Some(claim.expires_at());
                (!expected).then(|| format!("{name}: accepted as {claim:?}. {why}"))
            }
            Err(error) => {
                let expected =
                    self.verdict == "reject" && self.error.as_deref() == Some(error.name());
                (!expected).then(|| format!("{name}: {} ({error}). {why}", error.name()))
            }
        }
    }
}

#[test]
fn every_fixture_gets_its_verdict_and_its_error() {
    let rows = Row::all();
    let faults: Vec<_> = rows
        .iter()
        .filter_map(|row| row.fault(&row.verifier().verify(&row.token, row.now)))
        .collect();
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), rows.len(), faults.join("\n"));
}

#[test]
fn the_verdict_does_not_depend_on_the_order_of_the_checks() {
    for row in Row::all() {
        // The curve first, audience and times last.
        let verdict = DidToken::decode(&row.token)
            .and_then(DidToken::into_signed)
            .and_then(|signed| row.verifier().check(&signed, row.now));
        assert_eq!(verdict.is_ok(), row.verdict == "accept", "{}", row.name);
    }
}

#[test]
fn the_verdict_does_not_depend_on_the_keys_that_are_known() {
    let tokens: Vec<_> =
        Row::all().iter().filter_map(|row| DidToken::decode(&row.token).ok()).collect();
    let keys = tokens.iter().filter_map(|token| token.clone().into_signed_and_key().ok());
    let mut keys: Vec<_> = keys.map(|(_, key)| key).collect();
    keys.sort_by_key(IssuerKey::issuer);
    keys.dedup_by_key(|key| key.issuer());
    let prepared: Vec<_> = keys.iter().cloned().map(IssuerKey::prepared).collect();
    for token in tokens {
        let verdict = token.clone().into_signed();
        let own = |key: &&IssuerKey| key.issuer() == token.claim().iss();
        let keys = keys.iter().chain(&prepared);
        for key in keys.clone().filter(own).chain(prepared.iter().take(2)) {
            assert_eq!(token.clone().into_signed_with(key), verdict, "{token:?} with {key:?}");
        }
    }
}

#[test]
fn the_fixtures_cover_every_rule_of_verification() {
    let rows = Row::all();
    assert!(rows.len() >= 120, "{} rows", rows.len());
    for rule in ["1", "2", "3", "4", "5"] {
        for verdict in ["accept", "reject"] {
            let covered = rows.iter().any(|row| row.rule == rule && row.verdict == verdict);
            assert!(covered, "no row of rule {rule} with verdict {verdict}");
        }
    }
}
