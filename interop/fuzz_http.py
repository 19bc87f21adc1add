"""`python -m interop.fuzz_http`: a private amqpy whose management API is asked by hostile clients over real sockets.

The seed says which requests they are: every path and method there is, with names, parameters, headers and bodies that
are good, odd or nonsense, some spoilt in a few octets; and how they are sent: as a whole or in pieces, several at once,
by clients that go on, say no more, do not read, or leave in the middle. Meanwhile a client of AMQP publishes and gets
its messages back.

No answer may be a 500, the log may not speak of a bug, the client of AMQP must be served, and the broker must stop in
good order.
"""

import contextlib
import json
import re
import socket
import sys
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from random import Random
from typing import Any, Final, NamedTuple

import click

from amqpy.management.resources import make_router
from amqpy.management.router import Resource
from interop.bench.case import to_queue
from interop.bench.crew import Crew, LoadFailed
from interop.bench.jobs import Probe
from interop.bench.loops import Flow
from interop.bench.peer import topology
from interop.kit.brokers import Amqpy, private_amqpy

CLIENTS: Final = 20
PROBE_PER_SECOND: Final = 100
PATIENCE_S: Final = 5
LATENCY_MAX_S: Final = 2
"""Beyond it, the client of AMQP was held up: a machine that is busy has its pauses, too."""

RESOURCES: Final[tuple[Resource, ...]] = tuple(sorted(make_router(), key=lambda resource: resource.template))
METHODS: Final = ("GET", "GET", "GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH", "BREW", "CONNECT", "TRACE")
NAMES: Final = (
    *("q", "x", "v", "u", "n", "v", "q", "amq.topic", "amq.default", "%2F", "%2F", "policy", "e", "days", "5672", "~"),
    *(
        "%00",
        "..",
        ".",
        "%2E%2E",
        "%2f..%2f",
        "%ff%fe",
        "%F0%9F%90%87",
        "a" * 300,
        "%",
        "%zz",
        "",
        "%0d%0aset-cookie:x",
    ),
)
PARAMETERS: Final = {
    "page": ("1", "0", "-1", "9" * 30, "x"),
    "page_size": ("1", "500", "501", ""),
    "name": ("q", "(", "(a*)*b", "%ff", "x" * 1000),
    "use_regex": ("true", "false", "x"),
    "sort": ("name", "messages", "a.b.c", "arguments", "."),
    "sort_reverse": ("true", "false", "1"),
    "columns": ("name", "name,messages", "a.b.c,.", ","),
    "lengths_age": ("60", "-1", "999999999999", "x"),
    "lengths_incr": ("5", "0", "x"),
    "msg_rates_age": ("3600",),
    "msg_rates_incr": ("60", "1"),
    "disable_stats": ("true",),
    "count": ("1", "-1", "1e9"),
    "download": ("%0d%0ax:y", "f.json"),
    "auth": ("Z3Vlc3Q6Z3Vlc3Q", "%"),
    "if-unused": ("true",),
}
HEADERS: Final = (
    *(
        "accept: application/json",
        "accept: text/html",
        "accept: ,;q=x",
        "accept: */*;q=0",
        "x-vhost: v",
        "x-vhost: \xff",
    ),
    *("content-type: application/json", "content-type: x", "content-type: multipart/form-data; boundary=b"),
    *("origin: https://evil.example", "sec-fetch-site: cross-site", "expect: 100-continue", "connection: close"),
    *("upgrade: h2c", "connection: upgrade", "transfer-encoding: identity", "if-none-match: *", "range: bytes=0-"),
    *("x-reason: \x7f", "cookie: auth=x", "x-forwarded-for: 127.0.0.1", "content-encoding: gzip", f"x: {'y' * 5000}"),
)
LOGINS: Final = (
    *(3 * ["guest:guest"] + ["guest:x", "nobody:x", ":", "guest", "\xff:\xff", "u:u"]),
    *(None, "Basic", "Basic !", "Bearer x.y.z", "Digest username=x"),
)
KEYS: Final = (
    *("name", "password", "password_hash", "tags", "configure", "write", "read", "value", "pattern", "definition"),
    *("durable", "arguments", "type", "routing_key", "properties", "payload", "payload_encoding", "ackmode", "count"),
    *("encoding", "truncate", "priority", "apply-to", "queues", "vhosts", "bindings", "users", "exchange", "limits"),
)
STATUS: Final = re.compile(rb"HTTP/1\.1 (\d{3}) ")


