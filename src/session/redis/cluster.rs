//! Which master of a cluster has which slot.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use redis::Value;
use redis::aio::MultiplexedConnection;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::endpoint::{Endpoint, driven, nobody};
use super::fault::Fault;
use super::keys::SLOTS;
use super::link::{Line, Link};
use super::link_settings::LinkSettings;
use super::reply::text;

/// How often the map is read without a particular reason.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// How often it is read while a master is out of reach.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// How long the link to a master without slots stays after a redirect named it: longer than a
/// slot is on its way before the map shows it.
const GUESTS_STAY: Duration = Duration::from_secs(30);

/// How often it is read at most.
const LOOK_AT_MOST_EVERY: Duration = Duration::from_millis(50);

/// A cluster: its map, and a link to every master.
#[derive(Debug)]
pub(super) struct Cluster {
    shared: Arc<Shared>,
    lookout: Mutex<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    seeds: Vec<Endpoint>,
    settings: LinkSettings,
    runtime: Handle,
    map: RwLock<Map>,
    /// Why the map could not be read.
    fault: Mutex<Option<Fault>>,
}

#[derive(Debug, Default)]
struct Map {
    links: HashMap<Endpoint, Link>,
    /// Who has the slot; empty until the map was read.
    slots: Vec<Option<Arc<Line>>>,
    /// Masters that the map does not name, and when a redirect last named them.
    guests: HashMap<Endpoint, Instant>,
}

/// A range of slots and the master that has them.
#[derive(Debug, PartialEq)]
struct Range {
    first: u16,
    last: u16,
    master: Endpoint,
}

impl Cluster {
    pub(super) fn new(seeds: Vec<Endpoint>, settings: LinkSettings, runtime: &Handle) -> Self {
        let shared = Arc::new(Shared {
            seeds,
            settings,
            runtime: runtime.clone(),
            map: RwLock::default(),
            fault: Mutex::new(None),
        });
        let lookout = runtime.spawn(look_out(Arc::clone(&shared)));
        Self { shared, lookout: Mutex::new(lookout) }
    }

    /// The line to the master that has a slot, if that is known.
    pub(super) fn line(&self, slot: u16) -> Option<Arc<Line>> {
        self.keep_looking();
        let map = self.shared.map.read().unwrap_or_else(PoisonError::into_inner);
        map.slots.get(usize::from(slot))?.clone()
    }

    /// The lines to all masters, once every slot has one.
    pub(super) fn lines(&self) -> Option<Vec<Arc<Line>>> {
        let map = self.shared.map.read().unwrap_or_else(PoisonError::into_inner);
        let complete = !map.slots.is_empty() && map.slots.iter().all(Option::is_some);
        let masters = map.links.iter().filter(|(endpoint, _)| !map.guests.contains_key(endpoint));
        complete.then(|| masters.map(|(_, link)| Arc::clone(&link.line)).collect())
    }

    /// Moves the lookout to the caller's runtime if its own has ended.
    fn keep_looking(&self) {
        let mut lookout = self.lookout.lock().unwrap_or_else(PoisonError::into_inner);
        if lookout.is_finished()
            && let Ok(runtime) = Handle::try_current()
        {
            *lookout = runtime.spawn(look_out(Arc::clone(&self.shared)));
        }
    }

    /// Whether another runtime than the caller's moves the bytes of a connection.
    pub(super) fn is_of_another_runtime(&self) -> bool {
        let map = self.shared.map.read().unwrap_or_else(PoisonError::into_inner);
        map.links.values().any(|link| link.line.is_of_another_runtime())
    }

    /// A server said that another one has the slot now.
    pub(super) fn moved(&self, slot: u16, address: &str, said_by: &Line) {
        if let Some(line) = self.reach(address, said_by) {
            let mut map = self.shared.map.write().unwrap_or_else(PoisonError::into_inner);
            if let Some(place) = map.slots.get_mut(usize::from(slot)) {
                *place = Some(line);
            }
        }
        // What was copied from the old master is nobody's word any more.
        self.shared.settings.invalidations.of_slot(slot);
        self.look();
    }

    /// A server said that this key would be at another one: the slot is on its way, and keys
    /// that the old master does not have may be made at the new one.
    pub(super) fn asked_elsewhere(
        &self,
        slot: u16,
        address: &str,
        said_by: &Line,
    ) -> Option<Arc<Line>> {
        self.shared.settings.invalidations.of_slot(slot);
        self.reach(address, said_by)
    }

