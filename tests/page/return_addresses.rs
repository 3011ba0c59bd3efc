//! Evil return addresses, known ones and our own: none leaves the hosts that are allowed.

use std::collections::BTreeSet;

use proptest::prelude::*;
use tower_didt::page::{MAX_RETURN_LEN, ReturnFault, ReturnHosts};
use tower_didt_test_support::return_addresses::{DOMAIN, EVIL, LISTED, OWN};
use url::{Url, form_urlencoded};

fn hosts() -> ReturnHosts {
    ReturnHosts::own().with_domain(DOMAIN).with_origins(LISTED).unwrap().without_prefix("/auth")
}

/// Whether a browser that gets this `Location` stays where it may go.
fn stays(location: &str) -> bool {
    let base = Url::parse("https://app.good.example/auth/sign-in?rd=x").unwrap();
    let Ok(url) = base.join(location) else { return false };
    let host = url.host_str().unwrap_or_default();
    let below = host == "good.example" || host.ends_with(".good.example");
    let https = url.scheme() == "https";
    let plain = url.username().is_empty() && url.password().is_none();
    let listed = match (host, url.port()) {
        ("wiki.listed.example", None) | ("port.listed.example", Some(8443)) => https,
        ("localhost", Some(3000)) => url.scheme() == "http",
        _ => below && https && url.port().is_none(),
    };
    let own = host == OWN;
    plain && listed && !(own && (url.path() == "/auth" || url.path().starts_with("/auth/")))
}

const SCHEMES: &[&str] = &[
    "",
    "//",
    "///",
    "////",
    "https:",
    "https:/",
    "https:///",
    "https:////",
    "http://",
    "HTTPS://",
    "hTTps://",
    "javascript:",
    "javascript://",
    "data:text/html,",
    "vbscript:",
    "file:///",
    "ftp://",
    "ws://",
    "wss://",
    "blob:https://",
    "view-source:https://",
    "about:",
    "mailto:a@",
    "intent://",
    "https:\\\\",
    "https:/\\",
    "https:\\/",
    "/https://",
    ":https://",
    " https://",
    "\thttps://",
    "h\nttps://",
    "https\t://",
    "https:\t//",
    "https:/\t/",
    "https:/\r\n/",
    "\u{0}https://",
    "\u{feff}https://",
    "\u{ff48}ttps://",
    "?//",
    "#//",
    ".//",
    "..//",
    "/.",
    "/..",
    "/./",
    "/../",
    "/%2e/",
    "/%2e%2e/",
    "/%2E%2E//",
    "/%2f",
    "/%2f/",
    "/%2F%2F",
    "/%5c",
    "/%5C%5C",
    "/%09/",
    "/%0a/",
    "/%0d%0a/",
    "/%00/",
    "/%20/",
    "/%252f",
    "/%252f%252f",
    "/%25252f",
    "%2f%2f",
    "%252f%252f",
    "/;/",
    "/;//",
    "/.;/",
    "/..;/",
    "/..;//",
    "/ok//",
    "/ok/..//",
    "/ok/../..//",
    "/ok/%2e%2e//",
    "/ok\\..\\..\\",
    "/%c0%af",
    "/%c0%ae%c0%ae/",
    "/%e0%80%af",
    "/%ff/",
    "/%",
    "/%2",
    "/%zz/",
    "/\u{2215}",
    "/\u{ff0f}",
    "/\u{2044}",
    "/\u{85}/",
    "/\u{2028}/",
    "/\u{200b}/",
    "/\u{ad}/",
    "/\u{202e}",
];

const HOSTS: &[&str] = &[
    "evil.example",
    "evil.example/",
    "evil.example:443/",
    "evil.example?app.good.example",
    "evil.example#app.good.example",
    "evil.example/app.good.example",
    "evil.example;app.good.example",
    "user@evil.example/",
    "app.good.example:pass@evil.example/",
];

fn refused(text: &str) {
    if let Ok(to) = hosts().check(text, Some(OWN)) {
        panic!("{text:?} leads to {to}");
    }
}

