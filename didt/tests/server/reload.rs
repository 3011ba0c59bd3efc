//! SIGHUP: the settings are read again, and take effect as a whole or not at all.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tower_didt::testing::Wallet;
use tower_didt_test_support::http::read_one;
use tower_didt_test_support::redis::Server;
use tower_didt_test_support::{needs_postgres, needs_redis, postgres};

use crate::didt::{Didt, Directory, LISTEN, TOP, command, eventually, file};
use crate::http::{Answer, ask, connect, get};

/// A server whose policy file can be written again.
struct Reloaded {
    didt: Didt,
    directory: Directory,
    public: SocketAddr,
    private: SocketAddr,
}

impl Reloaded {
    fn start(directory: Directory, configuration: &str) -> Self {
        let mut didt = Didt::spawn(&mut command(&directory, configuration));
        let (public, private) = (didt.listens("public"), didt.listens("private"));
        Self { didt, directory, public, private }
    }

    fn policy(&self) -> PathBuf {
        self.directory.0.join("didt.toml")
    }

    /// The value of a measure. What describes it may begin with a number, too.
    fn metric(&self, name: &str) -> String {
        let text = get(self.private, "/metrics").body;
        let mut values = text.lines().filter_map(|line| line.strip_prefix(name));
        let value = values.find_map(|rest| rest.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {name} in {text}")).to_owned()
    }

    /// How many reloads have come to this outcome.
    fn reloads(&self, outcome: &str) -> u64 {
        let start = format!("didt_config_reloads_total{{outcome=\"{outcome}\"}} ");
        let text = get(self.private, "/metrics").body;
        let line = text.lines().find_map(|line| line.strip_prefix(&start).map(str::to_owned));
        line.map_or(0, |number| number.parse().expect("a number"))
    }

    /// Reloads, and waits until it has come to this.
    fn reload(&self, outcome: &str) {
        let before = self.reloads(outcome);
        self.didt.signal("HUP");
        eventually(outcome, || self.reloads(outcome) > before);
    }

    /// Writes these settings and reloads them.
    fn change(&self, configuration: &str, outcome: &str) {
        std::fs::write(self.policy(), configuration).expect("a file");
        self.reload(outcome);
    }

    fn generation(&self) -> String {
        let answer = get(self.private, "/readyz");
        assert_eq!(answer.status, 200, "{answer:?}");
        let (_, generation) = answer.body.split_once("generation ").expect("a generation");
        generation.trim().to_owned()
    }

    fn sign_in(&self, wallet: &Wallet) -> String {
        let token = format!("Bearer {}", wallet.token("app").mint());
        let answer = ask(self.public, "POST", "/auth/login", &[("authorization", &token)]);
        let cookie = answer.session_cookie();
        format!("__Host-didt={}", cookie.unwrap_or_else(|| panic!("no cookie: {answer:?}")))
    }

    fn check(&self, path: &str, cookie: &str) -> u16 {
        ask(self.public, "GET", "/check/caddy", &question(path, cookie)).status
    }
}

fn question<'a>(path: &'a str, cookie: &'a str) -> [(&'static str, &'a str); 5] {
    [
        ("x-forwarded-method", "GET"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "app.example.com"),
        ("x-forwarded-uri", path),
        ("cookie", cookie),
    ]
}

fn rule(name: &str, path: &str, asks: &str) -> String {
    format!("[[rules]]\nname = \"{name}\"\npaths = [\"{path}\"]\n{asks}\n")
}

const PUBLIC: &str = "access = \"public\"";

