"""Real servers on free loopback ports, on processor 0, and the nodes that use them, on processor 1."""

import glob
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness import Child


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def cpu_seconds(pids):
    """Processor time of processes, their own and the kernel's on their behalf, of threads that live."""
    nanoseconds = 0
    for pid in pids:
        for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
            try:
                with open(path) as schedstat:
                    nanoseconds += int(schedstat.read().split()[0])
            except OSError:  # It has just ended.
                pass
    return nanoseconds / 1e9


def fields(text):
    """What `INFO` says, as far as it is numbers."""
    pairs = (line.strip().split(":", 1) for line in text.splitlines() if ":" in line)
    return {name: float(value) for name, value in pairs if value.replace(".", "", 1).isdigit()}


class Redis:
    kind = "redis"
    # Calls on their way at a time, over all nodes.
    at_a_time = 64

    def __init__(self, *arguments, cpu=0):
        self.folder = tempfile.mkdtemp()
        self.port = free_port()
        self.cpu = cpu
        self.arguments = arguments or ("--appendonly", "no")
        self.process = None
        self.boot()

    def boot(self):
        command = ["taskset", "-c", str(self.cpu), "redis-server", "--port", str(self.port)]
        command += ["--bind", "127.0.0.1", "--save", "", "--dir", self.folder, *self.arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while "PONG" not in self.cli("ping"):
            if self.process.poll() is not None:
                raise RuntimeError("redis-server ended")
            time.sleep(0.01)

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"

    def cli(self, *words):
        command = ["redis-cli", "-p", str(self.port), *words]
        return subprocess.run(command, capture_output=True, text=True).stdout

    def cpu_seconds(self):
        return cpu_seconds([self.process.pid])

    def info(self):
        return fields(self.cli("info"))

    def calls(self, command):
        for line in self.cli("info", "commandstats").splitlines():
            if line.startswith(f"cmdstat_{command}:"):
                return int(line.split("calls=")[1].split(",")[0])
        return 0

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class Postgres:
    kind = "postgres"
    at_a_time = 16

    @staticmethod
    def programs():
        """Where Debian has them, or in the path."""
        folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
        return folders[-1] if folders else os.path.dirname(shutil.which("initdb") or "")

    @classmethod
    def is_there(cls):
        return os.path.exists(os.path.join(cls.programs(), "initdb")) and bool(cls.programs())

    def __init__(self, cpu=0):
        programs = self.programs()
        self.folder = tempfile.mkdtemp()
        self.port = free_port()
        # PostgreSQL does not run as root.
        self.servant = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
        if self.servant:
            shutil.chown(self.folder, "postgres", "postgres")
        data = os.path.join(self.folder, "data")
        initdb = [os.path.join(programs, "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "-N"]
        subprocess.run([*self.servant, *initdb], check=True, capture_output=True, cwd="/")
        command = ["taskset", "-c", str(cpu), *self.servant, os.path.join(programs, "postgres"), "-D", data]
        command += ["-p", str(self.port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        command += ["-c", "max_connections=400", "-c", "shared_buffers=256MB", "-c", "autovacuum=off"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                break
            except OSError:
                if self.process.poll() is not None:
                    raise RuntimeError("postgres ended") from None
                time.sleep(0.05)
        time.sleep(0.5)

    @property
    def url(self):
        return f"postgres://postgres@127.0.0.1:{self.port}/postgres?sslmode=disable"

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as children:
            return cpu_seconds([self.process.pid, *children.read().split()])

    def info(self):
        """Memory of all its processes, what they share counted once."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as children:
            pids = [str(self.process.pid), *children.read().split()]
        total = 0
        for pid in pids:
            with open(f"/proc/{pid}/smaps_rollup") as lines:
                total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return {"used_memory": total * 1024}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(3)  # SIGQUIT: at once.
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Nodes(Child):
    """So many nodes on a server."""

    def __init__(self, program, server, count):
        super().__init__([program, server.kind, server.url, str(count)], cpu=1)
        self.server, self.count = server, count
        if self.line() != "ready":
            raise RuntimeError("the nodes are not ready")
        self.do("idle 300")

    def do(self, question):
        """What the nodes say, and the processor time of the server and the time that it took."""
        begin, before = time.monotonic(), self.server.cpu_seconds()
        answer = self.ask(question)
        return answer.split(), self.server.cpu_seconds() - before, time.monotonic() - begin
