//! The one line that a log has of each request, as the documentation shows it.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use tower_didt::testing::Wallet;
use tower_didt::{DidAuth, Verifier};

use crate::support::{App, START, bearer, empty, request};

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn each_request_is_one_line_as_documented() {
    let buffer = Buffer::default();
    let writer = buffer.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .without_time()
        .with_target(false)
        .with_writer(move || writer.clone())
        .finish();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    tracing::subscriber::with_default(subscriber, || {
        runtime.block_on(async {
            let app = App::new();
            let clock = app.clock.clone();
            let app =
                app.with(|_| DidAuth::new(Verifier::new("did:magic:my-app")).with_clock(clock));
            let alice = Wallet::from_seed("alice");
            app.send(empty(request())).await;
            for audience in ["did:magic:my-app", "did:magic:other"] {
                app.send(bearer(&alice.token(audience).issued_at(START).mint())).await;
            }
        });
    });
    let written = buffer.0.lock().expect("nobody panicked").clone();
    let written = String::from_utf8(written).expect("text");
    let decisions: Vec<_> = written
        .lines()
        .filter(|line| line.contains(" passed ") || line.contains(" rejected "))
        .collect();

    let documentation = include_str!("../../src/lib.rs");
    let documented: Vec<_> = documentation
        .lines()
        .filter_map(|line| line.strip_prefix("//! "))
        .filter(|line| line.starts_with(" INFO ") || line.starts_with("DEBUG "))
        .collect();
    assert_eq!(decisions, documented);
}

#[test]
fn an_audience_that_cannot_be_a_client_id_is_said_once_and_keeps_its_secret() {
    let buffer = Buffer::default();
    let writer = buffer.clone();
    let subscriber =
        tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, || {
        for audience in ["did:magic:my-app", "", "sk_live_n33dl3"] {
            let auth = DidAuth::new(Verifier::new(audience));
            drop((auth.layer(), auth.clone().layer()));
        }
    });
    let written = buffer.0.lock().expect("nobody panicked").clone();
    let written = String::from_utf8(written).expect("text");
    assert_eq!(written.lines().count(), 2, "{written}");
    assert!(written.contains("must not be empty"), "{written}");
    assert!(written.contains("a secret API key") && !written.contains("n33dl3"), "{written}");
}
