//! PostgreSQL servers and PgBouncer on free ports, gone when they are dropped.
//!
//! PostgreSQL and PgBouncer refuse to run as root. Where the tests do, the servers run as the user
//! `postgres`, or as `nobody` where there is none.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::certificate::Certificate;
use crate::child::{Run, Running, unwatch, watch};
use crate::directory::Directory;
use crate::redis::free_port;

/// Whether there is a PostgreSQL server. Without one the test says that it is not run.
pub fn available(test: &str) -> bool {
    found(test, "PostgreSQL", program("initdb").is_some())
}

/// Whether there is PgBouncer. Without it the test says that it is not run.
pub fn pgbouncer_available(test: &str) -> bool {
    found(test, "PgBouncer", available(test) && program("pgbouncer").is_some())
}

fn found(test: &str, what: &str, is_there: bool) -> bool {
    if is_there {
        return true;
    }
    crate::missing(test, what, &["TOWER_DIDT_REQUIRE_POSTGRES"]);
    false
}

/// Ends the test early where there is no PostgreSQL.
#[macro_export]
macro_rules! needs_postgres {
    () => {
        if !$crate::postgres::available(concat!(module_path!(), " line ", line!())) {
            return;
        }
    };
}
pub use needs_postgres;

/// Ends the test early where there is no PgBouncer.
#[macro_export]
macro_rules! needs_pgbouncer {
    () => {
        if !$crate::postgres::pgbouncer_available(concat!(module_path!(), " line ", line!())) {
            return;
        }
    };
}
pub use needs_pgbouncer;

/// Where a program is: in the path, or where Debian keeps PostgreSQL's (the newest version).
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<_> = std::env::split_paths(&path).collect();
    folders.push("/usr/sbin".into());
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    versions.sort();
    folders.extend(versions.into_iter().rev());
    // Debian's psql in the path is a script that needs a home; the program itself does not.
    folders.sort_by_key(|folder| !folder.starts_with("/usr/lib/postgresql"));
    folders.into_iter().map(|folder| folder.join(name)).find(|program| program.is_file())
}

fn command(name: &str) -> Command {
    let mut command = Command::new(program(name).expect(name));
    // Also where the server's default says otherwise.
    command.env("PGOPTIONS", "-c default_transaction_read_only=off");
    command.current_dir("/").env_remove("PGHOST").env_remove("PGDATABASE").env_remove("PGUSER");
    command
}

/// The user that servers run as, where the tests are root's: its number and its group's.
fn servant() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| -> Option<u32> {
        let output = Command::new("id").args(arguments).output().ok()?;
        String::from_utf8_lossy(&output.stdout).trim().parse().ok()
    };
    (id(&["-u"])? == 0).then_some(())?;
    ["postgres", "nobody"]
        .into_iter()
        .find_map(|name| Some((id(&["-u", name])?, id(&["-g", name])?)))
}

fn as_servant(command: &mut Command) -> &mut Command {
    if let Some((user, group)) = servant() {
        command.uid(user).gid(group);
    }
    command
}

fn give_to_servant(path: &Path) {
    if let Some((user, group)) = servant() {
        chown(path, Some(user), Some(group)).expect("a new owner");
    }
}

/// A server with a folder and a port of its own, and the database and user `postgres`.
#[derive(Debug)]
pub struct Server {
    child: Option<Running>,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    directory: Directory,
    arguments: Vec<String>,
}

impl Server {
    /// A server that does not wait for the disk: what it was told survives its own end, not that of
    /// the machine.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// A server with further settings (`name=value`).
    pub fn with(settings: &[&str]) -> Self {
        Self::within(Directory::new(), settings)
    }

    /// A server with a certificate, that talks with and without TLS.
    pub fn with_certificate(certificate: &Certificate) -> Self {
        let directory = Directory::new();
        let [pem, key] = ["server.pem", "server.key"].map(|name| directory.0.join(name));
        certificate.write(&pem, &key);
        // It refuses a key that others may read.
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("a mode");
        give_to_servant(&pem);
        give_to_servant(&key);
        let files = [("ssl_cert_file", pem), ("ssl_key_file", key)];
        let files = files.map(|(name, file)| format!("{name}={}", file.display()));
        Self::within(directory, &["ssl=on", &files[0], &files[1]])
    }

