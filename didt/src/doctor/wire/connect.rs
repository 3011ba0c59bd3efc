//! Connections, with TLS and without.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

use super::{Answer, Error, Request, Url};

/// Which authorities may have issued a gateway's certificate.
pub(crate) enum Roots<'a> {
    /// What the operating system trusts.
    System,
    /// Only the certificates in this PEM file.
    File(&'a Path),
}

/// Sends requests, each over its own connection.
pub(crate) struct Connector {
    tls: TlsConnector,
    timeout: Duration,
}

impl Connector {
    /// `timeout` is for a whole exchange.
    pub(crate) fn new(roots: &Roots<'_>, timeout: Duration) -> Result<Self, String> {
        let mut store = RootCertStore::empty();
        match roots {
            Roots::System => {
                store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
            Roots::File(path) => {
                let wrong = |error: String| format!("{}: {error}", path.display());
                let certificates = CertificateDer::pem_file_iter(path);
                for certificate in certificates.map_err(|error| wrong(error.to_string()))? {
                    let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
                    store.add(certificate).map_err(|error| wrong(error.to_string()))?;
                }
                if store.is_empty() {
                    return Err(wrong("there is no certificate in it".to_owned()));
                }
            }
        }
        // The provider by name: the process's default may be ambiguous, and rustls panics then.
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(store)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { tls: TlsConnector::from(Arc::new(config)), timeout })
    }

    /// Sends `request` to where `url` leads.
    pub(crate) async fn send(&self, url: &Url, request: &Request) -> Result<Answer, Error> {
        let exchange = async {
            let stream = TcpStream::connect((url.host.as_str(), url.port)).await;
            let stream = stream.map_err(Error::Connect)?;
            if !url.https {
                return exchange(stream, request).await;
            }
            let name = ServerName::try_from(url.host.clone());
            let name = name.map_err(|error| Error::Connect(io::Error::other(error)))?;
            let stream = self.tls.connect(name, stream).await.map_err(Error::Connect)?;
            exchange(stream, request).await
        };
        timeout(self.timeout, exchange).await.unwrap_or(Err(Error::Late))
    }
}

async fn exchange<S>(mut stream: S, request: &Request) -> Result<Answer, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // A server may answer and close before it has read everything: the answer counts.
    if stream.write_all(&request.bytes()).await.is_ok() {
        let _ = stream.flush().await;
    }
    Answer::read(&mut stream, request.is_head()).await
}
