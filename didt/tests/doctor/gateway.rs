//! A gateway with one mistake, or none.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Request, Response};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tower::{Layer, ServiceExt, service_fn};
use tower_didt::page::SignInPage;
use tower_didt::{DidAuth, Session, Verifier};

use super::fault::Fault;
use super::process::{AUDIENCE, Process};
use super::raw::Raw;

/// A running gateway. Stops when dropped.
pub(crate) struct Gateway {
    pub(crate) url: String,
    /// The cookies that it has handed out.
    pub(crate) cookies: Arc<Mutex<Vec<String>>>,
    _runtime: Runtime,
}

#[derive(Clone)]
struct Site {
    fault: Fault,
    auth: DidAuth,
    upstream: String,
    cookies: Arc<Mutex<Vec<String>>>,
    answers: Arc<Mutex<HashMap<String, Vec<u8>>>>,
    decisions: Arc<Mutex<HashMap<String, String>>>,
}

impl Gateway {
    pub(crate) fn start(fault: Fault, echo: &Process) -> Self {
        Self::start_with(fault, echo, None)
    }

    pub(crate) fn start_with(fault: Fault, echo: &Process, tls: Option<TlsAcceptor>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("its address");
        let site = Site {
            fault,
            auth: DidAuth::new(Verifier::new(AUDIENCE)),
            upstream: echo.address().to_owned(),
            cookies: Arc::default(),
            answers: Arc::default(),
            decisions: Arc::default(),
        };
        let cookies = Arc::clone(&site.cookies);
        let url = match tls {
            Some(_) => format!("https://localhost:{}", address.port()),
            None => format!("http://{address}"),
        };
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (site, tls) = (site.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                site.serve(stream).await;
                            }
                        }
                        None => site.serve(stream).await,
                    }
                });
            }
        });
        Self { url, cookies, _runtime: runtime }
    }
}

const IDENTITY: [&str; 2] = ["X-Auth-Issuer", "X-Auth-Address"];

/// The check's word on a request.
enum Check {
    /// The caller's issuer.
    Passed(String),
    Refused(Vec<u8>),
}

impl Site {
    async fn serve(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let Ok(raw) = Raw::read(&mut stream).await else { return };
        let secrets = [raw.all("cookie"), raw.all("authorization")].concat().join(" ");
        let mut answer = self.answer(raw).await;
        if self.fault == Fault::TellsSecrets {
            let told = format!("\r\nX-Auth-Issuer: {secrets}\r\nContent-Type: {secrets}\r\n");
            let text = String::from_utf8_lossy(&answer).replacen("\r\n", &told, 1);
            answer = text.into_bytes();
        }
        let _ = stream.write_all(&answer).await;
        let _ = stream.shutdown().await;
    }

    async fn answer(&self, mut raw: Raw) -> Vec<u8> {
        let path = raw.path().to_owned();
        if path.starts_with("/auth/") && !path.contains("..") {
            return self.account(&raw).await;
        }
        match (self.fault, path.as_str()) {
            (Fault::OpenMetrics, "/metrics") => return own("200 OK", "didt_requests_total 1\n"),
            (Fault::OpenAdmin, "/admin/revoke") => return own("405 Method Not Allowed", ""),
            (Fault::OpenGuardedAdmin, "/admin/sessions") => {
                let challenge = "WWW-Authenticate: Bearer realm=\"didt administration\"";
                return own(&format!("401 Unauthorized\r\n{challenge}"), "");
            }
            (Fault::OpenCheck, "/check/nginx") => {
                return match self.check(&raw).await {
                    Check::Passed(issuer) => own(&format!("200 OK\r\nX-Auth-Issuer: {issuer}"), ""),
                    Check::Refused(answer) => answer,
                };
            }
            (Fault::Hangs, "/public/page") => return std::future::pending().await,
            _ => {}
        }
        if let Fault::SharedCache = self.fault {
            let answers = self.answers.lock().expect("not poisoned");
            if let Some(answer) = answers.get(&raw.target) {
                return answer.clone();
            }
        }
        if !self.is_plain(&raw) {
            return own("400 Bad Request", "");
        }
        let issuer = if self.is_public(&raw) {
            None
        } else {
            match self.check(&raw).await {
                Check::Passed(issuer) => Some(issuer),
                Check::Refused(answer) => return self.redirect(&raw).unwrap_or(answer),
            }
        };
        let kept = self.answers.lock().expect("not poisoned").get(&raw.target).cloned();
        if let (Fault::CacheForAllUsers, Some(answer)) = (self.fault, kept) {
            return answer;
        }
        let has_cookie = !raw.all("cookie").is_empty();
        self.change(&mut raw, issuer.as_deref());
        let mut answer = self.forward(&raw).await;
        if issuer.is_some() || self.fault == Fault::StoresRemoval && has_cookie {
            answer = self.renew(answer);
        }
        if String::from_utf8_lossy(&answer).contains("public, max-age=60") {
            self.answers.lock().expect("not poisoned").insert(raw.target.clone(), answer.clone());
        }
        answer
    }

