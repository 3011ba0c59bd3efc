//! Puts everything together, and serves until a signal stops it.

mod reload;
mod servers;
mod signals;
mod start_error;
mod warnings;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tower_didt::SystemClock;
use tracing::info;

use self::reload::Reload;
use self::servers::Servers;
use self::signals::{Order, Signals};
pub(crate) use self::start_error::StartError;
use super::assertion::Signer;
use super::config::{Config, Limits, Listen, PrivateListener};
use super::did_auth::{self, Opened, did_auth};
use super::log::Lines;
use super::measures::Measures;
use super::people;
use super::server::{Bound, Server, Stopper, Tls};
use super::{log, private, public, systemd};
use crate::output::say;

/// What logs and metrics call the listeners.
const PUBLIC: &str = "public";
const PRIVATE: &str = "private";

/// Connections at a time to the private listener: probes and a few people. They come out of no
/// other limit, so that a crowd at the public one keeps no probe waiting.
const PRIVATE_CONNECTIONS: usize = 128;

/// For the private listener to end, once the public one has.
const PRIVATE_FAREWELL: Duration = Duration::from_secs(1);

/// For the last lines of the log to be written; whoever does not read them keeps nothing from
/// ending.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Serves until SIGTERM or SIGINT, and then finishes what is in flight, within
/// [`Limits::shutdown_timeout`]; a second such signal ends it at once. SIGHUP reads the
/// certificate again.
///
/// Returns whether it could start; if not, standard error says why.
pub(crate) async fn run(config: Config) -> bool {
    let Ok(lines) = log::install(&config.log) else {
        say(StartError::Logging);
        return false;
    };
    let outcome = start(config, &lines).await;
    if let Err(error) = &outcome {
        lines.say(error);
    }
    lines.flush(LAST_WORDS);
    outcome.is_ok()
}

async fn start(config: Config, lines: &Lines) -> Result<(), StartError> {
    let measures = Measures::install().map_err(|_| StartError::Measuring)?;
    // Before anybody can know that we are there.
    let mut signals = Signals::new().map_err(StartError::Signals)?;

    let Opened { store, redis } = did_auth::open(&config).map_err(StartError::Redis)?;
    let magic = config.magic.as_ref().map(people::client).transpose().map_err(StartError::Magic)?;
    let audiences = match (&config.audiences, &magic) {
        (Some(audiences), _) => audiences.clone(),
        (None, Some(magic)) => tokio::select! {
            audience = people::audience(magic) => audience.map_err(StartError::ClientId)?,
            // Magic may be away for long; whoever stops it then is not kept waiting.
            () = signals.stop() => return Ok(()),
        },
        (None, None) => return Err(StartError::NoAudience),
    };
    let sign_in = people::sign_in(&config, magic.as_ref());
    let auth = did_auth(&config, audiences, sign_in, store).map_err(StartError::Auth)?;
    let prefix = &config.public.prefix;
    let page = config.sign_in.as_ref().map(|sign_in| sign_in.page(&auth, prefix)).transpose();
    let page = page.map_err(|error| StartError::SignIn(error.to_string()))?;
    let config = Arc::new(config);
    let tls = config.public.tls.as_ref().map(Tls::load).transpose().map_err(StartError::Tls)?;
    let tls = tls.map(Arc::new);

    let stoppers = Stoppers { public: Stopper::new(), private: Stopper::new() };
    let public = Server {
        name: PUBLIC,
        bound: Bound::to(&config.public.listen).await.map_err(StartError::Bind)?,
        tls: tls.clone(),
        router: public::router(&config, &auth, page, magic, Arc::new(SystemClock))
            .map_err(StartError::Assertion)?,
        limits: config.limits.clone(),
    };
    let private = match &config.private {
        Some(PrivateListener { listen, admin_secret }) => Some(Server {
            name: PRIVATE,
            bound: Bound::to(listen).await.map_err(StartError::Bind)?,
            tls: None,
            router: private::router(&auth, measures, stoppers.public.stop(), admin_secret.as_ref()),
            limits: Limits { connections: PRIVATE_CONNECTIONS, ..config.limits.clone() },
        }),
        None => None,
    };

    announce(&public, lines);
    private.iter().for_each(|private| announce(private, lines));
    warnings::of_settings(&config);
    let mut tasks = JoinSet::new();
    if let Some(redis) = redis {
        tasks.spawn(warnings::of_redis(redis));
    }
    let reload = Reload::new(tls);
    serve(public, private, &stoppers, signals, reload, config.limits.shutdown_timeout).await;
    Ok(())
}

/// Loads the files that the settings name as `run` does, so that `check-config`
/// reports errors that would otherwise appear at start-up.
pub(crate) fn check(config: &Config) -> Result<(), StartError> {
    config.public.tls.as_ref().map(Tls::load).transpose().map_err(StartError::Tls)?;
    config.assertion.as_ref().map(Signer::new).transpose().map_err(StartError::Assertion)?;
    Ok(())
}

struct Stoppers {
    public: Stopper,
    private: Stopper,
}

/// The private listener ends last: until then, it reports that no more requests should be sent.
async fn serve(
    public: Server,
    private: Option<Server>,
    stoppers: &Stoppers,
    mut signals: Signals,
    mut reload: Reload,
    shutdown_timeout: Duration,
) {
    let mut servers = Servers::default();
    servers.begin(public, &stoppers.public);
    if let Some(private) = private {
        servers.begin(private, &stoppers.private);
    }
    systemd::ready();
    loop {
        let order = tokio::select! {
            order = signals.next() => order,
            () = reload.done() => continue,
            // Nobody told it to.
            () = servers.end_of(None) => Order::Stop,
        };
        match order {
            Order::Stop => break,
            Order::Reload => reload.begin(),
        }
    }
    systemd::stopping();
    info!("stopping");
    servers.end(PUBLIC, &stoppers.public, &mut signals, shutdown_timeout).await;
    servers.end(PRIVATE, &stoppers.private, &mut signals, PRIVATE_FAREWELL).await;
    info!("stopped");
}

/// Plain text, whatever the log's format: for people who started it and for tests.
fn announce(server: &Server, lines: &Lines) {
    let scheme = if server.tls.is_some() { "https" } else { "http" };
    let name = server.name;
    match server.bound.at() {
        Listen::Tcp(address) => lines.say(format_args!("{name} listener on {scheme}://{address}")),
        Listen::Unix(path) => {
            lines.say(format_args!("{name} listener on {scheme}+unix:{}", path.display()));
        }
    }
}
