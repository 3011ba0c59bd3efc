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
