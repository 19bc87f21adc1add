"""A connection of HTTP/1.1: Hypercorn's protocol (over h11) on a stream, with limits that push back.

Hypercorn's own connection trusts its peer: it waits without end for one that does not read, even if the broker is to
stop; for one that goes on to send what nobody reads any more; and for one that sends a byte a minute. Here whoever
keeps no pace loses the connection, a body is taken as fast as it is read, and what comes after the answer is heard for
a moment and dropped, so that the answer is not lost with it.

HTTP/2 and WebSockets are not spoken: each of their streams would need the same limits again.
"""

import math
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final, TypeAlias

import h11
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.events import Request
from hypercorn.protocol.h11 import STREAM_ID, H11Protocol
from hypercorn.protocol.http_stream import HTTPStream
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper, ConnectionState
from hypercorn.utils import parse_socket_addr

HEAD_MAX: Final = 64 * 1024
"""Octets of the head of a request."""
RECEIVE_MAX: Final = 16 * 1024
PIECE: Final = 64 * 1024
PIECE_S: Final = 60
"""The pace at which a peer must send or read bodies, at least: so many octets in so many seconds."""
HEAD_S: Final = 30
"""Seconds for the head of a request, from its first octet on."""
KEEP_ALIVE_S: Final = 75
"""Seconds for which a peer may ask for nothing."""
LINGER_S: Final = 2
LINGER_MAX: Final = 1024 * 1024
"""Seconds and octets for which a peer is heard that still sends what it was answered without."""
INBOX_MAX: Final = 64 * 1024
"""Octets of a body that wait for the application."""

Message: TypeAlias = dict[str, Any]
Reply: TypeAlias = Callable[[Any], Awaitable[None]]

NAMES: Final = {status.value: status.phrase.encode() for status in HTTPStatus}


FOLDED: Final = re.compile(rb"\n[ \t]")
LENGTH: Final = re.compile(rb"\ncontent-length:([^\n]*)", re.IGNORECASE)
BLANK: Final = b"\r\n"
BLANK_MAX: Final = 5
"""Blank lines before a request that are passed over."""


class Connection(h11.Connection):
    """The protocol as RabbitMQ's server reads it: h11 puts up with lines of a head that go on in the next one, and with
    a size of the body that is told twice or beside chunks, but not with blank lines before a request. And answers name
    their status."""

    def __init__(self, *arguments: Any, **more: Any) -> None:  # noqa: ANN401 (those of h11's)
        super().__init__(*arguments, **more)
        self._head = bytearray()
        """The octets of the next head that have come."""
        self._blank_count = 0

    def receive_data(self, data: bytes) -> None:
        if self.their_state is h11.IDLE:
            while not self._head and data.startswith(BLANK) and self._blank_count < BLANK_MAX:
                self._blank_count += 1
                if len(data) == len(BLANK):
                    return  # to h11, no data would be the end
                data = data[len(BLANK) :]
            self._head += data
        super().receive_data(data)

    def next_event(self) -> Any:  # noqa: ANN401 - what h11 has
        event = super().next_event()
        if isinstance(event, h11.Request):
            head = bytes(self._head[: len(self._head) - len(self.trailing_data[0])])
            self._head.clear()
            self._blank_count = 0
            lengths, in_chunks = LENGTH.findall(head), any(name == b"transfer-encoding" for name, _ in event.headers)
            if len(lengths) + in_chunks > 1 or b"," in b"".join(lengths) or FOLDED.search(head):
                raise h11.RemoteProtocolError("a line that goes on, or a size that is told twice")
        return event

    def start_next_cycle(self) -> None:
        super().start_next_cycle()
        self._head += self.trailing_data[0]

    def send(self, event: h11.Event) -> Any:  # noqa: ANN401 - octets, or None, by what is sent
        data = super().send(event)
        if data and isinstance(event, h11.Response | h11.InformationalResponse):
            # The first line is the first place where a space comes before the end of a line.
            return data.replace(b" \r\n", b" %s\r\n" % NAMES.get(event.status_code, b""), 1)
        return data


class Gone(OSError):
    """The other side is gone, or too slow, and whoever sends may stop."""


class Inbox:
    """The parts of a request's body, on their way to the application."""

    def __init__(self) -> None:
        self._waiting: list[Message] = []
        self._size = 0
        self._changed = trio.Event()
        self._is_over = False
        """True if nobody wants to hear any more of it."""

    async def put(self, message: Message) -> None:
        """Adds a part, and waits while there is too much. That of a body in many small ones is fair to others."""
        await trio.lowlevel.checkpoint()
        if self._is_over:
            return
        self._waiting.append(message)
        self._size += len(message.get("body", b""))
        self._change()
        while self._size > INBOX_MAX and not self._is_over and message["type"] != "http.disconnect":
            await self._changed.wait()

    async def get(self) -> Message:
        while not self._waiting:
            await self._changed.wait()
        message = self._waiting.pop(0)
        self._size -= len(message.get("body", b""))
        self._change()
        return message

    def end(self) -> None:
        """Drops what is still to come."""
        self._is_over = True
        self._change()

    def _change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


