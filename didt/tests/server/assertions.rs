//! Assertions for the upstream, held against somebody else's cryptography: OpenSSL makes the key,
//! Node and, where it is installed, PyJWT check the signature with the key set that is served.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tower_didt::testing::Wallet;
use tower_didt_test_support::missing;

use crate::didt::{Didt, Directory, LISTEN, TOP, command};
use crate::http::{ask, get};

/// Reads `{"jwks":…,"assertion":…}` and prints the claims if the signature is right.
const VERIFY: &str = r#"
const { createPublicKey, verify } = require("node:crypto");
const { jwks, assertion } = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const [header, claims, signature] = assertion.split(".");
const { alg, kid } = JSON.parse(Buffer.from(header, "base64url"));
const jwk = JSON.parse(jwks).keys.find((key) => key.kid === kid && key.alg === alg);
const key = createPublicKey({ key: jwk, format: "jwk" });
const good = verify(
  alg === "EdDSA" ? null : "sha256",
  Buffer.from(`${header}.${claims}`),
  { key, dsaEncoding: "ieee-p1363" },
  Buffer.from(signature, "base64url"),
);
if (!good) throw new Error("a wrong signature");
process.stdout.write(Buffer.from(claims, "base64url"));
"#;

/// The same with PyJWT, as an upstream would.
const PYJWT: &str = r#"
import json, sys, jwt
given = json.load(sys.stdin)
keys = jwt.PyJWKSet.from_json(given["jwks"])
header = jwt.get_unverified_header(given["assertion"])
key = next(key for key in keys.keys if key.key_id == header["kid"])
claims = jwt.decode(given["assertion"], key.key, algorithms=["ES256", "EdDSA", "RS256"],
                    audience="https://api.example.com", issuer="https://auth.example.com")
print(json.dumps(claims))
"#;

/// Debian's Python, which has Debian's packages.
const PYTHON: &str = "/usr/bin/python3";

fn has_pyjwt() -> bool {
    let asked = Command::new(PYTHON).args(["-c", "import jwt, cryptography"]).output();
    let there = asked.is_ok_and(|output| output.status.success());
    if !there {
        missing("assertions verified by PyJWT", "PyJWT", &["TOWER_DIDT_REQUIRE_PYJWT"]);
    }
    there
}

fn openssl_key(directory: &Directory, name: &str, algorithm: &[&str]) -> PathBuf {
    let path = directory.0.join(name);
    let made =
        Command::new("openssl").arg("genpkey").args(algorithm).arg("-out").arg(&path).output();
    let made = made.expect("openssl");
    assert!(made.status.success(), "{made:?}");
    path
}

fn node(script: &str, input: &serde_json::Value) -> Result<String, String> {
    run(Command::new("node").args(["-e", script]), input)
}

fn pyjwt(input: &serde_json::Value) -> Result<String, String> {
    run(Command::new(PYTHON).args(["-c", PYJWT]), input)
}

fn run(command: &mut Command, input: &serde_json::Value) -> Result<String, String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    child.stdin.take().expect("piped").write_all(input.to_string().as_bytes()).expect("written");
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

/// A server that signs with the keys in this file.
fn didt_with(directory: &Directory, keys: &Path) -> Didt {
    let configuration = format!(
        "{TOP}{LISTEN}[assertion]\nissuer = \"https://auth.example.com\"\n\
         audience = \"https://api.example.com\"\nkey_file = {keys:?}\n"
    );
    Didt::spawn(&mut command(directory, &configuration))
}

/// What an upstream behind nginx is told of a request with a new token of this wallet's.
fn assertion_about(public: SocketAddr, wallet: &Wallet) -> String {
    let bearer = format!("Bearer {}", wallet.token("app").mint());
    let headers = [
        ("Authorization", bearer.as_str()),
        ("X-Original-Method", "GET"),
        ("X-Original-Scheme", "https"),
        ("X-Original-Host", "example.com"),
        ("X-Original-URI", "/"),
    ];
    let answer = ask(public, "GET", "/check/nginx", &headers);
    assert_eq!(answer.status, 200, "{answer:?}");
    let line = answer.head.lines().find_map(|line| line.strip_prefix("x-auth-assertion: "));
    line.unwrap_or_else(|| panic!("no assertion: {answer:?}")).to_owned()
}