    /// Adds a renewed cookie to the upstream's answer.
    fn renew(&self, answer: Vec<u8>) -> Vec<u8> {
        let added = match self.fault {
            Fault::RenewsCookie | Fault::StoresCookie | Fault::StoresCookieInCdn => {
                "\r\nset-cookie: __Host-didt=renewed; Path=/; Secure; HttpOnly; SameSite=Lax\r\n"
            }
            Fault::StoresRemoval => "\r\nset-cookie: __Host-didt=; Path=/; Secure; Max-Age=0\r\n",
            _ => return answer,
        };
        let text = String::from_utf8(answer).expect("didt echo answers with text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        let kept = |line: &&str| {
            let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
            match self.fault {
                Fault::StoresCookie | Fault::StoresRemoval => true,
                Fault::StoresCookieInCdn => name != "cache-control",
                _ => {
                    let targeted = ["surrogate-control", "edge-control", "x-accel-expires"];
                    name != "expires"
                        && !name.ends_with("cache-control")
                        && !targeted.contains(&name.as_str())
                }
            }
        };
        let mut lines: Vec<_> = head.split("\r\n").filter(kept).collect();
        if !matches!(self.fault, Fault::StoresCookie | Fault::StoresRemoval) {
            lines.push("cache-control: no-store");
        }
        format!("{}{added}\r\n{body}", lines.join("\r\n")).into_bytes()
    }

    /// Whether a request can be read in one way only.
    fn is_plain(&self, raw: &Raw) -> bool {
        let lenient_path = matches!(
            self.fault,
            Fault::RawPrefix
                | Fault::ResolvesAfterCheck
                | Fault::MatchesEnd
                | Fault::OpenByDefault
                | Fault::OpenByDefaultToOtherUpstream
        );
        let hosts = raw.all("host");
        let one_host = hosts.len() == 1
            || raw.version == "HTTP/1.0" && self.fault == Fault::OpenHttp10
            || self.fault == Fault::LastHost && !hosts.is_empty();
        let path = raw.path().to_ascii_lowercase();
        let odd = ["..", "//", "/.", "%", "\\", ";", "#"];
        let plain_path = path.starts_with('/') && !odd.iter().any(|text| path.contains(text));
        let connection = raw.all("connection").join(",").to_ascii_lowercase();
        let names = ["auth", "cookie"].iter().any(|name| connection.contains(name));
        one_host
            && (plain_path || lenient_path)
            && (!names || self.fault == Fault::ConnectionRemoves)
    }

    fn is_public(&self, raw: &Raw) -> bool {
        let path = raw.path();
        let begins = path == "/public" || path.starts_with("/public/");
        let own_host = raw.all("host").last().is_some_and(|host| host.starts_with("127.0.0.1"));
        let claims = |name: &str, value: &str| raw.all(name).contains(&value);
        begins
            || match self.fault {
                Fault::OpenMethod(method) => raw.method == method,
                Fault::OpenHttp10 => raw.version == "HTTP/1.0",
                Fault::RawPrefix | Fault::ResolvesAfterCheck => path.starts_with("/public"),
                Fault::MatchesEnd => raw.target.ends_with("/public/page"),
                Fault::OpenByDefault | Fault::OpenByDefaultToOtherUpstream => {
                    !path.starts_with("/private")
                }
                Fault::BelievesIdentity => !raw.all("x-auth-issuer").is_empty(),
                Fault::BelievesForwardedUri => claims("x-forwarded-uri", "/public/page"),
                Fault::BelievesOriginalMethod => claims("x-original-method", "OPTIONS"),
                Fault::OpenHosts | Fault::LastHost => !own_host,
                Fault::GluesHost => {
                    let glued = format!("{}{}", raw.all("host").concat(), raw.target);
                    glued.find('/').is_some_and(|slash| glued[slash..].starts_with("/public/"))
                }
                _ => false,
            }
    }

