//! A server on a free port of the loopback, of one thread or more, that answers `/` with a few bytes.
//!
//! ```text
//! bench-server KIND [THREADS]              serves until its input ends
//! bench-server mint COUNT                  as many tokens, each of another issuer, one a line
//! ```
//!
//! `bare` is axum alone; `verify` is a handler that calls the verifier itself; `memory`,
//! `sealed` and `none` have the layer around axum, with that store. Prints its address first.

use std::io::{self, BufWriter, Read, Write};
use std::thread;

use axum::Router;
use axum::extract::State;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use tokio::runtime::Builder;
use tower_didt::sealed::MemoryLedger;
use tower_didt::{
    Clock, DidAuth, MemoryStore, NoSessions, SealedStore, SealingKeys, SystemClock, Verifier,
};
use tower_didt_benches::{AUDIENCE, token};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("mint") => mint(arguments.next().unwrap_or_default().parse()?),
        Some(kind) => {
            let app = app(kind)?;
            let runtime = match arguments.next() {
                None => Builder::new_current_thread().enable_all().build()?,
                Some(threads) => Builder::new_multi_thread()
                    .worker_threads(threads.parse()?)
                    .enable_all()
                    .build()?,
            };
            runtime.block_on(serve(app))
        }
        None => Err("what to serve?".into()),
    }
}

fn app(kind: &str) -> Result<Router, Failure> {
    let app = Router::new().route("/", get(async || "hello\n"));
    let auth = DidAuth::new(Verifier::new(AUDIENCE));
    let auth = match kind {
        "bare" => return Ok(app),
        "verify" => {
            let verify = get(verify).with_state(Verifier::new(AUDIENCE));
            return Ok(Router::new().route("/", verify));
        }
        "memory" => auth.with_store(MemoryStore::new()),
        "sealed" => {
            auth.with_store(SealedStore::new(SealingKeys::generate()?, MemoryLedger::new()))
        }
        "none" => auth.with_store(NoSessions),
        _ => return Err("no such kind of server".into()),
    };
    Ok(app.layer(auth.layer()))
}

/// What an application does that calls the verifier by hand, and keeps nothing.
async fn verify(State(verifier): State<Verifier>, headers: HeaderMap) -> StatusCode {
    let token = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = token.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    match verifier.verify(token, SystemClock.now()) {
        Ok(_) => StatusCode::OK,
        Err(_) => StatusCode::UNAUTHORIZED,
    }
}

async fn serve(app: Router) -> Result<(), Failure> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    // Whoever started this holds the other end of its input: it never outlives them.
    thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    Ok(axum::serve(listener, app).await?)
}

fn mint(count: usize) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    for number in 0..count {
        writeln!(out, "{}", token(number))?;
    }
    Ok(out.flush()?)
}
