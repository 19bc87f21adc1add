"""The listeners of the management API, and its connections: HTTP/1.1 and HTTP/2, by Hypercorn.

The sockets listen from the start. What speaks HTTP is imported when somebody connects: a broker whose API nobody uses
starts as fast, and is as small, as without.
"""

import ssl
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

import trio

from amqpy.config.values import HttpsAddress, TcpAddress
from amqpy.server.admission import Visit
from amqpy.server.listener import open_address
from amqpy.server.reactor import Reactor

if TYPE_CHECKING:
    from amqpy.management.http_connection import HttpServer
    from amqpy.server.certificates import Certificates

CONNECTIONS_MAX: Final = 500
"""Connections at a time. One more takes the place of one that is idle, or is refused."""
HANDSHAKE_S: Final = 5
"""Seconds for the handshake of TLS."""


class HttpListener:
    """A socket that listens for HTTP."""

    def __init__(self, accepting: trio.SocketListener, tls: bool, *, for_metrics: bool = False) -> None:
        self.accepting = accepting
        self.tls = tls
        self.for_metrics = for_metrics
        """True if it is for Prometheus, and not for the management API."""

    @property
    def protocol(self) -> str:
        """RabbitMQ's name for what it speaks."""
        scheme = "https" if self.tls else "http"
        return f"{scheme}/prometheus" if self.for_metrics else scheme

    @property
    def address(self) -> TcpAddress:
        """The address it listens on, with a real port."""
        return (HttpsAddress if self.tls else TcpAddress)(*self.accepting.socket.getsockname()[:2])

    def close(self) -> None:
        self.accepting.socket.close()


async def open_listeners(addresses: tuple[TcpAddress, ...], *, for_metrics: bool = False) -> list[HttpListener]:
    """Listens on every address, or on none. Raises OSError with a line for the operator."""
    listeners: list[HttpListener] = []
    try:
        for address in addresses:
            tls = isinstance(address, HttpsAddress)
            listeners += [HttpListener(each, tls, for_metrics=for_metrics) for each in await open_address(address)]
    except OSError:
        for listener in listeners:
            listener.close()
        raise
    return listeners


class Application(Protocol):
    """Answers requests. It is made in a thread, when somebody connects."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...  # noqa: ANN401 (those of ASGI)

    async def run(self) -> None:
        """Does what goes on beside the requests, until cancelled."""


class Server:
    """Serves an application on listeners, until cancelled."""

    def __init__(
        self,
        listeners: Sequence[HttpListener],
        make_application: Callable[[], Application],
        certificates: "Certificates | None",
        reactor: Reactor,
    ) -> None:
        self._listeners = listeners
        self._make_application = make_application
        self._certificates = certificates
        self._reactor = reactor
        self._serve_stream: Callable[[Any], Awaitable[None]] | None = None
        self._make_room: Callable[[], bool] = lambda: False
        """Ends an idle connection. False if none is."""
        self._loading = trio.Lock()
        self._nursery: trio.Nursery
        self._room = CONNECTIONS_MAX

    async def run(self) -> None:
        async with trio.open_nursery() as self._nursery:
            for listener in self._listeners:
                self._nursery.start_soon(trio.serve_listeners, partial(self._serve, listener.tls), [listener.accepting])

    async def _serve(self, tls: bool, stream: trio.SocketStream) -> None:
        """A connection that was accepted. Whatever fails in it is its end, and no other's."""
        entrance, log = self._reactor.entrance, self._reactor.log
        visit = Visit(entrance.admission)
        try:
            origin = await entrance.admit(stream.socket, visit, may_be_relayed=False)
            if origin is None:
                return
            visit.note_opened()  # each request logs in
            if self._room <= 0 and not self._make_room():
                entrance.refuse(stream.socket, origin.ends.peer_host, f"too many for HTTP ({CONNECTIONS_MAX})")
                return
            self._room -= 1
            try:
                await self._speak(tls, stream)
            finally:
                self._room += 1
        except (OSError, trio.BrokenResourceError) as error:
            log.debug("a connection of HTTP ended: %s", error)
        except Exception as error:
            self._reactor.blame_request(error)
        finally:
            entrance.leave(visit)
            await trio.aclose_forcefully(stream)

    async def _speak(self, tls: bool, stream: trio.SocketStream) -> None:
        serve_stream = await self._loaded()
        if not tls:
            await serve_stream(stream)
        elif (secure := await self._secured(stream)) is not None:
            await serve_stream(secure)

    async def _secured(self, stream: trio.SocketStream) -> "trio.SSLStream[trio.SocketStream] | None":
        """The connection in TLS; None if that does not come about."""
        from amqpy.server.tls import reason_of  # which needs more than few brokers have

        assert self._certificates is not None
        secure = trio.SSLStream(stream, self._certificates.context, server_side=True, https_compatible=True)
        reason = "the connection is lost"
        try:
            with trio.fail_after(HANDSHAKE_S):
                await secure.do_handshake()
            return secure
        except trio.TooSlowError:
            reason = f"it took more than {HANDSHAKE_S} s"
        except trio.BrokenResourceError as error:
            if isinstance(error.__cause__, ssl.SSLEOFError):
                reason = "the client ended the connection"
            elif isinstance(error.__cause__, ssl.SSLError):
                reason = reason_of(error.__cause__)
        self._reactor.log.warning("TLS handshake failed: %s", reason)
        return None

    async def _loaded(self) -> Callable[[Any], Awaitable[None]]:
        async with self._loading:
            if self._serve_stream is not None:
                return self._serve_stream
            application, server = await trio.to_thread.run_sync(self._load)
            self._serve_stream, self._make_room = server.serve, server.make_room
            self._nursery.start_soon(application.run)
            return server.serve

    def _load(self) -> "tuple[Application, HttpServer]":
        """Makes the application, and imports what speaks HTTP, which takes a moment."""
        from amqpy.management.http_connection import HttpServer

        application = self._make_application()
        return application, HttpServer(application)
