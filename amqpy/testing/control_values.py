"""Values of the control face of test brokers, between JSON and Python: options, conditions, settings, events and
snapshots.

What is wrong with one is refused with 400, and its name is in the reason.
"""

import math
import struct
from base64 import b64encode
from collections.abc import Collection, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Self

from amqpy.core import views
from amqpy.management.answers import Refusal, bad_request
from amqpy.management.contents import body_of
from amqpy.management.json_reader import read_json
from amqpy.testing.events import Event
from amqpy.testing.matching import WORDS
from amqpy.testing.snapshots import Snapshot
from amqpy.wire.properties import BASIC_CLASS
from amqpy.wire.scan import MALFORMED, judge

REQUIRED: Final = object()

TEXTS: Final = ("exchange", "routing_key", "queue", "vhost", "connection", "name", "reason", "body")
FLAGS: Final = ("redelivered", "requeue", "nacked")
SUBSETS: Final = ("headers", "properties")
CONDITIONS: Final = (*(word for word in WORDS if word != "where"), "payload", "payload_encoding")
"""The conditions for an event: no function can be one here, and a body may be in base64."""

FIELDS: Final = (
    "vhost",
    "exchange",
    "routing_key",
    "queue",
    "queues",
    "connection",
    "channel",
    "delivery_tag",
    "redelivered",
    "requeue",
    "nacked",
    "reason",
    "reply_code",
    "reply_text",
    "name",
)
"""The fields of events, beside those of the message's content."""

FIRST_YEAR, LAST_YEAR = 1971, 2999
"""Years at which a clock may start."""
SHORT_MAX: Final = 255
"""Octets of the name of an exchange and of a routing key."""


class Options:
    """The keys of a JSON object, each taken by its name. At the end of its context those that nobody has taken are
    refused."""

    def __init__(self, given: Mapping[str, Any], place: str = "") -> None:
        """`place` is the key that the object itself was under."""
        self._given = dict(given)
        self._known: list[str] = []
        self._prefix = f"{place}." if place else ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._given:
            raise unknown(self._prefix, next(iter(self._given)), self._known)

    def __contains__(self, name: str) -> bool:
        return name in self._given

    def any(self, name: str, default: Any = REQUIRED) -> Any:  # noqa: ANN401 (any JSON)
        self._known.append(name)
        value = self._given.pop(name, default)
        if value is REQUIRED:
            raise bad_request(f"{self._prefix}{name} is missing")
        return value

    def text(self, name: str, default: Any = REQUIRED) -> Any:  # noqa: ANN401 (a text, or the default)
        return self._of(name, default, str, "a text")

    def flag(self, name: str, default: Any = False) -> Any:  # noqa: ANN401
        return self._of(name, default, bool, "true or false")

    def object(self, name: str, default: Any = REQUIRED) -> Any:  # noqa: ANN401
        return self._of(name, default, dict, "an object")

    def array(self, name: str, default: Any = REQUIRED) -> Any:  # noqa: ANN401
        return self._of(name, default, list, "an array")

    def number(self, name: str, default: Any = REQUIRED, *, least: float = 0, most: float = math.inf) -> Any:  # noqa: ANN401
        return self._within(name, default, (int, float), "a number", least, most)

    def integer(self, name: str, default: Any = REQUIRED, *, least: float = 0, most: float = math.inf) -> Any:  # noqa: ANN401
        return self._within(name, default, (int,), "an integer", least, most)

    def _of(self, name: str, default: Any, kind: type, called: str) -> Any:  # noqa: ANN401
        value = self.any(name, default)
        if value is not default and not isinstance(value, kind):
            raise bad_request(f"{self._prefix}{name} must be {called}")
        return value

    def _within(
        self,
        name: str,
        default: Any,  # noqa: ANN401
        kinds: tuple[type, ...],
        called: str,
        least: float,
        most: float,
    ) -> Any:  # noqa: ANN401
        value = self.any(name, default)
        if value is default:
            return value
        is_one = isinstance(value, kinds) and not isinstance(value, bool)
        if not (is_one and least <= value <= most):
            bounds = f", {least} or more" if most == math.inf else f" from {least} to {most}"
            raise bad_request(f"{self._prefix}{name} must be {called}{bounds}")
        return value


def unknown(prefix: str, name: str, known: Collection[str]) -> Refusal:
    there = f"there are {', '.join(known)}" if known else "there is none"
    return bad_request(f"no option {prefix + name!r}: {there}")


# --- conditions


def match_of(given: Mapping[str, Any], place: str = "match") -> dict[str, Any]:
    """The conditions for an event. Raises Refusal."""
    for name in given:
        if name not in CONDITIONS:
            raise bad_request(f"no condition {name!r}: there are {', '.join(CONDITIONS)}")
    options = Options(given, place)
    match: dict[str, Any] = {}
    match |= {name: options.text(name) for name in TEXTS if name in given}
    match |= {name: options.flag(name) for name in FLAGS if name in given}
    match |= {name: options.object(name) for name in SUBSETS if name in given}
    if "reply_code" in given:
        match["reply_code"] = options.integer("reply_code")
    if "json" in given:
        match["json"] = options.any("json")
        if match["json"] is None:
            raise bad_request("null cannot be a condition for json: ask for the body 'null'")
    encoding = options.text("payload_encoding", "string")
    if "payload" in given:
        match["body"] = payload_of(options.text("payload"), encoding)
    return match


