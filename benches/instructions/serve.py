"""Instructions that `didt serve` takes for a check: of nginx, with a session in memory, on a connection that is kept.

    serve.py DIDT

Callgrind counts all that the program does for a few checks, and for many; the difference is theirs, so what starting
and stopping take falls out. Hash tables have random seeds, so processes differ by some per cent: three of them have
many checks, and the median is taken. The kernel's part does not count."""

import http.client
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), os.path.join(HERE, "..", "serve")]
from questions import HOST, QUESTIONS
from servers import AUDIENCE, Server, cookie, didt_toml
from harness import free_port, median

WAIT = 120
FEW, MANY, PROCESSES = 100, 2100, 3


def main(program):
    token = [program, "mint", "--seed", "alice", "--audience", AUDIENCE]
    token = subprocess.run(token, check=True, capture_output=True, text=True).stdout.strip()
    few = count(program, token, FEW)
    many = median(count(program, token, MANY) for _ in range(PROCESSES))
    print((many - few) // (MANY - FEW))


def count(program, token, number):
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program]
        command = [*valgrind, "serve", "--config", didt_toml(folder, port)]
        with Server("didt", command, port, folder, 0) as server:
            head = server.exchange("POST", "/auth/login", {"Host": HOST, "Authorization": f"Bearer {token}"})
            path, headers = QUESTIONS["nginx"]
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT)
            for _ in range(number):
                connection.request("GET", path, headers={**headers, "Cookie": cookie(head)})
                response = connection.getresponse()
                response.read()
                if response.status != 200:
                    raise RuntimeError(f"the check is answered with {response.status}")
            connection.close()
        with open(server.log) as log:
            text = log.read()
    collected = re.search(r"Collected : (\d+)", text)
    if not collected:
        raise RuntimeError(f"nothing was counted: {text[-2000:]}")
    return int(collected[1])


if __name__ == "__main__":
    main(sys.argv[1])
