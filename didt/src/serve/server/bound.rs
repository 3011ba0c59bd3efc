//! A TCP port or a unix socket that is listened on.

use std::fmt;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener, UnixStream};

use crate::serve::config::Listen;
use crate::serve::peer::Peer;

/// Who may connect to a unix socket: its owner and its group.
const SOCKET_MODE: u32 = 0o660;

/// What bytes go through.
pub(super) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// A place that is listened on.
#[derive(Debug)]
pub(crate) struct Bound {
    socket: Socket,
    at: Listen,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix { listener: UnixListener, _file: SocketFile },
}

impl Bound {
    /// Begins to listen. A unix socket that a dead process left behind is replaced; one that
    /// somebody listens on, and any other file, is not.
    pub(crate) async fn to(listen: &Listen) -> Result<Self, BindError> {
        let bound = match listen {
            Listen::Tcp(address) => Self::to_port(*address).await,
            Listen::Unix(path) => Self::to_path(path).await,
        };
        bound.map_err(|cause| BindError { at: listen.clone(), cause })
    }

    async fn to_port(address: std::net::SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let at = Listen::Tcp(listener.local_addr()?);
        Ok(Self { socket: Socket::Tcp(listener), at })
    }

    async fn to_path(path: &Path) -> io::Result<Self> {
        make_way(path).await?;
        // Under another name first: nobody gets at it before its permissions are right.
        let hidden = hidden_name(path);
        let _ = std::fs::remove_file(&hidden);
        let listener = UnixListener::bind(&hidden)?;
        let file = std::fs::set_permissions(&hidden, PermissionsExt::from_mode(SOCKET_MODE))
            .and_then(|()| std::fs::rename(&hidden, path))
            .and_then(|()| SocketFile::new(path));
        if file.is_err() {
            let _ = std::fs::remove_file(&hidden);
        }
        let at = Listen::Unix(path.to_owned());
        Ok(Self { socket: Socket::Unix { listener, _file: file? }, at })
    }

    /// Where it listens: the real port, if any was asked for.
    pub(crate) const fn at(&self) -> &Listen {
        &self.at
    }

    /// The next connection.
    pub(super) async fn accept(&self) -> io::Result<(Box<dyn Transport>, Peer)> {
        match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                // Answers are small and complete: waiting to fill a packet only delays them.
                stream.set_nodelay(true)?;
                Ok((Box::new(stream), Peer::Ip(address.ip().to_canonical())))
            }
            Socket::Unix { listener, .. } => {
                let (stream, _) = listener.accept().await?;
                Ok((Box::new(stream), Peer::Unix))
            }
        }
    }
}

/// Makes sure that a path is free, or holds a socket on which nothing listens.
async fn make_way(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error),
        _ => Err(io::ErrorKind::AddrInUse.into()),
    }
}

/// A unique name next to the socket's own.
fn hidden_name(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}", std::process::id()));
    path.with_file_name(name)
}

/// Removes a socket's file at the end, unless another one has replaced it.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn new(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), identity: identity(path)? })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = std::fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

/// A place that cannot be listened on.
#[derive(Debug)]
pub(crate) struct BindError {
    at: Listen,
    cause: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            Listen::Tcp(address) => write!(f, "cannot listen on {address}: ")?,
            Listen::Unix(path) => write!(f, "cannot listen on {path:?}: ")?,
        }
        match self.cause.kind() {
            io::ErrorKind::AddrInUse => f.write_str("address already in use"),
            io::ErrorKind::PermissionDenied => f.write_str("no permission"),
            io::ErrorKind::AddrNotAvailable => f.write_str("this machine has no such address"),
            io::ErrorKind::AlreadyExists => f.write_str("the path exists and is not a socket"),
            _ => self.cause.fmt(f),
        }
    }
}
