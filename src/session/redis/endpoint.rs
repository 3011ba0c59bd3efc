//! Where Redis is, and how to get there.

use std::fmt;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, ConnectionAddr, IntoConnectionInfo, ProtocolVersion, PushInfo,
    RedisConnectionInfo,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::RedisConfigError;
use super::fault::Fault;
#[cfg(feature = "redis-tls")]
use super::tls::Tls;
use crate::session::url_parameters;

/// The parameters of URLs that lead to a host, and to a socket.
const PARAMETERS: &[&[&str]] = &[&["protocol"]];
const SOCKET_PARAMETERS: &[&[&str]] = &[&["protocol"], &["db"], &["user"], &["pass"]];

/// Commands that may wait for their turn to be sent. More have to wait for a place.
const QUEUE: usize = 1024;

/// The address of one server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Endpoint {
    Tcp {
        host: String,
        port: u16,
    },
    Unix(PathBuf),
    /// Wherever the Sentinels say that this master is: asked for before every connection.
    Sentinel(String),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => path.display().fmt(f),
            Self::Sentinel(master) => write!(f, "{master}, by Sentinel"),
        }
    }
}

/// What a URL says.
pub(super) struct Location {
    pub(super) endpoint: Endpoint,
    pub(super) tls: bool,
    pub(super) credentials: Credentials,
}

/// User name, password and database. `Debug` shows nothing.
#[derive(Clone)]
pub(super) struct Credentials(RedisConnectionInfo);

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(redacted)")
    }
}

impl Credentials {
    pub(super) fn database(&self) -> i64 {
        self.0.db()
    }
}

impl Location {
    /// The host, if the URL names one.
    pub(super) fn host(&self) -> Option<&str> {
        match &self.endpoint {
            Endpoint::Tcp { host, .. } => Some(host),
            Endpoint::Unix(_) | Endpoint::Sentinel(_) => None,
        }
    }

    /// Reads `redis://`, `rediss://`, `valkey://`, `valkeys://` and `unix://` URLs.
    pub(super) fn parse(url: &str) -> Result<Self, RedisConfigError> {
        // A `#` can only be an unescaped part of the password, or an option that
        // turns the check of certificates off.
        if url.contains('#') {
            return Err(RedisConfigError::InvalidUrl);
        }
        // The crate that reads the URL refuses TLS unless its own is compiled in.
        let plain = url
            .strip_prefix("rediss://")
            .map(|rest| format!("redis://{rest}"))
            .or_else(|| url.strip_prefix("valkeys://").map(|rest| format!("valkey://{rest}")));
        let tls = plain.is_some();
        let info = plain
            .as_deref()
            .unwrap_or(url)
            .into_connection_info()
            .map_err(|_| RedisConfigError::InvalidUrl)?;
        let endpoint = match info.addr() {
            ConnectionAddr::Tcp(host, port) => Endpoint::Tcp { host: host.clone(), port: *port },
            ConnectionAddr::Unix(path) => Endpoint::Unix(path.clone()),
            _ => return Err(RedisConfigError::InvalidUrl),
        };
        let known = match endpoint {
            Endpoint::Unix(_) => SOCKET_PARAMETERS,
            Endpoint::Tcp { .. } | Endpoint::Sentinel(_) => PARAMETERS,
        };
        if !url_parameters::are_known(url, known) {
            return Err(RedisConfigError::UnknownParameter);
        }
        let credentials = info.redis_settings().clone();
        // Messages about changes need RESP3. The name of the library is not sent, so that it
        // needs no permission.
        let credentials = credentials.set_protocol(ProtocolVersion::RESP3).set_skip_set_lib_name();
        Ok(Self { endpoint, tls, credentials: Credentials(credentials) })
    }
}

/// How to connect, wherever to.
#[derive(Clone, Debug)]
pub(super) struct Dialer {
    pub(super) credentials: Credentials,
    #[cfg(feature = "redis-tls")]
    pub(super) tls: Option<Tls>,
}

