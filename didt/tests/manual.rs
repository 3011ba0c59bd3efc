//! Manual pages and completions are made from the command line itself: none is missing, all of them load.
#![allow(clippy::expect_used, reason = "tests")]

use std::collections::BTreeSet;
use std::process::Command;

use tower_didt_test_support::directory::Directory;

fn didt(arguments: &[&str]) -> Vec<u8> {
    let output =
        Command::new(env!("CARGO_BIN_EXE_didt")).args(arguments).output().expect("didt runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The commands that `didt --help` lists.
fn commands() -> BTreeSet<String> {
    let help = String::from_utf8(didt(&["--help"])).expect("text");
    let (_, rest) = help.split_once("Commands:\n").expect("commands");
    let lines = rest.lines().take_while(|line| !line.is_empty());
    let names = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next()).map(str::to_owned);
    names.filter(|name| name != "help").collect()
}

#[test]
fn every_command_has_a_manual_page() {
    let directory = Directory::new();
    didt(&["man", directory.0.to_str().expect("UTF-8")]);
    let commands = commands();
    assert!(commands.contains("inspect"), "{commands:?}");
    for command in &commands {
        let page = directory.0.join(format!("didt-{command}.1"));
        let page =
            std::fs::read_to_string(&page).unwrap_or_else(|error| panic!("{command}: {error}"));
        assert!(page.contains(".TH didt-") && page.contains(".SH NAME"), "{command}: {page}");
    }
    assert!(directory.0.join("didt.1").exists());
}

#[test]
fn completions_know_every_command_and_load_in_bash() {
    for shell in ["bash", "zsh", "fish"] {
        let script = String::from_utf8(didt(&["completions", shell])).expect("text");
        for command in commands() {
            assert!(script.contains(&command), "{shell}: {command}");
        }
    }
    let loaded = Command::new("bash")
        .args(["-c", "eval \"$1\" && complete -p didt", "bash"])
        .arg(String::from_utf8(didt(&["completions", "bash"])).expect("text"))
        .output()
        .expect("bash runs");
    let said = String::from_utf8_lossy(&loaded.stdout);
    assert!(loaded.status.success() && said.contains("_didt"), "{said}");
}

#[test]
fn a_directory_that_is_not_there_is_an_error() {
    let output = Command::new(env!("CARGO_BIN_EXE_didt"))
        .args(["man", "/nowhere/at/all"])
        .output()
        .expect("didt runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("didt: "));
}
