"""The server's view of a conversation, whichever protocol it is in.

A listener serves connections with a factory of sessions. A session is synchronous and pure: bytes go in by `receive`,
and come out of its outbox; time comes in as `now_ms`, and what is due next is `next_at_ms`. None of its methods raises
for what a peer did.
"""

import logging
from collections.abc import Callable
from typing import Protocol

from amqpy.amqp.state import InputState
from amqpy.amqp.terms import Peer
from amqpy.core.ports import Client
from amqpy.core.principals import Question
from amqpy.errors import ConnectionFault
from amqpy.wire.outbox import Outbox


class Session(Client, Protocol):
    """A client's side of the broker, and its transport's."""

    outbox: Outbox
    log: logging.LoggerAdapter[logging.Logger]
    next_at_ms: int | None
    """The time at which `on_timer` must be called, or None."""
    question: Question | None
    """The question to be asked while its input is AWAITING_ANSWER."""
    paused: bool
    """The transport is not being read, so silence is not the peer's fault."""

    @property
    def is_closed(self) -> bool:
        """Nothing more will be read or written, but for what is in the outbox."""

    @property
    def input_state(self) -> InputState:
        """Tells what to do with the next bytes from the peer."""

    @property
    def held_size(self) -> int:
        """Bytes received while it was BLOCKED that nobody has heard yet."""

    @property
    def is_amid_large_frame(self) -> bool:
        """It has begun something large, which is only set aside until it is whole."""

    def receive(self, data: bytes, now_ms: int) -> None: ...

    def on_answer(self, answer: object, now_ms: int) -> None:
        """Takes the answer to `question`: what came of asking, which may be an Exception."""

    def on_timer(self, now_ms: int) -> None: ...

    def resume_consumers(self) -> None:
        """The client has read much of what waited for it."""

    def lost(self, reason: str = ...) -> None:
        """The transport is gone, for this reason."""

    def fail(self, fault: ConnectionFault) -> None:
        """Ends the conversation, and tells the client why."""

    def abandon(self) -> None:
        """The conversation is over, without a word and without the broker: it met a bug."""

    def detach(self) -> None:
        """Drops the callbacks `wake` and `read_on`: the transport is gone."""


class SessionFactory(Protocol):
    """Begins a conversation. `wake` is called when the outbox stops being empty, `read_on` when the peer had to wait
    and need not any more: with the next bytes, even none, what it said meanwhile is heard. `on_entry` is called with
    True when the peer has logged in and entered, and with False when a login failed."""

    def __call__(
        self,
        *,
        peer: Peer,
        from_loopback: bool,
        log: logging.LoggerAdapter[logging.Logger],
        wake: Callable[[], object],
        read_on: Callable[[], object],
        on_entry: Callable[[bool], object] = ...,
        now_ms: int,
    ) -> Session: ...
