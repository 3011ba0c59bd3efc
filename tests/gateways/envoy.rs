//! Envoy, by `ext_authz` over HTTP and over gRPC.

use std::path::Path;
use std::process::Command;

use crate::behaviour;
use crate::support::{Gateway, needs};

fn command(program: &Path, directory: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(["-c", "envoy.yaml", "--concurrency", "1", "--log-level", "warning"]);
    // Shared memory that is named after the process would be shared between tests.
    command.args(["--disable-hot-restart", "--use-dynamic-base-id"]).current_dir(directory);
    command
}

mod http {
    use super::*;

    const ENVOY: Gateway = Gateway {
        name: "envoy-http",
        program: "envoy",
        files: &["envoy.yaml"],
        command: Some(command),
        removes_session_cookie: true,
    };

    behaviour::tests!(ENVOY);
}

mod grpc {
    use super::*;

    const ENVOY: Gateway = Gateway {
        name: "envoy-grpc",
        program: "envoy",
        files: &["envoy.yaml"],
        command: Some(command),
        removes_session_cookie: true,
    };

    behaviour::tests!(ENVOY);
}
