//! `didt check-config` and `didt explain`, from outside, and the reference of the policy file.
#![cfg(feature = "serve")]
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "the helpers are tests as well")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tower_didt_test_support::certificate::Certificate;

const REFERENCE: &str = include_str!("../../docs/serve-settings.md");

const AUDIENCES: &str = "audiences = [\"did:magic:my-app\"]\nadmit = \"any_key\"\n";

/// What stands in secrets, and in no output.
const NEEDLE: &str = "n33dl3";

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("didt-config-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    /// The name of a file with this text.
    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).expect("a file");
        path.to_str().expect("UTF-8").to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_didt"));
    // Whoever runs the tests may have settings of their own.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("DIDT_") {
            command.env_remove(name);
        }
    }
    command.args(args);
    command
}

fn didt(args: &[&str]) -> Output {
    command(args).output().expect("didt runs")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("an exit code")
}

/// Value and origin of each setting.
fn settings(output: &Output) -> BTreeMap<String, (String, String)> {
    assert_eq!(code(output), 0, "{}", text(&output.stderr));
    let table = text(&output.stdout).split("\n\n").next().expect("a table");
    let cells = |line: &str| -> Vec<String> {
        line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect()
    };
    let rows = table.lines().skip(1).map(cells);
    rows.map(|row| (row[0].clone(), (row[1].clone(), row[2].clone()))).collect()
}

/// The one line on standard error.
fn complaint(output: &Output) -> &str {
    assert_eq!(code(output), 2, "{}", text(&output.stdout));
    assert_eq!(text(&output.stdout), "");
    let stderr = text(&output.stderr);
    assert_eq!(stderr.matches('\n').count(), 1, "{stderr}");
    stderr.strip_prefix("didt: ").expect("didt's own line").trim_end()
}

mod check_config {
    use super::*;

    #[test]
    fn every_setting_is_shown_with_where_it_came_from() {
        let folder = Folder::new();
        let file = folder.file(
            "gateway.toml",
            format!("{AUDIENCES}[sessions]\nlifetime = \"3d\"\nidle_timeout = \"1h\"\nreplay = \"single_use\"\n"),
        );
        let output = command(&["check-config", &file, "--set", "sessions.lifetime=1d"])
            .env("DIDT__SESSIONS__LIFETIME", "2d")
            .env("DIDT__SESSIONS__IDLE_TIMEOUT", "30m")
            .output()
            .expect("didt runs");
        let settings = settings(&output);
        let shown = |key: &str| {
            let (value, origin) = &settings[key];
            (value.as_str(), origin.as_str())
        };
        assert_eq!(shown("sessions.lifetime"), ("1day", "--set"));
        assert_eq!(shown("sessions.idle_timeout"), ("30m", "DIDT__SESSIONS__IDLE_TIMEOUT"));
        assert_eq!(shown("sessions.replay"), ("single_use", format!("{file}:6").as_str()));
        assert_eq!(shown("store.kind"), ("memory", "default"));
    }

    #[test]
    fn rules_are_shown_in_their_order_with_what_they_ask_for() {
        let folder = Folder::new();
        let rules = "[[rules]]\nname = \"z\"\npaths = [\"/z\"]\naccess = \"public\"\n\
                     [[rules]]\nname = \"a\"\nhosts = [\"*.example.com\"]\nmethods = [\"PUT\"]\n\
                     paths = [\"/a/**\"]\nfresh = \"5m\"\n";
        let file = folder.file("gateway.toml", format!("{AUDIENCES}{rules}"));
        let output = didt(&["check-config", &file]);
        let table = text(&output.stdout).split("\n\n").nth(1).expect("the rules");
        let cells = |line: &str| -> Vec<String> {
            line.split("  ")
                .map(str::trim)
                .filter(|cell| !cell.is_empty())
                .map(str::to_owned)
                .collect()
        };
        let rows: Vec<_> = table.lines().skip(1).map(cells).collect();
        assert_eq!(rows[0], ["1", "z", "any", "any", "/z", "nothing (public)"]);
        let fresh = "a session younger than 5m (fresh) of any key (any_key)";
        assert_eq!(rows[1], ["2", "a", "*.example.com", "PUT", "/a/**", fresh]);
        assert_eq!(
            rows[2],
            [
                "else",
                "default",
                "any",
                "any",
                "any",
                "a session or a token (required) of any key (any_key)"
            ]
        );
        assert_eq!(rows.len(), 3);
    }

    #[test]
    fn without_a_file_the_environment_suffices() {
        let output = command(&["check-config"])
            .env("DIDT__AUDIENCES", "did:magic:a,did:magic:b")
            .env("DIDT__ADMIT", "any_key")
            .output()
            .expect("didt runs");
        let (value, origin) = &settings(&output)["audiences"];
        assert_eq!(value, "did:magic:a, did:magic:b");
        assert_eq!(origin, "DIDT__AUDIENCES");
    }

