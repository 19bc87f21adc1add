"""A TCP proxy that cuts connections: at frame boundaries and inside frames, with a reset or an end, or into silence.

It runs in a thread with an event loop of its own. What cuts which connection, and when, is drawn from a seed; the
moment is a time, so when the kernel lets whom run matters, too. It also notes with which words the broker closes
connections and channels, which client libraries tell in many ways.
"""

import contextlib
import random
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum

import trio

from interop.bench.peer import Address
from interop.soak.cutting import Close, Place, Tracker, cut

HOST = "127.0.0.1"
RECEIVE_BYTES = 1 << 16
PATIENCE_S = 2.0
"""How long a connection to be cut may do without the place that was drawn."""
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
START_TIMEOUT_S = 10.0


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


@dataclass(eq=False)
class Pair:
    """A client's connection, and ours to the broker."""

    client: trio.SocketStream
    broker: trio.SocketStream
    doom: Doom
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    is_due: bool = False
    is_silent: bool = False

    def reset(self) -> None:
        for stream in (self.client, self.broker):
            with contextlib.suppress(OSError):
                stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, RESET_ON_CLOSE)
        self.scope.cancel()


class Proxy:
    """Listens on a port of its own, and passes everything on to the broker's."""

    def __init__(self, broker: Address, dooms: Iterator[Doom], on_close: Callable[[Close], None]) -> None:
        self.broker = broker
        self.address = broker
        """Where it listens itself, and how to log in."""
        self.cuts: Counter[str] = Counter()
        self.is_calm = False
        """No more cuts."""
        self._dooms = dooms
        self._on_close = on_close
        self._pairs: set[Pair] = set()
        self._token: trio.lowlevel.TrioToken
        self._serving = trio.CancelScope()
        self._started = threading.Event()
        self._thread = threading.Thread(target=trio.run, args=(self._serve,), name="proxy", daemon=True)

    def __enter__(self) -> "Proxy":
        self._thread.start()
        if not self._started.wait(START_TIMEOUT_S):
            raise RuntimeError("the proxy does not start")
        return self

    def __exit__(self, *exception: object) -> None:
        self._token.run_sync_soon(self._serving.cancel)
        self._thread.join(START_TIMEOUT_S)

    def connections(self) -> int:
        return len(self._pairs)

    def calm(self) -> None:
        """Cut nothing from now on, and end what had fallen silent."""
        self.is_calm = True
        self._token.run_sync_soon(self._end_silent)

    def stir(self) -> None:
        self.is_calm = False

    # In the proxy's own thread

    def _end_silent(self) -> None:
        for pair in list(self._pairs):
            if pair.is_silent:
                pair.reset()

    async def _serve(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        with self._serving:
            async with trio.open_nursery() as nursery:
                listeners = await nursery.start(self._listen)
                self.address = replace(self.broker, host=HOST, port=listeners[0].socket.getsockname()[1])
                self._started.set()

    async def _listen(self, task_status: trio.TaskStatus[list[trio.SocketListener]]) -> None:
        await trio.serve_tcp(self._pass_on, 0, host=HOST, task_status=task_status)

    async def _pass_on(self, client: trio.SocketStream) -> None:
        doom = next(self._dooms)
        try:
            broker = await trio.open_tcp_stream(self.broker.host, self.broker.port)
        except OSError:
            return
        async with broker:
            pair = Pair(client, broker, doom)
            self._pairs.add(pair)
            with pair.scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._watch, pair)
                    nursery.start_soon(self._pump, pair, True)
                    nursery.start_soon(self._pump, pair, False)
            self._pairs.discard(pair)

    async def _watch(self, pair: Pair) -> None:
        await trio.sleep(pair.doom.after_s)
        pair.is_due = True
        await trio.sleep(PATIENCE_S)
        if not self.is_calm and not pair.is_silent:
            self._count(pair, "anywhere")
            pair.reset()

    async def _pump(self, pair: Pair, by_client: bool) -> None:
        source, target = (pair.client, pair.broker) if by_client else (pair.broker, pair.client)
        tracker = Tracker(is_client=by_client)
        try:
            while data := bytes(await source.receive_some(RECEIVE_BYTES)):
                boundaries, closes = tracker.feed(data)
                if not by_client:
                    for close in closes:
                        self._on_close(close)
                if pair.is_silent:
                    continue
                if pair.is_due and not self.is_calm and by_client == pair.doom.by_client:
                    size = cut(len(data), boundaries, pair.doom.place)
                    if size is not None:
                        await target.send_all(data[:size])
                        self._cut(pair)
                        continue
                await target.send_all(data)
            await target.send_eof()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pair.reset()
            return
        if not by_client:
            pair.scope.cancel()

    def _cut(self, pair: Pair) -> None:
        self._count(pair, pair.doom.place.value)
        match pair.doom.way:
            case Way.RESET:
                pair.reset()
            case Way.END:
                pair.scope.cancel()
            case Way.SILENCE:
                pair.is_silent = True

    def _count(self, pair: Pair, where: str) -> None:
        way = Way.RESET if where == "anywhere" else pair.doom.way
        self.cuts[f"{way.value} {where}"] += 1
