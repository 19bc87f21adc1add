"""A part of a live page, and the events (in the sense of server-sent events) that it consists of."""

from typing import Protocol

from amqpy.management.answers import Answer


class Part(Protocol):
    """One of the things that a stream shows."""

    def take(self) -> bytes | None:
        """The next event that waits to be sent, if one does."""

    def close(self) -> None:
        """Lets go of all that it needs."""


def event(name: bytes, data: bytes) -> bytes:
    """The data has no line ends."""
    return b"event: %b\ndata: %b\n\n" % (name, data)


def outcome(status: int, body: bytes) -> bytes:
    """The last keys of an event that tells of an answer."""
    return b'"status":%d,"body":%b}' % (status, body)


def body_of(answer: Answer) -> bytes:
    """JSON in any case."""
    return answer.body or b"null"
