"""A script is a list of steps, and a step one request. Both can be printed and read back.

    PUT /queues/$v/q1 {"durable": true}
    monitoring: GET /nodes
    nobody: OPTIONS /whoami [origin: http://example.com]
    GET !/stats

`$v` is a name that no other script has. Paths are below `/api`, unless a `!` says that they are as they stand. Headers
are in square brackets; what follows is the body, as it is sent. Who asks stands before the colon: a user of the script
(`stage.py`), by default the administrator of the broker.

`WAIT /queues/$v/q1 messages=3` is no request of the script: it waits until an answer has this, or has a key at all.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WAIT = "WAIT"

LINE = re.compile(r"(?:(?P<who>[\w.]+): )?(?P<method>[A-Z]+) (?P<path>!?/\S*)(?P<rest>(?: .*)?)", re.DOTALL)
HEADER = re.compile(r" \[(?P<name>[A-Za-z][\w-]*): (?P<value>[^\]]*)\]")


@dataclass(frozen=True)
class Step:
    method: str
    path: str
    body: str = ""
    who: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        who = f"{self.who}: " if self.who else ""
        headers = "".join(f" [{name}: {value}]" for name, value in self.headers)
        return f"{who}{self.method} {self.path}{headers}{' ' * bool(self.body)}{self.body}"

    @property
    def is_change(self) -> bool:
        return self.method in {"PUT", "POST", "DELETE"}

    @property
    def resource(self) -> str:
        """The path without the query."""
        return self.path.partition("?")[0]

    @property
    def wanted(self) -> Mapping[str, Any]:
        """The keys that a WAIT waits for, with their values, or ... for any."""
        conditions = (each.partition("=") for each in self.body.split())
        return {key: json.loads(value) if equals else ... for key, equals, value in conditions}


Script = Sequence[Step]


def parse_step(line: str) -> Step:
    """Raises ValueError if the line is no step."""
    if (found := LINE.fullmatch(line)) is None:
        raise ValueError(f"no step: {line}")
    rest, headers = found["rest"], []
    while (header := HEADER.match(rest)) is not None:
        headers.append((header["name"].lower(), header["value"]))
        rest = rest[header.end() :]
    return Step(found["method"], found["path"], rest[1:], found["who"] or "", tuple(headers))


def parse(text: str) -> list[Step]:
    """The steps of a script, one a line; empty lines and those that begin with # are none. Raises ValueError."""
    lines = (line.strip() for line in text.splitlines())
    return [parse_step(line) for line in lines if line and not line.startswith("#")]


def text_of(script: Script) -> str:
    return "".join(f"{step}\n" for step in script)
