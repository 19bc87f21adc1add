"""A stream of server-sent events: what waits in its parts is sent as fast as the client reads.

Nothing but the piece that is under way is made in advance. So a client that reads slowly gets the newest answers, and
fewer of the messages that pass. However many streams there are that have something to send, one of them begins to in a
round of the event loop: what else is to be done does not wait for all of them.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import trio

from amqpy.management.live.budget import Budget, timed
from amqpy.management.live.viewer import Viewer

if TYPE_CHECKING:
    from amqpy.management.live.part import Part
    from amqpy.management.responses import Receive, Write

PIECE: Final = 64 * 1024
EVENTS_MAX: Final = 50
"""Octets, and events, after which no more are added to a piece: they are made in one go."""
PAUSE_S: Final = 0.05
"""Seconds between two pieces, at least."""
QUIET_S: Final = 15
"""Seconds of silence after which a comment is sent, so that whatever is between does not end the connection."""
COMMENT: Final = b":\n\n"


class LiveStream:
    """The stream to one client. `on_close` is called at its end."""

    def __init__(
        self, viewer: Viewer, budget: Budget, one_at_a_time: trio.Lock, on_close: Callable[[], object]
    ) -> None:
        self.parts: Sequence[Part] = ()
        self._viewer = viewer
        self._budget = budget
        self._one_at_a_time = one_at_a_time
        self._on_close = on_close
        self._next = 0
        """The index of the part whose turn it is."""
        self._woken = trio.Event()

    def wake(self) -> None:
        """There is something to send."""
        self._woken.set()

    async def run(self, write: "Write", receive: "Receive") -> None:
        """Sends until the client is gone, or nobody can log in any more."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._viewer.keep_up)
            nursery.start_soon(_until_gone, receive, nursery.cancel_scope)
            with suppress(OSError):
                await self._send(write)
            nursery.cancel_scope.cancel()

    def close(self) -> None:
        for part in self.parts:
            part.close()
        self.parts = ()
        self._on_close()

    async def _send(self, write: "Write") -> None:
        sent_at = -math.inf
        while True:
            self._woken = trio.Event()
            async with self._one_at_a_time:
                await trio.lowlevel.checkpoint()
            has_sent, spent_s = await timed(self._send_piece(write))
            if has_sent:
                now = trio.current_time()
                await trio.sleep(self._budget.wait_s(PAUSE_S, spent_s, now, every_s=now - sent_at))
                sent_at = now
            elif self._viewer.refusal is not None:
                return
            else:
                with trio.move_on_after(QUIET_S) as quiet:
                    await self._woken.wait()
                if quiet.cancelled_caught:
                    await write(COMMENT)

    async def _send_piece(self, write: "Write") -> bool:
        """Sends some of what waits. False if nothing does."""
        if piece := self._piece():
            await write(piece)
        return bool(piece)

    def _piece(self) -> bytes:
        """Events, of each part in its turn."""
        events: list[bytes] = []
        size = empty = 0
        while size < PIECE and len(events) < EVENTS_MAX and empty < len(self.parts):
            taken = self.parts[self._next].take()
            self._next = (self._next + 1) % len(self.parts)
            if taken is None:
                empty += 1
            else:
                empty = 0
                events.append(taken)
                size += len(taken)
        return b"".join(events)


async def _until_gone(receive: "Receive", scope: trio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