/// Moves bytes while it is polled; ready when the connection is lost.
pub(super) type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Bytes to and from a server.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Dialer {
    /// Connects and signs in.
    pub(super) async fn dial(
        &self,
        endpoint: &Endpoint,
        apply: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> Result<(MultiplexedConnection, Driver), Fault> {
        let stream = self.open(endpoint).await?;
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(None)
            .set_pipeline_buffer_size(QUEUE)
            .set_push_sender(move |message| {
                apply(message);
                Ok::<(), ()>(())
            });
        let credentials = &self.credentials.0;
        let (connection, driver) =
            MultiplexedConnection::new_with_config(credentials, stream, config).await.map_err(
                |error| Fault::refused("the connection (HELLO, AUTH or SELECT)", &error),
            )?;
        Ok((connection, Box::pin(driver)))
    }

    async fn open(&self, endpoint: &Endpoint) -> Result<Box<dyn Stream>, Fault> {
        let stream = match endpoint {
            Endpoint::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                stream
            }
            Endpoint::Sentinel(_) => {
                return Err(Fault::unavailable("the Sentinels were not asked where the master is"));
            }
            #[cfg(unix)]
            Endpoint::Unix(path) => {
                return Ok(Box::new(tokio::net::UnixStream::connect(path).await?));
            }
            #[cfg(not(unix))]
            Endpoint::Unix(_) => return Err(Fault::unavailable("no Unix sockets here")),
        };
        #[cfg(feature = "redis-tls")]
        if let (Some(tls), Endpoint::Tcp { host, .. }) = (&self.tls, endpoint) {
            return Ok(Box::new(tls.connect(host, stream).await?));
        }
        Ok(Box::new(stream))
    }
}

/// Takes no messages, on a connection that is made only to ask something.
pub(super) fn nobody() -> impl Fn(PushInfo) + Send + Sync + 'static {
    |_| ()
}

/// Runs `work` while it moves bytes on a connection; whichever ends first ends both.
pub(super) async fn driven<T>(
    mut driver: Driver,
    work: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    let mut work = pin!(work);
    std::future::poll_fn(|cx| {
        // The driver first: what it hears comes before any answer is used.
        if driver.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(Fault::unavailable("the connection was closed")));
        }
        work.as_mut().poll(cx)
    })
    .await
}

/// The settings that every link and every cluster shares.
pub(super) type SharedDialer = Arc<Dialer>;

#[cfg(test)]
impl Dialer {
    pub(super) fn for_tests() -> SharedDialer {
        let location = Location::parse("redis://localhost").expect("a URL");
        Arc::new(Self {
            credentials: location.credentials,
            #[cfg(feature = "redis-tls")]
            tls: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_debug_shows_no_password() {
        let location =
            Location::parse("rediss://app:s%23cret@cache.example.com:6380/2").expect("a URL");
        assert!(location.tls);
        assert_eq!(location.endpoint.to_string(), "cache.example.com:6380");
        assert_eq!(location.credentials.0.password(), Some("s#cret"));
        assert_eq!(location.credentials.database(), 2);
        assert!(!format!("{:?}", location.credentials).contains("cret"));
        let location = Location::parse("redis://[::1]").expect("a URL");
        assert_eq!(location.endpoint.to_string(), "[::1]:6379");
        assert!(!location.tls);
    }

    #[test]
    fn urls_that_lead_nowhere_are_refused_without_repeating_them() {
        for bad in [
            "",
            "secret",
            "http://:secret@host",
            "redis://:secret@",
            "redis://:secret@host:99999",
            "redis://:secret@host/nowhere",
            "rediss://:secret@host#insecure",
            "redis://:sec#ret@host",
        ] {
            let error = Location::parse(bad).err().expect(bad);
            assert!(!format!("{error} {error:?}").contains("secret"), "{bad:?}");
        }
        // The database would be 0, and there would be no password.
        for bad in [
            "redis://host?db=2",
            "redis://host?pass=secret",
            "rediss://host?insecure=false",
            "unix:///run/redis.sock?database=2",
            "unix:///run/redis.sock?db=2&db=3",
        ] {
            let error = Location::parse(bad).err().expect(bad);
            assert_eq!(error, RedisConfigError::UnknownParameter, "{bad:?}");
            assert!(!format!("{error} {error:?}").contains("secret"), "{bad:?}");
        }
        let socket = Location::parse("unix:///run/redis.sock?db=2&user=app&pass=s%23cret");
        assert_eq!(socket.expect("a URL").credentials.database(), 2);
    }
}
