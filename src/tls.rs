//! TLS clients: rustls with ring, whatever else the process uses.

use std::sync::Arc;

use tokio_rustls::rustls::client::WantsClientCert;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, ConfigBuilder, RootCertStore, crypto::ring};

/// Certificates that cannot be used: not PEM, or none at all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UnusableRoots;

/// A client that trusts `roots` (PEM) if there are any, else what the operating system trusts.
pub(crate) fn client_trusting(
    roots: Option<&[u8]>,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, UnusableRoots> {
    let mut trusted = RootCertStore::empty();
    match roots {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|_| UnusableRoots)?;
                trusted.add(certificate).map_err(|_| UnusableRoots)?;
            }
        }
        None => {
            trusted.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if trusted.is_empty() {
        return Err(UnusableRoots);
    }
    // The provider by name: the process's default may be missing or ambiguous, and rustls
    // panics then.
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|_| UnusableRoots)?;
    Ok(config.with_root_certificates(trusted))
}
