//! A connection to Magic: direct or through a proxy, then TLS.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tower_service::Service;

use super::super::MagicConfigError;
use super::stream::Stream;

/// How long one address may take to accept a connection. A call's own budget is usually shorter.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Makes connections.
#[derive(Clone)]
pub(super) struct Connect {
    tcp: HttpConnector,
    tls: TlsConnector,
    proxies: Arc<Matcher>,
}

impl Connect {
    /// Reads the environment: a proxy that cannot be used is an error now, not with the first call.
    pub(super) fn new(tls: TlsConnector) -> Result<Self, MagicConfigError> {
        // To hyper-util, `*` is all names; to everybody else, addresses too.
        let proxies = if excepts_all() { Matcher::builder().build() } else { Matcher::from_env() };
        // Any host will do that no exception names: which one is in the setting of the API's URL.
        let probe = Uri::from_static(super::super::endpoint::DEFAULT_URL);
        if let Some(proxy) = proxies.intercept(&probe)
            && proxy.uri().scheme() != Some(&Scheme::HTTP)
        {
            return Err(MagicConfigError::UnsupportedProxy);
        }
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        Ok(Self { tcp, tls, proxies: Arc::new(proxies) })
    }

    async fn tcp(mut self, to: Uri, proxy: Option<Intercept>) -> io::Result<TcpStream> {
        let connected = match proxy {
            None => self.tcp.call(to).await.map_err(io::Error::other)?,
            Some(proxy) if proxy.uri().scheme() == Some(&Scheme::HTTP) => {
                let tunnel = Tunnel::new(proxy.uri().clone(), self.tcp);
                let mut tunnel = match proxy.basic_auth() {
                    Some(credentials) => tunnel.with_auth(credentials.clone()),
                    None => tunnel,
                };
                tunnel.call(to).await.map_err(io::Error::other)?
            }
            Some(_) => return Err(io::Error::other("the proxy is not an http:// one")),
        };
        Ok(connected.into_inner())
    }

    async fn connect(self, to: Uri) -> io::Result<Stream> {
        if to.scheme() == Some(&Scheme::HTTP) {
            // Only ever this very machine: no proxy could reach that.
            return Ok(Stream::Plain(TokioIo::new(self.tcp(to, None).await?)));
        }
        let host = to.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let (tls, proxy) = (self.tls.clone(), self.proxies.intercept(&to));
        let tcp = self.tcp(to, proxy).await?;
        Ok(Stream::Tls(Box::new(TokioIo::new(tls.connect(name, tcp).await?))))
    }
}

/// Whether the environment has `*` among the exceptions of the proxy.
fn excepts_all() -> bool {
    let exceptions = ["NO_PROXY", "no_proxy"].into_iter().find_map(|name| std::env::var(name).ok());
    exceptions.is_some_and(|list| list.split(',').any(|entry| entry.trim() == "*"))
}

impl Service<Uri> for Connect {
    type Response = Stream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp.poll_ready(cx).map_err(io::Error::other)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        Box::pin(self.clone().connect(to))
    }
}
