"""The management API of a broker, over its control socket or by a URL.

A password is only sent where the URL says; and a socket that was found, rather than named, only counts if nobody else
could have put it there.
"""

import json
import socket
import struct
from base64 import b64encode
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

from amqpy.config.control import check_directory, control_path
from amqpy.config.management import AUTO
from amqpy.config.sources import load
from amqpy.config.values import ConfigError
from amqpy.ctl.failures import CONFIG, Failure, Unreachable

TIMEOUT_S: Final = 60.0
PORT: Final = 15672

Query = Mapping[str, object]
Headers = Mapping[str, str]
NONE: Final[Mapping[str, str]] = MappingProxyType({})


class ApiError(Exception):
    """A refusal of the broker. The reason is a text, or a list as Erlang's terms are printed in JSON."""

    def __init__(self, status: int, reason: object, body: Any = None) -> None:  # noqa: ANN401 (any JSON)
        super().__init__(f"{status}: {reason}")
        self.status = status
        self.reason = reason
        self.body = body

    @property
    def error(self) -> object:
        """The kind of the error."""
        return self.body.get("error") if isinstance(self.body, dict) else None

    @property
    def text(self) -> str:
        return self.reason if isinstance(self.reason, str) else as_elixir(self.reason, is_first=True)

    @property
    def is_missing(self) -> bool:
        return self.status == 404


def as_elixir(term: object, *, is_first: bool = False) -> str:
    """A term that came as JSON, as RabbitMQ's tools print it: `["no_such_user","u"]` is `{:no_such_user, "u"}`."""
    match term:
        case [_, *_] if (octets := [each for each in term if isinstance(each, int) and 32 <= each < 127]) == term:
            return f"'{bytes(octets).decode()}'"
        case list():
            return f"{{{', '.join(as_elixir(each, is_first=not number) for number, each in enumerate(term))}}}"
        case str():
            return f":{term}" if is_first else json.dumps(term, ensure_ascii=False)
    return str(term)


