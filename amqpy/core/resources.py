"""Limits of memory and free disk space, and the alarms that are set when they are crossed.

The server measures and notes the results here. A resource that is short sets an alarm, which is cleared when there is
enough again. Limits may change at any time; then the last measurements are compared again.

Source: `vm_memory_monitor`, `rabbit_disk_monitor`.
"""

import logging
from typing import Final

from amqpy.core.alarms import Alarms, Resource
from amqpy.sizes import Limit
from amqpy.wire.outbox import HIGH, UnsentLimit

DISK_INTERVAL_MIN_MS: Final = 100
DISK_INTERVAL_MAX_MS: Final = 10_000

DISK_RATE: Final = 250_000
"""The most bytes that may be written to a disk in a millisecond."""

UNSENT_SHARE: Final = 4
"""The bytes that wait for one client may take this fraction (1/4) of the memory that the broker may use."""

UNSENT_MIN: Final = 2 * HIGH

MB: Final = 1_000_000
MIB: Final = 1 << 20


class Resources:
    """The limits and the last measurements. A limit of None is no limit."""

    def __init__(
        self, alarms: Alarms, memory_limit: Limit | None, disk_limit: Limit | None, log: logging.Logger
    ) -> None:
        self.memory_limit = memory_limit
        self.disk_limit = disk_limit
        self.memory_used = self.memory_total = self.disk_free = -1
        """Bytes; -1 if not known (yet)."""
        self.unsent_limit = UnsentLimit()
        """The bytes that may wait for one client: its share, or next to nothing while memory is short."""
        self._alarms = alarms
        self._log = log
        self._short: set[Resource] = set()

    @property
    def memory_allowed(self) -> int | None:
        """Bytes that the broker may use before publishers are blocked; None is no limit."""
        if self.memory_limit is None or self.memory_total < 0:
            return None
        return min(self.memory_limit.of(self.memory_total), self.memory_total)

    @property
    def disk_needed(self) -> int | None:
        """Bytes that must be free; None is no limit."""
        return None if self.disk_limit is None else self.disk_limit.of(max(self.memory_total, 0))

    @property
    def disk_interval_ms(self) -> int:
        """Milliseconds until the next measurement of the disk: the less is free, the fewer."""
        needed, free = self.disk_needed, self.disk_free
        if needed is None or free < needed:
            return DISK_INTERVAL_MAX_MS
        return max(DISK_INTERVAL_MIN_MS, min(DISK_INTERVAL_MAX_MS, 2 * (free - needed) // DISK_RATE))

    def limit_memory(self, limit: Limit | None) -> None:
        self.memory_limit = limit
        self._tell_memory_limit()
        self._judge_memory()

    def limit_disk(self, limit: Limit | None) -> None:
        self.disk_limit = limit
        self._tell_disk_limit()
        self._judge_disk()

    def note_memory(self, used: int, total: int) -> None:
        """Notes the bytes that the broker uses and the bytes there are; sets or clears the alarm."""
        is_news = total != self.memory_total
        self.memory_used, self.memory_total = used, total
        if is_news:
            self._tell_memory_limit()
        self._judge_memory()

    def note_disk(self, free: int) -> None:
        """Notes the free bytes of the disk with the data directory; sets or clears the alarm."""
        is_first = self.disk_free < 0
        self.disk_free = free
        if is_first:
            self._tell_disk_limit()
        self._judge_disk()

    def _judge_memory(self) -> None:
        used, allowed = self.memory_used, self.memory_allowed
        is_short = allowed is not None and used > allowed
        state = "set" if is_short else "clear"
        if self.memory_total >= 0:
            limit = self.unsent_limit
            limit.share = max(UNSENT_MIN, (self.memory_total if allowed is None else allowed) // UNSENT_SHARE)
            limit.size = UNSENT_MIN if is_short else limit.share
        self._judge("memory", is_short, f"vm_memory_high_watermark {state}. Memory used:{used} allowed:{allowed}")

    def _judge_disk(self) -> None:
        free, needed = self.disk_free, self.disk_needed
        is_short = needed is not None and 0 <= free < needed
        state = "insufficient" if is_short else "sufficient"
        self._judge("disk", is_short, f"Free disk space is {state}. Free bytes: {free}. Limit: {needed}")

    def _judge(self, resource: Resource, is_short: bool, finding: str) -> None:
        if is_short == (resource in self._short):
            return
        self._log.info("%s", finding)
        if is_short:
            self._short.add(resource)
            self._alarms.set(resource)
        else:
            self._short.remove(resource)
            self._alarms.clear(resource)

    def _tell_memory_limit(self) -> None:
        allowed, total = self.memory_allowed, self.memory_total
        if allowed is not None:
            self._log.info(
                "Memory high watermark set to %d MiB (%d bytes) of %d MiB (%d bytes) total",
                allowed // MIB,
                allowed,
                total // MIB,
                total,
            )

    def _tell_disk_limit(self) -> None:
        if self.disk_needed is not None and self.disk_free >= 0:
            self._log.info("Disk free limit set to %dMB", self.disk_needed // MB)
