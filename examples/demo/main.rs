//! First contact: a web service on real HTTPS that takes DID tokens and keeps
//! sessions, and the `curl` lines to try it with. Needs no account at Magic.
//!
//! ```text
//! cargo run --example demo
//! cargo run --example demo -- --port 9443
//! ```
//!
//! In a browser it is a page, and the library's own sign-in page with a stand-in for Magic.
//! `MAGIC_CLIENT_ID` is the audience that tokens must be made for; with your application's client id
//! there, tokens of your users are accepted too, and with its `MAGIC_PUBLISHABLE_KEY` the
//! sign-in page has Magic's login (with `MAGIC_PROVIDERS=google,github` theirs too, with `MAGIC_LINKS=1` links in
//! place of codes).
//!
//! `routes` is what an application consists of; `tls` and `certificate` make
//! HTTPS of it, `guide` is the text that gets printed, `page` what browsers see.

mod certificate;
mod guide;
mod page;
mod routes;
mod tls;

use std::error::Error;
use std::future::pending;
use std::io::{ErrorKind, Write};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::sleep;
use tower_didt::testing::Wallet;
use tower_didt::{BoundLogin, DidAuth, Verifier};

use self::guide::Guide;
use self::routes::{Demo, Magic};

const DEFAULT_AUDIENCE: &str = "did:magic:demo";
const DEFAULT_PORT: u16 = 8443;

/// What open connections get to finish their requests after Ctrl-C.
const GRACE: Duration = Duration::from_secs(3);

const USAGE: &str = "usage: demo [--port N]    (0: any free port)";

/// What else `--help` says.
const ENVIRONMENT: &str = "
environment:
  MAGIC_CLIENT_ID        the audience of tokens, from Magic's dashboard [default: did:magic:demo]
  MAGIC_PUBLISHABLE_KEY  pk_live_…: the sign-in page has Magic's login in place of a stand-in
  MAGIC_PROVIDERS        with the key, OAuth providers on that page: google,github
  MAGIC_LINKS            with the key, set to anything: links by e-mail in place of codes";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let Some(args) = Args::parse(std::env::args().skip(1))? else {
        say(USAGE);
        say(ENVIRONMENT);
        return Ok(());
    };
    let setting = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let audience = setting("MAGIC_CLIENT_ID").unwrap_or_else(|| DEFAULT_AUDIENCE.to_owned());
    let (port, listeners) = listen(args.port).await?;
    let (acceptor, certificate) = certificate::self_signed()?;

    // The page binds its tokens; the lines for curl do not. Why somebody was refused is for
    // developers only: a release build does not.
    let auth = DidAuth::new(Verifier::new(audience.as_str()))
        .with_bound_login(BoundLogin::optional())
        .with_debug_reasons(cfg!(debug_assertions));
    let demo = Arc::new(Demo {
        wallet: Wallet::from_seed("a test wallet of the demo"),
        guide: Guide::new(port, certificate.path(), &audience),
        magic: setting("MAGIC_PUBLISHABLE_KEY").map(|key| {
            let providers = setting("MAGIC_PROVIDERS").unwrap_or_default();
            let names = providers.split(',').map(str::trim).filter(|name| !name.is_empty());
            Magic {
                key,
                providers: names.map(str::to_owned).collect(),
                links: setting("MAGIC_LINKS").is_some(),
            }
        }),
        audience,
    });
    let welcome = demo.guide.with_token(&demo.mint());

    let listener = tls::TlsListener::new(listeners, &acceptor)?;
    let serving =
        axum::serve(listener, routes::router(demo, &auth)?).with_graceful_shutdown(stop_signal());
    // In this order: when the welcome is out, requests and Ctrl-C are listened to.
    tokio::select! {
        biased;
        served = serving => served?,
        () = async { stop_signal().await; sleep(GRACE).await } => {}
        () = async { say(&welcome); pending().await } => {}
    }
    say("stopped");
    Ok(())
}

/// Prints. Whoever closed the output (`… | head`) has had enough, and the server goes on.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// The port that was asked for; without one, the usual port or else a free one.
async fn listen(port: Option<u16>) -> Result<(u16, Vec<TcpListener>), Box<dyn Error>> {
    let bound = tls::bind_localhost(port.unwrap_or(DEFAULT_PORT)).await;
    match (bound, port) {
        (Err(error), None) if error.kind() == ErrorKind::AddrInUse => {
            say(&format!("Port {DEFAULT_PORT} is taken: using a free one.\n"));
            Ok(tls::bind_localhost(0).await?)
        }
        (Err(error), Some(port)) => Err(format!("cannot listen on port {port}: {error}").into()),
        (bound, _) => Ok(bound?),
    }
}

/// Ctrl-C. Where that cannot be heard, the demo runs until it is killed.
async fn stop_signal() {
    if tokio::signal::ctrl_c().await.is_err() {
        pending::<()>().await;
    }
}

struct Args {
    port: Option<u16>,
}

impl Args {
    /// `None` if the caller wants help.
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut port = None;
        while let Some(arg) = args.next() {
            let value = match (arg.as_str(), arg.strip_prefix("--port=")) {
                ("-h" | "--help", _) => return Ok(None),
                ("--port", _) => args.next().unwrap_or_default(),
                (_, Some(value)) => value.to_owned(),
                (other, None) => return Err(format!("{other}: unknown; {USAGE}")),
            };
            port = Some(value.parse().map_err(|_| format!("--port {value}: no port; {USAGE}"))?);
        }
        Ok(Some(Self { port }))
    }
}
