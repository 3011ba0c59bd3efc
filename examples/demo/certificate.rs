//! A certificate for this run: made at start, gone at the end.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, fs, io, process};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// The certificate as a file, for `curl --cacert`. Removed when dropped.
pub(crate) struct CertificateFile {
    folder: PathBuf,
    path: PathBuf,
}

impl CertificateFile {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn write(pem: &str) -> io::Result<Self> {
        let moment = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let folder = format!("tower-didt-demo-{}-{moment}", process::id());
        let folder = env::temp_dir().join(folder);
        // Fails if the folder is there already: what is in it, nobody else has put there.
        fs::create_dir(&folder)?;
        let file = Self { path: folder.join("certificate.pem"), folder };
        fs::write(&file.path, pem)?;
        Ok(file)
    }
}

impl Drop for CertificateFile {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A fresh key and a certificate of it for `localhost`. The key stays in memory.
pub(crate) fn self_signed() -> Result<(TlsAcceptor, CertificateFile), Box<dyn Error>> {
    let names = ["localhost", "127.0.0.1", "::1"].map(String::from);
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names)?;
    let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((TlsAcceptor::from(Arc::new(config)), CertificateFile::write(&cert.pem())?))
}
