//! The server, in a process of its own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;
use tower_didt_test_support::child::{Run, Running};

use axum::Router;
use axum::routing::{any, post};
use tower_didt::{DidAuth, RedisStore, Session, Verifier};

use crate::limits;

pub(crate) const AUDIENCE: &str = "did:magic:soak";
pub(crate) const HOST: &str = "app.example.com";

/// Threads of the server.
const WORKERS: usize = 2;

/// The server's side: run by [`Server::start`].
#[test]
#[ignore = "run by other tests, in a process of its own"]
fn serve() {
    let Ok(store) = std::env::var("SOAK_STORE") else { return };
    let limit = std::env::var("SOAK_LIMIT").unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let mut auth = DidAuth::new(Verifier::new(AUDIENCE));
        if store != "memory" {
            // Machines that run tests are busy: what takes longer is a fault, and none else is.
            let store = RedisStore::builder(store).with_timeout(Duration::from_millis(800));
            auth = auth.with_store(store.connect().await.expect("a store"));
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("\nSERVES {}", listener.local_addr().expect("an address"));
        let router = match &*limit {
            "all" => limits::all_requests(router(&auth), 8),
            "tokens" => limits::tokens(router(&auth), WORKERS - 1),
            _ => router(&auth),
        };
        let served = axum::serve(listener, router);
        let parent_is_gone =
            tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
        tokio::select! {
            _ = served => panic!("the server ended"),
            _ = parent_is_gone => {}
        }
    });
}

fn router(auth: &DidAuth) -> Router {
    let me = |session: Session| async move { session.issuer().to_string() };
    let open = |session: Option<Session>| async move {
        session.map_or_else(|| "nobody".to_owned(), |session| session.issuer().to_string())
    };
    let sign_out = |session: Session| async move { session.sign_out().await };
    Router::new()
        .route("/me", any(me))
        .route("/sign-out", post(sign_out))
        .layer(auth.layer())
        .merge(Router::new().route("/open", any(open)).layer(auth.layer().optional()))
}

pub(crate) struct Server {
    child: Running,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) fn start(store: &str, limit: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "process::serve", "--ignored", "--nocapture"])
            .env("SOAK_STORE", store)
            .env("SOAK_LIMIT", limit)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .run()
            .expect("a process");
        let output = BufReader::new(child.stdout.take().expect("its output"));
        let mut lines = output.lines().map_while(Result::ok);
        let address = lines.find_map(|line| line.strip_prefix("SERVES ")?.parse().ok());
        let address = address.expect("an address");
        // The test runner there says when a test takes long, and ends where nobody listens.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }

    /// Memory that it holds now, in KiB; 0 where the system does not tell.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    }

    /// CPU time that it has used, in the kernel too.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
        let stat = stat.unwrap_or_default();
        // After the name in brackets; fields 14 and 15 of proc(5), in hundredths of a second.
        let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
        let ticks: u64 =
            fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Duration::from_millis(10 * ticks)
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|ended| ended.is_none())
    }
}
