//! A master with two replicas, watched by three Redis Sentinels, all on free ports and gone when dropped.

use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::child::{Run, Running};
use crate::directory::Directory;
use crate::redis::{Server, free_port};

/// What the Sentinels call the master.
pub const GROUP: &str = "mymaster";

/// Master, replicas and Sentinels.
#[derive(Debug)]
pub struct Watched {
    /// The first is the master to begin with.
    pub servers: Vec<Server>,
    /// The Sentinels, of which two have to agree.
    pub sentinels: Vec<Sentinel>,
}

/// One Sentinel.
#[derive(Debug)]
pub struct Sentinel {
    child: Option<Running>,
    port: u16,
    directory: Directory,
}

impl Watched {
    /// Takes a master for dead after half a second without an answer.
    pub fn start() -> Self {
        Self::with_passwords("", "")
    }

    /// With a password of the servers, and another of the Sentinels; none where it is empty.
    pub fn with_passwords(servers: &str, sentinels: &str) -> Self {
        let mut arguments = vec!["--appendonly", "no", "--repl-diskless-sync-delay", "0"];
        if !servers.is_empty() {
            arguments.extend(["--requirepass", servers, "--masterauth", servers]);
        }
        let master = Server::with(&arguments);
        let port = master.port.to_string();
        arguments.extend(["--replicaof", "127.0.0.1", &port]);
        let mut all = vec![master];
        all.extend((0..2).map(|_| Server::with(&arguments)));
        let sentinels = (0..3).map(|_| Sentinel::start(&port, servers, sentinels)).collect();
        let watched = Self { servers: all, sentinels };
        watched.wait_until_watched(servers);
        watched
    }

    /// The URL of the master by its name, without a password.
    pub fn master_url() -> String {
        format!("redis://{GROUP}")
    }

    /// The URLs of the Sentinels.
    pub fn sentinel_urls(&self) -> Vec<String> {
        self.sentinels.iter().map(Sentinel::url).collect()
    }

    /// The port of the master, by the word of the first Sentinel that lives.
    pub fn master_port(&self) -> Option<u16> {
        let living = self.sentinels.iter().find(|sentinel| sentinel.child.is_some())?;
        let said = living.cli(&["sentinel", "get-master-addr-by-name", GROUP]);
        said.lines().nth(1)?.parse().ok()
    }

    /// Which of the servers that is.
    pub fn master(&self) -> usize {
        let port = self.master_port();
        self.servers.iter().position(|server| Some(server.port) == port).expect("a master")
    }

    /// Until every Sentinel knows the two others and both replicas, and both replicas are in step.
    fn wait_until_watched(&self, password: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        let known = |sentinel: &Sentinel| {
            let said = sentinel.cli(&["sentinel", "master", GROUP]);
            let field = |name| said.lines().skip_while(|line| *line != name).nth(1);
            field("num-slaves") == Some("2") && field("num-other-sentinels") == Some("2")
        };
        let in_step = || {
            let mut arguments = vec!["wait", "2", "100"];
            if !password.is_empty() {
                arguments.splice(0..0, ["--no-auth-warning", "-a", password]);
            }
            self.servers[0].cli(&arguments) == "2"
        };
        while !(self.sentinels.iter().all(known) && in_step()) {
            assert!(Instant::now() < deadline, "the Sentinels do not find each other");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Sentinel {
    fn start(master_port: &str, master_password: &str, own_password: &str) -> Self {
        let (port, directory) = (free_port(), Directory::new());
        let mut configuration = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nprotected-mode no\n\
             sentinel monitor {GROUP} 127.0.0.1 {master_port} 2\n\
             sentinel down-after-milliseconds {GROUP} 500\n\
             sentinel failover-timeout {GROUP} 1000\n",
            directory.0.display()
        );
        if !master_password.is_empty() {
            configuration.push_str(&format!("sentinel auth-pass {GROUP} {master_password}\n"));
        }
        if !own_password.is_empty() {
            configuration.push_str(&format!(
                "requirepass {own_password}\nsentinel sentinel-pass {own_password}\n"
            ));
        }
        std::fs::write(directory.0.join("sentinel.conf"), configuration).expect("a file");
        let mut sentinel = Self { child: None, port, directory };
        sentinel.boot();
        sentinel
    }

    /// Starts it again, with what it remembers.
    pub fn boot(&mut self) {
        let child = Command::new(crate::redis::program())
            .arg(self.directory.0.join("sentinel.conf"))
            .arg("--sentinel")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .run();
        self.child = Some(child.expect("a Sentinel"));
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < deadline, "the Sentinel does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// As `kill -9`.
    pub fn kill(&mut self) {
        self.child = None;
    }

    /// Its `redis://` URL, without a password.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// What `redis-cli` prints.
    fn cli(&self, arguments: &[&str]) -> String {
        let configuration = self.directory.0.join("sentinel.conf");
        let text = std::fs::read_to_string(configuration).unwrap_or_default();
        let password = text.lines().find_map(|line| line.strip_prefix("requirepass "));
        let mut command = Command::new("redis-cli");
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "--no-auth-warning"]);
        if let Some(password) = password {
            command.args(["-a", password.trim_matches('"')]);
        }
        let output = command.args(arguments).output().expect("redis-cli");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}
