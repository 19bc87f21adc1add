"""Events as text, a line for each."""

import re
from typing import Final

from amqpy.testing.events import Event, describe

ADDRESSES: Final = re.compile(r"\S+:\d+ -> \S+:\d+")
BODY_MAX: Final = 60
"""Characters of a body that are shown."""


class History(list[Event]):
    """The events of some messages, in order. As text, a line for each."""

    def __str__(self) -> str:
        return "\n".join(timed(self))

    __repr__ = __str__

    def __contains__(self, what: object) -> bool:
        """True if an event, or a text, is in it."""
        return what in str(self) if isinstance(what, str) else super().__contains__(what)


def timed(events: list[Event]) -> list[str]:
    """A line for each event, with the seconds since the first. Ports would differ each time, so connections without a
    name are numbered in the order in which they come."""
    numbers: dict[str, str] = {}
    lines = []
    for event in events:
        line = f"{(event.at_ms - events[0].at_ms) / 1000:9.3f} {line_of(event)}"
        for name in (event.connection, event.name):
            if name is not None and (found := ADDRESSES.match(name)):
                numbers.setdefault(found[0], f"connection {len(numbers) + 1}")
        for address, number in numbers.items():
            line = line.replace(repr(address), number).replace(address, number)
        lines.append(line)
    return lines


def line_of(event: Event) -> str:
    body = "" if event.body is None else f" {_shown_body(event.body)}"
    return f"{describe(event)}{body}"


def _shown_body(body: bytes) -> str:
    start = bytes(body[: 4 * (BODY_MAX + 1)])  # enough for more than is shown: a body may be large
    text = start.decode("utf-8", "backslashreplace")
    text = text if text.isprintable() else repr(start)
    return text if len(text) <= BODY_MAX else f"{text[:BODY_MAX]}… ({len(body)} bytes)"