class UnixConnection(HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout: float | None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(self.timeout)
            sock.connect(self._path)
        except BaseException:
            sock.close()
            raise
        self.sock = sock


class Address:
    """The address of a management API, and what is sent to it to log in."""

    def __init__(self, text: str, credentials: str = "") -> None:
        self.text = text
        """For error texts: without a password."""
        self.prefix = ""
        self.host: str | None = None
        self.headers = {"authorization": f"Basic {credentials}"} if credentials else {}

    def connect(self, timeout: float | None) -> HTTPConnection:
        raise NotImplementedError


class SocketAddress(Address):
    """The control socket at a path."""

    def connect(self, timeout: float | None) -> HTTPConnection:
        return UnixConnection(self.text, timeout)


class UrlAddress(Address):
    """A URL with a user and a password; that of the default user, if it has none. Raises ValueError."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("not a URL of http or https")
        self._is_secure = parts.scheme == "https"
        self._port = parts.port or PORT - self._is_secure
        user, password = unquote(parts.username or "guest"), unquote(parts.password or "")
        if parts.username is None:
            password = "guest"
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        credentials = b64encode(f"{user}:{password}".encode("utf-8", "surrogateescape")).decode()
        super().__init__(f"{parts.scheme}://{host}:{self._port}", credentials)
        self.host = parts.hostname
        self.prefix = parts.path.rstrip("/").removesuffix("/api")

    def connect(self, timeout: float | None) -> HTTPConnection:
        kind = HTTPSConnection if self._is_secure else HTTPConnection
        return kind(self.host or "", self._port, timeout=timeout)


def find_address(url: str | None, path: str | None, environ: Mapping[str, str]) -> Address:
    """The API that is asked for: by a URL, by the path of a control socket, or else by the variables, which are those
    of `amqpy serve`. Raises Failure, Unreachable."""
    if url or (path is None and (url := environ.get("AMQPY_URL"))):
        try:
            return UrlAddress(url)
        except ValueError as error:
            raise Failure(f"Error:\nthe URL of the management API: {error}", CONFIG) from None
    if path is not None:
        return SocketAddress(path)
    try:
        config = load({}, environ)
    except ConfigError as error:
        raise Failure(f"Error:\n{error}", CONFIG) from None
    port = next((port for port in (getattr(each, "port", None) for each in config.addresses) if port), None)
    found = control_path(config, port, environ)
    if found is None:
        raise Unreachable("the settings say that there is no control socket")
    if config.control_socket == AUTO and config.data_dir is None:
        _check(found)
    return SocketAddress(str(found))


def _check(found: Path) -> None:
    try:
        check_directory(found.parent)
    except OSError as error:
        raise Unreachable(f"there is no control socket at {found}: {error.strerror or error}") from None


class Api:
    """Asks one broker. Everything raises ApiError and Unreachable."""

    def __init__(self, address: Address, timeout_s: float | None = TIMEOUT_S) -> None:
        self._address = address
        self._connection = address.connect(timeout_s)
        self._failure: Unreachable | None = None
        """Once there is none, it is not sought again: that may take long."""

    def get(self, *path: str, **query: object) -> Any:  # noqa: ANN401 (any JSON)
        return self.request("GET", path, query=query)

    def put(self, *path: str, body: object) -> Any:  # noqa: ANN401
        return self.request("PUT", path, body)

    def post(self, *path: str, body: object, **query: object) -> Any:  # noqa: ANN401
        return self.request("POST", path, body, query=query)

    def delete(self, *path: str, headers: Headers = NONE, **query: object) -> Any:  # noqa: ANN401
        return self.request("DELETE", path, query=query, headers=headers)

    def request(
        self,
        method: str,
        path: tuple[str, ...],
        body: object = None,
        *,
        query: Query = NONE,
        headers: Headers = NONE,
    ) -> Any:  # noqa: ANN401
        """The answer. The parts of the path are encoded here."""
        target = f"{self._address.prefix}/api/{'/'.join(map(_quoted, path))}"
        if query:
            target += "?" + "&".join(f"{key}={_quoted(_text(value))}" for key, value in query.items())
        content = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {**self._address.headers, **headers}
        if content is not None:
            sent["content-type"] = "application/json"
        if self._failure is not None:
            raise self._failure
        try:
            self._connection.request(method, target, content, sent)
            response = self._connection.getresponse()
            return _answer(response)
        except (OSError, HTTPException) as error:
            self._connection.close()
            self._failure = Unreachable(f"{self._address.text}: {_said(error)}")
            raise self._failure from error

    def check(self) -> None:
        """Raises Unreachable if nobody listens."""
        try:
            self._connection.connect()
        except OSError as error:
            self._failure = Unreachable(f"{self._address.text}: {_said(error)}")
            raise self._failure from error

    def process_id(self) -> int | None:
        """The process of the broker, if it is on this machine and the system tells: over a control socket."""
        if not isinstance(self._connection, UnixConnection) or not hasattr(socket, "SO_PEERCRED"):
            return None
        self.check()
        told = self._connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        pid, _, _ = struct.unpack("3i", told)
        return int(pid)

    @property
    def host(self) -> str | None:
        """The host of the broker; None if it is this one."""
        return self._address.host

    def close(self) -> None:
        self._connection.close()


def _quoted(text: str) -> str:
    return quote(text, safe="", errors="surrogateescape")


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _said(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return (error.strerror if isinstance(error, OSError) and error.errno else str(error)) or type(error).__name__


def _answer(response: HTTPResponse) -> Any:  # noqa: ANN401
    octets = response.read()
    try:
        value = json.loads(octets.decode("utf-8", "surrogateescape")) if octets else None
    except ValueError:
        value = None
    if response.status >= 400:
        reason = value.get("reason") if isinstance(value, dict) else None
        raise ApiError(response.status, reason or response.reason or f"status {response.status}", value)
    return value


def default_node(environ: Mapping[str, str], given: str | None = None) -> str:
    """The name of a node that cannot be asked: as RabbitMQ makes one."""
    name, at, host = (given or environ.get("RABBITMQ_NODENAME") or "rabbit").partition("@")
    return f"{name}@{host}" if at else f"{name}@{socket.gethostname().partition('.')[0]}"
