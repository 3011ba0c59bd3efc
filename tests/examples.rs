//! Runs the examples as their readers do: starts them, reads what they print,
//! pastes it into bash, and looks at what goes over the wire.
//!
//! Needs bash and curl. Without them these tests fail: they never pass unrun.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "in tests a panic is the verdict"
)]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use tower_didt_test_support::child::{Run, Running};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tower_didt::SessionCookie;
use tower_didt::testing::Wallet;

const PATIENCE: Duration = Duration::from_secs(30);

// ---- demo ------------------------------------------------------------------------

#[test]
fn demo_lines_pasted_into_bash_do_what_they_say() {
    let demo = Demo::start(&[]);
    let answers = demo.paste();
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [401, 200, 200, 200, 200, 401]);
    let [refused, signed_in, cookie_alone, token_again, signed_out, after] = &answers[..] else {
        panic!("six steps");
    };
    assert_eq!(refused.all("www-authenticate"), [r#"Bearer realm="magic""#]);
    assert_eq!(refused.all("set-cookie").len(), 0);
    assert_eq!(signed_in.all("set-cookie").len(), 1);
    assert!(signed_in.body.contains("\"session\":\""), "{}", signed_in.body);
    assert_eq!(cookie_alone.body, signed_in.body, "the cookie leads to the token's session");
    assert_eq!(cookie_alone.all("set-cookie").len(), 0);
    assert_eq!(token_again.all("set-cookie").len(), 0, "a token makes one session");
    assert!(token_again.body.contains("\"session\":null"), "{}", token_again.body);
    assert_eq!(signed_out.cookie().attribute("Max-Age"), Some("0"));
    assert_eq!(after.cookie().attribute("Max-Age"), Some("0"), "a dead cookie is taken away");
}

#[test]
fn demo_lines_can_be_pasted_twice() {
    let demo = Demo::start(&[]);
    demo.paste();
    let statuses: Vec<_> = demo.paste().iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [401, 200, 200, 200, 200, 401]);
}

#[test]
fn demo_session_cookie_has_its_attributes_on_the_wire() {
    let demo = Demo::start(&[]);
    let cookie = demo.sign_in();
    assert_eq!(cookie.name, SessionCookie::DEFAULT_NAME);
    assert_eq!(cookie.name, "__Host-didt");
    assert!(cookie.value.len() >= 22, "at least 128 bits: {}", cookie.value.len());
    let attributes: BTreeSet<_> = cookie.attributes.iter().map(String::as_str).collect();
    let week = ["HttpOnly", "Max-Age=604800", "Path=/", "SameSite=Lax", "Secure"];
    assert_eq!(attributes, BTreeSet::from(week));
}

#[test]
fn demo_cookie_value_saved_before_sign_out_opens_nothing_after_it() {
    let demo = Demo::start(&[]);
    let saved = demo.sign_in().header();
    assert_eq!(demo.curl(&["-H", &saved], "/me").status, 200);
    assert_eq!(demo.curl(&["-H", &saved, "-X", "POST"], "/sign-out").status, 200);
    assert_eq!(demo.curl(&["-H", &saved], "/me").status, 401);
}

#[test]
fn demo_sign_out_everywhere_ends_the_sessions_of_other_devices() {
    let demo = Demo::start(&[]);
    let (phone, laptop) = (demo.sign_in().header(), demo.sign_in().header());
    let list = demo.curl(&["-H", &phone], "/sessions").body;
    assert_eq!(list.matches("\"session\":").count(), 2, "{list}");
    assert_eq!(list.matches("\"this_one\":true").count(), 1, "{list}");
    assert_eq!(demo.curl(&["-H", &phone, "-X", "POST"], "/sign-out-everywhere").status, 200);
    assert_eq!(demo.curl(&["-H", &laptop], "/me").status, 401);
}

#[test]
fn demo_token_printed_at_start_signs_in() {
    let demo = Demo::start(&[]);
    let token = demo.printed.lines().find(|line| line.starts_with("Wy")).expect("a token");
    assert_eq!(demo.curl(&["-H", &bearer(token)], "/me").status, 200);
}

#[test]
fn demo_home_is_open_to_strangers_and_knows_members() {
    let demo = Demo::start(&[]);
    let stranger = demo.curl(&[], "/");
    assert_eq!(stranger.status, 200);
    assert!(stranger.body.starts_with("You are not signed in."), "{}", stranger.body);
    let member = demo.curl(&["-H", &demo.sign_in().header()], "/");
    assert!(member.body.starts_with("You are signed in: did:ethr:0x"), "{}", member.body);
}

