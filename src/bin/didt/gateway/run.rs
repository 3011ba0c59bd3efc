//! Puts everything together, and serves until it is told to stop.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tower_didt::{ConfigError, RedisConfigError, RedisStore, SystemClock};
use tracing::{error, info, warn};

use super::assertion::InvalidKey;
use super::config::{Config, Limits, Listen, PrivateListener, Store};
use super::did_auth::{self, Opened, did_auth};
use super::measures::Measures;
use super::server::{BindError, Bound, Server, Stopper, Tls, TlsError};
use super::{log, private, public, systemd};
use crate::complain;

/// What logs and metrics call the listeners.
const PUBLIC: &str = "public";
const PRIVATE: &str = "private";

/// Connections at a time to the private listener: probes and a few people. They come out of no
/// other limit, so that a crowd at the public one keeps no probe waiting.
const PRIVATE_CONNECTIONS: usize = 128;

/// For the private listener to end, once the public one has.
const PRIVATE_FAREWELL: Duration = Duration::from_secs(1);

/// Serves until SIGTERM or SIGINT, and then finishes what is in flight, within
/// [`Limits::shutdown_timeout`]; a second such signal ends it at once. SIGHUP reads the
/// certificate again.
pub(crate) async fn run(config: Config) -> Result<(), StartError> {
    log::install(&config.log).map_err(|_| StartError::Logging)?;
    let measures = Measures::install().map_err(|_| StartError::Measuring)?;
    // Before anybody can know that we are there.
    let signals = Signals::new().map_err(StartError::Signals)?;

    if config.sessions.max_per_issuer.is_some() && matches!(config.store, Store::Sealed { .. }) {
        return Err(StartError::CannotCount);
    }
    let Opened { store, redis } = did_auth::open(&config).map_err(StartError::Redis)?;
    let auth = did_auth(&config, store).map_err(StartError::Auth)?;
    let config = Arc::new(config);
    let tls = config.public.tls.as_ref().map(Tls::load).transpose().map_err(StartError::Tls)?;
    let tls = tls.map(Arc::new);

    let stoppers = Stoppers { public: Stopper::new(), private: Stopper::new() };
    let public = Server {
        name: PUBLIC,
        bound: Bound::to(&config.public.listen).await.map_err(StartError::Bind)?,
        tls: tls.clone(),
        router: public::router(&config, &auth, Arc::new(SystemClock))
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

    announce(&public);
    private.iter().for_each(announce);
    warn_of(&config);
    let mut tasks = JoinSet::new();
    if let Some(redis) = redis {
        tasks.spawn(warn_of_redis(redis));
    }
    serve(public, private, &stoppers, signals, tls.as_deref(), config.limits.shutdown_timeout)
        .await;
    Ok(())
}

struct Stoppers {
    public: Stopper,
    private: Stopper,
}

/// The private listener ends last: it tells meanwhile that no more should be sent.
async fn serve(
    public: Server,
    private: Option<Server>,
    stoppers: &Stoppers,
    mut signals: Signals,
    tls: Option<&Tls>,
    shutdown_timeout: Duration,
) {
    let mut servers = Servers(JoinSet::new());
    servers.begin(public, &stoppers.public);
    if let Some(private) = private {
        servers.begin(private, &stoppers.private);
    }
    systemd::ready();
    loop {
        let order = tokio::select! {
            order = signals.next() => order,
            // Nobody told it to.
            () = servers.end_of(None) => Order::Stop,
        };
        match order {
            Order::Stop => break,
            Order::Reload => {
                systemd::reloading();
                reload(tls);
                systemd::ready();
            }
        }
    }
    systemd::stopping();
    info!("stopping");
    servers.end(PUBLIC, &stoppers.public, &mut signals, shutdown_timeout).await;
    servers.end(PRIVATE, &stoppers.private, &mut signals, PRIVATE_FAREWELL).await;
    info!("stopped");
}

/// The servers that run, by their names.
struct Servers(JoinSet<&'static str>);

impl Servers {
    fn begin(&mut self, server: Server, stopper: &Stopper) {
        let (name, stop) = (server.name, stopper.stop());
        self.0.spawn(async move {
            server.serve(stop).await;
            name
        });
    }

    /// Ends one: what is in flight may be finished within this time, unless there is another signal.
    async fn end(
        &mut self,
        name: &'static str,
        stopper: &Stopper,
        signals: &mut Signals,
        limit: Duration,
    ) {
        stopper.finish();
        let finished = tokio::select! {
            biased;
            () = self.end_of(Some(name)) => true,
            () = signals.stop() => {
                warn!("told again to stop: dropping what is in flight");
                false
            }
            () = sleep(limit) => {
                warn!(listener = name, "not all that was in flight was finished in time");
                false
            }
        };
        stopper.end();
        if !finished {
            self.end_of(Some(name)).await;
        }
    }

    /// Waits until this one has ended, or any of them. One that has panicked takes the process
    /// along: half a server is worse than one that is started again.
    async fn end_of(&mut self, wanted: Option<&'static str>) {
        while let Some(ended) = self.0.join_next().await {
            match ended {
                Ok(name) if wanted.is_none_or(|wanted| wanted == name) => return,
                Ok(_) => {}
                Err(error) => {
                    if let Ok(panic) = error.try_into_panic() {
                        std::panic::resume_unwind(panic);
                    }
                }
            }
        }
    }
}

fn reload(tls: Option<&Tls>) {
    match tls.map(Tls::reload) {
        Some(Ok(())) => info!("the certificate was read again"),
        Some(Err(error)) => error!(%error, "the certificate stays as it was"),
        None => info!("there is no certificate to read again"),
    }
}

/// Plain text, whatever the log's format: for people who started it and for tests.
fn announce(server: &Server) {
    let scheme = if server.tls.is_some() { "https" } else { "http" };
    let name = server.name;
    match server.bound.at() {
        Listen::Tcp(address) => complain(format_args!("{name} listener on {scheme}://{address}")),
        Listen::Unix(path) => {
            complain(format_args!("{name} listener on {scheme}+unix:{}", path.display()));
        }
    }
}

/// What works and is hardly meant.
fn warn_of(config: &Config) {
    if config.trusted_proxies == super::peer::TrustedProxies::default() {
        warn!("trusted_proxies is empty: every check of a gateway is refused");
    }
    if let (Listen::Tcp(address), None) = (&config.public.listen, &config.public.tls)
        && !address.ip().to_canonical().is_loopback()
    {
        warn!(%address, "the public listener speaks plain HTTP to other machines");
    }
    match &config.private {
        Some(PrivateListener { listen: Listen::Tcp(address), .. })
            if !address.ip().to_canonical().is_loopback() =>
        {
            warn!(%address, "the private listener can be reached from other machines");
        }
        _ => {}
    }
}

/// What Redis is set to that costs sessions, and whether it is there at all.
async fn warn_of_redis(redis: RedisStore) {
    match redis.check().await {
        Ok(warnings) => {
            for warning in warnings {
                warn!(%warning, "Redis is not set up for sessions");
            }
        }
        Err(error) => warn!(%error, "Redis does not answer yet"),
    }
}

enum Order {
    Reload,
    Stop,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Order {
        tokio::select! {
            _ = self.terminate.recv() => Order::Stop,
            _ = self.interrupt.recv() => Order::Stop,
            _ = self.hangup.recv() => Order::Reload,
        }
    }

    async fn stop(&mut self) {
        while let Order::Reload = self.next().await {}
    }
}

/// Why it does not serve.
#[derive(Debug)]
pub(crate) enum StartError {
    Logging,
    Measuring,
    Signals(io::Error),
    Redis(RedisConfigError),
    Auth(ConfigError),
    CannotCount,
    Assertion(InvalidKey),
    Tls(TlsError),
    Bind(BindError),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Logging => f.write_str("something else logs already"),
            Self::Measuring => f.write_str("something else measures already"),
            Self::Signals(error) => write!(f, "cannot hear signals: {error}"),
            Self::Redis(error) => write!(f, "Redis: {error}"),
            Self::Auth(error) => error.fmt(f),
            Self::CannotCount => f.write_str(
                "a limit on sessions per issuer needs a store that counts them; sealed ones cannot",
            ),
            Self::Assertion(error) => error.fmt(f),
            Self::Tls(error) => error.fmt(f),
            Self::Bind(error) => error.fmt(f),
        }
    }
}