    /// A server whose data lie in a folder that exists, such as a small file system.
    pub fn within(directory: Directory, settings: &[&str]) -> Self {
        give_to_servant(&directory.0);
        let mut initdb = command("initdb");
        initdb
            .args(["--username=postgres", "--auth=trust", "--no-sync", "--encoding=UTF8"])
            .args(["--locale=C", "--no-instructions", "-D"])
            .arg(directory.0.join("data"))
            .stdout(Stdio::null())
            .stdin(Stdio::null());
        assert!(as_servant(&mut initdb).status().expect("initdb").success());
        let port = free_port();
        let mut arguments = Vec::new();
        for setting in [&["fsync=off", "max_connections=40"], settings].concat() {
            arguments.extend(["-c".to_owned(), setting.to_owned()]);
        }
        let mut server = Self { child: None, port, directory, arguments };
        server.boot();
        server
    }

    /// The folder of its data.
    pub fn data(&self) -> PathBuf {
        self.directory.0.join("data")
    }

    /// Starts it again, with what is on its disk, and waits until it answers.
    pub fn boot(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        self.spawn();
        while !self.answers() {
            assert!(Instant::now() < deadline, "the server does not start: {}", self.log());
            let child = self.child.as_mut().expect("spawned");
            // One that was killed leaves its memory to its children for a moment.
            if child.try_wait().expect("a state").is_some() {
                std::thread::sleep(Duration::from_millis(100));
                self.spawn();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Starts it again, and does not wait.
    pub fn spawn(&mut self) {
        let log = self.directory.0.join("log");
        let log = fs::OpenOptions::new().create(true).append(true).open(log).expect("a log");
        let mut postgres = command("postgres");
        postgres
            .args(["-p", &self.port.to_string(), "-D"])
            .arg(self.data())
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="])
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        self.child = Some(as_servant(&mut postgres).run().expect("a server"));
    }

    fn answers(&self) -> bool {
        self.psql("SELECT 1").is_ok_and(|answer| answer == "1")
    }

    /// What it has written so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.0.join("log")).unwrap_or_default()
    }

    /// Its `postgres://` URL.
    pub fn url(&self) -> String {
        url_of(self.port)
    }

    /// As `kill -9` of every process.
    pub fn kill(&mut self) {
        self.resume();
        let children = self.children();
        self.child = None;
        for pid in children {
            signal("KILL", pid);
        }
    }

    /// A fast shutdown, which waits for nobody's transactions.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.signal("INT");
            child.wait().expect("an end");
        }
    }

    /// Stops every process without ending it: connections stay, nobody answers.
    pub fn pause(&self) {
        let Some(child) = &self.child else { return };
        // The one that starts others first.
        child.signal("STOP");
        for pid in self.children() {
            watch(pid);
            signal("STOP", pid);
        }
    }

    /// Lets a paused server go on.
    pub fn resume(&self) {
        let Some(child) = &self.child else { return };
        for pid in self.children() {
            signal("CONT", pid);
            unwatch(pid);
        }
        child.signal("CONT");
    }

