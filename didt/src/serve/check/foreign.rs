//! The application's own credentials: the `Authorization` that the upstream gets.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

use super::super::did_token;
use super::super::policy::Rule;

/// The longest value that is handed on, in bytes: as long as the longest DID token. Gateways read
/// the head of our answer into a buffer of 16 KiB (`proxy_buffer_size` in nginx's sample), which a
/// sealed session cookie (4 KiB) and an assertion share with it.
const MAX_LEN: usize = 8 * 1024;

/// What the client sent in `Authorization`, if the rule leaves that to the application. A DID token
/// stays here, as the session cookie does; so does what is sent twice, since nobody can say which
/// counts.
pub(super) fn authorization(headers: &HeaderMap, rule: &Rule) -> Option<HeaderValue> {
    let mut values = headers.get_all(AUTHORIZATION).iter().filter(|_| rule.leaves_foreign());
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    // Envoy joins repeated headers by commas.
    let mut parts = value.as_bytes().split(|byte| *byte == b',');
    if value.len() > MAX_LEN || parts.any(|part| did_token::stated(part).is_some()) {
        return None;
    }
    let mut value = value.clone();
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::policy::{Access, Admit, Requests};
    use crate::serve::test_support::{START, alice};

    fn rule(access: Access, passes_foreign: bool) -> Rule {
        let (name, admit) = ("rule".to_owned(), Admit::AnyKey);
        Rule {
            name,
            access,
            admit,
            passes_foreign,
            keeps_slashes: false,
            requests: Requests::default(),
        }
    }

    fn handed_on(values: &[&str], rule: &Rule) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, value.parse().expect("a value"));
        }
        authorization(&headers, rule).map(|value| value.to_str().expect("text").to_owned())
    }

    #[test]
    fn only_rules_that_say_so_and_public_ones_hand_the_applications_credentials_on() {
        let basic = "Basic eDp5";
        for (access, passes, expected) in [
            (Access::Public, false, Some(basic)),
            (Access::Optional, false, None),
            (Access::Required, false, None),
            (Access::Optional, true, Some(basic)),
            (Access::Required, true, Some(basic)),
        ] {
            let got = handed_on(&[basic], &rule(access, passes));
            assert_eq!(got.as_deref(), expected, "{access:?} {passes}");
        }
    }

    #[test]
    fn did_tokens_doubled_values_and_giants_are_handed_to_nobody() {
        let token = alice().token("did:magic:any").issued_at(START).mint();
        let public = rule(Access::Public, false);
        for (values, expected) in [
            (vec!["Bearer abc"], true),
            (vec!["bearer eyJhbGciOiJIUzI1NiJ9.e30.x"], true),
            (vec!["Digest username=\"a\", realm=\"b\""], true),
            (vec!["Negotiate abc"], true),
            (vec!["ApiKey 1"], true),
            (vec![&*format!("Bearer {token}")], false),
            (vec![&*format!("bEARER   {token} ")], false),
            (vec![&*format!("Bearer\t{token}")], false),
            (vec![&*format!("Basic eDp5,Bearer {token}")], false),
            (vec![&*format!("Bearer {token}, Basic eDp5")], false),
            (vec!["Basic eDp5", "Basic eDp5"], false),
            (vec!["Basic eDp5", "Bearer abc"], false),
            (vec![&*format!("Basic {}", "A".repeat(MAX_LEN - 6))], true),
            (vec![&*format!("Basic {}", "A".repeat(MAX_LEN - 5))], false),
        ] {
            assert_eq!(handed_on(&values, &public).is_some(), expected, "{values:?}");
        }
        assert_eq!(handed_on(&[], &public), None);
    }
}
