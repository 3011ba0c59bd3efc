//! Caddy, by `forward_auth`.

use std::fs;
use std::process::Command;

use crate::behaviour;
use crate::support::{Gateway, needs};

const CADDY: Gateway = Gateway {
    name: "caddy",
    program: "caddy",
    files: &["Caddyfile"],
    command: Some(|program, directory| {
        // The admin endpoint has a fixed port.
        fs::write(directory.join("without-admin"), "{\n\tadmin off\n}\nimport Caddyfile\n")
            .expect("a file");
        let mut command = Command::new(program);
        command.args(["run", "--adapter", "caddyfile", "--config", "without-admin"]);
        command.current_dir(directory).env("HOME", directory).env("XDG_DATA_HOME", directory);
        command.env("XDG_CONFIG_HOME", directory);
        command
    }),
    removes_session_cookie: true,
};

behaviour::tests!(CADDY);
