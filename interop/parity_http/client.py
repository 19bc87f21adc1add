"""A client of HTTP that sends what it is told to, and shows what came back as it came."""

import contextlib
import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TIMEOUT_S = 15.0

HANGS_UP = 0
"""The status of an answer that did not come, or not in time."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    """By their names in lower case; several of one name are joined."""
    body: bytes = b""

    @property
    def value(self) -> Any:  # noqa: ANN401 - any JSON
        """The body in JSON, None if it is none."""
        with contextlib.suppress(ValueError):
            return json.loads(self.body.decode("utf-8", "surrogateescape"))
        return None


@dataclass(frozen=True)
class Client:
    host: str
    port: int

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        *,
        says_goodbye: bool = True,
    ) -> Answer:
        """Send a request on a connection of its own, with no other headers than these, Host, the length, and if it
        `says_goodbye` that which ends the connection; else it just hangs up afterwards."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=TIMEOUT_S)
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in (headers or {}).items():
                connection.putheader(name, value.encode("utf-8", "surrogateescape"))
            if says_goodbye:
                connection.putheader("connection", "close")
            if body is not None:
                connection.putheader("content-length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            return Answer(response.status, joined(response.getheaders()), response.read())
        except (ConnectionError, TimeoutError, http.client.HTTPException):
            return Answer(HANGS_UP)
        finally:
            connection.close()


def joined(pairs: list[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in pairs:
        lower = name.lower()
        found[lower] = f"{found[lower]}, {value}" if lower in found else value
    return found
