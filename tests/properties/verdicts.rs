//! One token, one policy, one time: one verdict, whoever asks, how often and in which order.

use std::time::Duration;

use proptest::prelude::*;
use tower_didt::testing::Wallet;
use tower_didt::token::DidToken;
use tower_didt::{Timestamp, TokenError, VerifiedClaim, Verifier};

use crate::support::{AUDIENCE, START, config};

/// A token that is sound or has one or several of the usual faults.
#[derive(Clone, Debug)]
struct Faults {
    audience: bool,
    signer: bool,
    attachment: bool,
    iat: i64,
    lifespan: i64,
}

fn faults() -> impl Strategy<Value = Faults> {
    let rarely = || proptest::bool::weighted(0.2);
    (rarely(), rarely(), rarely(), -1000i64..400, -10i64..1000).prop_map(
        |(audience, signer, attachment, iat, lifespan)| Faults {
            audience,
            signer,
            attachment,
            iat,
            lifespan,
        },
    )
}

impl Faults {
    fn token(&self) -> String {
        let issued = Timestamp::from_secs(START.as_secs() + self.iat);
        let wallet = Wallet::from_seed("alice");
        let token = wallet
            .token(if self.audience { "did:magic:other" } else { AUDIENCE })
            .attachment(if self.attachment { "another" } else { "none" })
            .issued_at(issued)
            .set("ext", issued.as_secs() + self.lifespan);
        if self.signer {
            token.set("iss", Wallet::from_seed("bob").issuer()).mint()
        } else {
            token.mint()
        }
    }

    fn is_sound(&self) -> bool {
        !self.audience
            && !self.signer
            && !self.attachment
            && (-900..=300).contains(&self.iat)
            && self.iat + self.lifespan >= 0
    }
}

fn verifier() -> Verifier {
    Verifier::new(AUDIENCE).with_max_age(Duration::from_secs(900)).with_attachment("none")
}

/// The same checks in another order.
fn signature_first(token: &str) -> Result<VerifiedClaim, TokenError> {
    let signed = verifier().decode(token).and_then(DidToken::into_signed)?;
    verifier().check(&signed, START)
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn a_verdict_depends_on_the_token_the_policy_and_the_time_alone(faults in faults()) {
        let token = faults.token();
        let verifier = verifier();
        let verdict = verifier.verify(&token, START);
        prop_assert_eq!(verdict.is_ok(), faults.is_sound(), "{:?}", verdict);
        prop_assert_eq!(verdict.is_ok(), signature_first(&token).is_ok());
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..3)
                .map(|_| scope.spawn(|| verifier.clone().verify(&token, START)))
                .collect();
            for thread in threads {
                assert_eq!(thread.join().expect("no panic"), verdict);
            }
        });
        prop_assert_eq!(verifier.verify(&token, START), verdict);
    }
}
