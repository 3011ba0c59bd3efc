//! One request and its whole answer, over whatever service carries it.

use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

/// The longest body that is read, in bytes. A user with all kinds of wallets takes about 4 KiB.
pub(super) const MAX_BODY_LEN: usize = 64 * 1024;

/// Any error, shared.
pub(super) type SharedError = Arc<dyn Error + Send + Sync>;

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Broken {
    /// There was no connection: nothing was sent.
    NotConnected(SharedError),
    /// The connection broke: the request may have arrived.
    Interrupted(SharedError),
    /// The body is longer than [`MAX_BODY_LEN`].
    TooLarge,
}

/// Sends requests; made of any service of tower's.
#[derive(Clone)]
pub(super) struct Exchange(
    Arc<dyn Fn(Request<String>) -> Boxed<Result<Response<Bytes>, Broken>> + Send + Sync>,
);

impl Exchange {
    pub(super) fn over<S, B>(service: S) -> Self
    where
        S: Service<Request<String>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let service = Mutex::new(service);
        Self(Arc::new(move |request| {
            let mut service = service.lock().unwrap_or_else(PoisonError::into_inner).clone();
            Box::pin(async move {
                poll_fn(|cx| service.poll_ready(cx)).await.map_err(|error| broken(error.into()))?;
                let answer = service.call(request).await.map_err(|error| broken(error.into()))?;
                let (head, body) = answer.into_parts();
                Ok(Response::from_parts(head, collect(body).await?))
            })
        }))
    }

    /// The answer to a request, with its whole body.
    pub(super) async fn send(&self, request: Request<String>) -> Result<Response<Bytes>, Broken> {
        (self.0)(request).await
    }
}

/// Reads a body up to the limit. The rest is left unread, and the connection is dropped.
async fn collect<B>(body: B) -> Result<Bytes, Broken>
where
    B: Body,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    use bytes::Buf;
    if body.size_hint().lower() > MAX_BODY_LEN as u64 {
        return Err(Broken::TooLarge);
    }
    let mut body = pin!(body);
    let mut collected = BytesMut::new();
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        let frame = frame.map_err(|error| Broken::Interrupted(error.into().into()))?;
        let Ok(mut data) = frame.into_data() else { continue };
        if collected.len() + data.remaining() > MAX_BODY_LEN {
            return Err(Broken::TooLarge);
        }
        while data.has_remaining() {
            let chunk = data.chunk();
            let len = chunk.len();
            collected.extend_from_slice(chunk);
            data.advance(len);
        }
    }
    Ok(collected.freeze())
}

/// Whether anything can have been sent before it broke.
fn broken(error: Box<dyn Error + Send + Sync>) -> Broken {
    let mut cause: Option<&(dyn Error + 'static)> = Some(&*error);
    while let Some(current) = cause {
        let refused = current.downcast_ref::<io::Error>().is_some_and(|error| {
            matches!(
                error.kind(),
                io::ErrorKind::ConnectionRefused | io::ErrorKind::HostUnreachable
            )
        });
        let not_connected = current
            .downcast_ref::<hyper_util::client::legacy::Error>()
            .is_some_and(hyper_util::client::legacy::Error::is_connect);
        if refused || not_connected {
            return Broken::NotConnected(error.into());
        }
        cause = current.source();
    }
    Broken::Interrupted(error.into())
}
