"""RabbitMQ's administrator's door: the HTTP API of its plugin rabbitmq_management, and rabbitmqctl for the rest."""

import base64
import html
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote, urlsplit

TIMEOUT_S = 30.0
POLL_INTERVAL_S = 0.1

Arguments = Mapping[str, Any]
Request = tuple[str, str, Any]
"""Method, path below /api/, and what to send as JSON, if anything."""

Control = Callable[..., str]
"""Runs rabbitmqctl with these arguments. What it says on one line if it fails, else nothing."""


def no_control(*arguments: str) -> str:
    raise AssertionError(f"nobody can {arguments[0]}: only the address of this RabbitMQ is known")


class Management:
    """Operations as requests, one after the other.

    RabbitMQ applies all policies to everything whenever one of them is set. So a policy that another request found
    to be new is that request's to make known, and may not have reached its queue when its own request is answered.
    """

    _one_at_a_time = threading.Lock()  # whichever broker: both sides of a comparison may be the same one

    def __init__(self, url: str, control: Control = no_control) -> None:
        self._control = control
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 15672
        login = f"{unquote(parts.username or 'guest')}:{unquote(parts.password or 'guest')}"
        self._authorization = f"Basic {base64.b64encode(login.encode()).decode()}"

    def perform(self, operation: str, arguments: Arguments) -> str:
        if operation in COMMANDS:
            refusal = self._control(*COMMANDS[operation](arguments))
            return refusal.removeprefix("Error (argument validation): ") or "ok"
        if operation == "look_at_connection":
            return self._look_at_connection(**arguments)
        with self._one_at_a_time:
            reasons = (self._refusal(*request) for request in REQUESTS[operation](arguments))
            return next((reason for reason in reasons if reason is not None), "ok")

    def _look_at_connection(self, peer_port: int) -> str:
        """The API learns of it a little later than the client; while others come and go, it may fail to answer."""
        give_up_at = time.monotonic() + TIMEOUT_S
        while time.monotonic() < give_up_at:
            status, text = self._answer("GET", "connections", None)
            for row in json.loads(text) if status == http.client.OK else ():
                if row.get("peer_port") == peer_port:
                    return json.dumps(row)
            time.sleep(POLL_INTERVAL_S)
        raise AssertionError(f"no connection from {peer_port} is shown")

    def _refusal(self, method: str, path: str, content: object) -> str | None:
        """Why the request was not granted, or None if it was."""
        status, text = self._answer(method, path, content)
        if status < 300:
            return None
        if status == http.client.NOT_FOUND and method == "DELETE":
            return "not found"
        if status == http.client.INTERNAL_SERVER_ERROR and not text:
            return "crashed"
        if status != http.client.BAD_REQUEST:
            raise AssertionError(f"{method} {path}: {status} {text}")
        return plain(str(json.loads(text)["reason"]))

    def _answer(self, method: str, path: str, content: object) -> tuple[int, str]:
        """Status and text."""
        connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
        try:
            headers = {"Authorization": self._authorization, "Content-Type": "application/json"}
            body = None if content is None else json.dumps(content)
            connection.request(method, f"/api/{path}", body=body, headers=headers)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()


def plain(reason: str) -> str:
    """The reason without what was done to it: some texts are escaped for HTML."""
    return html.unescape(reason)


def set_policy(kind: str) -> Callable[[Arguments], Iterator[Request]]:
    def requests(given: Arguments) -> Iterator[Request]:
        content = {key: given[key] for key in ("pattern", "definition", "priority")}
        yield "PUT", path(kind, given["vhost"], given["name"]), content | {"apply-to": given["apply_to"]}

    return requests


def clear(kind: str, *keys: str) -> Callable[[Arguments], Iterator[Request]]:
    def requests(given: Arguments) -> Iterator[Request]:
        yield "DELETE", path(kind, *(given[key] for key in keys)), None

    return requests


def set_parameter(given: Arguments) -> Iterator[Request]:
    where = path("parameters", given["component"], given["vhost"], given["name"])
    yield "PUT", where, {"value": given["value"]}


def set_global_parameter(given: Arguments) -> Iterator[Request]:
    yield "PUT", path("global-parameters", given["name"]), {"value": given["value"]}


def set_vhost_limits(given: Arguments) -> Iterator[Request]:
    """All limits at once, as the parameter they are; requests of their own could set only one after the other."""
    yield "PUT", path("parameters", "vhost-limits", given["vhost"], "limits"), {"value": given["limits"]}


