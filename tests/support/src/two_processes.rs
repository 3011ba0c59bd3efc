//! One token presented to a store by two processes at the same time.

use std::process::{Command, Stdio};
use std::time::Duration;

use tower_didt::store::{Minted, NewSession, SessionStore, TokenMark};
use tower_didt::testing::Wallet;
use tower_didt::{Clock, SystemClock, Verifier};

use crate::sessions::LIFETIME;

/// By each of the two.
const PRESENTATIONS: usize = 100;

/// The URL of the store, in a process that [`one_of_200_makes_a_session`] started; `None` otherwise.
pub fn store_url() -> Option<String> {
    std::env::var("PRESENT_TO").ok()
}

/// The other process: presents its token a hundred times at once and prints what became of it.
pub async fn present(store: impl SessionStore + Clone) {
    let token = std::env::var("PRESENT_TOKEN").expect("a token");
    let now = SystemClock.now();
    let claim = Verifier::new("app").verify(token, now).expect("a good token");
    let mark = TokenMark::new(&claim, now.plus(Duration::from_secs(900)));
    // Both processes begin at the same time, as far as possible.
    let begin: f64 = std::env::var("PRESENT_AT").expect("a time").parse().expect("a number");
    let wait = begin - SystemClock.now().as_secs_f64();
    tokio::time::sleep(Duration::from_secs_f64(wait.max(0.0))).await;
    let mints: Vec<_> = (0..PRESENTATIONS)
        .map(|_| {
            let (store, session) = (store.clone(), NewSession::new(mark, now.plus(LIFETIME)));
            tokio::spawn(async move { store.mint(session, SystemClock.now()).await })
        })
        .collect();
    let (mut sessions, mut refused) = (0, 0);
    for mint in mints {
        match mint.await.expect("no panic").expect("an answer") {
            Minted::Session { .. } => sessions += 1,
            Minted::AlreadyUsed => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    println!("\nPRESENTED {sessions} {refused}");
}

/// Starts this test program twice, three times over, to run its ignored test
/// `two_processes::present` against the store at `url`; with further variables of the environment.
pub fn one_of_200_makes_a_session(url: &str, environment: &[(&str, &str)]) {
    for round in 0..3 {
        let token = Wallet::from_seed(format!("alice {round}")).token("app").mint();
        let begin = SystemClock.now().as_secs_f64() + 1.0;
        let run = || {
            let mut command = Command::new(std::env::current_exe().expect("this program"));
            command.args(["--exact", "two_processes::present", "--ignored", "--nocapture"]);
            command.env("PRESENT_TO", url).env("PRESENT_TOKEN", &token);
            command.envs(environment.iter().copied());
            command.env("PRESENT_AT", begin.to_string()).stdout(Stdio::piped());
            command.spawn().expect("a process")
        };
        let processes = [run(), run()];
        let (mut sessions, mut refused) = (0, 0);
        for process in processes {
            let output = process.wait_with_output().expect("an end");
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let line = text.lines().find_map(|line| line.strip_prefix("PRESENTED ")).expect(&text);
            let mut counts = line.split(' ').map(|count| count.parse::<usize>().expect("a count"));
            sessions += counts.next().expect("a count");
            refused += counts.next().expect("a count");
        }
        assert_eq!((sessions, refused), (1, 2 * PRESENTATIONS - 1));
    }
}
