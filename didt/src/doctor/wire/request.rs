//! A request, byte by byte.

use super::Url;

/// A request as it will be sent. Nothing is checked or put right.
#[derive(Clone)]
pub(crate) struct Request {
    method: String,
    target: String,
    version: &'static str,
    hosts: Vec<String>,
    headers: Vec<(String, String)>,
}

impl Request {
    /// Of the path in `url`.
    pub(crate) fn to(method: &str, url: &Url) -> Self {
        Self {
            method: method.to_owned(),
            target: url.path.clone(),
            version: "HTTP/1.1",
            hosts: vec![url.authority.clone()],
            headers: Vec::new(),
        }
    }

    pub(crate) fn get(url: &Url) -> Self {
        Self::to("GET", url)
    }

    /// Another target, as it is.
    pub(crate) fn target(mut self, target: impl Into<String>) -> Self {
        self.target = target.into();
        self
    }

    pub(crate) fn http_1_0(mut self) -> Self {
        self.version = "HTTP/1.0";
        self
    }

    /// Other `Host` headers.
    pub(crate) fn hosts(mut self, hosts: &[&str]) -> Self {
        self.hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        self
    }

    pub(crate) fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{} {} {}\r\n", self.method, self.target, self.version);
        let mut line = |name: &str, value: &str| {
            text.push_str(name);
            text.push_str(": ");
            text.push_str(value);
            text.push_str("\r\n");
        };
        for host in &self.hosts {
            line("Host", host);
        }
        line("User-Agent", concat!("didt-doctor/", env!("CARGO_PKG_VERSION")));
        line("Accept", "*/*");
        for (name, value) in &self.headers {
            line(name, value);
        }
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("connection")) {
            line("Connection", "close");
        }
        if matches!(self.method.as_str(), "POST" | "PUT" | "PATCH") {
            line("Content-Length", "0");
        }
        text.push_str("\r\n");
        text.into_bytes()
    }
}
