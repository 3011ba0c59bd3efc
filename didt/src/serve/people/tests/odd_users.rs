//! Users as Magic should never describe them: what a rule, a header and `/auth/session` make of
//! them.

use std::collections::HashMap;
use std::fmt;

use proptest::prelude::*;
use proptest::sample::select;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use tower_didt::magic::{MagicError, NotUnderstood};

use super::*;

/// Fields of Magic's, and some that only look like them.
const FIELDS: [&str; 10] = [
    "email",
    "issuer",
    "phone_number",
    "oauth_provider",
    "username",
    "wallets",
    "public_address",
    "Email",
    "email\\u0000",
    "data",
];

/// Values as JSON.
fn odd_values() -> Vec<String> {
    let mut values: Vec<String> = [
        "null",
        "true",
        "0",
        "-1",
        "1e999",
        "123456789012345678901234567890",
        "0.1e-400",
        "[]",
        "{}",
        r#"["ada@example.com"]"#,
        r#"{"email":"ada@example.com"}"#,
        r#""""#,
        r#"" ""#,
        r#""\ud800""#,
        r#""ada@example.com""#,
        r#""Ada@EXAMPLE.com""#,
        r#""ada@example.com\r\nx-auth-email: eve@example.com""#,
        r#""eve@example.com\u0000@example.com""#,
        r#""ada@example.com\n""#,
        r#"" ada@example.com""#,
        r#""eve@evil.test,ada@example.com""#,
        r#""eve@evil.test ada@example.com""#,
        r#""\"eve@evil.test\"@example.com""#,
        r#""eve@evil.test@example.com""#,
        r#""eve@example.com@evil.test""#,
        r#""<ada@example.com>""#,
        r#""ada@example.com.evil.test""#,
        r#""ada@notexample.com""#,
        r#""ada@example.com.""#,
        r#""ada@example.com:443""#,
        r#""ada@[127.0.0.1]""#,
        r#""@example.com""#,
        r#""*@example.com""#,
        r#""ada""#,
        // Look-alikes: Cyrillic a and e, full-width @, ideographic stop, Kelvin sign, dotless i,
        // what turns the text around, what is not seen.
        r#""\u0430da@example.com""#,
        r#""ada@\u0435xample.com""#,
        r#""ada\uff20example.com""#,
        r#""ada@example\u3002com""#,
        r#""ada@exa\u006dple.co\u217f""#,
        r#""\u212aada@example.com""#,
        r#""ad\u0131@example.com""#,
        r#""\u202emoc.elpmaxe@ada""#,
        r#""ada\u200b@example.com""#,
        r#""ada@exam\u00adple.com""#,
        r#""+14155550100""#,
        r#""google""#,
        r#""did:ethr:0x8617E340B3D01FA5F11F306F4090FD50E238070D""#,
    ]
    .map(str::to_owned)
    .to_vec();
    values.push(format!("\"{}@example.com\"", "a".repeat(10 * 1024)));
    values.push(format!("\"{}@example.com\"", "a".repeat(65)));
    values.push(format!("\"ada@{}example.com\"", "a.".repeat(5 * 1024)));
    values.push(format!("\"{}\"", "x".repeat(70 * 1024)));
    values.push(format!("{}{}", "[".repeat(100), "]".repeat(100)));
    values.push(format!("{}{}", "[".repeat(5000), "]".repeat(5000)));
    values.push(format!(
        "[{}]",
        vec![r#"{"wallet_type":"X","public_address":"0x\n"}"#; 500].join(",")
    ));
    values
}

fn value() -> impl Strategy<Value = String> {
    let any_text = any::<String>().prop_map(|text| Value::from(text).to_string());
    let near = "[a-z\\PC]{0,3}@?[ -~\\PC]{0,3}@example\\.com[ -~\\PC]{0,2}";
    let near = near.prop_map(|text| Value::from(text).to_string());
    prop_oneof![6 => select(odd_values()), 1 => any_text, 2 => near]
}

/// The text of a user object, most often with the right issuer.
fn body() -> impl Strategy<Value = String> {
    let issuer = Value::from(alice().issuer().to_string()).to_string();
    let issuer = prop_oneof![9 => Just(Some(issuer)), 1 => value().prop_map(Some), 1 => Just(None)];
    let fields = proptest::collection::vec((select(&FIELDS[..]), value()), 0..6);
    (issuer, value(), fields).prop_map(|(issuer, email, fields)| {
        let issuer = issuer.map(|issuer| ("issuer", issuer));
        let fields = issuer.into_iter().chain([("email", email)]).chain(fields);
        let fields: Vec<_> = fields.map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", fields.join(","))
    })
}

/// An object's fields in their order, repeated ones too.
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de> serde::Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Fields<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Fields<'de>, M::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// What may become of a body, found in another way than the client's: nothing, or a user with this
/// address.
fn expected(body: &str) -> Option<Option<String>> {
    let Fields(fields) = serde_json::from_str(body).ok()?;
    let mut known = HashMap::new();
    for (name, raw) in fields {
        let value = match &*name {
            "data" => Value::Null,
            "issuer" | "email" | "phone_number" | "oauth_provider" | "username" | "wallets" => {
                serde_json::from_str(raw.get()).ok()?
            }
            // Whatever it is.
            _ => continue,
        };
        if known.insert(name, value).is_some() {
            return None;
        }
    }
    if body.len() > 64 * 1024 || *known.get("issuer")? != alice().issuer().to_string() {
        return None;
    }
    let text = known.get("email").and_then(Value::as_str).unwrap_or_default();
    let domain = text.rsplit('@').next().unwrap_or_default().to_ascii_lowercase();
    let local = text.strip_suffix(text.rsplit('@').next().unwrap_or_default());
    let local = local.and_then(|local| local.strip_suffix('@')).unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let whole = (1..=64).contains(&local.len())
        && local.bytes().all(plain)
        && text.len() <= 254
        && domain.split('.').all(label);
    Some(whole.then(|| format!("{local}@{domain}")))
}

/// What was told, if it may be the address in the body with its domain in IDNA's ASCII form.
fn body_in_idna(body: &str, told: &str) -> Option<String> {
    let Fields(fields) = serde_json::from_str(body).ok()?;
    let (_, raw) = fields.into_iter().find(|(name, _)| name == "email")?;
    let email: Value = serde_json::from_str(raw.get()).ok()?;
    let (local, domain) = email.as_str()?.split_once('@')?;
    let (told_local, told_domain) = told.split_once('@')?;
    let in_ascii = told_domain.split('.').any(|label| label.starts_with("xn--"));
    (!domain.is_ascii() && in_ascii && local == told_local).then(|| told.to_owned())
}

/// Signs Alice in with this body as Magic's answer about her, and looks at all that comes of it.
async fn examine(body: &str) {
    let stub = stub();
    stub.fail_always(Some(Fault::Body(body.to_owned())));
    let gateway = gateway(&stub, true, Vec::new());
    let request = bearer(post("/auth/login"), &gateway.token(&alice()));
    let signed_in = gateway.send(PROXY, empty(request)).await;

    let shown: String = body.chars().take(300).collect();
    let Some(email) = expected(body) else {
        let refused = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::FORBIDDEN];
        assert!(refused.contains(&signed_in.status), "{shown}: {signed_in:?}");
        assert!(signed_in.cookie().is_none(), "{shown}");
        return;
    };
    assert_eq!(signed_in.status, StatusCode::NO_CONTENT, "{shown}");
    let cookie = signed_in.cookie().expect("a cookie");
    let told = check(&gateway, &cookie, "/").await;
    let told = told.header("x-auth-email").unwrap_or_default().to_owned();
    let email = email.or_else(|| body_in_idna(body, &told));
    let header = email.clone().unwrap_or_default();
    for path in ["/", "/optional"] {
        let passed = check(&gateway, &cookie, path).await;
        assert_eq!(passed.status, StatusCode::OK, "{shown}: {passed:?}");
        assert_eq!(passed.header("x-auth-email"), Some(&*header), "{shown}");
    }
    let is =
        |wanted: &str| email.as_deref().is_some_and(|email| email.eq_ignore_ascii_case(wanted));
    let of_domain = email.as_deref().is_some_and(|email| email.ends_with("@example.com"));
    for (path, admitted) in [
        ("/staff", of_domain),
        ("/alice", is("alice@example.com") || is("x@example.com")),
        ("/eve", is("eve@example.com") || header.ends_with("@sub.example.com")),
    ] {
        let status = check(&gateway, &cookie, path).await.status;
        assert_eq!(status == StatusCode::OK, admitted, "{path}: {shown}");
    }
    let session = gateway.send(PROXY, empty(with_cookie(get("/auth/session"), &cookie))).await;
    assert_eq!(session.status, StatusCode::OK);
    let session = session.json();
    // In JSON, which has no look-alikes of lines, an address beyond ASCII is there as well.
    let shown_email = session["email"].as_str().filter(|email| email.is_ascii());
    assert_eq!(shown_email, email.as_deref(), "{shown}");
    for name in ["email", "phone_number", "oauth_provider", "username"] {
        assert!(session[name].is_null() || session[name].is_string(), "{shown}: {session}");
        let text = session[name].as_str().unwrap_or_default();
        assert!(text.len() <= 254 && !text.chars().any(char::is_control), "{shown}: {session}");
    }
}