#[test]
fn demo_shows_browsers_a_page_and_everybody_else_the_lines() {
    let demo = Demo::start(&[]);
    let rows = [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true),
        ("TEXT/html ;q=0.9, text/plain;q=0.1", true),
        ("text/plain, text/html;q=0.1", false),
        ("*/*", false),
        ("text/plain", false),
        ("text/htmlx", false),
    ];
    for (accept, page) in rows {
        let answer = demo.curl(&["-H", &format!("Accept: {accept}")], "/");
        assert_eq!(answer.body.starts_with("<!doctype html>"), page, "{accept}");
        assert_eq!(answer.all("content-security-policy").len(), usize::from(page), "{accept}");
        assert_eq!(answer.all("vary"), ["accept"], "{accept}");
        assert_eq!(answer.all("cache-control"), ["no-store"], "{accept}");
    }
    assert_eq!(
        demo.curl(&[], "/page/app.js").all("content-type"),
        ["text/javascript; charset=utf-8"]
    );
    assert_eq!(demo.curl(&["--path-as-is"], "/page/../main.rs").status, 404);
    assert_eq!(demo.curl(&[], "/page/nothing.js").status, 404);
}

#[test]
fn demo_refuses_a_bound_token_without_its_cookie() {
    let demo = Demo::start(&[]);
    let answer = demo.curl(&["-X", "POST"], "/challenge");
    let (_, rest) = answer.body.split_once("\"challenge\":\"").expect("a challenge");
    let value = rest.split('"').next().expect("its end");
    let token = Wallet::from_seed("somebody").token("did:magic:demo").attachment(value).mint();
    let (token, cookie) = (bearer(&token), answer.cookie().header());
    assert!(cookie.starts_with("Cookie: __Host-didt-challenge="), "{cookie}");
    assert_eq!(demo.curl(&["-H", &token], "/me").status, 401);
    let signed_in = demo.curl(&["-H", &token, "-H", &cookie], "/me");
    assert_eq!((signed_in.status, signed_in.all("set-cookie").len()), (200, 2));
    assert_eq!(demo.curl(&["-H", &token, "-H", &cookie], "/me").status, 401, "once");
}

#[test]
fn demo_ends_another_session_by_its_handle() {
    let demo = Demo::start(&[]);
    let (phone, laptop) = (demo.sign_in().header(), demo.sign_in().header());
    let me = demo.curl(&["-H", &phone], "/me").body;
    let (_, rest) = me.split_once("\"session\":\"").expect("a session");
    let path = format!("/sessions/{}/sign-out", rest.split('"').next().expect("its end"));
    for status in [204, 404] {
        assert_eq!(demo.curl(&["-H", &laptop, "-X", "POST"], &path).status, status);
    }
    assert_eq!(demo.curl(&["-H", &phone], "/me").status, 401);
    assert_eq!(demo.curl(&["-H", &laptop], "/me").status, 200);
    assert_eq!(demo.curl(&["-H", &laptop, "-X", "POST"], "/sessions/x/sign-out").status, 400);
}

#[test]
fn demo_speaks_http_1_1_as_well_as_http_2() {
    let demo = Demo::start(&[]);
    let cookie = demo.sign_in().header();
    let answer = demo.curl(&["--http1.1", "-H", &cookie], "/me");
    assert_eq!((answer.version.as_str(), answer.status), ("HTTP/1.1", 200));
    let answer = demo.curl(&["--http2", "-H", &cookie], "/me");
    assert_eq!((answer.version.as_str(), answer.status), ("HTTP/2", 200));
}

#[test]
fn demo_takes_tokens_of_its_own_application_only() {
    let demo = Demo::start(&[("MAGIC_CLIENT_ID", "did:magic:mine")]);
    let wallet = Wallet::from_seed("somebody");
    for (audience, status) in [("did:magic:mine", 200), ("did:magic:demo", 401)] {
        let token = wallet.token(audience).mint();
        assert_eq!(demo.curl(&["-H", &bearer(&token)], "/me").status, status, "{audience}");
    }
}

