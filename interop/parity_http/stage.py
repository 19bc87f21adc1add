"""The script API: what a scenario asks one broker, and all that it answered.

A scenario is a function that gets a `Stage`. It plays steps there (`steps.py`), each of which is recorded with its
answer. It never sleeps: it waits until the broker shows what must come.

Every `$label` in a step stands for a name that nobody else uses. A user of that label asks if a step begins with it:
`management: GET /whoami`; `nobody` asks without credentials, and `wrong` with a wrong password. All users, virtual
hosts and global parameters of such names are gone when the scenario is over.
"""

import json
import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from interop.parity.connection import Connection
from interop.parity_http.bodies import get, message
from interop.parity_http.client import Answer
from interop.parity_http.normalise import Normaliser, Shown
from interop.parity_http.side import POLL_S, Side, authorization
from interop.parity_http.steps import WAIT, Script, Step, parse

PASSWORD = "secret"
ANONYMOUS = {"nobody": None, "wrong": authorization("guest", "wrong")}
TAGS = ("none", "management", "policymaker", "monitoring", "administrator")

PLACE = re.compile(r"\$([a-z][a-z0-9_]*)")

LATE = re.compile(r"/queues(/[^/?]+){0,2}/?(\?(?!.*(columns|disable_stats)=).*)?")
"""Addresses that show queues, with more in them once these have reported."""
MISSING = object()

REPORTED = frozenset({"effective_policy_definition", "messages_details", "reductions"})
"""Keys that only a queue that has reported has."""


@dataclass(frozen=True)
class Exchange:
    """A request and its answer."""

    step: str
    shown: Shown