fn on_a_runtime(examination: impl Future<Output = ()>) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(examination);
}

#[test]
fn each_odd_value_is_a_missing_field_or_a_refusal_in_every_field() {
    on_a_runtime(async {
        let issuer = alice().issuer();
        for value in odd_values() {
            examine(&format!(r#"{{"issuer":"{issuer}","email":{value}}}"#)).await;
            for name in FIELDS {
                let more = format!(r#""{name}":{value}"#);
                examine(&format!(r#"{{"issuer":"{issuer}","email":"eve@example.com",{more}}}"#))
                    .await;
            }
        }
    });
}

proptest! {
    #[test]
    fn no_user_object_admits_or_names_anybody_else(body in body()) {
        on_a_runtime(examine(&body));
    }
}

#[tokio::test]
async fn every_refusal_is_an_error_that_says_what_is_wrong() {
    let stub = stub();
    let ask = async |body: String| {
        stub.fail_always(Some(Fault::Body(body)));
        let magic = Magic::over(stub.api().expect("a key"));
        magic.user(alice().issuer()).await.expect_err("no user")
    };
    let issuer = alice().issuer();
    let depth = "[".repeat(5000);
    for body in [
        format!(r#"{{"issuer":"{issuer}","email":"a@example.com","email":"b@example.com"}}"#),
        format!(r#"{{"issuer":"{issuer}","issuer":"{issuer}"}}"#),
        format!(r#"{{"issuer":"{issuer}","wallets":{depth}}}"#),
        format!(r#"{{"issuer":"{issuer}","x":"{}"}}"#, "x".repeat(70 * 1024)),
        format!(r#"{{"issuer":"{issuer} "}}"#),
        r#"{"issuer":7}"#.to_owned(),
        format!(r#"["{issuer}","eve@example.com"]"#),
        format!(r#"{{"issuer":"{issuer}"}}{{}}"#),
    ] {
        let error = ask(body.clone()).await;
        assert!(matches!(error, MagicError::NotUnderstood(_)), "{body:.200}: {error:?}");
    }
    let other = ask(format!(r#"{{"issuer":"{}"}}"#, bob().issuer())).await;
    let expected = matches!(other, MagicError::NotUnderstood(NotUnderstood::OtherIssuer));
    assert!(expected, "{other:?}");
}
