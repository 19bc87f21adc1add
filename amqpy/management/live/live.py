"""All live pages of an application: their limits, and what they share."""

from collections import Counter
from collections.abc import Awaitable, Callable, Hashable
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

import trio

from amqpy.management.answers import Answer, Refusal
from amqpy.management.call import Api, Call
from amqpy.management.live.answers import AnswerPart, Kept, LiveAnswer
from amqpy.management.live.budget import Budget
from amqpy.management.live.events import EventsPart, Hub
from amqpy.management.live.guarded import Guards
from amqpy.management.live.part import Part
from amqpy.management.live.stream import LiveStream
from amqpy.management.live.subscription import Get, Subscription
from amqpy.management.live.taps import TapPart
from amqpy.management.live.viewer import Viewer
from amqpy.management.request import Request
from amqpy.management.responses import Feed, Stream
from amqpy.management.turns import Turns, WebClient

if TYPE_CHECKING:
    from amqpy.core.principals import Principal

STREAMS_MAX: Final = 200
TAPS_MAX: Final = 20
"""Streams and taps at a time. One user may have half of them."""

EVENT_STREAM: Final = "text/event-stream"
HEADERS: Final = {"x-accel-buffering": "no"}
"""Asks nginx to pass pieces on when they come."""

OF_VIEWERS: Final = ("authorization", "x-vhost")
"""The headers that answers depend on."""

Ask: TypeAlias = "Callable[[Request, Principal], Awaitable[Answer | Stream]]"
"""The answer to a GET by a user who has logged in. Raises Refusal."""


class Live:
    """The live pages of an application."""

    def __init__(
        self, api: Api, turns: Turns, log_in: "Callable[[Request], Awaitable[Principal]]", ask: Ask, prefix: str
    ) -> None:
        """The prefix is that of the API's paths."""
        self._api = api
        self._turns = turns
        self._log_in = log_in
        self._ask = ask
        self._prefix = prefix
        self._viewers: dict[Hashable, Viewer] = {}
        self._streams: Counter[str] = Counter()
        self._taps: Counter[str] = Counter()
        """Their numbers by the names of users."""
        self._budget = Budget()
        self._kept = Kept()
        self._one_at_a_time = trio.Lock()
        self._hub = Hub(api.broker.events, api.unix_time_ms)

    def open(self, call: Call, wanted: Subscription) -> Feed:
        """A stream that shows what is wanted. Raises Refusal if there are too many."""
        name, request = call.user.name, call.request
        self._check_room(name, len(wanted.taps))
        headers = tuple(request.headers.get(each) for each in OF_VIEWERS)
        key = headers, request.peer_host, request.from_loopback
        viewer = self._viewers.get(key)
        if viewer is None or viewer.refusal is not None:
            viewer = self._viewers[key] = Viewer(request, self._log_in, self._turns.blame)
        viewer.stream_count += 1
        self._streams[name] += 1
        self._taps[name] += len(wanted.taps)
        on_close = partial(self._on_close, key, viewer, name, len(wanted.taps))
        stream = LiveStream(viewer, self._budget, self._one_at_a_time, on_close)
        stream.parts = self._parts(wanted, viewer, stream.wake)
        return Feed(stream, EVENT_STREAM, HEADERS)

    def _check_room(self, name: str, taps: int) -> None:
        for what, counts, more, most in (
            ("live streams", self._streams, 1, STREAMS_MAX),
            ("taps", self._taps, taps, TAPS_MAX),
        ):
            if more and counts.total() + more > most:
                raise Refusal(503, "too_many", f"there may be {most} {what} at a time")
            if more and counts[name] + more > most // 2:
                raise Refusal(503, "too_many", f"there may be {most // 2} {what} of one user at a time")

    def _on_close(self, key: Hashable, viewer: Viewer, name: str, taps: int) -> None:
        self._streams -= Counter({name: 1})
        self._taps -= Counter({name: taps})
        viewer.stream_count -= 1
        if not viewer.stream_count and self._viewers.get(key) is viewer:
            del self._viewers[key]

    def _parts(self, wanted: Subscription, viewer: Viewer, wake: Callable[[], object]) -> list[Part]:
        request, unix_time_ms = viewer.request, self._api.unix_time_ms
        guards = Guards(
            lambda user: Call(self._api, request, WebClient(user), {}), self._turns, self._budget, self._turns.blame
        )
        make = partial(self._make_answer, request)
        parts: list[Part] = [AnswerPart(index, get, viewer, make, wake) for index, get in enumerate(wanted.gets)]
        if wanted.events:
            parts.append(EventsPart(wanted.events, self._hub, viewer, guards, wake))
        parts += [
            TapPart(index, target, wanted.truncate, unix_time_ms, viewer, guards, wake)
            for index, target in enumerate(wanted.taps)
        ]
        return parts

    def _make_answer(self, asked: Request, get: Get) -> LiveAnswer:
        headers = {name: asked.headers[name] for name in OF_VIEWERS if name in asked.headers}

        async def make(user: "Principal") -> Answer | Stream:
            request = Request(
                "GET", f"{self._prefix}/api{get.path}", get.query, headers, asked.peer_host, asked.from_loopback
            )
            return await self._ask(request, user)

        return LiveAnswer(make, get.interval_ms, self._budget, self._kept, self._turns.blame)
