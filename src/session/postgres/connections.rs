//! Connections to ask by: a few of the store's own, or an application's pool.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection, PgPool, Postgres};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::fault;
use crate::session::sql::Fault;
use crate::sync::locked;

/// After so long without use a connection is tried before it is asked something that must not be
/// asked twice. Firewalls and restarts end connections that nobody uses.
const DOUBTED_AFTER: Duration = Duration::from_secs(1);

/// How many calls on one connection may be given up in a row before it is closed. Each may leave a
/// statement behind that the server has prepared and nobody will use: some 20 KB. The connections of an
/// application's pool are not told apart, so there every 64th such call closes its connection.
const MAX_GIVEN_UP: u32 = 64;

/// Where connections come from.
#[derive(Clone, Debug)]
pub(super) enum Connections {
    Own(Arc<Own>),
    /// With how many calls on connections of the pool were given up.
    Pool(PgPool, Arc<AtomicU32>),
}

/// Connections that the store makes itself. In place of a pool, which would ask each one whether it
/// is alive whenever it comes back, and wait for those that do not answer.
pub(super) struct Own {
    options: PgConnectOptions,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Idle>>,
    /// Why the latest attempt to connect failed, until one succeeds.
    fault: Mutex<Option<Fault>>,
}

/// A connection that nobody uses.
struct Idle {
    connection: PgConnection,
    since: Instant,
    /// How many calls on it were given up since one was answered.
    given_up: u32,
}

impl std::fmt::Debug for Own {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Own")
    }
}

impl Connections {
    pub(super) fn own(options: PgConnectOptions, max: usize) -> Self {
        Self::Own(Arc::new(Own {
            options,
            permits: Arc::new(Semaphore::new(max)),
            idle: Mutex::default(),
            fault: Mutex::default(),
        }))
    }

    pub(super) fn pool(pool: PgPool) -> Self {
        Self::Pool(pool, Arc::default())
    }

    /// How to reach the server.
    pub(super) fn options(&self) -> PgConnectOptions {
        match self {
            Self::Own(own) => own.options.clone(),
            Self::Pool(pool, _) => (*pool.connect_options()).clone(),
        }
    }

    /// A connection for one call. Waits for ever: give it a time limit.
    ///
    /// With `sure` it has answered lately, or just now. If its caller gives up within `patience`,
    /// the connection takes the answer and goes on.
    ///
    /// Clients can give requests up as soon as they have sent them. A new connection costs the server
    /// a process and both sides the arithmetic of a password, far more than the call.
    pub(super) async fn lease(
        &self,
        sure: bool,
        patience: Duration,
    ) -> Result<Lease, (Fault, fault::Next)> {
        let mut lease = match self {
            Self::Own(own) => own.lease().await?,
            Self::Pool(pool, given_up) => {
                // Boxed, as all that is large here and not always needed: futures move several times before
                // they run.
                let pooled = Box::pin(pool.acquire()).await.map_err(|error| fault::read(&error))?;
                let held = Some(Held::Pooled(pooled, Arc::clone(given_up)));
                Lease { held, doubtful: true, finish_until: None }
            }
        };
        lease.finish_until = Some(Instant::now() + patience);
        if sure && lease.doubtful {
            let answer = Box::pin(sqlx::Connection::ping(&mut *lease)).await;
            if let Err(error) = answer {
                lease.closing();
                self.forget_idle();
                return Err((fault::read(&error).0, fault::Next::NothingDone));
            }
        }
        Ok(lease)
    }

    /// Gives up connections that nobody uses, where one of them turned out to be dead.
    pub(super) fn forget_idle(&self) {
        if let Self::Own(own) = self {
            let idle = std::mem::take(&mut *locked(&own.idle));
            drop(idle);
        }
    }

    /// Notes why a call could not be made, for those whose time ends while they try.
    pub(super) fn note(&self, fault: Fault) {
        if let Self::Own(own) = self {
            *locked(&own.fault) = Some(fault);
        }
    }

    /// Why there is no connection, if that is known.
    pub(super) fn fault(&self) -> Option<Fault> {
        match self {
            Self::Own(own) => locked(&own.fault).clone(),
            Self::Pool(..) => None,
        }
    }
}

