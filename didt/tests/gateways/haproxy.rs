//! HAProxy, by a Lua script of ours.

use std::fs;
use std::process::Command;

use crate::behaviour;
use crate::support::{Echoed, Gateway, Site, Store, needs};

pub(crate) const HAPROXY: Gateway = Gateway {
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
    http2: Some(&[]),
    listens_early: false,
    removes_session_cookie: true,
};

behaviour::tests!(HAPROXY);
behaviour::tests!(HAPROXY: names_that_applications_have);

/// The mistakes that are made with HAProxy.
mod mistakes {
    use super::*;

    /// The first characters of the rule that denies whatever is not allowed.
    const LAST_RULE: &str = "    http-request return status 503";

    /// (`didt doctor` would see it too, in minutes: HAProxy tries each question four times.)
    #[test]
    fn no_rule_that_denies_what_is_not_allowed() {
        needs!(HAPROXY.program);
        let change = ("haproxy.cfg", LAST_RULE, "    #");
        let mut site = Site::with(&HAPROXY, Store::Memory, &[change]);
        assert_eq!(site.get("/", &[]).status, 401, "nothing to see while didt serve is up");
        site.didt.kill();
        assert!(site.get("/", &[]).received().is_some(), "anybody passes");
    }

    #[test]
    fn no_rules_after_the_check() {
        needs!(HAPROXY.program);
        let changes = [
            ("haproxy.cfg", LAST_RULE, "    #"),
            ("haproxy.cfg", "    http-request return status 401", "    #"),
        ];
        behaviour::doctor_finds(&HAPROXY, &changes, "guarded");
    }

    #[test]
    fn a_script_that_sets_only_some_headers() {
        needs!(HAPROXY.program);
        let change = ("didt.lua", "\"x-auth-issuer\", \"x-auth-address\"", "\"x-auth-address\"");
        behaviour::doctor_finds(&HAPROXY, &[change], "identity");
    }
}