class Protocol(H11Protocol):
    """HTTP/1.1, and nothing that it could be upgraded to."""

    def __init__(self, app: AppWrapper, config: Config, *others: Any) -> None:  # noqa: ANN401 (those of Hypercorn's)
        super().__init__(app, config, *others)
        self.connection = Connection(h11.SERVER, max_incomplete_event_size=config.h11_max_incomplete_size)

    async def _create_stream(self, request: h11.Request) -> None:
        self.stream = HTTPStream(
            self.app,
            self.config,
            self.context,
            self.task_group,
            self.ssl,
            self.client,
            self.server,
            self.stream_send,
            STREAM_ID,
        )
        await self.stream.handle(
            Request(
                stream_id=STREAM_ID,
                headers=list(request.headers),
                http_version=request.http_version.decode(),
                method=request.method.decode("ascii").upper(),
                raw_path=request.target,
                state=self.connection_state,
            )
        )
        self.keep_alive_requests += 1

    async def _check_protocol(self, event: h11.Request) -> None:
        """Nothing: there is no other protocol."""

    @property
    def awaits_body(self) -> bool:
        """True if a request has begun, and its body has not all come."""
        return self.stream is not None and self.connection.their_state is h11.SEND_BODY


class HttpConnection:
    """One connection, from its first octet to its end. A Hypercorn task group for its one request at a time."""

    def __init__(
        self,
        app: AppWrapper,
        config: Config,
        stream: Any,  # noqa: ANN401 (a socket's, or in TLS)
        idle: "dict[HttpConnection, None]",
    ) -> None:
        """It is among the `idle` ones while nothing is asked on it, those for the longest first."""
        self._idle = idle
        self._app = app
        self._config = config
        self._stream = stream
        self._nursery: trio.Nursery
        self._protocol: Protocol
        self._sending = trio.Lock()
        self._hearing = trio.CancelScope()
        self._listening = trio.CancelScope()
        self._inbox: Inbox | None = None
        """That of the request that is being answered."""
        self._is_idle = True
        self._deadline = trio.current_time() + KEEP_ALIVE_S
        """The time by which the peer must have said more."""
        self._has_begun = False
        """True if a part of a head has come."""
        self._has_heard_end = False
        self._is_closing = False
        """True if nothing more is sent, and what comes is dropped."""
        self._is_lost = False
        """True if nothing can be sent any more."""
        self._ended = trio.Event()
        """Set when the last answer has been sent."""

    async def run(self) -> None:
        """Raises what the application does, and OSError if the peer is gone."""
        is_tls = isinstance(self._stream, trio.SSLStream)
        socket = (self._stream.transport_stream if is_tls else self._stream).socket
        client, server = (
            parse_socket_addr(socket.family, address) for address in (socket.getpeername(), socket.getsockname())
        )
        context, state = WorkerContext(None), ConnectionState({})
        self._idle[self] = None
        try:
            async with trio.open_nursery() as self._nursery:
                group: Any = self
                self._protocol = Protocol(
                    self._app, self._config, context, group, state, is_tls, client, server, self._send
                )
                with self._hearing, suppress(Gone):
                    await self._listen()
                await self._protocol.handle(Closed())
        finally:
            self._idle.pop(self, None)
            with trio.move_on_after(LINGER_S):
                await self._stream.aclose()

    def let_go(self) -> None:
        """Ends it, while nothing is asked on it."""
        self._idle.pop(self, None)
        self._hearing.cancel()

    # --- for Hypercorn, as a task group

    async def spawn_app(self, app: AppWrapper, config: Config, scope: Any, send: Reply) -> Reply:  # noqa: ANN401
        """Begins the answer to a request. Returns what takes its body."""
        inbox = self._inbox = Inbox()
        self._nursery.start_soon(self._answer, app, scope, inbox, send)
        return inbox.put

    async def _answer(self, app: AppWrapper, scope: Any, inbox: Inbox, send: Reply) -> None:  # noqa: ANN401
        async def reply(message: Message) -> None:
            if self._is_closing or self._is_lost:
                raise Gone("nobody listens any more")
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                inbox.end()  # before it is sent: who sends the rest of the body may not read before it is through
            await send(message)

        receive: Any = inbox.get
        say: Any = reply
        try:
            with suppress(Gone):
                await app(scope, receive, say, trio.to_thread.run_sync, trio.from_thread.run)
        finally:
            inbox.end()
            with suppress(Gone):
                if not self._is_lost:
                    await send(None)

    # --- receiving

    async def _listen(self) -> None:
        """Hears the peer until it has ended, or took too long, or the last answer is out."""
        dropped = 0
        while not self._ended.is_set():
            data = await self._receive()
            if not data:
                break
            if not self._is_closing:
                self._note_progress(len(data))
                handled_from = trio.current_time()
                await self._protocol.handle(RawData(data))
                if self._protocol.awaits_body:
                    self._deadline += trio.current_time() - handled_from  # in which the peer had to wait
                self._set_deadline()
            elif (dropped := dropped + len(data)) > LINGER_MAX:
                return

    async def _receive(self) -> bytes:
        """The next octets; none at the end, or if the peer took too long."""
        with trio.CancelScope(deadline=self._deadline) as self._listening:
            try:
                data = bytes(await self._stream.receive_some(RECEIVE_MAX))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return b""
            if not data and not self._is_closing:
                await self._hear_end()
            return data
        return b""

    async def _hear_end(self) -> None:
        """The peer says no more, but may still listen to the answer that is on its way: to its end, if it has one. The
        application is told, for an answer without an end is over then."""
        self._has_heard_end = True
        self._listening.deadline = math.inf
        await self._protocol.handle(RawData(b""))
        if self._protocol.stream is not None and not self._is_closing:
            if self._inbox is not None:
                await self._inbox.put({"type": "http.disconnect"})
            await self._ended.wait()

    def _note_progress(self, size: int) -> None:
        now = trio.current_time()
        if not self._is_idle:
            self._deadline = min(now + PIECE_S, self._deadline + size * PIECE_S / PIECE)
        elif not self._has_begun:
            self._has_begun = True
            self._deadline = now + HEAD_S

    def _set_deadline(self) -> None:
        """Sets the time by which more must come: none, while a request is being answered."""
        if not self._is_closing and not self._is_idle and not self._protocol.awaits_body:
            self._deadline = math.inf
        self._listening.deadline = self._deadline

    # --- sending

    async def _send(self, event: Event) -> None:
        """Does as the protocol says: sends to the peer, or takes note of the state of the connection."""
        if isinstance(event, RawData):
            await self._send_all(event.data)
        elif isinstance(event, Updated):
            self._is_idle, self._has_begun = event.idle, False
            self._idle.pop(self, None)
            if event.idle:
                self._idle[self] = None
            self._deadline = trio.current_time() + (KEEP_ALIVE_S if event.idle else PIECE_S)
            self._set_deadline()
        elif isinstance(event, Closed) and not self._is_closing:
            await self._begin_to_close()

    async def _send_all(self, data: bytes) -> None:
        """Raises Gone."""
        async with self._sending:
            if self._is_lost or self._is_closing:
                raise Gone("the connection is lost, or at its end")
            for begin in range(0, len(data), PIECE):
                with trio.move_on_after(PIECE_S) as scope:
                    try:
                        await self._stream.send_all(data[begin : begin + PIECE])
                    except (trio.BrokenResourceError, trio.ClosedResourceError):
                        scope.cancel()
                        await trio.lowlevel.checkpoint()
                if scope.cancelled_caught:
                    self._is_lost = True
                    self._hearing.cancel()
                    raise Gone("the other side is gone, or does not read")

    async def _begin_to_close(self) -> None:
        """Says that no more comes. What the peer is still sending is heard for a moment: a socket that is closed before
        takes back what was sent last."""
        self._is_closing = True
        is_tls = isinstance(self._stream, trio.SSLStream)
        if not is_tls:
            async with self._sending:
                with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                    await self._stream.send_eof()
        # In TLS, only the end of both directions tells the peer of it.
        if self._has_heard_end or (is_tls and self._protocol.connection.their_state is not h11.SEND_BODY):
            self._ended.set()
            self._listening.cancel()
        self._deadline = self._listening.deadline = trio.current_time() + LINGER_S


class HttpServer:
    """Serves an application on connections."""

    def __init__(self, application: Any) -> None:  # noqa: ANN401 (one of ASGI)
        self._app = ASGIWrapper(application)
        self._config = Config()
        self._config.errorlog = self._config.accesslog = None
        # The applications say these.
        self._config.include_server_header = self._config.include_date_header = False
        self._config.h11_max_incomplete_size = HEAD_MAX
        self._idle: dict[HttpConnection, None] = {}

    async def serve(self, stream: Any) -> None:  # noqa: ANN401
        """Serves a connection to its end. Raises OSError if the peer is gone, and what the application does."""
        await HttpConnection(self._app, self._config, stream, self._idle).run()

    def make_room(self) -> bool:
        """Ends the connection on which nothing has been asked for the longest time. False if there is none."""
        oldest = next(iter(self._idle), None)
        if oldest is not None:
            oldest.let_go()
        return oldest is not None
