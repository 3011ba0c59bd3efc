//! SIGHUP, and the certificate that is shown then.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tower_didt_test_support::certificate::{Certificate, trusting};

use crate::didt::{Didt, Directory, LISTEN, TOP, command, file};

async fn connect(address: SocketAddr, trusted: &[&Certificate]) -> TlsStream<TcpStream> {
    let config = trusting(trusted);
    let stream = TcpStream::connect(address).await.expect("a connection");
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("a handshake")
}

fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().expect("a chain")[0].clone()
}

#[tokio::test]
async fn sighup_reads_the_certificate_again_and_keeps_the_old_one_where_the_new_is_bad() {
    let (old, new) = (Certificate::of("localhost"), Certificate::of("localhost"));
    let directory = Directory::new();
    let pem = file(&directory, "certificate.pem", &old.pem);
    let key = file(&directory, "key.pem", &old.key);
    let tls = format!("[listen.tls]\ncertificate = {pem:?}\nkey = {key:?}\n");
    let mut didt = Didt::spawn(&mut command(&directory, &format!("{TOP}{LISTEN}{tls}")));
    let public = didt.listens("public");
    didt.line_with(&format!("didt: public listener on https://{public}"));
    let both = [&old, &new];
    let mut living = connect(public, &both).await;
    assert_eq!(shown(&living), old.der);

    // The key of another certificate: as between the two writes of a renewal.
    std::fs::write(&pem, &new.pem).expect("a file");
    didt.signal("HUP");
    let line = didt.line_with("keeping the current settings");
    assert!(line.contains("ERROR") && line.contains("the key does not belong"), "{line}");
    assert!(!didt.said.join("\n").contains("PRIVATE KEY"));
    assert_eq!(shown(&connect(public, &both).await), old.der);

    std::fs::write(&key, &new.key).expect("a file");
    didt.signal("HUP");
    let line = didt.line_with("settings reloaded");
    assert!(line.contains("listen.tls.certificate, listen.tls.key"), "{line}");
    assert_eq!(shown(&connect(public, &both).await), new.der);

    living.write_all(b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("a connection");
    let mut answer = [0; 9];
    living.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 ", "the old connection lives on");
}
