//! Certificates, and clients that trust them.

use std::path::Path;
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// A self-signed certificate and its key.
#[derive(Debug)]
pub struct Certificate {
    /// The certificate.
    pub der: CertificateDer<'static>,
    /// The certificate as text.
    pub pem: String,
    /// Its private key as text (PKCS #8).
    pub key: String,
}

impl Certificate {
    /// A new certificate for this host name.
    #[must_use]
    pub fn of(host: &str) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed([host.to_owned()]).expect("a certificate");
        Self { der: cert.der().clone(), pem: cert.pem(), key: signing_key.serialize_pem() }
    }

    /// Writes certificate and key into files.
    pub fn write(&self, certificate: &Path, key: &Path) {
        std::fs::write(certificate, &self.pem).expect("a file");
        std::fs::write(key, &self.key).expect("a file");
    }
}

/// A client's settings that trust these certificates and no others.
///
/// # Panics
///
/// If one of them cannot be a root.
#[must_use]
pub fn trusting(certificates: &[&Certificate]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate.der.clone()).expect("a root");
    }
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}
