//! Caddy, by `forward_auth` written out.

use std::fs;
use std::process::Command;

use crate::behaviour;
use crate::support::{Gateway, needs};

/// A sample that begins so speaks HTTP/2 without TLS, which is a setting of the whole server.
const H2C: &str = "# HTTP/2:";

pub(crate) const CADDY: Gateway = Gateway {
    name: "caddy",
    program: "caddy",
    files: &["Caddyfile"],
    command: Some(|program, directory| {
        // The admin endpoint has a fixed port.
        let sample = fs::read_to_string(directory.join("Caddyfile")).expect("a file");
        let h2c =
            if sample.starts_with(H2C) { "servers {\n\tprotocols h1 h2 h2c\n}\n" } else { "" };
        let wrapper = format!("{{\nadmin off\n{h2c}}}\nimport Caddyfile\n");
        fs::write(directory.join("without-admin"), wrapper).expect("a file");
        let mut command = Command::new(program);
        command.args(["run", "--adapter", "caddyfile", "--config", "without-admin"]);
        command.current_dir(directory).env("HOME", directory).env("XDG_DATA_HOME", directory);
        command.env("XDG_CONFIG_HOME", directory);
        command
    }),
    http2: Some(&[("Caddyfile", "# A site behind Caddy", "# HTTP/2: a site behind Caddy")]),
    listens_early: false,
    removes_session_cookie: true,
};

behaviour::tests!(CADDY);
behaviour::tests!(CADDY: names_that_applications_have);

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
