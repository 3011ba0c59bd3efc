"""What the scripts here share: servers and workers, turns, medians.

Everything is measured in turns, A B A B, so that a machine whose speed drifts treats all
alike. What is told is the median over the rounds, and the median of the ratios within a
round."""

import contextlib
import glob
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import urllib.request

median = statistics.median
BENCHES = os.path.dirname(os.path.abspath(__file__))


def need(*programs):
    """Ends the script with 3 where a program is missing."""
    missing = [program for program in programs if not shutil.which(program)]
    if missing:
        print("could not run, missing:", *missing, file=sys.stderr)
        sys.exit(3)


def build(*binaries, features=""):
    """Builds binaries of this folder's package, and gives the folder that they are in."""
    command = ["cargo", "build", "--release", "-p", "tower-didt-benches"]
    command += [word for name in binaries for word in ("--bin", name)]
    command += ["--features", features] if features else []
    subprocess.run(command, check=True, cwd=os.path.dirname(BENCHES))
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(os.path.dirname(BENCHES), "target"))
    return os.path.join(target, "release")


class Child:
    """A program on a processor of its own that lives no longer than this script: it ends
    when its input does."""

    def __init__(self, command, cpu=0, **options):
        self.process = subprocess.Popen(
            ["taskset", "-c", str(cpu), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            **options,
        )

    def line(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args} ended")
        return line.strip()

    def ask(self, question):
        self.process.stdin.write(f"{question}\n")
        self.process.stdin.flush()
        return self.line()

    def cpu_seconds(self):
        """Processor time, its own and the kernel's on its behalf, of all threads that are
        alive: none ends while something is measured."""
        threads = f"/proc/{self.process.pid}/task"
        nanoseconds = 0
        for thread in os.listdir(threads):
            with open(f"{threads}/{thread}/schedstat") as schedstat:
                nanoseconds += int(schedstat.read().split()[0])
        return nanoseconds / 1e9

    def stop(self):
        self.process.stdin.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def mint(server, count):
    """Tokens, each of another issuer. `server` is the program `bench-server`."""
    command = [server, "mint", str(count)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


@contextlib.contextmanager
def lines(texts):
    """The name of a file that has these lines for a while."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(texts))
        file.flush()
        yield file.name


def sign_in(url, token):
    """The cookie of a new session."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request) as response:
        return response.headers["Set-Cookie"].split(";")[0]


def load(url, headers=(), seconds=3.0, tokens=None, connections=16, cpu=1):
    """Loads a server by `wrk`, and gives the number of requests that it answered.

    With `tokens`, each request carries another one of them; there must be enough. An
    answer other than 200 is an error."""
    script = os.path.join(BENCHES, "wrk.lua")
    environment = dict(os.environ)
    command = ["taskset", "-c", str(cpu), "wrk", "-t1", f"-c{connections}"]
    command += [f"-d{seconds:g}s", "-s", script]
    command += [word for header in headers for word in ("-H", header)]
    with lines(tokens or []) as file:
        if tokens:
            environment["TOKENS"] = file
        run = subprocess.run(
            [*command, url], check=True, env=environment, capture_output=True, text=True
        )
    output = run.stdout
    words = next(line for line in output.splitlines() if line.startswith("RESULT")).split()
    requests, others, errors = map(int, words[1:])
    if others or errors or not requests:
        raise RuntimeError(f"{requests} requests, {others} not 200, {errors} errors: {output}")
    return requests


def per_cpu_second(child, url, **options):
    """Requests for each second of the server's processor time."""
    before = child.cpu_seconds()
    requests = load(url, **options)
    return requests / (child.cpu_seconds() - before)


def verified_per_cpu_second(child, milliseconds=1000):
    """Tokens that a worker verifies in a second of its processor time."""
    before = child.cpu_seconds()
    count = int(child.ask(milliseconds))
    return count / (child.cpu_seconds() - before)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def postgres(folder, stack):
    """A server of PostgreSQL for as long as the script: the file with its URL. It refuses to be root's."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    if not found:
        print("could not run, missing: PostgreSQL", file=sys.stderr)
        sys.exit(3)
    data = stack.enter_context(tempfile.TemporaryDirectory())
    user = {"user": "postgres", "group": "postgres"} if os.getuid() == 0 else {}
    if user:
        shutil.chown(data, "postgres", "postgres")
    port = free_port()
    initdb = [f"{found[-1]}/initdb", "--username=postgres", "--auth=trust", "--no-sync", "--no-instructions"]
    subprocess.run([*initdb, "-D", f"{data}/data"], check=True, stdout=subprocess.DEVNULL, cwd="/", **user)
    command = [f"{found[-1]}/postgres", "-D", f"{data}/data", "-p", str(port), "-k", data, "-h", "127.0.0.1"]
    log = stack.enter_context(open(f"{folder}/postgres.log", "w"))
    server = subprocess.Popen([*command, "-c", "fsync=off"], stderr=log, cwd="/", **user)

    def stop():
        server.send_signal(signal.SIGINT)
        server.wait()

    stack.callback(stop)
    file = f"{folder}/url"
    with open(file, "w") as url:
        url.write(f"postgres://postgres@127.0.0.1:{port}/postgres\n")
    return file


def in_turns(rounds, **variants):
    """Calls each variant once a round: name → its figures."""
    figures = {name: [] for name in variants}
    for number in range(rounds):
        for name, variant in variants.items():
            figures[name].append(variant())
        print(f"round {number + 1} of {rounds}:", raw(figures), file=sys.stderr)
    return figures


def raw(figures):
    return ", ".join(f"{name} {values[-1]:,.0f}" for name, values in figures.items())


def ratio(figures, name, base):
    return median(one / other for one, other in zip(figures[name], figures[base]))


def machine():
    """What all of this ran on, in a line."""
    with open("/proc/cpuinfo") as lines:
        model = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    rust = subprocess.run(["rustc", "--version"], capture_output=True, text=True).stdout.split()[1]
    return f"{model}, {os.cpu_count()} processors, Rust {rust}"
