//! The server under attack, and a client that sends any bytes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::routing::{any, get, post};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tower_didt::store::PageRequest;
use tower_didt::testing::{FixedClock, Wallet};
use tower_didt::{Clock, DidAuth, Issuer, Session, SessionRecord, StoreError, Timestamp, Verifier};
use tower_didt_test_support::http::{self, Reply};

pub(crate) const AUDIENCE: &str = "did:magic:test-app";
pub(crate) const START: Timestamp = Timestamp::from_secs(1_700_000_000);
pub(crate) const HOST: &str = "app.example.com";

/// A server of an application that is guarded but for `/open`, where signing in is optional.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) auth: DidAuth,
    pub(crate) clock: FixedClock,
    /// How many requests reached a handler.
    passed: Arc<AtomicUsize>,
    pub(crate) runtime: Runtime,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with(|auth| auth, |router| router)
    }

    /// A server with changes to its configuration, and with layers outside of all.
    pub(crate) fn with(
        configure: impl FnOnce(DidAuth) -> DidAuth,
        outside: impl FnOnce(Router) -> Router,
    ) -> Self {
        let clock = FixedClock::at(START);
        let auth = DidAuth::new(Verifier::new(AUDIENCE)).with_clock(clock.clone());
        let auth = configure(auth);
        let passed = Arc::new(AtomicUsize::new(0));
        let router = outside(router(&auth, &passed));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("an address");
        runtime.spawn(async { axum::serve(listener, router).await });
        Self { address, auth, clock, passed, runtime }
    }

    pub(crate) fn passed(&self) -> usize {
        self.passed.load(Ordering::SeqCst)
    }

    pub(crate) fn token(&self, user: &str) -> String {
        Wallet::from_seed(user).token(AUDIENCE).issued_at(self.clock.now()).mint()
    }

    /// Signs in; gives the cookie's value.
    pub(crate) fn sign_in(&self, user: &str) -> String {
        let reply = self.get("/me", &[("authorization", &format!("Bearer {}", self.token(user)))]);
        assert_eq!((reply.status, &*reply.body), (200, &*issuer(user).to_string()));
        reply.ticket().expect("signing in sets the cookie")
    }

    pub(crate) fn get(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        self.request("GET", path, headers)
    }

    pub(crate) fn request(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
        let mut raw = format!("{method} {path} HTTP/1.1\r\n").into_bytes();
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            raw.extend(format!("Host: {HOST}\r\n").into_bytes());
        }
        for (name, value) in headers {
            raw.extend(format!("{name}: {value}\r\n").into_bytes());
        }
        raw.extend(b"Content-Length: 0\r\n\r\n");
        self.send(&raw)
    }

    /// The status of the answer to a request whose answer may have no body (`HEAD`).
    pub(crate) fn status_of(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> u16 {
        let mut raw = format!("{method} {path} HTTP/1.1\r\nHost: {HOST}\r\n");
        for (name, value) in headers {
            raw.push_str(&format!("{name}: {value}\r\n"));
        }
        raw.push_str("Connection: close\r\n\r\n");
        let mut connection = self.connect();
        connection.write(raw);
        let mut answer = String::new();
        connection.0.read_to_string(&mut answer).expect("an answer");
        answer.split(' ').nth(1).expect("a status").parse().expect("a number")
    }

    /// Who the server takes the sender of this `Cookie` header for.
    pub(crate) fn with_cookies(&self, cookies: &[u8]) -> Reply {
        let head = format!("GET /me HTTP/1.1\r\nHost: {HOST}\r\nCookie: ");
        self.send(&[head.as_bytes(), cookies, b"\r\n\r\n"].concat())
    }

    /// Whether a session's cookie opens it.
    pub(crate) fn opens(&self, ticket: &str) -> bool {
        self.with_cookies(format!("__Host-didt={ticket}").as_bytes()).status == 200
    }

    /// Sends these bytes and reads one response.
    pub(crate) fn send(&self, raw: &[u8]) -> Reply {
        let mut connection = self.connect();
        // The server may answer, and close, before it has read all of it.
        let _ = connection.0.write_all(raw);
        connection.read().expect("a response")
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection(http::connect(self.address))
    }
}

pub(crate) fn issuer(user: &str) -> Issuer {
    Wallet::from_seed(user).issuer()
}

fn router(auth: &DidAuth, passed: &Arc<AtomicUsize>) -> Router {
    let me = |session: Session| async move { session.issuer().to_string() };
    let open = |session: Option<Session>| async move {
        session.map_or_else(|| "nobody".to_owned(), |session| session.issuer().to_string())
    };
    // All that an application could show of a session.
    let info = |session: Session| async move {
        let sessions = session.sessions(PageRequest::first()).await?.sessions;
        let sessions: Vec<_> = sessions.iter().map(AsRef::as_ref).collect();
        let json = serde_json::to_string::<Vec<&SessionRecord>>(&sessions).unwrap_or_default();
        Ok::<_, StoreError>(format!("{json}\n{session:?}\n{sessions:?}"))
    };
    let sign_out = |session: Session| async move { session.sign_out().await };
    let everywhere = |session: Session| async move { session.sign_out_everywhere().await };
    let passed = Arc::clone(passed);
    let count = axum::middleware::from_fn(move |request, next: axum::middleware::Next| {
        passed.fetch_add(1, Ordering::SeqCst);
        next.run(request)
    });
    let guarded = Router::new()
        .route("/me", any(me))
        .route("/info", get(info))
        .route("/sign-out", post(sign_out))
        .route("/everywhere", post(everywhere));
    let optional = Router::new().route("/open", any(open));
    guarded
        .layer(count.clone())
        .layer(auth.layer())
        .merge(optional.layer(count).layer(auth.layer().optional()))
}

/// A connection of the attacker's.
pub(crate) struct Connection(pub(crate) TcpStream);

impl Connection {
    /// Reads one response; `None` if the server closed the connection instead.
    pub(crate) fn read(&mut self) -> Option<Reply> {
        http::read_one(&mut self.0)
    }

    pub(crate) fn write(&mut self, raw: impl AsRef<[u8]>) {
        self.0.write_all(raw.as_ref()).expect("sent");
    }
}

/// What an attacker learns of an answer.
pub(crate) trait Learned {
    /// Value of the session cookie that is set here.
    fn ticket(&self) -> Option<String>;

    /// Fails unless the request was refused, and nothing was handed out.
    fn assert_refused(&self, status: u16);
}

impl Learned for Reply {
    fn ticket(&self) -> Option<String> {
        self.session_cookie()
    }

    fn assert_refused(&self, status: u16) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.ticket(), None, "{self:?}");
        assert!(!self.body.contains("did:ethr:"), "{self:?}");
        if status == 401 {
            assert!(self.header("www-authenticate").is_some(), "RFC 9110 section 11.6.1");
        }
    }
}
