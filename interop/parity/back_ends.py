"""Back ends for both brokers: an issuer of tokens, whose public key is in a file, and a web service on loopback.

Users of the web service are those in `MAY_ENTER`, with their names as passwords. What it says depends on the names that
it is asked about: those with `no` are denied, those with `oops` are an error.
"""

import contextlib
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PLUGINS: Final = ("rabbitmq_auth_backend_oauth2", "rabbitmq_auth_backend_http")
KEY_ID: Final = "parity"
AUDIENCE: Final = "rmq"
MAY_ENTER: Final = {"web": "allow", "web-no": "deny", "web-oops": "oops"}
"""The users of the web service, and the answer if they may enter a virtual host."""


@dataclass(frozen=True)
class BackEnds:
    """The settings of both brokers."""

    rabbitmq_conf: str
    toml: str


@cache
def private_key(name: str = "ours") -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def token(*scopes: str, key: str = "ours", key_id: str | None = KEY_ID, **changes: Any) -> str:  # noqa: ANN401 (what JSON can say)
    """A token with these scopes, which is good but for what is changed; what is changed to None is left out."""
    claims = {
        "aud": AUDIENCE,
        "sub": "alice",
        "exp": int(time.time()) + 600,
        "scope": [f"rmq.{each}" for each in scopes],
    }
    claims = {name: value for name, value in (claims | changes).items() if value is not None}
    headers = {} if key_id is None else {"kid": key_id}
    return jwt.encode(claims, private_key(key), "RS256", headers=headers)


@contextlib.contextmanager
def serving() -> Iterator[BackEnds]:
    """The web service, and the file with the key."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), WebService)
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        with tempfile.TemporaryDirectory(prefix="amqpy-key-") as folder:
            file = Path(folder) / "key.pem"
            file.write_bytes(private_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
            yield settings(f"http://127.0.0.1:{server.server_address[1]}", file)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def settings(root: str, file: Path) -> BackEnds:
    # In RabbitMQ 3.10 a password that is no token ends the search, so tokens come last.
    backends = ["internal", "http", "oauth2"]
    paths = [f"auth_http.{path}_path" for path in ("user", "vhost", "resource", "topic")]
    conf = [f"auth_backends.{number} = {name}" for number, name in enumerate(backends, 1)]
    conf += [f"{path} = {root}/{path}" for path in paths]
    conf += [f"auth_oauth2.resource_server_id = {AUDIENCE}", f"auth_oauth2.signing_keys.{KEY_ID} = {file}"]
    toml = [f"auth_backends = {backends!r}", *(f'{path} = "{root}/{path}"' for path in paths)]
    toml += [f'auth_oauth2.resource_server_id = "{AUDIENCE}"', f'auth_oauth2.signing_keys = ["{KEY_ID}={file}"]']
    return BackEnds("\n".join(conf), "\n".join(toml))


class WebService(BaseHTTPRequestHandler):
    """The web service that both brokers ask."""

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        fields = {name: value[0] for name, value in parse_qs(address.query, keep_blank_values=True).items()}
        answer = self.answer(address.path, fields)
        self.send_response(500 if answer == "oops" else 200)
        self.end_headers()
        self.wfile.write(answer.encode())

    def answer(self, path: str, fields: Mapping[str, str]) -> str:
        user = fields["username"]
        if user not in MAY_ENTER:
            return "deny"
        if "user_path" in path:
            # Whoever has shown a certificate has no password.
            return "allow management" if fields.get("password", user) == user else "deny"
        if "vhost_path" in path:
            return MAY_ENTER[user]
        asked = fields["routing_key"] if "topic_path" in path else fields["name"]
        return next((verdict for word, verdict in {"no": "deny", "oops": "oops"}.items() if word in asked), "allow")

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 (its name there)
        """Says nothing."""
