//! `[magic]` from outside: what is written down about people and about the secret key while Magic
//! works and while it fails in every way, what administrators see, and the stub as a program.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tower_didt::testing::{self, Fault, TestUser, Wallet};
use tower_didt_test_support::child::Run;

use crate::didt::{Didt, Directory, LISTEN, command, file};
use crate::http::{Answer, answer, ask, ask_at, connect, get};

/// The secret key: no output may have this in it, in whatever case.
const NEEDLE: &str = "N33DL3";
const KEY: &str = "sk_test_N33DL3";
const EMAIL: &str = "ada.l@example.com";
const PHONE: &str = "+14155550100";
const APP: &str = "did:magic:my-app";
const ADMIN: &str = "0123456789abcdef0123456789abcdef";

/// The stub behind a port, which answers while the program asks.
struct Magic {
    stub: testing::Magic,
    url: String,
    _server: testing::MagicServer,
    _runtime: tokio::runtime::Runtime,
}

impl Magic {
    fn start() -> Self {
        Self::of(APP)
    }

    fn of(app: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let stub = testing::Magic::new(KEY, app);
        let ada = TestUser::new(ada().issuer()).email(EMAIL).phone_number(PHONE);
        stub.add_user(ada.username("ada-the-first"));
        let server = runtime.block_on(stub.serve()).expect("a port");
        Self { stub, url: server.url(), _server: server, _runtime: runtime }
    }

    fn configuration(&self, directory: &Directory, more: &str) -> String {
        let key = file(directory, "magic.key", KEY);
        let admin = file(directory, "admin.secret", ADMIN);
        format!(
            "trusted_proxies = [\"127.0.0.1\"]\n{LISTEN}[magic]\nsecret_key_file = {key:?}\n\
             api_url = \"{}\"\ntimeout = \"300ms\"\nrequired = true\nsign_out = true\n\
             [admin]\nsecret_file = {admin:?}\n{more}",
            self.url
        )
    }
}

fn ada() -> Wallet {
    Wallet::from_seed("ada")
}

/// A key that anybody can make.
fn stranger() -> Wallet {
    Wallet::from_seed("stranger")
}

/// Ends one of Ada's sessions, then all.
fn end_as_administrator(private: SocketAddr) {
    let secret = format!("Bearer {ADMIN}");
    let administer = |method, path: &str| {
        let answer = ask(private, method, path, &[("Authorization", &secret)]);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        serde_json::from_str::<Value>(&answer.body).expect("JSON")
    };
    let issuer = ada().issuer();
    let listed = administer("GET", &format!("/admin/sessions?issuer={issuer}"));
    let one = listed["sessions"][0]["session"].as_str().expect("a session");
    administer("POST", &format!("/admin/revoke?issuer={issuer}&session={one}"));
    administer("POST", &format!("/admin/revoke?issuer={issuer}"));
}

fn sign_in(public: SocketAddr, wallet: &Wallet) -> Answer {
    let bearer = format!("Bearer {}", wallet.token(APP).mint());
    ask(public, "POST", "/auth/login", &[("Authorization", &bearer)])
}

fn cookie(answer: &Answer) -> String {
    let line = answer.head.lines().find_map(|line| line.strip_prefix("set-cookie: "));
    line.and_then(|line| line.split(';').next()).expect("a cookie").to_owned()
}

fn check(public: SocketAddr, cookie: &str, path: &str) -> Answer {
    let stated = [
        ("X-Original-Method", "GET"),
        ("X-Original-Scheme", "https"),
        ("X-Original-Host", "example.com"),
        ("X-Original-URI", path),
        ("Cookie", cookie),
    ];
    ask(public, "GET", "/check/nginx", &stated)
}

/// Every way in which Magic fails.
fn faults() -> Vec<Fault> {
    let status = |code| Fault::Status(http::StatusCode::from_u16(code).expect("a status"));
    let user = json!({ "issuer": ada().issuer(), "email": EMAIL });
    vec![
        status(400),
        status(401),
        status(403),
        status(404),
        status(422),
        status(500),
        status(503),
        Fault::RateLimited(None),
        Fault::RateLimited(Some(0)),
        Fault::Html(http::StatusCode::OK),
        Fault::Html(http::StatusCode::BAD_GATEWAY),
        Fault::Hang,
        Fault::Reset,
        Fault::Huge,
        Fault::Redirect("http://127.0.0.1:1/elsewhere".to_owned()),
        Fault::Body(String::new()),
        Fault::Body(format!("{{\"error_code\":\"X\",\"message\":\"{KEY}, {EMAIL}\"}}")),
        Fault::Body(user.to_string().replace("0x", "0y")),
        Fault::Body(json!({ "issuer": EMAIL, "email": KEY }).to_string()),
    ]
}

