"""Verifies the tokens of a file whenever it is told to, by Magic's own SDK for Python.

verify.py <client id> <file>

Reads a number of milliseconds from each line of its input; verifies for as long, and says
how many tokens. Nothing goes over the network: the client id is given, and no socket can be
connected. Which arithmetic is used, ECC_BACKEND_CLASS says (eth-keys)."""

import socket
import sys
import time

import magic_admin


def no_network(*_args, **_kwargs):
    raise OSError("no network here")


def main(client_id, file):
    socket.socket.connect = no_network
    token = magic_admin.Magic(api_secret_key="not-a-secret", client_id=client_id).Token
    magic_admin.client_id = client_id
    with open(file, encoding="utf-8") as lines:
        tokens = lines.read().split()
    following = 0
    for line in sys.stdin:
        begin, count = time.perf_counter(), 0
        while (time.perf_counter() - begin) * 1000 < int(line):
            token.validate(tokens[following % len(tokens)])
            following += 1
            count += 1
        print(count, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
