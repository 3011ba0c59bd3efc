//! The command itself: exit codes, what it needs, what it must not show, and that it ends.

use std::io::Read;
use std::net::TcpListener;
use std::process::Output;

use tower_didt::testing::Wallet;

use super::fault::Fault;
use super::gateway::Gateway;
use super::process::{AUDIENCE, Process, Report, doctor, examine_with};

fn text(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_wrong_command_line_is_2() {
    let rows: [&[&str]; 9] = [
        &[],
        &["nowhere"],
        &["ftp://127.0.0.1/private"],
        &["http://127.0.0.1/private?query"],
        &["http://127.0.0.1/private", "--public", "http://127.0.0.2/public"],
        &["http://127.0.0.1/private", "--seed", "alice"],
        &["http://127.0.0.1/private", "--token", "a b"],
        &["http://127.0.0.1/private", "--auth", "auth"],
        &["http://127.0.0.1/private", "--ca", "/nonexistent"],
    ];
    for args in rows {
        let output = doctor(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert_eq!(text(&output).0, "", "{args:?}");
    }
}

#[test]
fn nobody_at_the_url_is_2() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    drop(listener);
    let output = doctor(&[&format!("http://{address}/private")]);
    assert_eq!(output.status.code(), Some(2));
    let (_, complaint) = text(&output);
    assert!(complaint.contains("nothing answers at"), "{complaint}");
}

#[test]
fn a_server_that_never_answers_does_not_hold_it_up() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/private", listener.local_addr().expect("its address"));
    let output = doctor(&[&url, "--timeout", "0.2"]);
    assert_eq!(output.status.code(), Some(2));
    let (_, complaint) = text(&output);
    assert!(complaint.contains("no answer within the time"), "{complaint}");
}

#[test]
fn a_route_that_never_answers_does_not_hold_it_up() {
    let echo = Process::echo();
    let gateway = Gateway::start(Fault::Hangs, &echo);
    let more = ["--seed", "alice", "--audience", AUDIENCE, "--timeout", "1"];
    let report = examine_with(&gateway.url, &more);
    assert_eq!((report.code, report.with("failed").len()), (1, 0), "{}", report.text);
    assert_eq!(
        report.with("unknown"),
        ["upstream", "spoofed-public", "other-upgrade", "paths-public", "stored-cookie"],
        "{}",
        report.text
    );
}

#[test]
fn a_server_of_another_kind_is_2() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/private", listener.local_addr().expect("its address"));
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        std::io::Write::write_all(&mut stream, b"SSH-2.0-x\r\n").expect("written");
        let _ = stream.read(&mut [0; 1024]);
    });
    let output = doctor(&[&url]);
    server.join().expect("ends");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).1.contains("not HTTP/1"), "{}", text(&output).1);
}

#[test]
fn what_needs_a_session_or_a_public_route_is_skipped_without_and_says_so() {
    let echo = Process::echo();
    let gateway = Gateway::start(Fault::None, &echo);
    let output = doctor(&["--json", &format!("{}/private", gateway.url)]);
    let report = Report::new(&output);
    assert_eq!(report.code, 0, "{}", report.text);
    let passed = [
        "guarded",
        "denial",
        "spoofed-stranger",
        "paths-guarded",
        "path-case",
        "forwarded-headers",
        "hosts",
        "private-endpoints",
        "sign-in-page",
    ];
    assert_eq!(report.with("passed"), passed);
    assert_eq!(report.with("skipped").len(), 17, "{}", report.text);
    assert!(report.found("identity").contains("--token"));
    assert!(report.found("paths-public").contains("--public"));
}

/// Without a session and a public route no probe sees whether the upstream is `didt echo`.
#[test]
fn a_path_that_is_answered_by_something_else_is_no_pass() {
    let echo = Process::echo();
    let gateway = Gateway::start(Fault::OpenByDefaultToOtherUpstream, &echo);
    let report = Report::new(&doctor(&["--json", &format!("{}/private", gateway.url)]));
    assert_eq!(
        (report.code, report.with("unknown")),
        (1, vec!["paths-guarded"]),
        "{}",
        report.text
    );
    assert!(report.found("paths-guarded").contains("but not by didt echo"), "{}", report.text);
}

