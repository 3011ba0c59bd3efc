//! Settings of the server that cost sessions or safety.

use std::fmt;

use sqlx::Row;
use sqlx::postgres::PgSslMode;

use super::{Inner, fault};
use crate::session::sql::Fault;

/// What is asked for: settings, whether this connection is encrypted, and how many standbys there are.
const QUESTION: &str = "SELECT current_setting('fsync'), current_setting('synchronous_commit'), \
    current_setting('synchronous_standby_names'), \
    (SELECT count(*) FROM pg_stat_replication) > 0, \
    coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false), \
    coalesce(inet_server_addr() << '127.0.0.0/8', true) OR inet_server_addr() = '::1'";

/// Something about a server that an operator should know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PostgresWarning {
    /// `fsync` is off: a crash of the machine may damage the database, and bring back what was
    /// revoked.
    NotDurable,
    /// `synchronous_commit` is off: a crash may undo the last revocations and used tokens.
    LosesLastMoment,
    /// There are standbys, and the server waits for none (`synchronous_standby_names` is empty): a
    /// failover may undo revocations and used tokens.
    FailoverLosesWrites,
    /// The connection to a server on another machine is not encrypted.
    NotEncrypted,
    /// The connection to a server on another machine is encrypted, and nobody has made sure that it is
    /// the right server (`sslmode` is not `verify-full`).
    NotVerified,
    /// The server tells of no changes, so that every request with a session asks it. The reason is in
    /// the text. Right behind a pooler, where copies are off.
    NoLocalCopies {
        /// Why not.
        reason: String,
    },
}

impl fmt::Display for PostgresWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotDurable => {
                f.write_str("fsync is off; a crash may damage the database and undo revocations")
            }
            Self::LosesLastMoment => {
                f.write_str("synchronous_commit is off; a crash may undo the last revocations")
            }
            Self::FailoverLosesWrites => f.write_str(
                "synchronous_standby_names is empty; a failover to a standby may undo revocations",
            ),
            Self::NotEncrypted => {
                f.write_str("the connection is not encrypted; add sslmode=verify-full to the URL")
            }
            Self::NotVerified => f.write_str(
                "another server could take this one's place; add sslmode=verify-full to the URL",
            ),
            Self::NoLocalCopies { reason } => {
                write!(f, "{reason}; every request with a session asks PostgreSQL")
            }
        }
    }
}

/// Asks the server for its settings.
pub(super) async fn check(store: &Inner) -> Result<Vec<PostgresWarning>, Fault> {
    let failed = |error: sqlx::Error| fault::read(&error).0;
    let lease = store.connections.lease(true, store.timeout).await;
    let mut lease = lease.map_err(|(fault, _)| fault)?;
    lease.closing();
    let row = sqlx::raw_sql(QUESTION).fetch_one(&mut *lease).await.map_err(failed)?;
    lease.keep();
    let text = |column: usize| row.try_get::<String, _>(column).map_err(failed);
    let flag = |column: usize| row.try_get::<bool, _>(column).map_err(failed);
    let mut warnings = Vec::new();
    if text(0)? == "off" {
        warnings.push(PostgresWarning::NotDurable);
    }
    if text(1)? == "off" {
        warnings.push(PostgresWarning::LosesLastMoment);
    }
    if text(2)?.is_empty() && flag(3)? {
        warnings.push(PostgresWarning::FailoverLosesWrites);
    }
    let is_verified = matches!(store.connections.options().get_ssl_mode(), PgSslMode::VerifyFull);
    warnings.extend(of_network(flag(4)?, flag(5)?, is_verified));
    if let Some(fault) = store.listener.as_ref().and_then(|listener| listener.fault()) {
        warnings.push(PostgresWarning::NoLocalCopies { reason: fault.to_string() });
    }
    Ok(warnings)
}

/// What is wrong with the way to the server. On the same machine nothing is.
fn of_network(is_encrypted: bool, is_near: bool, is_verified: bool) -> Option<PostgresWarning> {
    match (is_near, is_encrypted, is_verified) {
        (true, ..) | (_, true, true) => None,
        (_, false, _) => Some(PostgresWarning::NotEncrypted),
        (_, true, false) => Some(PostgresWarning::NotVerified),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_elsewhere_has_to_be_encrypted_and_verified() {
        for (encrypted, near, verified, expected) in [
            (false, true, false, None),
            (true, true, false, None),
            (true, false, true, None),
            (true, false, false, Some(PostgresWarning::NotVerified)),
            (false, false, false, Some(PostgresWarning::NotEncrypted)),
            (false, false, true, Some(PostgresWarning::NotEncrypted)),
        ] {
            assert_eq!(of_network(encrypted, near, verified), expected);
        }
    }
}