    /// The line to a server that another one named.
    fn reach(&self, address: &str, named_by: &Line) -> Option<Arc<Line>> {
        let (host, port) = address.rsplit_once(':')?;
        let endpoint = named(host, port.parse().ok()?, &named_by.endpoint)?;
        let mut map = self.shared.map.write().unwrap_or_else(PoisonError::into_inner);
        let line = self.shared.line_in(&mut map, endpoint.clone());
        if !map.slots.iter().flatten().any(|master| Arc::ptr_eq(master, &line)) {
            map.guests.insert(endpoint, Instant::now());
        }
        Some(line)
    }

    /// The map may be wrong.
    pub(super) fn look(&self) {
        self.shared.settings.lost.notify_one();
    }

    /// Why there may have been no answer.
    pub(super) fn fault(&self) -> Option<Fault> {
        let fault = self.shared.fault.lock().unwrap_or_else(PoisonError::into_inner).clone();
        fault.or_else(|| {
            let map = self.shared.map.read().unwrap_or_else(PoisonError::into_inner);
            map.links.values().find_map(|link| link.line.fault())
        })
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.lookout.lock().unwrap_or_else(PoisonError::into_inner).abort();
    }
}

impl Shared {
    fn line_in(&self, map: &mut Map, endpoint: Endpoint) -> Arc<Line> {
        let link = map.links.entry(endpoint).or_insert_with_key(|endpoint| {
            // That of the caller runs; that of whoever opened the store may have ended.
            let runtime = Handle::try_current().unwrap_or_else(|_| self.runtime.clone());
            Link::new(endpoint.clone(), self.settings.clone(), &runtime)
        });
        Arc::clone(&link.line)
    }

    /// Whether every slot has a master that is connected.
    fn is_well(&self) -> bool {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        !map.slots.is_empty()
            && map.slots.iter().all(Option::is_some)
            && map.links.values().all(|link| link.line.fault().is_none())
    }

    /// Asks one server after another, until one knows.
    async fn read_map(&self) -> Result<Vec<Range>, Fault> {
        let connected: Vec<_> = {
            let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
            let lines = map.links.values().map(|link| &link.line);
            lines.filter(|line| line.fault().is_none()).map(Arc::clone).collect()
        };
        let mut fault = Fault::unavailable("no server of the cluster is known");
        let limit = self.settings.rhythm.patience();
        for line in connected {
            let asking = async {
                let mut connection =
                    line.connection().await.ok_or_else(|| Fault::unavailable("a master left"))?;
                ask(&mut connection, &line.endpoint).await
            };
            match timeout(limit, asking).await {
                Ok(Ok(ranges)) => return Ok(ranges),
                Ok(Err(error)) => fault = error,
                Err(_) => fault = Fault::unavailable("Redis does not answer"),
            }
        }
        // The seeds on connections of their own: they need not be masters.
        for seed in &self.seeds {
            let asking = async {
                let (mut connection, driver) = self.settings.dialer.dial(seed, nobody()).await?;
                driven(driver, ask(&mut connection, seed)).await
            };
            match timeout(limit, asking).await {
                Ok(Ok(ranges)) => return Ok(ranges),
                Ok(Err(error)) => fault = error,
                Err(_) => fault = Fault::unavailable("Redis does not answer"),
            }
        }
        Err(fault)
    }

    fn draw_map(&self, ranges: Vec<Range>) {
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        let mut slots = vec![None; usize::from(SLOTS)];
        let mut masters = Vec::new();
        for Range { first, last, master } in ranges {
            let line = self.line_in(&mut map, master.clone());
            let range = usize::from(first)..=usize::from(last);
            if let Some(places) = slots.get_mut(range) {
                places.fill(Some(line));
            }
            masters.push(master);
        }
        map.guests.retain(|guest, named| named.elapsed() < GUESTS_STAY && !masters.contains(guest));
        let Map { links, guests, slots: places } = &mut *map;
        links.retain(|endpoint, _| masters.contains(endpoint) || guests.contains_key(endpoint));
        let old = std::mem::replace(places, slots);
        for (number, (old, new)) in (0..SLOTS).zip(pairs(&old, places)) {
            if old.map(Arc::as_ptr) != new.map(Arc::as_ptr) {
                self.settings.invalidations.of_slot(number);
            }
        }
    }
}

