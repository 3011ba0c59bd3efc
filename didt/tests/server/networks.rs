//! Rules by the client's network: where the client is, is what trusted proxies say.

use tower_didt::testing::Wallet;

use crate::didt::{Didt, LISTEN};
use crate::http::ask;

const TOP: &str =
    "audiences = [\"app\"]\nadmit = \"any_key\"\ntrusted_proxies = [\"127.0.0.1\", \"10.9.0.1\"]\n";

#[test]
fn who_asks_from_a_network_is_what_the_gateway_says_and_unknown_is_nowhere() {
    let listed = Wallet::from_seed("nobody").issuer().address();
    let rules = format!(
        "[[rules]]\nname = \"office\"\npaths = [\"/wiki\"]\nnetworks = [\"10.0.0.0/8\", \"fd00::/8\"]\naccess = \"public\"\n\
         [[rules]]\nname = \"guests\"\npaths = [\"/news\"]\nnetworks = [\"192.0.2.0/24\"]\n\
         [[rules]]\nname = \"news\"\npaths = [\"/news\"]\naccess = \"public\"\n\
         [[rules]]\nname = \"here\"\npaths = [\"/both\"]\nnetworks = [\"10.0.0.0/8\"]\naddresses = [\"{listed}\"]\n\
         [[rules]]\nname = \"there\"\npaths = [\"/both\"]\nfresh = \"10m\"\n"
    );
    let (mut didt, public, _) = Didt::start(&format!("{TOP}{LISTEN}{rules}"));
    let check = |path: &str, forwarded: Option<&str>| {
        let mut headers = vec![
            ("x-forwarded-method", "GET"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "app.example.com"),
            ("x-forwarded-uri", path),
        ];
        headers.extend(forwarded.map(|forwarded| ("x-forwarded-for", forwarded)));
        ask(public, "GET", "/check/caddy", &headers).status
    };
    let rows = [
        // A rule that admits more.
        ("/wiki", Some("10.1.2.3"), 200),
        ("/wiki", Some("::ffff:10.1.2.3"), 200),
        ("/wiki", Some("fd12::1"), 200),
        ("/wiki", Some("203.0.113.9"), 401),
        ("/wiki", Some("10.1.2.3, 203.0.113.9"), 401),
        ("/wiki", Some("203.0.113.9, 10.1.2.3"), 200),
        ("/wiki", Some("203.0.113.9, 10.9.0.1"), 401),
        ("/wiki", Some("10.9.0.1"), 401),
        ("/wiki", Some("unknown"), 401),
        ("/wiki", Some("10.1.2.3, unknown"), 401),
        ("/wiki", None, 401),
        // A rule that demands more applies to whoever may be meant.
        ("/news", Some("192.0.2.7"), 401),
        ("/news", Some("203.0.113.9"), 200),
        ("/news", Some("unknown"), 401),
        ("/news", None, 401),
        // Neither is as strict as the other.
        ("/both", Some("203.0.113.9"), 401),
        ("/both", Some("10.1.2.3"), 401),
        ("/both", None, 403),
    ];
    for (path, forwarded, expected) in rows {
        assert_eq!(check(path, forwarded), expected, "{path} {forwarded:?}");
    }
    didt.line_with("client_address_unknown");
    didt.line_with("X-Forwarded-For");
}
