"""The broker of a test: `TestBroker`."""

import threading
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self, TypeVar, get_args
from urllib.parse import quote

from amqpy.core.alarms import Resource
from amqpy.core.definitions import exported
from amqpy.testing.clock import Clock
from amqpy.testing.connections import Connection
from amqpy.testing.errors import LeakWarning
from amqpy.testing.faults import Faults
from amqpy.testing.host import Host, the_host
from amqpy.testing.leaks import USUAL, leaks_in
from amqpy.testing.questions import Questions
from amqpy.testing.server import OF_TEST, Server
from amqpy.testing.settings import Settings, definitions_of
from amqpy.testing.snapshots import Snapshot, restore_into, taken_from

T = TypeVar("T")


class AddedVhost(str):
    """The name of a virtual host of a test broker, with its url."""

    url: str


class TestBroker(Questions):
    """A real broker with a port, a clock, faults and a record of its own. Any thread may call anything.

    Settings are those of `Config`, and `clock` ("ticking", "frozen"), `now`, `seed`, `definitions`, `snapshot` and
    `leaks`. Raises TypeError for an unknown one.
    """

    __test__: ClassVar[bool] = False  # it is no test class of pytest's

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401
        self._settings = Settings.of(settings)
        self._host: Host = the_host()
        self._lock = threading.RLock()
        do = weakref.WeakMethod(self._do)  # the loop has the faults, and nothing there may keep us from being collected
        self.faults = Faults(lambda *arguments: None if (alive := do()) is None else alive(*arguments))
        self.server = self._new_server()
        self.clock = Clock(self._host, self.server)
        self._is_started = False

    def _new_server(self) -> Server:
        settings = self._settings
        return self._host.call(
            lambda: Server(
                self._host,
                settings.config,
                self.faults,
                clock=settings.clock,
                unix_ms=settings.unix_ms,
                seed=settings.seed,
                definitions=settings.definitions,
            )
        )

    def _do(self, act: Callable[..., T], *arguments: object) -> T:
        """Does something in the broker's thread, as a turn if it runs."""

        def do() -> T:
            server = self.server
            server.hear_all()
            answer = act(*arguments)
            if server.life is not None:
                server.act(lambda: None)
            return answer

        return self._host.call(do)

    # --- start and stop

    def start(self) -> Self:
        """Starts it, if it does not run."""
        with self._lock:
            if not self._is_started:
                self._host.call_async(self.server.start)
                self._is_started = True
                if self._settings.snapshot is not None:
                    self._host.call(restore_into, self.server, self._settings.snapshot)
        return self

    def stop(self) -> None:
        """Stops it, if it runs, and closes all connections. Raises BrokerBug if it met an internal error."""
        with self._lock:
            if self._is_started:
                self._is_started = False
                self._host.call_async(self.server.stop)
        self.server.check_bugs()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.stop()  # of a test that failed, whose leaks would only distract
        else:
            self.finish(self._settings.leaks or ())

    def relent(self) -> None:
        """Ends what a test does to its clients, when it is over: one that waits for a confirm, or whose connection is
        frozen, could not end."""

        def end_faults() -> None:
            for fault in self.faults:
                fault.end()

        if self._host.call(lambda: self.server.life is not None):
            self._do(end_faults)
            self.unblock()
            for connection in self.connections:
                connection.thaw()

    def finish(self, leaks: Iterable[str] = ()) -> None:
        """Stops it, and says what was wrong at the end: warns of leaks of these kinds, raises BrokerBug or
        FaultNotFired."""
        lines = self.leaks(*leaks) if leaks and self._is_started else []
        try:
            self.stop()
        finally:
            for line in lines:
                warnings.warn(line, LeakWarning, stacklevel=2)
        self.faults.check()

    def __del__(self) -> None:
        if getattr(self, "_is_started", False) and not self._host.is_elsewhere:
            self._host.forget(self.server.stop)

    def restart(self, *, crash: bool = False) -> None:
        """Restarts it on the same port, with what is durable. Clients are sent 320, or with `crash` their sockets just
        end."""

        async def restart() -> None:
            self.server.check_running()
            await self.server.restart(crash=crash)

        with self._lock:
            self._host.call_async(restart)

    @contextmanager
    def down(self, *, crash: bool = False) -> Iterator[None]:
        """It is down in this context: connections are refused."""

        async def down() -> None:
            self.server.check_running()
            await self.server.down(crash=crash)

        with self._lock:
            self._host.call_async(down)
        try:
            yield
        finally:
            with self._lock:
                if self._is_started:
                    self._host.call_async(self.server.up)

    def reset(self) -> None:
        """Ends all connections, and begins anew on the same port: nothing is left but the clock."""

        async def reset() -> None:
            self.server.check_running()
            await self.server.reset()

        with self._lock:
            self._host.call_async(reset)

    def purge(self) -> None:
        """Drops the messages that are ready, the recordings, the faults and the alarms. Connections stay."""
        self._host.call(self.server.purge)

    # --- addresses

    @property
    def host(self) -> str:
        return self._settings.config.host

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def url(self) -> str:
        """For clients, without a path, which every one takes for virtual host `/`."""
        config = self._settings.config
        return self._url(config.default_user, config.default_pass, config.default_vhost)

    def _url(self, user: str, password: str, vhost: str = "/") -> str:
        path = "" if vhost == "/" else f"/{quote(vhost, '')}"
        return f"amqp://{quote(user, '')}:{quote(password, '')}@{self.host}:{self.port}{path}"

    # --- administration

    def add_vhost(self, name: str) -> AddedVhost:
        """Adds a virtual host, which the default user may enter; returns its name, which has a `url`."""
        config = self._settings.config

        def add() -> None:
            life = self.server.running
            life.broker.administration.add_vhost(name)
            life.users.set_permissions(config.default_user, name, ".*", ".*", ".*")

        self._administer(add)
        added = AddedVhost(name)
        added.url = self._url(config.default_user, config.default_pass, name)
        return added

    def delete_vhost(self, name: str) -> None:
        self._administer(lambda: self.server.running.broker.administration.delete_vhost(name))

    def add_user(
        self,
        name: str,
        password: str,
        vhost: str = "/",
        *,
        configure: str = ".*",
        write: str = ".*",
        read: str = ".*",
        tags: Iterable[str] = (),
    ) -> str:
        """Adds a user with these permissions on a virtual host; returns its url."""

        def add() -> None:
            users = self.server.running.users
            users.add_user(name, password, tags=tags)
            users.set_permissions(name, vhost, configure, write, read)

        self._administer(add)
        return self._url(name, password, vhost)

    def set_policy(
        self,
        name: str,
        pattern: str,
        definition: dict[str, Any],
        *,
        vhost: str = "/",
        priority: int = 0,
        apply_to: str = "all",
    ) -> None:
        """Sets a policy, as `rabbitmqctl set_policy` does."""
        administration = self.server.running.broker.administration
        self._administer(
            lambda: administration.set_policy(vhost, name, pattern, definition, priority=priority, apply_to=apply_to)
        )

    def block(self, resource: Resource = "memory") -> None:
        """Sets an alarm: publishers are blocked. Raises ValueError for an unknown resource."""
        if resource not in get_args(Resource):
            raise ValueError(f"no resource {resource!r}: there are {', '.join(get_args(Resource))}")
        self._administer(lambda: self.server.running.broker.alarms.set(resource, OF_TEST))

    def unblock(self, resource: Resource | None = None) -> None:
        """Clears the alarm, or all that were set by `block`."""

        def clear() -> None:
            alarms = self.server.running.broker.alarms
            for each in [resource] if resource else list(alarms.resources):
                alarms.clear(each, OF_TEST)

        self._administer(clear)

    @contextmanager
    def blocked(self, resource: Resource = "memory") -> Iterator[None]:
        """An alarm is set in this context."""
        self.block(resource)
        try:
            yield
        finally:
            self.unblock(resource)

    def _administer(self, act: Callable[[], Any]) -> Any:  # noqa: ANN401
        return self._host.call(self.server.heard, lambda: self.server.administer(act))

    # --- connections

    @property
    def connections(self) -> list[Connection]:
        """The open connections, in the order in which they came."""

        def found() -> list[Connection]:
            return [
                Connection(self._host, self.server, session)
                for session in self.server.sessions()
                if session.vhost is not None
            ]

        return self._host.call(self.server.heard, found)

    def connection(self, name: str) -> Connection:
        """The open connection with this name. Raises LookupError."""
        found = self.connections
        for each in found:
            if each.name == name:
                return each
        names = ", ".join(repr(each.name) for each in found) or "none"
        raise LookupError(f"no connection {name!r}; open are: {names}")

    # --- state

    def definitions(self) -> dict[str, Any]:
        """RabbitMQ's definitions of all that is there."""

        def definitions() -> dict[str, Any]:
            life = self.server.running
            return exported(life.broker, life.users)

        return self._host.call(self.server.heard, definitions)

    def load_definitions(self, source: str | Path | dict[str, Any]) -> None:
        """Imports RabbitMQ's definitions. The default user keeps its password, and may enter all virtual hosts."""
        definitions = definitions_of(source)
        assert definitions is not None
        self._host.call(self.server.load_definitions, definitions)

    def snapshot(self) -> Snapshot:
        """All that is there but exclusive queues, with the messages."""
        return self._host.call(taken_from, self.server)

    def restore(self, snapshot: Snapshot) -> None:
        """Begins anew with what is in a snapshot."""
        with self._lock:
            self.reset()
            self._host.call(restore_into, self.server, snapshot)

    def leaks(self, *kinds: str) -> list[str]:
        """A line for each thing that is left behind: `connections unacked unconfirmed transactions`, and on demand
        `unroutable ready`."""
        return self._host.call(leaks_in, self.server, kinds or USUAL)

    def assert_no_leaks(self, *kinds: str) -> None:
        __tracebackhide__ = True
        if lines := self.leaks(*kinds):
            raise AssertionError("\n".join(["expected no leaks:", *(f"  {line}" for line in lines)]))

    def __repr__(self) -> str:
        return f"<TestBroker {self.url if self._is_started else 'that does not run'}>"