    #[test]
    fn the_environment_may_name_the_file_and_an_argument_outranks_it() {
        let folder = Folder::new();
        let one = folder.file("one.toml", format!("{AUDIENCES}[log]\nlevel = \"warn\"\n"));
        let other = folder.file("other.toml", format!("{AUDIENCES}[log]\nlevel = \"debug\"\n"));
        let level = |args: &[&str]| {
            let output = command(args).env("DIDT_CONFIG", &one).output().expect("didt runs");
            settings(&output)["log.level"].0.clone()
        };
        assert_eq!(level(&["check-config"]), "warn");
        assert_eq!(level(&["check-config", &other]), "debug");
    }

    #[test]
    fn what_is_wrong_is_one_line_and_exit_code_2() {
        let folder = Folder::new();
        let bad = |more: &str| {
            let file = folder.file("bad.toml", format!("{AUDIENCES}{more}"));
            complaint(&didt(&["check-config", &file])).replace(&file, "FILE")
        };
        let rows = [
            ("[log\n", "FILE:3: "),
            (
                "[log]\nlevl = \"info\"\n",
                "FILE:4: log.levl: unknown key; the keys of [log] are format, level",
            ),
            (
                "[store]\nkind = \"mysql\"\n",
                "FILE:4: store.kind: \"mysql\" is not one of \"memory\", \"sealed\", \"redis\"",
            ),
            (
                "[store]\nkind = \"sealed\"\nkeys_file = \"/nonexistent\"\n",
                "FILE:5: store.keys_file: the file cannot be read: ",
            ),
            (
                "[[rules]]\nname = \"a\"\npaths = [\"/a//b\"]\n",
                "FILE:5: rule \"a\": paths: \"/a//b\" has two slashes in a row",
            ),
        ];
        for (more, expected) in rows {
            let told = bad(more);
            assert!(told.starts_with(expected), "{told}");
        }
        assert!(complaint(&didt(&["check-config", "/nonexistent"])).starts_with("/nonexistent: "));
        assert!(complaint(&didt(&["check-config"])).starts_with("audiences: missing"));
        let folder = folder.0.to_str().expect("UTF-8");
        assert!(complaint(&didt(&["check-config", folder])).contains("not a regular file"));

        let output = command(&["check-config", "--set", "audiences=a"])
            .env("DIDT__SESIONS__LIFETIME", "1d")
            .output()
            .expect("didt runs");
        assert!(
            complaint(&output).starts_with("DIDT__SESIONS__LIFETIME: no setting has this name")
        );
        assert_eq!(code(&didt(&["check-config", "--set", "audiences"])), 2);
    }

