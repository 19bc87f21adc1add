"""The test brokers of a control server, by the ids that its clients know, and the call of a request to one of them."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

from amqpy.errors import AdministrationError, AmqpFault
from amqpy.management.answers import Refusal, bad_request
from amqpy.management.json_reader import read_json
from amqpy.management.request import Request
from amqpy.testing.broker import TestBroker
from amqpy.testing.control_values import Options
from amqpy.testing.errors import BrokerBug
from amqpy.testing.faults import Fault

MAIN: Final = "main"
"""The id of the broker that is there from the start."""

BROKERS_MAX: Final = 256
"""Brokers at a time."""


class Entry:
    """A broker, and its faults by their ids."""

    def __init__(self, broker: TestBroker) -> None:
        self.broker = broker
        self._faults: dict[str, Fault] = {}
        self._ids = count(1)

    def add_fault(self, fault: Fault) -> str:
        name = str(next(self._ids))
        self._faults[name] = fault
        return name

    def fault(self, name: str) -> Fault:
        """Raises Refusal."""
        if (fault := self._faults.get(name)) is None:
            raise not_found(f"no fault {name!r}")
        return fault

    def forget_fault(self, name: str) -> Fault:
        """Raises Refusal."""
        fault = self.fault(name)
        self._faults.pop(name, None)
        return fault

    def forget_faults(self) -> None:
        self._faults.clear()


class Brokers:
    """The brokers. Any thread may call anything."""

    def __init__(self, defaults: Mapping[str, Any]) -> None:
        """`defaults` are settings of brokers that are given no other."""
        self._defaults = defaults
        self._entries: dict[str, Entry] = {}
        self._ids = count(1)

    def start(self, settings: Mapping[str, Any], name: str | None = None) -> tuple[str, TestBroker]:
        """Starts a broker; returns its id, too. Raises Refusal for a setting that is wrong, OSError with a line for the
        user for a port that is taken."""
        if len(self._entries) >= BROKERS_MAX:
            raise conflict(f"there are {BROKERS_MAX} brokers, and that is the most: delete some")
        with wrong(TypeError, ValueError, AdministrationError, AmqpFault):
            broker = TestBroker(**{**self._defaults, **settings})
            try:
                broker.start()
            except OSError as error:
                place = f"{broker.host}:{broker.port}"
                reason = os.strerror(error.errno) if error.errno else str(error)
                raise OSError(f"cannot listen on {place}: {reason}") from error
            except Exception:
                broker.stop()
                raise
        name = name or str(next(self._ids))
        self._entries[name] = Entry(broker)
        return name, broker

    def __getitem__(self, name: str) -> Entry:
        """Raises Refusal."""
        if (entry := self._entries.get(name)) is None:
            raise not_found(f"no broker {name!r}")
        return entry

    def end(self, name: str) -> None:
        """Stops a broker. Raises Refusal, and afterwards BrokerBug or FaultNotFired for what was wrong with it."""
        entry = self[name]
        self._entries.pop(name, None)
        entry.broker.finish()

    def end_all(self) -> list[BrokerBug]:
        """Stops all of them; returns the internal errors that they met."""
        bugs = []
        while self._entries:
            _, entry = self._entries.popitem()
            try:
                entry.broker.stop()
            except BrokerBug as bug:
                bugs.append(bug)
        return bugs


@dataclass
class Call:
    """A request, as a handler gets it."""

    brokers: Brokers
    request: Request
    names: Mapping[str, str]
    """The variables in its path."""

    @property
    def entry(self) -> Entry:
        """Raises Refusal if there is no such broker."""
        return self.brokers[self.names["broker"]]

    @property
    def broker(self) -> TestBroker:
        """Raises Refusal if there is no such broker."""
        return self.entry.broker

    def body(self) -> dict[str, Any]:
        """The object in its body; an empty one if there is no body. Raises Refusal."""
        if not self.request.body.strip():
            return {}
        try:
            value = read_json(self.request.body)
        except ValueError:
            raise bad_request("the body is no JSON") from None
        if not isinstance(value, dict):
            raise bad_request("the body must be a JSON object")
        return value

    def given(self) -> Options:
        """The options in its body. Raises Refusal."""
        return Options(self.body())

    def asked(self) -> Options:
        """The parameters in its address."""
        return Options(self.request.query)


def not_found(reason: str) -> Refusal:
    return Refusal(404, "not_found", reason)


def conflict(reason: str, error: str = "conflict") -> Refusal:
    return Refusal(409, error, reason)


@contextmanager
def wrong(*kinds: type[Exception]) -> Iterator[None]:
    """Makes errors of these kinds refusals of the request."""
    try:
        yield
    except kinds as error:
        raise bad_request(error.text if isinstance(error, AdministrationError | AmqpFault) else str(error)) from None
