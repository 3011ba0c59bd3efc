//! nginx, by `auth_request`.

use std::process::Command;

use crate::behaviour;
use crate::support::{Gateway, needs};

const NGINX: Gateway = Gateway {
    name: "nginx",
    program: "nginx",
    files: &["nginx.conf", "didt.conf"],
    command: Some(|program, directory| {
        let mut command = Command::new(program);
        command.arg("-p").arg(directory).arg("-c").arg(directory.join("nginx.conf"));
        // One process: whoever kills it has killed all of it.
        command.args(["-g", "master_process off;"]);
        command
    }),
    removes_session_cookie: true,
};

behaviour::tests!(NGINX);
