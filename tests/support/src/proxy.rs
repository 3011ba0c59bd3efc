//! A network between a store and its server that can be held up and cut.

use std::fmt::Debug;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::sessions::eventually;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Weather {
    Fine,
    /// Nothing passes; both ends believe that they are connected.
    HeldUp,
    /// What the client says passes, what the server says does not.
    AnswersHeldUp,
    /// Everything passes until the client says this; from then on answers are held up.
    AnswersHeldUpAfter(&'static [u8]),
    /// Answers pass; messages about changes, and what comes after the first of them, do not.
    MessagesHeldUp,
    /// Connections are closed, new ones too.
    Cut,
}

/// Passes bytes on, as long as it is told to.
#[derive(Debug)]
pub struct Proxy {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    target: Arc<AtomicU16>,
    weather: Arc<watch::Sender<Weather>>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// In front of a server on this port.
    pub async fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let target = Arc::new(AtomicU16::new(port));
        let target_there = Arc::clone(&target);
        let own = listener.local_addr().expect("an address").port();
        let weather = Arc::new(watch::Sender::new(Weather::Fine));
        let weather_there = Arc::clone(&weather);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let port = target_there.load(Ordering::Relaxed);
                let (weather, there) = (weather_there.subscribe(), Arc::clone(&weather_there));
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
                    let (client_in, client_out) = client.into_split();
                    let (server_in, server_out) = server.into_split();
                    tokio::select! {
                        () = pass(client_in, server_out, &there, Side::Client) => {}
                        () = pass(server_in, client_out, &there, Side::Server) => {}
                        () = until_cut(weather) => {}
                    }
                });
            }
        });
        Self { port: own, target, weather, task }
    }

    /// The `redis://` URL of the way through it.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The `postgres://` URL of the way through it.
    pub fn postgres_url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres?sslmode=disable", self.port)
    }

    /// Connections that are made from now on lead to another port.
    pub fn lead_to(&self, port: u16) {
        self.target.store(port, Ordering::Relaxed);
    }

    /// Holds everything up.
    pub fn hold_up(&self) {
        self.weather.send_replace(Weather::HeldUp);
    }

    /// Holds answers up from when the client says `words`.
    pub fn hold_up_answers_after(&self, words: &'static [u8]) {
        self.weather.send_replace(Weather::AnswersHeldUpAfter(words));
    }

    /// Whether answers are held up.
    pub fn holds_answers_up(&self) -> bool {
        *self.weather.borrow() == Weather::AnswersHeldUp
    }

    /// Holds messages about changes up.
    pub fn hold_up_messages(&self) {
        self.weather.send_replace(Weather::MessagesHeldUp);
    }

    /// Closes connections, new ones too.
    pub fn cut(&self) {
        self.weather.send_replace(Weather::Cut);
    }

    /// Lets everything pass again.
    pub fn mend(&self) {
        self.weather.send_replace(Weather::Fine);
    }
}

impl Proxy {
    /// What becomes of a request whose answer is lost: answers are held up from when the client says
    /// `words`, and the connection is cut once the server `has_done` what it was asked for.
    pub async fn lose_answer<T: Debug>(
        &self,
        words: &'static [u8],
        asking: impl Future<Output = T>,
        has_done: impl AsyncFn() -> bool,
    ) -> T {
        self.hold_up_answers_after(words);
        let mut asking = pin!(asking);
        tokio::select! {
            answer = &mut asking => panic!("its answer was held up: {answer:?}"),
            _ = eventually(async || self.holds_answers_up() && has_done().await) => {}
        }
        self.cut();
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.mend();
        asking.await
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn until_cut(mut weather: watch::Receiver<Weather>) {
    let _ = weather.wait_for(|weather| *weather == Weather::Cut).await;
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Side {
    Client,
    Server,
}

/// How a message about a change begins, as Redis and as PostgreSQL send it: there behind a letter and
/// two numbers of four bytes.
const MESSAGES: [(&[u8], usize); 2] = [(b">2\r\n$10\r\ninvalidate", 0), (b"didt_changes\0", 9)];

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    there: &watch::Sender<Weather>,
    side: Side,
) {
    let mut weather = there.subscribe();
    let contains =
        |bytes: &[u8], words: &[u8]| bytes.windows(words.len()).position(|these| these == words);
    let mut buffer = vec![0; 65_536];
    loop {
        let Ok(length @ 1..) = from.read(&mut buffer).await else { return };
        let mut rest = &buffer[..length];
        let current = *there.borrow();
        if let (Side::Client, Weather::AnswersHeldUpAfter(words)) = (side, current)
            && contains(rest, words).is_some()
        {
            there.send_replace(Weather::AnswersHeldUp);
        }
        let answers = weather.wait_for(|weather| match weather {
            Weather::Fine | Weather::MessagesHeldUp | Weather::AnswersHeldUpAfter(_) => true,
            Weather::AnswersHeldUp => side == Side::Client,
            Weather::HeldUp | Weather::Cut => false,
        });
        let Ok(messages_held_up) = answers.await.map(|it| *it == Weather::MessagesHeldUp) else {
            return;
        };
        let message = MESSAGES.iter().find_map(|(words, before)| {
            contains(rest, words).map(|start| start.saturating_sub(*before))
        });
        if let (true, Side::Server, Some(start)) = (messages_held_up, side, message) {
            if to.write_all(&rest[..start]).await.is_err() {
                return;
            }
            rest = &rest[start..];
            if weather.wait_for(|weather| *weather == Weather::Fine).await.is_err() {
                return;
            }
        }
        if to.write_all(rest).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::ZERO).await;
    }
}
