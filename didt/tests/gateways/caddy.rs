//! Caddy, by `forward_auth` written out.

use std::fs;
use std::process::Command;

use crate::behaviour;
use crate::support::{Gateway, needs};

pub(crate) const CADDY: Gateway = Gateway {
    name: "caddy",
    program: "caddy",
    files: &["Caddyfile"],
    command: Some(|program, directory| {
        // The admin endpoint has a fixed port.
        fs::write(
            directory.join("without-admin"),
            "{\n\tadmin off\n\tservers {\n\t\tprotocols h1 h2 h2c\n\t}\n}\nimport Caddyfile\n",
        )
        .expect("a file");
        let mut command = Command::new(program);
        command.args(["run", "--adapter", "caddyfile", "--config", "without-admin"]);
        command.current_dir(directory).env("HOME", directory).env("XDG_DATA_HOME", directory);
        command.env("XDG_CONFIG_HOME", directory);
        command
    }),
    http2: Some(&[]),
    removes_session_cookie: true,
};

behaviour::tests!(CADDY);

/// The mistakes that are made with Caddy.
mod mistakes {
    use super::*;

    #[test]
    fn a_header_that_is_not_copied() {
        needs!(CADDY.program);
        let line = "\trequest_header X-Auth-Issuer {http.reverse_proxy.header.X-Auth-Issuer}\n";
        let change = ("Caddyfile", line, "");
        behaviour::doctor_finds(&CADDY, &[change], "identity");
    }

    #[test]
    fn a_route_beside_the_guarded_one() {
        needs!(CADDY.program);
        let added =
            "\thandle /private {\n\t\treverse_proxy 127.0.0.1:3000\n\t}\n\n\thandle /auth/* {\n";
        behaviour::doctor_finds(&CADDY, &[("Caddyfile", "\thandle /auth/* {\n", added)], "guarded");
    }

    #[test]
    fn connection_may_name_the_identity() {
        needs!(CADDY.program);
        let change = ("Caddyfile", "\t\t\trespond @connection 400\n", "");
        behaviour::doctor_finds(&CADDY, &[change], "connection-header");
    }
}
