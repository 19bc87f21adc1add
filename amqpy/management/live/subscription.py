"""The query of a live page: all that one stream is to show."""

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple
from urllib.parse import parse_qsl

from amqpy.management.answers import bad_request
from amqpy.management.heads import PATH
from amqpy.management.request import Request, integer
from amqpy.management.resources.exchanges import DEFAULT

PARTS_MAX: Final = 16
"""Parameters `get`, `events` and `tap` together."""
INTERVAL_MS: Final = 1000
INTERVAL_MS_MIN: Final = 250
INTERVAL_MS_MAX: Final = 60_000
TRUNCATE: Final = 1024
TRUNCATE_MAX: Final = 64 * 1024
PATTERN_MAX: Final = 255
"""Octets of a pattern of events."""

KNOWN: Final = ("get", "events", "tap", "interval", "truncate")


class Get(NamedTuple):
    """A GET of the API."""

    path: str
    """Below `/api`, percent-encoded."""
    query: str
    interval_ms: int


class Target(NamedTuple):
    """An exchange or a queue to be tapped."""

    kind: Literal["exchange", "queue"]
    vhost: str
    name: str


class Subscription(NamedTuple):
    """The wishes of one stream."""

    gets: Sequence[Get]
    events: Sequence[str]
    """Patterns of names."""
    taps: Sequence[Target]
    truncate: int
    """Octets of a payload that are shown."""


def subscription_of(request: Request) -> Subscription:
    """Raises Refusal."""
    assert request.query is not None  # raises Malformed for a query that is none
    pairs = parse_qsl(request.query_string, keep_blank_values=True, errors="surrogateescape")
    for name, _ in pairs:
        if name not in KNOWN:
            raise bad_request(f"there is no parameter {name}: is a & in another one percent-encoded?")
    values = {name: [value for each, value in pairs if each == name] for name in KNOWN}
    interval_ms = _number(values["interval"], "interval", INTERVAL_MS, INTERVAL_MS_MIN, INTERVAL_MS_MAX)
    truncate = _number(values["truncate"], "truncate", TRUNCATE, 0, TRUNCATE_MAX)
    gets = [_get(each, interval_ms) for each in values["get"]]
    events = [_pattern(each) for each in dict.fromkeys(values["events"])]
    taps = [_target(each) for each in values["tap"]]
    count = len(gets) + len(values["events"]) + len(taps)
    if not count:
        raise bad_request("one of get, events and tap is needed")
    if count > PARTS_MAX:
        raise bad_request(f"get, events and tap may be there {PARTS_MAX} times together")
    return Subscription(gets, events, taps, truncate)


def _number(values: Sequence[str], name: str, default: int, least: int, most: int) -> int:
    if not values:
        return default
    number = integer(values[0])
    if not least <= number <= most:
        raise bad_request(f"{name} should be from {least} to {most}")
    return number


def _get(address: str, interval_ms: int) -> Get:
    path, _, query = address.partition("?")
    if not PATH.fullmatch(path):
        raise bad_request(f"get should be a path below /api, such as /overview, and not {address}")
    if Request("GET", path).segments[:1] == ("live",):
        raise bad_request("a stream cannot be in a stream")
    return Get(path, query, interval_ms)


def _pattern(pattern: str) -> str:
    if len(pattern.encode("utf-8", "surrogateescape")) > PATTERN_MAX:
        raise bad_request(f"a pattern of events has at most {PATTERN_MAX} octets")
    return pattern


def _target(address: str) -> Target:
    match Request("GET", address).segments if PATH.fullmatch(address) else ():
        case "exchanges", vhost, name:
            return Target("exchange", vhost, "" if name == DEFAULT else name)
        case "queues", vhost, name:
            return Target("queue", vhost, name)
    raise bad_request(f"tap should be /exchanges/VHOST/NAME or /queues/VHOST/NAME, and not {address}")
