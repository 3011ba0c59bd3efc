#!/usr/bin/env python3
"""How many machines for so many people: what the server that all of them share takes, and what breaks first.

    benches/nodes/model.py [MILLIONS…]      1, 10 and 100 without a number

By the constants that `benches/nodes/run model --write` measures, and checks where they were not fitted.
Everything that is assumed of people and machines is a named value below: change it and run it again."""

import json
import math
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))

# What people do. At the peak everything comes so many times as often as in the mean.
SESSIONS_EACH = 2
REQUESTS_A_DAY = 100
SIGN_INS_A_DAY = 0.2
REVOCATIONS_A_DAY = 0.1
PEAK = 3
# Of requests with a session those that find no copy in their node.
COLD = 0.05
# Of the people those who are here within the time that copies live, at the peak.
ACTIVE = 0.1

# What machines do. An application node: processors, what a request takes with its handler, and how busy it
# may be. (Of that the layer and HTTP take 8 µs: docs/development/benchmarks.md.)
NODE_PROCESSORS = 2
REQUEST_SECONDS = 500e-6
NODE_BUSY = 0.5
# A copy takes some 550 bytes of the 32 MiB of a node.
COPIES_OF_A_NODE = 60_000

# A session in Redis once the mark of its token has expired (docs/scale.md, "As sessions grow"). What is
# measured here are sessions with the mark.
AGED_SESSION_BYTES = 1_020

# A Redis master: one processor, of which half may be busy; memory, of which it needs a part for forks.
REDIS_BUSY = 0.5
REDIS_BYTES = 16e9 * 0.6
TRACKING_TABLE = 1_000_000

# A PostgreSQL server.
POSTGRES_PROCESSORS = 16
POSTGRES_BUSY = 0.5
POSTGRES_CONNECTIONS = 500
CONNECTIONS_OF_A_NODE = 11

NETWORK_MS = 0.5


def solve(rows, values):
    """Least squares of relative errors, by the normal equations."""
    rows = [[x / value for x in row] for row, value in zip(rows, values)]
    size = len(rows[0])
    left = [[sum(row[i] * row[j] for row in rows) for j in range(size)] for i in range(size)]
    right = [sum(row[i] for row in rows) for i in range(size)]
    for i in range(size):
        for j in range(size):
            if j != i:
                part = left[j][i] / left[i][i]
                left[j] = [x - part * y for x, y in zip(left[j], left[i])]
                right[j] -= part * right[i]
    return [right[i] / left[i][i] for i in range(size)]


def solve_above_zero(rows, values):
    """The same, with nothing below zero: what would be is left out, and the others are solved again."""
    kept = list(range(len(rows[0])))
    while True:
        found = dict(zip(kept, solve([[row[i] for i in kept] for row in rows], values)))
        lowest = min(found, key=found.get)
        if found[lowest] >= 0:
            return [found.get(i, 0.0) for i in range(len(rows[0]))]
        kept.remove(lowest)


class Model:
    """Seconds of the server's processor time, and bytes of its memory."""

    NAMES = ("idle_second", "idle_node_second", "sign_in", "cold_look_up", "revocation", "notice")

    def __init__(self, constants):
        self.of = constants

    @classmethod
    def fitted(cls, samples, memory, base, base_nodes):
        rows = [(1, n, s, c, r, r * n) for n, s, c, r, _ in samples]
        of = dict(zip(cls.NAMES, solve_above_zero(rows, [cpu for *_, cpu in samples])))
        for name in ("session", "copy", "node"):
            values = [value for kind, value in memory if kind == name and value]
            of[f"{name}_bytes"] = sum(values) / len(values) if values else 0.0
        of["empty_bytes"] = base - base_nodes * of["node_bytes"]
        return cls(of)

    def constants(self):
        return self.of

    def told(self):
        micros = ", ".join(f"{name} {self.of[name] * 1e6:.2f} µs" for name in self.NAMES)
        sizes = ", ".join(f"{name} {value:,.0f}" for name, value in self.of.items() if name.endswith("bytes"))
        return f"{micros}; {sizes}"

    def processor(self, nodes, sign_ins, cold, revocations, copies_of_each=None):
        """Seconds a second. A revocation is told to the nodes that have a copy: all, where nothing else is said."""
        told = revocations * (nodes if copies_of_each is None else copies_of_each)
        per = (1, nodes, sign_ins, cold, revocations, told)
        return sum(count * self.of[name] for count, name in zip(per, self.NAMES))

    def memory(self, nodes, sessions, copies):
        return (
            self.of["empty_bytes"] + nodes * self.of["node_bytes"]
            + sessions * self.of["session_bytes"] + copies * self.of["copy_bytes"]
        )