/// Signs Ada in and out, asks in every way, and lets Magic fail in every way meanwhile. All that
/// strangers and operators get to see: answers, metrics, and what it says on standard error.
fn everything_seen(magic: &Magic, log: &str) -> (Vec<Answer>, String, String) {
    let directory = Directory::new();
    let more = format!(
        "[log]\nlevel = \"debug\"\n{log}\n[[rules]]\nname = \"closed\"\npaths = [\"/closed\"]\nemails = [\"eve@example.com\"]\n"
    );
    let configuration = magic.configuration(&directory, &more);
    let mut didt = Didt::spawn(&mut command(&directory, &configuration));
    let (public, private) = (didt.listens("public"), didt.listens("private"));
    let mut answers = Vec::new();
    for (number, fault) in faults().into_iter().enumerate() {
        // A new person each: nobody's profile is in the cache.
        let person = Wallet::from_seed(format!("person {number}"));
        magic.stub.add_user(TestUser::new(person.issuer()).email(EMAIL).phone_number(PHONE));
        magic.stub.fail_always(Some(fault.clone()));
        let refused = sign_in(public, &person);
        assert!([403, 503].contains(&refused.status), "{fault:?}: {refused:?}");
        answers.push(refused);
        magic.stub.fail_always(None);
        let signed_in = sign_in(public, &person);
        if signed_in.status == 204 {
            magic.stub.fail_always(Some(fault));
            let headers = [("Cookie", &*cookie(&signed_in))];
            answers.push(ask(public, "POST", "/auth/logout", &headers));
            magic.stub.fail_always(None);
        }
    }
    let session = cookie(&sign_in(public, &ada()));
    let passed = check(public, &session, "/");
    assert_eq!(passed.status, 200);
    assert!(passed.head.contains(&format!("x-auth-email: {EMAIL}")), "{passed:?}");
    answers.push(check(public, &session, "/closed"));
    assert_eq!(answers.last().map(|answer| answer.status), Some(403));
    answers.push(ask(public, "POST", "/auth/logout", &[("Cookie", &session)]));
    answers.push(get(public, "/auth/session"));
    let spent = format!("Bearer {}", ada().token(APP).set("tid", "spent").mint());
    let spend = || ask(public, "POST", "/auth/login", &[("Authorization", &spent)]);
    assert_eq!(spend().status, 204);
    answers.push(spend());
    assert_eq!(sign_in(public, &ada()).status, 204);
    end_as_administrator(private);
    answers.push(spend());
    answers.push(sign_in(public, &stranger()));
    let unknown = format!("Bearer {}", stranger().token(APP).mint());
    let headers = [("Authorization", &*unknown), ("X-Forwarded-Proto", "https")];
    answers.push(ask(public, "GET", "/check/envoy/", &headers));
    assert_eq!(answers.last().map(|answer| answer.status), Some(403));
    let metrics = get(private, "/metrics").body;
    didt.signal("TERM");
    didt.ended();
    (answers, metrics, didt.said.join("\n"))
}

