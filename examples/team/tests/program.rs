//! One command starts it, with nothing else to install or to set.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use tower_didt_test_support::child::Run;
use tower_didt_test_support::directory::Directory;
use tower_didt_test_support::http::exchange;

/// Without the settings that the tests' own environment might have.
fn program(folder: &Directory) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_team"));
    for name in ["DATABASE_URL", "MAGIC_CLIENT_ID", "MAGIC_PUBLISHABLE_KEY", "ADMINISTRATOR"] {
        program.env_remove(name);
    }
    program.current_dir(&folder.0).env("LISTEN", "127.0.0.1:0");
    program
}

#[test]
fn without_settings_it_serves_from_a_file_of_its_own_and_keeps_what_is_there() {
    let folder = Directory::new();
    for start in ["first", "second"] {
        let mut program = program(&folder).stdout(Stdio::piped()).run().unwrap();
        let printed = BufReader::new(program.stdout.take().unwrap()).lines().take(2);
        let printed: Vec<_> = printed.map(Result::unwrap).collect();
        let address = printed[0].strip_prefix("open http://localhost:").expect("an address");
        assert!(printed[1].contains("admin@example.com"), "{printed:?}");
        let address = format!("127.0.0.1:{address}");
        let answer = exchange(
            &address,
            b"GET /auth/sign-in HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        );
        assert_eq!(answer.status, 200, "{start}");
        program.end();
    }
    assert!(folder.0.join("team.sqlite").is_file());
}

#[test]
fn with_magic_and_without_an_administrator_it_says_how_to_become_one() {
    let folder = Directory::new();
    let mut program = program(&folder);
    program.env("MAGIC_CLIENT_ID", "did:magic:app").env("MAGIC_PUBLISHABLE_KEY", "pk_live_1");
    let mut program = program.stdout(Stdio::piped()).run().unwrap();
    let printed = BufReader::new(program.stdout.take().unwrap()).lines().take(2);
    let printed: Vec<_> = printed.map(Result::unwrap).collect();
    assert!(printed[1].starts_with("ADMINISTRATOR is not set"), "{printed:?}");
    program.end();
}

#[test]
fn half_of_magics_settings_is_an_error_and_never_the_stand_in() {
    let folder = Directory::new();
    let issuer = "did:ethr:0x4B73C58370AEfcEf86A6021afCDe5673511376B2";
    for (name, value, expected) in [
        ("MAGIC_CLIENT_ID", "did:magic:app", "MAGIC_PUBLISHABLE_KEY"),
        ("MAGIC_PUBLISHABLE_KEY", "pk_live_1", "MAGIC_CLIENT_ID"),
        ("ADMINISTRATOR", &issuer[..20], "ADMINISTRATOR"),
        ("DATABASE_URL", "mysql://localhost", "must begin with"),
    ] {
        let mut program = program(&folder);
        let mut program = program.env(name, value).stderr(Stdio::piped()).run().unwrap();
        let mut error = String::new();
        program.stderr.take().unwrap().read_to_string(&mut error).unwrap();
        assert!(!program.wait().unwrap().success(), "{name}");
        assert!(error.contains(expected), "{name}: {error}");
    }
}
