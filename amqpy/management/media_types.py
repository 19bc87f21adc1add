"""The types of bodies, as they stand in headers: what a body is, and what a client can read.

Source: `cow_http_hd`: `parse_content_type`, `parse_accept`; `cowboy_rest`: `choose_media_type`, `accept_resource`.
"""

import re
from collections.abc import Collection
from typing import Final

from amqpy.management.answers import JSON, Refusal

BERT: Final = "application/bert"
"""Erlang's own format, which RabbitMQ can answer in. Whoever accepts it gets JSON."""

TOKEN: Final = r"[\w!#$%&'*+\-.^`|~]+"
QUOTED: Final = r'"(?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[\t\x20-\x7e\x80-\xff])*"'
PARAMETER: Final = rf"{TOKEN}=(?:{QUOTED}|{TOKEN}|)"
WEIGHT: Final = r"q=(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)"

TYPE: Final = re.compile(rf"({TOKEN}/{TOKEN})(?:\s*;\s*{PARAMETER})*\s*", re.ASCII)
RANGE: Final = re.compile(
    rf"(?P<name>{TOKEN}/{TOKEN})"
    rf"(?P<parameters>(?:\s*;\s*(?!q=){PARAMETER})*)"
    rf"(?:\s*;\s*{WEIGHT}(?:\s*;\s*{TOKEN}(?:=(?:{QUOTED}|{TOKEN}))?)*)?",
    re.ASCII,
)
SEPARATOR: Final = re.compile(r"\s*(?:,\s*)+")


def type_of(header: str) -> str:
    """The type in the header `content-type`, without its parameters. Raises Refusal if there is none."""
    if (found := TYPE.fullmatch(header)) is None:
        raise Refusal(415)
    return found[1].lower()


def check_body(header: str | None, accepted: Collection[str], *, is_read: bool) -> None:
    """Raises Refusal for a body of another type than these, if there are any, or, of one that `is_read`, of no type."""
    if accepted and (header is None or type_of(header) not in accepted):
        raise Refusal(415)
    if header is not None and is_read:
        type_of(header)


def check_accept(header: str | None, kind: str) -> None:
    """Raises Refusal if a header `accept` excludes this type: 406, or 400 for one that is nonsense."""
    if header is None:
        return
    good = {"*/*", f"{kind.partition('/')[0]}/*", kind, *([BERT] if kind == JSON else [])}
    # No type that is there has parameters, so that a range with any is another one.
    if not any(not parameters and name.lower() in good for name, parameters in _ranges_of(header)):
        raise Refusal(406)


def _ranges_of(header: str) -> list[tuple[str, str]]:
    """The ranges of types, with their parameters. Raises Refusal for what is none."""
    found, position = [], _skipped(header, 0)
    while position < len(header):
        if (accepted := RANGE.match(header, position)) is None:
            raise Refusal(400)
        found.append((accepted["name"], accepted["parameters"]))
        position = _skipped(header, accepted.end())
        if position == accepted.end() < len(header):
            raise Refusal(400)
    return found


def _skipped(header: str, position: int) -> int:
    """The place behind commas."""
    separator = SEPARATOR.match(header, position)
    return position if separator is None else separator.end()
