//! Runs scenarios, see `tests/simulation/run --help`.
#![allow(clippy::print_stdout, reason = "a program")]

#[cfg(tower_didt_internals)]
mod command;

#[cfg(tower_didt_internals)]
fn main() -> std::process::ExitCode {
    command::run()
}

#[cfg(not(tower_didt_internals))]
fn main() -> std::process::ExitCode {
    println!("run it by tests/simulation/run: it needs --cfg tower_didt_internals");
    std::process::ExitCode::FAILURE
}