    /// `didt serve` would not start with them either.
    #[test]
    fn files_that_do_not_belong_together_are_no_good_settings() {
        let folder = Folder::new();
        let [one, other] = ["example.com"; 2].map(Certificate::of);
        let certificate = folder.file("tls.crt", one.pem);
        let keys = [one.key, other.key];
        let rows = [(0, &keys[0], ""), (2, &keys[1], "listen.tls: the key does not belong")];
        for (expected, key, word) in rows {
            let tls = format!(
                "[listen]\ntls = {{ certificate = {certificate:?}, key = {:?} }}\n",
                folder.file("tls.key", key)
            );
            let file = folder.file("gateway.toml", format!("{AUDIENCES}{tls}"));
            let output = didt(&["check-config", &file]);
            assert_eq!(code(&output), expected, "{output:?}");
            assert!(text(&output.stderr).contains(word), "{output:?}");
        }

        // A key on a curve that ES256 is not for.
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).expect("a key");
        let assertion = format!(
            "[assertion]\nissuer = \"a\"\naudience = \"b\"\nkey_file = {:?}\n",
            folder.file("assertion.key", key.serialize_pem())
        );
        let file = folder.file("gateway.toml", format!("{AUDIENCES}{assertion}"));
        let output = didt(&["check-config", &file]);
        assert_eq!(code(&output), 2, "{output:?}");
        assert!(complaint(&output).contains("assertion.key_file: "), "{output:?}");
    }

    #[test]
    fn what_to_enter_in_magics_dashboard_is_said_where_there_is_a_page() {
        let folder = Folder::new();
        let said = |settings: &str| {
            let file = folder.file("gateway.toml", format!("{AUDIENCES}{settings}"));
            let output = didt(&["check-config", &file]);
            assert_eq!(code(&output), 0, "{output:?}");
            let said = text(&output.stdout).split_once("\nIN MAGIC'S DASHBOARD\n");
            said.map(|(_, rows)| rows.to_owned())
        };
        let page = "[sign_in]\npublishable_key = \"pk_live_0123\"\n";
        assert_eq!(said(""), None);
        let any = said(page).expect("a page");
        assert_eq!(any.lines().next(), Some("Domain allowlist    https://HOST"));
        assert!(any.contains("HOST is every host on which people sign in"), "{any}");
        assert!(!any.contains("callback"), "a code by e-mail needs none: {any}");

        let links = said(&format!(
            "{page}method = \"link\"\nproviders = [\"google\"]\n[listen]\nprefix = \"/-/in\"\n\
             [[rules]]\nname = \"a\"\nhosts = [\"wiki.example.com\", \"*.shop.example.com\"]\n\
             paths = [\"/**\"]\naccess = \"public\"\n"
        ));
        let expected = "Domain allowlist    https://HOST.shop.example.com\n\
                        Domain allowlist    https://wiki.example.com\n\
                        Redirect allowlist  https://HOST.shop.example.com/-/in/callback\n\
                        Redirect allowlist  https://wiki.example.com/-/in/callback\n\
                        Social login        google\n";
        assert!(links.as_ref().is_some_and(|rows| rows.starts_with(expected)), "{links:?}");
    }

    #[test]
    fn serve_and_check_config_take_the_file_in_the_same_ways() {
        let folder = Folder::new();
        let file = folder.file("bad.toml", format!("{AUDIENCES}[log]\nlevel = \"loud\"\n"));
        for command in ["check-config", "serve"] {
            for args in [vec![command, &file], vec![command, "--config", &file]] {
                let output = didt(&args);
                assert!(complaint(&output).contains("\"loud\" is not one of"), "{args:?}");
            }
            assert_eq!(code(&didt(&[command, &file, "--config", &file])), 2);
        }
    }

    #[test]
    fn secrets_need_not_be_there_to_check_and_explain() {
        let folder = Folder::new();
        let tables = "[listen]\nprivate = \"127.0.0.1:1\"\ntls = { certificate = \"/none/a\", key = \"/none/b\" }\n\
                      [admin]\nsecret_file = \"/none/c\"\n\
                      [sessions]\nbound_login = \"required\"\nbound_login_key_file = \"/none/d\"\n\
                      [store]\nkind = \"sealed\"\nkeys_file = \"/none/e\"\nurl_file = \"/none/f\"\n\
                      root_certificates = \"/none/g\"\nclient_certificate = \"/none/h\"\nclient_key = \"/none/i\"\n\
                      [assertion]\nissuer = \"a\"\naudience = \"b\"\nkey_file = \"/none/j\"\n";
        let file = folder.file("gateway.toml", format!("{AUDIENCES}{tables}"));
        complaint(&didt(&["check-config", &file]));
        let output = didt(&["check-config", "--without-files", &file]);
        assert_eq!(code(&output), 0, "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains("were not read"));
        let output = didt(&["explain", "--config", &file, "GET", "https://example.com/"]);
        assert_eq!(code(&output), 0, "{}", text(&output.stderr));
        let bad = folder.file("bad.toml", format!("{AUDIENCES}{tables}lifetime = \"1y\"\n"));
        complaint(&didt(&["check-config", "--without-files", &bad]));
    }

    #[test]
    fn a_laxer_rule_before_a_stricter_one_is_warned_of_with_a_request() {
        let folder = Folder::new();
        let rule = |name: &str, more: &str| format!("[[rules]]\nname = \"{name}\"\n{more}\n");
        let assets = rule("assets", "paths = [\"/static/**\"]\naccess = \"public\"");
        let admin =
            rule("admin", "hosts = [\"admin.example.com\"]\npaths = [\"/**\"]\nfresh = \"5m\"");
        let warned = |rules: String| {
            let file = folder.file("gateway.toml", format!("{AUDIENCES}{rules}"));
            let output = didt(&["check-config", &file]);
            assert_eq!(code(&output), 0);
            text(&output.stderr).to_owned()
        };
        let told = warned(format!("{assets}{admin}"));
        let parts = ["\"assets\"", "\"admin\"", "GET https://admin.example.com/static/x"];
        assert!(parts.iter().all(|part| told.contains(part)), "{told}");
        assert_eq!(warned(format!("{admin}{assets}")), "");
    }

    #[test]
    fn what_a_reload_would_change_is_shown_without_a_secret() {
        let folder = Folder::new();
        let secret = |name: &str, text: &str| {
            folder.file(name, format!("{NEEDLE}-{text}-0123456789-0123456789"))
        };
        let (one, other) = (secret("one", "one"), secret("other", "other"));
        let settings = |secret: &str, public: &str, rest: &str| {
            format!(
                "{AUDIENCES}[listen]\npublic = {public:?}\nprivate = \"127.0.0.1:9090\"\n\
                 [admin]\nsecret_file = {secret:?}\n{rest}"
            )
        };
        let rule = |name: &str, path: &str, who: &str| {
            format!("[[rules]]\nname = {name:?}\npaths = [{path:?}]\naddresses = [{who:?}]\n")
        };
        let (a, b) = (
            "0xde709f2102306220921060314715629080e2fb77",
            "0x27b1fdb04752bbc536007a920d24acb045561c26",
        );
        let old = rule("gone", "/gone", a) + &rule("x", "/x", a) + &rule("y", "/y", a);
        let new = rule("y", "/z", a) + &rule("x", "/x", b) + &rule("new", "/new", a);
        let before = folder.file("old.toml", settings(&one, "127.0.0.1:8080", &old));
        let after = folder.file(
            "new.toml",
            settings(&other, "127.0.0.1:8081", &("[log]\nlevel = \"debug\"\n".to_owned() + &new)),
        );
        let diff = |old: &str, new: &str| {
            let output = didt(&["check-config", "--diff", old, new]);
            assert_eq!(code(&output), 0, "{}", text(&output.stderr));
            text(&output.stdout).to_owned()
        };
        let said = diff(&before, &after);
        let expected = [
            "~ listen.public: 127.0.0.1:8080 -> 127.0.0.1:8081 (takes effect after a restart)",
            "~ admin.secret_file: other contents",
            "~ log.level: info -> debug",
            "- rule \"gone\": hosts any, methods any, paths /gone, asks for",
            "~ rule \"y\": hosts any, methods any, paths /y, asks for",
            "~ rule \"x\": admits did:ethr:0xde709",
            "+ rule \"new\": hosts any, methods any, paths /new, asks for",
            "~ rules: x, y, default -> y, x, default",
        ];
        let lines: Vec<_> = said.lines().collect();
        assert_eq!(lines.len(), expected.len(), "{said}");
        for start in expected {
            assert!(lines.iter().any(|line| line.starts_with(start)), "{start}: {said}");
        }
        assert!(!said.contains(NEEDLE), "{said}");
        assert_eq!(diff(&before, &before), "");
        let bad = folder.file("bad.toml", "colour = 1\n");
        assert!(complaint(&didt(&["check-config", "--diff", &before, &bad])).contains("colour"));
        assert_eq!(code(&didt(&["check-config", "--diff", &before])), 2);
    }

    #[test]
    fn no_output_holds_a_secret() {
        let folder = Folder::new();
        let secret = folder.file("secret", format!("{NEEDLE}-0123456789-0123456789-0123456789\n"));
        let url = folder.file("url", format!("redis://:{NEEDLE}@127.0.0.1:1\n"));
        let bad = folder.file("bad", format!("redis://:{NEEDLE}@127.0.0.1:port\n"));
        let inline = format!("redis://:{NEEDLE}@127.0.0.1:1");
        let check = |settings: &[(&str, &str)]| {
            let mut args = vec!["check-config".to_owned()];
            args.extend(settings.iter().map(|(key, value)| format!("--set={key}={value}")));
            let output = didt(&args.iter().map(String::as_str).collect::<Vec<_>>());
            for stream in [&output.stdout, &output.stderr] {
                assert!(!text(stream).contains(NEEDLE), "{}", text(stream));
            }
            output
        };
        let base = [
            ("audiences", "a"),
            ("admit", "any_key"),
            ("listen.private", "127.0.0.1:1"),
            ("store.kind", "redis"),
        ];
        let with = |more: &[(&'static str, &str)]| check(&[&base, more].concat());
        let good = with(&[("admin.secret_file", &secret), ("store.url_file", &url)]);
        let shown = settings(&good);
        assert_eq!(shown["admin.secret_file"].0, "set");
        assert_eq!(shown["store.url_file"].0, "set");
        complaint(&with(&[("store.url_file", &bad)]));
        complaint(&with(&[("store.url", &inline)]));
        complaint(&with(&[("store.url_file", &inline)]));
        complaint(&with(&[("store.cluster_urls", &inline)]));
    }
}

mod explain {
    use super::*;

    const RULES: &str = r#"
[[rules]]
name = "assets"
hosts = ["*.example.com"]
methods = ["GET", "HEAD"]
paths = ["/static/**"]
access = "public"

[[rules]]
name = "admin"
paths = ["/admin/**"]
fresh = "10m"
addresses = ["0xDE709F2102306220921060314715629080E2FB77"]

[[rules]]
name = "api"
paths = ["/api/**"]
foreign_credentials = "pass"
"#;

    fn explain(args: &[&str]) -> Output {
        let folder = Folder::new();
        let file = folder.file("gateway.toml", format!("{AUDIENCES}{RULES}"));
        didt(&[&["explain", "--config", &file], args].concat())
    }

    fn value(args: &[&str], expected: i32) -> Value {
        let output = explain(&[&["--json"], args].concat());
        assert_eq!(code(&output), expected, "{}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("one JSON value")
    }

    #[test]
    fn it_tells_the_target_the_rule_and_why() {
        let output = explain(&["GET", "https://APP.example.com:443/static/caf%c3%a9?x=/../y"]);
        assert_eq!(code(&output), 0);
        assert_eq!(
            text(&output.stdout),
            "request    GET https://app.example.com/static/caf%C3%A9\n\
             rule       1 assets: host *.example.com, method GET, path /static/**\n\
             asks for   nothing (public)\n"
        );
        let output = explain(&["POST", "https://app.example.com/admin/users"]);
        assert_eq!(
            text(&output.stdout),
            "request    POST https://app.example.com/admin/users\n\
             not        1 assets: another method\n\
             rule       2 admin: any host, any method, path /admin/**\n\
             asks for   a session younger than 10m (fresh) of the one issuer listed\n\
             issuer     did:ethr:0xde709f2102306220921060314715629080e2fb77\n"
        );
        let output = explain(&["GET", "https://example.com"]);
        assert_eq!(
            text(&output.stdout),
            "request    GET https://example.com/\n\
             not        1 assets: another host\n\
             not        2 admin: another path\n\
             not        3 api: another path\n\
             rule       default: no rule matches\n\
             asks for   a session or a token (required) of any key (any_key)\n"
        );
    }

    #[test]
    fn rules_by_network_are_explained_with_where_the_client_is() {
        let folder = Folder::new();
        let rules = "[[rules]]\nname = \"office\"\npaths = [\"/wiki\"]\nnetworks = [\"10.0.0.0/8\"]\naccess = \"public\"\n\
                     [[rules]]\nname = \"guests\"\npaths = [\"/news\"]\nnetworks = [\"192.0.2.0/24\"]\n\
                     [[rules]]\nname = \"news\"\npaths = [\"/news\"]\naccess = \"public\"\n\
                     [[rules]]\nname = \"here\"\npaths = [\"/both\"]\nnetworks = [\"10.0.0.0/8\"]\naddresses = [\"0xde709f2102306220921060314715629080e2fb77\"]\n\
                     [[rules]]\nname = \"there\"\npaths = [\"/both\"]\nfresh = \"10m\"\n";
        let file = folder.file("policy.toml", format!("{AUDIENCES}{rules}"));
        let explain = |path: &str, from: &[&str]| {
            let url = format!("https://example.com{path}");
            let args = [&["explain", "--config", &file, "GET", &url], from].concat();
            let output = didt(&args);
            (code(&output), text(&output.stdout).to_owned())
        };
        let rows: [(&str, &[&str], i32, &str); 7] = [
            (
                "/wiki",
                &["--from", "10.1.2.3"],
                0,
                "rule       1 office: any host, any method, path /wiki, network 10.0.0.0/8",
            ),
            ("/wiki", &["--from", "192.0.2.1"], 0, "not        1 office: another network"),
            ("/wiki", &[], 0, "not        1 office: the client's address is unknown"),
            ("/wiki", &[], 0, "rule       default: no rule matches"),
            ("/news", &[], 0, "rule       guests: stricter"),
            ("/both", &[], 1, "refused    the rules depend on the client's address"),
            ("/both", &["--from", "192.0.2.1"], 0, "rule       5 there"),
        ];
        for (path, from, expected, line) in rows {
            let (code, said) = explain(path, from);
            assert_eq!(code, expected, "{said}");
            assert!(said.contains(line), "{line}: {said}");
        }
        let (_, json) = explain("/both", &["--json"]);
        let json: Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(json["rule"], Value::Null);
        let table = didt(&["check-config", &file]);
        assert!(text(&table.stdout).contains("any from 10.0.0.0/8"), "{}", text(&table.stdout));
        let bad = folder
            .file("bad.toml", format!("{AUDIENCES}{}", rules.replace("10.0.0.0/8", "10.1.0.0/8")));
        assert!(complaint(&didt(&["check-config", &bad])).contains("10.0.0.0/8 for the network"));
    }

    #[test]
    fn a_rule_that_leaves_credentials_to_the_application_says_so() {
        let output = explain(&["GET", "https://example.com/api/me"]);
        let expected = "leaves     Authorization to the application, unless it is a DID token\n";
        assert!(text(&output.stdout).ends_with(expected), "{}", text(&output.stdout));
        assert_eq!(value(&["GET", "https://example.com/api/me"], 0)["foreign_credentials"], "pass");
        let admin = value(&["GET", "https://example.com/admin/x"], 0);
        assert_eq!(admin.get("foreign_credentials"), None);
    }

    #[test]
    fn a_path_without_a_canonical_form_passes_where_that_makes_no_difference() {
        let every = "passes     whoever decodes, merges or cuts it, it is decided on alike\n";
        let any = "passes     for this host and method, all paths are decided on alike\n";
        let kept = "passes     the rule says that everybody keeps encoded slashes: a gateway or service that \
                    decodes them acts on another path than the one decided on\n";
        let rules = r#"
[[rules]]
name = "broker"
hosts = ["broker.example.com"]
paths = ["/**"]

[[rules]]
name = "badges"
paths = ["/projects/*/badge"]
access = "public"
encoded_slashes = "keep"

[[rules]]
name = "api"
paths = ["/api/**"]
fresh = "10m"
"#;
        let folder = Folder::new();
        let file = folder.file("gateway.toml", format!("{AUDIENCES}{rules}"));
        let rows = [
            ("https://broker.example.com/api/queues/%2F/name", any, "any_path", "broker"),
            ("https://example.com/api/queues/%2F/name", every, "every_reading", "api"),
            ("https://example.com/projects/a%2Fb/badge", kept, "kept_slashes", "badges"),
        ];
        for (url, line, way, rule) in rows {
            let output = didt(&["explain", "--config", &file, "GET", url]);
            assert_eq!(code(&output), 0, "{url}");
            let said = text(&output.stdout);
            let sent = url.split_once(".com").expect("a host").1;
            let although = "although   the path has an encoded slash (%2F)\n";
            assert!(said.starts_with(&format!("sent       {sent}\n{although}{line}")), "{said}");
            assert!(said.contains(rule), "{said}");
            let output = didt(&["explain", "--json", "--config", &file, "GET", url]);
            let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
            let expected = json!([false, sent, rule, "encoded_slash", way]);
            let found = ["canonical", "path", "rule", "error", "passes"].map(|key| &json[key]);
            assert_eq!(json!(found), expected);
        }
        let url = "https://example.com/projects/..%2Fapi%2Fx/badge";
        let refused = didt(&["explain", "--config", &file, "GET", url]);
        assert_eq!(code(&refused), 1, "{}", text(&refused.stdout));
    }

    #[test]
    fn json_tells_the_same() {
        assert_eq!(
            value(&["GET", "https://a.example.com:8443/admin/x?y"], 0),
            json!({
                "canonical": true,
                "method": "GET",
                "scheme": "https",
                "host": "a.example.com:8443",
                "path": "/admin/x",
                "rule": "admin",
                "number": 2,
                "access": "fresh",
                "fresh_seconds": 600,
                "admit": "listed",
                "issuers": ["did:ethr:0xde709f2102306220921060314715629080e2fb77"],
                "emails": [],
            })
        );
        let default = value(&["GET", "http://example.com/"], 0);
        assert_eq!(default["rule"], "default");
        assert_eq!(default["number"], Value::Null);
        assert_eq!(default["admit"], "any_key");
        assert_eq!(default["issuers"], Value::Null);
        assert_eq!(default["emails"], Value::Null);
    }

    #[test]
    fn what_has_no_canonical_form_is_named_with_exit_code_1() {
        let rows = [
            ("GET", "https://example.com/static/../admin/x", "path", "dot_segment"),
            ("GET", "https://example.com/a#b", "path", "fragment"),
            ("GET", "https://example.com#/a", "path", "fragment"),
            ("GET", "https://user@example.com/", "host", "host_with_user"),
            ("GET", "ftp://example.com/", "scheme", "unknown_scheme"),
            ("get", "https://example.com/", "method", "method_case"),
        ];
        for (method, url, part, error) in rows {
            let refused = value(&[method, url], 1);
            assert_eq!(refused["canonical"], false, "{url}");
            assert_eq!(refused["part"], part, "{url}");
            assert_eq!(refused["error"], error, "{url}");
            let output = explain(&[method, url]);
            assert_eq!(code(&output), 1, "{url}");
            let message = refused["message"].as_str().expect("a message");
            let expected = format!("refused    {message}\npart       {part}\n");
            assert_eq!(text(&output.stdout), expected, "{url}");
        }
    }

    #[test]
    fn bad_settings_and_no_url_are_exit_code_2() {
        complaint(&didt(&["explain", "GET", "https://example.com/"]));
        complaint(&explain(&["GET", "/admin"]));
        assert_eq!(code(&explain(&["GET"])), 2);
    }
}

mod reference {
    use super::*;

    /// The texts of the reference's blocks in this language.
    fn blocks(language: &str) -> Vec<&'static str> {
        let fence = format!("```{language}\n");
        let mut rest = REFERENCE;
        let mut blocks = Vec::new();
        while let Some((_, after)) = rest.split_once(&fence) {
            let (block, after) = after.split_once("```").expect("a closed block");
            blocks.push(block);
            rest = after;
        }
        blocks
    }

    /// What the examples expect to find in `/etc/didt`.
    fn etc_didt() -> Folder {
        let folder = Folder::new();
        let certificate = Certificate::of("example.com");
        let random = text(&didt(&["keygen"]).stdout).to_owned();
        folder.file("admin.secret", &random);
        folder.file("magic.key", "sk_live_0123456789ABCDEF\n");
        folder.file("bound-login.key", &random);
        folder.file("session.keys", &random);
        folder.file("redis.url", "redis://app:password@127.0.0.1:6379\n");
        folder.file("postgres.url", "postgres://app:password@127.0.0.1:5432/sessions\n");
        folder.file("redis-nodes.urls", "redis://:a@127.0.0.1:1\nredis://:a@127.0.0.1:2\n");
        folder.file("tls.crt", &certificate.pem);
        folder.file("tls.key", &certificate.key);
        folder.file("assertion.key", &certificate.key);
        folder
    }

    #[test]
    fn every_example_is_good() {
        let etc = etc_didt();
        let blocks = blocks("toml");
        assert!(blocks.len() > 8, "the examples were found");
        for block in blocks {
            // Those of one table stand for that part of a file alone.
            let audiences = if block.contains("audiences") { "" } else { AUDIENCES };
            let example =
                format!("{audiences}{block}").replace("/etc/didt", etc.0.to_str().expect("UTF-8"));
            let file = etc.file("example.toml", example);
            let output = didt(&["check-config", &file]);
            assert_eq!(code(&output), 0, "{block}\n{}", text(&output.stderr));
            assert_eq!(text(&output.stderr), "", "{block}");
        }
    }

    #[test]
    fn the_output_in_it_is_what_is_printed() {
        let etc = etc_didt();
        let example = blocks("toml")[1].replace("/etc/didt", etc.0.to_str().expect("UTF-8"));
        etc.file("gateway.toml", example);
        let console = blocks("console")[0];
        let run = |args: &[&str]| {
            let output = command(args).current_dir(&etc.0).output().expect("didt runs");
            text(&output.stdout).to_owned()
        };
        let table = run(&["check-config", "gateway.toml"]);
        let url = "https://app.example.com/static/../admin";
        let refused = run(&["explain", "--config", "gateway.toml", "GET", url]);
        assert!(console.contains(&format!("GET {url}\n{refused}")), "{refused}");
        let (settings, rules) = table.split_once("\n\n").expect("two tables");
        assert!(console.contains(rules), "{rules}");
        for line in settings.lines().take(3) {
            assert!(console.contains(&format!("{line}\n")), "{line}");
        }
    }

    #[test]
    fn every_key_has_its_row_with_its_default() {
        let folder = Folder::new();
        let file = folder.file("gateway.toml", AUDIENCES);
        let settings = settings(&didt(&["check-config", &file]));
        assert!(settings.len() > 40, "the settings were found");
        for (key, (value, origin)) in &settings {
            let beginning = format!("| `{key}` | ");
            let row = REFERENCE.lines().find_map(|line| line.strip_prefix(&beginning));
            let row = row.unwrap_or_else(|| panic!("no row for {key}"));
            let documented = row.split(" |").next().expect("a cell").trim_matches(['`', '"']);
            if origin != "default" {
                assert_eq!(documented, "required", "{key}");
                continue;
            }
            let span = |text: &str| humantime::parse_duration(text).ok();
            let same =
                documented == value || (span(value).is_some() && span(value) == span(documented));
            assert!(same, "{key}: {documented} is documented, {value} is the default");
        }
        // And no row for a key that is none.
        let tables = [
            "listen",
            "admin",
            "cookie",
            "sessions",
            "magic",
            "store",
            "identity",
            "assertion",
            "sign_in",
            "limits",
            "rates",
            "log",
        ];
        for line in REFERENCE.lines().filter_map(|line| line.strip_prefix("| `")) {
            let key = line.split('`').next().expect("a key");
            if tables.iter().any(|table| key.starts_with(&format!("{table}."))) {
                assert!(settings.contains_key(key), "{key}");
            }
        }
    }

    #[test]
    fn the_rows_about_patterns_are_true() {
        let folder = Folder::new();
        let section = REFERENCE.split_once("### Paths").expect("the patterns").1;
        let section = section.split_once("### Hosts").expect("their end").0;
        let mut count = 0;
        for line in section.lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            let codes = |cell: &str| -> Vec<String> {
                cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
            };
            let pattern = codes(cells[1]).remove(0);
            let rule = format!("{AUDIENCES}[[rules]]\nname = \"r\"\npaths = [\"{pattern}\"]\n");
            let file = folder.file("gateway.toml", rule);
            for (paths, expected) in [(codes(cells[2]), "r"), (codes(cells[3]), "default")] {
                for path in paths {
                    let url = format!("https://example.com{path}");
                    let output = didt(&["explain", "--config", &file, "--json", "GET", &url]);
                    let value: Value = serde_json::from_slice(&output.stdout).expect("JSON");
                    assert_eq!(value["rule"], expected, "{pattern} {path}");
                    count += 1;
                }
            }
        }
        assert!(count > 10, "the rows were found");
        assert!(Path::new(&folder.0).exists());
    }
}

/// `[[sites]]`, as commands show them.
mod sites {
    use super::*;

    const TWO: &str = r#"
[[sites]]
name = "shop"
hosts = ["shop.example.com", "*.shop.example.com"]
audiences = ["did:magic:shop"]
admit = "any_key"
sign_in.publishable_key = "pk_live_shop"

[[sites.rules]]
name = "goods"
paths = ["/goods/**"]
access = "public"

[[sites]]
name = "office"
hosts = ["office.example.com"]
audiences = ["did:magic:office"]
addresses = ["0xde709f2102306220921060314715629080e2fb77"]
sessions.lifetime = "1h"
"#;

    #[test]
    fn check_config_shows_what_is_of_all_and_what_is_of_each() {
        let folder = Folder::new();
        let output = didt(&["check-config", &folder.file("gateway.toml", TWO)]);
        assert_eq!((code(&output), text(&output.stderr)), (0, ""));
        let table = text(&output.stdout);
        for once in ["\nlisten.public ", "\nshop: audiences ", "\noffice: sessions.lifetime "] {
            assert_eq!(table.matches(once).count(), 1, "{once}: {table}");
        }
        let lifetime = table.lines().find(|line| line.starts_with("office: sessions.lifetime "));
        assert!(lifetime.is_some_and(|line| line.contains(" 1h ")), "{table}");
        assert!(!table.contains("\naudiences ") && !table.contains("shop: listen."), "{table}");
        let (_, shop) = table
            .split_once("\nSITE shop: shop.example.com, *.shop.example.com\n")
            .expect("a site");
        let (shop, office) =
            shop.split_once("\nSITE office: office.example.com\n").expect("a site");
        assert!(shop.contains("goods") && shop.contains("https://shop.example.com"), "{shop}");
        assert!(!office.contains("goods") && !office.contains("DASHBOARD"), "{office}");
    }

    #[test]
    fn a_host_in_two_sites_is_refused_with_line_and_reason() {
        let folder = Folder::new();
        let both = TWO.replace("\"office.example.com\"", "\"a.shop.example.com\"");
        let output = didt(&["check-config", &folder.file("gateway.toml", both)]);
        assert_eq!(code(&output), 2);
        let said = text(&output.stderr);
        let expected = "gateway.toml:14: site office: hosts: \"a.shop.example.com\" and \"*.shop.example.com\" of the \
                        site shop have hosts in common; every host belongs to one site";
        assert!(said.contains(expected), "{said}");
    }

    #[test]
    fn explain_names_the_site_and_refuses_other_hosts() {
        let folder = Folder::new();
        let file = folder.file("gateway.toml", TWO);
        let explain = |args: &[&str]| didt(&[&["explain", "--config", &file], args].concat());
        let output = explain(&["GET", "https://SHOP.example.com:8443/goods/1"]);
        assert_eq!(code(&output), 0);
        assert_eq!(
            text(&output.stdout),
            "request    GET https://shop.example.com:8443/goods/1\n\
             site       shop\n\
             rule       1 goods: any host, any method, path /goods/**\n\
             asks for   nothing (public)\n"
        );
        let output = explain(&["--json", "GET", "https://office.example.com/goods/1"]);
        let value: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!((&value["site"], &value["rule"]), (&json!("office"), &json!("default")));
        let output = explain(&["--json", "GET", "https://example.com/goods/1"]);
        assert_eq!(code(&output), 1);
        let value: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(value["error"], "unknown_host", "{value}");
        let output = explain(&["GET", "https://example.com/goods/1"]);
        assert_eq!(
            text(&output.stdout),
            "refused    no site has the host \"example.com\"\npart       host\n"
        );
    }

    #[test]
    fn a_difference_names_its_site() {
        let folder = Folder::new();
        let old = folder.file("old.toml", TWO);
        let new =
            TWO.replace("lifetime = \"1h\"", "lifetime = \"2h\"").replace("/goods/**", "/news/**");
        let new = folder.file("new.toml", new);
        let output = didt(&["check-config", "--diff", &old, &new]);
        assert_eq!(code(&output), 0, "{}", text(&output.stderr));
        let said = text(&output.stdout);
        assert!(said.contains("~ site office: sessions.lifetime: 1h -> 2h\n"), "{said}");
        assert!(said.contains("~ site shop: rule \"goods\": "), "{said}");
        assert_eq!(said.lines().count(), 2, "{said}");
    }
}
