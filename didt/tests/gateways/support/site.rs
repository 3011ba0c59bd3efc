//! A gateway, `didt serve` and an upstream, each on a port of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tower_didt::testing::Wallet;

use super::client::{send, send_and_read_head, upgrade};
use super::ports::{exchange_ports, free_port};
use super::{Gateway, Process, Reply};

/// The application's client id in every sample.
pub(crate) const AUDIENCE: &str = "did:magic:f54168e9-9ce9-47f2-81c8-7cb2a96b26ba";

/// The ports in the samples: the gateway, the two of `didt serve`, the application.
const GATEWAY: u16 = 8080;
const DIDT: u16 = 9480;
const DIDT_PRIVATE: u16 = 9481;
const APPLICATION: u16 = 3000;

/// What is put in the place of what, in which file.
pub(crate) type Change<'a> = (&'a str, &'a str, &'a str);

/// Where the sessions are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    Memory,
    Redis,
    /// In the cookies, which are renewed after a second.
    Sealed,
}

/// All that a guarded site consists of. What was started ends when it is dropped.
pub(crate) struct Site {
    // In the order in which they end.
    gateway: Option<Process>,
    pub(crate) didt: Process,
    _echo: Process,
    pub(crate) redis: Option<Process>,
    port: u16,
    _directory: Directory,
}

impl Site {
    pub(crate) fn start(gateway: &Gateway) -> Self {
        Self::with(gateway, Store::Memory, &[])
    }