#[test]
fn demo_moves_to_a_free_port_and_says_so_if_the_usual_one_is_taken() {
    // Fails if somebody else has it: then it is taken as well.
    let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 8443));
    let demo = Demo::start_with(&[], &[]);
    assert!(demo.printed.starts_with("Port 8443 is taken"), "{}", demo.printed);
    assert_ne!(demo.url, "https://localhost:8443");
    assert_eq!(demo.curl(&[], "/").status, 200);
}

#[test]
fn demo_refuses_a_port_that_was_asked_for_and_is_taken() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = taken.local_addr().expect("its address").port().to_string();
    let output = Command::new(executable("demo")).args(["--port", &port]).output().expect("runs");
    assert!(!output.status.success());
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.contains(&format!("cannot listen on port {port}")), "{complaint}");
}

#[cfg(unix)]
#[test]
fn demo_stops_at_ctrl_c_and_leaves_no_certificate_behind() {
    let mut demo = Demo::start(&[]);
    assert!(demo.certificate.exists());
    let interrupt = format!("kill -INT {}", demo.process.child.id());
    bash(&interrupt);
    let asked = Instant::now();
    let status = loop {
        if let Some(status) = demo.process.child.try_wait().expect("a child") {
            break status;
        }
        assert!(asked.elapsed() < PATIENCE, "still running");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(status.success(), "{status}");
    assert!(!demo.certificate.exists());
}

#[test]
fn demo_sets_one_cookie_for_a_token_presented_100_times_in_parallel() {
    let demo = Demo::start(&[]);
    let token = demo.curl(&[], "/test-token").body;
    let script = format!(
        "curl -sS -Z --no-progress-meter --parallel-immediate --parallel-max 100 --cacert '{}' \
         -H 'Authorization: Bearer {}' -D - '{}/me?[1-100]'",
        demo.certificate.display(),
        token.trim(),
        demo.url
    );
    let output = bash(&script).to_lowercase();
    assert_eq!(output.matches("http/2 200").count(), 100);
    assert_eq!(output.matches("set-cookie: ").count(), 1);
}

/// What the program reads of its environment is in its help.
#[test]
fn demo_help_names_every_variable_that_it_reads() {
    let output = Command::new(executable("demo")).arg("--help").output().expect("runs");
    let help = String::from_utf8(output.stdout).expect("text");
    let source = include_str!("../examples/demo/main.rs");
    let read: Vec<_> =
        source.split("setting(\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(read.len() >= 4, "{read:?}");
    for name in read {
        assert!(help.contains(name), "{name} is not in the help: {help}");
    }
}

// ---- all -------------------------------------------------------------------------

/// A page believes the answer of the route where it signs in. Only a layer that takes no used token
/// there, or a store that takes none anywhere, makes that right.
#[test]
fn every_route_to_sign_in_at_answers_with_a_session_or_401() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut folders, mut found) = (vec![root.join("docs"), root.join("examples")], 0);
    let mut files = vec![root.join("README.md")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    for file in files {
        let name = file.to_string_lossy().into_owned();
        if !name.ends_with(".md") && !name.ends_with(".rs") {
            continue;
        }
        let text = std::fs::read_to_string(&file).expect("text");
        let signs_in = |line: &&str| {
            let path = line.split(".route(\"").nth(1).and_then(|rest| rest.split('"').next());
            path.is_some_and(|path| path.ends_with("/sign-in") || path.ends_with("/login"))
        };
        let routes = text.lines().filter(signs_in).count();
        found += routes;
        let right = text.contains("session_only()") || text.contains("Replay::SingleUse");
        assert!(routes == 0 || right, "{name}: a used token is a success here");
    }
    assert!(found >= 6, "only {found} routes were found: has their spelling changed?");
}

/// Without `--locked`, cargo builds with dependencies that nobody has tested together.
#[test]
fn every_install_line_builds_with_the_locked_dependencies() {
    let output = Command::new("git").args(["grep", "-h", "cargo install"]).output();
    let Some(output) = output.ok().filter(|output| output.status.success()) else { return };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<_> = text.lines().filter(|line| !line.contains("--locked")).collect();
    // This test's own line, and no other.
    assert_eq!(lines.len(), 1, "{lines:?}");
}

// ---- axum ------------------------------------------------------------------------

#[test]
fn axum_printed_line_signs_in_and_signing_out_ends_it() {
    let server = Server::start("axum");
    let signed_in = server.paste();
    assert_eq!(signed_in.status, 200);
    assert!(signed_in.body.starts_with("you are did:ethr:0x"), "{}", signed_in.body);
    let cookie = signed_in.cookie().header();
    assert_eq!(server.curl(&["-H", &cookie], "/me").body, signed_in.body);
    let again = server.paste();
    assert_eq!(again.status, 401, "a token that was used before signs nobody in: {}", again.body);
    let signed_out = server.curl(&["-H", &cookie, "-X", "POST"], "/sign-out");
    assert_eq!(signed_out.status, 200);
    assert_eq!(signed_out.cookie().attribute("Max-Age"), Some("0"));
    assert_eq!(server.curl(&["-H", &cookie], "/me").status, 401);
}

#[test]
fn axum_members_route_refuses_strangers_and_the_home_page_does_not() {
    let server = Server::start("axum");
    assert_eq!(server.curl(&[], "/me").status, 401);
    let stranger = server.curl(&[], "/");
    assert_eq!((stranger.status, stranger.body.as_str()), (200, "hello, stranger\n"));
    let cookie = server.paste().cookie().header();
    assert!(server.curl(&["-H", &cookie], "/").body.starts_with("hello, 0x"));
}

#[test]
fn axum_sets_one_cookie_for_a_token_presented_on_100_connections_at_once() {
    const CALLERS: usize = 100;
    let server = Server::start("axum");
    let authorization = bearer(&server.printed_token());
    let address: SocketAddr =
        server.url.trim_start_matches("http://").parse().expect("the address that was printed");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .expect("a runtime");
    let answers = runtime.block_on(async {
        let barrier = Arc::new(Barrier::new(CALLERS));
        let callers: Vec<_> = (0..CALLERS)
            .map(|_| {
                let barrier = Arc::clone(&barrier);
                let request = format!(
                    "GET /me HTTP/1.1\r\nHost: {address}\r\n{authorization}\r\nConnection: close\r\n\r\n"
                );
                tokio::spawn(async move {
                    let mut stream = TcpStream::connect(address).await.expect("connects");
                    barrier.wait().await;
                    stream.write_all(request.as_bytes()).await.expect("is sent");
                    let mut answer = String::new();
                    stream.read_to_string(&mut answer).await.expect("is answered");
                    Answer::parse(&answer)
                })
            })
            .collect();
        let mut answers = Vec::new();
        for caller in callers {
            answers.push(caller.await.expect("a caller that got its answer"));
        }
        answers
    });
    let passed = answers.iter().filter(|answer| answer.status == 200).count();
    let cookies: usize = answers.iter().map(|answer| answer.all("set-cookie").len()).sum();
    assert_eq!((passed, cookies), (CALLERS, 1));
}

// ---- hyper, tonic, tower-sessions ------------------------------------------------

#[test]
fn hyper_printed_line_signs_in_and_strangers_are_refused() {
    let server = Server::start("hyper");
    assert_eq!(server.curl(&[], "/").status, 401);
    let signed_in = server.paste();
    assert_eq!(signed_in.status, 200);
    assert!(signed_in.body.starts_with("you are did:ethr:0x"), "{}", signed_in.body);
    let cookie = signed_in.cookie().header();
    assert_eq!(server.curl(&["-H", &cookie], "/").body, signed_in.body);
}

#[test]
fn tonic_answers_unauthenticated_unless_the_metadata_has_a_token() {
    let mut example = Example::start("tonic", &["127.0.0.1:0"], &[]);
    let printed = example.read_until("serving on");
    let lines: Vec<_> = printed.lines().skip(1).collect();
    let caller = Wallet::from_seed("alice").issuer();
    let called = format!("server: called by {caller}");
    assert_eq!(
        lines,
        [
            "without a token:",
            "client: Unauthenticated: unauthorized",
            "with a token that is none:",
            "client: Unauthenticated: invalid_token",
            "with a good token:",
            &called,
            "client: Serving",
            "serving on, Ctrl-C stops it",
        ]
    );
}

#[test]
fn tower_sessions_login_sets_their_cookie_alone_and_it_carries_the_issuer() {
    let server = Server::start("tower_sessions");
    assert_eq!(server.curl(&[], "/me").status, 401);
    assert_eq!(server.curl(&["-X", "POST"], "/login").status, 401, "a login needs a token");
    let login = server.paste();
    assert_eq!(login.status, 200);
    let cookie = login.cookie();
    assert_eq!(cookie.name, "id", "tower-sessions' own");
    let me = server.curl(&["-H", &cookie.header()], "/me");
    assert_eq!(me.body, format!("you are {}\n", Wallet::from_seed("alice").issuer()));
    let token = server.printed_token();
    assert_eq!(server.curl(&["-H", &bearer(&token)], "/me").status, 401, "tokens are for /login");
}

#[test]
fn tower_sessions_login_changes_the_session_id_and_logout_ends_it() {
    let server = Server::start("tower_sessions");
    let first = server.paste().cookie();
    let used = bearer(&server.printed_token());
    let again = server.curl(&["-X", "POST", "-H", &used], "/login");
    assert_eq!((again.status, again.all("set-cookie").len()), (401, 0), "one sign-in a token");
    let fresh = bearer(&Wallet::from_seed("alice").token("did:magic:my-app").mint());
    let login = ["-X", "POST", "-H", &fresh, "-H", &first.header()];
    let second = server.curl(&login, "/login").cookie();
    assert_ne!(first.value, second.value);
    assert_eq!(server.curl(&["-H", &first.header()], "/me").status, 401, "the old id is gone");
    assert_eq!(server.curl(&["-H", &second.header()], "/me").status, 200);
    assert_eq!(server.curl(&["-H", &second.header(), "-X", "POST"], "/logout").status, 200);
    assert_eq!(server.curl(&["-H", &second.header()], "/me").status, 401);
}

// ---- the examples as processes ---------------------------------------------------

/// A running example. Killed when dropped, also by a failing test.
struct Example {
    child: Running,
    lines: Receiver<String>,
}

impl Example {
    fn start(name: &str, args: &[&str], env: &[(&str, &str)]) -> Self {
        let mut command = Command::new(executable(name));
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped());
        // A killed demo leaves its certificate behind: within the target folder.
        let folder = env!("CARGO_TARGET_TMPDIR");
        command
            .env_remove("MAGIC_CLIENT_ID")
            .env_remove("MAGIC_PUBLISHABLE_KEY")
            .env("TMPDIR", folder)
            .env("TMP", folder);
        command.envs(env.iter().copied());
        let mut child = command.run().expect("an example that starts");
        let stdout = child.stdout.take().expect("its output");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            // Until the process ends or its test has.
            BufReader::new(stdout)
                .lines()
                .map_while(Result::ok)
                .all(|line| sender.send(line).is_ok());
        });
        Self { child, lines }
    }

    /// What it prints, up to and including the first line that begins like this.
    fn read_until(&mut self, prefix: &str) -> String {
        let mut printed = String::new();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let Ok(line) = self.lines.recv_timeout(deadline.duration_since(Instant::now())) else {
                panic!("no line begins with {prefix:?} in:\n{printed}");
            };
            printed.push_str(&line);
            printed.push('\n');
            if line.starts_with(prefix) {
                return printed;
            }
        }
    }
}