#[test]
fn others_verify_what_is_signed_with_a_key_of_openssls() {
    let pyjwt_too = has_pyjwt();
    let algorithms: [(&str, &[&str]); 3] = [
        ("rsa.pem", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]),
        ("p256.pem", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]),
        ("ed25519.pem", &["-algorithm", "ED25519"]),
    ];
    for (name, algorithm) in algorithms {
        let directory = Directory::new();
        let key = openssl_key(&directory, name, algorithm);
        let mut didt = didt_with(&directory, &key);
        let public = didt.listens("public");

        let wallet = Wallet::from_seed(name);
        let assertion = assertion_about(public, &wallet);
        let jwks = get(public, "/auth/jwks.json").body;
        let check = |assertion: &str| {
            node(VERIFY, &serde_json::json!({ "jwks": jwks, "assertion": assertion }))
        };

        let claims: serde_json::Value =
            serde_json::from_str(&check(&assertion).expect("a right signature")).expect("JSON");
        assert_eq!(claims["sub"], wallet.issuer().to_string(), "{name}");
        assert_eq!(claims["aud"], "https://api.example.com", "{name}");
        if pyjwt_too {
            let verified = pyjwt(&serde_json::json!({ "jwks": jwks, "assertion": assertion }));
            let read: serde_json::Value =
                serde_json::from_str(&verified.expect("PyJWT agrees")).expect("JSON");
            assert_eq!(read, claims, "{name}");
        }
        let (head, rest) = assertion.split_once('.').expect("three parts");
        let forged = format!("{head}.e30.{}", rest.split_once('.').expect("three parts").1);
        let refusal = check(&forged).expect_err("another claim is not what was signed");
        assert!(refusal.contains("a wrong signature"), "{refusal}");
    }
}

#[test]
fn a_new_key_signs_after_a_reload_and_the_old_one_stays_published() {
    let directory = Directory::new();
    let made = |kind: &str, more: &[&str]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_didt")).arg("keygen").arg(kind).args(more).output();
        String::from_utf8(output.expect("didt").stdout).expect("text")
    };
    let old = made("ed25519", &["--until", "2999-01-01T00:00:00Z"]);
    let path = directory.0.join("assertion.key");
    std::fs::write(&path, &old).expect("a file");
    let mut didt = didt_with(&directory, &path);
    let public = didt.listens("public");
    let private = didt.listens("private");
    let wallet = Wallet::from_seed("a");
    let assertion = || assertion_about(public, &wallet);
    let before = assertion();
    let reloaded = |word: &str, count: u64| {
        didt.signal("HUP");
        let line = format!("didt_config_reloads_total{{outcome=\"{word}\"}} {count}");
        let soon = || get(private, "/metrics").body.contains(&line);
        assert!(
            (0..500).any(|_| soon() || {
                std::thread::sleep(std::time::Duration::from_millis(10));
                false
            }),
            "{line}"
        );
    };
    // A key whose time is over signs nothing: the reload is refused, and the old one goes on.
    std::fs::write(&path, made("p256", &["--until", "2001-01-01T00:00:00Z"])).expect("a file");
    reloaded("refused", 1);
    assert_eq!(assertion().split('.').next(), before.split('.').next());

    let new = made("p256", &["--from", "2020-01-01T00:00:00Z"]);
    std::fs::write(&path, format!("{new}{old}")).expect("a file");
    reloaded("applied", 1);
    let after = assertion();
    assert_ne!(after.split('.').next(), before.split('.').next());
    let jwks = get(public, "/auth/jwks.json").body;
    for assertion in [before, after] {
        node(VERIFY, &serde_json::json!({ "jwks": jwks, "assertion": assertion }))
            .expect("both are published");
    }
}
