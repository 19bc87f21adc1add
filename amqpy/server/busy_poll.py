"""Not falling asleep in the middle of a conversation.

A process that waits lets its processor sleep, and to wake one takes longer than to serve a message: 40 to 100 µs on a
virtual machine, twice in every round trip. When peers answer within moments of each other, as a publisher that waits
for each confirm does, the event loop therefore stays awake for a few more rounds (it looks for input without waiting)
before it goes to sleep. When they do not, it sleeps at once, and an idle broker costs nothing. A consumer's ack soon
after its delivery counts as an answer too, so a slow stream of acknowledged messages is paid for with processor time.
The same idea as the kernel's halt polling.

Each round is a checkpoint of Trio's and a look at all sockets, so every connection gets its turn. A round through the
event loop takes longer than to ask one socket, though, so where a single peer has been speaking for a while, its
connection asks for that peer's next words itself (`is_single_peer`), for a few turns in a row.
"""

import os
from collections.abc import Callable

import trio

GAP_MAX_S = 200e-6
"""Two turns less than this apart are a conversation."""

ROUNDS = 12
"""Polls before sleeping: about 12 µs each, together somewhat less than GAP_MAX_S."""

SINGLE_PEER_TURNS = 8
"""Turns of one peer after which nobody else is expected to speak. Fewer would hold up others who take turns with it."""


class BusyPoll:
    """Decides for one event loop. `note` is called when a turn of a speaker, any object, is over."""

    def __init__(self) -> None:
        # With one processor, staying awake would hold up those whose answer we are waiting for.
        self._is_worth_it = (os.cpu_count() or 1) > 1
        self._last_turn_at = float("-inf")
        self._speaker: object = None
        self._turns = 0
        self._in_a_row = 0
        self._lively = trio.Event()
        self._awake = trio.lowlevel.ParkingLot()

    def note(self, speaker: object) -> None:
        now = trio.current_time()
        is_lively = self._is_worth_it and now - self._last_turn_at < GAP_MAX_S
        self._last_turn_at = now
        self._turns += 1
        self._in_a_row = self._in_a_row + 1 if is_lively and speaker is self._speaker else 0
        self._speaker = speaker
        if is_lively:
            self._lively.set()

    def is_single_peer(self, speaker: object) -> bool:
        """True if only this peer has been sending, without long pauses."""
        return self._in_a_row >= SINGLE_PEER_TURNS and speaker is self._speaker

    def forget(self, speaker: object) -> None:
        """It will not speak again."""
        if speaker is self._speaker:
            self._speaker = None

    async def run(self, look: Callable[[], object] | None = None) -> None:
        """Stays awake when it is worth it, until cancelled, and looks each time around."""
        while True:
            await self._lively.wait()
            rounds = 0
            while rounds < ROUNDS:
                turns = self._turns
                await trio.lowlevel.checkpoint()
                if look is not None:
                    look()
                rounds = rounds + 1 if turns == self._turns else 0
            self._lively = trio.Event()
            self._awake.unpark_all()

    async def until_asleep(self) -> None:
        """Waits while it stays awake; no checkpoint if it does not."""
        if self._lively.is_set():
            await self._awake.park()
