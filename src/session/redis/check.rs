//! Settings of the server that cost sessions or safety.

use std::fmt;

use redis::Value;
use redis::aio::MultiplexedConnection;

use super::reply::text;

/// Something about a server that an operator should know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedisWarning {
    /// `maxmemory-policy` lets Redis drop keys. A used token whose mark was dropped
    /// can make a session again. It should be `noeviction`.
    Evicts {
        /// The server's address.
        server: String,
        /// What the policy is.
        policy: String,
    },
    /// `maxmemory` is 0: sessions and used tokens of a flood of sign-ins take what the machine
    /// has, until its system ends the server.
    Unbounded {
        /// The server's address.
        server: String,
    },
    /// `appendonly` is off: a restart forgets sessions and used tokens, or brings
    /// back what an old snapshot holds, revoked sessions included.
    NotDurable {
        /// The server's address.
        server: String,
    },
    /// `appendfsync` is not `always`: a crash of the machine may undo the last
    /// second of revocations and used tokens.
    LosesLastSecond {
        /// The server's address.
        server: String,
    },
    /// There are replicas and `min-replicas-to-write` is 0: a master that is cut
    /// off goes on accepting revocations that a failover then undoes.
    FailoverLosesWrites {
        /// The server's address.
        server: String,
    },
    /// The server refuses a command that local copies need, `CLIENT TRACKING` or, in a cluster,
    /// `CLUSTER NODES`: the store works without them, at one round trip a request.
    NoLocalCopies {
        /// The server's address.
        server: String,
        /// The refusal, with the name of the command.
        reason: String,
    },
    /// The user may not read the settings (`CONFIG GET`), so nothing is known.
    CannotTell {
        /// The server's address.
        server: String,
    },
}

impl fmt::Display for RedisWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Evicts { server, policy } => write!(
                f,
                "{server}: maxmemory-policy is {policy}; used tokens may be forgotten, set noeviction"
            ),
            Self::Unbounded { server } => {
                write!(f, "{server}: maxmemory is 0; a flood of sign-ins may take all memory")
            }
            Self::NotDurable { server } => {
                write!(f, "{server}: appendonly is off; a restart may undo revocations")
            }
            Self::LosesLastSecond { server } => {
                write!(f, "{server}: appendfsync is not always; a crash may undo the last second")
            }
            Self::FailoverLosesWrites { server } => {
                write!(f, "{server}: min-replicas-to-write is 0; a failover may undo revocations")
            }
            Self::NoLocalCopies { server, reason } => {
                write!(f, "{server}: {reason}; every request with a session asks Redis")
            }
            Self::CannotTell { server } => {
                write!(f, "{server}: CONFIG GET is not permitted; check the settings by hand")
            }
        }
    }
}

/// Asks one server for its settings.
pub(super) async fn check(
    connection: &mut MultiplexedConnection,
    server: &str,
) -> Vec<RedisWarning> {
    let server = || server.to_owned();
    let mut settings = Vec::new();
    for name in
        ["maxmemory-policy", "maxmemory", "appendonly", "appendfsync", "min-replicas-to-write"]
    {
        let mut question = redis::cmd("CONFIG");
        question.arg("GET").arg(name);
        match question.query_async::<Value>(connection).await {
            Ok(Value::Map(entries)) => settings.push(
                entries.first().and_then(|(_, value)| text(value)).unwrap_or_default().to_owned(),
            ),
            _ => return vec![RedisWarning::CannotTell { server: server() }],
        }
    }
    let [policy, memory, append, fsync, replicas] = settings.as_slice() else {
        return vec![RedisWarning::CannotTell { server: server() }];
    };
    let mut warnings = Vec::new();
    if policy != "noeviction" {
        warnings.push(RedisWarning::Evicts { server: server(), policy: policy.clone() });
    }
    if memory == "0" {
        warnings.push(RedisWarning::Unbounded { server: server() });
    }
    if append != "yes" {
        warnings.push(RedisWarning::NotDurable { server: server() });
    } else if fsync != "always" {
        warnings.push(RedisWarning::LosesLastSecond { server: server() });
    }
    if replicas == "0" && has_replicas(connection).await {
        warnings.push(RedisWarning::FailoverLosesWrites { server: server() });
    }
    warnings
}

/// `ROLE` of a master: the role, an offset, the replicas.
async fn has_replicas(connection: &mut MultiplexedConnection) -> bool {
    let role = redis::cmd("ROLE").query_async::<Value>(connection).await;
    matches!(role, Ok(Value::Array(role)) if matches!(role.get(2), Some(Value::Array(r)) if !r.is_empty()))
}