class Visit(NamedTuple):
    """What a client sends on one connection, and how."""

    pieces: list[bytes]
    pauses_s: list[float]
    end: str
    """`reads` all, says no more and `shuts`, does not read and `leaves`, or `resets`."""


class Found(Exception):
    """Something that must not happen."""


# --- requests


def made_value(random: Random, depth: int = 3) -> Any:  # noqa: ANN401 (any JSON)
    match random.randrange(10 if depth else 7):
        case 0:
            return random.choice([None, True, False, "true"])
        case 1:
            return random.choice([0, 1, -1, 2**31, 2**63, 10**40, 1.5, 1e308])
        case 2:
            return random.choice(["all", "queues", "string", "base64", "auto", "ack_requeue_true", "classic", "topic"])
        case 3:
            return "".join(random.choices('aq.*#()[\\\0\u2603\ud83d"', k=random.randrange(12)))
        case 4:
            return random.choice(KEYS)
        case 5:
            return {}
        case 6:
            return []
        case 7:
            return [made_value(random, depth - 1) for _ in range(random.randrange(4))]
        case _:
            return {random.choice(KEYS): made_value(random, depth - 1) for _ in range(random.randrange(6))}


def made_body(random: Random) -> bytes:
    match random.randrange(12):
        case 0 | 1:
            return b""
        case 2:
            return random.randbytes(random.randrange(200))
        case 3:
            return random.choice([b"[", b'{"a":', b"[[],"]) * random.choice([10, 1000, 200_000])
        case 4:
            return b'{"payload":"' + b"x" * random.choice([10, 100_000, 3_000_000]) + b'"}'
        case 5:
            return b"username=guest&password=" + random.randbytes(5).hex().encode()
        case _:
            text = json.dumps(made_value(random), ensure_ascii=random.random() < 0.5)
            return text.encode("utf-8", "surrogatepass")


def made_path(random: Random) -> str:
    resource = random.choice(RESOURCES)
    path = re.sub(r"{\w+}", lambda _: random.choice(NAMES), resource.template)
    prefix = random.choice(["/api"] * 20 + ["", "/", "//api", "/api/..", "/%61pi", "/cli", "http://h/api"])
    chosen = random.sample(list(PARAMETERS), random.choice([0, 0, 1, 2, 5]))
    query = "&".join(f"{name}={random.choice(PARAMETERS[name])}" for name in chosen)
    return f"{prefix}{path}{'?' if query else ''}{query}"