#[test]
fn a_reload_takes_effect_and_loses_no_session() {
    let server = Reloaded::start(Directory::new(), &format!("{TOP}{LISTEN}"));
    let (alice, bob) = (Wallet::from_seed("alice"), Wallet::from_seed("bob"));
    let (cookie, other) = (server.sign_in(&alice), server.sign_in(&bob));
    assert_eq!(server.generation(), "1");
    assert_eq!(server.check("/news", ""), 401);
    assert_eq!(server.check("/alice", &other), 200);

    let listed = format!("addresses = [\"{}\"]", alice.issuer().address());
    let rules = rule("news", "/news", PUBLIC) + &rule("alice", "/alice", &listed);
    let settings = format!("{TOP}{LISTEN}[log]\nlevel = \"debug\"\n{rules}");
    server.change(&settings, "applied");
    assert_eq!(server.generation(), "2");
    assert_eq!(server.check("/news", ""), 200);
    assert_eq!(server.check("/alice", &cookie), 200, "a session of before");
    assert_eq!(server.check("/alice", &other), 403);
    assert_eq!(server.metric("didt_config_generation"), "2");
    assert_eq!(server.metric("didt_config_last_reload_successful"), "1");
    let Reloaded { mut didt, private, .. } = server;
    let line = didt.line_with("settings reloaded");
    for changed in ["log.level", "rule", "news", "alice"] {
        assert!(line.contains(changed), "{line}");
    }
    didt.signal("HUP");
    didt.line_with("nothing changed");
    assert!(get(private, "/readyz").body.contains("generation 2"));
    // The level that came with the reload.
    let mut stream = connect(private);
    stream.write_all(b"nonsense\r\n\r\n").expect("a connection");
    didt.line_with("DEBUG");
}

#[test]
fn limits_and_rates_change_with_a_reload_and_what_was_counted_counts_on() {
    let settings = |bytes, rates| format!("{TOP}{LISTEN}[limits]\nheader_bytes = {bytes}\n{rates}");
    let server = Reloaded::start(Directory::new(), &settings(8192, "[rates]\nsign_ins = 2\n"));
    let long = "x".repeat(10_000);
    let head = || ask(server.public, "GET", "/auth/session", &[("x-long", &long)]).status;
    let sign_in = |seed: &str| {
        let token = format!("Bearer {}", Wallet::from_seed(seed).token("app").mint());
        let headers = [("authorization", &*token), ("x-forwarded-for", "203.0.113.9")];
        ask(server.public, "POST", "/auth/login", &headers).status
    };
    assert_eq!(head(), 431);
    assert_eq!([sign_in("a"), sign_in("b"), sign_in("c")], [204, 204, 429]);

    server.change(&settings(32_768, "[rates]\nsign_ins = 1\n"), "applied");
    assert_eq!(head(), 401, "a larger head passes, and has no session");
    assert_eq!(sign_in("d"), 429, "a reload gives nobody new attempts");

    server.change(&settings(8192, ""), "applied");
    assert_eq!(head(), 431);
    assert_eq!(sign_in("e"), 204, "without a limit");
}

/// A signal that comes while the settings are being read is a reload of its own: what was written before
/// it takes effect.
#[test]
fn a_signal_that_comes_while_settings_are_read_is_not_lost() {
    let server = Reloaded::start(Directory::new(), &format!("{TOP}{LISTEN}"));
    for round in 0..20 {
        // The longer the first, the longer it is being read.
        let rules: String =
            (0..300).map(|n| rule(&format!("r{n}"), &format!("/{round}/{n}"), PUBLIC)).collect();
        std::fs::write(server.policy(), format!("{TOP}{LISTEN}{rules}")).expect("a file");
        server.didt.signal("HUP");
        std::thread::sleep(std::time::Duration::from_millis(round % 5));
        let last = rule("last", &format!("/last/{round}"), PUBLIC);
        std::fs::write(server.policy(), format!("{TOP}{LISTEN}{last}")).expect("a file");
        server.didt.signal("HUP");
        eventually("the last word counts", || server.check(&format!("/last/{round}"), "") == 200);
    }
}

/// A used token is used after a reload as well: what is remembered survives.
#[test]
fn a_used_token_makes_no_session_after_a_reload() {
    let server = Reloaded::start(Directory::new(), &format!("{TOP}{LISTEN}"));
    let token = format!("Bearer {}", Wallet::from_seed("alice").token("app").mint());
    let login = || ask(server.public, "POST", "/auth/login", &[("authorization", &token)]).status;
    assert_eq!(login(), 204);
    server.change(&format!("{TOP}{LISTEN}{}", rule("a", "/a", PUBLIC)), "applied");
    assert_eq!(login(), 401);
}

