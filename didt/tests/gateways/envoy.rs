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

pub(crate) const fn envoy(name: &'static str) -> Gateway {
    Gateway {
        name,
        program: "envoy",
        files: &["envoy.yaml"],
        command: Some(command),
        http2: Some(&[]),
        listens_early: false,
        removes_session_cookie: true,
    }
}

const FAILURES_ALLOW: (&str, &str, &str) =
    ("envoy.yaml", "failure_mode_allow: false", "failure_mode_allow: true");

/// As the samples' READMEs say for applications with slashes in names.
const KEEP_SLASHES: (&str, &str, &str) = (
    "envoy.yaml",
    "path_with_escaped_slashes_action: REJECT_REQUEST",
    "path_with_escaped_slashes_action: KEEP_UNCHANGED",
);

mod http {
    use super::*;

    const ENVOY: Gateway = envoy("envoy-http");

    behaviour::tests!(ENVOY);

    #[test]
    fn encoded_slashes_are_refused_unless_the_sample_says_otherwise() {
        needs!(ENVOY.program);
        behaviour::encoded_slashes_only_with(&ENVOY, &[KEEP_SLASHES]);
    }

    /// The mistakes that are made with Envoy over HTTP.
    mod mistakes {
        use super::*;

        #[test]
        fn failures_allow() {
            needs!(ENVOY.program);
            behaviour::doctor_finds_with_didt_down(&ENVOY, &[FAILURES_ALLOW], "guarded");
        }

        #[test]
        fn a_header_that_is_not_passed_to_the_application() {
            needs!(ENVOY.program);
            let line =
                "                              - { exact: x-auth-issuer, ignore_case: true }\n";
            behaviour::doctor_finds(&ENVOY, &[("envoy.yaml", line, "")], "identity");
        }

        #[test]
        fn headers_about_the_origin_that_are_not_part_of_the_question() {
            needs!(ENVOY.program);
            let line = |name| {
                format!("                          - {{ exact: {name}, ignore_case: true }}\n")
            };
            let [origin, site] = ["origin", "sec-fetch-site"].map(line);
            let changes = [("envoy.yaml", &*origin, ""), ("envoy.yaml", &site, "")];
            behaviour::doctor_finds(&ENVOY, &changes, "cross-site-post");
        }
    }
}

mod grpc {
    use super::*;

    const ENVOY: Gateway = envoy("envoy-grpc");

    behaviour::tests!(ENVOY);

    #[test]
    fn encoded_slashes_are_refused_unless_the_sample_says_otherwise() {
        needs!(ENVOY.program);
        behaviour::encoded_slashes_only_with(&ENVOY, &[KEEP_SLASHES]);
    }

    /// The mistakes that are made with Envoy over gRPC.
    mod mistakes {
        use super::*;

        #[test]
        fn failures_allow() {
            needs!(ENVOY.program);
            behaviour::doctor_finds_with_didt_down(&ENVOY, &[FAILURES_ALLOW], "guarded");
        }

        #[test]
        fn a_route_whose_check_is_disabled() {
            needs!(ENVOY.program);
            let change = ("envoy.yaml", "match: { prefix: /auth/ }", "match: { prefix: / }");
            let to = ("envoy.yaml", "route: { cluster: didt }", "route: { cluster: application }");
            behaviour::doctor_finds(&ENVOY, &[change, to], "guarded");
        }
    }
}
