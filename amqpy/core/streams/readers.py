"""Those who read a stream in chunks, and who else must be told when it is gone: its clients by the stream protocol.

A subscription that can take chunks stands in line while there are any for it. It waits apart when it has read all there
is, and when what comes next must be fetched from the disk.
"""

from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

from amqpy.core.streams.log import StreamLog
from amqpy.core.streams.segments import SegmentRange
from amqpy.core.streams.subscription import RUN_BYTES, Subscription

if TYPE_CHECKING:
    from amqpy.core.streams.groups import Group

TURN_BYTES: Final = 1024 * 1024
"""Bytes of chunks that a stream delivers in one turn."""
LOOK_BYTES: Final = RUN_BYTES // 8
"""Bytes that a look counts for which has found nothing: it may have passed over much."""


class ChunkedStream(Protocol):
    """The stream, as those who read it see it."""

    @property
    def name(self) -> str: ...
    @property
    def log(self) -> StreamLog: ...

    def fetch(self, cold: SegmentRange) -> None:
        """Has bytes read from the disk; `fetched` comes then."""

    def wake(self) -> None:
        """Sees to it that `drain` is called."""


class Follower(Protocol):
    """A client that publishes to a stream or reads it."""

    def stream_gone(self, name: str) -> None:
        """Is told that a stream is gone."""


class ChunkReaders:
    """The subscriptions of one stream."""

    __slots__ = ("_at_end", "_cold", "_stream", "followers", "groups", "line", "subscriptions")

    def __init__(self, stream: ChunkedStream) -> None:
        self._stream = stream
        self.followers: dict[Follower, None] = {}
        """The clients to be told when the stream is gone."""
        self.groups: dict[str, Group] = {}
        """The groups of consumers of which a single one is active, by name."""
        self.subscriptions: dict[Subscription, None] = {}
        self.line: deque[Subscription] = deque()
        """Subscriptions that can take chunks, for which there may be some. Some may have left."""
        self._at_end: dict[Subscription, None] = {}
        """Those for which there are none."""
        self._cold: dict[Subscription, None] = {}
        """Those whose chunks are being fetched from the disk."""

    def add(self, subscription: Subscription) -> None:
        self.subscriptions[subscription] = None
        subscription.resume()

    def remove(self, subscription: Subscription) -> None:
        self.subscriptions.pop(subscription, None)
        self._at_end.pop(subscription, None)
        self._cold.pop(subscription, None)
        if subscription in self.line:
            self.line.remove(subscription)

    def activate(self, subscription: Subscription, offset: int) -> None:
        """Lets a subscription of a group begin, at an offset."""
        self.remove(subscription)
        subscription.begin(offset)
        self.add(subscription)

    def line_up(self, subscription: Subscription) -> None:
        self.line.append(subscription)
        self._stream.wake()

    def written(self) -> None:
        """Is told that there are new chunks."""
        self.line.extend(self._at_end)
        self._at_end.clear()

    def fetched(self) -> None:
        """Is told that what subscriptions waited for can be read."""
        self.line.extend(self._cold)
        self._cold.clear()

    def drain(self) -> None:
        """Delivers to those in line by turns, until that is much."""
        left = TURN_BYTES
        while self.line and left > 0:
            subscription = self.line.popleft()
            if subscription not in self.subscriptions:
                continue
            count, size = subscription.serve()
            left -= size if count else LOOK_BYTES
            reader = subscription.reader
            if not subscription.can_take():
                subscription.leave_line()
            elif reader.cold is not None:
                self._cold[subscription] = None
                self._stream.fetch(reader.cold)
            elif reader.is_behind:
                self.line.append(subscription)
            else:
                self._at_end[subscription] = None

    def close(self) -> None:
        """Is told that the stream is gone."""
        followers, self.followers = self.followers, {}
        self.subscriptions.clear()
        self.groups.clear()
        self.line.clear()
        self._at_end.clear()
        self._cold.clear()
        for follower in followers:
            follower.stream_gone(self._stream.name)