#[test]
fn a_bad_reload_changes_nothing_and_says_so() {
    let directory = Directory::new();
    let secret = file(&directory, "secret", "an-administrators-secret-of-some-length");
    let good = format!("{TOP}{LISTEN}[admin]\nsecret_file = {secret:?}\n");
    let mut server = Reloaded::start(directory, &good);
    let cookie = server.sign_in(&Wallet::from_seed("alice"));
    let open = rule("all", "/**", PUBLIC);
    let files: [(&str, String, &str); 5] = [
        ("no TOML", format!("{good}{open}["), "didt.toml:"),
        ("an unknown key", format!("{good}colour = \"red\"\n{open}"), "colour"),
        ("a rule twice", format!("{good}{open}{open}"), "another rule has this name"),
        ("a file that is not there", good.replace("/secret", "/none") + &open, "admin.secret_file"),
        ("who passes is left open", good.replace("admit = \"any_key\"\n", ""), "admit"),
    ];
    for (name, text, expected) in files {
        server.didt.said.clear();
        server.change(&text, "refused");
        let line = server.didt.line_with("keeping the current settings");
        assert!(line.contains("ERROR") && line.contains(expected), "{name}: {line}");
        assert_eq!(server.generation(), "1", "{name}");
        assert_eq!(server.check("/a", ""), 401, "{name}");
        assert_eq!(server.check("/a", &cookie), 200, "{name}");
        assert_eq!(server.metric("didt_config_last_reload_successful"), "0", "{name}");
    }
    replaced(&server.policy(), &mut |name| {
        server.didt.said.clear();
        server.reload("refused");
        server.didt.line_with("keeping the current settings");
        assert_eq!(server.check("/a", &cookie), 200, "{name}");
    });
    std::fs::remove_file(server.policy()).expect("a file");
    server.reload("refused");
    server.change(&format!("{good}{open}"), "applied");
    assert_eq!(server.check("/a", ""), 200);
}

/// What is no file takes the place of a file.
fn replaced(path: &Path, then: &mut dyn FnMut(&str)) {
    let replacements: [(&str, fn(&Path)); 3] = [
        ("a pipe", |path| {
            let made = std::process::Command::new("mkfifo").arg(path).status();
            assert!(made.expect("mkfifo").success());
        }),
        ("a directory", |path| std::fs::create_dir(path).expect("a directory")),
        ("a huge file", |path| {
            std::fs::File::create(path).and_then(|file| file.set_len(1 << 40)).expect("a file");
        }),
    ];
    for (name, replace) in replacements {
        if path.is_dir() {
            std::fs::remove_dir(path).expect("an empty directory");
        } else {
            std::fs::remove_file(path).expect("a file");
        }
        replace(path);
        then(name);
    }
}

#[test]
fn what_needs_a_restart_is_named_and_all_else_takes_effect() {
    let mut server = Reloaded::start(Directory::new(), &format!("{TOP}{LISTEN}"));
    let cookie = server.sign_in(&Wallet::from_seed("alice"));
    let keys = file(&server.directory, "keys", "gw2qY-IjNaVs4dXsnbrRAc7x5GNDkoN_T8cOQ0MEqOc");
    let listen = "[listen]\npublic = \"127.0.0.1:1\"\nprivate = \"127.0.0.1:0\"\n";
    let cookies = "[cookie]\nname = \"other\"\n";
    let open = rule("news", "/news", PUBLIC);
    server.change(&format!("{TOP}{listen}{cookies}{open}"), "applied");
    let line = server.didt.line_with("take effect after a restart");
    assert!(line.contains("listen.public, cookie.name"), "{line}");
    assert_eq!(server.check("/news", ""), 200);
    assert_eq!(server.check("/a", &cookie), 200, "under the name that it has");

    // Settings that are good by themselves, and not beside what stays until a restart.
    server.didt.said.clear();
    let store = format!("[store]\nkind = \"sealed\"\nkeys_file = {keys:?}\n");
    server.change(&format!("{TOP}{LISTEN}{store}"), "refused");
    let line = server.didt.line_with("keeping the current settings");
    assert!(line.contains("store.keys_file"), "{line}");
    assert_eq!(server.check("/news", ""), 200);
}

