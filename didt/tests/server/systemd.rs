//! What systemd is told: sd_notify(3).

use std::os::unix::net::UnixDatagram;

use tower_didt_test_support::certificate::Certificate;

use crate::didt::{Didt, Directory, LISTEN, PATIENCE, TOP, command, file};

#[test]
fn systemd_hears_of_the_start_a_reload_and_the_end() {
    let directory = Directory::new();
    let path = directory.0.join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let heard = || {
        let mut bytes = [0; 1024];
        let length = socket.recv(&mut bytes).expect("word");
        String::from_utf8(bytes[..length].to_vec()).expect("text")
    };
    let pair = Certificate::of("example.com");
    let certificate = file(&directory, "tls.crt", &pair.pem);
    let key = file(&directory, "tls.key", &pair.key);
    let tls = format!("tls = {{ certificate = {certificate:?}, key = {key:?} }}\n");
    let mut didt = command(&directory, &format!("{TOP}{LISTEN}{tls}"));
    let mut didt = Didt::spawn(didt.env("NOTIFY_SOCKET", &path));
    assert_eq!(heard().trim_end(), "READY=1");
    // Good or bad, it ends: `systemctl reload` waits for the second word.
    for contents in [pair.key.as_str(), "no key"] {
        std::fs::write(&key, contents).expect("a file");
        didt.signal("HUP");
        let reloading = heard();
        let mut lines = reloading.lines();
        assert_eq!(lines.next(), Some("RELOADING=1"));
        let time = lines.next().and_then(|line| line.strip_prefix("MONOTONIC_USEC="));
        assert!(time.expect("a time").parse::<u64>().expect("a number") > 0);
        assert_eq!(heard().trim_end(), "READY=1");
    }
    didt.line_with("nothing changed");
    didt.line_with("keeping the current settings");
    didt.signal("TERM");
    assert_eq!(heard().trim_end(), "STOPPING=1");
    assert_eq!(didt.ended().code(), Some(0));
}