/// The masters of every slot, before and after.
fn pairs<'a>(
    old: &'a [Option<Arc<Line>>],
    new: &'a [Option<Arc<Line>>],
) -> impl Iterator<Item = (Option<&'a Arc<Line>>, Option<&'a Arc<Line>>)> {
    let old = old.iter().map(Option::as_ref).chain(std::iter::repeat(None));
    old.zip(new.iter().map(Option::as_ref))
}

/// Keeps the map right.
async fn look_out(shared: Arc<Shared>) {
    loop {
        let read = shared.read_map().await;
        let fault = match read {
            Ok(ranges) => {
                shared.draw_map(ranges);
                None
            }
            Err(fault) => Some(fault),
        };
        *shared.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
        sleep(LOOK_AT_MOST_EVERY).await;
        let wait = if shared.is_well() { LOOK_EVERY } else { LOOK_AGAIN };
        let _ = timeout(wait, shared.settings.lost.notified()).await;
    }
}

async fn ask(
    connection: &mut MultiplexedConnection,
    asked: &Endpoint,
) -> Result<Vec<Range>, Fault> {
    let mut question = redis::cmd("CLUSTER");
    question.arg("SLOTS");
    let answer = question
        .query_async::<Value>(connection)
        .await
        .map_err(|error| Fault::refused("CLUSTER SLOTS", &error))?;
    read_ranges(&answer, asked).ok_or_else(Fault::unexpected)
}

/// Reads `CLUSTER SLOTS`: first slot, last slot, master, replicas.
fn read_ranges(answer: &Value, asked: &Endpoint) -> Option<Vec<Range>> {
    let Value::Array(ranges) = answer else { return None };
    let read = |range: &Value| {
        let Value::Array(range) = range else { return None };
        let [Value::Int(first), Value::Int(last), Value::Array(master), ..] = range.as_slice()
        else {
            return None;
        };
        let [host, Value::Int(port), ..] = master.as_slice() else { return None };
        let host = if *host == Value::Nil { "" } else { text(host)? };
        let master = named(host, u16::try_from(*port).ok()?, asked)?;
        let (first, last) = (u16::try_from(*first).ok()?, u16::try_from(*last).ok()?);
        Some(Range { first, last, master })
    };
    // A master that does not know its own name yet is left out.
    Some(ranges.iter().filter_map(read).collect())
}

/// A server that another one named. No host means: the same as who was asked.
fn named(host: &str, port: u16, by: &Endpoint) -> Option<Endpoint> {
    let host = match (host, by) {
        ("?", _) => return None,
        ("", Endpoint::Tcp { host, .. }) => host.clone(),
        ("", _) => "localhost".to_owned(),
        (host, _) => host.to_owned(),
    };
    Some(Endpoint::Tcp { host, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Endpoint {
        Endpoint::Tcp { host: "seed".to_owned(), port: 7000 }
    }

    fn node(host: Value, port: i64) -> Value {
        Value::Array(vec![host, Value::Int(port), Value::SimpleString("id".to_owned())])
    }

    fn named_by(host: &str) -> Value {
        Value::BulkString(host.as_bytes().to_vec())
    }

    #[test]
    fn the_map_is_read_with_hosts_that_are_missing_or_unknown() {
        let range =
            |first, last, node| Value::Array(vec![Value::Int(first), Value::Int(last), node]);
        let answer = Value::Array(vec![
            range(0, 99, node(named_by("10.0.0.1"), 7001)),
            range(100, 199, node(Value::Nil, 7002)),
            range(200, 299, node(named_by("?"), 7003)),
            range(300, 70_000, node(named_by("10.0.0.1"), 7004)),
        ]);
        let tcp = |host: &str, port| Endpoint::Tcp { host: host.to_owned(), port };
        assert_eq!(
            read_ranges(&answer, &asked()).expect("a map"),
            [
                Range { first: 0, last: 99, master: tcp("10.0.0.1", 7001) },
                Range { first: 100, last: 199, master: tcp("seed", 7002) },
            ]
        );
        assert!(read_ranges(&Value::Okay, &asked()).is_none());
    }
}