    /// Asks the layer, as the gateway sees the request.
    async fn check(&self, raw: &Raw) -> Check {
        let mut raw = raw.clone();
        match self.fault {
            Fault::HidesMethod => raw.method = "GET".to_owned(),
            Fault::HidesUpgrade => raw.remove(|name| name == "upgrade"),
            Fault::HidesOrigin => raw.remove(|name| name == "origin" || name == "sec-fetch-site"),
            Fault::FirstAuthorization => keep_first(&mut raw, "authorization"),
            Fault::SplitsCommas => cut(&mut raw, "authorization", ','),
            Fault::FirstCookie => {
                keep_first(&mut raw, "cookie");
                cut(&mut raw, "cookie", ';');
            }
            _ => {}
        }
        let decisive = ["cookie", "authorization", "origin", "sec-fetch-site", "upgrade"];
        let key = match self.fault {
            Fault::CachesForTarget => raw.target.clone(),
            _ => format!("{} {:?}", raw.method, decisive.map(|name| raw.all(name))),
        };
        let known = self.decisions.lock().expect("not poisoned").get(&key).cloned();
        match (self.fault, known) {
            (Fault::CachesForTarget, Some(nobody)) if nobody.is_empty() => {
                return Check::Refused(own("401 Unauthorized\r\nWWW-Authenticate: Bearer", ""));
            }
            (Fault::CachesDecisions | Fault::CachesForTarget, Some(issuer))
                if !issuer.is_empty() =>
            {
                return Check::Passed(issuer);
            }
            _ => {}
        }
        let response = self.layer(&raw).await;
        if let Some(session) = response.extensions().get::<Session>() {
            let issuer = session.issuer().to_string();
            self.decisions.lock().expect("not poisoned").insert(key, issuer.clone());
            return Check::Passed(issuer);
        }
        self.decisions.lock().expect("not poisoned").insert(key, String::new());
        Check::Refused(match self.fault {
            Fault::NoChallenge => own("401 Unauthorized", ""),
            Fault::CacheableDenial => own(
                "401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"x\"\r\n\
                 Cache-Control: max-age=60",
                "",
            ),
            Fault::PermanentRedirect => own("308 Permanent Redirect\r\nLocation: /login", ""),
            _ => bytes(response).await,
        })
    }

    /// Sends people to the page, if there is one.
    fn redirect(&self, raw: &Raw) -> Option<Vec<u8>> {
        let navigates = raw.method == "GET"
            && raw.all("sec-fetch-mode") == ["navigate"]
            && raw.all("authorization").is_empty()
            && raw.all("upgrade").is_empty();
        let sent = navigates && self.fault != Fault::PageForNobody;
        if !self.fault.has_page() || !(sent || self.fault == Fault::PageForAll) {
            return None;
        }
        let rd = if self.fault == Fault::PageForgets { "" } else { raw.target.as_str() };
        let host = match self.fault {
            Fault::PageElsewhere => "https://elsewhere.invalid",
            _ => "",
        };
        let store = match self.fault {
            Fault::RedirectStored => "",
            _ => "\r\nCache-Control: no-store",
        };
        let location = format!("Location: {host}/auth/sign-in?rd={rd}");
        Some(own(&format!("302 Found\r\n{location}{store}"), ""))
    }

