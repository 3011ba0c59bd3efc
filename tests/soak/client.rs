//! One connection that is kept open, and made anew when it breaks.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;

use crate::process::HOST;

pub(crate) struct Client {
    address: SocketAddr,
    sender: Option<SendRequest<Empty<Bytes>>>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    /// Value of the session cookie that is set, if one is: empty if it is taken away.
    pub(crate) ticket: Option<String>,
    pub(crate) retry_after: bool,
    pub(crate) challenge: bool,
    pub(crate) took: Duration,
}

impl Client {
    pub(crate) const fn new(address: SocketAddr) -> Self {
        Self { address, sender: None }
    }

    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, HOST);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Empty::new()).expect("a request");
        let begin = Instant::now();
        let sender = self.connection().await;
        let (head, body) = sender.send_request(request).await.expect("an answer").into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        let took = begin.elapsed();
        let head = Response::from_parts(head, ());
        let text = |name| head.headers().get(name).and_then(|value| value.to_str().ok());
        let ticket = text(header::SET_COOKIE)
            .and_then(|cookie| cookie.strip_prefix("__Host-didt=")?.split(';').next())
            .map(str::to_owned);
        Answer {
            status: head.status().as_u16(),
            body: String::from_utf8_lossy(&body).into_owned(),
            ticket,
            retry_after: text(header::RETRY_AFTER).is_some(),
            challenge: text(header::WWW_AUTHENTICATE).is_some(),
            took,
        }
    }

    async fn connection(&mut self) -> &mut SendRequest<Empty<Bytes>> {
        let usable = match &mut self.sender {
            Some(sender) => sender.ready().await.is_ok(),
            None => false,
        };
        if !usable {
            let stream = tokio::net::TcpStream::connect(self.address).await.expect("connected");
            let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
            tokio::spawn(connection);
            self.sender = Some(sender);
        }
        self.sender.as_mut().expect("just made")
    }
}
