//! Questions for sessions, as many in one round trip as there are at the time.
//!
//! Whoever asks while few others do asks at once, and takes along all who wait. Whoever asks while
//! others do waits to be taken along. So a question costs no more time where there are few, and a
//! fraction of the work where there are many.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use crate::did::Issuer;
use crate::session::SessionHandle;
use crate::session::sql::{Fault, Row};
use crate::sync::locked;

/// How many ask at a time. More than one, so that nobody waits for two round trips; few, so that
/// many share one.
const ASKERS: usize = 2;

/// How many questions go together: some 100 KB of answers without data.
const TOGETHER: usize = 128;

/// How many questions may wait at a time: some 2 MB in all. Further ones are answered with an error at
/// once, as they would be after their time behind so many others.
const MAX_WAITING: usize = 10_000;

/// Which session is asked for.
pub(super) type Question = (Issuer, SessionHandle);

/// Which server answered, and what there is.
pub(super) type Answer = (i64, Option<Row>);

/// Who asks and who waits.
#[derive(Default)]
pub(super) struct Loads(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    asking: usize,
    waiting: VecDeque<Waiting>,
}

type Waiting = (Question, oneshot::Sender<Word>);

/// What somebody who comes does first.
enum Place {
    Turn(Turn),
    Waiting(oneshot::Receiver<Word>),
}

/// What somebody who waits is told.
enum Word {
    Answer(Result<Answer, Fault>),
    /// To ask in the place of one who has done so.
    Ask(Turn),
}

/// The right to ask. It passes to one who waits, whatever becomes of its owner.
struct Turn(Option<Arc<Mutex<State>>>);

impl Turn {
    fn new(state: &Arc<Mutex<State>>) -> Self {
        Self(Some(Arc::clone(state)))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // A loop: where thousands have given up at the same moment, turns that drop one another would
        // fill the stack.
        while let Some(state) = self.0.take() {
            let next = {
                let mut state = locked(&state);
                let next = state.next();
                if next.is_none() {
                    state.asking = state.asking.saturating_sub(1);
                }
                next
            };
            let Some((_, tell)) = next else { return };
            // Where this one has just given up the turn comes back.
            if let Err(Word::Ask(mut returned)) = tell.send(Word::Ask(Self(Some(state)))) {
                self.0 = returned.0.take();
            }
        }
    }
}

impl State {
    /// The first who still waits.
    fn next(&mut self) -> Option<Waiting> {
        while let Some(waiting) = self.waiting.pop_front() {
            if !waiting.1.is_closed() {
                return Some(waiting);
            }
        }
        None
    }
}

impl Loads {
    /// The answer to a question. `ask` is given several, and returns as many answers in their order.
    pub(super) async fn load(
        &self,
        question: Question,
        ask: impl AsyncFnOnce(&[Question]) -> Result<Vec<Answer>, Fault>,
    ) -> Result<Answer, Fault> {
        let turn = loop {
            let waiting = match self.turn_or_wait(question)? {
                Place::Turn(turn) => break turn,
                Place::Waiting(waiting) => waiting,
            };
            match waiting.await {
                Ok(Word::Answer(answer)) => return answer,
                Ok(Word::Ask(turn)) => break turn,
                // Whoever took the question along has given up.
                Err(_) => {}
            }
        };
        let (mut questions, mut tell) = (vec![question], Vec::new());
        {
            let mut state = locked(&self.0);
            while questions.len() < TOGETHER
                && let Some((question, sender)) = state.next()
            {
                questions.push(question);
                tell.push(sender);
            }
        }
        let answers = ask(&questions).await;
        drop(turn);
        match answers {
            Ok(answers) if answers.len() == questions.len() => {
                let mut answers = answers.into_iter();
                let own = answers.next().ok_or_else(Fault::unexpected);
                for (tell, answer) in tell.into_iter().zip(answers) {
                    let _ = tell.send(Word::Answer(Ok(answer)));
                }
                own
            }
            other => {
                let fault = other.err().unwrap_or_else(Fault::unexpected);
                for tell in tell {
                    let _ = tell.send(Word::Answer(Err(fault.clone())));
                }
                Err(fault)
            }
        }
    }

