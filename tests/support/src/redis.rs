//! Redis servers on free ports, gone when they are dropped.

use std::fmt::Display;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use crate::child::{Run, Running};
use crate::directory::Directory;

/// Whether there is a `redis-server`. Without one the test says that it is not run.
pub fn available(test: &str) -> bool {
    let found = Command::new("redis-server").arg("--version").output();
    if found.is_ok_and(|output| output.status.success()) {
        return true;
    }
    let required = ["TOWER_DIDT_REQUIRE_REDIS", "REQUIRE_REDIS"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| value == "1"));
    assert!(!required, "redis-server is required, and there is none");
    // Past the capture of passing tests, so that it is seen.
    let _ = writeln!(std::io::stderr(), "NOT RUN: {test}: there is no redis-server");
    false
}

/// Ends the test early where there is no `redis-server`.
#[macro_export]
macro_rules! needs_redis {
    () => {
        if !$crate::redis::available(concat!(module_path!(), " line ", line!())) {
            return;
        }
    };
}
pub use needs_redis;

/// A server of its own directory and port.
#[derive(Debug)]
pub struct Server {
    child: Option<Running>,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    directory: Directory,
    arguments: Vec<String>,
}

impl Server {
    /// A server that keeps nothing on disk.
    pub fn start() -> Self {
        Self::with(&["--appendonly", "no"])
    }

    /// A server with further arguments.
    pub fn with(arguments: &[&str]) -> Self {
        Self::within(Directory::new(), arguments)
    }

    /// A server that works in a directory with something in it already.
    pub fn within(directory: Directory, arguments: &[&str]) -> Self {
        let port = free_port();
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let mut server = Self { child: None, port, directory, arguments };
        server.boot();
        server
    }

    /// Starts it again, with what is on its disk.
    pub fn boot(&mut self) {
        let mut command = Command::new("redis-server");
        command
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .arg("--dir")
            .arg(&self.directory.0)
            .args(&self.arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.child = Some(command.run().expect("a server"));
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < deadline, "the server does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Its `redis://` URL.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// As `kill -9`.
    pub fn kill(&mut self) {
        self.child = None;
    }

    /// Stops it without ending it: connections stay, nobody answers.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets a paused server go on.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        if let Some(child) = &self.child {
            child.signal(name);
        }
    }

    /// What `redis-cli` prints.
    pub fn cli(&self, arguments: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string()])
            .args(arguments)
            .output()
            .expect("redis-cli");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

/// A port that is free, and whose cluster bus port (10,000 higher) is free too.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let base = 20_000 + (std::process::id() % 200) as u16 * 100;
    loop {
        let port = base + NEXT.fetch_add(1, Ordering::Relaxed) % 2_000;
        let is_free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if is_free(port) && is_free(port + 10_000) {
            return port;
        }
    }
}

/// Three masters.
#[derive(Debug)]
pub struct ClusterOf {
    /// The masters first, then their replicas.
    pub nodes: Vec<Server>,
}

impl ClusterOf {
    /// Masters without replicas.
    pub fn masters() -> Self {
        Self::start(3, 0)
    }

    /// Three masters with a replica each.
    pub fn with_replicas() -> Self {
        Self::start(6, 1)
    }

    fn start(count: usize, replicas: u8) -> Self {
        let arguments = [
            "--cluster-enabled",
            "yes",
            "--cluster-node-timeout",
            "1000",
            "--appendonly",
            "no",
            "--cluster-require-full-coverage",
            "no",
        ];
        let nodes: Vec<_> = (0..count).map(|_| Server::with(&arguments)).collect();
        let mut create = Command::new("redis-cli");
        create.args(["--cluster", "create"]);
        create.args(nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)));
        create.args(["--cluster-replicas", &replicas.to_string(), "--cluster-yes"]);
        let output = create.output().expect("redis-cli");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        let cluster = Self { nodes };
        cluster.wait_until(|node| node.cli(&["cluster", "info"]).contains("cluster_state:ok"));
        if replicas > 0 {
            cluster.wait_until(|node| {
                let role = node.cli(&["role"]);
                role.starts_with("master") || role.contains("connected")
            });
        }
        cluster
    }

    fn wait_until(&self, holds: impl Fn(&Server) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !self.nodes.iter().all(&holds) {
            assert!(Instant::now() < deadline, "the cluster does not come up");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The `redis://` URLs of all nodes.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Server::url).collect()
    }

    /// The node that has an issuer's keys.
    pub fn master_of(&self, issuer: impl Display) -> usize {
        let issuer = issuer.to_string().to_lowercase();
        let tag = issuer.rsplit(':').next().expect("an address");
        let slot: u16 = self.nodes[0].cli(&["cluster", "keyslot", tag]).parse().expect("a number");
        self.masters_slots()
            .into_iter()
            .find(|(_, slots)| slots.iter().any(|(first, last)| (*first..=*last).contains(&slot)))
            .map(|(node, _)| node)
            .expect("a master of every slot")
    }

    /// The slots of every node that has some.
    pub fn masters_slots(&self) -> Vec<(usize, Vec<(u16, u16)>)> {
        let lines = self.nodes.iter().map(|node| node.cli(&["cluster", "nodes"]));
        lines
            .enumerate()
            .filter_map(|(number, lines)| {
                let own = lines.lines().find(|line| line.contains("myself,master"))?;
                let slots = own.split(' ').skip(8).filter(|part| !part.starts_with('['));
                let range = |part: &str| -> (u16, u16) {
                    let (first, last) = part.split_once('-').unwrap_or((part, part));
                    (first.parse().expect("a slot"), last.parse().expect("a slot"))
                };
                Some((number, slots.map(range).collect()))
            })
            .collect()
    }
}