#[test]
fn nothing_personal_is_logged_or_counted_unless_the_configuration_says_so() {
    let magic = Magic::start();
    let (answers, metrics, said) = everything_seen(&magic, "format = \"json\"\naccess = true");
    let metric = |name: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in {metrics}")).trim().to_owned()
    };
    // How Magic fared is there to see.
    let calls = |outcome: &str| {
        metric(&format!("didt_magic_calls_total{{call=\"user\",outcome=\"{outcome}\"}}"))
    };
    for outcome in ["ok", "key_refused", "rate_limited", "unavailable", "not_understood"] {
        assert_ne!(calls(outcome), "0", "{outcome}");
    }
    let seconds = "didt_magic_call_seconds_count{call=\"user\",outcome=\"unavailable\"}";
    assert_ne!(metric(seconds), "0");
    assert_ne!(metric("didt_magic_lookups_total{answer=\"failed\"}"), "0");
    assert_ne!(metric("didt_magic_lookups_total{answer=\"asked\"}"), "0");

    let issuer = ada().issuer().to_string();
    assert!(said.contains(&issuer), "the log names the issuer");
    let access = said.lines().filter(|line| line.contains("\"target\":\"didt::access\""));
    assert!(
        access.into_iter().any(|line| line.contains(&issuer)),
        "so does the access log: {said}"
    );
    let stranger = stranger().issuer().to_string();
    for (reason, whom) in [
        ("issuer_not_allowed", &issuer),
        ("unknown_user", &stranger),
        ("magic_unavailable", &Wallet::from_seed("person 0").issuer().to_string()),
        ("token_used", &issuer),
        ("token_revoked", &issuer),
    ] {
        let reason = format!("\"reason\":\"{reason}\"");
        let refusals: Vec<_> = said.lines().filter(|line| line.contains(&reason)).collect();
        assert!(!refusals.is_empty(), "no {reason} in {said}");
        let named = refusals.iter().any(|line| line.contains(whom.as_str()));
        assert!(named, "a refusal says whom: {refusals:?}");
    }
    let ats = |reason: &str| -> Vec<Value> {
        let events = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let of_stranger =
            events.filter(|event| event["reason"] == reason && event["issuer"] == stranger);
        of_stranger.map(|event| event["at"].clone()).collect()
    };
    assert_eq!(ats("unknown_user"), ["auth", "envoy"], "at a sign-in, and with each request");
    let seen = format!("{answers:?}\n{metrics}\n{said}").to_lowercase();
    for personal in [EMAIL, "ada.l", PHONE, "4155550100", "ada-the-first"] {
        assert!(!seen.contains(personal), "{personal} is in {seen}");
    }
    assert!(!metrics.to_lowercase().contains("did:ethr"), "{metrics}");
    assert!(!seen.contains(&NEEDLE.to_lowercase()), "the secret key is in {seen}");

    let (answers, metrics, said) =
        everything_seen(&magic, "format = \"json\"\naccess = true\npersonal = true");
    let of_target = |target: &str| -> Vec<Value> {
        let events = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        events.filter(|event| event["target"] == target).collect()
    };
    let access = of_target("didt::access");
    let passed = access.iter().find(|event| event["status"] == 200);
    assert_eq!(passed.map(|event| &event["email"]), Some(&json!(EMAIL)), "{access:#?}");
    let audit = of_target("didt::audit");
    for name in ["login", "refusal", "sign_out", "revoked"] {
        let named = |event: &&Value| event["event"] == name && event["email"] == EMAIL;
        assert!(audit.iter().any(|event| named(&event)), "{name}: {audit:#?}");
    }
    let revoked = audit.iter().filter(|event| event["event"] == "revoked");
    let revoked: Vec<_> = revoked.map(|event| [&event["everywhere"], &event["email"]]).collect();
    let yes_and_no = [[&json!(false), &json!(EMAIL)], [&json!(true), &json!(EMAIL)]];
    assert_eq!(revoked, yes_and_no, "one session, and all");
    let seen = format!("{answers:?}\n{metrics}").to_lowercase();
    assert!(!seen.contains(EMAIL), "only the log: {seen}");
    let is_other = |line: &&str| ["didt::audit", "didt::access"].iter().all(|t| !line.contains(t));
    let others = said.lines().filter(is_other);
    assert!(!others.collect::<String>().contains(EMAIL));
    assert!(!format!("{seen}{said}").to_lowercase().contains(&NEEDLE.to_lowercase()));
}

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_didt")).args(args).output().expect("didt runs")
}

fn all_of(output: &Output) -> String {
    let texts = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    texts.concat()
}

