//! Redis servers on free ports, gone when they are dropped.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// Whether there is a `redis-server`. Without one the test says that it is not run.
pub(crate) fn available(test: &str) -> bool {
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
macro_rules! needs_redis {
    () => {
        if !crate::server::available(concat!(module_path!(), " line ", line!())) {
            return;
        }
    };
}
pub(crate) use needs_redis;

/// A server of its own directory and port.
pub(crate) struct Server {
    child: Option<Child>,
    pub(crate) port: u16,
    directory: Directory,
    arguments: Vec<String>,
}

impl Server {
    /// A server that keeps nothing on disk.
    pub(crate) fn start() -> Self {
        Self::with(&["--appendonly", "no"])
    }

    /// A server with further arguments.
    pub(crate) fn with(arguments: &[&str]) -> Self {
        Self::within(Directory::new(), arguments)
    }

    /// A server that works in a directory with something in it already.
    pub(crate) fn within(directory: Directory, arguments: &[&str]) -> Self {
        let port = free_port();
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let mut server = Self { child: None, port, directory, arguments };
        server.boot();
        server
    }

    /// Starts it again, with what is on its disk.
    pub(crate) fn boot(&mut self) {
        let child = Command::new("redis-server")
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .arg("--dir")
            .arg(&self.directory.0)
            .args(&self.arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a server");
        self.child = Some(child);
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < deadline, "the server does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// As `kill -9`.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Stops it without ending it: connections stay, nobody answers.
    pub(crate) fn pause(&self) {
        self.signal("STOP");
    }

    pub(crate) fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        if let Some(child) = &self.child {
            let status =
                Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status();
            assert!(status.expect("kill").success());
        }
    }

    /// What `redis-cli` prints.
    pub(crate) fn cli(&self, arguments: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string()])
            .args(arguments)
            .output()
            .expect("redis-cli");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A directory of its own, gone when it is dropped.
pub(crate) struct Directory(pub(crate) PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tower-didt-redis-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&directory).expect("a directory");
        Self(directory)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A port that is free, and whose cluster bus port (10,000 higher) is free too.
pub(crate) fn free_port() -> u16 {
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
pub(crate) struct ClusterOf {
    pub(crate) nodes: Vec<Server>,
}

impl ClusterOf {
    /// Masters without replicas.
    pub(crate) fn masters() -> Self {
        Self::start(3, 0)
    }

    /// Three masters with a replica each.
    pub(crate) fn with_replicas() -> Self {
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

    pub(crate) fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Server::url).collect()
    }

    /// The node that has an issuer's keys.
    pub(crate) fn master_of(&self, issuer: tower_didt::Issuer) -> usize {
        let tag = issuer.address().to_string().to_lowercase();
        let slot: u16 = self.nodes[0].cli(&["cluster", "keyslot", &tag]).parse().expect("a number");
        self.masters_slots()
            .into_iter()
            .find(|(_, slots)| slots.iter().any(|(first, last)| (*first..=*last).contains(&slot)))
            .map(|(node, _)| node)
            .expect("a master of every slot")
    }

    /// The slots of every node that has some.
    pub(crate) fn masters_slots(&self) -> Vec<(usize, Vec<(u16, u16)>)> {
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