/// `target/debug/examples/…`, beside `target/debug/deps/…` where this test is.
fn executable(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("this test's own path");
    let profile = test.parent().and_then(|deps| deps.parent()).expect("target/PROFILE/deps");
    let path = profile.join("examples").join(name).with_extension(std::env::consts::EXE_EXTENSION);
    let hint = "`cargo test` builds the examples; with `--test` run `cargo build --examples` first";
    assert!(path.exists(), "{} is missing: {hint}", path.display());
    path
}

struct Demo {
    process: Example,
    printed: String,
    url: String,
    certificate: PathBuf,
}

impl Demo {
    fn start(env: &[(&str, &str)]) -> Self {
        Self::start_with(&["--port", "0"], env)
    }

    fn start_with(args: &[&str], env: &[(&str, &str)]) -> Self {
        let mut process = Example::start("demo", args, env);
        let printed = process.read_until("# ---- to here");
        let value = |name: &str| {
            let line = printed.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("no {name} in {printed}")).trim_matches('\'').to_owned()
        };
        let (url, certificate) = (value("URL="), value("CA=").into());
        Self { process, printed, url, certificate }
    }

    /// Pastes the printed lines into bash: one answer per step.
    fn paste(&self) -> Vec<Answer> {
        let lines = self.printed.lines().skip_while(|line| !line.starts_with("# ---- from here"));
        let output = bash(&lines.collect::<Vec<_>>().join("\n"));
        let mut steps = Vec::new();
        for step in output.split("\n--- ").skip(1) {
            let (heading, answer) = step.split_once('\n').expect("a heading");
            let answer = Answer::parse(answer);
            let promised = format!(": {}", answer.status);
            assert!(heading.contains(&promised), "{heading}, but it was {}", answer.status);
            steps.push(answer);
        }
        steps
    }

    fn curl(&self, args: &[&str], path: &str) -> Answer {
        let certificate = self.certificate.to_str().expect("text");
        curl(&[&["--cacert", certificate], args].concat(), &format!("{}{path}", self.url))
    }

    /// With a fresh token.
    fn sign_in(&self) -> SetCookie {
        let token = self.curl(&[], "/test-token").body;
        let answer = self.curl(&["-H", &bearer(token.trim())], "/me");
        assert_eq!(answer.status, 200);
        answer.cookie()
    }
}