    /// The library's page, or one that is not as good.
    async fn page(&self, raw: &Raw) -> Vec<u8> {
        let rd = raw.target.split_once("rd=").map(|(_, rd)| rd).unwrap_or_default();
        let known = !raw.all("cookie").is_empty();
        match self.fault {
            Fault::PageOpen if known => {
                return own(&format!("302 Found\r\nLocation: {}", rd.replace("%5C", "\\")), "");
            }
            Fault::PageSplits if known => {
                let split = rd.replace("%0D%0A", "\r\n").replace("%20", " ");
                let path = if split.contains("doctor.invalid") { "/" } else { &*split };
                return own(&format!("302 Found\r\nLocation: {path}"), "");
            }
            _ => {}
        }
        let mut request = Request::builder().method(raw.method.as_str()).uri(raw.target.as_str());
        for (name, value) in &raw.headers {
            request = request.header(name, value);
        }
        let page = SignInPage::new(&self.auth, "pk_live_test");
        let response = page.oneshot(request.body(()).expect("a request")).await;
        let (mut head, body) = response.unwrap_or_else(|never| match never {}).into_parts();
        if self.fault == Fault::PageStored {
            head.headers.insert("cache-control", "max-age=60".parse().expect("a value"));
        }
        let body = body.collect().await.expect("a body that is there").to_bytes();
        bytes(Response::from_parts(head, body)).await
    }

    /// Signing in and out.
    async fn account(&self, raw: &Raw) -> Vec<u8> {
        if self.fault.has_page() && raw.path() == "/auth/sign-in" {
            return self.page(raw).await;
        }
        let mut response = self.layer(raw).await;
        if let Some(session) = response.extensions().get::<Session>().cloned() {
            let issuer = serde_json::json!({ "issuer": session.issuer().to_string() });
            *response.body_mut() = Bytes::from(issuer.to_string());
        }
        let cookies = response.headers().get_all("set-cookie").iter();
        let cookies: Vec<_> =
            cookies.map(|value| value.to_str().expect("text").to_owned()).collect();
        let values = cookies.iter().filter_map(|cookie| {
            let (_, rest) = cookie.split_once('=')?;
            rest.split(';').next().filter(|value| !value.is_empty()).map(str::to_owned)
        });
        self.cookies.lock().expect("not poisoned").extend(values);
        let headers = response.headers_mut();
        let leaving = raw.path() == "/auth/logout";
        match self.fault {
            Fault::DropsCookies => drop(headers.remove("set-cookie")),
            Fault::DropsClearing if leaving => drop(headers.remove("set-cookie")),
            Fault::DoublesCookies => {
                for cookie in cookies {
                    headers.append("set-cookie", cookie.parse().expect("a value"));
                }
            }
            Fault::InsecureCookies => {
                headers.remove("set-cookie");
                for cookie in cookies {
                    let cookie = cookie.replace("; Secure", "");
                    headers.append("set-cookie", cookie.parse().expect("a value"));
                }
            }
            _ => {}
        }
        bytes(response).await
    }

    /// What the layer answers. With a session among the extensions if it let the request pass.
    async fn layer(&self, raw: &Raw) -> Response<Bytes> {
        let mut request = Request::builder().method(raw.method.as_str()).uri(raw.target.as_str());
        for (name, value) in &raw.headers {
            request = request.header(name, value);
        }
        let Ok(request) = request.body(()) else {
            return Response::builder().status(400).body(Bytes::new()).expect("a response");
        };
        let inner = service_fn(async |request: Request<()>| {
            let session = request.extensions().get::<Session>().expect("the layer").clone();
            if request.uri().path() == "/auth/logout" {
                session.sign_out().await.expect("the store");
            }
            let mut response = Response::new(Full::new(Bytes::new()));
            response.extensions_mut().insert(session);
            Ok::<_, Infallible>(response)
        });
        let guarded = self.auth.layer().layer(inner);
        let response = guarded.oneshot(request).await.unwrap_or_else(|never| match never {});
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("a body that is there").to_bytes();
        Response::from_parts(head, body)
    }