#[test]
fn secrets_and_keys_are_read_again() {
    let directory = Directory::new();
    let (first, second) =
        ("an-administrators-secret-of-some-length", "another-secret-of-an-administrator-here");
    let (old, new) = (
        "gw2qY-IjNaVs4dXsnbrRAc7x5GNDkoN_T8cOQ0MEqOc",
        "T8cOQ0MEqOcgw2qY-IjNaVs4dXsnbrRAc7x5GNDkoN_",
    );
    let new = new.replace('_', "0");
    let secret = file(&directory, "secret", first);
    let keys = file(&directory, "keys", old);
    let configuration = format!(
        "{TOP}{LISTEN}[admin]\nsecret_file = {secret:?}\n[store]\nkind = \"sealed\"\nkeys_file = {keys:?}\n"
    );
    let server = Reloaded::start(directory, &configuration);
    let (alice, bob) = (Wallet::from_seed("alice"), Wallet::from_seed("bob"));
    let cookie = server.sign_in(&alice);
    let ended = server.sign_in(&bob);
    assert_eq!(ask(server.public, "POST", "/auth/logout", &[("cookie", &ended)]).status, 204);
    let admin = |secret: &str| {
        let path = format!("/admin/revoke?issuer={}", bob.issuer());
        let bearer = format!("Bearer {secret}");
        ask(server.private, "POST", &path, &[("authorization", &bearer)]).status
    };

    std::fs::write(&secret, second).expect("a file");
    std::fs::write(&keys, format!("{new}\n{old}\n")).expect("a file");
    assert_eq!((admin(first), admin(second)), (200, 401));
    server.reload("applied");
    assert_eq!((admin(first), admin(second)), (401, 200));
    assert_eq!(server.check("/a", &cookie), 200, "sealed with the key that is the second now");
    assert_eq!(server.check("/a", &ended), 401, "what was ended stays ended");
    let later = server.sign_in(&alice);
    std::fs::write(&keys, format!("{new}\n")).expect("a file");
    server.reload("applied");
    assert_eq!(server.check("/a", &cookie), 401, "its key is gone");
    assert_eq!(server.check("/a", &later), 200);
    let Reloaded { mut didt, .. } = server;
    didt.signal("TERM");
    assert_eq!(didt.ended().code(), Some(0));
    let said = didt.said.join("\n");
    assert!(said.contains("store.keys_file") && said.contains("admin.secret_file"), "{said}");
    for secret in [first, second, old, &new] {
        assert!(!said.contains(secret), "{said}");
    }
}

const ADMIN: &str = "an-administrators-secret-of-some-length";
const ANOTHER_ADMIN: &str = "another-secret-of-an-administrator-here";

/// A server with administration, its settings, and the file of its secret.
fn administered() -> (Reloaded, String, PathBuf) {
    let directory = Directory::new();
    let secret = file(&directory, "secret", ADMIN);
    let good = format!("{TOP}{LISTEN}[admin]\nsecret_file = {secret:?}\n");
    (Reloaded::start(directory, &good), good, secret)
}

