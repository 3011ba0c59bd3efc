//! Sends requests at times that are fixed beforehand, and says how late the answers were.
//!
//! ```text
//! bench-paced URL RATE SECONDS CONNECTIONS HEADER…
//! ```
//!
//! Each of the connections has its own share of the requests, evenly spread. The time of an answer
//! counts from the moment at which its request was *due*, whether or not the one before it had been
//! answered by then: a server that stands still for a second is charged with every request that
//! would have come in that second (no coordinated omission). The first second does not count. Each
//! connection has a thread, which sleeps until its next request is due: a runtime's timers know
//! milliseconds only.
//!
//! Prints the number of answers, of those that were not 200, and the times below which 50, 99 and
//! 99.9 per cent of them lie, and the longest, in microseconds.

use std::future::poll_fn;
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use http::header::{HOST, HeaderName, HeaderValue};
use http::{HeaderMap, Request, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::runtime::Builder;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What comes before counts for nothing: connections are made, caches filled.
const LEAD_IN: Duration = Duration::from_secs(1);

/// The longest time that is told, in microseconds: longer ones count as this.
const LONGEST: u64 = 60_000_000;

#[derive(Clone)]
struct Plan {
    uri: Uri,
    headers: HeaderMap,
    /// From one request of a connection to its next.
    pause: Duration,
    begin: Instant,
    end: Instant,
}

struct Answers {
    times: Histogram<u64>,
    others: u64,
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |what: &str| arguments.next().ok_or(format!("{what} is missing"));
    let uri: Uri = next("URL")?.parse()?;
    let rate: f64 = next("RATE")?.parse()?;
    let seconds: u64 = next("SECONDS")?.parse()?;
    let connections: u32 = next("CONNECTIONS")?.parse()?;
    let mut headers = HeaderMap::new();
    headers.insert(HOST, uri.authority().ok_or("no host")?.as_str().parse()?);
    for header in arguments {
        let (name, value) = header.split_once(": ").ok_or("a header is NAME: VALUE")?;
        headers.append(name.parse::<HeaderName>()?, value.parse::<HeaderValue>()?);
    }
    let begin = Instant::now();
    let end = begin + LEAD_IN + Duration::from_secs(seconds);
    let pause = Duration::from_secs_f64(f64::from(connections) / rate);
    let plan = Plan { uri, headers, pause, begin, end };
    let threads: Vec<_> = (0..connections)
        .map(|number| {
            let (plan, first) = (plan.clone(), begin + pause * number / connections);
            thread::spawn(move || {
                let runtime = Builder::new_current_thread().enable_io().build()?;
                runtime.block_on(send_all(&plan, first))
            })
        })
        .collect();
    let mut all = Answers::new()?;
    for thread in threads {
        let answers = thread.join().map_err(|_| "a thread panicked")??;
        all.times.add(answers.times)?;
        all.others += answers.others;
    }
    all.print();
    Ok(())
}

/// All requests of a connection, the first at a given time.
async fn send_all(plan: &Plan, first: Instant) -> Result<Answers, Failure> {
    let authority = plan.uri.authority().ok_or("no host")?;
    let stream = TcpStream::connect(authority.as_str()).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut answers = Answers::new()?;
    let mut due = first;
    while due < plan.end {
        // Nothing else is done by this runtime meanwhile.
        thread::sleep(due.saturating_duration_since(Instant::now()));
        poll_fn(|context| sender.poll_ready(context)).await?;
        let path = plan.uri.path();
        let mut request = Request::get(path).body(Empty::<Bytes>::new())?;
        request.headers_mut().clone_from(&plan.headers);
        let response = sender.send_request(request).await?;
        let status = response.status();
        response.into_body().collect().await?;
        if due >= plan.begin + LEAD_IN {
            answers.add(due.elapsed(), status.as_u16() == 200);
        }
        due += plan.pause;
    }
    Ok(answers)
}

impl Answers {
    fn new() -> Result<Self, Failure> {
        Ok(Self { times: Histogram::new_with_bounds(1, LONGEST, 3)?, others: 0 })
    }

    fn add(&mut self, time: Duration, is_ok: bool) {
        self.times.saturating_record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
        self.others += u64::from(!is_ok);
    }

    fn print(&self) {
        let at = |quantile| self.times.value_at_quantile(quantile);
        let (count, others) = (self.times.len(), self.others);
        println!("{count} {others} {} {} {} {}", at(0.5), at(0.99), at(0.999), self.times.max());
    }
}