impl Drop for Demo {
    /// A killed demo cannot remove its certificate itself.
    fn drop(&mut self) {
        if let Some(folder) = self.certificate.parent()
            && folder.starts_with(env!("CARGO_TARGET_TMPDIR"))
        {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

/// One of the small examples: prints where it listens, and one line for bash.
struct Server {
    _process: Example,
    url: String,
    line: String,
}

impl Server {
    fn start(name: &str) -> Self {
        let mut process = Example::start(name, &["127.0.0.1:0"], &[]);
        let printed = process.read_until("curl ");
        let (listening, line) = printed.trim_end().split_once('\n').expect("two lines");
        let url = listening.strip_prefix("listening on ").expect("an address").to_owned();
        Self { url, line: line.to_owned(), _process: process }
    }

    fn paste(&self) -> Answer {
        Answer::parse(&bash(&self.line))
    }

    fn printed_token(&self) -> String {
        let (_, rest) = self.line.split_once("Bearer ").expect("a token");
        rest.split('\'').next().expect("its end").to_owned()
    }

    fn curl(&self, args: &[&str], path: &str) -> Answer {
        curl(args, &format!("{}{path}", self.url))
    }
}

// ---- bash, curl and what they say ------------------------------------------------

/// What bash prints when these lines are pasted into it.
fn bash(script: &str) -> String {
    let mut command = Command::new("bash");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = local(&mut command).spawn().expect("these tests need bash");
    let mut stdin = child.stdin.take().expect("its input");
    stdin.write_all(script.as_bytes()).expect("bash reads");
    drop(stdin);
    let output = child.wait_with_output().expect("bash ends");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(complaints.is_empty(), "these tests need bash and curl; {complaints}");
    String::from_utf8(output.stdout).expect("text")
}

fn curl(args: &[&str], url: &str) -> Answer {
    let mut command = Command::new("curl");
    command.args(["-q", "-sS", "-i", "--max-time", "30"]).args(args).arg(url);
    let output = local(&mut command).output().expect("these tests need curl");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "curl {args:?} {url}: {complaints}");
    Answer::parse(&String::from_utf8(output.stdout).expect("text"))
}

/// Proxies lead elsewhere.
fn local(command: &mut Command) -> &mut Command {
    command.env("NO_PROXY", "*").env("no_proxy", "*")
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

/// An HTTP response as `curl -i` shows it.
struct Answer {
    version: String,
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Answer {
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {text}"));
        let mut lines = head.lines();
        let mut status_line = lines.next().expect("a status line").split(' ');
        let version = status_line.next().expect("a version").to_owned();
        let status = status_line.next().and_then(|code| code.parse().ok()).expect("a status");
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Self { version, status, headers, body: body.to_owned() }
    }

    fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(header, _)| header == name);
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// The one cookie that is set.
    fn cookie(&self) -> SetCookie {
        let cookies = self.all("set-cookie");
        let [cookie] = cookies[..] else { panic!("not one cookie: {cookies:?}") };
        let (pair, attributes) = cookie.split_once("; ").expect("attributes");
        let (name, value) = pair.split_once('=').expect("a pair");
        SetCookie {
            name: name.to_owned(),
            value: value.to_owned(),
            attributes: attributes.split("; ").map(str::to_owned).collect(),
        }
    }
}

struct SetCookie {
    name: String,
    value: String,
    attributes: Vec<String>,
}

impl SetCookie {
    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find_map(|attribute| attribute.strip_prefix(name)?.strip_prefix('='))
    }

    /// As a client sends it back.
    fn header(&self) -> String {
        format!("Cookie: {}={}", self.name, self.value)
    }
}
