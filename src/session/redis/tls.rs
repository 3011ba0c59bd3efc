//! TLS to a server, with or without a certificate of our own.

use std::fmt;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use super::RedisConfigError;
use super::fault::Fault;
use crate::tls::{UnusableRoots, client_trusting};

/// Certificates and keys, as PEM. `Debug` shows nothing.
#[derive(Clone, Default)]
pub(super) struct Certificates {
    pub(super) roots: Option<Vec<u8>>,
    pub(super) client: Option<(Vec<u8>, Vec<u8>)>,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificates(redacted)")
    }
}

/// How to talk TLS.
#[derive(Clone)]
pub(super) struct Tls(TlsConnector);

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// Trusts `roots` if there are any, else what the operating system trusts.
    pub(super) fn new(certificates: &Certificates) -> Result<Self, RedisConfigError> {
        let invalid = RedisConfigError::InvalidCertificates;
        let config =
            client_trusting(certificates.roots.as_deref()).map_err(|UnusableRoots| invalid)?;
        let config = match &certificates.client {
            Some((chain, key)) => {
                let chain = CertificateDer::pem_slice_iter(chain)
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(|_| invalid)?;
                let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| invalid)?;
                config.with_client_auth_cert(chain, key).map_err(|_| invalid)?
            }
            None => config.with_no_client_auth(),
        };
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    pub(super) async fn connect(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, Fault> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| Fault::unavailable("the server's name cannot be in a certificate"))?;
        Ok(self.0.connect(name, stream).await?)
    }
}
