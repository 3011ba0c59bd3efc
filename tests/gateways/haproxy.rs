//! HAProxy, by a Lua script of ours.

use std::fs;
use std::process::Command;

use crate::behaviour;
use crate::support::{Gateway, needs};

const HAPROXY: Gateway = Gateway {
    name: "haproxy",
    program: "haproxy",
    files: &["haproxy.cfg", "didt.lua"],
    command: Some(|program, directory| {
        let file = directory.join("haproxy.cfg");
        let text = fs::read_to_string(&file).expect("the sample");
        let text = text.replace("/etc/haproxy", directory.to_str().expect("a name"));
        fs::write(file, text).expect("a file");
        let mut command = Command::new(program);
        command.args(["-db", "-f", "haproxy.cfg"]).current_dir(directory);
        command
    }),
    removes_session_cookie: true,
};

behaviour::tests!(HAPROXY);