    /// Makes the upstream's request of the client's.
    fn change(&self, raw: &mut Raw, issuer: Option<&str>) {
        let fault = self.fault;
        let named = raw.all("connection").join(",").to_ascii_lowercase();
        let keeps = match fault {
            Fault::KeepsIdentity | Fault::AppendsIdentity => true,
            Fault::KeepsIdentityOnPublic => issuer.is_none(),
            _ => false,
        };
        raw.remove(|name| {
            let alike = name.replace(['_', '.', '!'], "-").starts_with("x-auth-");
            let kept = keeps && name.starts_with("x-auth-")
                || fault == Fault::KeepsUnderscores && name.contains('_')
                || fault == Fault::KeepsDots && name.contains('.')
                || fault == Fault::KeepsMarks && name.contains('!');
            alike && !kept
        });
        let placeholder = "{http.reverse_proxy.header.X-Auth-Issuer}";
        if let Some(issuer) = issuer {
            let issuer = match fault {
                Fault::Placeholder => placeholder,
                Fault::WrongIdentity => "did:ethr:0x0000000000000000000000000000000000000001",
                _ => issuer,
            };
            for name in IDENTITY {
                match fault {
                    Fault::NoIdentity => {}
                    Fault::KeepsIdentity if !raw.all(name).is_empty() => {}
                    Fault::AppendsIdentity => raw.headers.push((name.into(), issuer.into())),
                    _ => raw.set(name, issuer),
                }
            }
        } else if fault == Fault::PlaceholderOnPublic {
            raw.set(IDENTITY[0], placeholder);
        }
        if fault == Fault::ConnectionRemoves {
            raw.remove(|name| named.split(',').any(|other| other.trim() == name));
        }
        if fault != Fault::LeaksCookie {
            raw.remove(|name| name == "cookie");
        }
        if fault != Fault::LeaksToken {
            raw.remove(|name| name == "authorization");
        }
        if fault == Fault::ResolvesAfterCheck {
            raw.target = resolve(&raw.target);
        }
        let upgrades = match raw.all("upgrade")[..] {
            [protocol] => protocol == "websocket" || fault == Fault::KeepsUpgrade,
            _ => false,
        };
        if !upgrades {
            raw.remove(|name| name == "upgrade");
        }
        raw.set("Connection", if upgrades { "upgrade" } else { "close" });
    }

    async fn forward(&self, raw: &Raw) -> Vec<u8> {
        let upstream = match self.fault {
            Fault::OtherUpstream | Fault::OpenByDefaultToOtherUpstream => {
                return own("200 OK", "hello");
            }
            // Nobody listens there: it was never handed out.
            Fault::UpstreamGone => "127.0.0.1:1",
            _ => &self.upstream,
        };
        let Ok(mut stream) = TcpStream::connect(upstream).await else {
            return own("502 Bad Gateway", "");
        };
        let mut answer = Vec::new();
        let _ = stream.write_all(&raw.bytes()).await;
        let _ = stream.read_to_end(&mut answer).await;
        answer
    }
}

fn keep_first(raw: &mut Raw, name: &str) {
    let first = raw.all(name).first().map(|value| (*value).to_owned());
    if let Some(first) = first {
        raw.set(name, &first);
    }
}

fn cut(raw: &mut Raw, name: &str, at: char) {
    for (header, value) in &mut raw.headers {
        if header.eq_ignore_ascii_case(name) {
            value.truncate(value.find(at).unwrap_or(value.len()));
        }
    }
}

/// As nginx does with a `proxy_pass` that has a path.
fn resolve(target: &str) -> String {
    let decoded = target.replace("%2e", ".").replace("%2E", ".").replace("%2f", "/");
    let mut segments = Vec::new();
    for segment in decoded.split('/').skip(1) {
        match segment {
            ".." => drop(segments.pop()),
            "" | "." => {}
            name => segments.push(name),
        }
    }
    format!("/{}", segments.join("/"))
}

/// An answer of the gateway's own. `status` may bring headers along.
fn own(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

async fn bytes(response: Response<Bytes>) -> Vec<u8> {
    let (head, body) = response.into_parts();
    let mut text = format!("HTTP/1.1 {}\r\n", head.status);
    for (name, value) in &head.headers {
        text.push_str(&format!("{name}: {}\r\n", value.to_str().expect("text")));
    }
    // Chunks, so that both ways of telling a body's end are met with.
    text.push_str("Transfer-Encoding: chunked\r\n\r\n");
    if !body.is_empty() {
        text.push_str(&format!("{:x}\r\n{}\r\n", body.len(), String::from_utf8_lossy(&body)));
    }
    text.push_str("0\r\n\r\n");
    text.into_bytes()
}
