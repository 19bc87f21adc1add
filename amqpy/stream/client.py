"""A connection by the stream protocol, as the core and the handlers of commands see it.

    HEADER → STARTING → SECURING → (AUTHENTICATING) → TUNING → OPENING → RUNNING → CLOSING → CLOSED
    PeerProperties, SaslHandshake, SaslAuthenticate, Tune, Open

Source: `rabbit_stream_reader`.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from amqpy.amqp.channel import ChannelSession
from amqpy.amqp.connected_client import ConnectedClient
from amqpy.amqp.handshake import Version
from amqpy.amqp.state import State
from amqpy.core.broker import Broker
from amqpy.core.jobs import Steps, each
from amqpy.core.ports import Kind, Verb, Verdict
from amqpy.core.principals import Undecided
from amqpy.core.queues.stream import StreamQueue
from amqpy.core.streams.subscription import Subscription
from amqpy.core.vhost import Vhost
from amqpy.errors import ConnectionFault, ConnectionForced, LoginRefused
from amqpy.stream.confirms import Confirms
from amqpy.stream.terms import Publisher, Refused, StreamSubscription
from amqpy.wire import methods
from amqpy.wire.stream_frames import (
    HEARTBEAT_FRAME,
    Code,
    Frames,
    Key,
    array,
    deliver_head,
    notice,
    octet,
    request,
    response,
    short,
    string,
)

PROTOCOL: Final = Version("stream", (1, 0), methods.AMQP_0_9_1, ())
"""The protocol, as events name it."""
CLOSE_TIMEOUT_MS: Final = 10_000
"""Milliseconds that a client has to answer a Close."""
INITIAL_FRAME_MAX: Final = 64 * 1024
"""Bytes of a frame before Open: RabbitMQ allows 8 KiB from 4.3 on, in which some tokens do not fit."""
FRAMES_MAX: Final = 4
"""Times that a frame may be larger than negotiated: RabbitMQ does not look, up to 4.2."""
OWN_CLOSE: Final = 1
"""The correlation id of a Close by the server."""


class StreamClient(ConnectedClient):
    """A client that speaks the stream protocol."""

    heartbeat_frame = HEARTBEAT_FRAME
    channels: Mapping[int, ChannelSession] = MappingProxyType({})
    """None: there are no channels."""

    def __init__(
        self,
        broker: Broker,
        *arguments: Any,  # noqa: ANN401 (those of any client)
        read_on: Callable[[], object] = lambda: None,
        **more: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(broker, *arguments, **more)
        self.terms.use_version(PROTOCOL)
        self.terms.frame_max, self.terms.channel_max = self.config.stream_frame_max, 0
        self.read_on = read_on
        self.frames = Frames(INITIAL_FRAME_MAX)
        self.publishers: dict[int, Publisher] = {}
        self.subscriptions: dict[int, StreamSubscription] = {}
        self.confirms = Confirms(broker.scheduler.journal, self.outbox)
        self.delivers_committed = False
        """True if it takes the second version of Deliver."""
        self.is_hearing = False
        """True while its input is processed: what is told beside comes after the response."""
        self.updates: dict[int, StreamSubscription] = {}
        """Consumers that were told that they are active or not, and have not answered, by correlation id."""
        self._updates_told = 0
        self._followed: dict[StreamQueue, None] = {}
        """The streams of which it is told when they are gone."""
        self._gone: list[str] = []
        """Streams that are gone, of which it is to be told."""
        self._works = False
        """True while its jobs go on."""

    # --- core.ports.Client

    @property
    def channel_count(self) -> int:
        return 0

    def on_alarm(self) -> None:
        if not self.must_wait:
            self.read_on()

    def wait_for_work(self) -> None:
        self._works = True

    def work_done(self) -> None:
        self._works = False
        if not self.must_wait:
            self.read_on()

    @property
    def must_wait(self) -> bool:
        """True if its input is not processed: its jobs go on, it waits for an answer, it publishes while the disk is
        full, or does not read."""
        is_full = bool(self.publishers) and "disk" in self.broker.alarms.resources
        return self._works or self.question is not None or is_full or self.outbox.overfull

    # --- the virtual host

    @property
    def place(self) -> Vhost:
        """The virtual host that it has entered."""
        assert self.vhost is not None
        return self.vhost

    def stream(self, name: str) -> StreamQueue:
        """Raises Refused if there is no such stream."""
        queue = self.place.queues.get(name)
        if not isinstance(queue, StreamQueue):
            raise Refused(Code.STREAM_DOES_NOT_EXIST)
        return queue

    def check(self, verb: Verb, name: str, kind: Kind = "queue") -> None:
        """Raises Refused if its user has no such permission on the stream, or Undecided."""
        if not self.may(verb, kind, name):
            raise Refused(Code.ACCESS_REFUSED)

    # --- output

    def answer(self, key: Key, correlation: int, code: Code = Code.OK, fields: bytes = b"") -> None:
        if key in {Key.ROUTE, Key.PARTITIONS} and not self.broker.profile.stream_answers_routes:
            self.outbox.write(request(key, correlation, short(code) + fields))
        else:
            self.outbox.write(response(key, correlation, code, fields))

    def knows(self, key: Key) -> bool:
        """True if a command is one of the profile's."""
        profile = self.broker.profile
        known = profile.stream_commands
        if key is Key.SASL_AUTHENTICATE:
            return profile.stream_renews_secret
        return key in known or (
            key in {Key.CONSUMER_UPDATE, Key.EXCHANGE_COMMAND_VERSIONS} and Key.STREAM_STATS in known
        )

    def answer_when_durable(self, key: Key, correlation: int) -> None:
        """Answers once the changes of this command are durable, and its jobs done."""

        def answer() -> None:
            first = len(self.outbox.chunks)
            self.answer(key, correlation)
            self.durable_replies.hold_until_durable(first)

        self.broker.scheduler.jobs.then(answer)

    def deliver_chunk(self, subscription: Subscription, head: bytes, data: bytes) -> None:
        log = subscription.reader.log
        committed = log.last_chunk if self.delivers_committed else None
        self.outbox.write(deliver_head(subscription.id, len(head) + len(data), committed) + head)
        self.outbox.write(data)

    def update_consumer(self, subscription: StreamSubscription, *, is_active: bool) -> None:
        correlation, self._updates_told = self._updates_told, self._updates_told + 1
        self.updates[correlation] = subscription
        fields = octet(subscription.id) + octet(is_active)
        self.outbox.write(request(Key.CONSUMER_UPDATE, correlation, fields))

    def forget_updates(self, subscription: StreamSubscription) -> None:
        """Expects no answer of a consumer any more."""
        self.updates = {number: each for number, each in self.updates.items() if each is not subscription}

    # --- streams that go

    def stream_gone(self, name: str) -> None:
        """Is told that a stream is gone that it publishes to or reads (`core.streams.readers.Follower`)."""
        self._gone.append(name)
        if not self.is_hearing:
            self.tell_gone()

    def tell_gone(self) -> None:
        """Tells the client of streams that are gone."""
        gone, self._gone = self._gone, []
        if gone:
            self._followed = {stream: None for stream in self._followed if not stream.deleted}
        for name in gone:
            self.updates = {number: each for number, each in self.updates.items() if each.stream.name != name}
            self.publishers = {number: each for number, each in self.publishers.items() if each.stream.name != name}
            self.subscriptions = {
                number: each for number, each in self.subscriptions.items() if each.stream.name != name
            }
            if self.state is State.RUNNING:
                update = short(Code.STREAM_NOT_AVAILABLE) + string(name)
                self.outbox.write(notice(Key.METADATA_UPDATE, update))

    def recheck(self) -> None:
        """Takes the streams from a client that its user may not use any more, as if they were gone."""
        used: list[tuple[StreamQueue, Verb]] = [(each.stream, "write") for each in self.publishers.values()]
        used += [(each.stream, "read") for each in self.subscriptions.values()]
        lost = {stream: None for stream, verb in used if not self._still_may(verb, stream)}
        for stream in lost:
            for subscription in [some for some in self.subscriptions.values() if some.stream is stream]:
                subscription.leave()
            stream.native.followers.pop(self, None)
            self._followed.pop(stream, None)
            self._gone.append(stream.name)
        if not self.is_hearing:
            self.tell_gone()

    def _still_may(self, verb: Verb, stream: StreamQueue) -> Verdict:
        try:
            return self.may(verb, "queue", stream.name)
        except Undecided:
            return True  # a back end that is asked for each permission notices by itself

    def follow(self, stream: StreamQueue) -> None:
        """Wants to be told when a stream is gone: whoever has asked for more than what it is like."""
        self._followed[stream] = stream.native.followers[self] = None

    def unfollow(self, stream: StreamQueue) -> None:
        """Is called when a publisher or a subscription has ended."""
        used = [each.stream for each in self.publishers.values()]
        used += [each.stream for each in self.subscriptions.values()]
        if stream not in used:
            stream.native.followers.pop(self, None)
            self._followed.pop(stream, None)

    # --- the end

    def fail(self, fault: ConnectionFault) -> None:
        """Closes the connection on a fault: with Close once it is open, else without a word."""
        code = Code.OK if isinstance(fault, ConnectionForced) else Code.INTERNAL_ERROR
        if isinstance(fault, LoginRefused):
            self.on_entry(False)
        self.refuse(code, fault.text if code is Code.OK else "internal error")

    def refuse(self, code: Code, text: str) -> None:
        """Ends the connection for a reason, which the client is told once the connection is open."""
        if self.state in {State.CLOSING, State.CLOSED}:
            return
        self.log.error("closing connection in state %s: %s", self.state.name.lower(), text)
        was_open = self.state is State.RUNNING

        def part() -> None:
            if was_open:
                self.outbox.write(request(Key.CLOSE, OWN_CLOSE, short(code) + string(text[:255])))
                self.next_at_ms = self.broker.transport_now_ms + CLOSE_TIMEOUT_MS
            else:
                self.end()

        self.leave(part)

    def leave(self, then: Callable[[], object]) -> None:
        """Removes everything that the client has in the broker, then calls `then`. May be repeated."""
        if self.state is not State.CLOSED:
            self.state = State.CLOSING
        self.next_at_ms = None
        self.drop_question()
        self.broker.scheduler.jobs.do_for(self, self._leave(), then)

    def _leave(self) -> Steps:
        for subscription in each(self.subscriptions.values()):
            subscription.leave()
            yield 1
        self.subscriptions.clear()
        self.updates.clear()
        self.publishers.clear()
        for stream in each(self._followed):
            stream.native.followers.pop(self, None)
            yield 1
        self._followed.clear()
        if self.vhost is not None:
            assert self.user is not None
            self.user.clients.pop(self, None)
            self.vhost.traffic.end(self)
            yield from self.broker.connection_lost(self, self.vhost)
            self.vhost = None
            self.broker.settle()


def names(some: list[str]) -> bytes:
    """An array of strings."""
    return array(string(name) for name in some)