class Stage:
    """One broker, as one run of one scenario sees it."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self.run_id = secrets.token_hex(4)
        self.exchanges: list[Exchange] = []
        self._named: dict[str, str] = {}
        self._connections: list[Connection] = []
        self._normaliser = Normaliser(self.run_id, side.names)

    # Names

    def name(self, label: str) -> str:
        """The name that a label stands for."""
        return self._named.get(label) or f"{label}.{self.run_id}"

    def call_it(self, label: str, name: str) -> None:
        """Let a label stand for a name that was made elsewhere, such as that of a connection."""
        self._named[label] = name

    def filled(self, text: str, *, in_path: bool = False) -> str:
        def named(found: re.Match[str]) -> str:
            return quote(self.name(found[1]), safe="") if in_path else self.name(found[1])

        return PLACE.sub(named, text)

    # What scenarios begin with

    def vhost(self, label: str = "v") -> str:
        """Make a virtual host; its name."""
        self._prepared(f"PUT /vhosts/${label}")
        return self.name(label)

    def user(self, label: str, tags: str | None = None, *vhosts: str) -> str:
        """Make a user who has these tags (by default the label is one), and every permission in virtual hosts."""
        tags = label if tags is None else tags
        told = json.dumps({"password": PASSWORD, "tags": "" if tags == "none" else tags})
        self._prepared(f"PUT /users/${label} {told}")
        for vhost in vhosts:
            self._prepared(f'PUT /permissions/${vhost}/${label} {{"configure": ".*", "write": ".*", "read": ".*"}}')
        return self.name(label)

    def everybody(self, *vhosts: str) -> Sequence[str]:
        """Make a user of each tag, and one without; who may ask then."""
        for label in TAGS:
            self.user(label, None, *vhosts)
        return TAGS

    def prime(self) -> None:
        """Publish a message and get it, so that the statistics of all have in them what they can have.

        It is done in the default virtual host: RabbitMQ forgets what others have counted when they are gone. And it is
        done by a client that stays until it was counted, if it is known where clients may connect.
        """
        self._prepared("PUT /queues/%2F/$q {}")
        if self.side.amqp is None:
            self._prepared(
                f"POST /exchanges/%2F/amq.default/publish {message(routing_key='$q')}",
                f"POST /queues/%2F/$q/get {get(ackmode='ack_requeue_false')}",
            )
        else:
            self.call_it("default", "/")
            channel = self.connect("default").channel()
            channel.call("confirm.select")
            channel.publish("", self.name("q"), b"m")
            channel.wait_confirms(1)
            channel.get(self.name("q"), no_ack=True)
        counted = "message_stats.publish_details message_stats.get_details message_stats.disk_reads"
        self._wait(Step(WAIT, "/overview", f"{counted} queue_totals.messages"))
        self._prepared("DELETE /queues/%2F/$q")

    def _prepared(self, *lines: str) -> None:
        """Do what a scenario needs and is not about. The answer is recorded only if it is no success."""
        for step in parse("\n".join(lines)):
            answer = self._ask(step)
            if answer.status >= 300:
                self._record(step, answer)

    def connect(self, vhost: str = "v", user: str = "", **how: Any) -> Connection:  # noqa: ANN401
        """Connect a client of AMQP to a virtual host of the scenario."""
        assert self.side.amqp is not None, "it is not known where clients may connect"
        connection = Connection(self.side.amqp)
        self._connections.append(connection)
        name, password = (self.name(user), PASSWORD) if user else (self.side.user, self.side.password)
        connection.handshake(vhost=self.name(vhost), user=name, password=password, **how)
        return connection

    def look(self, path: str) -> Any:  # noqa: ANN401 - any JSON
        """The value at an address, for the script alone."""
        return self._ask(Step("GET", path)).value

    # Steps

    def play(self, script: str | Script) -> Answer:
        """Play steps, one a line; the last answer."""
        answer = Answer(0)
        for step in parse(script) if isinstance(script, str) else script:
            answer = self._wait(step) if step.method == WAIT else self._asked(step)
        return answer

    def _asked(self, step: Step) -> Answer:
        answer = self._ask(step)
        if self.side.is_late and step.method == "GET" and LATE.fullmatch(step.path):
            answer = self._until(step, has_reported)
        self._record(step, answer)
        return answer

    def _record(self, step: Step, answer: Answer) -> None:
        self.exchanges.append(Exchange(str(step), self._normaliser(answer, step.resource, method=step.method)))

    def _ask(self, step: Step) -> Answer:
        headers = self._headers(step)
        body = self.filled(step.body).encode("utf-8", "surrogateescape") if step.body or step.is_change else None
        path = self.filled(step.path, in_path=True)
        return self.side.client.ask(step.method, path[1:] if path.startswith("!") else f"/api{path}", headers, body)

    def _headers(self, step: Step) -> dict[str, str]:
        headers = {"content-type": "application/json"} if step.body else {}
        if not step.who:
            headers["authorization"] = authorization(self.side.user, self.side.password)
        elif step.who not in ANONYMOUS:
            headers["authorization"] = authorization(self.name(step.who), PASSWORD)
        elif (wrong := ANONYMOUS[step.who]) is not None:
            headers["authorization"] = wrong
        headers |= {name: self.filled(value) for name, value in step.headers}
        return {name: value for name, value in headers.items() if value != "-"}

    def note(self, line: str) -> None:
        """Add something to what is compared that was no answer."""
        self.exchanges.append(Exchange("note", Shown(200, {}, self._normaliser.text(line))))

    # Waiting

    def _wait(self, step: Step) -> Answer:
        """Wait for what a step wants. That it did not come is recorded; the scenario goes on."""
        request = Step("GET", step.path, "", step.who, step.headers)
        answer = self._until(request, lambda answer: has(answer, step.wanted))
        came = has(answer, step.wanted)
        self.exchanges.append(Exchange(str(step), Shown(200 if came else answer.status, {}, "came" if came else "not")))
        return answer

    def _until(self, step: Step, reached: Callable[[Answer], bool]) -> Answer:
        deadline = time.monotonic() + self.side.patience_s
        while not reached(answer := self._ask(step)) and time.monotonic() < deadline:
            time.sleep(POLL_S)
        return answer

    # The end

    def leave(self) -> None:
        """Hang up, and delete all that was made under names of this run."""
        for connection in self._connections:
            connection.drop()
        for kind in ("vhosts", "users", "global-parameters"):
            for row in self._ask(Step("GET", f"/{kind}")).value or ():
                if isinstance(row, dict) and self.run_id in str(row.get("name")):
                    self._delete(f"/{kind}/{quote(row['name'], safe='')}")

    def _delete(self, path: str) -> None:
        answer = self._ask(Step("DELETE", path))
        if answer.status >= 300:
            self.note(f"DELETE {path}: {answer.status}")


def has_reported(answer: Answer) -> bool:
    """Whether all queues in an answer have. What is no answer with queues will not become one."""
    if answer.status != 200:
        return True
    value = answer.value
    if isinstance(value, dict):
        value = value.get("items", [value])
    return all(row.keys() >= REPORTED for row in value if isinstance(row, dict)) if isinstance(value, list) else True


def has(answer: Answer, wanted: Mapping[str, Any]) -> bool:
    """Whether an answer has these keys (`0.message_stats.publish`), with these values; `length` is that of a list."""
    value = answer.value
    if answer.status != 200 or value is None:
        return False
    found = {key: at(value, key.split(".")) for key in wanted}
    return all(found[key] is not MISSING and expected in (..., found[key]) for key, expected in wanted.items())


def at(value: Any, path: Sequence[str]) -> Any:  # noqa: ANN401 - any JSON
    """The value there, or MISSING."""
    for key in path:
        match value:
            case dict():
                value = value.get(key, MISSING)
            case list() if key == "length":
                value = len(value)
            case list() if key.isdigit() and int(key) < len(value):
                value = value[int(key)]
            case _:
                return MISSING
    return value
