//! Puts everything together, and serves until a signal stops it.

mod generation;
mod reload;
mod servers;
mod signals;
mod start_error;
mod store;
mod warnings;

use std::sync::Arc;
use std::time::Duration;

use tower_didt::{Clock, SystemClock};
use tracing::info;

use self::generation::{Around, Generation};
use self::reload::{Listeners, Reload};
use self::servers::Servers;
use self::signals::{Order, Signals};
pub(crate) use self::start_error::StartError;
use super::assertion::Signer;
use super::config::{Config, Given, Listen, Loaded, PrivateListener};
use super::log::{Level, Lines};
use super::measures::Measures;
pub(crate) use super::preview::Reader;
use super::preview::Rereading;
use super::server::{Bound, Current, Server, Stopper, Tls};
use super::sites::Sites;
use super::{log, systemd};
use crate::output::say;

/// What logs and metrics call the listeners.
const PUBLIC: &str = "public";
const PRIVATE: &str = "private";

/// For the private listener to end, once the public one has.
const PRIVATE_FAREWELL: Duration = Duration::from_secs(1);

/// For the last lines of the log to be written; whoever does not read them keeps nothing from
/// ending.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Serves until SIGTERM or SIGINT, and then finishes what is in flight, within
/// [`Limits::shutdown_timeout`]; a second such signal ends it at once. SIGHUP reads
/// the settings again.
///
/// Returns whether it could start; if not, standard error says why.
pub(crate) async fn run(given: Given, loaded: Sites<Loaded>, again: Reader) -> bool {
    let Ok((lines, level)) = log::install(&loaded.first().config.log) else {
        say(StartError::Logging);
        return false;
    };
    let outcome = start(given, loaded, again, &lines, level).await;
    if let Err(error) = &outcome {
        lines.say(error);
    }
    lines.flush(LAST_WORDS);
    outcome.is_ok()
}

async fn start(
    given: Given,
    loaded: Sites<Loaded>,
    again: Reader,
    lines: &Lines,
    level: Level,
) -> Result<(), StartError> {
    let measures = Measures::install().map_err(|_| StartError::Measuring)?;
    // Before anybody can know that we are there.
    let mut signals = Signals::new().map_err(StartError::Signals)?;

    let stoppers = Stoppers { public: Stopper::new(), private: Stopper::new() };
    let rereading =
        Rereading::new(Arc::clone(&again), |sites| check(sites).map_err(|error| error.to_string()));
    let around =
        Around { measures, stop: stoppers.public.stop(), counted: Arc::default(), rereading };
    let tls = tls_of(&loaded.first().config)?;
    let first = tokio::select! {
        first = Generation::first(given, loaded, tls, &around) => first?,
        // Magic may be away for long; whoever stops it then is not kept waiting.
        () = signals.stop() => return Ok(()),
    };
    let (generation, served) = first;
    let config = generation.config();
    let current = Listeners {
        public: Current::new(served.public),
        private: served.private.map(Current::new),
    };
    let public = Server {
        name: PUBLIC,
        bound: Bound::to(&config.public.listen).await.map_err(StartError::Bind)?,
        current: current.public.clone(),
    };
    let private = match (&config.private, &current.private) {
        (Some(PrivateListener { listen, .. }), Some(current)) => Some(Server {
            name: PRIVATE,
            bound: Bound::to(listen).await.map_err(StartError::Bind)?,
            current: current.clone(),
        }),
        _ => None,
    };

    announce(&public, lines);
    private.iter().for_each(|private| announce(private, lines));
    let reload = Reload::new(again, generation, around, current, level);
    serve(public, private, &stoppers, signals, reload).await;
    Ok(())
}

/// Loads the files that the settings name as `run` does, so that `check-config`
/// reports errors that would otherwise appear at start-up.
pub(crate) fn check(sites: &Sites<Loaded>) -> Result<(), StartError> {
    tls_of(&sites.first().config)?;
    let now = SystemClock.now();
    sites.iter().try_for_each(|(_, Loaded { config, .. })| {
        let signer = config.assertion.as_ref().map(|assertion| Signer::new(assertion, now));
        signer.transpose().map_err(StartError::Assertion)?;
        Ok(())
    })
}

fn tls_of(config: &Config) -> Result<Option<Tls>, StartError> {
    config.public.tls.as_ref().map(Tls::load).transpose().map_err(StartError::Tls)
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
    let shutdown_timeout = reload.config().limits.shutdown_timeout;
    servers.end(PUBLIC, &stoppers.public, &mut signals, shutdown_timeout).await;
    servers.end(PRIVATE, &stoppers.private, &mut signals, PRIVATE_FAREWELL).await;
    info!("stopped");
}

/// Plain text, whatever the log's format: for people who started it and for tests.
fn announce(server: &Server, lines: &Lines) {
    let scheme = if server.current.speaks_tls() { "https" } else { "http" };
    let name = server.name;
    match server.bound.at() {
        Listen::Tcp(address) => lines.say(format_args!("{name} listener on {scheme}://{address}")),
        Listen::Unix(path) => {
            lines.say(format_args!("{name} listener on {scheme}+unix:{}", path.display()));
        }
    }
}
