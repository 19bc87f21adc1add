"""The heads of requests: what ASGI tells of them, as strict as RabbitMQ's server is, which reads fewer than others do.

Source: `cowboy_http`: `parse_request`, `parse_uri`, `parse_header`, `request_parse_host`; `cow_uri:urldecode`.
"""

import re
from collections.abc import MutableMapping
from ipaddress import ip_address
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from amqpy.management.answers import Answer, early, not_found
from amqpy.management.request import Request

Scope: TypeAlias = MutableMapping[str, Any]

LINE_MAX: Final = 8000
"""Octets of a request line."""
METHOD_MAX: Final = 32
HEADERS_MAX: Final = 100
HEADER_VALUE_MAX: Final = 4096

VERSIONS: Final = frozenset({"1.0", "1.1", "2"})
UNHEARD: Final = frozenset({"CONNECT", "TRACE"})
"""Methods that are refused before anything else."""

ABSOLUTE: Final = re.compile(r"https?://([^/?#]*)", re.IGNORECASE)
PATH: Final = re.compile(r"/(?:[\w\-.~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*", re.ASCII)
HOST: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|(?:[\w\-.~!$&'()*+,;=]|%[0-9A-Fa-f]{2})*)(?::[0-9]*)?", re.ASCII)

LOCAL_NAMES: Final = frozenset({"localhost", "localhost.localdomain"})


def request_of(scope: Scope) -> Request:
    """The request of an ASGI scope, without its body."""
    peer = scope.get("client")
    peer_host = peer[0] if peer else "127.0.0.1"
    headers = _headers_of(scope)
    path, has_fragment, _ = scope["raw_path"].decode("latin-1").partition("#")
    query, *_ = scope["query_string"].decode("latin-1").split("#")
    return Request(
        scope["method"],
        path,
        "" if has_fragment else query,
        headers,
        peer_host,
        from_loopback=is_loopback(peer_host) and is_for_this_machine(headers.get("host", "")),
    )


def _headers_of(scope: Scope) -> dict[str, str]:
    """The headers by their names in lower case; several of one name are a list."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        between = "; " if name == "cookie" else ", "
        headers[name] = f"{headers[name]}{between}{value}" if name in headers else value
    return headers


def refused(request: Request, http_version: str) -> Answer | None:
    """The answer to what RabbitMQ's server does not read; None if the request is good. Of an address that is a whole
    one, its path is kept."""
    line = f"{request.method} {request.path}?{request.query_string} HTTP/1.1\r\n"
    if len(line) > LINE_MAX:
        return early(414)
    if request.method in UNHEARD or len(request.method) >= METHOD_MAX:
        return early(501)
    if http_version not in VERSIONS:
        return early(505)
    if len(request.headers) > HEADERS_MAX or any(len(each) > HEADER_VALUE_MAX for each in request.headers.values()):
        return early(431)
    host = request.headers.get("host", "")
    whole = ABSOLUTE.match(request.path)
    if not HOST.fullmatch(host) or (whole is not None and whole[1] != host):
        return early(400)
    if whole is not None:
        request.path = request.path[whole.end() :] or "/"
    if (request.method, request.path) == ("OPTIONS", "*"):
        return not_found().answer._replace(bare=True)
    if request.path[:1] != "/":
        return early(400)
    return None if PATH.fullmatch(request.path) else Answer(400, bare=True)


# --- from where


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return True  # a unix socket


def is_for_this_machine(host: str) -> bool:
    """True for a Host header with an address or a name of loopback. A page of somebody else whose name has come to mean
    this machine (DNS rebinding) would have its own there, and a user for loopback only must not log in by that."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if name and name not in LOCAL_NAMES:
            ip_address(name)
    except ValueError:
        return False
    return True