    /// The processes that the server has started.
    fn children(&self) -> Vec<u32> {
        let Some(child) = &self.child else { return Vec::new() };
        let parent = child.id().to_string();
        let processes = fs::read_dir("/proc").expect("/proc").flatten();
        let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        pids.filter(|pid| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            // `pid (name) state parent …`; the name may have spaces.
            stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)) == Some(&parent)
        })
        .collect()
    }

    /// What a query prints: columns behind `|`, rows behind line breaks.
    pub fn sql(&self, query: &str) -> String {
        self.psql(query).unwrap_or_else(|error| panic!("{query}: {error}"))
    }

    fn psql(&self, query: &str) -> Result<String, String> {
        let output = command("psql")
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "postgres"])
            .args(["-d", "postgres", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", query])
            .output()
            .expect("psql");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        match output.status.success() {
            true => Ok(text(&output.stdout)),
            false => Err(text(&output.stderr)),
        }
    }

    /// A session that runs a query and stays until it is dropped, such as one that holds a lock.
    pub fn hold(&self, query: &str) -> Running {
        self.try_to_hold(query).unwrap_or_else(|| panic!("{query}"))
    }

    /// The same; `None` if the server does not let it in.
    pub fn try_to_hold(&self, query: &str) -> Option<Running> {
        let mut psql = command("psql");
        psql.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "postgres"])
            .args(["-d", "postgres", "-X", "-q"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut psql = psql.run().expect("psql");
        // Its input stays open, so that it waits for more.
        let input = psql.stdin.as_mut().expect("piped");
        writeln!(input, "{query};\n\\echo held").ok()?;
        let output = psql.stdout.as_mut().expect("piped");
        let held = BufReader::new(output).lines().any(|line| line.is_ok_and(|line| line == "held"));
        held.then_some(psql)
    }

    /// Makes it a standby without a primary: it answers what it knows, and changes nothing.
    pub fn become_standby(&mut self) {
        self.stop();
        fs::write(self.data().join("standby.signal"), "").expect("a file");
        give_to_servant(&self.data().join("standby.signal"));
        self.boot();
    }

    /// Makes a standby a primary again.
    pub fn promote(&self) {
        self.sql("SELECT pg_promote()");
    }
}

impl Server {
    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        let child = self.child.as_mut();
        child.is_none_or(|child| child.try_wait().expect("a state").is_some())
    }
}

/// A file system of a few megabytes in memory, over a folder.
#[derive(Debug)]
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts one, where that is permitted.
    pub fn mount(directory: &Directory, size: &str) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(&directory.0);
        let mounted = mount.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        mounted.then(|| Self { folder: directory.0.clone() })
    }

    /// Lets nobody write, root neither. No file may be open for writing.
    pub fn forbid_writing(&self) {
        self.remount("ro");
    }

    /// Lets everybody write again.
    pub fn permit_writing(&self) {
        self.remount("rw");
    }

    fn remount(&self, how: &str) {
        let mut mount = Command::new("mount");
        mount.args(["-o", &format!("remount,{how}")]).arg(&self.folder);
        assert!(mount.status().expect("mount").success(), "{how}");
    }

    /// Takes all room that is left.
    pub fn fill(&self) {
        let mut file = fs::File::create(self.folder.join("filling")).expect("a file");
        let zeros = vec![0; 64 * 1024];
        while file.write_all(&zeros).is_ok() {}
        while file.write_all(&[0; 512]).is_ok() {}
    }

    /// Gives the room back.
    pub fn empty(&self) {
        fs::remove_file(self.folder.join("filling")).expect("it was filled");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // At once for new comers, in the end for those who still have files open.
        let _ = Command::new("umount").arg("-l").arg(&self.folder).status();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn url_of(port: u16) -> String {
    format!("postgres://postgres@127.0.0.1:{port}/postgres?sslmode=disable")
}

fn signal(name: &str, pid: u32) {
    let mut kill = Command::new("kill");
    kill.args([&format!("-{name}"), &pid.to_string()]).stderr(Stdio::null());
    let _ = kill.status();
}

/// PgBouncer in transaction mode before a server.
#[derive(Debug)]
pub struct PgBouncer {
    _child: Running,
    port: u16,
    _directory: Directory,
}

impl PgBouncer {
    /// PgBouncer with so few connections to the server that clients take turns.
    pub fn before(server: &Server) -> Self {
        let (directory, port) = (Directory::new(), free_port());
        let file = directory.0.join("pgbouncer.ini");
        let settings = format!(
            "[databases]\npostgres = host=127.0.0.1 port={} user=postgres\n[pgbouncer]\n\
             listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
             pool_mode = transaction\ndefault_pool_size = 2\nlogfile = {}\n",
            server.port,
            directory.0.join("log").display(),
        );
        fs::write(&file, settings).expect("a file");
        give_to_servant(&directory.0);
        give_to_servant(&file);
        let mut pgbouncer = command("pgbouncer");
        pgbouncer.arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = as_servant(&mut pgbouncer).run().expect("pgbouncer");
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "PgBouncer does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { _child: child, port, _directory: directory }
    }

    /// The `postgres://` URL by way of it.
    pub fn url(&self) -> String {
        url_of(self.port)
    }
}
