//! Which server is the master, by the word of Redis Sentinels.
//!
//! Every Sentinel says whom it takes for the master, and the configuration epoch in which that one was
//! chosen: of two words the one of the higher epoch is right. One Sentinel may be cut off together with a master
//! that has been replaced; so a majority of those named in the settings has to be heard, lately, or nobody is
//! the master.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Pipeline, Value};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::endpoint::{Endpoint, SharedDialer, nobody};
use super::fault::Fault;
use super::reply::text;

/// For how long the last word of a majority counts while none can be heard. A master that was cut
/// off from the others together with us is believed for so long at most; Sentinels that are restarted are not
/// noticed within it.
const SILENCE_TOLERATED: Duration = Duration::from_secs(5);

/// Which part of the time limit is left for the others once a majority has answered: one of them may know
/// of a newer master.
const OTHERS_SHARE: u32 = 4;

/// The Sentinels that watch one master.
#[derive(Debug)]
pub(super) struct Sentinels {
    /// What the Sentinels call the master.
    group: Arc<str>,
    seats: Vec<Arc<Seat>>,
    /// The last word of a majority, and when it was asked for.
    heard: Mutex<Option<(Word, Instant)>>,
}

/// One Sentinel, and the connection to it.
#[derive(Debug)]
struct Seat {
    endpoint: Endpoint,
    dialer: SharedDialer,
    connection: tokio::sync::Mutex<Option<MultiplexedConnection>>,
}

/// What one Sentinel says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Word {
    master: Endpoint,
    epoch: u64,
}

impl Sentinels {
    pub(super) fn new(group: &str, endpoints: Vec<Endpoint>, dialer: &SharedDialer) -> Self {
        let seat = |endpoint| {
            let (dialer, connection) = (Arc::clone(dialer), tokio::sync::Mutex::default());
            Arc::new(Seat { endpoint, dialer, connection })
        };
        let seats = endpoints.into_iter().map(seat).collect();
        Self { group: group.into(), seats, heard: Mutex::default() }
    }

    /// The master. Each Sentinel has `limit` to answer.
    pub(super) async fn master(&self, limit: Duration) -> Result<Endpoint, Fault> {
        let asked = Instant::now();
        let (words, fault) = self.ask(limit).await;
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let known = heard.take();
        let (word, when) =
            judge(&words, self.majority(), asked, known).map_err(|silence| {
                match (silence, fault) {
                    (Silence::TooFew, Some(fault)) => {
                        Fault::unavailable(format!("too few Sentinels answer: {fault}"))
                    }
                    (Silence::TooFew, None) => Fault::unavailable("too few Sentinels answer"),
                    (Silence::Disagree, _) => {
                        Fault::unavailable("the Sentinels name two masters of the same epoch")
                    }
                }
            })?;
        let master = word.master.clone();
        *heard = Some((word, when));
        Ok(master)
    }

    const fn majority(&self) -> usize {
        self.seats.len() / 2 + 1
    }

    /// Asks all of them at once. With what they say comes why one did not answer.
    async fn ask(&self, limit: Duration) -> (Vec<Word>, Option<Fault>) {
        let mut asking = JoinSet::new();
        for seat in &self.seats {
            let (seat, group) = (Arc::clone(seat), Arc::clone(&self.group));
            asking.spawn(async move {
                let silent = Fault::unavailable("no answer");
                let answer = timeout(limit, seat.ask(&group)).await.unwrap_or(Err(silent));
                answer.map_err(|fault| {
                    Fault::unavailable(format!("Sentinel {}: {fault}", seat.endpoint))
                })
            });
        }
        let (mut words, mut fault) = (Vec::new(), None);
        loop {
            let wait = if words.len() < self.majority() { limit } else { limit / OTHERS_SHARE };
            // Whoever has not answered by the end of it is aborted with the set.
            match timeout(wait, asking.join_next()).await {
                Ok(Some(Ok(Ok(word)))) => words.push(word),
                Ok(Some(Ok(Err(error)))) => fault = Some(error),
                Ok(Some(Err(_))) => {}
                Ok(None) | Err(_) => return (words, fault),
            }
        }
    }
}

/// Why nobody is the master.
#[derive(Debug, PartialEq, Eq)]
enum Silence {
    TooFew,
    Disagree,
}

/// The word that counts, and since when: the newest, if a majority was heard; else the newest of those and
/// of what was known, for a while.
fn judge(
    words: &[Word],
    majority: usize,
    now: Instant,
    known: Option<(Word, Instant)>,
) -> Result<(Word, Instant), Silence> {
    let newest = words.iter().max_by_key(|word| word.epoch);
    let newest = match newest {
        Some(word) if words.iter().any(|it| it.epoch == word.epoch && it != word) => {
            return Err(Silence::Disagree);
        }
        newest => newest.cloned(),
    };
    if words.len() >= majority
        && let Some(word) = newest
    {
        return Ok((word, now));
    }
    let (known, when) = known.ok_or(Silence::TooFew)?;
    if now.saturating_duration_since(when) > SILENCE_TOLERATED {
        return Err(Silence::TooFew);
    }
    match newest {
        // A minority that knows of a newer master is right about it.
        Some(word) if word.epoch > known.epoch => Ok((word, when)),
        _ => Ok((known, when)),
    }
}

