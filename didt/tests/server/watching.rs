//! What operators see: refusals by rule, the trace that a line belongs to, and an access log on request.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;
use tower_didt::testing::Wallet;
use tower_didt_test_support::missing;

use crate::didt::{Didt, LISTEN, TOP};
use crate::http::{Answer, ask, get};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn check(public: std::net::SocketAddr, path: &str, more: &[(&str, &str)]) -> Answer {
    let told = [
        ("x-forwarded-for", "203.0.113.9"),
        ("x-forwarded-method", "GET"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "app.example.com"),
        ("x-forwarded-uri", path),
    ];
    ask(public, "GET", "/check/caddy", &[&told[..], more].concat())
}

#[test]
fn refusals_are_counted_by_reason_and_rule_and_no_label_is_a_clients_word() {
    let nobody = Wallet::from_seed("nobody").issuer().address();
    let rules =
        format!("[[rules]]\nname = \"staff\"\npaths = [\"/staff\"]\naddresses = [\"{nobody}\"]\n");
    let (_didt, public, private) = Didt::start(&format!("{TOP}{LISTEN}{rules}"));
    let bearer = format!("Bearer {}", Wallet::from_seed("alice").token("app").mint());
    assert_eq!(check(public, "/staff", &[("authorization", &bearer)]).status, 403);
    assert_eq!(check(public, "/staff", &[]).status, 401);
    assert_eq!(check(public, "/../cl1ent", &[]).status, 403);
    assert_eq!(check(public, "/cl1ent", &[("authorization", "Bearer cl1ent")]).status, 401);
    let metrics = get(private, "/metrics").body;
    for (reason, rule) in [
        ("issuer_not_allowed", "staff"),
        ("missing_credentials", "staff"),
        ("dot_segment", "none"),
        ("malformed", "default"),
    ] {
        let found = metrics.lines().any(|line| {
            line.starts_with("didt_refusals_total{")
                && line.contains(&format!("reason=\"{reason}\""))
                && line.contains(&format!("rule=\"{rule}\""))
                && line.ends_with(" 1")
        });
        assert!(found, "{reason} {rule}: {metrics}");
    }
    assert!(!metrics.contains("cl1ent"), "{metrics}");
}

/// The JSON lines of this target.
fn lines(didt: &Didt, target: &str) -> Vec<Value> {
    let json = didt.said.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    json.filter(|event| event["target"] == target).collect()
}

#[test]
fn lines_about_a_request_name_its_trace_and_the_answer_passes_it_on() {
    let configuration = format!("{TOP}{LISTEN}[log]\nformat = \"json\"\nlevel = \"error\"\n");
    let (mut didt, public, _) = Didt::start(&configuration);
    let good = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let token = ("authorization", "Bearer nonsense");
    let traced = check(public, "/a", &[token, ("traceparent", &good)]);
    assert_eq!(traced.header("traceparent"), Some(good.as_str()));
    let bad = format!("00-{TRACE}-00f067aa0ba902b7-01\" level=\"error");
    let untraced = check(public, "/b", &[token, ("traceparent", &bad)]);
    assert_eq!(untraced.header("traceparent"), None);
    let bearer = format!("Bearer {}", Wallet::from_seed("alice").token("app").mint());
    let headers = [("authorization", bearer.as_str()), ("traceparent", good.as_str())];
    assert_eq!(ask(public, "POST", "/auth/login", &headers).status, 204);
    didt.signal("TERM");
    didt.ended();
    let events = lines(&didt, "didt::audit");
    let traces: Vec<_> = events.iter().map(|event| event["span"]["trace_id"].as_str()).collect();
    assert_eq!(traces, [Some(TRACE), None, Some(TRACE)], "{events:#?}");
}

#[test]
fn the_access_log_is_off_unless_the_settings_say_so() {
    let alice = Wallet::from_seed("alice");
    for (setting, logged) in [("", false), ("access = true\n", true)] {
        let log = format!("[log]\nformat = \"json\"\nlevel = \"error\"\n{setting}");
        let (mut didt, public, _) = Didt::start(&format!("{TOP}{LISTEN}{log}"));
        let bearer = format!("Bearer {}", alice.token("app").mint());
        assert_eq!(check(public, "/a?secret=1", &[("authorization", &bearer)]).status, 200);
        assert_eq!(check(public, "/b", &[]).status, 401);
        didt.signal("TERM");
        didt.ended();
        let events = lines(&didt, "didt::access");
        assert_eq!(events.len(), if logged { 2 } else { 0 }, "{setting}: {events:#?}");
        if let [passed, refused] = &events[..] {
            assert_eq!((&passed["status"], &refused["status"]), (&200.into(), &401.into()));
            assert_eq!(passed["path"], "/a");
            assert_eq!(passed["client"], "203.0.113.9");
            assert_eq!(passed["rule"], "default");
            assert_eq!(passed["issuer"], alice.issuer().to_string());
            assert_eq!(refused["issuer"], Value::Null);
        }
        assert!(!didt.said.concat().contains("secret"), "{:?}", didt.said);
    }
}

/// What the alerts look at is measured under that name.
#[test]
fn alerts_are_rules_that_promtool_accepts_about_metrics_that_there_are() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/monitoring");
    let text = std::fs::read_to_string(format!("{folder}/didt-alerts.yml")).expect("a file");
    let names: BTreeSet<_> = text
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("didt_"))
        .map(|word| word.trim_end_matches("_count"))
        .collect();
    assert!(names.len() >= 6, "{names:?}");
    let measures = include_str!("../../src/serve/measures.rs");
    for name in names {
        assert!(measures.contains(&format!("\"{name}\"")), "{name}");
    }
    for (what, file) in [("check", "didt-alerts.yml"), ("test", "didt-alerts.test.yml")] {
        let output =
            Command::new("promtool").current_dir(folder).args([what, "rules", file]).output();
        match output {
            Ok(output) => {
                let said = [output.stdout, output.stderr].concat();
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
            }
            Err(_) => {
                let test = format!("{what} of the alerts");
                missing(&test, "promtool", &["TOWER_DIDT_REQUIRE_PROMTOOL"]);
            }
        }
    }
}