#[test]
fn no_known_attack_gets_a_visitor_anywhere() {
    for (name, address) in EVIL {
        let to = hosts().check(address, Some(OWN)).map(|to| to.to_string());
        assert!(to.is_err(), "{name}, {address:?}, leads to {to:?}");
    }
    let (names, addresses): (BTreeSet<_>, BTreeSet<_>) = EVIL.iter().copied().unzip();
    assert_eq!((names.len(), addresses.len()), (EVIL.len(), EVIL.len()), "each once");
    assert!(EVIL.len() >= 150, "{}", EVIL.len());
}

#[test]
fn no_prefix_makes_a_foreign_host_a_return_address() {
    let mut tried = EVIL.len();
    for host in HOSTS {
        refused(host);
        refused(&format!("https://{host}"));
        for scheme in SCHEMES {
            let text = format!("{scheme}{host}");
            tried += 1;
            // What is neither refused nor foreign is a path here, however odd it looks.
            if let Ok(to) = hosts().check(&text, Some(OWN)) {
                assert!(stays(&to.to_string()), "{text:?} leads to {to}");
                assert!(to.to_string().starts_with('/'), "{text:?} leads to {to}");
            }
        }
    }
    assert!(tried > 800, "{tried}");
}

/// Characters that some reader of URLs drops, folds or splits at.
const GLUE: &str = "^|\"<>{}`$!*()+=~_,;:'&%\\[]@#? \t\r\n\0\u{b}\u{7f}\u{85}\u{a0}\u{ad}\u{200b}\u{200d}\u{2024}\u{2025}\
    \u{2044}\u{2100}\u{2105}\u{2488}\u{2f00}\u{3002}\u{fe52}\u{feff}\u{ff0e}\u{ff0f}\u{ff1a}\u{ff20}\u{ff3c}\u{ff61}";

/// Where they could make a foreign host of what was read as the own one, or of a path.
const PLACES: &[&str] = &[
    "https://evil.example*.good.example/",
    "https://evil.example*app.good.example/",
    "https://app.good.example*evil.example/",
    "https://app.good.example*@evil.example/",
    "https://app.good.example*",
    "https://*app.good.example/",
    "https*://app.good.example/",
    "https:*//evil.example/",
    "https:/*/evil.example/",
    "https://*/evil.example/",
    "http://localhost:3000*evil.example/",
    "http://localhost*evil.example:3000/",
    "https://port.listed.example:8443*evil.example/",
    "https://wiki.listed.example*evil.example/",
    "/*/evil.example/",
    "/*evil.example/",
    "/**evil.example/",
    "*/evil.example/",
    "*//evil.example/",
    "/*//evil.example/",
    "/ok*//evil.example/",
    "/ok/.*/evil.example/",
    "/..*//evil.example/",
    "/*auth/sign-in",
    "/auth*/sign-in",
];

#[test]
fn no_character_makes_a_foreign_host_of_the_own_one_however_it_is_escaped() {
    let mut tried = 0;
    for glue in GLUE.chars().map(String::from) {
        let escaped: String = glue.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let twice = escaped.replace('%', "%25");
        for spelled in [&glue, &escaped, &escaped.to_ascii_uppercase(), &twice] {
            for place in PLACES {
                let text = place.replace('*', spelled);
                tried += 1;
                if let Ok(to) = hosts().check(&text, Some(OWN)) {
                    assert!(stays(&to.to_string()), "{text:?} leads to {to}");
                }
            }
        }
    }
    assert!(tried > 5000, "{tried}");
}

