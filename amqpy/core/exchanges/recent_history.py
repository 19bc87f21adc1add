"""x-recent-history: a fanout exchange that sends its last messages to every new binding.

A queue that is bound gets them from the oldest to the newest, an exchange the other way round, as in RabbitMQ.

Source: `rabbit_exchange_type_recent_history`.
"""

from collections import deque
from collections.abc import Iterable, Sequence

from amqpy.core.exchanges.exchange import Binding, Destination, Exchange, ExchangeHost
from amqpy.core.exchanges.fanout import FanoutExchange
from amqpy.core.message import DeferredMessage, Keys, MessageView, Target
from amqpy.core.queues.queue import Queue
from amqpy.errors import PreconditionFailed
from amqpy.profile import Profile
from amqpy.wire.values import Field, Table, as_erlang

LENGTH = "x-recent-history-length"
DEFAULT_LENGTH = 20
LENGTH_KINDS = {"byte", "short", "signedint", "long"}
NO_STORE = "x-recent-history-no-store"


class RecentHistoryExchange(FanoutExchange):
    type = "x-recent-history"
    per_message = True

    def prepare(self) -> None:
        length = self.arguments.get(LENGTH)
        self._history: deque[DeferredMessage] = deque(maxlen=DEFAULT_LENGTH if length is None else length.value)

    @classmethod
    def check_arguments(cls, arguments: Table, profile: Profile) -> None:
        length = arguments.get(LENGTH)
        if length is not None and (length.kind not in LENGTH_KINDS or length.value < 1):
            raise PreconditionFailed(f"Invalid argument {as_erlang(length)}, '{LENGTH}' must be a positive integer")

    def add(self, binding: Binding) -> None:
        super().add(binding)
        if self._history:
            scheduler = self.vhost.scheduler
            scheduler.deadlines.set(Replay(self.vhost, binding.destination, tuple(self._history)), scheduler.now_ms)

    def match(self, keys: Keys, view: MessageView) -> "Iterable[Exchange | Target]":
        if view.headers.get(NO_STORE) != Field("bool", True):
            self._history.append(DeferredMessage.since(self.vhost.scheduler.now_ms, view.message))
        return super().match(keys, view)

    def remark(self, keys: Keys, view: MessageView) -> str:
        if view.headers.get(NO_STORE) == Field("bool", True):
            return f"the message is not kept for later bindings: {NO_STORE}"
        return f"the message is kept: new bindings get the last {self._history.maxlen}"

    def message_count(self) -> int:
        return len(self._history)

    def discard(self) -> None:
        self._history.clear()


class Replay:
    """Publishes the history to a new destination when the operation that bound it is over (`TimerTarget`)."""

    def __init__(self, vhost: ExchangeHost, destination: Destination, history: Sequence[DeferredMessage]) -> None:
        self._vhost = vhost
        self._destination = destination
        self._history = history

    def on_timer(self) -> None:
        now_ms = self._vhost.scheduler.now_ms
        if isinstance(self._destination, Queue):
            for kept in self._history:
                self._vhost.deliver_own((self._destination,), kept.again(now_ms))
            return
        for kept in reversed(self._history):
            self._vhost.publish(self._destination, kept.again(now_ms))
