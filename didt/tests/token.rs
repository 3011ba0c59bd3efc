//! The command line `didt`, from outside: arguments and input in, output and exit code out.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "the helpers are tests as well")]

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tower_didt::testing::Wallet;
use tower_didt::{Timestamp, TokenError, Verifier};

const NOW: i64 = 1_700_000_000;
const AUD: &str = "did:magic:my-app";

fn spawn(args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_didt"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("didt starts")
}

/// Runs `didt` with this standard input, which it need not read.
fn didt_reading(args: &[&str], input: impl Into<Vec<u8>>) -> Output {
    let mut child = spawn(args);
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.into();
    let writer = thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().expect("didt ends");
    writer.join().expect("the writer ends");
    output
}

fn didt(args: &[&str]) -> Output {
    didt_reading(args, "")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("an exit code")
}

/// The lines of standard output, each a JSON value.
fn values(output: &Output) -> Vec<Value> {
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

fn alice() -> Wallet {
    Wallet::from_seed("alice")
}

fn token() -> String {
    alice().token(AUD).issued_at(Timestamp::from_secs(NOW)).mint()
}

fn verify(token: &str, more: &[&str]) -> Output {
    let mut args = vec!["verify", "--audience", AUD, "--at", "1700000060"];
    args.extend(more);
    args.extend(["--", token]);
    didt(&args)
}

fn error_of(output: &Output) -> String {
    let values = values(output);
    assert_eq!(values.len(), 1, "one verdict");
    values[0]["error"].as_str().expect("an error").to_owned()
}

mod verify {
    use super::*;

    #[test]
    fn an_accepted_token_gives_exactly_one_line_with_who_and_until_when() {
        let output = verify(&token(), &[]);
        let issuer = alice().issuer();
        assert_eq!(code(&output), 0);
        assert_eq!(
            text(&output.stdout),
            format!(
                "{{\"verdict\":\"accept\",\"issuer\":\"{issuer}\",\"address\":\"{}\",\
                 \"expires_at\":1700000900}}\n",
                issuer.address()
            )
        );
        assert_eq!(text(&output.stderr), "");
    }

    #[test]
    fn a_rejected_token_gives_the_librarys_name_code_and_message() {
        let output = verify("no token", &[]);
        let error = Verifier::new(AUD)
            .verify("no token", Timestamp::from_secs(NOW))
            .expect_err("not a token");
        assert_eq!(code(&output), 1);
        assert_eq!(
            text(&output.stdout),
            format!(
                "{{\"verdict\":\"reject\",\"error\":\"{}\",\"code\":\"{}\",\"message\":\"{error}\"}}\n",
                error.name(),
                error.code()
            )
        );
    }

    #[test]
    fn every_kind_of_rejection_is_told_apart() {
        let at = |at: &str, more: &[&str]| {
            let token = token();
            let mut args = vec!["verify", "--audience", AUD, "--at", at, &token];
            args.extend(more);
            let output = didt(&args);
            assert_eq!(code(&output), 1);
            error_of(&output)
        };
        assert_eq!(at("1700000900.5", &[]), "expired");
        assert_eq!(at("-1700000000", &[]), "not_yet_valid");
        assert_eq!(at("-.5", &[]), "not_yet_valid");
        assert_eq!(at("1700000061", &["--max-age", "60.5"]), "too_old");
        assert_eq!(at("1700000060", &["--attachment", "hello"]), "incorrect_signer");

        let bob = Wallet::from_seed("bob");
        let other = bob.token("other").issued_at(Timestamp::from_secs(NOW));
        assert_eq!(error_of(&verify(&other.mint(), &[])), "audience_mismatch");
        let claim = alice().token(AUD).issued_at(Timestamp::from_secs(NOW)).claim();
        let forged = bob.token_from_claim(&claim);
        assert_eq!(error_of(&verify(&forged, &[])), "incorrect_signer");
        let unsigned = other.set("aud", AUD).set("add", "0x").mint();
        assert_eq!(error_of(&verify(&unsigned, &["--attachment", "none"])), "failed_recovery");
    }

    #[test]
    fn several_audiences_and_the_attachment_are_taken_from_flags() {
        let output = verify(&token(), &["--audience", "other", "--attachment", "none"]);
        assert_eq!(code(&output), 0);
        let swapped = ["verify", "--audience", "other", "--audience", AUD, "--at", "1700000000"];
        let token = token();
        assert_eq!(code(&didt(&[&swapped[..], &[&token]].concat())), 0);
    }

    #[test]
    fn without_at_the_system_time_decides() {
        let fresh = alice().token(AUD).mint();
        assert_eq!(code(&didt(&["verify", "--audience", AUD, &fresh])), 0);
        assert_eq!(error_of(&didt(&["verify", "--audience", AUD, &token()])), "expired");
    }

    #[test]
    fn standard_input_loses_one_line_end_and_nothing_else() {
        let args = ["verify", "--audience", AUD, "--at", "1700000060", "-"];
        let token = token();
        for good in ["", "\n", "\r\n"] {
            assert_eq!(code(&didt_reading(&args, format!("{token}{good}"))), 0, "{good:?}");
        }
        for bad in ["\n\n", " ", " \n", "\r", "\n\r", "\r\n\r\n"] {
            let output = didt_reading(&args, format!("{token}{bad}"));
            assert_eq!((code(&output), error_of(&output).as_str()), (1, "malformed"), "{bad:?}");
        }
        for bad in [&b""[..], b"\n", b"\xff\xfe", b"\0"] {
            assert_eq!(error_of(&didt_reading(&args, bad)), "malformed", "{bad:?}");
        }
    }

    #[test]
    fn a_double_dash_lets_a_token_begin_with_a_dash() {
        assert_eq!(error_of(&verify("-x", &[])), "malformed");
        assert_eq!(error_of(&verify("--batch", &[])), "malformed");
    }

    #[test]
    fn a_wrong_command_line_is_exit_code_2_and_prints_no_verdict() {
        let token = token();
        for args in [
            &["verify", &token][..],
            &["verify", "--audience", "", &token],
            &["verify", "--audience", AUD],
            &["verify", "--audience", AUD, "--unknown", &token],
            &["verify", "--audience", AUD, "--at", "soon", &token],
            &["verify", "--audience", AUD, "--at", "nan", &token],
            &["verify", "--audience", AUD, "--at", "inf", &token],
            &["verify", "--audience", AUD, "--at", "1e999", &token],
            &["verify", "--audience", AUD, "--max-age", "-1", &token],
            &["verify", "--audience", AUD, "--max-age=-1", &token],
            &["verify", "--audience", AUD, "--max-age=nan", &token],
            &["verify", "--audience", AUD, &token, &token],
            &["verify", "--batch", "--audience", AUD, &token],
            &["verify", "--batch", "--audience", ""],
            &["verify", "--audience", " ", &token],
            &["verify", "--audience", "pk_live_1", &token],
            &["verify", "--audience", AUD, "--audience", "sk_live_n33dl3", &token],
            &["mint", "--seed", "alice", "--audience", ""],
            &["mint", "--seed", "alice", "--audience", "pk_test_1"],
            &["doctor", "http://127.0.0.1:1/", "--seed", "alice", "--audience", "sk_live_n33dl3"],
            &["inspect"],
            &["inspect", "--at", "x", &token],
            &["mint", "--seed", "alice"],
            &["mint", "--audience", AUD],
            &["mint", "--seed", "alice", "--audience", AUD, "--count", "0"],
            &["mint", "--seed", "alice", "--audience", AUD, "--count", "-1"],
            &["mint", "--seed", "alice", "--audience", AUD, "--lifespan=-1"],
            &["mint", "--seed", "alice", "--audience", AUD, "--issued-at", "inf"],
            &["mint", "--seed", "alice", "--audience", AUD, "--set", "sub"],
            &["unknown"],
            &[],
        ] {
            let output = didt(args);
            assert_eq!(code(&output), 2, "{args:?}");
            assert_eq!(text(&output.stdout), "", "{args:?}");
            assert_ne!(text(&output.stderr), "", "{args:?}");
        }
    }
}

mod batch {
    use super::*;

    fn batch(input: impl Into<Vec<u8>>) -> Output {
        let args = ["verify", "--batch", "--audience", AUD, "--at", "1700000060"];
        let output = didt_reading(&args, input);
        assert_eq!(code(&output), 0, "a batch that was read to its end succeeds");
        output
    }

    fn lines(lines: &[Value]) -> String {
        lines.iter().map(|line| format!("{line}\n")).collect()
    }

    /// `error` of every verdict, or `accept`.
    fn verdicts(output: &Output) -> Vec<String> {
        let outcome = |value: &Value| value.get("error").unwrap_or(&value["verdict"]).clone();
        values(output).iter().map(|v| outcome(v).as_str().expect("text").to_owned()).collect()
    }

    #[test]
    fn verdicts_come_in_order_with_the_name_first_and_the_exact_keys() {
        let input = lines(&[
            json!({"name": "good", "token": token()}),
            json!({"name": "bad", "token": "x"}),
            json!({"name": "late", "token": token(), "now": NOW + 901}),
        ]);
        let output = batch(input);
        let stdout = text(&output.stdout);
        let starts: Vec<_> =
            stdout.lines().map(|l| &l[..l.find(",\"verdict\"").expect(l)]).collect();
        assert_eq!(starts, [r#"{"name":"good""#, r#"{"name":"bad""#, r#"{"name":"late""#]);
        assert_eq!(verdicts(&output), ["accept", "malformed", "expired"]);
        let values = values(&output);
        assert_eq!(keys(&values[0]), ["address", "expires_at", "issuer", "name", "verdict"]);
        assert_eq!(keys(&values[1]), ["code", "error", "message", "name", "verdict"]);
    }

    #[test]
    fn a_name_is_echoed_as_it_was_written() {
        for name in [
            "1.0000000000000000000000001",
            r#"{"b":1, "a" : [ true ]}"#,
            r#""\u0041\ud800""#,
            "null",
            "12345678901234567890123",
        ] {
            let output = batch(format!("{{\"token\":\"\",\"name\":{name}}}"));
            let expected = format!("{{\"name\":{name},\"verdict\"");
            assert!(text(&output.stdout).starts_with(&expected), "{}", text(&output.stdout));
        }
        let output = batch("{\"token\":\"\"}");
        assert!(text(&output.stdout).starts_with("{\"name\":null,\"verdict\":\"reject\""));
    }

    #[test]
    fn a_lines_own_values_win_over_the_flags_and_null_means_absent() {
        let token = token();
        let output = batch(lines(&[
            json!({"token": token, "now": null, "audience": null, "attachment": null}),
            json!({"token": token, "audience": "other"}),
            json!({"token": token, "audience": ["other", AUD]}),
            json!({"token": token, "audience": []}),
            json!({"token": token, "audience": ""}),
            json!({"token": token, "now": 1.8e9}),
            json!({"token": token, "now": -1}),
            json!({"token": token, "attachment": "none"}),
            json!({"token": token, "attachment": "hello"}),
            json!({"token": token, "unknown": [1, {"a": 2}]}),
        ]));
        assert_eq!(
            verdicts(&output),
            [
                "accept",
                "audience_mismatch",
                "accept",
                "audience_mismatch",
                "audience_mismatch",
                "expired",
                "not_yet_valid",
                "accept",
                "incorrect_signer",
                "accept",
            ]
        );
        let args = ["verify", "--batch", "--attachment", "hello"];
        let line = |attachment: Value| json!({"token": token, "audience": AUD, "now": NOW, "attachment": attachment});
        let output = didt_reading(&args, lines(&[line(Value::Null), line("none".into())]));
        assert_eq!(verdicts(&output), ["incorrect_signer", "accept"]);
    }

    #[test]
    fn a_time_is_read_to_the_last_bit() {
        // serde_json itself reads the first of these as one step of the float later.
        for ext in ["2096340387.7731655", "1.0000000000016881e+21", "0.30000000000000004"] {
            let ext: f64 = ext.parse().expect("a number");
            let token = alice()
                .token(AUD)
                .issued_at(Timestamp::EPOCH)
                .set("ext", Timestamp::from_secs_f64(ext))
                .mint();
            let line = |now: f64| format!("{{\"token\":\"{token}\",\"now\":{now:?}}}\n");
            let output = batch([line(ext), line(ext.next_up())].concat());
            assert_eq!(verdicts(&output), ["accept", "expired"], "{ext}");
        }
    }

    #[test]
    fn a_line_that_is_no_question_gets_an_input_error_and_the_next_is_answered() {
        let good = json!({"name": 2, "token": token()}).to_string();
        for (bad, name) in [
            ("no JSON", json!(null)),
            ("{", json!(null)),
            ("[]", json!(null)),
            ("\"text\"", json!(null)),
            ("null", json!(null)),
            (r#"{"name":1,"token":"x"} x"#, json!(null)),
            (r#"{"name":1}"#, json!(1)),
            (r#"{"name":1,"token":null}"#, json!(1)),
            (r#"{"name":1,"token":7}"#, json!(1)),
            (r#"{"name":1,"token":["x"]}"#, json!(1)),
            (r#"{"name":1,"token":"x","now":"5"}"#, json!(1)),
            (r#"{"name":1,"token":"x","now":true}"#, json!(1)),
            (r#"{"name":1,"token":"x","now":1e999}"#, json!(1)),
            (r#"{"name":1,"token":"x","audience":5}"#, json!(1)),
            (r#"{"name":1,"token":"x","audience":[5]}"#, json!(1)),
            (r#"{"name":1,"token":"x","audience":{}}"#, json!(1)),
            (r#"{"name":1,"token":"x","attachment":5}"#, json!(1)),
            (r#"{"name":1,"token":"x","token":"y"}"#, json!(1)),
            (r#"{"name":1,"token":"x","\u0074oken":"y"}"#, json!(1)),
            (r#"{"name":1,"token":"x","z":1,"z":1}"#, json!(1)),
        ] {
            let output = batch(format!("{bad}\n{good}\n"));
            assert_eq!(verdicts(&output), ["input", "accept"], "{bad}");
            let values = values(&output);
            assert_eq!(keys(&values[0]), ["code", "error", "message", "name", "verdict"], "{bad}");
            assert_eq!(values[0]["name"], name, "{bad}");
            assert_eq!(values[0]["code"], "ERROR_INPUT", "{bad}");
        }
    }

    #[test]
    fn without_any_audience_a_line_is_an_input_error_and_not_accepted() {
        let input = lines(&[json!({"name": 1, "token": token(), "now": NOW})]);
        assert_eq!(verdicts(&didt_reading(&["verify", "--batch"], input)), ["input"]);
    }

    #[test]
    fn an_input_error_never_shows_the_lines_content() {
        let output =
            batch("\"a-token\"\n{\"token\":\"a-token\" x\na-token\n{\"token\":[\"a-token\"]}");
        assert_eq!(verdicts(&output), ["input"; 4]);
        assert!(!text(&output.stdout).contains("a-token"));
    }

    #[test]
    fn a_line_that_is_not_utf_8_is_an_input_error() {
        let good = json!({"token": token()}).to_string();
        let output = batch([b"{\"name\":\"\xff\",\"token\":\"x\"}\n", good.as_bytes()].concat());
        assert_eq!(verdicts(&output), ["input", "accept"]);
    }

    #[test]
    fn blank_lines_crlf_and_a_missing_last_line_end_change_nothing() {
        let good = json!({"token": token()}).to_string();
        let output = batch(format!("\n\r\n  \t\n{good}\r\n\n{good}\n{good}"));
        assert_eq!(verdicts(&output), ["accept"; 3]);
        assert_eq!(text(&batch("").stdout), "");
        assert_eq!(text(&batch("\n\n").stdout), "");
    }

    #[test]
    fn a_lone_surrogate_makes_the_token_malformed_not_the_line() {
        let output = batch(r#"{"name":1,"token":"\ud800"}"#);
        assert_eq!(verdicts(&output), ["malformed"]);
        assert_eq!(values(&output)[0]["code"], "ERROR_MALFORMED_TOKEN");
        assert_eq!(values(&output)[0]["name"], 1);
        assert_eq!(verdicts(&batch(r#"{"token":"WyIw\udfff\ud800x"}"#)), ["malformed"]);
    }

    #[test]
    fn an_escaped_token_is_the_same_token() {
        let escaped = token().replacen('W', "\\u0057", 1);
        assert_eq!(verdicts(&batch(format!("{{\"token\":\"{escaped}\"}}"))), ["accept"]);
    }

    #[test]
    fn a_line_of_several_megabytes_is_malformed_and_not_a_crash() {
        let long = "A".repeat(5 << 20);
        let input = lines(&[json!({"token": long}), json!({"token": token()})]);
        assert_eq!(verdicts(&batch(input)), ["malformed", "accept"]);
        let deep =
            format!("{{\"x\":{},\"token\":\"\"}}", "[".repeat(1 << 20) + &"]".repeat(1 << 20));
        assert_eq!(verdicts(&batch(deep)), ["malformed"]);
        let deep =
            format!("{{\"audience\":{},\"token\":\"\"}}", "[".repeat(999) + &"]".repeat(999));
        assert_eq!(verdicts(&batch(deep)), ["input"]);
    }

    #[test]
    fn a_line_beyond_64_mib_is_an_input_error_and_the_next_is_answered() {
        const LIMIT: usize = 64 << 20;
        let good = json!({"token": token()}).to_string();
        let padded = |length: usize| good.clone() + &" ".repeat(length - good.len());
        let input = [padded(LIMIT), padded(LIMIT + 1), padded(2 * LIMIT), good.clone()].join("\n");
        let output = batch(input);
        assert_eq!(verdicts(&output), ["accept", "input", "input", "accept"]);
        // Without a line end after it.
        assert_eq!(verdicts(&batch(padded(LIMIT + 1))), ["input"]);
    }

    #[test]
    fn a_verdict_comes_before_the_next_line_is_there_even_if_that_has_begun() {
        let mut child = spawn(&["verify", "--batch", "--audience", AUD]);
        let mut stdin = child.stdin.take().expect("piped");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, verdicts) = mpsc::channel();
        let reader = thread::spawn(move || stdout.lines().try_for_each(|line| sender.send(line)));
        for number in 0..3 {
            // The blanks are the beginning of the next line.
            write!(stdin, "{{\"name\":{number},\"token\":\"\"}}\n  ").expect("written");
            let verdict = verdicts.recv_timeout(Duration::from_secs(20)).expect("a verdict");
            let verdict = verdict.expect("a line");
            assert!(verdict.starts_with(&format!("{{\"name\":{number},")), "{verdict}");
        }
        drop(stdin);
        assert!(child.wait().expect("didt ends").success());
        reader.join().expect("the reader ends").expect("nobody stopped listening");
    }
}

mod inspect {
    use super::*;

    fn inspect(token: &str, more: &[&str]) -> Output {
        didt(&[&["inspect", "--at", "1700000060", token], more].concat())
    }

    #[test]
    fn the_report_is_marked_unverified_before_anything_from_the_token() {
        let output = inspect(&token(), &[]);
        assert_eq!(code(&output), 0);
        let report = text(&output.stdout);
        assert!(report.starts_with("UNVERIFIED"), "{report}");
        assert!(!report.contains("verified") && !report.contains("valid"), "{report}");
        let issuer = alice().issuer();
        for part in [
            format!("{issuer}\n"),
            format!("{}\n", issuer.address()),
            format!("{AUD:?}"),
            "1700000000, 2023-11-14 22:13:20 UTC, 1 min ago (iat)".to_owned(),
            "1700000900, 2023-11-14 22:28:20 UTC, in 14 min (ext)".to_owned(),
            "(nbf)".to_owned(),
            "token id".to_owned(),
            "holder's own word, never a user id".to_owned(),
            "add       present".to_owned(),
            "the proof matches the issuer".to_owned(),
            "not checked  audience".to_owned(),
            "expires in 14 min, at".to_owned(),
        ] {
            assert!(report.contains(&part), "{part:?} is missing in\n{report}");
        }
    }

    #[test]
    fn what_would_make_it_fail_is_said() {
        let at = |at: &str| text(&didt(&["inspect", &token(), "--at", at]).stdout).to_owned();
        assert!(at("1700001000").contains("would fail: expired 1 min 40 s ago"));
        assert!(at("1700000901").contains("would fail: expired 1 s ago"));
        assert!(at("1699999000").contains("would fail: not yet valid until 1700000000"));
        assert!(at("-1e300").contains("would fail: not yet valid"));
        assert!(at("1e300").contains("would fail: expired"));

        let claim = alice().token(AUD).issued_at(Timestamp::from_secs(NOW)).without("add").claim();
        let forged = inspect(&Wallet::from_seed("bob").token_from_claim(&claim), &[]);
        let report = text(&forged.stdout);
        assert_eq!(code(&forged), 0);
        assert!(report.contains("would fail: the proof was signed by"), "{report}");
        assert!(!report.contains("matches the issuer"), "{report}");
        assert!(report.contains("add       absent"), "{report}");

        let nobody = alice().token("").issued_at(Timestamp::from_secs(NOW)).mint();
        assert!(text(&inspect(&nobody, &[]).stdout).contains("would fail: made for audience"));
    }

    #[test]
    fn spans_of_time_are_in_words() {
        for (at, expected) in [
            ("1700000057", "expires in 14 min 3 s,"),
            ("1700000890.25", "expires in 9.75 s,"),
            ("1700000900", "expires in 0 s,"),
            ("1700004500", "expired 1 h ago,"),
            ("1700004659", "expired 1 h 2 min ago,"),
            ("1700090960", "expired 1 d 1 h ago,"),
            ("1700087330", "expired 1 d ago,"),
        ] {
            let report = didt(&["inspect", "--at", at, &token()]);
            assert!(text(&report.stdout).contains(expected), "{at}: {}", text(&report.stdout));
        }
    }

    #[test]
    fn with_an_audience_it_says_what_verify_would() {
        let rows: [(&[&str], &str); 4] = [
            (&["--audience", AUD], "verify       would accept it for this audience"),
            (&["--audience", "other", "--audience", AUD], "would accept it for this audience"),
            (&["--audience", "other"], "would reject it (audience_mismatch): made for audience"),
            (&["--audience", AUD, "--at", "1800000000"], "would reject it (expired): expired at"),
        ];
        for (more, expected) in rows {
            let at = if more.contains(&"--at") { &[][..] } else { &["--at", "1700000060"] };
            let arguments = [more, at].concat();
            let report = didt(&[&["inspect", &token()], &arguments[..]].concat());
            assert!(text(&report.stdout).contains(expected), "{}", text(&report.stdout));
            assert!(text(&report.stdout).starts_with("UNVERIFIED"));
            assert!(text(&report.stdout).contains("not checked  attachment:"));

            let verdict =
                values(&didt(&[&["verify", &token()], &arguments[..]].concat())).remove(0);
            let json = didt(&[&["inspect", "--json", &token()], &arguments[..]].concat());
            let json = values(&json).remove(0);
            assert_eq!(json["verified"], false);
            assert_eq!(json["verify"]["would"], verdict["verdict"], "{more:?}");
            let fault = json["verify"]["fault"].get("error").unwrap_or(&Value::Null);
            assert_eq!(fault, verdict.get("error").unwrap_or(&Value::Null), "{more:?}");
        }
    }

    #[test]
    fn text_that_is_no_token_gets_a_hint_at_what_was_done_to_it() {
        let token = token();
        let encoded = token.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D") + "%3D";
        let rows = [
            (String::new(), "is the variable set?"),
            (format!("Bearer {token}"), "the word Bearer is still on it"),
            (format!("authorization: bearer {token}"), "the word Bearer is still on it"),
            (format!("\"{token}\""), "there are quotes around it"),
            (format!("'{token}'"), "there are quotes around it"),
            (format!(" {token}"), "there are blanks or line ends around it"),
            (encoded, "it is URL-encoded"),
            ("eyJhbGciOiJub25lIn0.e30.x".to_owned(), "this looks like a JWT"),
            (r#"["0x12","{}"]"#.to_owned(), "this is decoded already"),
        ];
        let cut = [40, 41, 42, 43, token.len() - 5].map(|length| token[..length].to_owned());
        let cut = cut.map(|start| (start, "its end is missing"));
        for (text_given, expected) in rows.into_iter().chain(cut) {
            let output = didt(&["inspect", &text_given]);
            assert_eq!(code(&output), 1);
            let stderr = text(&output.stderr);
            assert!(stderr.starts_with("didt: malformed token: "), "{stderr}");
            assert!(stderr.contains("\ndidt: hint: "), "{text_given}: {stderr}");
            assert!(stderr.contains(expected), "{text_given}: {stderr}");
            assert_eq!(text(&output.stdout), "", "a hint decodes nothing");
        }
    }

    #[test]
    fn a_token_that_would_be_refused_gets_a_hint_at_why() {
        let alice = alice();
        let sound = alice.token(AUD).issued_at(Timestamp::from_secs(NOW));
        let claim = sound.clone().claim();
        let proof = alice.personal_sign(&claim);
        let envelope = serde_json::to_string(&[proof, claim.replace("\":", "\": ")]).expect("JSON");
        let written_anew = STANDARD.encode(envelope);
        let milliseconds = sound.clone().set("iat", NOW * 1000).mint();
        let (sound, audience) = (sound.set("ext", NOW + 9000).mint(), ["--audience", AUD]);
        let rows: [(&str, &[&str], &str); 9] = [
            (&written_anew, &[], "was the claim edited, or parsed and written again?"),
            (&milliseconds, &[], "iat is in milliseconds"),
            (&sound, &["--audience", "did:magic:x"], "belong to two applications"),
            (&sound, &["--audience", "pk_live_1"], "not one of the API keys"),
            (&sound, &["--audience", "SK_live_1"], "not one of the API keys"),
            (&sound, &["--audience", "did:magic:a "], "without blanks around it"),
            (&sound, &["--at", "1700009001"], "ask for a token right before it is sent"),
            (&sound, &["--at", "1699999000"], "is one of them wrong?"),
            (&sound, &["--at", "1700000901"], "a DidAuth refuses it unless configured otherwise"),
        ];
        for (token, more, expected) in rows {
            let at = if more.contains(&"--at") { &[][..] } else { &["--at", "1700000060"] };
            let report = didt(&[&["inspect", token], more, at].concat());
            assert!(text(&report.stdout).contains("\n  hint         "), "{expected}");
            assert!(text(&report.stdout).contains(expected), "{}", text(&report.stdout));
            let json = values(&didt(&[&["inspect", "--json", token], more, at].concat())).remove(0);
            assert!(json["hints"].to_string().contains(expected), "{json}");
        }
        let good = didt(&[&["inspect", &sound, "--at", "1700000060"][..], &audience].concat());
        assert!(!text(&good.stdout).contains("hint"), "{}", text(&good.stdout));
    }

    #[test]
    fn times_beyond_the_calendar_are_far_away_and_no_crash() {
        for (ext, expected) in [
            ("1.0000000000016881e+21", "1.0000000000016881e21, far in the future (ext)"),
            ("1.7976931348623157e308", "far in the future (ext)"),
            ("-1e21", "far in the past (ext)"),
            ("253402300799", "9999-12-31 23:59:59 UTC"),
            ("253402300800", "253402300800, far in the future"),
        ] {
            let args = ["mint", "--seed", "x", "--audience", "x", "--set", &format!("ext={ext}")];
            let report = didt_reading(&["inspect", "-"], didt(&args).stdout);
            assert!(text(&report.stdout).contains(expected), "{}", text(&report.stdout));
        }
    }

    #[test]
    fn text_from_the_token_cannot_forge_lines_or_command_the_terminal() {
        let evil = "x\n  proof  \u{1b}[2J\u{202e}\"";
        let alice = alice();
        let token = alice.token(evil).issued_at(Timestamp::from_secs(NOW));
        let token = token.set("sub", evil).set("tid", evil).mint();
        let output = inspect(&token, &[]);
        let report = text(&output.stdout);
        assert!(!report.contains(['\u{1b}', '\u{202e}']), "{report}");
        assert_eq!(
            report.lines().count(),
            text(&inspect(&super::token(), &[]).stdout).lines().count()
        );
    }

    #[test]
    fn json_says_verified_false_and_what_was_not_checked() {
        let token = token();
        let output = inspect(&token, &["--json"]);
        assert_eq!(code(&output), 0);
        assert!(text(&output.stdout).starts_with("{\"verified\":false,"));
        let values = values(&output);
        assert_eq!(values.len(), 1);
        let mut expected = json!({
            "verified": false,
            "issuer": alice().issuer(),
            "address": alice().issuer().address().to_string(),
            "aud": AUD,
            "iat": NOW,
            "ext": NOW + 900,
            "nbf": NOW,
            "tid": values[0]["tid"],
            "untrusted_sub": values[0]["untrusted_sub"],
            "has_add": true,
            "proof_matches_issuer": true,
            "proof_fault": null,
            "at": NOW + 60,
            "statement_fault": null,
            "not_checked": ["audience", "attachment"],
        });
        assert_eq!(values[0], expected);

        let late = didt(&["inspect", "--json", "--at", "1800000000", &token]);
        let error: TokenError = Verifier::new(AUD)
            .verify(&token, Timestamp::from_secs(1_800_000_000))
            .expect_err("expired");
        expected["at"] = json!(1_800_000_000);
        expected["statement_fault"] =
            json!({"error": error.name(), "code": error.code(), "message": error.to_string()});
        expected["hints"] =
            json!(["ask for a token right before it is sent; Magic's live for 15 minutes"]);
        assert_eq!(super::values(&late)[0], expected);
    }

    #[test]
    fn a_malformed_token_is_one_line_on_standard_error_and_exit_code_1() {
        for token in ["no token", "WyJhIl0="] {
            for more in [&[][..], &["--json"]] {
                let output = inspect(token, more);
                assert_eq!(code(&output), 1);
                assert_eq!(text(&output.stdout), "");
                let stderr = text(&output.stderr);
                assert!(stderr.starts_with("didt: malformed token: "), "{stderr}");
                assert_eq!(stderr.lines().count(), 1);
            }
        }
    }

    #[test]
    fn standard_input_is_read_with_its_line_end() {
        for end in ["", "\n", "\r\n"] {
            assert_eq!(code(&didt_reading(&["inspect", "-"], token() + end)), 0);
        }
        assert_eq!(code(&didt_reading(&["inspect", "-"], token() + "\n\n")), 1);
    }
}

mod mint {
    use super::*;

    fn mint(more: &[&str]) -> Output {
        let output = didt(&[&["mint", "--seed", "alice", "--audience", AUD], more].concat());
        assert_eq!(code(&output), 0);
        output
    }

    fn line(output: &Output) -> &str {
        text(&output.stdout).strip_suffix('\n').expect("a line")
    }

    /// Verifies with the library, so that a fault of `verify` cannot hide one of `mint`.
    fn claim(output: &Output, now: f64) -> tower_didt::VerifiedClaim {
        let now = Timestamp::from_secs_f64(now).expect("finite");
        Verifier::new(AUD).verify(line(output), now).expect("a good token")
    }

    #[test]
    fn a_minted_token_is_accepted_by_verify_now() {
        let output = mint(&[]);
        let verdict = didt_reading(&["verify", "--audience", AUD, "-"], output.stdout);
        assert_eq!(code(&verdict), 0);
        assert_eq!(values(&verdict)[0]["issuer"], alice().issuer().to_string());
    }

    #[test]
    fn standard_error_warns_in_one_line_that_these_are_test_tokens() {
        let output = mint(&["--count", "3"]);
        let stderr = text(&output.stderr);
        assert!(stderr.contains("TEST") && stderr.contains("seed"), "{stderr}");
        assert_eq!(stderr.lines().count(), 1);
    }

    #[test]
    fn times_lifespan_and_attachment_are_as_magics_unless_given() {
        let output = mint(&["--issued-at", "1700000000"]);
        let (iat, ext) = (NOW as f64, 1_700_000_900.0);
        let verified = claim(&output, iat);
        assert_eq!(verified.claim().iat().as_secs_f64(), iat);
        assert_eq!(verified.claim().nbf().as_secs_f64(), iat);
        assert_eq!(verified.expires_at().as_secs_f64(), ext);
        let none = Verifier::new(AUD).with_attachment("none");
        assert!(none.verify(line(&output), Timestamp::from_secs(NOW)).is_ok());

        let output =
            mint(&["--issued-at", "-1.5", "--lifespan", "0.25", "--attachment", "hello there"]);
        assert_eq!(claim(&output, -1.5).expires_at().as_secs_f64(), -1.25);
        let hello = Verifier::new(AUD).with_attachment("hello there");
        let now = Timestamp::from_secs_f64(-1.5).expect("finite");
        assert!(hello.verify(line(&output), now).is_ok());
    }

    #[test]
    fn set_puts_json_in_verbatim_and_without_leaves_fields_out() {
        let output = mint(&["--set", "ext=1.0000000000016881e+21"]);
        assert_eq!(claim(&output, 1e21).expires_at().as_secs_f64(), 1.0000000000016881e21);
        let verdict = didt_reading(&["verify", "--audience", AUD, "-"], output.stdout);
        assert_eq!(code(&verdict), 0);
        assert!(text(&verdict.stdout).contains("\"expires_at\":1.0000000000016881e+21}"));

        let output = mint(&["--set", "sub=\"a=b\"", "--set", "x=[1,  2]", "--without", "add"]);
        let json = didt(&["inspect", "--json", line(&output)]);
        assert_eq!(values(&json)[0]["untrusted_sub"], "a=b");
        assert_eq!(values(&json)[0]["has_add"], false);

        let broken = mint(&["--without", "tid", "--set", "tid=\"x\""]);
        let verdict = didt_reading(&["verify", "--audience", AUD, "-"], broken.stdout);
        assert_eq!(error_of(&verdict), "malformed");
    }

    #[test]
    fn a_value_that_lost_its_quotes_gets_a_hint() {
        let output = didt(&["mint", "--seed", "x", "--audience", "x", "--set", "sub=alice"]);
        assert_eq!(code(&output), 2);
        assert!(text(&output.stderr).contains("--set 'sub=\"text\"'"), "{}", text(&output.stderr));
    }

    #[test]
    fn count_gives_that_many_tokens_and_no_two_are_the_same() {
        for count in [1, 2, 7, 50] {
            let output = mint(&["--count", &count.to_string()]);
            let tokens: std::collections::HashSet<_> = text(&output.stdout).lines().collect();
            assert_eq!(tokens.len(), count);
            for token in tokens {
                let token = tower_didt::token::DidToken::decode(token).expect("well formed");
                assert_eq!(token.into_signed().expect("signed").issuer(), alice().issuer());
            }
        }
    }
}

mod process {
    use super::*;

    #[test]
    fn help_names_commands_examples_and_exit_codes() {
        for (args, parts) in [
            (&["--help"][..], &["inspect", "verify", "mint", "Examples:", "Exit codes:"][..]),
            (&["inspect", "--help"], &["UNVERIFIED", "--json", "--at", "Exit codes:"]),
            (
                &["verify", "--help"],
                &["--audience", "--batch", "blank lines are skipped", "64 MiB", "Exit codes:"],
            ),
            (&["mint", "--help"], &["TEST", "--seed", "--set <KEY=JSON>", "Exit codes:"]),
        ] {
            let output = didt(args);
            assert_eq!(code(&output), 0);
            let help = text(&output.stdout);
            for part in parts {
                assert!(help.contains(part), "{part:?} is missing in\n{help}");
            }
        }
        assert!(text(&didt(&["--version"]).stdout).contains(env!("CARGO_PKG_VERSION")));
    }

    /// Runs `didt` and closes its standard output after one byte; without any, at once.
    fn with_closed_output(args: &[&str], input: String, first_reads: bool) -> Output {
        let mut child = spawn(args);
        let mut stdin = child.stdin.take().expect("piped");
        let mut stdout = child.stdout.take().expect("piped");
        let reader = thread::spawn(move || {
            if first_reads {
                stdout.read_exact(&mut [0]).expect("a byte");
            }
        });
        if !first_reads {
            reader.join().expect("closed");
        }
        drop(stdin.write_all(input.as_bytes()));
        drop(stdin);
        child.wait_with_output().expect("didt ends")
    }

    #[test]
    fn a_closed_pipe_ends_quietly_and_is_no_success() {
        let token = token();
        let lines = format!("{{\"token\":\"{token}\"}}\n").repeat(5000);
        let verify = ["verify", "--audience", AUD, "--at", "1700000060", "-"];
        for (args, input, first_reads) in [
            (&["verify", "--batch", "--audience", AUD][..], lines, true),
            (
                &["mint", "--seed", "x", "--audience", "x", "--count", "100000000"],
                String::new(),
                true,
            ),
            (&["inspect", "-"], token.clone(), false),
            (&["inspect", "--json", "-"], token.clone(), false),
            (&verify, token.clone(), false),
        ] {
            let output = with_closed_output(args, input, first_reads);
            assert_eq!(code(&output), 1, "{args:?}");
            let stderr = text(&output.stderr);
            assert!(!stderr.contains("panicked") && !stderr.contains("pipe"), "{args:?}: {stderr}");
        }
    }
}

/// Rows signed by third parties; see `fixtures/README.md`.
#[test]
fn batch_gives_every_fixture_its_verdict() {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/tokens.ndjson");
    let rows = std::fs::read_to_string(fixtures).expect("the fixtures");
    let input = std::fs::File::open(fixtures).expect("the fixtures");
    let output = Command::new(env!("CARGO_BIN_EXE_didt"))
        .args(["verify", "--batch"])
        .stdin(input)
        .output()
        .expect("didt runs");
    let verdicts = String::from_utf8(output.stdout).expect("text");
    assert_eq!(verdicts.lines().count(), rows.lines().count());
    for (row, verdict) in rows.lines().zip(verdicts.lines()) {
        let row: Value = serde_json::from_str(row).expect("a row");
        let verdict: Value = serde_json::from_str(verdict).expect("a verdict");
        for field in ["name", "verdict", "error", "issuer"] {
            assert_eq!(verdict[field], row[field], "{field} of {}", row["name"]);
        }
    }
}

#[test]
fn keygen_prints_a_new_key_every_time_that_seals_sessions() {
    let (one, two) = (didt(&["keygen"]), didt(&["keygen"]));
    assert_eq!(code(&one), 0);
    assert_ne!(one.stdout, two.stdout);
    for output in [one, two] {
        let key = text(&output.stdout);
        assert_eq!(key.lines().count(), 1, "{key:?}");
        assert!(tower_didt::SealingKeys::from_text(key).is_ok(), "{key:?}");
    }
}

#[cfg(feature = "serve")]
#[test]
fn keygen_makes_keys_of_assertions_with_their_times() {
    let [from, until] = ["2026-07-01T00:00:00Z", "2027-01-15T00:00:00Z"];
    for kind in ["ed25519", "p256"] {
        let output = didt(&["keygen", kind, "--from", from, "--until", until]);
        let written = text(&output.stdout);
        let begins = format!("from {from}\nuntil {until}\n-----BEGIN PRIVATE KEY-----\n");
        assert!(
            written.starts_with(&begins) && written.ends_with("-----END PRIVATE KEY-----\n"),
            "{written}"
        );
        assert!(!text(&didt(&["keygen", kind]).stdout).contains("from"));
    }
    assert_eq!(code(&didt(&["keygen", "--from", from])), 2, "a secret has no time");
    assert_eq!(code(&didt(&["keygen", "p256", "--from", "tomorrow"])), 2);
}
