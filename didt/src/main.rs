//! `didt`, the command line: everything is in the crate's library.

use std::process::ExitCode;

fn main() -> ExitCode {
    didt::run()
}
