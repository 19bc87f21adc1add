"""A real broker inside a test, with time, faults and knowledge: docs/testing-your-app.md.

    with TestBroker() as broker:
        app = App(broker.url)
        ...
        broker.assert_published(exchange="orders", json={"id": 7})

What is named here is imported when it is first asked for: the pytest plugin costs next to nothing where it is not used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from amqpy.testing.broker import TestBroker as TestBroker
    from amqpy.testing.errors import BrokerBug as BrokerBug
    from amqpy.testing.errors import FaultNotFired as FaultNotFired
    from amqpy.testing.errors import LeakWarning as LeakWarning
    from amqpy.testing.errors import NotSettled as NotSettled
    from amqpy.testing.events import Event as Event
    from amqpy.testing.fixtures import broker_fixture as broker_fixture
    from amqpy.testing.fixtures import session_broker as session_broker
    from amqpy.testing.snapshots import Snapshot as Snapshot

_HOMES = {
    "BrokerBug": "errors",
    "Event": "events",
    "FaultNotFired": "errors",
    "LeakWarning": "errors",
    "NotSettled": "errors",
    "Snapshot": "snapshots",
    "TestBroker": "broker",
    "broker_fixture": "fixtures",
    "session_broker": "fixtures",
}
"""The modules that have them."""

__all__ = [*_HOMES]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"amqpy.testing.{_HOMES[name]}"), name)