    fn turn_or_wait(&self, question: Question) -> Result<Place, Fault> {
        let mut state = locked(&self.0);
        if state.asking < ASKERS {
            state.asking += 1;
            return Ok(Place::Turn(Turn::new(&self.0)));
        }
        if state.waiting.len() >= MAX_WAITING {
            // Those who have given up meanwhile make room.
            state.waiting.retain(|(_, tell)| !tell.is_closed());
            if state.waiting.len() >= MAX_WAITING {
                return Err(Fault::unavailable("too many questions wait for the database"));
            }
        }
        let (tell, waiting) = oneshot::channel();
        state.waiting.push_back((question, tell));
        Ok(Place::Waiting(waiting))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::did::Address;

    fn question(number: u8) -> Question {
        let issuer = Address::from_bytes([number; 20]).into();
        (issuer, SessionHandle::from_bytes([number; 32]))
    }

    /// A server that takes a moment, and answers with the first byte of each handle.
    async fn answer(questions: &[Question], asked: &AtomicUsize) -> Result<Vec<Answer>, Fault> {
        asked.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(10)).await;
        Ok(questions.iter().map(|(_, handle)| (handle.as_bytes()[0].into(), None)).collect())
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_ask_at_a_time_are_answered_together_and_each_gets_its_own() {
        let (loads, asked) = (Arc::new(Loads::default()), Arc::new(AtomicUsize::new(0)));
        let tasks: Vec<_> = (0..100)
            .map(|number| {
                let (loads, asked) = (Arc::clone(&loads), Arc::clone(&asked));
                tokio::spawn(async move {
                    let ask = async |questions: &[Question]| answer(questions, &asked).await;
                    (number, loads.load(question(number), ask).await.expect("an answer").0)
                })
            })
            .collect();
        for task in tasks {
            let (number, got) = task.await.expect("no panic");
            assert_eq!(got, i64::from(number));
        }
        assert_eq!(asked.load(Ordering::Relaxed), 4, "two, and two for all who came meanwhile");
        assert_eq!(locked(&loads.0).asking, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_gives_up_leaves_nobody_without_an_answer() {
        let (loads, asked) = (Arc::new(Loads::default()), Arc::new(AtomicUsize::new(0)));
        let mut tasks = Vec::new();
        for number in 0..60 {
            let (loads, asked) = (Arc::clone(&loads), Arc::clone(&asked));
            // Every third one gives up, some while they ask for others.
            let patience = Duration::from_millis(if number % 3 == 0 { 5 } else { 1_000 });
            tasks.push(tokio::spawn(async move {
                let ask = async |questions: &[Question]| answer(questions, &asked).await;
                let loading = loads.load(question(number), ask);
                (number, tokio::time::timeout(patience, loading).await)
            }));
        }
        for task in tasks {
            let (number, got) = task.await.expect("no panic");
            match got {
                Ok(answer) => assert_eq!(answer.expect("an answer").0, i64::from(number)),
                Err(_) => assert_eq!(number % 3, 0, "{number} waited for ever"),
            }
        }
        let state = locked(&loads.0);
        assert_eq!((state.asking, state.waiting.len()), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_wait_than_may_and_those_who_gave_up_make_room() {
        let loads = Arc::new(Loads::default());
        let load = |patience: u64| {
            let loads = Arc::clone(&loads);
            tokio::spawn(async move {
                // A server that says nothing.
                let ask = async |_: &[Question]| std::future::pending().await;
                let loading = loads.load(question(1), ask);
                tokio::time::timeout(Duration::from_secs(patience), loading).await
            })
        };
        let first: Vec<_> = (0..ASKERS + MAX_WAITING).map(|_| load(2)).collect();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let refused = load(2).await.expect("no panic").expect("an answer at once");
        assert!(matches!(refused, Err(Fault::Unavailable(_))));
        assert!(locked(&loads.0).waiting.len() <= MAX_WAITING);
        for task in first {
            assert!(task.await.expect("no panic").is_err(), "nobody was answered");
        }
        let state = locked(&loads.0);
        assert_eq!((state.asking, state.waiting.len()), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_fault_is_told_to_all_whom_it_concerns() {
        let loads = Arc::new(Loads::default());
        let tasks: Vec<_> = (0..10)
            .map(|number| {
                let loads = Arc::clone(&loads);
                tokio::spawn(async move {
                    let ask = async |_: &[Question]| {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                        Err(Fault::unavailable("away"))
                    };
                    loads.load(question(number), ask).await.map(drop)
                })
            })
            .collect();
        for task in tasks {
            assert!(matches!(task.await.expect("no panic"), Err(Fault::Unavailable(_))));
        }
    }
}
