//! Right gateways pass, with TLS and without.

use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::fault::Fault;
use super::gateway::Gateway;
use super::process::{AUDIENCE, Process, Report, doctor, examine, examine_with};

fn assert_all_passed(report: &Report) {
    for outcome in ["failed", "warning", "skipped", "unknown"] {
        assert!(report.with(outcome).is_empty(), "{}", report.text);
    }
    assert_eq!((report.with("passed").len(), report.code), (26, 0), "{}", report.text);
}

#[test]
fn a_right_gateway_passes_everything() {
    let echo = Process::echo();
    assert_all_passed(&examine(&Gateway::start(Fault::None, &echo).url));
}

#[test]
fn the_example_of_a_gateway_passes_everything() {
    let echo = Process::echo();
    let gateway = Process::example(&echo.url);
    assert_all_passed(&examine(&gateway.url));
}

#[test]
fn a_right_gateway_passes_everything_over_tls() {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("a configuration");
    let ca = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("doctor-{}.pem", std::process::id()));
    std::fs::write(&ca, cert.pem()).expect("written");

    let echo = Process::echo();
    let gateway =
        Gateway::start_with(Fault::None, &echo, Some(TlsAcceptor::from(Arc::new(config))));
    let path = ca.to_str().expect("text");
    let trusting = ["--seed", "alice", "--audience", AUDIENCE, "--ca", path];
    let report = examine_with(&gateway.url, &trusting);
    let distrusting = doctor(&[&format!("{}/private", gateway.url)]);
    std::fs::remove_file(&ca).expect("removed");

    assert_eq!(distrusting.status.code(), Some(2));
    let complaint = String::from_utf8_lossy(&distrusting.stderr);
    assert!(complaint.contains("certificate"), "{complaint}");
    assert_all_passed(&report);
}

#[test]
fn a_secret_key_is_tried_where_there_is_one() {
    use tower_didt::testing::{self, Magic};
    use tower_didt_test_support::directory::Directory;

    let (folder, echo) = (Directory::new(), Process::echo());
    let gateway = Gateway::start(Fault::None, &echo);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let stub = Magic::new("sk_test_N33DL3", AUDIENCE);
    let server = runtime.block_on(stub.serve()).expect("a port");
    let key = folder.0.join("magic.key");
    std::fs::write(&key, "sk_test_N33DL3\n").expect("written");
    let key = key.to_str().expect("text");
    let examine = |audience: &str| {
        let url = server.url();
        let of_key = ["--secret-key-file", key, "--api-url", &url];
        let args = [&["--seed", "alice", "--audience", audience], &of_key[..]].concat();
        let report = examine_with(&gateway.url, &args);
        assert!(!report.text.contains("N33DL3"), "{}", report.text);
        report
    };
    let report = examine(AUDIENCE);
    assert!(report.with("passed").contains(&"secret-key"), "{}", report.text);
    assert!(report.text.contains(AUDIENCE) && report.code == 0, "{}", report.text);

    stub.fail_always(Some(testing::Fault::Reset));
    assert!(examine(AUDIENCE).with("unknown").contains(&"secret-key"));
    stub.fail_always(None);
    stub.change_key("sk_test_other");
    assert_eq!(examine(AUDIENCE).with("failed"), ["secret-key"]);
    let other = Magic::new("sk_test_N33DL3", "did:magic:another");
    let server_of_other = runtime.block_on(other.serve()).expect("a port");
    let url = server_of_other.url();
    let args =
        ["--seed", "alice", "--audience", AUDIENCE, "--secret-key-file", key, "--api-url", &url];
    let report = examine_with(&gateway.url, &args);
    assert_eq!(report.with("failed"), ["secret-key"], "{}", report.text);
    assert!(report.found("secret-key").contains("did:magic:another"));
}
