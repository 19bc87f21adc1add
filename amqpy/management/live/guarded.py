"""Parts of a live page that need a right: it is judged anew again and again, and what it permits ends with it.

The client is told by events of the name `state`, first of all, and whenever there is another one: 200 if the part is
open, or else the status and the body of the refusal.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

import trio

from amqpy.management.answers import Answer, Refusal
from amqpy.management.live.budget import Budget, timed
from amqpy.management.live.part import Part, body_of, event, outcome
from amqpy.management.live.viewer import Item, Viewer
from amqpy.management.turns import Turns

if TYPE_CHECKING:
    from amqpy.core.principals import Principal
    from amqpy.management.call import Call

CHECK_S: Final = 1.0
"""Seconds from one look at the rights to the next."""

OPEN: Final = Answer(200)


class Guards(NamedTuple):
    """The means to judge rights."""

    call_of: "Callable[[Principal], Call]"
    turns: Turns
    budget: Budget
    blame: Callable[[Exception], object]


class Guarded(Item, Part):
    """A part that is open as long as its user may see it."""

    def __init__(self, key: bytes, viewer: Viewer, guards: Guards, wake: Callable[[], object]) -> None:
        """The key names the part, in JSON."""
        self._key = key
        self._viewer = viewer
        self._guards = guards
        self._wake = wake
        self._is_closed = False
        self._state: Answer | None = None
        self._is_told = True
        viewer.add(self)

    async def renew(self, user: "Principal") -> None:
        begun_at = trio.current_time()
        try:
            state, spent_s = await timed(self._judged(user))
        except Exception as error:
            self._guards.blame(error)
            self.due_at = math.inf
            self._note(Answer(500))
            return
        self.due_at = begun_at + self._guards.budget.wait_s(CHECK_S, spent_s, trio.current_time())
        self._note(state)

    def end(self, refusal: Answer) -> None:
        self._note(refusal)

    def take(self) -> bytes | None:
        if not self._is_told and self._state is not None:
            self._is_told = True
            return event(b"state", b"{%b,%b" % (self._key, outcome(self._state.status, body_of(self._state))))
        return self._take()

    def close(self) -> None:
        self._is_closed = True
        self._viewer.discard(self)
        self._shut()

    async def _judged(self, user: "Principal") -> Answer:
        try:
            await self._guards.turns.decide(partial(self._open_again, self._guards.call_of(user)), user.name)
        except Refusal as refusal:
            return refusal.answer
        return OPEN

    def _open_again(self, call: "Call") -> None:
        if not self._is_closed:  # while this was waiting for its turn
            self._open(call)

    def _note(self, state: Answer) -> None:
        if state is not OPEN:
            self._shut()
        if state != self._state:
            self._state, self._is_told = state, False
            self._wake()

    def _told_skipped(self, count: int) -> bytes:
        return event(b"skipped", b'{%b,"count":%d}' % (self._key, count))

    def _open(self, call: "Call") -> None:
        """Opens it, if it is not open, in a turn. Raises what refuses that."""
        raise NotImplementedError

    def _shut(self) -> None:
        """Shuts it, if it is open, and drops what waits."""
        raise NotImplementedError

    def _take(self) -> bytes | None:
        """The next event that waits to be sent, if one does."""
        raise NotImplementedError
