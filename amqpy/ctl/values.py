"""Arguments of commands that are JSON, and the names of Erlang processes.

A broker without Erlang has no process identifiers. The columns that show some have names in their form instead, which
`close_connection` takes as well.
"""

import json
from typing import Any
from zlib import crc32

from amqpy.ctl.failures import Failure


def json_value(text: str) -> Any:  # noqa: ANN401 (any JSON)
    """Raises Failure if a text is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Failure("Error:\nJSON decoding error. Reason: badarg") from None


def json_object(text: str) -> dict[str, Any]:
    """Raises Failure if a text is not an object in JSON."""
    value = json_value(text)
    if not isinstance(value, dict):
        raise Failure("Error:\nJSON decoding error. Reason: badarg")
    return value


def compact(value: object) -> str:
    """A value in JSON, without spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def process(node: str, name: str) -> str:
    """The name, in the form of a process identifier, of a queue, a connection or a channel."""
    return f"<{node}.1.{crc32(name.encode('utf-8', 'surrogateescape'))}.0>"
