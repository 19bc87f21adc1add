"""Taps (`core.tap`), as live pages show them.

Whoever may read from a queue may tap it, and whoever may bind a queue to an exchange with the key `#` may tap that.
"""

from base64 import b64encode
from codecs import getincrementaldecoder
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from amqpy.core.checks import check_permission, check_topic_permission, find_exchange, open_queue
from amqpy.core.principals import Undecided
from amqpy.core.tap import ExchangeTap, Passage, QueueTap, Tap
from amqpy.management.answers import ACCESS_REFUSED, as_json, not_entitled, not_found
from amqpy.management.contents import shown_properties
from amqpy.management.live.guarded import Guarded, Guards
from amqpy.management.live.part import event
from amqpy.management.live.subscription import Target
from amqpy.management.live.viewer import Viewer
from amqpy.wire.content import split_address
from amqpy.wire.values import text

if TYPE_CHECKING:
    from amqpy.core.vhost import Vhost
    from amqpy.management.call import Call
    from amqpy.management.lists import View

ASKED_FOR: Final = "The default exchange cannot be tapped by a user whose permissions must be asked for"


class TapPart(Guarded):
    """A tap that one stream shows, which it is the `tap` of this index of."""

    def __init__(
        self,
        index: int,
        target: Target,
        truncate: int,
        unix_time_ms: Callable[[], int],
        viewer: Viewer,
        guards: Guards,
        wake: Callable[[], object],
    ) -> None:
        super().__init__(b'"tap":%d' % index, viewer, guards, wake)
        self._index = index
        self._target = target
        self._tap: Tap
        if target.kind == "exchange":
            self._tap = ExchangeTap(target.name, unix_time_ms, wake, truncate)
        else:
            self._tap = QueueTap(target.name, unix_time_ms, wake, truncate)
        self._vhost: Vhost | None = None
        """The virtual host that is watched; None while it is shut."""

    def _open(self, call: "Call") -> None:
        _, vhost_name, name = self._target
        vhost = call.broker.vhosts.get(vhost_name)
        if vhost is None:
            raise not_found()
        if not call.may_enter(vhost):
            raise not_entitled(ACCESS_REFUSED)
        call.client.vhost = vhost
        check_permission(call.client, vhost, "read", self._target.kind, name)
        if self._target.kind == "queue":
            open_queue(call.client, vhost, name)
        else:
            check_topic_permission(call.client, vhost, "read", find_exchange(vhost, name), "#")
            if not name:
                self._judge_by_queue(call)
        if vhost is not self._vhost:
            self._shut()
            self._vhost = vhost
            vhost.watch(self._tap)

    def _judge_by_queue(self, call: "Call") -> None:
        """From now on messages are judged by the queues that they are for. Raises Refusal if that cannot be done within
        a turn."""
        try:
            call.client.may("read", "queue", "")
        except Undecided:
            raise not_entitled(ASKED_FOR) from None
        assert isinstance(self._tap, ExchangeTap)
        self._tap.forget_rights()
        self._tap.may_read = partial(_may_read, call)

    def _shut(self) -> None:
        # Not in a turn: nothing comes of it, and the broker may be about to stop.
        vhost, self._vhost = self._vhost, None
        if vhost is not None:
            vhost.unwatch(self._tap)
        self._tap.clear()

    def _take(self) -> bytes | None:
        passage = self._tap.take()
        if passage is not None:
            told = event(b"message", as_json({"tap": self._index, **shown(passage)}))
            return self._told_skipped(passage.skipped) + told if passage.skipped else told
        skipped = self._tap.take_skipped()
        return self._told_skipped(skipped) if skipped else None


def _may_read(call: "Call", queue: str) -> bool:
    try:
        return bool(call.client.may("read", "queue", queue))
    except Undecided:
        return False


def shown(passage: Passage) -> "View":
    exchange, routing_key = map(text, split_address(passage.address))
    origin = passage.origin
    facts = {
        "queue": passage.queue,
        "queues": passage.queues,
        "redelivered": passage.redelivered,
        "reason": passage.reason,
        "consumer_tag": passage.consumer_tag,
    }
    return {
        "kind": passage.kind,
        "at": passage.at_ms,
        "exchange": exchange,
        "routing_key": routing_key,
        "properties": shown_properties(passage.header),
        **shown_beginning(passage.payload, is_whole=len(passage.payload) == passage.payload_bytes),
        "payload_bytes": passage.payload_bytes,
        **{name: fact for name, fact in facts.items() if fact is not None},
        **({"connection": origin.connection, "channel": origin.number} if origin.connection else {}),
    }


def shown_beginning(octets: bytes, *, is_whole: bool) -> dict[str, str]:
    """A payload, or as much of it as there is: text, if all whole characters of it are one, or else in base64."""
    try:
        return {"payload": getincrementaldecoder("utf-8")().decode(octets, is_whole), "payload_encoding": "string"}
    except UnicodeDecodeError:
        return {"payload": b64encode(octets).decode(), "payload_encoding": "base64"}