    /// A site with its sample files changed. Fails if there is nothing to change.
    pub(crate) fn with(gateway: &Gateway, store: Store, changes: &[Change<'_>]) -> Self {
        let directory = Directory::new();
        let [port, didt_port, private_port, echo_port] = std::array::from_fn(|_| free_port());
        let ports = [
            (GATEWAY, port),
            (DIDT, didt_port),
            (DIDT_PRIVATE, private_port),
            (APPLICATION, echo_port),
        ];
        let mut has_sites = false;
        for file in gateway.files.iter().chain(&["didt.toml"]) {
            let mut text = sample(gateway.name, file);
            for (_, from, to) in changes.iter().filter(|(changed, ..)| changed == file) {
                assert!(text.contains(from), "{file} has no {from:?}");
                text = text.replace(from, to);
            }
            if *file == "didt.toml" {
                has_sites = text.contains("[[sites]]");
                // Each of several sites says who passes.
                if !has_sites {
                    text = open_to_any_key(&text);
                }
            }
            fs::write(directory.0.join(file), exchange_ports(&text, &ports)).expect("a file");
        }
        for (file, ..) in changes {
            assert!(directory.0.join(file).exists(), "there is no {file}");
        }

        let redis = (store == Store::Redis).then(|| start_redis(&directory));
        let mut echo = Command::new(env!("CARGO_BIN_EXE_didt"));
        echo.args(["echo", "--listen", &format!("127.0.0.1:{echo_port}")]);
        let echo = Process::start("echo", echo, &directory.0, echo_port);
        let mut didt = Command::new(env!("CARGO_BIN_EXE_didt"));
        didt.args(["serve", "--config", "didt.toml"]).current_dir(&directory.0);
        // Whatever holds of a gateway holds with the page too.
        if !has_sites {
            didt.env("DIDT__SIGN_IN__PUBLISHABLE_KEY", "pk_live_test");
        }
        if let Some((_, redis_port)) = &redis {
            didt.env("DIDT__STORE__KIND", "redis");
            didt.env("DIDT__STORE__URL", format!("redis://127.0.0.1:{redis_port}"));
        }
        if store == Store::Sealed {
            let keygen = Command::new(env!("CARGO_BIN_EXE_didt")).arg("keygen").output();
            fs::write(directory.0.join("keys"), keygen.expect("a key").stdout).expect("a file");
            didt.env("DIDT__STORE__KIND", "sealed").env("DIDT__STORE__KEYS_FILE", "keys");
            didt.env("DIDT__SESSIONS__IDLE_TIMEOUT", "10s");
        }
        let didt = Process::start("didt", didt, &directory.0, didt_port);
        let running = gateway.command.map(|command| {
            let program = gateway.find().expect("the caller has looked for it");
            let command = command(&program, &directory.0);
            Process::start(gateway.program, command, &directory.0, port)
        });
        let port = if running.is_some() { port } else { didt_port };
        let site = Self {
            gateway: running,
            didt,
            _echo: echo,
            redis: redis.map(|(redis, _)| redis),
            port,
            _directory: directory,
        };
        if gateway.listens_early {
            site.wait_for_routes();
        }
        site
    }

    fn wait_for_routes(&self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.get("/", &[]).status == 404 {
            assert!(Instant::now() < deadline, "no routes: {}", self.gateway_log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Sends a request whose connection is closed after the answer.
    pub(crate) fn request(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Reply {
        self.request_with_body(method, target, headers, "")
    }

    pub(crate) fn get(&self, target: &str, headers: &[(&str, &str)]) -> Reply {
        self.request("GET", target, headers)
    }

    /// The target and the headers are sent as they are, byte by byte.
    pub(crate) fn request_with_body(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Reply {
        let mut raw = format!("{method} {target} HTTP/1.1\r\nHost: {}\r\n", self.host());
        for (name, value) in headers {
            raw.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() || method == "POST" {
            raw.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("connection")) {
            raw.push_str("Connection: close\r\n");
        }
        self.send(format!("{raw}\r\n{body}").as_bytes())
    }

    pub(crate) fn send(&self, raw: &[u8]) -> Reply {
        send(self.port, raw)
    }

    pub(crate) fn send_and_read_head(&self, raw: &[u8]) -> Reply {
        send_and_read_head(self.port, raw)
    }

    /// Switches to the protocol of `didt echo`, which sends back all that it gets.
    pub(crate) fn upgrade(
        &self,
        cookie: &str,
        origin: &str,
        sent: &[u8],
    ) -> Result<Vec<u8>, Reply> {
        let raw = format!(
            "GET /chat HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\nOrigin: {origin}\r\n\
             Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: echo\r\n\r\n",
            self.host()
        );
        upgrade(self.port, raw.as_bytes(), sent)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Signs in; the cookie, as a browser sends it.
    pub(crate) fn sign_in(&self, user: &str) -> String {
        let reply = self.request("POST", "/auth/login", &[("Authorization", &bearer(user))]);
        assert_eq!(reply.status, 204, "{reply:?}\n{}", self.didt.log());
        format!("__Host-didt={}", reply.session_cookie().expect("signing in sets the cookie"))
    }

    /// Runs `didt doctor` against this site: its exit code and all that it prints.
    pub(crate) fn doctor(&self) -> (i32, String) {
        let url = |path| format!("http://{}{path}", self.host());
        let output = Command::new(env!("CARGO_BIN_EXE_didt"))
            .args(["doctor", "--json", &url("/private"), "--public", &url("/public/")])
            .args(["--seed", "doctor", "--audience", AUDIENCE])
            .output()
            .expect("didt runs");
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&text).into_owned())
    }

    /// What the gateway has printed.
    pub(crate) fn gateway_log(&self) -> String {
        self.gateway.as_ref().map(Process::log).unwrap_or_default()
    }
}

/// A new token of a user's, as a header's value.
pub(crate) fn bearer(user: &str) -> String {
    format!("Bearer {}", Wallet::from_seed(user).token(AUDIENCE).mint())
}

/// The samples list who may pass. The users here are made as they are needed.
fn open_to_any_key(policy: &str) -> String {
    const LIST: &str = "addresses = [\"0xde709f2102306220921060314715629080e2fb77\"]\n";
    assert!(policy.contains(LIST), "the sample lists nobody: {policy}");
    policy.replace(LIST, "admit = \"any_key\"\n")
}

fn sample(gateway: &str, file: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/gateways");
    let path = root.join(gateway).join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn start_redis(directory: &Directory) -> (Process, u16) {
    let port = free_port();
    let mut command = Command::new("redis-server");
    command
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .arg("--dir")
        .arg(&directory.0);
    (Process::start("redis", command, &directory.0, port), port)
}

/// A directory of its own, gone when it is dropped.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tower-didt-gateways-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).expect("a directory");
        Self(directory)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
