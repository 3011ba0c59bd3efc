//! What PostgreSQL's errors mean.

use std::borrow::Cow;

use sqlx::Error;

use crate::session::sql::Fault;

/// What `sqlx` says of a server that talks without TLS only.
const NO_TLS: &str = "server does not support TLS";

/// What to do after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The connection is of no use any more; whether anything was done is unknown.
    Lost,
    /// The connection is of no use any more, and nothing was done.
    NothingDone,
    /// The connection leads to a server that cannot help. Nothing was done.
    WrongServer,
    /// The connection is good, and nothing was done.
    Refused,
}

/// What happened, in words that hold no value, and what to do next.
pub(super) fn read(error: &Error) -> (Fault, Next) {
    let lost = |reason: Cow<'static, str>| (Fault::unavailable(reason), Next::Lost);
    let error = match error {
        Error::Database(error) => error,
        Error::Io(error) => {
            return lost(format!("the connection to PostgreSQL failed: {error}").into());
        }
        // The only such error of sqlx's own: all others come from TLS or from reading certificates.
        Error::Tls(error) if error.to_string() == NO_TLS => {
            return lost("PostgreSQL offers no TLS, and sslmode asks for it".into());
        }
        Error::Tls(_) => return lost("PostgreSQL's certificate or TLS was refused".into()),
        Error::PoolTimedOut => return lost("no connection in the pool became free".into()),
        Error::PoolClosed => {
            return (Fault::unavailable("the pool was closed"), Next::Refused);
        }
        Error::Configuration(_) => {
            return lost("the settings of the connection cannot be used".into());
        }
        _ => return lost("PostgreSQL sent something unexpected".into()),
    };
    let code = error.code().unwrap_or_default();
    let (reason, next) = match &*code {
        "25006" => ("is a standby or read-only", Next::WrongServer),
        "25001" => ("has a default isolation level other than read committed", Next::Refused),
        "55P03" => ("keeps a lock for longer than this call may wait", Next::Refused),
        "57014" => ("cancelled the statement", Next::Refused),
        "40P01" | "40001" => ("undid the transaction because of another", Next::Refused),
        "42883" | "42P01" | "3F000" => {
            ("lacks the schema, or has an old one: run its migrations", Next::Refused)
        }
        "42501" => ("does not permit this user what the store does", Next::Refused),
        "28P01" | "28000" => ("refused the user name or password", Next::NothingDone),
        "3D000" => ("has no database of this name", Next::NothingDone),
        "53300" => ("has no connection left", Next::NothingDone),
        "53100" => ("has no room left on its disk", Next::Refused),
        "53200" => ("has no memory left", Next::Refused),
        "57P01" | "57P02" | "57P03" => ("shuts down or starts up", Next::NothingDone),
        "08P01" => {
            ("or a pooler refused the protocol; see with_transaction_pooling", Next::NothingDone)
        }
        "26000" | "42P05" => (
            "lost or mixed up a prepared statement, as behind a pooler in transaction mode; see \
             with_transaction_pooling",
            Next::NothingDone,
        ),
        // A plan that was made before the schema changed.
        "0A000" => ("has changed since the statement was prepared", Next::NothingDone),
        _ => ("refused the statement", Next::Refused),
    };
    (Fault::unavailable(format!("PostgreSQL {reason} (SQLSTATE {code})")), next)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn an_error_without_a_code_leaves_open_what_was_done() {
        for error in [
            Error::Io(io::ErrorKind::ConnectionReset.into()),
            Error::PoolTimedOut,
            Error::Protocol("a secret".to_owned()),
            Error::Configuration("a secret".into()),
        ] {
            let (fault, next) = read(&error);
            assert_eq!(next, Next::Lost);
            assert!(!fault.to_string().contains("secret"), "{fault}");
        }
    }
}
