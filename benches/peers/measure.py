"""The measuring part of `run`, which see: measure.py <installed packages> [--write] [ROUNDS]"""

import os
import re
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
from harness import (
    Child,
    build,
    in_turns,
    lines,
    machine,
    median,
    mint,
    per_cpu_second,
    sign_in,
    verified_per_cpu_second,
)
from plot import bars

AUDIENCE = "did:magic:f54168e9-9ce9-47f2-81c8-7cb2a96b26ba"
MILLISECONDS = 1000
SECONDS = 2

# More than are sent in that time.
SIGN_INS = 30_000

INSTALLED = "passport-magic/node_modules/@magic-sdk/admin"
NATIVE, COINCURVE = "NativeECCBackend", "CoinCurveECCBackend"


def main(packages, write, rounds):
    with tempfile.TemporaryDirectory() as folder:
        in_c = shutil.copy(
            os.path.join(build("bench-verify", features="libsecp256k1"), "bench-verify"), folder
        )
        programs = build("bench-server", "bench-verify")
        server = os.path.join(programs, "bench-server")
        verify = os.path.join(programs, "bench-verify")
        tokens = mint(server, rounds * SIGN_INS + 1)
        with lines(tokens[:1000]) as some:
            verified = verifications(packages, verify, in_c, some, rounds)
        served = requests(packages, server, tokens, rounds)
    report(verified, served, rounds, write)


def verifications(packages, verify, in_c, some, rounds):
    node = ["node", f"{HERE}/verify.mjs", packages]
    python = [f"{packages}/venv/bin/python", f"{HERE}/verify.py", AUDIENCE, some]

    def backend(name):
        return {**os.environ, "ECC_BACKEND_CLASS": f"eth_keys.backends.{name}"}

    with (
        Child([verify, "new", some]) as new,
        Child([verify, "known", some]) as known,
        Child([in_c, "new", some]) as new_in_c,
        Child([in_c, "known", some]) as known_in_c,
        Child([*node, "@magic-sdk/admin", AUDIENCE, some]) as current,
        Child([*node, INSTALLED, AUDIENCE, some]) as installed,
        Child(python, env=backend(NATIVE)) as pure,
        Child(python, env=backend(COINCURVE)) as coincurve,
    ):
        workers = {
            "tower-didt, new issuer": new,
            "tower-didt, known issuer": known,
            "tower-didt in C, new issuer": new_in_c,
            "tower-didt in C, known issuer": known_in_c,
            "@magic-sdk/admin 2.8.2": current,
            "@magic-sdk/admin 0.1.0-beta.10": installed,
            "magic-admin 2.5.0": pure,
            "magic-admin 2.5.0, coincurve": coincurve,
        }
        for worker in workers.values():
            worker.ask(MILLISECONDS)  # Compilers at run time, tables, caches.
        turns = {
            name: lambda worker=worker: verified_per_cpu_second(worker, MILLISECONDS)
            for name, worker in workers.items()
        }
        return in_turns(rounds, **turns)


def requests(packages, server, tokens, rounds):
    express = ["node", f"{HERE}/server.mjs", packages]
    environment = {**os.environ, "NODE_ENV": "production"}
    with (
        Child([server, "memory"]) as own,
        Child([*express, "installed", AUDIENCE], env=environment) as installed,
        Child([*express, "current", AUDIENCE], env=environment) as current,
    ):
        url = {child: child.line() for child in (own, installed, current)}
        path = {own: "/", installed: "/sign-in", current: "/sign-in"}
        fresh = {child: iter(tokens) for child in url}
        cookies = {
            child: f"Cookie: {sign_in(url[child] + path[child], next(fresh[child]))}"
            for child in url
        }

        def sign_ins(child):
            some = [next(fresh[child]) for _ in range(SIGN_INS)]
            target = url[child] + path[child]
            return per_cpu_second(child, target, tokens=some, seconds=SECONDS)

        def sessions(child):
            header = cookies[child]
            return per_cpu_second(child, url[child] + "/", headers=[header], seconds=SECONDS)

        for child in url:
            sessions(child)  # Compilers at run time.
        return in_turns(rounds, **{
            "sign-in, axum + tower-didt": lambda: sign_ins(own),
            "sign-in, Express + passport-magic": lambda: sign_ins(installed),
            "sign-in, the same with @magic-sdk/admin 2.8.2": lambda: sign_ins(current),
            "session, axum + tower-didt": lambda: sessions(own),
            "session, Express + express-session": lambda: sessions(installed),
        })


def report(verified, served, rounds, write):
    out = [
        f"{machine()}, {node_and_python()}; medians of {rounds} rounds. Per second of processor "
        "time, one thread.",
        "",
        "| tokens verified | a second | of tower-didt, new issuer |",
        "|---|---|---|",
    ]
    base = "tower-didt, new issuer"
    out += [row(name, verified, base) for name in verified]
    out += ["", "| requests | a second of the server's | of axum + tower-didt |", "|---|---|---|"]
    for name in served:
        kind = name.split(",")[0]
        out.append(row(name, served, f"{kind}, axum + tower-didt"))
    table = "\n".join(out)
    print(f"\n{table}")
    if not write:
        return
    plots(verified, served)
    page = os.path.join(HERE, "../../docs/development/benchmarks.md")
    with open(page, encoding="utf-8") as file:
        text = file.read()
    begin, end = "<!-- written by benches/peers/run -->\n", "<!-- until here -->"
    text, found = re.subn(
        f"(?s)(?<={re.escape(begin)}).*?(?={re.escape(end)})", lambda _: f"\n{table}\n\n", text
    )
    if found != 1:
        sys.exit(f"{page} has no place for the table")
    with open(page, "w", encoding="utf-8") as file:
        file.write(text)


def row(name, figures, base):
    share = median(one / other for one, other in zip(figures[name], figures[base]))
    return f"| {name} | {median(figures[name]):,.0f} | {share:.3f} |"


def plots(verified, served):
    rows = [(name, median(values), "tower" in name) for name, values in verified.items()]
    folder = os.path.join(HERE, "../../docs/development/plots")
    unit = "tokens a second of processor time, one thread"
    bars("Verifying a token", unit, rows, f"{folder}/verify.svg")
    rows = []
    for heading, kind in (("Sign-ins", "sign-in, "), ("Requests with a session", "session, ")):
        rows.append((heading, None, False))
        rows += [
            (name.removeprefix(kind), median(values), "tower" in name)
            for name, values in served.items()
            if name.startswith(kind)
        ]
    unit = "requests a second of the server's processor time"
    bars("Whole servers", unit, rows, f"{folder}/servers.svg")


def node_and_python():
    node = os.popen("node --version").read().strip().removeprefix("v")
    return f"Node {node}, Python {sys.version.split()[0]}"


if __name__ == "__main__":
    words = sys.argv[2:]
    numbers = [int(word) for word in words if word.isdigit()]
    main(sys.argv[1], "--write" in words, numbers[0] if numbers else 5)