/// `didt check-config --running` with the server's policy file: its exit code, output and errors.
fn ask_running(server: &Reloaded, private: SocketAddr) -> (Option<i32>, String, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_didt"))
        .args(["check-config", "--running", "--set", &format!("listen.private={private}")])
        .arg(server.policy())
        .output()
        .expect("didt");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn what_a_reload_would_change_is_shown_and_nothing_changes() {
    let (server, good, _) = administered();
    assert_eq!(ask_running(&server, server.private), (Some(0), String::new(), String::new()));
    let changed = good.replace("public = \"127.0.0.1:0\"", "public = \"127.0.0.1:1\"");
    let news = rule("news", "/news", PUBLIC);
    std::fs::write(server.policy(), format!("{changed}[log]\nlevel = \"debug\"\n{news}"))
        .expect("a file");
    let (code, said, error) = ask_running(&server, server.private);
    assert_eq!(code, Some(0), "{error}");
    let lines: Vec<_> = said.lines().collect();
    let [listen, level, news] = lines[..] else { panic!("{said}") };
    assert_eq!(
        listen,
        "~ listen.public: 127.0.0.1:0 -> 127.0.0.1:1 (takes effect after a restart)"
    );
    assert_eq!(level, "~ log.level: info -> debug");
    assert!(news.starts_with("+ rule \"news\""), "{said}");
    assert_eq!(server.check("/news", ""), 401);
    assert_eq!(server.generation(), "1");
    // Compared is what is served: after the reload only what waits for a restart is left.
    server.reload("applied");
    assert_eq!(ask_running(&server, server.private).1, format!("{listen}\n"));
}

#[test]
fn a_secret_that_a_reload_would_change_is_named_and_never_shown() {
    let (server, good, secret) = administered();
    std::fs::write(&secret, ANOTHER_ADMIN).expect("a file");
    let bearer = |secret| [("authorization", format!("Bearer {secret}"))];
    let changes = |secret| {
        let headers = bearer(secret);
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        ask(server.private, "GET", "/admin/changes", &headers)
    };
    let answer = changes(ADMIN);
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")));
    assert!(answer.body.contains("admin.secret_file"), "{answer:?}");
    for hidden in [ADMIN, ANOTHER_ADMIN] {
        assert!(!answer.body.contains(hidden), "{answer:?}");
    }
    // The server has the old one until it reloads; the program reads the new one.
    let (code, said, error) = ask_running(&server, server.private);
    assert_eq!((code, said.as_str()), (Some(1), ""), "{error}");
    assert!(error.contains("the server refuses the secret"), "{error}");
    // A secret in a place where none belongs is not repeated.
    std::fs::write(&secret, ADMIN).expect("a file");
    std::fs::write(server.policy(), format!("{good}secret_file = {ANOTHER_ADMIN:?}\n"))
        .expect("a file");
    let answer = changes(ADMIN);
    assert_eq!(answer.status, 422, "{answer:?}");
    assert!(!answer.body.contains(ANOTHER_ADMIN), "{answer:?}");
}

#[test]
fn settings_that_a_reload_would_refuse_are_refused_before_it_with_the_reason() {
    let (server, good, _) = administered();
    std::fs::write(server.policy(), format!("{good}[log]\nlevel = \"loud\"\n")).expect("a file");
    let (code, said, error) = ask_running(&server, server.private);
    assert_eq!((code, said.as_str()), (Some(2), ""), "{error}");
    assert!(error.contains("log.level") && error.contains("didt.toml"), "{error}");
    // What shows only when a file is used: here, a key whose time is over.
    let mut keygen = std::process::Command::new(env!("CARGO_BIN_EXE_didt"));
    let made = keygen.args(["keygen", "ed25519"]).output().expect("didt").stdout;
    let made = String::from_utf8(made).expect("text");
    let key = file(&server.directory, "key", &format!("until 2020-01-01T00:00:00Z\n{made}"));
    let assertion = format!("[assertion]\nkey_file = {key:?}\nissuer = \"i\"\naudience = \"a\"\n");
    std::fs::write(server.policy(), format!("{good}{assertion}")).expect("a file");
    let (code, said, error) = ask_running(&server, server.private);
    assert_eq!((code, said.as_str()), (Some(2), ""), "{error}");
    assert!(error.contains("no key of the file signs now"), "{error}");
    assert_eq!(server.reloads("refused"), 0, "nothing was reloaded");
}

#[test]
fn nobody_but_an_administrator_learns_what_a_reload_would_change() {
    let (server, good, _) = administered();
    let session = server.sign_in(&Wallet::from_seed("alice"));
    for headers in [&[][..], &[("cookie", session.as_str())], &[("authorization", "Bearer x")]] {
        let answer = ask(server.private, "GET", "/admin/changes", headers);
        assert_eq!(answer.status, 401, "{headers:?}: {answer:?}");
        assert!(!answer.body.contains("changes"), "{answer:?}");
    }
    let elsewhere = ask(server.public, "GET", "/admin/changes", &[]);
    assert_eq!(elsewhere.status, 404, "{elsewhere:?}");
    // A server that does not answer, and settings that name no administration.
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let nowhere = free.local_addr().expect("an address");
    drop(free);
    let (code, said, error) = ask_running(&server, nowhere);
    assert_eq!((code, said.as_str()), (Some(1), ""), "{error}");
    assert!(error.contains("the server does not answer"), "{error}");
    let (without, _) = good.split_once("[admin]").expect("a table");
    std::fs::write(server.policy(), without).expect("a file");
    let (code, _, error) = ask_running(&server, server.private);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("admin.secret_file"), "{error}");
}

