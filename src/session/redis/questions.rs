//! What a server is asked before it is believed, and what it may refuse.

use redis::aio::MultiplexedConnection;
use redis::{Pipeline, RedisError, Value};

use super::fault::Fault;
use super::ownership::View;
use super::reply::text;

/// Asks Redis to report changes. Managed services may refuse: that costs the local copies and
/// nothing else. Returns the refusal.
pub(super) async fn track(connection: &mut MultiplexedConnection) -> Result<Option<Fault>, Fault> {
    let mut tracking = redis::cmd("CLIENT");
    tracking.arg("TRACKING").arg("ON");
    match tracking.query_async::<()>(connection).await {
        Ok(()) => Ok(None),
        Err(error) => refusal("CLIENT TRACKING", &error).map(Some),
    }
}

/// Asks a master of a cluster how it sees the slots. The inner error is a refusal.
pub(super) async fn view(
    connection: &mut MultiplexedConnection,
) -> Result<Result<View, Fault>, Fault> {
    let mut nodes = redis::cmd("CLUSTER");
    nodes.arg("NODES");
    let answer = match nodes.query_async::<Value>(connection).await {
        Ok(answer) => answer,
        Err(error) => return refusal("CLUSTER NODES", &error).map(Err),
    };
    let unknown = || Fault::unavailable("Redis answered CLUSTER NODES in an unknown form");
    Ok(text(&answer).and_then(View::read).ok_or_else(unknown))
}

/// An error by which the server says that it does not know or permit a command; any other one
/// is passed on.
fn refusal(command: &'static str, error: &RedisError) -> Result<Fault, Fault> {
    let fault = Fault::refused(command, error);
    match error.code() {
        Some("ERR" | "NOPERM") => Ok(fault),
        _ => Err(fault),
    }
}

/// Makes sure that the server may be believed: a replica lags behind its master and
/// would find sessions that were revoked; so would a master that a cluster has
/// left behind, until it notices.
///
/// `HELLO` serves as the ping: it reports the role, and no ACL can forbid it.
pub(super) async fn check_role(
    connection: &mut MultiplexedConnection,
    cluster: bool,
) -> Result<(), Fault> {
    let mut questions = Pipeline::new();
    questions.cmd("HELLO").arg(3);
    if cluster {
        questions.cmd("CLUSTER").arg("INFO");
    }
    let command = if cluster { "HELLO or CLUSTER INFO" } else { "HELLO" };
    let answers: Vec<Value> =
        questions.query_async(connection).await.map_err(|error| Fault::refused(command, &error))?;
    let mut answers = answers.iter();
    let role = match answers.next() {
        Some(Value::Map(entries)) => {
            entries.iter().find(|(key, _)| text(key) == Some("role")).and_then(|(_, v)| text(v))
        }
        _ => None,
    };
    match role {
        Some("master") => {}
        Some(_) => return Err(Fault::unavailable("the server is a read-only replica")),
        None => return Err(Fault::unexpected()),
    }
    if cluster {
        let info = answers.next().and_then(text).ok_or_else(Fault::unexpected)?;
        if !info.lines().any(|line| line == "cluster_state:ok") {
            return Err(Fault::unavailable("the cluster is down"));
        }
    }
    Ok(())
}
