//! TLS, with certificates made for the occasion.

use std::process::Command;

use tower_didt::{RedisConfigError, RedisStore};

use crate::server::{Directory, Server, available, free_port, needs_redis};
use crate::support::{opens, sign_in, warm};

const SECRET: &str = "hunter2hunter2";

/// Makes a CA, and a certificate of it for `localhost` and 127.0.0.1.
fn certificates(directory: &std::path::Path) -> bool {
    let script = "
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
            -keyout ca.key -out ca.pem -subj /CN=ca -addext basicConstraints=critical,CA:TRUE &&
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
            -keyout server.key -out server.csr -subj /CN=localhost &&
        printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\n' > ext &&
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
            -out server.pem -extfile ext";
    let run = Command::new("sh").args(["-c", script]).current_dir(directory).output();
    run.is_ok_and(|output| output.status.success())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_over_tls_and_no_others_than_with_the_right_certificate() {
    needs_redis!();
    if !available("openssl", module_path!()) {
        return;
    }
    let directory = Directory::new();
    assert!(certificates(&directory.0), "openssl makes the certificates");
    let path = |name: &str| directory.0.join(name).to_str().expect("UTF-8").to_owned();
    let (ca, pem, key) = (path("ca.pem"), path("server.pem"), path("server.key"));
    let port = free_port();
    let server = Server::within(
        directory,
        &[
            "--tls-port",
            &port.to_string(),
            "--tls-cert-file",
            &pem,
            "--tls-key-file",
            &key,
            "--tls-ca-cert-file",
            &ca,
            "--tls-auth-clients",
            "yes",
            "--requirepass",
            SECRET,
        ],
    );
    let root = std::fs::read(&ca).expect("a certificate");
    let (chain, key) = (std::fs::read(&pem).expect("a file"), std::fs::read(&key).expect("a file"));
    let builder = RedisStore::builder(format!("rediss://:{SECRET}@localhost:{port}"));
    let trusting = builder.clone().with_root_certificates(root);
    let known = trusting.clone().with_client_certificate(chain, key);

    let store = known.connect().await.expect("a store");
    let (ticket, _) = sign_in(&store, "alice").await;
    warm(&store, &ticket).await;
    let other = known.connect().await.expect("a store");
    assert!(opens(&other, &ticket).await);

    assert!(trusting.connect().await.is_err(), "without a certificate of its own");
    if let Ok(distrusting) = builder.open() {
        assert!(distrusting.ping().await.is_err(), "a server that nobody vouches for");
    }
    let bad = builder.clone().with_root_certificates("no PEM").open();
    assert_eq!(bad.expect_err("no certificate"), RedisConfigError::InvalidCertificates);
    drop(server);
}