def made_request(random: Random) -> bytes:
    method, body, login = random.choice(METHODS), made_body(random), random.choice(LOGINS)
    path = made_path(random)
    if "permissions/%2F" in path or path.partition("?")[0].rstrip("/").endswith("/vhosts/%2F"):
        method = "GET"  # or nobody could log in any more
    lines = [f"{method} {path} HTTP/1.{random.choice('1111110')}", "host: localhost"]
    lines += random.sample(HEADERS, random.choice([0, 0, 1, 3]))
    if login is not None:
        is_raw = login.partition(" ")[0] in {"Basic", "Bearer", "Digest"}
        lines.append(f"authorization: {login if is_raw else 'Basic ' + b64encode(login.encode('latin-1')).decode()}")
    chunked = random.random() < 0.2
    if chunked:
        lines.append("transfer-encoding: chunked")
        size = random.choice([1, 10, 10_000])
        body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in _cut(body[:50_000], size)) + b"0\r\n\r\n"
    else:
        lines.append(f"content-length: {len(body) + random.choice([0] * 15 + [1, -1, 10**12])}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + body


def spoilt(random: Random, data: bytes) -> bytes:
    octets = bytearray(data)
    for _ in range(random.choice([0] * 6 + [1, 2, 5])):
        at = random.randrange(min(len(octets), 2000))
        octets[at : at + random.randrange(3)] = random.randbytes(random.randrange(3))
    return bytes(octets)


def visits(seed: int) -> Iterator[Visit]:
    """The visits of a client, without end."""
    random = Random(seed)
    while True:
        data = b"".join(spoilt(random, made_request(random)) for _ in range(random.choice([1, 1, 1, 2, 5, 20])))
        pieces = list(_cut(data, random.choice([len(data)] * 4 + [1 + len(data) // 5, 7 + len(data) // 50])))
        pauses_s = [random.choice([0.0] * 9 + [0.05]) for _ in pieces]
        yield Visit(pieces, pauses_s, random.choice(["reads"] * 6 + ["shuts", "shuts", "leaves", "resets"]))


def _cut(data: bytes, size: int) -> Iterator[bytes]:
    for begin in range(0, len(data), size):
        yield data[begin : begin + size]


# --- clients


def visit(port: int, each: Visit) -> Counter[str]:
    """Makes a visit; the statuses of its answers. Raises Found, or OSError if nobody is there."""
    heard = bytearray()
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as client, contextlib.suppress(OSError):
        for piece, pause_s in zip(each.pieces, each.pauses_s, strict=True):
            client.sendall(piece)
            time.sleep(pause_s)
        if each.end == "resets":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        if each.end == "shuts":
            client.shutdown(socket.SHUT_WR)
        client.settimeout(0.3 if each.end == "reads" else PATIENCE_S)
        while each.end in {"reads", "shuts"} and (data := client.recv(65536)):
            heard += data
    statuses = Counter(status.decode() for status in STATUS.findall(heard))
    if bad := [status for status in statuses if status[0] == "5" and status not in {"501", "503", "505"}]:
        raise Found(f"{bad[0]} to {each.pieces[0][:1500]!r} …")
    return statuses


def visit_for(port: int, until: float, seed: int) -> Counter[str]:
    """Visits until it is time. Raises Found, with the seed."""
    seen: Counter[str] = Counter()
    for each in visits(seed):
        if time.monotonic() >= until:
            break
        try:
            seen += visit(port, each)
        except (Found, OSError) as found:
            raise Found(f"seed {seed}, visit {seen['visits']}: {found}") from None
        seen["visits"] += 1
    return seen


def attack(broker: Amqpy, seconds: float, seed: int) -> tuple[Counter[str], float]:
    """Attacks a broker for a while: what was seen, and the longest time that a message took. Raises Found."""
    flow, url = Flow(), broker.address.url
    with topology(url) as made:
        made.declare_queues("probe")
        with (
            Crew(Probe(url, to_queue("probe", 100), PROBE_PER_SECOND, flow)) as pings,
            ThreadPoolExecutor(CLIENTS) as own,
        ):
            pings.go()
            visit_on = partial(visit_for, broker.management_port, time.monotonic() + seconds)
            seen = sum(own.map(visit_on, range(seed * CLIENTS, (seed + 1) * CLIENTS)), Counter[str]())
            flow.stop()
            (latencies,) = pings.results()
            return seen, max(latencies.seconds)


@click.command()
@click.option("--seconds", default=20.0, show_default=True)
@click.option("--seed", default=1, show_default=True)
def main(seconds: float, seed: int) -> None:
    """Ask a private amqpy what nobody should."""
    try:
        with private_amqpy(in_memory=True, managed=True) as broker:
            broker.start()
            try:
                seen, longest_s = attack(broker, seconds, seed)
            except (Found, LoadFailed) as found:
                raise Found(f"{found}\n{broker.log()}") from None
            broker.stop()
    except Found as found:
        raise click.ClickException(str(found)) from None
    if longest_s > LATENCY_MAX_S:
        raise click.ClickException(f"a message took {longest_s:.1f} s")
    told = ", ".join(f"{count:,} {what}" for what, count in sorted(seen.items()))
    click.echo(f"{told}; the slowest message took {longest_s * 1000:.0f} ms")


if __name__ == "__main__":
    sys.exit(main())
