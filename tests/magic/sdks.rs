//! Magic's own SDKs read from the stub what our client reads, so the stub is what they expect.
//!
//! `fixtures/crosscheck/people` installs the SDKs and names their folder in `TOWER_DIDT_SDKS`.
//! Without it, these tests say so and compare nothing.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use tower_didt::magic::{Email, UserWallet};
use tower_didt::testing::{Generation, TestUser, Wallet};
use tower_didt_test_support::not_run;

use super::support::{APP, KEY, NOW, api, issuer, stub};

/// The folder that the SDKs are installed in.
fn sdks() -> Option<PathBuf> {
    let folder = std::env::var_os("TOWER_DIDT_SDKS").map(PathBuf::from);
    if folder.is_none() {
        not_run("tests against Magic's SDKs", "TOWER_DIDT_SDKS does not name their folder");
    }
    folder
}

fn script(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/crosscheck").join(name)
}

/// Runs an SDK against the stub and compares what it reads with what our client does.
async fn compare(sdk: impl Fn(&str, &str) -> Command) {
    let stub = stub();
    let server = stub.serve().await.expect("a server");
    let users = [
        TestUser::new(issuer("ada")).email("ada@example.com"),
        TestUser::new(issuer("grace")).phone_number("+14155550100").oauth_provider("google"),
        TestUser::new(issuer("alan")).username("alan").wallet("SOLANA", "MAINNET", "7EcDhSYG"),
    ];
    for (user, name) in users.into_iter().zip(["ada", "grace", "alan"]) {
        stub.add_user(user);
        let issuer = Wallet::from_seed(name).issuer();
        let mut sdk = sdk(&server.url(), &issuer.to_string());
        let output = tokio::task::spawn_blocking(move || sdk.output()).await;
        let output = output.expect("no panic").expect("the SDK's program");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let theirs: Value = serde_json::from_slice(&output.stdout).expect("JSON");

        let api = api(&stub).with_wallets("SOLANA").expect("a kind");
        let user = api.user(issuer, NOW).await.expect("a user");
        let ours = json!({
            "client_id": api.client_id().await.expect("a client id"),
            "issuer": user.issuer(),
            "email": user.email().map(Email::as_str),
            "phone_number": user.phone_number(),
            "oauth_provider": user.oauth_provider(),
            "username": user.username(),
            "wallet": user.wallets().first().map(UserWallet::public_address),
        });
        assert_eq!(theirs, ours);
        assert_eq!(theirs["client_id"], APP);
        assert_eq!(stub.signed_out().last(), Some(&issuer));
    }
    // What these generations of SDKs speak is the new API.
    stub.set_generation(Generation::Old);
    assert!(stub.seen().iter().all(|request| !request.uri.path().contains("/auth/")));
}

#[tokio::test]
async fn the_sdk_for_node_reads_the_same_users() {
    let Some(folder) = sdks() else { return };
    compare(|url, issuer| {
        let mut node = Command::new("node");
        node.arg(script("people.mjs")).arg(&folder).args([url, KEY, issuer]);
        node
    })
    .await;
}

#[tokio::test]
async fn the_sdk_for_python_reads_the_same_users() {
    let Some(folder) = sdks() else { return };
    compare(|url, issuer| {
        let mut python = Command::new(folder.join("venv/bin/python"));
        python.env("PYTHONDONTWRITEBYTECODE", "1");
        python.arg(script("people.py")).args([url, KEY, issuer]);
        python
    })
    .await;
}

/// The guide on migrating shows a server with Magic's SDK beside ours, so the former must work.
#[tokio::test]
async fn the_server_that_the_guide_on_migrating_starts_from_signs_in_and_out() {
    let Some(folder) = sdks() else { return };
    let stub = stub();
    stub.add_user(TestUser::new(issuer("ada")).email("ada@example.com"));
    let server = stub.serve().await.expect("a server");
    let wallet = Wallet::from_seed("ada");
    let mut node = Command::new("node");
    node.arg(script("migrating.mjs")).arg(&folder).args([&server.url(), KEY]);
    node.arg(wallet.token(APP).mint());
    node.arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/migrating.md"));
    let output = tokio::task::spawn_blocking(move || node.output()).await;
    let output = output.expect("no panic").expect("node");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answers: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        answers,
        json!({
            "login": { "email": "ada@example.com" },
            "user": { "issuer": wallet.issuer(), "email": "ada@example.com" },
            "logout": 204,
        })
    );
    assert_eq!(stub.signed_out(), [wallet.issuer()]);
}