#[test]
fn what_is_encoded_twice_is_refused_however_often_it_was_decoded_on_its_way() {
    for attack in ["//evil.example", "/\\evil.example", "/\t/evil.example", "https://evil.example/"]
    {
        let mut text = attack.to_owned();
        for _ in 0..4 {
            refused(&text);
            refused(&format!("/{text}"));
            text = encoded(&text);
        }
    }
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[test]
fn honest_addresses_come_back_as_they_are() {
    let to = |text: &str| hosts().check(text, Some(OWN)).map(|to| to.to_string());
    for same in [
        "/",
        "/reports",
        "/reports/",
        "/reports?year=2026&q=a%20b+c",
        "/reports?next=https://evil.example/", // in the query it is data
        "/caf%C3%A9",
        "/@ada/a:b,c=d",
        "/authors",
        "https://wiki.listed.example/Main_Page?action=edit",
        "https://port.listed.example:8443/",
        "https://good.example/",
        "https://a.b.good.example/x",
        "http://localhost:3000/x",
    ] {
        assert_eq!(to(same).as_deref(), Ok(same));
    }
    for (text, canonical) in [
        ("https://app.good.example/x?y", "/x?y"),
        ("https://APP.good.example:443", "/"),
        ("https://app.good.example?y", "/?y"),
        ("https://wiki.listed.example", "https://wiki.listed.example/"),
        ("/caf%c3%a9", "/caf%C3%A9"),
        ("/a%40b", "/a@b"),
        ("/x?q=<a>\"'", "/x?q=%3Ca%3E%22%27"),
        ("/list[1]", "/list%5B1%5D"),
    ] {
        assert_eq!(to(text).as_deref(), Ok(canonical), "{text}");
    }
}

#[test]
fn the_own_host_is_compared_with_its_port_and_plain_http_is_for_loopback() {
    let own = ReturnHosts::own();
    let to = |text, host| own.check(text, Some(host)).map(|to| to.to_string());
    assert_eq!(to("https://localhost:8443/x", "localhost:8443").as_deref(), Ok("/x"));
    assert_eq!(to("http://127.0.0.1:3000/x", "127.0.0.1:3000").as_deref(), Ok("/x"));
    assert_eq!(to("http://[::1]:3000/x", "[::1]:3000").as_deref(), Ok("/x"));
    assert_eq!(to("https://localhost:8444/x", "localhost:8443"), Err(ReturnFault::Foreign));
    assert_eq!(to("http://a.example/", "a.example"), Err(ReturnFault::Scheme));
    assert_eq!(to("https://a.example/", "a.example:80"), Err(ReturnFault::Foreign));
    assert_eq!(to("https://a.example/", "user@a.example"), Err(ReturnFault::Foreign));
    assert_eq!(own.check("https://a.example/", None), Err(ReturnFault::Foreign));
}

#[test]
fn an_address_is_as_long_as_the_bound_and_no_longer() {
    let longest = format!("/{}", "a".repeat(MAX_RETURN_LEN - 1));
    assert!(hosts().check(&longest, None).is_ok());
    assert_eq!(hosts().check(&(longest + "a"), None), Err(ReturnFault::TooLong));
}

#[test]
fn the_pages_that_people_come_from_are_no_place_to_send_them_back_to() {
    for path in ["/auth", "/auth/", "/auth/sign-in", "/auth?x", "/auth/x/y"] {
        assert_eq!(hosts().check(path, None), Err(ReturnFault::Loop), "{path}");
    }
}

/// Texts made of what URL parsers differ about.
fn evil() -> impl Strategy<Value = String> {
    let pieces: Vec<String> = SCHEMES
        .iter()
        .chain(HOSTS)
        .chain(EVIL.iter().map(|(_, address)| address))
        .chain(&[
            "https://",
            "app.good.example",
            "good.example",
            "/",
            "\\",
            "@",
            ":",
            "?",
            "#",
            "%2f",
            "..",
            "\t",
            ".",
        ])
        .map(|piece| (*piece).to_owned())
        .collect();
    let piece = prop_oneof![
        6 => proptest::sample::select(pieces),
        1 => any::<char>().prop_map(String::from),
        1 => "[ -~]{0,6}",
    ];
    proptest::collection::vec(piece, 0..7).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    /// As the URL standard reads it, which browsers follow.
    #[test]
    fn whatever_is_written_leads_to_an_allowed_origin(text in evil()) {
        if let Ok(to) = hosts().check(&text, Some(OWN)) {
            let location = to.location();
            let location = location.to_str().expect("visible ASCII");
            prop_assert!(stays(location), "{text:?} leads to {location}");
        }
    }

    #[test]
    fn what_is_written_is_read_again_as_the_same(text in evil()) {
        if let Ok(to) = hosts().check(&text, Some(OWN)) {
            prop_assert_eq!(hosts().check(&to.to_string(), Some(OWN)), Ok(to));
        }
    }

    /// Behind every allowed origin, whatever stands there.
    #[test]
    fn no_path_leaves_its_origin(
        origin in proptest::sample::select(vec!["", "https://app.good.example", "https://x.good.example", "https://wiki.listed.example"]),
        rest in evil(),
    ) {
        if let Ok(to) = hosts().check(&format!("{origin}/{rest}"), Some(OWN)) {
            prop_assert!(stays(&to.to_string()), "{rest:?} leads to {to}");
        }
    }
}