#[test]
fn no_command_shows_the_secret_key_however_magic_fails() {
    let (magic, directory) = (Magic::start(), Directory::new());
    let configuration = magic.configuration(&directory, "[log]\nlevel = \"debug\"\n");
    let config = file(&directory, "didt.toml", &configuration);
    let config = config.to_str().expect("text");
    let key = directory.0.join("magic.key");
    let key = key.to_str().expect("text");
    let issuer = ada().issuer().to_string();
    let of_key = ["--secret-key-file", key, "--api-url", &magic.url];
    for fault in std::iter::once(None).chain(faults().into_iter().map(Some)) {
        magic.stub.fail_always(fault.clone());
        let online = run(&["check-config", "--online", config]);
        assert_eq!(online.status.success(), fault.is_none(), "{fault:?}: {online:?}");
        let mut outputs = vec![online, run(&["check-config", config])];
        for call in [&["client-id"][..], &["user", &issuer], &["sign-out", &issuer]] {
            outputs.push(run(&[&["magic"], call, &of_key].concat()));
        }
        let said: String = outputs.iter().map(all_of).collect();
        assert!(!said.to_lowercase().contains(&NEEDLE.to_lowercase()), "{fault:?}: {said}");
    }
    magic.stub.fail_always(None);
    let explained = run(&["explain", "--config", config, "GET", "https://example.com/"]);
    assert!(explained.status.success() && !all_of(&explained).contains(NEEDLE));
    // A file with something else in it is not quoted, either.
    for wrong in ["pk_live_N33DL3", "sk_live_N33DL3 sk_live_N33DL3", "sk_live_\u{fc}N33DL3"] {
        file(&directory, "magic.key", wrong);
        for args in [
            vec!["check-config", config],
            vec!["serve", "--config", config],
            [&["magic", "client-id"], &of_key[..]].concat(),
        ] {
            let output = run(&args);
            assert_eq!(output.status.code(), Some(2), "{args:?}: {output:?}");
            assert!(!all_of(&output).contains(NEEDLE), "{args:?}: {output:?}");
        }
    }
}

