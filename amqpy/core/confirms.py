"""What we owe a publisher: an ack or a nack for each message, once confirm.select was said.

Messages are numbered from 1 on each channel. What is done is gathered during a turn and told at its end, as few
frames as say the same: one `multiple` ack for a run that nothing older is missing from.

Source: RabbitMQ's confirm extension; `rabbit_channel:send_confirms_and_nacks`.
"""

from typing import NamedTuple


class Confirm(NamedTuple):
    tag: int
    multiple: bool
    nack: bool


class Confirms:
    """The publisher confirms of one channel."""

    __slots__ = ("_nacked", "_told", "last_tag")

    def __init__(self) -> None:
        self.last_tag = 0
        """The number of the last message published."""
        self._told = 0
        self._nacked: list[int] = []

    @property
    def pending(self) -> bool:
        return self._told < self.last_tag

    def nack(self, tag: int) -> None:
        """This message was not taken: the next `take` says so."""
        self._nacked.append(tag)

    def take(self) -> list[Confirm]:
        """What to tell the publisher now, in order; afterwards everything so far is told."""
        if not self._nacked:
            first, self._told = self._told, self.last_tag
            return [Confirm(self.last_tag, self.last_tag - first > 1, False)] if self.last_tag > first else []
        told: list[Confirm] = []
        for tag in [*self._nacked, self.last_tag + 1]:
            run = tag - 1 - self._told
            if run:
                told.append(Confirm(tag - 1, multiple=run > 1, nack=False))
            if tag <= self.last_tag:
                told.append(Confirm(tag, multiple=False, nack=True))
            self._told = tag
        self._told = self.last_tag
        self._nacked.clear()
        return told
