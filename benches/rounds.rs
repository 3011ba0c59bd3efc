//! Times of several routines on a machine that others use too.
//!
//! In each of many rounds every routine gets a short turn, so that whatever slows the
//! machine slows them all. Told are medians over the rounds: of the time of a call, and
//! of its ratio to the first routine's in the same round.

use std::hint::black_box;
use std::time::Instant;

use crate::median;

const ROUNDS: usize = 1000;

/// Few, so that a turn is rarely interrupted.
const CALLS: usize = 8;

/// Calls at the begin of each turn that do not count: they bring code and tables back
/// into the caches. With few of them a routine is judged by the one before it.
const LEAD_IN: usize = 24;

/// Routines to be timed against each other.
#[derive(Default)]
pub struct Rounds<'a> {
    routines: Vec<Routine<'a>>,
}

struct Routine<'a> {
    name: &'static str,
    /// Gives the nanoseconds that a call took.
    turn: Box<dyn FnMut() -> f64 + 'a>,
    times: Vec<f64>,
}

impl<'a> Rounds<'a> {
    /// Adds a routine, and where its input comes from, which is not timed. The first
    /// routine is what the others are held against.
    pub fn add<I, T>(
        &mut self,
        name: &'static str,
        mut input: impl FnMut() -> I + 'a,
        mut run: impl FnMut(I) -> T + 'a,
    ) {
        let turn = Box::new(move || {
            let inputs: Vec<I> = (0..LEAD_IN + CALLS).map(|_| input()).collect();
            let mut inputs = inputs.into_iter();
            // Kept until the end: dropping them is not timed.
            let mut outputs = Vec::with_capacity(LEAD_IN + CALLS);
            outputs.extend(inputs.by_ref().take(LEAD_IN).map(|input| run(black_box(input))));
            let begin = Instant::now();
            outputs.extend(inputs.map(|input| run(black_box(input))));
            let time = begin.elapsed().as_nanos() as f64;
            black_box(outputs);
            time / CALLS as f64
        });
        self.routines.push(Routine { name, turn, times: Vec::new() });
    }

    /// Times them all and prints a table.
    pub fn run(mut self) {
        // Tables are built and caches filled before anything counts.
        const WARM_UP: usize = 10;
        for round in 0..WARM_UP + ROUNDS {
            for routine in &mut self.routines {
                let time = (routine.turn)();
                if round >= WARM_UP {
                    routine.times.push(time);
                }
            }
        }
        let Some(first) = self.routines.first().map(|routine| routine.times.clone()) else {
            return;
        };
        println!("{:<48} {:>10} {:>7}", "", "median µs", "ratio");
        for Routine { name, times, .. } in self.routines {
            let ratios = times.iter().zip(&first).map(|(time, first)| time / first).collect();
            println!("{name:<48} {:>10.2} {:>7.3}", median(times) / 1e3, median(ratios));
        }
    }
}
