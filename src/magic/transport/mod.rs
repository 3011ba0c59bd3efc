//! The built-in way to Magic: HTTP/1.1 over rustls with ring, through a proxy where the environment
//! names one.

mod connect;
mod stream;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio_rustls::TlsConnector;
use tower_service::Service;

use self::connect::Connect;
use super::MagicConfigError;
use crate::tls::{UnusableRoots, client_trusting};

/// How long an unused connection is kept: less than the 60 s after which common load balancers
/// close theirs.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);

/// How many unused connections are kept. Look-ups of new issuers come in bursts, seldom larger.
const MAX_IDLE: usize = 16;

/// The largest head of an answer, in bytes, beyond which it is refused.
const MAX_HEAD_LEN: usize = 32 * 1024;

/// The built-in transport: a `tower::Service` that sends requests over HTTPS.
///
/// TLS is rustls with ring, trusting what the operating system trusts (`SSL_CERT_FILE` and
/// `SSL_CERT_DIR` name something else). Follows no redirects. Where the environment has
/// `HTTPS_PROXY` (or `ALL_PROXY`, in either case), connections go through that proxy by `CONNECT`,
/// but for the hosts in `NO_PROXY`: domains (each with all below it), addresses and networks
/// (`10.0.0.0/8`), separated by commas, or `*`. Needs a Tokio runtime. Clones share their
/// connections.
#[derive(Clone)]
pub struct Transport(Client<Connect, String>);

impl Transport {
    /// A transport that trusts what the operating system trusts.
    ///
    /// # Errors
    ///
    /// [`MagicConfigError::UnusableRoots`] if the operating system has no trusted certificates;
    /// [`MagicConfigError::UnsupportedProxy`] if the environment names a proxy that is not
    /// `http://`.
    pub fn new() -> Result<Self, MagicConfigError> {
        Self::trusting(None)
    }

    /// A transport that trusts these certificates (PEM, one or several) and no others.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), and if this is not PEM.
    pub fn with_root_certificates(pem: impl AsRef<[u8]>) -> Result<Self, MagicConfigError> {
        Self::trusting(Some(pem.as_ref()))
    }

    fn trusting(roots: Option<&[u8]>) -> Result<Self, MagicConfigError> {
        let unusable = |UnusableRoots| MagicConfigError::UnusableRoots;
        let mut tls = client_trusting(roots).map_err(unusable)?.with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let connect = Connect::new(TlsConnector::from(Arc::new(tls)))?;
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(MAX_IDLE)
            .http1_max_buf_size(MAX_HEAD_LEN)
            .build(connect);
        Ok(Self(client))
    }
}

impl Service<Request<String>> for Transport {
    type Response = Response<Incoming>;
    type Error = legacy::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<String>) -> Self::Future {
        Box::pin(self.0.request(request))
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}
