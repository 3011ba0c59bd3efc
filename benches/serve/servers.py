"""The servers that are compared, and what asks them."""

import contextlib
import os
import re
import resource
import socket
import subprocess
import time

from harness import Child, free_port
from questions import BROWSER, GRPC, HOST, QUESTIONS

HERE = os.path.dirname(os.path.abspath(__file__))
AUDIENCE = "did:magic:f54168e9-9ce9-47f2-81c8-7cb2a96b26ba"

# Sessions that are asked about, one after the other.
SESSIONS = 100
CONNECTIONS = 16
PATIENCE = 20

# Of the generator's processor, where it asks at a fixed rate.
MOST_BUSY = 0.85


class Server(Child):
    """A program that listens on a port, and ends when it is told to."""

    def __init__(self, name, command, port, folder, cpu):
        self.port, self.cookies = port, ["none=none"]
        self.began = time.perf_counter()
        self.log = os.path.join(folder, f"{name}-{port}.log")
        with open(self.log, "w") as log:
            super().__init__(command, cpu=cpu, stderr=log)

    def __enter__(self):
        deadline = time.monotonic() + PATIENCE
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.process.args} does not answer")
            time.sleep(0.0005)
        self.start_up = time.perf_counter() - self.began
        return self

    def answers(self):
        """Whether it answers the question about somebody without a session."""
        try:
            return self.exchange("GET", *QUESTIONS["nginx"])
        except OSError:
            return None

    def exchange(self, method, path, headers, cookie=None):
        """The head of an answer."""
        head = [f"{method} {path} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
        head += [f"Cookie: {cookie}"] if cookie else []
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as stream:
            stream.sendall("\r\n".join([*head, "Connection: close", "", ""]).encode())
            answer = b""
            while b"\r\n\r\n" not in answer:
                some = stream.recv(65536)
                if not some:
                    raise ConnectionError("no answer")
                answer += some
        return answer.split(b"\r\n\r\n")[0].decode()

    def admits(self, kind="nginx"):
        """Fails unless the question is answered by a yes with the first session, and, where there are any, by a
        no without."""
        head = self.exchange("GET", *QUESTIONS[kind], self.cookies[0])
        if not re.match(r"HTTP/1\.1 20[04] ", head):
            raise RuntimeError(f"{self.process.args} says {head}")
        return head

    def memory(self):
        """In MiB."""
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(r"^VmRSS:\s+(\d+) kB$", status.read(), re.M)[1]) / 1024

    def stop(self):
        self.process.terminate()
        super().stop()


def hyper(programs, folder, cpu=0, headers=(), grpc=False):
    """It always says yes; with `headers`, by the answer that `didt serve` gives."""
    port = free_port()
    words = ["grpc", str(port)] if grpc else ["http", str(port), "200" if headers else "204"]
    return Server("hyper", [programs["bench-auth"], *words, *headers], port, folder, cpu)


def didt_toml(folder, port, store='kind = "memory"'):
    file = os.path.join(folder, f"didt-{port}.toml")
    with open(file, "w") as config:
        config.write(
            f'audiences = ["{AUDIENCE}"]\nadmit = "any_key"\ntrusted_proxies = ["127.0.0.1"]\n'
            f'[listen]\npublic = "127.0.0.1:{port}"\nprivate = "127.0.0.1:{free_port()}"\n[store]\n{store}\n'
        )
    return file


@contextlib.contextmanager
def didt(programs, folder, store='kind = "memory"', cpu=0, sessions=SESSIONS):
    port = free_port()
    file = didt_toml(folder, port, store)
    with Server("didt", [programs["didt"], "serve", "--config", file], port, folder, cpu) as server:
        if sessions:
            server.cookies = [sign_in(programs, server, number) for number in range(sessions)]
            server.admits()
        yield server


