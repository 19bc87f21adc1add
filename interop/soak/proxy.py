"""A proxy that cuts connections: at frame boundaries and inside frames, with a reset or an end, or into silence.

What cuts which connection, and when, is drawn from a seed; the moment is a time, so when the kernel lets whom run
matters, too. It also notes with which words the broker closes connections and channels, which client libraries tell in
many ways.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

import trio

from interop.kit import proxy
from interop.kit.address import Address
from interop.soak.cutting import Close, Place, Tracker, cut

PATIENCE_S = 2.0
"""How long a connection to be cut may do without the place that was drawn."""


class Way(Enum):
    RESET = "reset"
    END = "ended"
    SILENCE = "silenced"


@dataclass
class Doom:
    """How a connection will be cut."""

    after_s: float
    place: Place
    way: Way
    by_client: bool
    """In which direction the place is looked for."""


def dooms(seed: str, mean_life_s: float) -> Iterator[Doom]:
    draw = random.Random(seed)
    while True:
        yield Doom(
            draw.expovariate(1 / mean_life_s),
            draw.choice(list(Place)),
            draw.choice([Way.RESET, Way.RESET, Way.RESET, Way.END, Way.SILENCE]),
            draw.random() < 0.5,
        )


class Pair(proxy.Pair):
    def __init__(self, client: trio.SocketStream, broker: trio.SocketStream, owner: "Proxy", doom: Doom) -> None:
        super().__init__(client, broker)
        self._owner = owner
        self._doom = doom
        self._trackers = {by_client: Tracker(is_client=by_client) for by_client in (True, False)}
        self._is_due = False
        self.is_silent = False

    async def attend(self) -> None:
        await trio.sleep(self._doom.after_s)
        self._is_due = True
        await trio.sleep(PATIENCE_S)
        if not self._owner.is_calm and not self.is_silent:
            self._owner.count(Way.RESET, "anywhere")
            self.reset()

    async def to_broker(self, data: bytes) -> None:
        await self._pass_on(data, by_client=True)

    async def to_client(self, data: bytes) -> None:
        await self._pass_on(data, by_client=False)

    async def _pass_on(self, data: bytes, *, by_client: bool) -> None:
        boundaries, closes = self._trackers[by_client].feed(data)
        if not by_client:
            for close in closes:
                self._owner.on_close(close)
        if self.is_silent:
            return
        target = self.broker if by_client else self.client
        if self._is_due and not self._owner.is_calm and by_client == self._doom.by_client:
            size = cut(len(data), boundaries, self._doom.place)
            if size is not None:
                await target.send_all(data[:size])
                self._meet_doom()
                return
        await target.send_all(data)

    def _meet_doom(self) -> None:
        self._owner.count(self._doom.way, self._doom.place.value)
        match self._doom.way:
            case Way.RESET:
                self.reset()
            case Way.END:
                self.scope.cancel()
            case Way.SILENCE:
                self.is_silent = True

    async def broker_ended(self) -> None:
        await super().broker_ended()
        self.scope.cancel()

    def broken(self) -> None:
        self.reset()


class Proxy(proxy.Proxy[Pair]):
    def __init__(self, broker: Address, dooms: Iterator[Doom], on_close: Callable[[Close], None]) -> None:
        super().__init__(broker, lambda client, to_broker: Pair(client, to_broker, self, next(dooms)))
        self.cuts: Counter[str] = Counter()
        self.is_calm = False
        """No more cuts."""
        self.on_close = on_close

    def connections(self) -> int:
        return len(self.pairs)

    def calm(self) -> None:
        """Cut nothing from now on, and end what had fallen silent."""
        self.is_calm = True
        self.token.run_sync_soon(self._end_silent)

    def stir(self) -> None:
        self.is_calm = False

    # In the proxy's own thread

    def _end_silent(self) -> None:
        for pair in list(self.pairs):
            if pair.is_silent:
                pair.reset()

    def count(self, way: Way, where: str) -> None:
        self.cuts[f"{way.value} {where}"] += 1
