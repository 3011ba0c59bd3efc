//! What is printed.

use std::time::{Duration, Instant};

/// How long each of many calls took.
#[derive(Debug, Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    /// With room for so many, so that memory does not grow by them while it is measured.
    pub(crate) fn with_capacity(count: u64) -> Self {
        Self(Vec::with_capacity(usize::try_from(count).expect("fits")))
    }

    pub(crate) fn add(&mut self, took: Duration) {
        self.0.push(took);
    }

    /// Times something that answers at once.
    pub(crate) fn time<T>(&mut self, call: impl FnOnce() -> T) -> T {
        let begin = Instant::now();
        let result = call();
        self.add(begin.elapsed());
        result
    }

    /// Times something that waits.
    pub(crate) async fn await_<T>(&mut self, call: impl Future<Output = T>) -> T {
        let begin = Instant::now();
        let result = call.await;
        self.add(begin.elapsed());
        result
    }

    pub(crate) fn print(mut self, store: &str, count: u64, what: &str) {
        self.0.sort();
        let at = |part: f64| {
            let place = (self.0.len() as f64 * part) as usize;
            let took = self.0.get(place).or(self.0.last()).copied().unwrap_or_default();
            took.as_secs_f64() * 1e6
        };
        println!(
            "times\t{store}\t{count}\t{what}\t{:.3}\t{:.3}\t{:.3}",
            at(0.5),
            at(0.99),
            at(1.0)
        );
    }
}

/// Prints a single figure.
pub(crate) fn value(store: &str, count: u64, what: &str, value: f64) {
    println!("value\t{store}\t{count}\t{what}\t{value}");
}

/// Bytes of this process that lie in memory.
pub(crate) fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    1024.0 * line.trim().trim_end_matches("kB").trim().parse::<f64>().expect("a number")
}

/// Numbers that follow from each other as if by chance, and are the same in every run.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new() -> Self {
        Self(1)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 20) % end
    }
}