/// A challenge: its cookie, and its value.
fn challenge(server: &Reloaded) -> (String, String) {
    let answer = ask(server.public, "POST", "/auth/challenge", &[]);
    let cookie = answer.header("set-cookie").and_then(|cookie| cookie.split(';').next());
    let body: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
    let value = body["challenge"].as_str().expect("a value").to_owned();
    (cookie.expect("a cookie").to_owned(), value)
}

/// The status of a sign-in that answers a challenge.
fn answer_challenge(server: &Reloaded, (cookie, value): &(String, String)) -> u16 {
    let token = Wallet::from_seed("alice").token("app").attachment(value).mint();
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("cookie", cookie.as_str())];
    ask(server.public, "POST", "/auth/login", &headers).status
}

/// A key that nobody configured is made at the start, and is the same after a reload.
#[test]
fn who_is_signing_in_with_a_challenge_goes_on_after_a_reload() {
    let settings = format!("{TOP}{LISTEN}[sessions]\nbound_login = \"required\"\n");
    let server = Reloaded::start(Directory::new(), &settings);
    let before = challenge(&server);
    server.change(&format!("{settings}{}", rule("news", "/news", PUBLIC)), "applied");
    assert_eq!(server.check("/news", ""), 200);
    assert_eq!(answer_challenge(&server, &before), 204);
}

#[test]
fn a_new_key_of_bound_login_takes_the_place_of_the_old_one() {
    let directory = Directory::new();
    let keygen = || {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_didt")).arg("keygen").output();
        String::from_utf8(output.expect("didt").stdout).expect("text")
    };
    let key = file(&directory, "bound", &keygen());
    let configuration = format!(
        "{TOP}{LISTEN}[sessions]\nbound_login = \"required\"\nbound_login_key_file = {key:?}\n"
    );
    let server = Reloaded::start(directory, &configuration);
    let (challenge, sign_in) =
        (|| challenge(&server), |answered: &_| answer_challenge(&server, answered));
    assert_eq!(sign_in(&challenge()), 204);
    let before = challenge();
    std::fs::write(&key, keygen()).expect("a file");
    server.reload("applied");
    assert_eq!(sign_in(&before), 401, "who was signing in begins again");
    assert_eq!(sign_in(&challenge()), 204);
}

