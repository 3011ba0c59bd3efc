//! HTTPS, and certificates that change while it serves.

use rustls_pki_types::{CertificateDer, ServerName};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower_didt_test_support::certificate::{Certificate, trusting};

use super::*;
use crate::serve::config::TlsFiles;

fn files(directory: &Directory) -> TlsFiles {
    TlsFiles { certificate: directory.0.join("certificate.pem"), key: directory.0.join("key.pem") }
}

fn write(files: &TlsFiles, certificate: &str, key: &str) {
    std::fs::write(&files.certificate, certificate).expect("a file");
    std::fs::write(&files.key, key).expect("a file");
}

/// A client that trusts these certificates and offers these protocols.
async fn connect(
    server: &Running,
    trusted: &[&Certificate],
    protocols: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut config = trusting(trusted);
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, server.connect().await).await
}

/// The certificate that a new connection is shown.
async fn shown(server: &Running, trusted: &[&Certificate]) -> CertificateDer<'static> {
    let stream = connect(server, trusted, &[]).await.expect("a handshake");
    let chain = stream.get_ref().1.peer_certificates().expect("a chain");
    chain[0].clone()
}

#[tokio::test]
async fn https_speaks_what_the_client_prefers() {
    let (directory, own) = (Directory::new(), Certificate::of("localhost"));
    let files = files(&directory);
    write(&files, &own.pem, &own.key);
    let tls = Tls::load(&files).expect("a certificate");
    let server = Running::start(routes().0, Limits::default(), Some(tls)).await;

    let stream = connect(&server, &[&own], &["h2", "http/1.1"]).await.expect("a handshake");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, _) = http2(stream).await;
    let response = soon("an answer", sender.send_request(request("/peer"))).await.expect("one");
    assert_eq!(text(response).await, "Ip(127.0.0.1)");

    for protocols in [&["http/1.1"][..], &[]] {
        let mut stream = connect(&server, &[&own], protocols).await.expect("a handshake");
        send(&mut stream, &get_of("/peer")).await;
        assert!(answer(&mut stream).await.ends_with("Ip(127.0.0.1)"));
    }

    assert!(
        connect(&server, &[&Certificate::of("localhost")], &[]).await.is_err(),
        "somebody else's certificate"
    );
    let mut plain = server.connect().await;
    send(&mut plain, &get_of("/peer")).await;
    let mut answer = Vec::new();
    let _ = soon("the end", plain.read_to_end(&mut answer)).await;
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP"), "plain HTTP is not answered");
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_new_connections_and_a_bad_one_to_nobody() {
    let (directory, old, new) =
        (Directory::new(), Certificate::of("localhost"), Certificate::of("localhost"));
    let files = files(&directory);
    write(&files, &old.pem, &old.key);
    let tls = Tls::load(&files).expect("a certificate");
    let server = Running::start(routes().0, Limits::default(), Some(tls)).await;
    let both = [&old, &new];
    let mut living = connect(&server, &both, &[]).await.expect("a handshake");

    let bad = [
        ("no PEM", new.key.as_str(), "does not contain the expected PEM item"),
        (new.pem.as_str(), "no PEM", "does not contain the expected PEM item"),
        (new.pem.as_str(), old.key.as_str(), "the key does not belong to the certificate"),
        (
            "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n",
            &new.key,
            "is not a PEM file",
        ),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &new.key, "is unusable"),
    ];
    for (certificate, key, expected) in bad {
        write(&files, certificate, key);
        let error = Tls::load(&files).expect_err(expected).to_string();
        assert!(error.contains(expected) && !error.contains('\n'), "{error}");
        assert_eq!(shown(&server, &both).await, old.der, "{expected}");
    }
    std::fs::remove_file(&files.key).expect("a file");
    let error = Tls::load(&files).expect_err("no file").to_string();
    assert!(error.starts_with("there is no file "), "{error}");
    assert_eq!(shown(&server, &both).await, old.der);

    write(&files, &new.pem, &new.key);
    let tls = Tls::load(&files).expect("a certificate");
    server.current.replace(Serving::new(routes().0, Some(tls), Limits::default()));
    assert_eq!(shown(&server, &both).await, new.der);
    send(&mut living, &get_of("/peer")).await;
    assert!(answer(&mut living).await.starts_with("HTTP/1.1 200"), "the old connection lives on");
}

#[tokio::test]
async fn a_handshake_that_does_not_come_ends_the_connection() {
    let (directory, own) = (Directory::new(), Certificate::of("localhost"));
    let files = files(&directory);
    write(&files, &own.pem, &own.key);
    let tls = Tls::load(&files).expect("a certificate");
    let limits =
        Limits { header_timeout: Duration::from_millis(500), connections: 1, ..Limits::default() };
    let server = Running::start(routes().0, limits, Some(tls)).await;
    for beginning in ["", "\x16\x03\x01\x02\x00"] {
        let mut stream = server.connect().await;
        send(&mut stream, beginning).await;
        assert_eq!(rest(&mut stream).await, "");
    }
    assert!(connect(&server, &[&own], &[]).await.is_ok(), "its place is free again");
}
