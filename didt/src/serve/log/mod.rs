//! What is written to standard error.

mod queue;

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry, registry, reload};

pub(crate) use self::queue::Lines;
use super::audit;
use super::config::{Log, LogFormat, LogLevel};

/// Sends events to standard error from now on, through a queue, so that nobody waits for its
/// reader.
pub(crate) fn install(log: &Log) -> Result<(Lines, Level), CannotLog> {
    let lines = Lines::write_to(std::io::stderr()).map_err(|_| CannotLog)?;
    let (subscriber, level) = subscriber(log, lines.clone());
    tracing::subscriber::set_global_default(subscriber).map_err(|_| CannotLog)?;
    Ok((lines, level))
}

/// How much is logged, which may change.
#[derive(Clone, Debug)]
pub(crate) struct Level(reload::Handle<Targets, Registry>);

impl Level {
    pub(crate) fn set(&self, level: LogLevel) {
        // Fails only where there is no subscriber any more.
        let _ = self.0.reload(wanted(level));
    }
}

fn subscriber<W>(log: &Log, writer: W) -> (impl Subscriber + Send + Sync + use<W>, Level)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // The queue takes every line; an error of its own would be said on standard error, past the
    // queue.
    let lines = fmt::layer().with_writer(writer).log_internal_errors(false);
    let lines = match log.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
    };
    let (filter, handle) = reload::Layer::new(wanted(log.level));
    (registry().with(lines.with_filter(filter)), Level(handle))
}

/// Ours as far as was asked for, audit at every level; of libraries no more than warnings, since
/// what they tell beyond that may quote requests.
fn wanted(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("didt", level)
        .with_target("tower_didt", level)
        .with_target(audit::TARGET, LevelFilter::INFO)
        .with_target(audit::ACCESS, LevelFilter::INFO)
        .with_target(queue::TARGET, LevelFilter::WARN)
}

/// Something else logs already, or the system has no thread for it.
#[derive(Debug)]
pub(crate) struct CannotLog;

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::{Arc, Mutex};

    use tower_didt::SessionHandle;
    use tower_didt::testing::Wallet;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic inside").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged of `act`, with these settings.
    fn logged(format: LogFormat, level: LogLevel, act: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let log = Log { format, level, ..Log::default() };
        let (subscriber, _) = subscriber(&log, move || writer.clone());
        tracing::subscriber::with_default(subscriber, act);
        let bytes = lines.0.lock().expect("no panic inside").clone();
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn audit_events_are_logged_at_every_level_and_others_as_asked_for() {
        let act = || {
            audit::refusal("missing_credentials", None, None, "nginx", &audit::Asked::default());
            tracing::info!("ours");
            tracing::debug!("details");
            tracing::info!(target: "h2::codec", "a frame");
            tracing::warn!(target: "h2::codec", "a warning");
        };
        let rows = [
            (LogLevel::Error, [true, false, false, false, false]),
            (LogLevel::Warn, [true, false, false, false, true]),
            (LogLevel::Info, [true, true, false, false, true]),
            (LogLevel::Debug, [true, true, true, false, true]),
        ];
        for (level, expected) in rows {
            let text = logged(LogFormat::Text, level, act);
            let found = ["missing_credentials", "ours", "details", "a frame", "a warning"]
                .map(|what| text.contains(what));
            assert_eq!(found, expected, "{level:?}: {text}");
        }
    }

    #[test]
    fn a_line_of_json_is_an_object_with_the_fields_of_the_event() {
        let issuer = Wallet::from_seed("alice").issuer();
        let handle = SessionHandle::from_bytes([7; 32]);
        let client = IpAddr::from(Ipv4Addr::new(192, 0, 2, 7));
        let who = audit::Party { issuer, session: Some(handle), email: None };
        let text = logged(LogFormat::Json, LogLevel::Error, || {
            let asked = audit::Asked::raw(b"POST", b"example.com", b"/auth/login?secret");
            audit::login(&who, Some(client), &asked);
            audit::refusal("expired", None, Some(client), "envoy", &audit::Asked::default());
            audit::sign_out(&who, None, true, None, &asked);
            audit::revoked(&who, Some(handle), Some(client), &asked);
        });
        let events: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("a line is an object"))
            .collect();
        let [login, refusal, sign_out, revoked] = events.as_slice() else {
            panic!("four events, {events:?}");
        };
        for event in [login, sign_out, revoked] {
            assert_eq!(event["method"], "POST");
            assert_eq!(event["host"], "example.com");
            assert_eq!(event["path"], "/auth/login", "without the query");
        }
        let issuer = issuer.to_string();
        assert_eq!(login["target"], audit::TARGET);
        assert_eq!(login["event"], "login");
        assert_eq!(login["issuer"], issuer);
        assert_eq!(login["session"], handle.to_string());
        assert_eq!(login["client"], "192.0.2.7");
        assert_eq!(refusal["event"], "refusal");
        assert_eq!(refusal["reason"], "expired");
        assert_eq!(refusal["at"], "envoy");
        assert_eq!(sign_out["event"], "sign_out");
        assert_eq!(sign_out["everywhere"], true);
        assert!(sign_out.get("session").is_none() && sign_out.get("client").is_none());
        assert_eq!(revoked["event"], "revoked");
        assert_eq!(revoked["everywhere"], false);
        assert_eq!(revoked["session"], handle.to_string());
    }

    #[test]
    fn a_word_of_a_client_makes_no_line_of_its_own() {
        let text = logged(LogFormat::Text, LogLevel::Info, || {
            audit::refusal("a\nb\u{1b}[31m", None, None, "nginx", &audit::Asked::default());
        });
        assert_eq!(text.lines().count(), 1, "{text:?}");
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }
}
