//! Which server to ask: always the same one, or the one that has the slot.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, Pipeline, RedisError, ServerErrorKind, Value};
use tokio::time::sleep;

use super::cluster::Cluster;
use super::fault::Fault;
use super::keys;
use super::link::{Line, Link};
use super::questions::check_role;
use super::script::Request;
use crate::did::Issuer;

/// How long to wait before asking again what could not be answered for the moment.
const PAUSE: Duration = Duration::from_millis(5);

/// One server, or a cluster of them.
#[derive(Debug)]
pub(super) enum Topology {
    Single(Link),
    Cluster(Cluster),
}

/// What a server answered, and which one: `None` for one that does not own the slot yet, and
/// answered because it was asked to during a move (`ASKING`).
pub(super) struct Answer {
    pub(super) value: Value,
    pub(super) line: Option<Arc<Line>>,
}

/// What to do about an error.
enum Next {
    Ask(Arc<Line>),
    Again,
    GiveUp(Fault),
}

impl Topology {
    /// The slot of all keys of an issuer. One server has no slots, and the sum that gives them is not
    /// computed there.
    pub(super) fn slot_of(&self, issuer: Issuer) -> u16 {
        match self {
            Self::Single(_) => 0,
            Self::Cluster(_) => keys::slot_of(issuer),
        }
    }

    /// Asks, and asks again or elsewhere if that may help. Does not stop by itself: give
    /// it a time limit.
    pub(super) async fn run(&self, slot: u16, request: &Request) -> Result<Answer, Fault> {
        let mut asking = None;
        loop {
            let (line, is_asking) = match asking.take() {
                Some(line) => (line, true),
                None => (self.line(slot).await, false),
            };
            // A master that has left the cluster meanwhile: its slots have another one.
            let Some(answer) = send(&line, request, is_asking).await else {
                sleep(PAUSE).await;
                continue;
            };
            match answer {
                // It may have been replaced while all that it said was on its way. (What writes a
                // replica refuses.)
                Ok(_) if request.repeatable && !line.is_believed() => sleep(PAUSE).await,
                Ok(value) => {
                    return Ok(Answer { value, line: (!is_asking).then_some(line) });
                }
                Err(error) => match self.next(slot, &line, request, &error) {
                    Next::Ask(line) => asking = Some(line),
                    Next::Again => sleep(PAUSE).await,
                    Next::GiveUp(fault) => return Err(fault),
                },
            }
        }
    }

    /// Whether another runtime than the caller's moves the bytes of a connection.
    pub(super) fn is_of_another_runtime(&self) -> bool {
        match self {
            Self::Single(link) => link.line.is_of_another_runtime(),
            Self::Cluster(cluster) => cluster.is_of_another_runtime(),
        }
    }

    /// Why there may have been no answer.
    pub(super) fn fault(&self) -> Option<Fault> {
        match self {
            Self::Single(link) => link.line.fault(),
            Self::Cluster(cluster) => cluster.fault(),
        }
    }

    /// Makes sure that every server answers.
    pub(super) async fn ping(&self) -> Result<(), Fault> {
        let lines = self.lines().await;
        for line in lines {
            if let Some(mut connection) = line.connection().await {
                check_role(&mut connection, matches!(self, Self::Cluster(_))).await?;
            }
        }
        Ok(())
    }

    /// All servers, once they are known and, of a cluster, have all slots.
    pub(super) async fn lines(&self) -> Vec<Arc<Line>> {
        match self {
            Self::Single(link) => vec![Arc::clone(&link.line)],
            Self::Cluster(cluster) => loop {
                if let Some(lines) = cluster.lines() {
                    return lines;
                }
                sleep(PAUSE).await;
            },
        }
    }

    async fn line(&self, slot: u16) -> Arc<Line> {
        match self {
            Self::Single(link) => Arc::clone(&link.line),
            Self::Cluster(cluster) => loop {
                if let Some(line) = cluster.line(slot) {
                    return line;
                }
                sleep(PAUSE).await;
            },
        }
    }

    fn next(&self, slot: u16, line: &Line, request: &Request, error: &RedisError) -> Next {
        let give_up = || Next::GiveUp(Fault::refused(&request.refused_command(error), error));
        let kind = match error.kind() {
            ErrorKind::Server(kind) => kind,
            // The server answered, in words of its own.
            _ if error.code().is_some() => return give_up(),
            _ if request.repeatable => return Next::Again,
            _ => return give_up(),
        };
        let Self::Cluster(cluster) = self else {
            return Next::GiveUp(match kind {
                ServerErrorKind::Moved => Fault::unavailable("the server is one of a cluster"),
                _ => Fault::refused(&request.refused_command(error), error),
            });
        };
        match (kind, error.redirect_node()) {
            (ServerErrorKind::Moved, Some((address, _))) => {
                cluster.moved(slot, address, line);
                Next::Again
            }
            (ServerErrorKind::Ask, Some((address, _))) => {
                match cluster.asked_elsewhere(slot, address, line) {
                    Some(line) => Next::Ask(line),
                    None => Next::Again,
                }
            }
            (ServerErrorKind::TryAgain, _) if request.can_go_in_steps => {
                Next::GiveUp(Fault::SlotMoves)
            }
            // Refused, so not done: a slot is moving, or a master is being replaced.
            (
                ServerErrorKind::TryAgain
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::ReadOnly,
                _,
            ) => {
                cluster.look();
                Next::Again
            }
            _ => give_up(),
        }
    }
}

/// Sends a request by one line: a script by its hash, in full if that is not known. `None` if
/// the line is closed, with nothing sent.
async fn send(
    line: &Arc<Line>,
    request: &Request,
    asking: bool,
) -> Option<Result<Value, RedisError>> {
    let (mut connection, _place) = if request.is_lookup {
        line.connection_for_lookup().await?
    } else {
        (line.connection().await?, None)
    };
    Some(match send_command(&mut connection, &request.command(), asking).await {
        Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
            Box::pin(send_command(&mut connection, &request.in_full(), asking)).await
        }
        answer => answer,
    })
}

async fn send_command(
    connection: &mut MultiplexedConnection,
    command: &Cmd,
    asking: bool,
) -> Result<Value, RedisError> {
    if !asking {
        return command.query_async(connection).await;
    }
    let mut both = Pipeline::new();
    both.cmd("ASKING").ignore().add_command(command.clone());
    let (answer,) = Box::pin(both.query_async(connection)).await?;
    Ok(answer)
}
