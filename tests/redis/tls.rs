//! TLS, with a certificate made for the occasion.

use tower_didt::RedisStore;
use tower_didt::redis::RedisConfigError;
use tower_didt::store::SessionStore;

use tower_didt_test_support::certificate::Certificate;
use tower_didt_test_support::directory::Directory;
use tower_didt_test_support::needs_redis;
use tower_didt_test_support::redis::{Server, free_port};
use tower_didt_test_support::sessions::{opens, sign_in, warm};

const SECRET: &str = "hunter2hunter2";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_over_tls_and_no_others_than_with_the_right_certificate() {
    needs_redis!();
    let directory = Directory::new();
    let certificate = Certificate::of("localhost");
    let path = |name: &str| directory.0.join(name).to_str().expect("UTF-8").to_owned();
    // Vouches for itself, on both sides.
    let (pem, key) = (path("server.pem"), path("server.key"));
    certificate.write(pem.as_ref(), key.as_ref());
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
            &pem,
            "--tls-auth-clients",
            "yes",
            "--requirepass",
            SECRET,
        ],
    );
    let builder = RedisStore::builder(format!("rediss://:{SECRET}@localhost:{port}"));
    let trusting = builder.clone().with_root_certificates(&*certificate.pem);
    let known = trusting.clone().with_client_certificate(&*certificate.pem, &*certificate.key);

    let store = known.connect().await.expect("a store");
    let (ticket, _) = sign_in(&store, "alice").await;
    warm(&store, &ticket).await;
    let other = known.connect().await.expect("a store");
    assert!(opens(&other, &ticket).await);

    assert!(trusting.connect().await.is_err(), "without a certificate of its own");
    if let Ok(distrusting) = builder.open() {
        assert!(distrusting.ready().await.is_err(), "a server that nobody vouches for");
    }
    let bad = builder.clone().with_root_certificates("no PEM").open();
    assert_eq!(bad.expect_err("no certificate"), RedisConfigError::InvalidCertificates);
    drop(server);
}
