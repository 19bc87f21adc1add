"""A request: its address, its body, and the keys in them, read with RabbitMQ's leniency and its errors.

Source: `rabbit_mgmt_util`: `decode`, `with_decode`, `parse_bool`, `parse_int`, `id`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, unquote_plus

from amqpy.management.answers import Malformed, bad_request
from amqpy.management.json_reader import read_json

VALUES_MAX: Final = 100_000
"""Values in the JSON of a body, but for definitions: it is read in one go, for which the broker waits."""
STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)

BAD_QUERY: Final = re.compile(r"(?:^|&)=|%(?![0-9A-Fa-f]{2})")
"""Signs of a query that is none: a value without a name, or half an octet. Source: `cow_qs:parse_qs`."""

Body = dict[str, Any]


@dataclass
class Request:
    """A request, once its head is read."""

    method: str
    path: str
    """As it came: with what is percent-encoded in it."""
    query_string: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    """By their names in lower case."""
    peer_host: str = "127.0.0.1"
    from_loopback: bool = True
    body: bytes = b""

    @cached_property
    def segments(self) -> tuple[str, ...]:
        """The parts of the path, decoded, without `.` and `..` (RFC 3986, section 5.2.4). Of a name that is not UTF-8,
        octets are lone surrogates."""
        kept: list[str] = []
        for part in self.path.removeprefix("/").removesuffix("/").split("/") if len(self.path) > 1 else ():
            segment = unquote(part, errors="surrogateescape")
            if segment == "..":
                del kept[-1:]
            elif segment != ".":
                kept.append(segment)
        return tuple(kept)

    @cached_property
    def query(self) -> Mapping[str, str]:
        """The first value of each parameter; of one that has no value, an empty one. Raises Malformed."""
        if BAD_QUERY.search(self.query_string):
            raise Malformed
        pairs = parse_qsl(self.query_string, keep_blank_values=True, errors="surrogateescape")
        return dict(reversed(pairs))

    def has_bare(self, *parameters: str) -> bool:
        """True if one of these parameters is there, and not even an empty value."""
        given = [each for each in self.query_string.split("&") if "=" not in each]
        return any(unquote_plus(each) in parameters for each in given)

    def is_true(self, parameter: str) -> bool:
        return self.query.get(parameter) == "true"

    def json(self, *, lenient: bool = True) -> Body:
        """The body as an object. Nothing and `null` are an empty one, and booleans, if it is `lenient`. Raises
        Refusal."""
        text = self.body
        if text in {b"", b"null", b"undefined"}:
            return {}
        if not has_few_values(text):
            raise bad_request(f"payload has too many values, limit is {VALUES_MAX}")
        try:
            value = read_json(text, lenient=lenient)
        except ValueError:
            raise bad_request("not_json") from None
        if isinstance(value, str):
            raise bad_request(
                "invalid payload: the request body JSON-decoded to a string. Is the input doubly-JSON-encoded?"
            )
        if lenient and (value is None or isinstance(value, bool)):
            return {}
        if not isinstance(value, dict):
            raise bad_request("not_json")
        return value


def has_few_values(octets: bytes) -> bool:
    """Tells if JSON has no more values than may be read in one go."""
    return _marks(octets) <= VALUES_MAX or _marks(STRING.sub(b"", octets)) <= VALUES_MAX


def _marks(octets: bytes) -> int:
    """The octets that come before a value."""
    return octets.count(b",") + octets.count(b"[") + octets.count(b"{")


def require(body: Body, *keys: str) -> list[Any]:
    """The values of keys that must be there. Raises Refusal, which names those that are not."""
    if absent := [key for key in keys if key not in body]:
        raise bad_request(missing_keys(absent))
    return [body[key] for key in keys]


def missing_keys(keys: Iterable[str]) -> str:
    """The list of missing keys as Erlang prints it: broken where a line would be too long."""
    terms = [f"{{key_missing,{key}}}" for key in keys]
    line = f"[{','.join(terms)}]"
    return line if len(line) <= 80 else "[" + ",\n ".join(terms) + "]"


def boolean(value: object, default: bool = False) -> bool:
    """A boolean, which may be a text. Raises Refusal."""
    if value is None:
        return default
    found = (
        {True: True, False: False, "true": True, "false": False}.get(value) if isinstance(value, bool | str) else None
    )
    if found is None:
        raise bad_request(["not_boolean", value])
    return found


def flag(body: Body, key: str) -> bool:
    """A boolean that may be left out. Raises Refusal, also for null."""
    if key in body and body[key] is None:
        raise bad_request(["not_boolean", None])
    return boolean(body.get(key))


def switch(body: Body, key: str) -> bool:
    """A boolean that may be left out, and may not be a text. Raises Refusal."""
    value = body.get(key, False)
    if not isinstance(value, bool):
        raise bad_request(["not_boolean", value])
    return value


def integer(value: object) -> int:
    """An integer, which may be a text; of a fraction the whole part. Raises Refusal."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return int(value)
    try:
        if isinstance(value, str) and value.isascii():
            return int(value)
    except ValueError:
        pass
    raise bad_request(["not_integer", value])


def text(value: object, key: str) -> str:
    """A text. Raises Refusal."""
    if not isinstance(value, str):
        raise bad_request(["not_string", key])
    return value
