//! TLS: rustls with ring.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{self, ServerConfig};

use crate::serve::config::{TlsFiles, read_file};

/// What is spoken inside, best first (RFC 7301).
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// A certificate and its key.
#[derive(Clone, Debug)]
pub(crate) struct Tls(Arc<ServerConfig>);

impl Tls {
    /// Reads the files.
    pub(crate) fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        read(files).map(Arc::new).map(Self)
    }

    pub(super) fn into_config(self) -> Arc<ServerConfig> {
        self.0
    }
}

fn read(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
    let TlsFiles { certificate, key } = files;
    // As all files that settings name: regular ones, and no longer than those may be.
    let contents = |path: &PathBuf| {
        read_file(path).map_err(|cause| TlsError::Unreadable(path.clone(), pem::Error::Io(cause)))
    };
    let chain = CertificateDer::pem_slice_iter(&contents(certificate)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|cause| TlsError::Unreadable(certificate.clone(), cause))?;
    if chain.is_empty() {
        return Err(TlsError::Unreadable(certificate.clone(), pem::Error::NoItemsFound));
    }
    let private = PrivateKeyDer::from_pem_slice(&contents(key)?)
        .map_err(|cause| TlsError::Unreadable(key.clone(), cause))?;
    // The provider by name: the process's default may be missing or ambiguous,
    // and rustls panics then.
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Refused)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(TlsError::Refused)?;
    config.alpn_protocols = PROTOCOLS.iter().map(|name| name.to_vec()).collect();
    Ok(config)
}

/// A certificate or key that cannot be used. Shows nothing of the key.
#[derive(Debug)]
pub(crate) enum TlsError {
    Unreadable(PathBuf, pem::Error),
    Refused(rustls::Error),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(path, pem::Error::Io(cause)) => match cause.kind() {
                io::ErrorKind::NotFound => write!(f, "there is no file {path:?}"),
                io::ErrorKind::PermissionDenied => write!(f, "no permission to read {path:?}"),
                _ => write!(f, "cannot read {path:?}: {cause}"),
            },
            Self::Unreadable(path, pem::Error::NoItemsFound) => {
                write!(f, "{path:?} does not contain the expected PEM item")
            }
            // What else the reader tells may quote the file.
            Self::Unreadable(path, _) => write!(f, "{path:?} is not a PEM file"),
            Self::Refused(rustls::Error::InconsistentKeys(_)) => {
                f.write_str("the key does not belong to the certificate")
            }
            Self::Refused(cause) => write!(f, "the certificate or its key is unusable: {cause}"),
        }
    }
}