impl Own {
    async fn lease(self: &Arc<Self>) -> Result<Lease, (Fault, fault::Next)> {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.map_err(|_| (Fault::unexpected(), fault::Next::Refused))?;
        let idle = locked(&self.idle).pop();
        let (connection, doubtful, given_up) = match idle {
            Some(Idle { connection, since, given_up }) => {
                (connection, since.elapsed() > DOUBTED_AFTER, given_up)
            }
            None => (Box::pin(self.connect()).await?, false, 0),
        };
        let home = Arc::clone(self);
        let held = Some(Held::Own { connection, home, permit, given_up });
        Ok(Lease { held, doubtful, finish_until: None })
    }

    async fn connect(&self) -> Result<PgConnection, (Fault, fault::Next)> {
        let connected = self.options.connect().await;
        let outcome = connected.map_err(|error| (fault::read(&error).0, fault::Next::NothingDone));
        *locked(&self.fault) = outcome.as_ref().err().map(|(fault, _)| fault.clone());
        outcome
    }
}

/// A connection in use. Dropped before [`keep`](Self::keep), it is closed: nobody knows what it
/// still has to say. Of a call that is given up the answer is waited for.
pub(super) struct Lease {
    held: Option<Held>,
    doubtful: bool,
    finish_until: Option<Instant>,
}

enum Held {
    Own { connection: PgConnection, home: Arc<Own>, permit: OwnedSemaphorePermit, given_up: u32 },
    Pooled(PoolConnection<Postgres>, Arc<AtomicU32>),
}

impl Lease {
    /// From now on the connection is closed if it is not kept: it is good for nothing more, or something is
    /// under way that takes more than one statement.
    pub(super) const fn closing(&mut self) {
        self.finish_until = None;
    }

    /// Gives the connection back for others to use.
    pub(super) fn keep(mut self) {
        match self.held.take() {
            Some(Held::Own { connection, home, permit, .. }) => {
                *locked(&home.fault) = None;
                locked(&home.idle).push(Idle { connection, since: Instant::now(), given_up: 0 });
                drop(permit);
            }
            Some(Held::Pooled(pooled, _)) => drop(pooled),
            None => {}
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let until = self.finish_until.filter(|until| *until > Instant::now());
        let runtime = until.and_then(|until| Some((until, Handle::try_current().ok()?)));
        // While the answer is waited for, its place among the connections is taken.
        match (self.held.take(), runtime) {
            (
                Some(Held::Own { mut connection, home, permit, given_up }),
                Some((until, runtime)),
            ) if given_up < MAX_GIVEN_UP => {
                runtime.spawn(async move {
                    if is_done(&mut connection, until).await {
                        let (since, given_up) = (Instant::now(), given_up + 1);
                        locked(&home.idle).push(Idle { connection, since, given_up });
                    }
                    drop(permit);
                });
            }
            (Some(Held::Pooled(mut pooled, given_up)), Some((until, runtime)))
                if given_up.fetch_add(1, Ordering::Relaxed) % MAX_GIVEN_UP != MAX_GIVEN_UP - 1 =>
            {
                runtime.spawn(async move {
                    match is_done(&mut pooled, until).await {
                        true => drop(pooled),
                        false => drop(pooled.detach()),
                    }
                });
            }
            (Some(Held::Pooled(pooled, _)), _) => drop(pooled.detach()),
            (Some(Held::Own { .. }) | None, _) => {}
        }
    }
}

/// Whether the call on a connection has been answered by then.
async fn is_done(connection: &mut PgConnection, until: Instant) -> bool {
    matches!(timeout_at(until, sqlx::Connection::ping(connection)).await, Ok(Ok(())))
}

impl Deref for Lease {
    type Target = PgConnection;

    #[expect(clippy::panic, reason = "only `keep` and `drop` take it, and both end the lease")]
    fn deref(&self) -> &PgConnection {
        match &self.held {
            Some(Held::Own { connection, .. }) => connection,
            Some(Held::Pooled(pooled, _)) => pooled,
            None => panic!("a lease that has ended"),
        }
    }
}

impl DerefMut for Lease {
    #[expect(clippy::panic, reason = "only `keep` and `drop` take it, and both end the lease")]
    fn deref_mut(&mut self) -> &mut PgConnection {
        match &mut self.held {
            Some(Held::Own { connection, .. }) => connection,
            Some(Held::Pooled(pooled, _)) => pooled,
            None => panic!("a lease that has ended"),
        }
    }
}
