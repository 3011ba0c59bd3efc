//! `didt magic` and `didt serve` against a stub of Magic's Admin API, from outside.
#![cfg(feature = "serve")]
#![allow(clippy::expect_used, clippy::panic, reason = "in tests a panic is the verdict")]

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tower_didt::testing::{self, Fault, MagicServer, TestUser, Wallet};
use tower_didt_test_support::child::Run;
use tower_didt_test_support::directory::Directory;
use tower_didt_test_support::{needs_postgres, postgres};

const KEY: &str = "sk_test_N33DL3";

/// A runtime for the stub, which answers while a child asks.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime")
}

fn serve(runtime: &tokio::runtime::Runtime, stub: &testing::Magic) -> MagicServer {
    runtime.block_on(stub.serve()).expect("a server")
}

fn didt(key: &Path, server: &MagicServer, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_didt"))
        .arg("magic")
        .args(args)
        .arg("--secret-key-file")
        .arg(key)
        .args(["--api-url", &server.url()])
        .output()
        .expect("didt runs")
}

#[test]
fn operators_ask_who_somebody_is_and_sign_them_out() {
    let (runtime, folder) = (runtime(), Directory::new());
    let key = folder.0.join("magic.key");
    std::fs::write(&key, format!("{KEY}\n")).expect("written");
    let stub = testing::Magic::new(KEY, "did:magic:my-app");
    let server = serve(&runtime, &stub);
    let [ada, eve] = ["ada", "eve"].map(|name| Wallet::from_seed(name).issuer());
    stub.add_user(TestUser::new(ada).email("ada@example.com"));

    let output = didt(&key, &server, &["client-id"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "did:magic:my-app\n");
    let output = didt(&key, &server, &["user", &ada.to_string()]);
    let user: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(user.get("email"), Some(&Value::from("ada@example.com")));
    let output = didt(&key, &server, &["user", &eve.to_string()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no such user"));
    let output = didt(&key, &server, &["sign-out", &ada.to_string()]);
    assert!(output.status.success());
    assert_eq!(stub.signed_out(), [ada]);

    stub.change_key("sk_test_other");
    let output = didt(&key, &server, &["client-id"]);
    assert_eq!(output.status.code(), Some(1));
    let said = format!("{output:?}");
    assert!(said.contains("secret key") && !said.contains("N33DL3"), "{said}");
    let output = didt(Path::new("/nonexistent"), &server, &["client-id"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn the_server_learns_its_audience_from_the_key_and_does_not_start_with_a_wrong_one() {
    let (runtime, folder) = (runtime(), Directory::new());
    std::fs::write(folder.0.join("magic.key"), KEY).expect("written");
    let stub = testing::Magic::new(KEY, "did:magic:my-app");
    let server = serve(&runtime, &stub);
    let config = folder.0.join("didt.toml");
    let text = format!(
        "[listen]\npublic = \"127.0.0.1:0\"\n[magic]\nsecret_key_file = {:?}\napi_url = \"{}\"\n",
        folder.0.join("magic.key"),
        server.url()
    );
    std::fs::write(&config, text).expect("written");
    let start = || {
        let mut didt = Command::new(env!("CARGO_BIN_EXE_didt"));
        didt.args(["serve", "--config"]).arg(&config);
        didt.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        didt.run().expect("didt")
    };
    // Magic fails at first.
    stub.fail_next(Fault::Status(http::StatusCode::INTERNAL_SERVER_ERROR));
    let mut child = start();
    let lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let mut said = Vec::new();
    for line in lines.map_while(Result::ok) {
        let listens = line.contains("public listener on");
        said.push(line);
        if listens {
            break;
        }
    }
    let said = said.join("\n");
    assert!(said.contains("public listener on"), "{said}");
    assert!(said.contains("did:magic:my-app") && said.contains("client id"), "{said}");
    assert!(!said.contains("N33DL3"), "{said}");
    assert_eq!(stub.calls(), 2);
    drop(child);

    stub.change_key("sk_test_other");
    let mut child = start();
    let lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let said: Vec<_> = lines.map_while(Result::ok).collect();
    let said = said.join("\n");
    assert!(said.contains("magic.secret_key_file") && said.contains("401"), "{said}");
    assert_eq!(child.wait().expect("it ended").code(), Some(2));
}

#[test]
fn administrators_find_people_by_e_mail_and_sign_them_out() {
    administrators_find_people("");
}

#[test]
fn people_are_found_in_sqlite_too() {
    let folder = Directory::new();
    let file = folder.0.join("sessions.db");
    let url = format!("sqlite:{}", file.display());
    administrators_find_people(&format!("[store]\nkind = \"sqlite\"\nurl = {url:?}\n"));
}

#[test]
fn people_are_found_in_postgresql_too() {
    needs_postgres!();
    let (server, folder) = (postgres::Server::start(), Directory::new());
    let file = folder.0.join("postgres.url");
    std::fs::write(&file, server.url()).expect("written");
    administrators_find_people(&format!("[store]\nkind = \"postgres\"\nurl_file = {file:?}\n"));
}

/// With this store, by its settings.
fn administrators_find_people(store: &str) {
    let (runtime, folder) = (runtime(), Directory::new());
    let secret = folder.0.join("admin.secret");
    std::fs::write(folder.0.join("magic.key"), KEY).expect("written");
    std::fs::write(&secret, "an-administrators-secret-of-some-length").expect("written");
    let stub = testing::Magic::new(KEY, "did:magic:my-app");
    let server = serve(&runtime, &stub);
    // One address, by e-mail and by Google: two issuers.
    let [ada, google, eve] = ["ada", "ada by Google", "eve"].map(Wallet::from_seed);
    for (wallet, email) in
        [(&ada, "ada@example.com"), (&google, "Ada@example.com"), (&eve, "eve@example.com")]
    {
        stub.add_user(TestUser::new(wallet.issuer()).email(email));
    }
    let config = folder.0.join("didt.toml");
    let text = format!(
        "audiences = [\"did:magic:my-app\"]\n[listen]\npublic = \"127.0.0.1:0\"\nprivate = \
         \"unix:{private}\"\n[admin]\nsecret_file = {secret:?}\n[magic]\nsecret_key_file = {key:?}\n\
         api_url = \"{url}\"\n{store}",
        private = folder.0.join("private.sock").display(),
        key = folder.0.join("magic.key"),
        url = server.url()
    );
    std::fs::write(&config, text).expect("written");
    let mut child = Command::new(env!("CARGO_BIN_EXE_didt"));
    child.args(["serve", "--config"]).arg(&config);
    let mut child = child.stdin(Stdio::null()).stderr(Stdio::piped()).run().expect("didt");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let (mut public, mut log) = (String::new(), Vec::new());
    // Tables are made while the listeners are there already.
    let mut awaited = vec!["private listener on"];
    awaited.extend((!store.is_empty()).then_some("are up to date"));
    for line in lines.by_ref().map_while(Result::ok) {
        if let Some((_, address)) = line.split_once("public listener on http://") {
            public = address.to_owned();
        }
        awaited.retain(|words| !line.contains(words));
        if awaited.is_empty() {
            break;
        }
        log.push(line);
    }
    assert!(!public.is_empty(), "didt does not serve: {log:#?}");
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    for wallet in [&ada, &ada, &google, &eve] {
        let token = wallet.token("did:magic:my-app").mint();
        assert_eq!(sign_in(&public, &token), 204);
    }

    let sessions = |args: &[&str]| {
        let mut didt = Command::new(env!("CARGO_BIN_EXE_didt"));
        let output = didt.arg("sessions").args(args).arg("--config").arg(&config).output();
        let output = output.expect("didt runs");
        assert!(output.status.success(), "{args:?}: {output:?}");
        let text = String::from_utf8(output.stdout).expect("text");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect::<Vec<Value>>()
    };
    assert_eq!(sessions(&["count"]), [serde_json::json!({ "people": 3, "sessions": 4 })]);
    let emails = |listed: &[Value]| {
        let emails = listed.iter().filter_map(|one| Some(one.get("email")?.as_str()?.to_owned()));
        let mut emails: Vec<_> = emails.collect();
        emails.sort();
        emails
    };
    let everybody = sessions(&["list"]);
    assert_eq!(emails(&everybody), ["Ada@example.com", "ada@example.com", "eve@example.com"]);
    let found = sessions(&["list", "--email", "ADA@Example.com"]);
    assert_eq!(emails(&found), ["Ada@example.com", "ada@example.com", "ada@example.com"]);
    assert_eq!(sessions(&["end", "--email", "ada@example.com"]).len(), 2, "two issuers");
    assert_eq!(emails(&sessions(&["list"])), ["eve@example.com"]);
    assert!(sessions(&["list", "--email", "nobody@example.com"]).is_empty());
    let of_eve = sessions(&["list", "--issuer", &eve.issuer().to_string()]);
    assert_eq!(emails(&of_eve), ["eve@example.com"]);

    // Without the secret nothing is said.
    std::fs::write(&secret, "another-secret-of-the-same-good-length").expect("written");
    let mut didt = Command::new(env!("CARGO_BIN_EXE_didt"));
    let output = didt.args(["sessions", "list", "--config"]).arg(&config).output().expect("didt");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    assert!(String::from_utf8_lossy(&output.stderr).contains("refuses the administrators' secret"));
}

/// The status of a sign-in by a program.
fn sign_in(address: &str, token: &str) -> u16 {
    let mut stream = std::net::TcpStream::connect(address).expect("a connection");
    let head = format!(
        "POST /auth/login HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
         Content-Length: 0\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("a connection");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
}