def payload_of(payload: str, encoding: str) -> bytes:
    """The body of a message. Raises Refusal."""
    if encoding not in {"string", "base64"}:
        raise bad_request(f"payload_encoding must be string or base64, not {encoding!r}")
    try:
        return body_of(payload, encoding)
    except Refusal:
        raise bad_request("payload is no base64") from None


def match_of_query(query: Mapping[str, str]) -> dict[str, Any]:
    """The same of the parameters of an address, where everything is text. Raises Refusal."""
    return match_of({name: of_text(name, value) for name, value in query.items()}, "")


def of_text(name: str, value: str) -> Any:  # noqa: ANN401 (any JSON)
    """The value of a condition in an address. Raises Refusal."""
    if name not in {"reply_code", "json", *FLAGS, *SUBSETS}:
        return value
    try:
        return read_json(value.encode("utf-8", "surrogateescape"))
    except ValueError:
        raise bad_request(f"{name} must be JSON") from None


# --- settings


def settings_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a broker, as `TestBroker` takes them, which judges those of `Config`. Raises Refusal."""
    settings = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    options = Options(given)
    if "leaks" in given:
        raise bad_request("no setting 'leaks' here: ask for leaks before the end")
    if "host" in given:
        raise bad_request("no setting 'host' here: all are on 127.0.0.1")
    if "now" in given:
        settings["now"] = time_of(options.text("now"))
    if "clock" in given:
        options.text("clock")
    if "seed" in given:
        options.integer("seed", least=-math.inf)
    if "definitions" in given:
        options.object("definitions")  # the name of a file would be one of the server's
    if "snapshot" in given:
        settings["snapshot"] = snapshot_of(options.object("snapshot"))
    return settings


def time_of(text: str) -> datetime:
    """Reads ISO 8601. Raises Refusal."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise bad_request("now must be a time in ISO 8601: 2026-01-31T12:00:00Z") from None
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise bad_request(f"now must be in a year from {FIRST_YEAR} to {LAST_YEAR}")
    return found


# --- what happened


def event_as_json(event: Event) -> dict[str, Any]:
    """An event, without what says nothing about it."""
    return {"kind": event.kind, "at": time_as_json(event.at), **message_as_json(event)}


def message_as_json(event: Event) -> dict[str, Any]:
    """The same of a message in a queue, to which nothing happens now."""
    shown: dict[str, Any] = {name: value for name in FIELDS if (value := getattr(event, name)) is not None}
    if event.body is not None:
        shown |= {"properties": event.properties, "headers": views.json_of(event.header_table)}
        shown |= payload_as_json(event.body)
    return shown


def time_as_json(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def payload_as_json(body: bytes) -> dict[str, str]:
    try:
        return {"payload": body.decode(), "payload_encoding": "string"}
    except UnicodeDecodeError:
        return {"payload": b64encode(body).decode(), "payload_encoding": "base64"}


# --- snapshots


def snapshot_of(content: Mapping[str, Any]) -> Snapshot:
    """A snapshot of a test broker, in which all is as it would be in one that was taken. Raises Refusal."""
    try:
        Snapshot.of({"definitions": {}, "messages": {}, **content})
    except ValueError as error:
        raise bad_request(str(error)) from None
    with Options(content) as options:
        options.any("amqpy_snapshot")
        definitions, messages = options.object("definitions"), options.object("messages")
    queues = Options(definitions, "definitions").array("queues", [])
    known = [(each.get("vhost"), each.get("name")) for each in queues if isinstance(each, dict)]
    for vhost in messages:
        of_vhost = Options(messages, "messages").object(vhost)
        for name in of_vhost:
            if (vhost, name) not in known:
                raise bad_request(f"no queue {name!r} in virtual host {vhost!r} for the messages of a snapshot")
            for row in Options(of_vhost, f"messages.{vhost}").array(name):
                check_row(row, f"messages.{vhost}.{name}")
    return Snapshot(definitions, messages)


def check_row(row: object, place: str) -> None:
    """Raises Refusal for what is no message of a snapshot."""
    if not isinstance(row, dict):
        raise bad_request(f"{place} must have objects")
    with Options(row, place) as options:
        for name in ("exchange", "routing_key"):
            if len(options.text(name).encode("utf-8", "surrogateescape")) > SHORT_MAX:
                raise bad_request(f"{place}.{name} must not be longer than {SHORT_MAX} octets")
        header = payload_of(options.text("properties"), "base64")
        body = payload_of(options.text("body"), "base64")
        for name in ("redelivered", "persistent", "is_dead_letter", "waits_first"):
            options.flag(name)
        for name in ("delivery_count", "acquired_count", "expires_in_ms", "due_in_ms"):
            options.integer(name, 0)
        keys = options.array("more_keys", [])
    if not all(isinstance(key, str) for key in keys):
        raise bad_request(f"{place}.more_keys must have texts")
    if not is_header(header, len(body)):
        raise bad_request(f"{place}.properties are no content header of AMQP for its body")


def is_header(octets: bytes, body_size: int) -> bool:
    """True for a content header of a message with such a body."""
    beginning = struct.pack(">HHQ", BASIC_CLASS, 0, body_size)
    return octets[: len(beginning)] == beginning and judge(octets) != MALFORMED
