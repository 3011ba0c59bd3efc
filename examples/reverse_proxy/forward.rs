//! To the upstream and back. Bodies are passed on as they come, both ways.

use std::time::Duration;

use http_body_util::{Either, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HeaderValue, UPGRADE};
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::{headers, own};

/// The upstream's, or a short one of our own.
pub(crate) type UpstreamBody = Either<Incoming, Full<Bytes>>;

/// The service behind the gateway.
pub(crate) struct Upstream {
    /// Host and port.
    pub(crate) address: String,
    /// The session cookie, which stays here.
    pub(crate) cookie_name: String,
    /// For it to begin to answer.
    pub(crate) timeout: Duration,
}

impl Upstream {
    /// Asks the upstream. 502 if it is gone, 504 if it is too slow.
    pub(crate) async fn forward(&self, mut request: Request<Incoming>) -> Response<UpstreamBody> {
        let from_client = hyper::upgrade::on(&mut request);
        let (mut head, body) = request.into_parts();
        headers::prepare(&mut head, &self.cookie_name);
        let asks_to_upgrade = head.headers.contains_key(UPGRADE);
        let request = Request::from_parts(head, body);

        let mut response = match timeout(self.timeout, self.send(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(_)) => return own(StatusCode::BAD_GATEWAY, "the upstream is gone\n"),
            Err(_) => return own(StatusCode::GATEWAY_TIMEOUT, "the upstream is too slow\n"),
        };
        let protocol = headers::remove_hop_by_hop(response.headers_mut());
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let Some(protocol) = protocol.filter(|_| asks_to_upgrade) else {
                return own(StatusCode::BAD_GATEWAY, "an upgrade that nobody asked for\n");
            };
            let from_upstream = hyper::upgrade::on(&mut response);
            tokio::spawn(tunnel(from_client, from_upstream));
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
            response.headers_mut().insert(UPGRADE, protocol);
        }
        response.map(Either::Left)
    }

    async fn send(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Incoming>, Box<dyn std::error::Error + Send + Sync>> {
        let stream = TcpStream::connect(&self.address).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Drives the bodies both ways. Ends with them, or when the client is gone.
        tokio::spawn(connection.with_upgrades());
        Ok(sender.send_request(request).await?)
    }
}

/// After an upgrade: bytes, until one side closes.
async fn tunnel(from_client: OnUpgrade, from_upstream: OnUpgrade) {
    if let (Ok(client), Ok(upstream)) = tokio::join!(from_client, from_upstream) {
        let (mut client, mut upstream) = (TokioIo::new(client), TokioIo::new(upstream));
        // One of the two broke off: nobody to tell.
        let _ = copy_bidirectional(&mut client, &mut upstream).await;
    }
}
