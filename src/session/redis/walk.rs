//! Walks through the issuers that have sessions, one server after another, a step at a time.

use redis::Value;

use super::fault::Fault;
use super::keys::Keys;
use super::reply::text;
use super::topology::Topology;
use crate::session::{IssuerCursor, IssuerPage};

/// How many keys Redis looks at in one step: some 50 microseconds of its time. It looks at all names, also of
/// those that hold no sessions.
const KEYS_PER_STEP: usize = 500;

/// A place on the way: a server, by its place in the order of addresses, and Redis' own cursor there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    server: usize,
    cursor: u64,
}

impl Place {
    /// What a cursor says; the beginning without one, `None` if it is not one of ours.
    pub(super) fn read(cursor: Option<&IssuerCursor>) -> Option<Self> {
        let Some(cursor) = cursor else { return Some(Self { server: 0, cursor: 0 }) };
        let (server, cursor) = cursor.as_str().split_once('-')?;
        Some(Self { server: server.parse().ok()?, cursor: cursor.parse().ok()? })
    }
}

/// One step.
pub(super) async fn issuers(
    topology: &Topology,
    keys: &Keys,
    place: Place,
) -> Result<IssuerPage, Fault> {
    let mut lines = topology.lines().await;
    lines.sort_by_key(|line| line.endpoint.to_string());
    // A server that has left the cluster since: its keys are those of servers that were, or will be, seen.
    let Some(line) = lines.get(place.server) else { return Ok(IssuerPage::default()) };
    let Some(mut connection) = line.connection().await else {
        return Err(Fault::unavailable("a master left"));
    };
    let mut scan = redis::cmd("SCAN");
    scan.arg(place.cursor).arg("MATCH").arg(keys.pattern_of_sessions());
    scan.arg("COUNT").arg(KEYS_PER_STEP).arg("TYPE").arg("hash");
    let answer = scan.query_async::<Value>(&mut connection).await;
    let answer = answer.map_err(|error| Fault::refused("SCAN", &error))?;
    let Value::Array(parts) = &answer else { return Err(Fault::unexpected()) };
    let [cursor, Value::Array(names)] = parts.as_slice() else { return Err(Fault::unexpected()) };
    let cursor: u64 = text(cursor).and_then(|it| it.parse().ok()).ok_or_else(Fault::unexpected)?;
    let issuers = names.iter().filter_map(|name| keys.issuer_of_sessions(text(name)?)).collect();
    let next = match cursor {
        0 if place.server + 1 < lines.len() => Some((place.server + 1, 0)),
        0 => None,
        cursor => Some((place.server, cursor)),
    };
    let next = next.and_then(|(server, cursor)| format!("{server}-{cursor}").parse().ok());
    Ok(IssuerPage::new(issuers, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_and_others_refused() {
        let read = |text: &str| Place::read(Some(&text.parse().expect("a cursor")));
        assert_eq!(read("2-18446744073709551615"), Some(Place { server: 2, cursor: u64::MAX }));
        for bad in ["2", "2-", "-7", "x-1", "1-18446744073709551616", "1-2-3"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
