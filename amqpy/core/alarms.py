"""Resource alarms: memory or disk is short, so publishers are blocked.

An alarm is set as long as any source reports it: the disk alarm, for example, while too little space is free, or
while the store could not write. Every client is notified of a change; `amqp.connection_block` does the rest.

Source: `rabbit_alarm`, `rabbit_reader:blocked_by_message`.
"""

import logging
from collections.abc import Callable, Iterable
from typing import Final, Literal, TypeAlias

from amqpy.core.events.event_properties import of_alarm
from amqpy.core.events.events import Events
from amqpy.core.ports import Client
from amqpy.errors import erlang_atom

Resource: TypeAlias = Literal["memory", "disk"]

MONITOR: Final = "monitor"
"""The source that reports measurements."""


class Alarms:
    """The alarms of a broker; true while one is set."""

    def __init__(self, node: str, events: Events, clients: Callable[[], Iterable[Client]], log: logging.Logger) -> None:
        self._node = node
        self._events = events
        self._clients = clients
        self._log = log
        self._sources: dict[Resource, set[str]] = {}
        """The sources that report each resource as short; resources without any are left out."""

    def __bool__(self) -> bool:
        return bool(self._sources)

    @property
    def resources(self) -> list[Resource]:
        """The resources that are short, in RabbitMQ's order."""
        return sorted(self._sources)

    @property
    def reason(self) -> str:
        """The reason in connection.blocked."""
        return f"low on {' & '.join(self.resources)}"

    def set(self, resource: Resource, source: str = MONITOR) -> None:
        """Reports a resource as short. Repeating it changes nothing."""
        if resource in self._sources:
            self._sources[resource].add(source)
            return
        self._sources[resource] = {source}
        self._events.tell("alarm.set", of_alarm, resource, self._node)
        words = "%s resource limit alarm set on node %s. Publishers will be blocked until this alarm clears"
        self._log.warning(words, resource, erlang_atom(self._node))
        self._tell_clients()

    def clear(self, resource: Resource, source: str = MONITOR) -> None:
        """Withdraws a source's report. The alarm is cleared when no source reports the resource as short."""
        sources = self._sources.get(resource)
        if sources is None:
            return
        sources.discard(source)
        if sources:
            return
        del self._sources[resource]
        self._events.tell("alarm.cleared", of_alarm, resource, self._node)
        self._log.warning("%s resource limit alarm cleared on node %s", resource, erlang_atom(self._node))
        self._tell_clients()

    def _tell_clients(self) -> None:
        for client in list(self._clients()):
            client.on_alarm()
