//! Assertions for the upstream, held against somebody else's cryptography: OpenSSL makes the key,
//! Node checks the signature with the key set that is served. Needs both; without them it fails.

use std::io::Write;
use std::process::{Command, Stdio};

use tower_didt::testing::Wallet;

use crate::didt::{Didt, Directory, LISTEN, TOP, command};
use crate::http::{Answer, ask, get};

/// Reads `{"jwks":…,"assertion":…}` and prints the claims if the signature is right.
const VERIFY: &str = r#"
const { createPublicKey, verify } = require("node:crypto");
const { jwks, assertion } = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const [header, claims, signature] = assertion.split(".");
const { alg, kid } = JSON.parse(Buffer.from(header, "base64url"));
const jwk = JSON.parse(jwks).keys.find((key) => key.kid === kid && key.alg === alg);
const key = createPublicKey({ key: jwk, format: "jwk" });
const good = verify(
  alg === "ES256" ? "sha256" : null,
  Buffer.from(`${header}.${claims}`),
  { key, dsaEncoding: "ieee-p1363" },
  Buffer.from(signature, "base64url"),
);
if (!good) throw new Error("a wrong signature");
process.stdout.write(Buffer.from(claims, "base64url"));
"#;

fn openssl_key(directory: &Directory, name: &str, algorithm: &[&str]) -> std::path::PathBuf {
    let path = directory.0.join(name);
    let made =
        Command::new("openssl").arg("genpkey").args(algorithm).arg("-out").arg(&path).output();
    let made = made.expect("openssl");
    assert!(made.status.success(), "{made:?}");
    path
}

fn node(script: &str, input: &serde_json::Value) -> Result<String, String> {
    let mut child = Command::new("node")
        .args(["-e", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("node");
    child.stdin.take().expect("piped").write_all(input.to_string().as_bytes()).expect("written");
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

fn header(answer: &Answer, name: &str) -> String {
    let line = answer.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
    line.unwrap_or_else(|| panic!("no {name}: {answer:?}")).to_owned()
}

#[test]
fn others_verify_what_is_signed_with_a_key_of_openssls() {
    let algorithms: [(&str, &[&str]); 2] = [
        ("p256.pem", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]),
        ("ed25519.pem", &["-algorithm", "ED25519"]),
    ];
    for (name, algorithm) in algorithms {
        let directory = Directory::new();
        let key = openssl_key(&directory, name, algorithm);
        let configuration = format!(
            "{TOP}{LISTEN}[assertion]\nissuer = \"https://auth.example.com\"\n\
             audience = \"https://api.example.com\"\nkey_file = {key:?}\n"
        );
        let mut didt = Didt::spawn(&mut command(&directory, &configuration));
        let public = didt.listens("public");

        let wallet = Wallet::from_seed(name);
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
        let assertion = header(&answer, "x-auth-assertion");
        let jwks = get(public, "/auth/jwks.json").body;
        let check = |assertion: &str| {
            node(VERIFY, &serde_json::json!({ "jwks": jwks, "assertion": assertion }))
        };

        let claims: serde_json::Value =
            serde_json::from_str(&check(&assertion).expect("a right signature")).expect("JSON");
        assert_eq!(claims["sub"], wallet.issuer().to_string(), "{name}");
        assert_eq!(claims["aud"], "https://api.example.com", "{name}");
        let (head, rest) = assertion.split_once('.').expect("three parts");
        let forged = format!("{head}.e30.{}", rest.split_once('.').expect("three parts").1);
        let refusal = check(&forged).expect_err("another claim is not what was signed");
        assert!(refusal.contains("a wrong signature"), "{refusal}");
    }
}