#[test]
fn a_configuration_is_checked_with_its_key_where_that_is_asked_for() {
    let (magic, directory) = (Magic::start(), Directory::new());
    let configuration = magic.configuration(&directory, "");
    let config = file(&directory, "didt.toml", &configuration);
    let config = config.to_str().expect("text");
    let offline = run(&["check-config", config]);
    assert!(offline.status.success(), "{offline:?}");
    assert_eq!(magic.stub.calls(), 0, "nobody is asked without --online");

    let online = run(&["check-config", "--online", config]);
    assert!(online.status.success() && all_of(&online).contains(APP), "{online:?}");
    let of = |audience: &str| {
        let set = format!("audiences={audience}");
        run(&["check-config", "--online", config, "--set", &set])
    };
    assert!(of(APP).status.success());
    let other = of("did:magic:another");
    assert_eq!(other.status.code(), Some(2));
    assert!(all_of(&other).contains(APP), "{other:?}");
    magic.stub.fail_always(Some(Fault::Status(http::StatusCode::INTERNAL_SERVER_ERROR)));
    assert_eq!(run(&["check-config", "--online", config]).status.code(), Some(1));
    magic.stub.fail_always(None);
    magic.stub.change_key("sk_test_other");
    let refused = run(&["check-config", "--online", config]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(all_of(&refused).contains("magic.secret_key_file"), "{refused:?}");
    let both = run(&["check-config", "--online", "--without-files", config]);
    assert_eq!(both.status.code(), Some(2));
}

#[test]
fn administrators_find_sessions_by_e_mail_address() {
    let (magic, directory) = (Magic::start(), Directory::new());
    let configuration = magic.configuration(&directory, "");
    let mut didt = Didt::spawn(&mut command(&directory, &configuration));
    let (public, private) = (didt.listens("public"), didt.listens("private"));
    assert_eq!(sign_in(public, &ada()).status, 204);
    let authorization = format!("Bearer {ADMIN}");
    let authorization = [("Authorization", &*authorization)];
    let path = "/admin/sessions?email=Ada.L%40EXAMPLE.com";
    assert_eq!(get(private, path).status, 401);
    assert_eq!(get(public, path).status, 404);
    let listed = ask(private, "GET", path, &authorization);
    let listed: Value = serde_json::from_str(&listed.body).expect("JSON");
    assert_eq!(listed["sessions"][0]["issuer"], ada().issuer().to_string());
    assert_eq!(listed["sessions"][0]["email"], EMAIL);
    assert_eq!(listed["next"], Value::Null);
}

#[test]
fn the_stub_is_a_program_with_users_and_faults_to_order() {
    let directory = Directory::new();
    let key = file(&directory, "key", KEY);
    let [ada, eve] = ["ada", "eve"].map(|name| Wallet::from_seed(name).issuer().to_string());
    let users = json!([{ "issuer": ada, "email": EMAIL, "phone_number": null }]).to_string();
    let users = file(&directory, "users.json", &users);
    let mut stub = Command::new(env!("CARGO_BIN_EXE_didt"));
    stub.args(["magic", "stub", "--client-id", APP, "--secret-key-file"]).arg(&key);
    stub.arg("--users").arg(&users);
    let mut stub = stub.stdin(Stdio::null()).stdout(Stdio::piped()).run().expect("didt");
    let mut line = String::new();
    let stdout = stub.stdout.take().expect("piped");
    BufReader::new(stdout).read_line(&mut line).expect("a URL");
    let url = line.trim();
    let address: SocketAddr = url.strip_prefix("http://").expect("a URL").parse().expect("it");
    let order = |method: &str, path: &str, body: &str| {
        let mut stream = connect(address);
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: stub\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("a connection");
        answer(&mut stream).status
    };
    let user = |issuer: &str| {
        let key = key.to_str().expect("text");
        let args = ["magic", "user", issuer, "--secret-key-file", key, "--api-url", url];
        let output = run(&args);
        (output.status.code(), all_of(&output))
    };
    let (code, said) = user(&ada);
    assert!(code == Some(0) && said.contains(EMAIL), "{said}");
    assert_eq!(user(&eve).0, Some(1));
    let eve_is = json!({ "issuer": eve, "email": "eve@example.com", "extra": [1] }).to_string();
    assert_eq!(order("PUT", "/stub/users", &eve_is), 200);
    assert!(user(&eve).1.contains("eve@example.com"));
    assert_eq!(order("DELETE", &format!("/stub/users?issuer={eve}"), ""), 200);
    assert_eq!(user(&eve).0, Some(1));
    assert_eq!(order("POST", "/stub/faults", r#"[{"kind":"status","status":500}]"#), 200);
    assert_eq!(user(&ada).0, Some(1));
    assert_eq!(user(&ada).0, Some(0), "one fault, once");
    assert_eq!(order("PUT", "/stub/fault", r#"{"kind":"rate_limited","retry_after":7}"#), 200);
    assert!(user(&ada).1.contains('7'));
    assert_eq!(order("PUT", "/stub/fault", "null"), 200);
    assert_eq!(
        order("PUT", "/stub/settings", r#"{"generation":"old","unknown_user":"nulls"}"#),
        200
    );
    assert!(user(&ada).1.contains(EMAIL));
    for (method, path, body) in [
        ("PUT", "/stub/fault", r#"{"kind":"status","status":99}"#),
        ("PUT", "/stub/fault", r#"{"kind":"earthquake"}"#),
        ("POST", "/stub/faults", "{"),
        ("PUT", "/stub/users", r#"[{"email":"a@example.com"}]"#),
        ("PUT", "/stub/settings", r#"{"generatoin":"old"}"#),
        ("DELETE", "/stub/users?issuer=x", ""),
    ] {
        assert_eq!(order(method, path, body), 400, "{path} {body}");
    }
    let report: Value = serde_json::from_str(&get(address, "/stub").body).expect("JSON");
    assert_eq!(report["calls_about"][&eve], 3);
    let public = run(&["magic", "stub", "--listen", "0.0.0.0:0", "--secret-key-file", "x"]);
    assert_eq!(public.status.code(), Some(2));
}

/// `magic.sign_out` at the top counts for every site that does not say otherwise.
#[test]
fn magics_session_ends_where_its_site_says_so() {
    let directory = Directory::new();
    let key = file(&directory, "magic.key", KEY);
    let sites = [("shop", "", 1), ("blog", "magic.sign_out = false\n", 0)].map(|(name, more, ended)| {
        let magic = Magic::of(name);
        let settings = format!(
            "[[sites]]\nname = {name:?}\nhosts = [\"{name}.example.com\"]\naudiences = [{name:?}]\n\
             magic.secret_key_file = {key:?}\nmagic.api_url = \"{}\"\n{more}",
            magic.url
        );
        (name, magic, settings, ended)
    });
    let settings: String = sites.iter().map(|(_, _, settings, _)| settings.as_str()).collect();
    let top = "trusted_proxies = [\"127.0.0.1\"]\n";
    let (_didt, public, _) =
        Didt::start(&format!("{top}{LISTEN}[magic]\nsign_out = true\n{settings}"));
    for (name, magic, _, ended) in sites {
        let host = format!("{name}.example.com");
        let bearer = format!("Bearer {}", ada().token(name).mint());
        let signed_in = ask_at(public, &host, "POST", "/auth/login", &[("Authorization", &bearer)]);
        assert_eq!(signed_in.status, 204, "{host}: {signed_in:?}");
        let session = cookie(&signed_in);
        let out = ask_at(public, &host, "POST", "/auth/logout", &[("Cookie", &session)]);
        assert_eq!(out.status, 204, "{host}: {out:?}");
        assert_eq!(magic.stub.signed_out(), vec![ada().issuer(); ended], "{host}");
    }
}
