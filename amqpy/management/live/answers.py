"""Answers to a GET of the API, made again and again, and sent when they have changed.

One is made for all streams of a viewer that ask for the same. A stream that has not sent it yet when there is a newer
one sends the newer.
"""

import math
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

import trio

from amqpy.management.answers import JSON, Answer, Refusal, as_json
from amqpy.management.live.budget import SHARE, Budget, timed
from amqpy.management.live.part import Part, body_of, event, outcome
from amqpy.management.live.subscription import Get
from amqpy.management.live.viewer import Item, Viewer
from amqpy.management.responses import Stream

if TYPE_CHECKING:
    from amqpy.core.principals import Principal

ANSWER_MAX: Final = 1024 * 1024
ALL_MAX: Final = 64 * 1024 * 1024
"""Octets of a live answer, and of all of them together."""
FRESH_S: Final = 0.1
"""Seconds for which an answer is good enough for somebody who comes, at least. One that is dear is so for longer."""

TOO_LARGE: Final = Refusal(
    413, "too_large", f"a live answer has at most {ANSWER_MAX} octets: ask for a page of the list, or for columns of it"
).answer
TOO_MANY: Final = Refusal(503, "too_much_live", f"all live answers together have at most {ALL_MAX} octets").answer


class Kept:
    """The octets of all answers that are kept."""

    def __init__(self) -> None:
        self.size = 0


class LiveAnswer(Item):
    """An answer for all who look at it. `make` asks the API; it raises Refusal."""

    def __init__(
        self,
        make: "Callable[[Principal], Awaitable[Answer | Stream]]",
        interval_ms: int,
        budget: Budget,
        kept: Kept,
        blame: Callable[[Exception], object],
    ) -> None:
        self.parts: dict[AnswerPart, None] = {}
        """Those that show it."""
        self.status = 0
        """The HTTP status; 0 before it is made for the first time."""
        self.body = b""
        self._fresh_until = -math.inf
        self._make = make
        self._interval_s = interval_ms / 1000
        self._budget = budget
        self._kept = kept
        self._blame = blame

    def add(self, part: "AnswerPart") -> None:
        """Shows it there from now on: a new one, unless that of now is fresh. Who has changed something, and looks
        again, sees the change."""
        now = trio.current_time()
        self.parts[part] = None
        if self.status and now < self._fresh_until:
            part.note()
        else:
            part.waits_since = now
            self.due_at = -math.inf

    async def renew(self, user: "Principal") -> None:
        begun_at = trio.current_time()
        try:
            (status, body), spent_s = await timed(self._made(user))
        except Exception as error:
            self._blame(error)
            self.due_at = math.inf  # it would meet the bug again
            self._put(500, b"null", begun_at)
            return
        self._fresh_until = begun_at + max(FRESH_S, spent_s / SHARE)
        self.due_at = begun_at + self._budget.wait_s(self._interval_s, spent_s, trio.current_time())
        self._put(status, body, begun_at)
        if any(part.waits_since < math.inf for part in self.parts):
            self.due_at = self._fresh_until  # for those that have come while it was made

    def end(self, refusal: Answer) -> None:
        self._put(refusal.status, body_of(refusal), math.inf)

    def forget(self) -> None:
        """Lets go of it: it is looked at no more."""
        self._kept.size -= len(self.body)
        self.status, self.body = 0, b""

    async def _made(self, user: "Principal") -> tuple[int, bytes]:
        try:
            answer = await self._make(user)
            if isinstance(answer, Stream):
                return await _whole(answer)
        except Refusal as refusal:
            answer = refusal.answer
        body = body_of(answer)
        if answer.value is not None and answer.content_type != JSON:
            body = as_json(body.decode("utf-8", "replace"))
        return answer.status, body

    def _put(self, status: int, body: bytes, begun_at: float) -> None:
        """Shows it to those that have waited for it since then, and to all if it is another one."""
        if not self.parts:
            return  # everybody has left while it was made
        if len(body) > ANSWER_MAX:
            status, body = TOO_LARGE.status, TOO_LARGE.body
        if self._kept.size - len(self.body) + len(body) > ALL_MAX:
            status, body = TOO_MANY.status, TOO_MANY.body
        is_new = (status, body) != (self.status, self.body)
        self._kept.size += len(body) - len(self.body)
        self.status, self.body = status, body
        for part in self.parts:
            has_waited = part.waits_since <= begun_at
            if has_waited:
                part.waits_since = math.inf
            if has_waited or is_new:
                part.note()


async def _whole(stream: Stream) -> tuple[int, bytes]:
    body = bytearray()
    async with aclosing(stream.pieces) as pieces:
        async for piece in pieces:
            body += piece
            if len(body) > ANSWER_MAX:
                break
    return 200, bytes(body)


class AnswerPart(Part):
    """An answer as one stream shows it, which it is the `get` of this index of."""

    def __init__(
        self,
        index: int,
        get: Get,
        viewer: Viewer,
        make: Callable[[Get], LiveAnswer],
        wake: Callable[[], object],
    ) -> None:
        self.waits_since = math.inf
        """The time since which it waits for one that is made from then on; infinity if it waits for none."""
        self._index = index
        self._get = get
        self._viewer = viewer
        self._wake = wake
        self._is_waiting = False
        answer = viewer.shared.get(get)
        if not isinstance(answer, LiveAnswer):
            answer = viewer.shared[get] = make(get)
        self._answer = answer
        answer.add(self)
        viewer.add(answer)

    def note(self) -> None:
        """There is another answer."""
        self._is_waiting = True
        self._wake()

    def take(self) -> bytes | None:
        if not self._is_waiting:
            return None
        self._is_waiting = False
        return event(b"answer", b'{"of":%d,' % self._index + outcome(self._answer.status, self._answer.body))

    def close(self) -> None:
        del self._answer.parts[self]
        if not self._answer.parts:
            self._viewer.discard(self._answer)
            del self._viewer.shared[self._get]
            self._answer.forget()
