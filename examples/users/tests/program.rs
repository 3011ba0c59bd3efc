//! Runs the program as its readers do: with curl, and a look into its database.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use sqlx::SqlitePool;
use sqlx::sqlite::SqliteConnectOptions;
use tower_didt::Timestamp;
use tower_didt::testing::Wallet;
use tower_didt_test_support::child::{Run, Running};

const CLIENT_ID: &str = "did:magic:my-app";

#[tokio::test]
async fn a_user_is_made_once_renamed_banned_and_gone_at_once() {
    let program = Program::start();
    let alice = Wallet::from_seed("alice");

    let (status, cookie, body) = program.sign_in(&alice);
    assert_eq!((status, body.as_str()), (200, r#"{"id":1,"name":""}"#));
    let cookie = cookie.expect("a session");
    assert_eq!(program.rows().await, [(1, alice.issuer().to_string(), String::new(), false)]);

    // Another device: another session, the same row.
    let (status, phone, body) = program.sign_in(&alice);
    assert_eq!((status, body.as_str()), (200, r#"{"id":1,"name":""}"#));
    let phone = phone.expect("a session of its own");
    assert_ne!(phone, cookie);
    assert_eq!(program.sign_in(&Wallet::from_seed("bob")).2, r#"{"id":2,"name":""}"#);
    assert_eq!(program.rows().await.len(), 2);

    // What the table says now, not what it said at sign-in.
    let text = ["-H", "Content-Type: text/plain", "-d", "Alice; DROP TABLE users"];
    let renamed = program.curl(&[&["-X", "PUT", "-H", &cookie][..], &text].concat(), "/profile");
    assert_eq!(renamed.0, 204);
    let body = program.curl(&["-H", &phone], "/profile").2;
    assert_eq!(body, r#"{"id":1,"name":"Alice; DROP TABLE users"}"#);

    // Only the administrator bans.
    let path = format!("/users/{}/ban", alice.issuer());
    assert_eq!(program.curl(&["-X", "POST", "-H", &phone], &path).0, 403);
    assert_eq!(program.curl(&["-X", "POST"], &path).0, 401);
    assert_eq!(program.curl(&["-H", &cookie], "/profile").0, 200);
    let administrator = program.sign_in(&Wallet::from_seed("administrator")).1.expect("a session");
    let before = bearer(&alice);
    assert_eq!(program.curl(&["-X", "POST", "-H", &administrator], &path).0, 204);
    let nobody = format!("/users/{}/ban", Wallet::from_seed("nobody").issuer());
    assert_eq!(program.curl(&["-X", "POST", "-H", &administrator], &nobody).0, 404);

    // Living sessions have ended, on all devices, and no new one begins.
    for cookie in [&cookie, &phone] {
        assert_eq!(program.curl(&["-H", cookie], "/profile").0, 401);
    }
    // A token of before the ban has ended with it; a later one is refused by the row.
    let (status, cookie, _) = program.curl(&["-X", "POST", "-H", &before], "/sign-in");
    assert_eq!((status, cookie), (401, None));
    let later = Timestamp::from(SystemTime::now() + Duration::from_secs(60));
    let later = format!("Authorization: Bearer {}", alice.token(CLIENT_ID).issued_at(later).mint());
    assert_eq!(program.curl(&["-X", "POST", "-H", &later], "/sign-in").0, 403);
    let issuers: Vec<_> = program.rows().await.into_iter().map(|(id, .., b)| (id, b)).collect();
    assert_eq!(issuers, [(1, true), (2, false), (3, false)]);
    assert_eq!(program.sign_in(&Wallet::from_seed("bob")).0, 200);
}

#[tokio::test]
async fn a_session_that_outlived_the_ban_gets_no_user() {
    let program = Program::start();
    let cookie = program.sign_in(&Wallet::from_seed("alice")).1.expect("a session");
    // As a sign-in that was admitted just before the ban, and got its session just after it.
    sqlx::query("UPDATE users SET banned = TRUE").execute(&program.database().await).await.unwrap();
    assert_eq!(program.curl(&["-H", &cookie], "/profile").0, 403);
}

#[tokio::test]
async fn a_database_that_fails_is_503_and_uses_no_token_up() {
    let program = Program::start();
    let database = program.database().await;
    sqlx::query("ALTER TABLE users RENAME TO away").execute(&database).await.unwrap();
    let token = bearer(&Wallet::from_seed("alice"));
    let sign_in = || program.curl(&["-X", "POST", "-H", &token], "/sign-in");
    assert_eq!(sign_in().0, 503);
    sqlx::query("ALTER TABLE away RENAME TO users").execute(&database).await.unwrap();
    let (status, cookie, _) = sign_in();
    assert_eq!(status, 200);
    assert!(cookie.is_some(), "the same token, once the database is back");
}

#[test]
fn the_printed_lines_sign_a_user_in_and_ban_her() {
    let program = Program::start();
    let [sign_in, ban] = &program.lines;
    let answers = [sign_in, ban, sign_in].map(|line| {
        let output = Command::new("bash").args(["-c", line]).env("NO_PROXY", "*").output();
        let answer = String::from_utf8(output.expect("these tests need bash").stdout).unwrap();
        answer.lines().next().expect("curl's answer").to_owned()
    });
    assert_eq!(
        answers,
        ["HTTP/1.1 200 OK", "HTTP/1.1 204 No Content", "HTTP/1.1 401 Unauthorized"]
    );
}

#[test]
fn signing_out_ends_the_session() {
    let program = Program::start();
    let cookie = program.sign_in(&Wallet::from_seed("alice")).1.expect("a session");
    assert_eq!(program.curl(&["-X", "POST", "-H", &cookie], "/sign-out").0, 200);
    assert_eq!(program.curl(&["-H", &cookie], "/profile").0, 401);
}

// ---- the program -----------------------------------------------------------------

/// Running with a database of its own. Both are gone when it is dropped.
struct Program {
    child: Running,
    folder: PathBuf,
    url: String,
    /// What it printed to be pasted: a user signs in, and is banned.
    lines: [String; 2],
}

impl Program {
    fn start() -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!(
            "users-{}-{}",
            std::process::id(),
            std::thread::current().name().unwrap_or("test"),
        ));
        fs::create_dir_all(&folder).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_users"))
            .arg("127.0.0.1:0")
            .arg(folder.join("users.sqlite"))
            .stdout(Stdio::piped())
            .run()
            .unwrap();
        // All of it: who prints into a closed pipe has an error.
        let printed = BufReader::new(child.stdout.take().unwrap()).lines().take(3);
        let printed: Vec<_> = printed.map(Result::unwrap).collect();
        let [first, sign_in, ban] = &printed[..] else { panic!("not three lines: {printed:?}") };
        let url = first.strip_prefix("listening on ").expect("an address").to_owned();
        Self { child, folder, url, lines: [sign_in.clone(), ban.clone()] }
    }

    /// Status, the session's `Cookie` header, body.
    fn sign_in(&self, wallet: &Wallet) -> (u16, Option<String>, String) {
        self.curl(&["-X", "POST", "-H", &bearer(wallet)], "/sign-in")
    }

    fn curl(&self, args: &[&str], path: &str) -> (u16, Option<String>, String) {
        let mut command = Command::new("curl");
        command.args(["-q", "-sS", "-i", "--max-time", "30", "--noproxy", "*"]);
        let output = command.args(args).arg(format!("{}{path}", self.url)).output();
        let output = output.expect("these tests need curl");
        assert!(output.status.success(), "curl: {}", String::from_utf8_lossy(&output.stderr));
        let answer = String::from_utf8(output.stdout).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: "));
        let cookie = cookie.and_then(|cookie| cookie.split(';').next());
        (status, cookie.map(|pair| format!("Cookie: {pair}")), body.to_owned())
    }

    async fn database(&self) -> SqlitePool {
        let options = SqliteConnectOptions::new().filename(self.folder.join("users.sqlite"));
        SqlitePool::connect_with(options).await.unwrap()
    }

    async fn rows(&self) -> Vec<(i64, String, String, bool)> {
        let statement = "SELECT id, issuer, name, banned FROM users ORDER BY id";
        sqlx::query_as(statement).fetch_all(&self.database().await).await.unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn bearer(wallet: &Wallet) -> String {
    format!("Authorization: Bearer {}", wallet.token(CLIENT_ID).mint())
}