impl Seat {
    async fn ask(&self, group: &str) -> Result<Word, Fault> {
        let mut kept = self.connection.lock().await;
        // Taken out: an answer that does not come, or is no answer, costs the connection.
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => {
                let (connection, driver) = self.dialer.dial(&self.endpoint, nobody()).await?;
                // Ends with the last handle to the connection.
                tokio::spawn(driver);
                connection
            }
        };
        let mut questions = Pipeline::new();
        // While a failover is under way the former names the new master before the latter does.
        questions.cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(group);
        questions.cmd("SENTINEL").arg("MASTER").arg(group);
        let answers: Vec<Value> = questions
            .query_async(&mut connection)
            .await
            .map_err(|error| Fault::refused("SENTINEL MASTER", &error))?;
        let word = Word::read(&answers)
            .ok_or_else(|| Fault::unavailable(format!("it names no master {group:?}")))?;
        *kept = Some(connection);
        Ok(word)
    }
}

impl Word {
    /// Reads host and port, and the description of a master.
    fn read(answers: &[Value]) -> Option<Self> {
        let [Value::Array(address), description] = answers else { return None };
        let [host, port] = address.as_slice() else { return None };
        let (host, port) = (text(host)?.to_owned(), text(port)?.parse().ok()?);
        let epoch = field(description, "config-epoch")?.parse().ok()?;
        Some(Self { master: Endpoint::Tcp { host, port }, epoch })
    }
}

/// One of the fields of a description, which is a map, or before RESP3 a list of names and values.
fn field<'a>(description: &'a Value, wanted: &str) -> Option<&'a str> {
    match description {
        Value::Map(entries) => {
            entries.iter().find(|(name, _)| text(name) == Some(wanted)).and_then(|(_, it)| text(it))
        }
        Value::Array(items) => items
            .chunks_exact(2)
            .find_map(|pair| match pair {
                [name, value] if text(name) == Some(wanted) => Some(text(value)),
                _ => None,
            })
            .flatten(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(port: u16, epoch: u64) -> Word {
        Word { master: Endpoint::Tcp { host: "redis".to_owned(), port }, epoch }
    }

    #[test]
    fn the_newest_word_of_a_majority_counts() {
        let now = Instant::now();
        let judged = judge(&[word(1, 4), word(2, 5)], 2, now, None);
        assert_eq!(judged, Ok((word(2, 5), now)));
        // What was known before gives way: Sentinels can be set up again, from the first epoch on.
        let judged = judge(&[word(1, 0), word(1, 0)], 2, now, Some((word(2, 5), now)));
        assert_eq!(judged, Ok((word(1, 0), now)));
    }

    #[test]
    fn a_minority_is_not_believed_but_for_a_newer_master() {
        let now = Instant::now();
        assert_eq!(judge(&[word(1, 4)], 2, now, None), Err(Silence::TooFew));
        let known = Some((word(1, 4), now));
        assert_eq!(judge(&[word(9, 3)], 2, now, known.clone()), Ok((word(1, 4), now)));
        assert_eq!(judge(&[word(2, 5)], 2, now, known), Ok((word(2, 5), now)));
    }

    #[test]
    fn silence_is_borne_for_a_while_from_when_a_majority_was_heard() {
        let heard = Instant::now();
        let known = || Some((word(1, 4), heard));
        let later = heard + SILENCE_TOLERATED;
        assert_eq!(judge(&[], 2, later, known()), Ok((word(1, 4), heard)));
        let too_late = later + Duration::from_millis(1);
        assert_eq!(judge(&[], 2, too_late, known()), Err(Silence::TooFew));
        assert_eq!(judge(&[word(1, 4)], 2, too_late, known()), Err(Silence::TooFew));
    }

    #[test]
    fn two_masters_of_one_epoch_are_none() {
        let judged = judge(&[word(1, 4), word(2, 4)], 2, Instant::now(), None);
        assert_eq!(judged, Err(Silence::Disagree));
    }

    #[test]
    fn answers_are_read_in_both_protocols_and_others_refused() {
        let bulk = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let address = |host| Value::Array(vec![bulk(host), bulk("6379")]);
        let map = Value::Map(vec![(bulk("config-epoch"), bulk("7"))]);
        let list = Value::Array(vec![bulk("name"), bulk("m"), bulk("config-epoch"), bulk("7")]);
        for description in [&map, &list] {
            let read = Word::read(&[address("10.0.0.1"), description.clone()]);
            let master = Endpoint::Tcp { host: "10.0.0.1".to_owned(), port: 6379 };
            assert_eq!(read, Some(Word { master, epoch: 7 }));
        }
        for bad in [
            vec![],
            vec![Value::Nil, map.clone()],
            vec![address("h"), Value::Nil],
            vec![address("h"), Value::Array(vec![bulk("config-epoch")])],
            vec![Value::Array(vec![bulk("h"), bulk("99999")]), map],
        ] {
            assert_eq!(Word::read(&bad), None, "{bad:?}");
        }
    }
}