#[test]
fn every_route_is_examined_and_an_open_one_beside_a_guarded_one_is_found() {
    let echo = Process::echo();
    let gateway = Gateway::start(Fault::OpenByDefault, &echo);
    let url = |path: &str| format!("{}{path}", gateway.url);
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("doctor-routes-{}", std::process::id()));
    let lines = format!("# routes\n\nguarded {}\npublic\t{}\n", url("/orders"), url("/public/b"));
    std::fs::write(&file, lines).expect("written");
    let routes = file.to_str().expect("text");
    let (private, orders) = (url("/private"), url("/orders"));
    let rows: [&[&str]; 2] = [&[&private, &orders], &[&private, "--routes", routes]];
    for args in rows {
        let output = doctor(&[&["--json"], args].concat());
        let (lines, complaints) = text(&output);
        assert_eq!((output.status.code(), complaints.as_str()), (Some(1), ""), "{args:?}");
        let reports: Vec<serde_json::Value> =
            lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let guarded = |report: &serde_json::Value| {
            let probes = report["probes"].as_array().expect("probes");
            let probe = probes.iter().find(|probe| probe["name"] == "guarded").expect("it");
            (report["url"].clone(), probe["outcome"].clone())
        };
        let found: Vec<_> = reports.iter().map(guarded).collect();
        let expected = [(&private, "passed"), (&orders, "failed")]
            .map(|(url, word)| (url.as_str().into(), word.into()));
        assert_eq!(found, expected, "{args:?}");
        assert!(!reports[0]["not_looked_at"].as_array().expect("a list").is_empty());
    }
    std::fs::write(&file, "open http://127.0.0.1/").expect("written");
    let output = doctor(&["--routes", routes]);
    std::fs::remove_file(&file).expect("removed");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).1.contains("line 1: expected `guarded URL`"), "{}", text(&output).1);
}

#[test]
fn one_token_signs_in_for_the_first_route_and_the_others_say_that_they_were_skipped() {
    let echo = Process::echo();
    let gateway = Gateway::start(Fault::None, &echo);
    let (first, second) = (format!("{}/private", gateway.url), format!("{}/orders", gateway.url));
    let token = Wallet::from_seed("alice").token(AUDIENCE).mint();
    let (list, _) = text(&doctor(&[&first, &second, "--token", &token]));
    assert!(list.contains("✓ identity "), "{list}");
    assert!(list.contains("– identity                skipped: the only token was used"), "{list}");
    assert_eq!(list.matches("Not looked at:").count(), 1, "{list}");
}

#[test]
fn one_token_is_enough_and_neither_it_nor_the_cookie_is_shown() {
    let echo = Process::echo();
    let token = Wallet::from_seed("alice").token(AUDIENCE).mint();
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("doctor-token-{}", std::process::id()));
    std::fs::write(&file, format!("{token}\n")).expect("written");
    let path = file.to_str().expect("text").to_owned();
    let mut shown = String::new();
    for (fault, argument) in [(Fault::TellsSecrets, token.as_str()), (Fault::None, &path)] {
        let gateway = Gateway::start(fault, &echo);
        let report = examine_with(&gateway.url, &["--token", argument]);
        if fault == Fault::None {
            assert_eq!((report.code, report.with("passed").len()), (0, 26), "{}", report.text);
        }
        shown.push_str(&report.text);
        let cookies = gateway.cookies.lock().expect("not poisoned").clone();
        assert!(!cookies.is_empty());
        assert!(cookies.iter().all(|cookie| !shown.contains(cookie)), "{shown}");
    }
    std::fs::remove_file(file).expect("removed");
    assert!(!shown.contains(&token), "{shown}");
}

#[test]
fn one_token_does_not_tell_whether_a_cache_knows_users() {
    let echo = Process::echo();
    let gateway = Gateway::start(Fault::CacheForAllUsers, &echo);
    let token = Wallet::from_seed("alice").token(AUDIENCE).mint();
    let report = examine_with(&gateway.url, &["--token", &token]);
    assert_eq!((report.code, report.with("unknown")), (1, vec!["shared-cache"]));
    assert!(report.found("shared-cache").contains("--seed"), "{}", report.text);
}

#[test]
fn a_token_that_is_refused_leaves_things_untold() {
    let echo = Process::echo();
    let gateway = Gateway::start(Fault::None, &echo);
    let report = examine_with(&gateway.url, &["--token", "nonsense"]);
    assert_eq!(report.code, 1);
    assert!(report.found("identity").contains("sign-in at /auth/login answers 401"));
}

#[test]
fn the_list_is_for_people() {
    let echo = Process::echo();
    let gateway = Gateway::start(Fault::KeepsUnderscores, &echo);
    let guarded = format!("{}/private", gateway.url);
    let output = doctor(&[&guarded, "--seed", "alice", "--audience", AUDIENCE]);
    let (list, complaints) = text(&output);
    assert_eq!((output.status.code(), complaints.as_str()), (Some(1), ""));
    assert!(list.contains("✓ guarded "), "{list}");
    assert!(list.contains("✗ spoofed-identity "), "{list}");
    assert!(list.contains("– paths-public "), "{list}");
    for part in ["    found  x_auth_issuer", "    why    ", "    mend   nginx: ", "mend   Caddy: "]
    {
        assert!(list.contains(part), "{part}: {list}");
    }
    assert!(list.contains("23 passed, 1 failed, 0 warnings, 2 skipped, 0 inconclusive\n"));
    let (_, unseen) = list.split_once("\nNot looked at:\n").expect("it says what it did not see");
    for part in ["other than the given ones", "HTTP/2", "--public", "--renewal-wait"] {
        assert!(unseen.contains(part), "{part}: {list}");
    }
    assert!(!list.contains('\x1b'), "colour is for terminals: {list}");
}
