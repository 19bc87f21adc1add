"""The control face of test brokers meets what is no sensible request."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

import pika
import pytest

from amqpy.testing.control_routes import OF_FAULTS
from amqpy.testing.control_values import CONDITIONS
from tests.testing.control import Site, publishing

ODD: Final[list[Any]] = [
    None,
    True,
    -1,
    0,
    1e308,
    10**400,
    "",
    "x",
    "\ud800",
    "\0",
    "a" * 70_000,
    [],
    [[]],
    {},
    {"": {"x": [1]}},
]

KEYS = {
    "POST //brokers": ("clock", "now", "seed", "port", "definitions", "snapshot", "heartbeat", "default_user", "", "x"),
    "POST /clock/advance": ("seconds", "settle"),
    "POST /settle": ("timeout",),
    "POST /wait": ("kind", "count", "timeout", "match"),
    "POST /assert/published": ("match", "times", "timeout"),
    "POST /block": ("resource",),
    "POST /unblock": ("resource",),
    "POST /restart": ("crash",),
    "PUT /snapshot": ("amqpy_snapshot", "definitions", "messages"),
    "PUT /definitions": ("users", "vhosts", "queues", "exchanges", "bindings", "policies", "parameters", "permissions"),
}
SOUND: dict[str, dict[str, Any]] = {
    "POST /clock/advance": {"seconds": 0},
    "POST /wait": {"kind": "acked", "timeout": 0},
    "POST /assert/published": {"timeout": 0},
    "PUT /snapshot": {"amqpy_snapshot": 1, "definitions": {}, "messages": {}},
}


def odd_bodies(sound: dict[str, Any], keys: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    for key in keys:
        for value in ODD:
            for odd in (value, {"x": value} if key == "match" else [{"name": value, "vhost": "/"}]):
                yield {**sound, key: odd}


@pytest.mark.parametrize("request_line", KEYS)
def test_odd_values_are_no_internal_error(site: Site, request_line: str) -> None:
    method, path = request_line.split()
    for body in odd_bodies(SOUND.get(request_line, {}), KEYS[request_line]):
        reply = site.ask(method, path, body)
        assert reply.status in {200, 201, 204, 400, 409}, (body, reply)
        if reply.status == 201:
            site.delete(f"//brokers/{reply.json['id']}")


@pytest.mark.parametrize("kind", OF_FAULTS)
def test_odd_faults_are_no_internal_error(site: Site, kind: str) -> None:
    keys = (*OF_FAULTS[kind], "times", "nth", "probability", "seed", "optional", "match")
    for body in odd_bodies({"kind": kind, **({"seconds": 1} if "seconds" in OF_FAULTS[kind] else {})}, keys):
        reply = site.post("/faults", body)
        assert reply.status in {201, 400}, (body, reply)
    with suppress(pika.exceptions.AMQPError), publishing(site.broker, "q") as publisher:
        publisher.channel.basic_consume("q", lambda *_: None, auto_ack=True)
        publisher.send_nowait(b"x", "q")
        publisher.channel.queue_declare(
            "q", passive=True
        )  # by whose answer pika knows if the other channel was refused
    site.post("/purge")
    assert site.delete("").status == 204, "the broker has met no internal error"


def test_odd_conditions_are_no_internal_error(site: Site) -> None:
    with publishing(site.broker, "q") as publisher:
        publisher.send(b"{}", "q", headers={"x": 1})
    for match in odd_bodies({}, CONDITIONS):
        reply = site.post("/assert/published", {"match": match, "timeout": 0})
        assert reply.status in {200, 400, 409}, (match, reply)