#[test]
fn a_new_password_of_redis_is_read_again_and_a_wrong_one_refused() {
    needs_redis!();
    let redis = Server::start();
    let place = redis.url();
    let host = place.strip_prefix("redis://").expect("a URL").trim_end_matches('/').to_owned();
    let url = |password: &str| format!("redis://didt:{password}@{host}\n");
    let admit = |password: &str| {
        redis.cli(&["ACL", "SETUSER", "didt", "on", &format!(">{password}"), "~*", "&*", "+@all"]);
    };
    admit("first");
    let directory = Directory::new();
    let secret = file(&directory, "url", &url("first"));
    let store = format!("[store]\nkind = \"redis\"\nurl_file = {secret:?}\n");
    let mut server = Reloaded::start(directory, &format!("{TOP}{LISTEN}{store}"));
    eventually("it is ready", || get(server.private, "/readyz").status == 200);
    let cookie = server.sign_in(&Wallet::from_seed("alice"));

    std::fs::write(&secret, url("wrong")).expect("a file");
    server.reload("refused");
    let line = server.didt.line_with("keeping the current settings");
    assert!(line.contains("store") && !line.contains("wrong"), "{line}");
    assert_eq!(server.check("/a", &cookie), 200);

    admit("second");
    std::fs::write(&secret, url("second")).expect("a file");
    server.reload("applied");
    redis.cli(&["ACL", "SETUSER", "didt", "<first"]);
    redis.cli(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    eventually("it is connected again", || server.check("/a", &cookie) == 200);
    assert_eq!(server.generation(), "2");
}

#[test]
fn a_new_password_of_postgresql_is_read_again_and_a_wrong_one_refused() {
    needs_postgres!();
    let server = postgres::Server::start();
    let directory = Directory::new();
    let url = |password: &str| {
        let plain = server.url();
        let (_, place) = plain.split_once('@').expect("a user");
        format!("postgres://didt:{password}@{place}\n")
    };
    server.sql("CREATE ROLE didt LOGIN PASSWORD 'first'");
    server.sql("GRANT ALL ON SCHEMA public TO didt");
    server.sql("GRANT ALL ON DATABASE postgres TO didt");
    let hosts = "host all didt 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n";
    std::fs::write(server.data().join("pg_hba.conf"), hosts).expect("a file");
    server.sql("SELECT pg_reload_conf()");
    let secret = file(&directory, "url", &url("first"));
    let store = format!("[store]\nkind = \"postgres\"\nurl_file = {secret:?}\n");
    let mut didt = Reloaded::start(directory, &format!("{TOP}{LISTEN}{store}"));
    eventually("it is ready", || get(didt.private, "/readyz").status == 200);
    let cookie = didt.sign_in(&Wallet::from_seed("alice"));

    std::fs::write(&secret, url("wrong")).expect("a file");
    didt.reload("refused");
    let line = didt.didt.line_with("keeping the current settings");
    assert!(line.contains("store") && !line.contains("wrong"), "{line}");
    assert_eq!(didt.check("/a", &cookie), 200);

    server.sql("ALTER ROLE didt PASSWORD 'second'");
    std::fs::write(&secret, url("second")).expect("a file");
    didt.reload("applied");
    assert_eq!(didt.check("/a", &cookie), 200, "a session of before");
    server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'didt'");
    eventually("it is connected again", || didt.check("/a", &cookie) == 200);
    assert_eq!(didt.generation(), "2");
}

#[test]
fn a_reload_loses_no_session_in_a_database() {
    let sqlite = Directory::new();
    let mut stores =
        vec![format!("kind = \"sqlite\"\nurl = \"sqlite:{}/sessions.db\"\n", sqlite.0.display())];
    let database = postgres::available("reload of a database").then(postgres::Server::start);
    if let Some(server) = &database {
        let secret = file(&sqlite, "url", &server.url());
        stores.push(format!("kind = \"postgres\"\nurl_file = {secret:?}\n"));
    }
    for store in stores {
        let settings = format!("{TOP}{LISTEN}[store]\n{store}");
        let server = Reloaded::start(Directory::new(), &settings);
        eventually("it is ready", || get(server.private, "/readyz").status == 200);
        let wallet = Wallet::from_seed("alice");
        let cookie = server.sign_in(&wallet);
        let token = format!("Bearer {}", wallet.token("app").set("tid", "once").mint());
        let login =
            || ask(server.public, "POST", "/auth/login", &[("authorization", &token)]).status;
        assert_eq!(login(), 204);
        // Of the store itself, and of what is around it.
        server.change(&format!("{settings}timeout = \"2s\"\n"), "applied");
        server.change(&format!("{settings}{}", rule("news", "/news", PUBLIC)), "applied");
        assert_eq!((server.check("/a", &cookie), server.check("/news", "")), (200, 200), "{store}");
        assert_eq!(login(), 401, "a used token stays used: {store}");
        assert_eq!(ask(server.public, "POST", "/auth/logout", &[("cookie", &cookie)]).status, 204);
        server.change(&settings, "applied");
        assert_eq!(server.check("/a", &cookie), 401, "what was ended stays ended: {store}");
    }
}

/// A client that keeps its connection: it must never be closed.
struct Client(std::net::TcpStream);

impl Client {
    fn ask(&mut self, path: &str, cookie: &str) -> Answer {
        let headers = question(path, cookie).map(|(name, value)| format!("{name}: {value}\r\n"));
        let request = format!("GET /check/caddy HTTP/1.1\r\nHost: a\r\n{}\r\n", headers.concat());
        self.0.write_all(request.as_bytes()).expect("the connection lives");
        read_one(&mut self.0).expect("the connection lives")
    }
}

/// Lets the clients end, also where the test fails.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Kilobytes of memory that a process has.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Reloads, of which every other one is of a bad file.
const RELOADS: u64 = 200;

/// What memory may differ by after many reloads, in kilobytes: less than they take if each generation is kept.
const SLACK: u64 = 8 * 1024;

#[test]
fn no_answer_is_wrong_while_the_settings_are_read_again_and_again() {
    // Enough rules that generations which are kept would show.
    let many: String = (0..200)
        .map(|number| {
            rule(&format!("r{number}"), "/r/*/x", "").replace("/r/", &format!("/r{number}/"))
        })
        .collect();
    let policy = |open: &str, guarded: &str| {
        let rules = rule("o", open, PUBLIC) + &rule("g", guarded, "") + &many;
        format!("{TOP}{LISTEN}{}{rules}", rule("always", "/always", PUBLIC))
    };
    let (one, other) = (policy("/one", "/other"), policy("/other", "/one"));
    // As one that an operator has not finished: all would be open.
    let bad = format!("{TOP}{LISTEN}{}", rule("all", "/**", PUBLIC)) + "[[rules]]\nname = ";
    let server = Reloaded::start(Directory::new(), &one);
    let cookie = server.sign_in(&Wallet::from_seed("alice"));
    let (over, asked) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let _end = End(&over);
        let clients: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = Client(connect(server.public));
                    while !over.load(Ordering::Relaxed) {
                        assert_eq!(client.ask("/always", "").status, 200);
                        assert_eq!(client.ask("/guarded", "").status, 401);
                        assert_eq!(client.ask("/guarded", &cookie).status, 200);
                        assert!([200, 401].contains(&client.ask("/one", "").status));
                        asked.fetch_add(4, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let mut settled = 0;
        for number in 0..RELOADS {
            match number % 4 {
                0 => server.change(&other, "applied"),
                2 => server.change(&one, "applied"),
                _ => server.change(&bad, "refused"),
            }
            if clients.iter().any(std::thread::ScopedJoinHandle::is_finished) {
                break;
            }
            if number == RELOADS / 4 {
                settled = resident(server.didt.pid());
            }
        }
        let after = resident(server.didt.pid());
        assert!(after < settled + SLACK, "{settled} kB have become {after} kB");
    });
    assert!(asked.into_inner() > RELOADS, "there was load");
    assert_eq!((server.reloads("applied"), server.reloads("refused")), (RELOADS / 2, RELOADS / 2));
    assert_eq!(server.generation(), (RELOADS / 2 + 1).to_string());
    assert_eq!(server.check("/one", ""), 200, "the policy that was read last");
}

#[test]
fn a_storm_of_signals_ends_with_what_was_written_last() {
    let server = Reloaded::start(Directory::new(), &format!("{TOP}{LISTEN}"));
    for number in 0..100 {
        let rules = rule("a", &format!("/{number}"), PUBLIC);
        std::fs::write(server.policy(), format!("{TOP}{LISTEN}{rules}")).expect("a file");
        server.didt.signal("HUP");
    }
    eventually("the last is read", || server.check("/99", "") == 200);
    let read: u64 = ["applied", "unchanged", "refused"].iter().map(|how| server.reloads(how)).sum();
    assert!((1..=100).contains(&read), "{read}");
}