def sign_in(programs, server, number):
    command = [programs["didt"], "mint", "--seed", str(number), "--audience", AUDIENCE]
    token = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    headers = {"Host": HOST, "Authorization": f"Bearer {token}"}
    deadline = time.monotonic() + PATIENCE
    # A store whose server has just begun may need a moment.
    while " 503 " in (head := server.exchange("POST", "/auth/login", headers)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return cookie(head)


def cookie(head):
    found = re.search(r"^set-cookie: ([^;\r]*)", head, re.M | re.I)
    if not found:
        raise RuntimeError(f"no cookie: {head}")
    return found[1]


@contextlib.contextmanager
def express(modules, folder, redis, cpu=0, sessions=SESSIONS):
    port = free_port()
    command = ["node", os.path.join(HERE, "express.mjs"), modules, str(port), str(redis)]
    with Server("express", ["env", "NODE_ENV=production", *command], port, folder, cpu) as server:
        if sessions:
            heads = (server.exchange("POST", "/login", {"Host": HOST}) for _ in range(sessions))
            server.cookies = [cookie(head) for head in heads]
            server.admits()
        yield server


@contextlib.contextmanager
def redis(folder):
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
    with Child([*command, "--appendonly", "no"], cpu=1) as server:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
        yield port
        server.process.terminate()


@contextlib.contextmanager
def nginx(folder, checks, cpu=0):
    """One process of nginx, and for each check the URL of a site that has it before a file of a few bytes. `checks`:
    name → None for no check, "own" for an answer of nginx's own, or a port."""
    root = os.path.join(folder, "site")
    os.makedirs(root, exist_ok=True)
    with open(os.path.join(root, "page.txt"), "w") as page:
        page.write("hello\n")
    os.chmod(folder, 0o755)
    ports = {name: free_port() for name in checks}
    sites = "".join(site(ports[name], check) for name, check in checks.items())
    file = os.path.join(folder, "nginx.conf")
    with open(file, "w") as config:
        config.write(NGINX.replace("ROOT", root) + sites + "}\n")
    with Server("nginx", ["nginx", "-p", folder, "-c", file], next(iter(ports.values())), folder, cpu) as server:
        yield server, {name: f"http://127.0.0.1:{port}/orders/42" for name, port in ports.items()}


# As examples/gateways/nginx/didt.conf asks. A connection ends after 1,000 requests by default.
NGINX = """
daemon off; master_process off; pid nginx.pid; error_log stderr; worker_processes 1;
events {}
http {
    access_log off; client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f; scgi_temp_path s; uwsgi_temp_path u;
    keepalive_requests 100000000; open_file_cache max=10; open_file_cache_valid 1h; root ROOT;
"""

ASKS = """
    upstream auth_PORT { server 127.0.0.1:CHECK; keepalive 64; keepalive_requests 100000000; }
    server {
        listen 127.0.0.1:PORT;
        auth_request /_check;
        auth_request_set $issuer $upstream_http_x_auth_issuer;
        location / { rewrite ^ /page.txt break; }
        location = /_check {
            internal; proxy_pass http://auth_PORT/check/nginx; proxy_http_version 1.1; proxy_pass_request_body off;
            proxy_connect_timeout 1s; proxy_read_timeout 5s;
            proxy_set_header X-Original-Method $request_method; proxy_set_header X-Original-Scheme $scheme;
            proxy_set_header X-Original-Host $http_host; proxy_set_header X-Original-URI $request_uri;
            proxy_set_header X-Original-URL ""; proxy_set_header HTTP2-Settings ""; proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Host $http_host;
            proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header Content-Length ""; proxy_set_header Connection "";
        }
    }
"""


def site(port, check):
    if check is None:
        return f"server {{ listen 127.0.0.1:{port}; location / {{ rewrite ^ /page.txt break; }} }}\n"
    if check == "own":
        return (
            f"server {{ listen 127.0.0.1:{port}; auth_request /_check; location / {{ rewrite ^ /page.txt break; }}\n"
            "location = /_check { internal; return 204; } }\n"
        )
    return ASKS.replace("PORT", str(port)).replace("CHECK", str(check))


def load(url, headers, cookies, seconds, connections=CONNECTIONS, cpu=1):
    """Answers that wrk gets, and the seconds it takes."""
    file = os.path.join(HERE, "..", ".work", f"cookies-{os.getpid()}")
    with open(file, "w") as lines:
        lines.write("\n".join(cookies))
    command = ["taskset", "-c", str(cpu), "wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s"]
    command += [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
    command += ["-s", os.path.join(HERE, "wrk.lua"), url]
    try:
        run = subprocess.run(command, check=True, env={**os.environ, "COOKIES": file}, capture_output=True, text=True)
    finally:
        os.remove(file)
    requests, microseconds, errors = map(int, re.search(r"RESULT (\d+) (\d+) (\d+)", run.stdout).groups())
    if errors or not requests:
        raise RuntimeError(f"{requests} requests, {errors} errors: {run.stdout}")
    return requests, microseconds / 1e6


def checks(server, kind, seconds):
    """Checks for each second of the server's processor time."""
    path, headers = QUESTIONS[kind]
    before = server.cpu_seconds()
    requests, _ = load(f"http://127.0.0.1:{server.port}{path}", headers, server.cookies, seconds)
    return requests / (server.cpu_seconds() - before)


def checks_by_http2(server, kind, seconds, question=None):
    """The same by HTTP/2, on four connections with four questions at a time, always of the first session. With
    `question`, a file, by gRPC."""
    path, headers = (GRPC, {}) if question else QUESTIONS[kind]
    headers = {**headers, "Cookie": server.cookies[0]}
    options = ["-H", f":authority: {HOST}"]
    if question:
        headers = {"content-type": "application/grpc", "te": "trailers"}
        options += ["-d", question]
    options += [word for name, value in headers.items() if name.lower() not in ("host", "content-length")
                for word in ("-H", f"{name}: {value}")]
    url = f"http://127.0.0.1:{server.port}{path}"
    before = server.cpu_seconds()
    command = ["taskset", "-c", "1", "h2load", "-t1", "-c4", "-m4", "-D", f"{seconds:g}", *options, url]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    used = server.cpu_seconds() - before
    words = re.search(r"requests: \d+ total, \d+ started, (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored", output)
    done, succeeded, failed, errored = map(int, words.groups())
    codes = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", output)
    if not done or failed or errored or any(int(code) for code in codes.groups()[1:]):
        raise RuntimeError(output)
    return done / used


def paced(programs, url, rate, seconds, cookie):
    """p50, p99 and p99.9 in microseconds, of requests that come at a fixed rate."""
    headers = [f"{name}: {value}" for name, value in {**BROWSER, "Cookie": cookie}.items()]
    command = ["taskset", "-c", "1", programs["bench-paced"], url, f"{rate:.0f}", str(seconds), "64", *headers]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / (seconds + 1)
    count, others, *times = map(int, run.stdout.split())
    if others or count < rate * seconds * 0.9:
        raise RuntimeError(f"{count} answers of {rate * seconds:.0f}, {others} of them not 200")
    # A delay that begins in the generator is no server's.
    if busy > MOST_BUSY:
        raise RuntimeError(f"what asks was busy for {busy:.0%} of the time, so its times are not the server's: {times}")
    return times[:3]