def plan(millions, models):
    people = millions * 1e6
    second = people * PEAK / 86_400
    requests, sign_ins = second * REQUESTS_A_DAY, second * SIGN_INS_A_DAY
    revocations, cold = second * REVOCATIONS_A_DAY, second * REQUESTS_A_DAY * COLD
    nodes = max(2, math.ceil(requests * REQUEST_SECONDS / NODE_PROCESSORS / NODE_BUSY))
    sessions = people * SESSIONS_EACH
    active = people * ACTIVE
    copies = min(nodes * COPIES_OF_A_NODE, active * nodes)
    # How many nodes have a copy of a session that is ended: copies are spread over those who are active.
    copies_of_each = min(nodes, max(1.0, copies / active))
    busy = models["redis"].processor(nodes, sign_ins, cold, revocations, copies_of_each)
    # Every master is asked four times a second by every node.
    idle = models["redis"].processor(nodes, 0, 0, 0)
    memory = models["redis"].memory(nodes, 0, copies) + sessions * AGED_SESSION_BYTES
    keys = min(active, copies)
    needs = {
        "memory": memory / REDIS_BYTES,
        "processor": (busy - idle) / max(1e-9, REDIS_BUSY - idle),
        "tracking table": keys / TRACKING_TABLE,
    }
    masters = max(1, math.ceil(max(needs["memory"], needs["processor"])))
    wait = idle + (busy - idle) / masters
    service = models["redis"].of["cold_look_up"]
    postgres = models["postgres"].processor(nodes, sign_ins, cold, revocations, nodes)
    return {
        "people": f"{millions:g} million",
        "requests a second, peak": f"{requests:,.0f}",
        "application nodes": f"{nodes:,}",
        "sign-ins, cold look-ups, revocations a second": f"{sign_ins:,.0f}, {cold:,.0f}, {revocations:,.0f}",
        "copies of a session": f"{copies_of_each:.1f}",
        "Redis: processors busy": f"{busy:.2f}",
        "Redis: memory, GB": f"{memory / 1e9:.1f}",
        "Redis: keys with copies, millions": f"{keys / 1e6:.1f}",
        "Redis masters": f"{masters}",
        "busy each": f"{wait:.0%}",
        "a cold look-up, ms": f"{NETWORK_MS + service * 1e3 / (1 - wait):.2f}",
        "Redis, first to break": max(needs, key=needs.get),
        "PostgreSQL: processors busy": f"{postgres:.2f}",
        "PostgreSQL: connections": f"{nodes * CONNECTIONS_OF_A_NODE:,}",
        "PostgreSQL, first to break": max(
            {
                "connections": nodes * CONNECTIONS_OF_A_NODE / POSTGRES_CONNECTIONS,
                "processor": postgres / (POSTGRES_PROCESSORS * POSTGRES_BUSY),
            }.items(),
            key=lambda need: need[1],
        )[0],
    }


def main(millions):
    with open(os.path.join(HERE, "constants.json"), encoding="utf-8") as file:
        models = {name: Model(constants) for name, constants in json.load(file).items()}
    columns = [plan(number, models) for number in millions]
    for name in columns[0]:
        print(f"| {name} | " + " | ".join(column[name] for column in columns) + " |")
        if name == "people":
            print("|" + "---|" * (len(columns) + 1))


if __name__ == "__main__":
    main([float(word) for word in sys.argv[1:]] or [1, 10, 100])
