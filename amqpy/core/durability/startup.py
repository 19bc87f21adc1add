"""The start of a broker on a store: a new one, or one restored from its records.

The one place where broker, journal and store are put together, for the application, for tests and for programs that
embed a broker.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from amqpy.config import Config
from amqpy.core.broker import Broker
from amqpy.core.durability import recovery
from amqpy.core.durability.journal import Journal, Source
from amqpy.core.durability.records import Loaded
from amqpy.core.message import Message


class StartSource(Source, Protocol):
    """The part of a store that a starting broker needs."""

    def load(self) -> Loaded:
        """Loads everything but messages: once, before anything is appended. Transient messages, and those of lanes
        without a record, are gone."""

    def read_lane(self, number: int, *, unix_offset_ms: int) -> Iterable[tuple[int, Message, int | None]]:
        """Yields all messages of a lane with positions, and due times or None."""


def open_broker(
    config: Config,
    source: StartSource,
    new_name: Callable[[], str],
    choose: Callable[[int], int],
    unix_time_ms: Callable[[], int],
    *,
    log: logging.Logger,
    now_ms: int,
    unix_offset_ms: Callable[[], int],
    make: Callable[..., Broker] = Broker,
) -> tuple[Broker, Loaded]:
    """Opens a broker with everything in the store; returns it with the loaded records, for `Users`. `unix_offset_ms` is
    the difference between Unix time and the broker's own; `make` makes the broker. Raises what the
    store raises."""
    loaded = source.load()
    journal = Journal(source, unix_offset_ms, is_awaited=config.sync != "none")
    broker = make(
        config, new_name, choose, unix_time_ms, log=log, journal=journal, recorded=loaded.records, now_ms=now_ms
    )

    def read_lane(number: int) -> Iterator[tuple[int, Message, int]]:
        entries = source.read_lane(number, unix_offset_ms=unix_offset_ms())
        return ((position, message, due_at_ms or 0) for position, message, due_at_ms in entries)

    recovery.restore_messages(broker.vhosts, journal, loaded, read_lane)
    return broker, loaded
