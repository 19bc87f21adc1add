"""A consumer of a stream, for tests of the core."""

from collections.abc import Iterable, Mapping
from typing import Any

from amqpy.core.consumer import Delivery
from amqpy.core.queues.stream import StreamQueue
from amqpy.core.statistics import Counts
from amqpy.core.unacked import UnackedDeliveries
from amqpy.wire.properties import headers_of
from amqpy.wire.values import Field, Table
from tests.core.core_harness import CoreHarness, FakeTarget, arguments, longstr, refusal

STREAM = {"x-queue-type": longstr("stream")}
HOUR_MS = 3_600_000


def declared(core: CoreHarness, name: str = "s", **more: int | str | bool) -> StreamQueue:
    queue = core.queue(name, durable=True, arguments=STREAM | arguments(**more))
    assert isinstance(queue, StreamQueue)
    return queue


def refused(core: CoreHarness, name: str = "s", **more: Any) -> str | None:  # noqa: ANN401
    given = STREAM | arguments(**more.pop("arguments", {}))
    return refusal(core.queue, name, **({"durable": True} | more), arguments=given)


class Reading:
    """A consumer of a stream on a channel of its own."""

    confirms = None

    def __init__(
        self,
        core: CoreHarness,
        offset: Field | None = None,
        *,
        prefetch: int = 1000,
        said: Mapping[str, Field] | None = None,
    ) -> None:
        self.core = core
        self.unacked, self.target = UnackedDeliveries(), FakeTarget()
        core.vhost.begin_channel(self)
        place: Table = {} if offset is None else {"x-stream-offset": offset}
        self.consumer = core.broker.consume(
            core.client,
            core.vhost,
            "s",
            self.unacked,
            self.target,
            tag="tag",
            no_ack=False,
            exclusive=False,
            prefetch=prefetch,
            arguments={**place, **(said or {})},
        )
        self.catch_up()

    def message_stats(self) -> Counts:
        return self.unacked.message_stats()

    def deliveries(self) -> Iterable[Delivery]:
        return self.unacked.by_tag.values()

    def catch_up(self) -> None:
        self.core.settle()
        self.core.advance(0)

    def got(self) -> list[str]:
        """The bodies that came since it was asked last."""
        self.catch_up()
        bodies = self.target.bodies
        self.target.got.clear()
        return bodies

    def offsets(self) -> list[int]:
        return [headers_of(message.header)["x-stream-offset"].value for message in self.target.messages]

    def ack(self) -> None:
        """Acknowledges all there is."""
        self.core.ack(self.unacked, 0, multiple=True)
        self.catch_up()


FIRST, LAST, NEXT = map(longstr, ("first", "last", "next"))


def number(value: int) -> Field:
    return Field("long", value)
