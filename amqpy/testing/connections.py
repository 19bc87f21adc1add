"""The connections of a test broker's clients, and what can be done to them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from amqpy.errors import ConnectionFault
from amqpy.testing.faults import fault_of

if TYPE_CHECKING:
    from amqpy.testing.host import Host
    from amqpy.testing.server import Server
    from amqpy.testing.sessions import WatchedSession

T = TypeVar("T")

FORCED = 320


class Connection:
    """A client's connection."""

    def __init__(self, host: "Host", server: "Server", session: "WatchedSession") -> None:
        self._host = host
        self._server = server
        self._session = session
        self.name: str = session.name
        """The name that the client gave it, else `ip:port -> ip:port`."""
        self.user: str = session.user_name
        self.vhost: str | None = None if session.vhost is None else session.vhost.name
        product = session.terms.client_properties.get("product")
        self.product: str | None = None if product is None else str(product.value)
        """The client library, as it calls itself."""

    @property
    def channels(self) -> int:
        """The number of its open channels."""
        return self._ask(lambda: len(self._session.channels))

    @property
    def blocked(self) -> bool:
        """True while it may not publish: it has tried to during an alarm."""
        return self._ask(lambda: self._session.block.is_blocked)

    def cut(self, *, reset: bool = False) -> None:
        """Ends it without a word, with FIN or RST."""
        self._ask(lambda: self._server.act(lambda: self._server.cut(self._session, reset)))

    def close(self, code: int = FORCED, text: str = "closed by the test") -> None:
        """Closes it with connection.close."""
        fault = fault_of(code, text)
        if not isinstance(fault, ConnectionFault):
            raise ValueError(f"{code} closes a channel, not a connection")
        self._ask(lambda: self._server.act(lambda: self._session.fail(fault)))

    def freeze(self) -> None:
        """Lets nothing in or out, like a network that is gone: both sides think that all is well."""
        self._ask(self._session.transport.freeze)

    def thaw(self) -> None:
        """Ends `freeze`: what was sent meanwhile comes late."""
        self._ask(self._session.transport.thaw)

    def slow(self, *, bytes_per_second: float) -> None:
        """Lets it have so many bytes a second."""
        if bytes_per_second <= 0:
            raise ValueError("bytes_per_second must be more than 0")
        self._ask(lambda: self._session.transport.slow(bytes_per_second))

    def garble(self) -> None:
        """Spoils the next frames that are sent to it."""
        self._ask(self._session.transport.garble)

    def _ask(self, act: Callable[[], T]) -> T:
        return self._host.call(lambda: self._server.heard(act))

    def __repr__(self) -> str:
        return f"<connection {self.name!r} of user {self.user!r}>"