def clear_vhost_limits(given: Arguments) -> Iterator[Request]:
    yield "DELETE", path("parameters", "vhost-limits", given["vhost"], "limits"), None


def add_vhost(given: Arguments) -> Iterator[Request]:
    """Whoever makes a virtual host this way gets every permission in it."""
    names = {"default_queue_type": "defaultqueuetype"}
    metadata = {names.get(key, key): value for key, value in given.items() if key != "name"}
    yield "PUT", path("vhosts", given["name"]), metadata


def trace(given: Arguments, *, on: bool) -> Iterator[Request]:
    yield "PUT", path("vhosts", given["vhost"]), {"tracing": on}


def add_user(given: Arguments) -> Iterator[Request]:
    proof = {key: given[key] for key in ("password", "password_hash", "hashing_algorithm") if key in given}
    yield "PUT", path("users", given["name"]), proof | {"tags": ",".join(given["tags"])}


def change_password(given: Arguments) -> Iterator[Request]:
    """To change a user is to say all of it again."""
    yield "PUT", path("users", given["user"]), {"password": given["password"], "tags": ""}


def clear_password(given: Arguments) -> Iterator[Request]:
    yield "PUT", path("users", given["user"]), {"password_hash": "", "tags": ""}


def set_permissions(given: Arguments) -> Iterator[Request]:
    content = {key: given[key] for key in ("configure", "write", "read")}
    yield "PUT", path("permissions", given["vhost"], given["user"]), content


def set_topic_permissions(given: Arguments) -> Iterator[Request]:
    content = {key: given[key] for key in ("exchange", "write", "read")}
    yield "PUT", path("topic-permissions", given["vhost"], given["user"]), content


def clear_topic_permissions(given: Arguments) -> Iterator[Request]:
    where = [given["exchange"]] if "exchange" in given else []
    yield "DELETE", path("topic-permissions", given["vhost"], given["user"], *where), None


def set_user_limits(given: Arguments) -> Iterator[Request]:
    for limit, value in given["limits"].items():
        yield "PUT", path("user-limits", given["user"], limit), {"value": value}


def clear_user_limits(given: Arguments) -> Iterator[Request]:
    for limit in ("max-connections", "max-channels"):
        yield "DELETE", path("user-limits", given["user"], limit), None


def memory_high_watermark(given: Arguments) -> list[str]:
    return ["absolute", given["absolute"]] if "absolute" in given else [str(given["fraction"])]


def term(value: bool | int) -> str:
    """The value as Erlang writes it."""
    return str(value).lower()


COMMANDS: Mapping[str, Callable[[Arguments], list[str]]] = {
    "set_memory_high_watermark": lambda given: ["set_vm_memory_high_watermark", *memory_high_watermark(given)],
    "set_disk_free_limit": lambda given: ["set_disk_free_limit", given["absolute"]],
    "set_setting": lambda given: ["eval", f"application:set_env(rabbit, {given['name']}, {term(given['value'])})."],
    "clear_setting": lambda given: ["eval", f"application:unset_env(rabbit, {given['name']})."],
}
"""What there is no request for, as arguments of rabbitmqctl."""


def path(*parts: str) -> str:
    return "/".join(quote(part, safe="") for part in parts)


REQUESTS: Mapping[str, Callable[[Arguments], Iterator[Request]]] = {
    "set_policy": set_policy("policies"),
    "clear_policy": clear("policies", "vhost", "name"),
    "set_operator_policy": set_policy("operator-policies"),
    "clear_operator_policy": clear("operator-policies", "vhost", "name"),
    "set_parameter": set_parameter,
    "clear_parameter": clear("parameters", "component", "vhost", "name"),
    "set_global_parameter": set_global_parameter,
    "clear_global_parameter": clear("global-parameters", "name"),
    "add_vhost": add_vhost,
    "delete_vhost": clear("vhosts", "name"),
    "set_vhost_limits": set_vhost_limits,
    "clear_vhost_limits": clear_vhost_limits,
    "trace_on": lambda given: trace(given, on=True),
    "trace_off": lambda given: trace(given, on=False),
    "add_user": add_user,
    "delete_user": clear("users", "name"),
    "change_password": change_password,
    "clear_password": clear_password,
    "set_permissions": set_permissions,
    "set_topic_permissions": set_topic_permissions,
    "clear_topic_permissions": clear_topic_permissions,
    "set_user_limits": set_user_limits,
    "clear_user_limits": clear_user_limits,
}
