"""A viewer: a user who looks on from one place, through any number of streams.

Whatever it looks at is made anew in rounds, and at the beginning of each it logs in again, so that nobody sees more
than it may now. One of its streams sees to the rounds; when that ends, the next one does.
"""

import math
from collections.abc import Awaitable, Callable, Hashable
from typing import TYPE_CHECKING, Final

import trio

from amqpy.management.answers import Answer, Refusal
from amqpy.management.request import Request

if TYPE_CHECKING:
    from amqpy.core.principals import Principal

PAUSE_S: Final = 0.1
"""Seconds between two rounds, at least: what is due in them shares a login."""


class Item:
    """Something that is made, or judged, anew as long as somebody looks at it."""

    due_at = -math.inf
    """The time of the event loop at which it is to be renewed."""

    async def renew(self, user: "Principal") -> None:
        """Makes it anew for a user who has just logged in, and sets the time for the next. It raises nothing."""
        raise NotImplementedError

    def end(self, refusal: Answer) -> None:
        """Tells why it is not renewed any more: nobody could log in."""
        raise NotImplementedError


class Viewer:
    """The items that one user looks at."""

    def __init__(
        self,
        request: Request,
        log_in: "Callable[[Request], Awaitable[Principal]]",
        blame: Callable[[Exception], object],
    ) -> None:
        """The request has the credentials, and the address that it comes from."""
        self.request = request
        self.stream_count = 0
        self.shared: dict[Hashable, Item] = {}
        """Those that several streams look at, by what they are."""
        self.refusal: Answer | None = None
        """The reason why it is over; None as long as it is not."""
        self._log_in = log_in
        self._blame = blame
        self._items: dict[Item, None] = {}
        self._changed = trio.Event()
        self._leading = trio.Lock()
        self._next_round_at = -math.inf

    def add(self, item: Item) -> None:
        self._items[item] = None
        self._changed.set()

    def discard(self, item: Item) -> None:
        self._items.pop(item, None)

    async def keep_up(self) -> None:
        """Renews what is due, until it is over. To be called for each stream: one at a time does it."""
        async with self._leading:
            while self.refusal is None:
                await self._until_due()
                await self._round()

    async def _until_due(self) -> None:
        while True:
            self._changed = trio.Event()
            due_at = min((item.due_at for item in self._items), default=math.inf)
            with trio.move_on_at(max(due_at, self._next_round_at)):
                await self._changed.wait()
                continue
            return

    async def _round(self) -> None:
        now = trio.current_time()
        self._next_round_at = now + PAUSE_S
        due = [item for item in self._items if item.due_at <= now]
        try:
            user = await self._log_in(self.request)
        except Refusal as refusal:
            self._end(refusal.answer)
            return
        except Exception as error:
            self._blame(error)
            self._end(Answer(500))
            return
        for item in due:
            if item in self._items:
                await item.renew(user)

    def _end(self, refusal: Answer) -> None:
        self.refusal = refusal
        for item in self._items:
            item.end(refusal)
