"""An API that answers as a test wants it to."""

import contextlib
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from interop.parity_http.client import Client
from interop.parity_http.side import Side

NODE = "rabbit@here"
OF_RUN = re.compile(r"\.[0-9a-f]{8}\b")
JSON = {"content-type": "application/json", "vary": "origin"}


@dataclass(frozen=True)
class Told:
    """An answer."""

    status: int = 200
    value: object = None
    headers: Mapping[str, str] = field(default_factory=lambda: JSON)
    raw: bytes | None = None

    @property
    def body(self) -> bytes:
        if self.raw is not None:
            return self.raw
        return b"" if self.value is None else json.dumps(self.value, separators=(",", ":"), ensure_ascii=False).encode()


Answers = Mapping[str, Told | Callable[[], Told]]

ALWAYS: Answers = {
    "GET /api/vhosts/%2F": Told(value={"name": "/", "cluster_state": {NODE: "running"}}),
    "GET /api/overview": Told(
        value={
            "rabbitmq_version": "3.10.8",
            "listeners": [],
            "message_stats": {"publish_details": {}, "get_details": {}, "disk_reads": 0},
            "queue_totals": {"messages": 0},
        }
    ),
}


@dataclass
class FakeApi:
    side: Side
    asked: list[tuple[str, Mapping[str, str], bytes]]
    """The requests so far: method and path, headers, body."""

    @property
    def url(self) -> str:
        return f"http://guest:guest@127.0.0.1:{self.side.client.port}/"


@contextlib.contextmanager
def fake_api(answers: Answers | None = None, *, node: str = NODE) -> Iterator[FakeApi]:
    """Answers as ALWAYS and `answers` say, by method and path without what makes names those of a run; changes of
    which they say nothing succeed, and anything else is not found."""
    table = {**ALWAYS, **(answers or {})}
    asked: list[tuple[str, Mapping[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            key = f"{self.command} {self.path}"
            asked.append((key, {name.lower(): value for name, value in self.headers.items()}, body))
            found = table.get(OF_RUN.sub("", key), Told(204) if self.command in {"PUT", "DELETE"} else Told(404))
            told = found() if callable(found) else found
            if not told.status:  # it hangs up
                self.close_connection = True
                return
            self.send_response(told.status)
            for name, value in told.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(told.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(told.body)

        def log_message(self, *what: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        try:
            client = Client("127.0.0.1", server.server_address[1])
            yield FakeApi(Side(client, None, [node], "3.10.8", is_late=False, patience_s=3.0), asked)
        finally:
            server.shutdown()
            serving.join()
