//! Redis servers on free ports, gone when they are dropped.

use std::ffi::OsString;
use std::fmt::Display;
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use crate::child::{Run, Running};
use crate::directory::Directory;

/// The server: `redis-server`, or what `TOWER_DIDT_REDIS_SERVER` names, such as a `valkey-server`.
pub(crate) fn program() -> OsString {
    std::env::var_os("TOWER_DIDT_REDIS_SERVER").unwrap_or_else(|| "redis-server".into())
}

/// Whether there is a `redis-server`. Without one the test says that it is not run.
pub fn available(test: &str) -> bool {
    let found = Command::new(program()).arg("--version").output();
    if found.is_ok_and(|output| output.status.success()) {
        return true;
    }
    crate::missing(test, "redis-server", &["TOWER_DIDT_REQUIRE_REDIS", "REQUIRE_REDIS"]);
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
        let mut command = Command::new(program());
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

    /// Three masters without replicas, and a fourth that has no slots yet.
    pub fn with_an_empty_master() -> Self {
        let mut cluster = Self::masters();
        let fourth = Server::with(&Self::ARGUMENTS);
        fourth.cli(&["cluster", "meet", "127.0.0.1", &cluster.nodes[0].port.to_string()]);
        cluster.nodes.push(fourth);
        let masters = |node: &Server| node.cli(&["cluster", "nodes"]).matches("connected").count();
        cluster.wait_until(|node| {
            node.cli(&["cluster", "info"]).contains("cluster_state:ok") && masters(node) >= 4
        });
        cluster
    }

    /// The slot of an issuer's keys.
    pub fn slot_of(&self, issuer: impl Display) -> String {
        let issuer = issuer.to_string().to_lowercase();
        let tag = issuer.rsplit(':').next().expect("an address");
        self.nodes[0].cli(&["cluster", "keyslot", tag])
    }

    fn id(&self, node: usize) -> String {
        self.nodes[node].cli(&["cluster", "myid"])
    }

    /// Begins to move a slot, as `redis-cli --cluster reshard` does.
    pub fn begin_move(&self, slot: &str, from: usize, to: usize) {
        let (from_id, to_id) = (self.id(from), self.id(to));
        assert_eq!(self.nodes[to].cli(&["cluster", "setslot", slot, "importing", &from_id]), "OK");
        assert_eq!(self.nodes[from].cli(&["cluster", "setslot", slot, "migrating", &to_id]), "OK");
    }

    /// Moves the keys of a slot that `wanted` holds for.
    pub fn move_keys(&self, slot: &str, from: usize, to: usize, wanted: &str) {
        let port = self.nodes[to].port.to_string();
        let keys = self.nodes[from].cli(&["cluster", "getkeysinslot", slot, "1000"]);
        for key in keys.lines().filter(|key| key.ends_with(wanted)) {
            let moved = self.nodes[from].cli(&["migrate", "127.0.0.1", &port, key, "0", "1000"]);
            assert_eq!(moved, "OK", "{key}");
        }
    }

    /// Gives a slot to its new master.
    pub fn finish_move(&self, slot: &str, from: usize, to: usize) {
        let to_id = self.id(to);
        for node in [to, from] {
            assert_eq!(self.nodes[node].cli(&["cluster", "setslot", slot, "node", &to_id]), "OK");
        }
    }

    /// Whether the servers move slots with their keys in one piece, as Valkey does since version 9.
    pub fn moves_slots_in_one_piece(&self) -> bool {
        self.nodes.iter().all(|node| node.cli(&["cluster", "help"]).contains("MIGRATESLOTS"))
    }

    /// Moves a slot and its keys in one piece, and waits until it has moved.
    pub fn move_in_one_piece(&self, slot: &str, from: usize, to: usize) {
        let to_id = self.id(to);
        let arguments = ["cluster", "migrateslots", "slotsrange", slot, slot, "node", &to_id];
        assert_eq!(self.nodes[from].cli(&arguments), "OK");
        self.wait_until(|node| {
            let slots = node.cli(&["cluster", "slots"]);
            let mut lines = slots.lines().skip_while(|line| *line != slot);
            lines.any(|line| line == to_id)
        });
    }

    /// Gives a slot to another master without moving its keys, and without a word to the old one,
    /// which hears of it on the cluster's bus and drops the keys.
    pub fn force_move(&self, slot: &str, from: usize, to: usize) {
        let (from_id, to_id) = (self.id(from), self.id(to));
        assert_eq!(self.nodes[to].cli(&["cluster", "setslot", slot, "importing", &from_id]), "OK");
        assert_eq!(self.nodes[to].cli(&["cluster", "setslot", slot, "node", &to_id]), "OK");
    }

    const ARGUMENTS: [&str; 10] = [
        "--cluster-enabled",
        "yes",
        "--cluster-node-timeout",
        "1000",
        "--appendonly",
        "no",
        // Or a master that gives its last slot away becomes a replica.
        "--cluster-allow-replica-migration",
        "no",
        "--cluster-require-full-coverage",
        "no",
    ];

    fn start(count: usize, replicas: u8) -> Self {
        let nodes: Vec<_> = (0..count).map(|_| Server::with(&Self::ARGUMENTS)).collect();
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
