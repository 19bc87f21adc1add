"""A broker from its start to its end: makes the parts, starts them in order, stops them in order.

A start succeeds as a whole or raises OSError, with a line for the operator, before anything was accepted.
A stop first closes the listeners, so that no client comes back while it closes the connections.

A process may have several, and other things to do: nothing here belongs to all of it (that is in process.py).
"""

import logging
import random
import secrets
import socket
import time
from codecs import BOM_UTF8
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import trio

from amqpy.amqp.connection import ConnectionSession
from amqpy.config import Config
from amqpy.config.exposure import notes as notes_on_exposure
from amqpy.config.values import ConfigError, HttpsAddress, TcpAddress, TlsAddress, UnixAddress
from amqpy.core.broker import Broker
from amqpy.core.durability import recovery
from amqpy.core.durability.startup import open_broker
from amqpy.core.users import Authenticator, Users
from amqpy.errors import AdministrationError, AmqpFault
from amqpy.log import LOGGER
from amqpy.management.control import ControlListener, open_control
from amqpy.management.startup import make_servers, open_management
from amqpy.server import listener
from amqpy.server.garbage_collection import collect_garbage
from amqpy.server.questions import InLine
from amqpy.server.reactor import Reactor, now_ms
from amqpy.server.resource_monitor import monitor_resources
from amqpy.store.store import Store
from amqpy.stream.connection import StreamSession
from amqpy.wire.scan import LANGUAGE

if TYPE_CHECKING:
    from amqpy.auth.backends import Backends
    from amqpy.config.tls import TlsOptions
    from amqpy.management.server import HttpListener
    from amqpy.server.certificates import Certificates
    from amqpy.server.tls import TlsHandshakes
    from amqpy.store.sqlite import Sync

# RabbitMQ's words: tools that wait for a broker to be up look for them in its log.
STARTED = "Server startup complete; 0 plugins started."
SHUTDOWN = "broker forced connection closure with reason 'shutdown'"


ANY_HOST = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Of an address to listen on, the one to connect to."""


@dataclass(frozen=True, slots=True)
class RunningBroker:
    """A broker that serves."""

    config: Config
    addresses: tuple[TcpAddress | UnixAddress, ...]
    """It listens on these; port 0 of its settings is a real port here."""
    reactor: Reactor
    """All connections; its `administer` calls operations of an administrator. Not for other threads."""
    users: Users
    ask_to_stop: Callable[[], None]
    certificates: "Mapping[TlsOptions, Certificates]" = field(default_factory=dict)
    """Those that its addresses in TLS show, which can be read anew."""
    management: tuple[TcpAddress, ...] = ()
    """It listens on these for the management API."""
    metrics: tuple[TcpAddress, ...] = ()
    """It listens on these for Prometheus."""
    control: Path | None = None
    """Its control socket."""
    streams: tuple[TcpAddress | UnixAddress, ...] = ()
    """It listens on these for the stream protocol."""

    @property
    def port(self) -> int:
        """Of the first TCP address, of those without TLS if there are any. Raises LookupError if there is none."""
        return self._tcp_address.port

    @property
    def url(self) -> str:
        """For clients on this machine: the first TCP address, with the default user and virtual host. Raises
        LookupError if there is none: for unix sockets, there is no form of a URL that all clients know."""
        host, port = self._tcp_address
        address, config = TcpAddress(ANY_HOST.get(host, host), port), self.config
        scheme = "amqps" if isinstance(self._tcp_address, TlsAddress) else "amqp"
        user, password, vhost = (
            quote(each, "") for each in (config.default_user, config.default_pass, config.default_vhost)
        )
        return f"{scheme}://{user}:{password}@{address}/{vhost}"

    @property
    def _tcp_address(self) -> TcpAddress:
        found = [address for address in self.addresses if isinstance(address, TcpAddress)]
        if not found:
            raise LookupError("the broker listens on no TCP address")
        return min(found, key=lambda address: isinstance(address, TlsAddress))

    def stop(self) -> None:
        """Begins its orderly end, and does not wait for it. May be called by any thread, and more than once."""
        with suppress(trio.RunFinishedError):
            self.ask_to_stop()


async def serve(
    config: Config,
    log: logging.Logger | None = None,
    stop: trio.Event | None = None,
    *,
    authenticator: Authenticator | None = None,
    collects_garbage: bool = False,
    manages: bool = False,
    task_status: trio.TaskStatus[RunningBroker] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serves until `stop` is set or the broker is told to stop, then drains. Whoever started this as a task gets the
    broker once it serves. Raises OSError or ConfigError if it cannot start, and StoreError if the store fails, then or
    later.

    To be cancelled is to end like a process that is killed: what was confirmed is there the next time.
    It logs to `log`, or to the logger `amqpy`. An `authenticator` checks credentials in place of the passwords of its
    users, and of the back ends in the settings. In a process that does nothing else it `collects_garbage`, of all, and
    `manages`: it has the management API unless the settings say otherwise.
    """
    log = log or logging.getLogger(LOGGER)
    stop = trio.Event() if stop is None else stop
    config = replace(config, cluster_name=config.cluster_name or f"rabbit@{socket.gethostname()}")
    store = None if config.data_dir is None else store_of(config, config.data_dir)
    is_clean = False
    try:
        certificates = make_certificates(config, log)
        tls = make_tls(config, certificates, log)
        definitions = None if config.load_definitions is None else read_definitions(config.load_definitions)
        broker, users = make_broker(config, store, log, has_users=bool(definitions and definitions.get("users")))
        if definitions is not None:
            import_definitions(broker, users, definitions, config, log)
        backends = None if authenticator else make_backends(config, users, log)
        reactor = Reactor(broker, log=log)
        if store is not None:
            reactor.keep_in(store, on_failure=stop.set)
        listeners = await listener.open_listeners(config)
        stream_listeners: list[listener.Listener] = []
        web_listeners: list[HttpListener] = []
        control: list[ControlListener] = []
        try:
            stream_listeners = await listener.open_stream_listeners(config, log, by_default=manages)
            web_listeners = await open_management(config, log, by_default=manages)
            asked = InLine(authenticator) if authenticator else backends
            make_session = partial(ConnectionSession, broker, users, authenticator=asked)
            make_stream = partial(StreamSession, broker, users, authenticator=asked)
            accept = partial(listener.serve, listeners, reactor, make_session, tls)
            accept_streams = partial(listener.serve, stream_listeners, reactor, make_stream, tls)
            addresses = tuple(each.address for each in listeners)
            port = next((each.port for each in addresses if isinstance(each, TcpAddress)), None)
            control = open_control(config, port, log, by_default=manages)
            ask_to_stop = partial(trio.lowlevel.current_trio_token().run_sync_soon, stop.set)
            web = tuple(site.address for site in web_listeners if not site.for_metrics)
            metrics = tuple(site.address for site in web_listeners if site.for_metrics)
            more = (next((each.path for each in control), None), tuple(each.address for each in stream_listeners))
            running = RunningBroker(config, addresses, reactor, users, ask_to_stop, certificates, web, metrics, *more)
            servers = make_servers(web_listeners, control, reactor, users, asked, addresses, certificates, unix_time_ms)
            accepts: list[Callable[[], Awaitable[None]]] = [accept, accept_streams, *(server.run for server in servers)]
            await _serve_until(stop, running, accepts, backends, collects_garbage, task_status)
        finally:
            for each in (*listeners, *stream_listeners):
                each.close()
            for site in (*web_listeners, *control):
                site.close()
        is_clean = await _finish(reactor)
    finally:
        if store is not None:
            store.close(is_clean=is_clean)
    log.info("stopped")


async def _finish(reactor: Reactor) -> bool:
    """Writes what is left, when everybody is gone. True if there is a store. Raises StoreError."""
    flusher = reactor.flusher
    if flusher is None:
        return False
    if flusher.failure is not None:
        raise flusher.failure
    recovery.note_fronts(reactor.broker.vhosts)
    await flusher.finish()
    return True


async def _serve_until(
    stop: trio.Event,
    running: RunningBroker,
    accepts: list[Callable[[], Awaitable[None]]],
    backends: "Backends | None",
    collects_garbage: bool,
    task_status: trio.TaskStatus[RunningBroker],
) -> None:
    reactor, data_dir = running.reactor, running.config.data_dir
    broker, log = reactor.broker, reactor.log
    async with trio.open_nursery() as connections:
        await connections.start(reactor.run)
        if backends is not None:
            await connections.start(backends.run)
        if collects_garbage:
            connections.start_soon(collect_garbage, broker)
        await connections.start(monitor_resources, reactor, data_dir)
        async with trio.open_nursery() as accepting:
            for accept in accepts:
                accepting.start_soon(accept)
            for certificates in running.certificates.values():
                accepting.start_soon(certificates.watch)
            if data_dir is None:
                log.info("everything is kept in memory: a stop loses all queues and messages")
            else:
                count = broker.message_count()
                log.info("what is durable is kept in %s; %d messages are there", data_dir, count)
            log.info("messages are scanned in %s", LANGUAGE)
            for address in running.addresses:
                log.info("listening on %s", address)
            for address in running.streams:
                log.info("the stream protocol listens on %s", address)
            for web_address in running.management:
                log.info("the management API listens on %s", web_address)
            for web_address in running.metrics:
                scheme = "" if isinstance(web_address, HttpsAddress) else "http://"
                log.info("metrics are at %s%s%s", scheme, web_address, broker.config.prometheus_path)
            if running.control is not None:
                log.info("the control socket is %s", running.control)
            for note in notes_on_exposure(broker.config, (*running.addresses, *running.management), running.metrics):
                log.log(note.level, "%s", note.text)
            task_status.started(running)
            log.info(STARTED)
            await stop.wait()
            log.info("stopping")
            accepting.cancel_scope.cancel()
        await reactor.drain(SHUTDOWN)
        connections.cancel_scope.cancel()


def make_certificates(config: Config, log: logging.Logger) -> "Mapping[TlsOptions, Certificates]":
    """The certificates for the addresses in TLS, by their settings: listeners that have the same share them. Raises
    OSError."""
    needed: dict[TlsOptions, None] = {}
    for options, addresses, is_off in (
        (config.tls, config.addresses, False),
        (config.tls, config.stream_addresses, config.stream is False),
        (config.management_tls, config.management_addresses, config.management is False),
        (config.prometheus_tls, config.prometheus_addresses, config.prometheus is False),
    ):
        if not is_off and any(isinstance(each, TlsAddress | HttpsAddress) for each in addresses):
            needed[options] = None
    if not needed:
        return {}
    try:
        from amqpy.server.certificates import Certificates, utc_now
    except ModuleNotFoundError as error:
        raise OSError(f"TLS needs the package {error.name}: pip install 'amqpy-broker[tls]'") from None
    return {options: Certificates(options, log, utc_now) for options in needed}


def make_tls(
    config: Config, certificates: "Mapping[TlsOptions, Certificates]", log: logging.Logger
) -> "TlsHandshakes | None":
    """TLS for the addresses for clients that ask for it; None if none does."""
    streams = () if config.stream is False else config.stream_addresses
    if not any(isinstance(each, TlsAddress) for each in (*config.addresses, *streams)):
        return None
    from amqpy.server.tls import TlsHandshakes

    return TlsHandshakes(certificates[config.tls], config.tls_handshake_timeout_ms / 1000, log)


def store_of(config: Config, directory: str) -> Store:
    """Raises StoreError."""
    from amqpy.store.directory import open_store  # without a directory nobody needs SQLite

    return open_store(Path(directory), sync=cast("Sync", config.sync))


def make_backends(config: Config, users: Users, log: logging.Logger) -> "Backends | None":
    """The back ends in the settings, or None if there is only the broker's own. Raises OSError."""
    if config.backends_used == {"internal"}:
        return None
    from amqpy.auth.backends import Backends  # which few brokers need

    return Backends(config, users, log)


def make_broker(
    config: Config, store: Store | None, log: logging.Logger, *, has_users: bool = False
) -> tuple[Broker, Users]:
    """A broker with what the store has, and its users; a new one has the default user, unless others are to come.
    Raises StoreError."""
    choose = random.Random().randrange  # the process's own generator may have been seeded
    if store is None:
        broker = Broker(config, new_name, choose, unix_time_ms, log=log)
        return broker, Users(broker, new_salt, has_default=not has_users)
    broker, loaded = open_broker(
        config,
        store,
        new_name,
        choose,
        unix_time_ms,
        log=log,
        now_ms=now_ms(),
        unix_offset_ms=lambda: unix_time_ms() - now_ms(),
    )
    return broker, Users(broker, new_salt, loaded.records, has_default=not has_users)


def read_definitions(path: str) -> dict[str, Any]:
    """The definitions in a file. Raises ConfigError."""
    from amqpy.management.json_reader import read_json  # which few brokers need

    try:
        value = read_json(Path(path).read_bytes().removeprefix(BOM_UTF8))
    except (OSError, ValueError) as error:
        raise ConfigError(f"load_definitions: {path}: {error}") from None
    if not isinstance(value, dict):
        raise ConfigError(f"load_definitions: {path}: not a JSON object")
    return value


def import_definitions(
    broker: Broker, users: Users, definitions: dict[str, Any], config: Config, log: logging.Logger
) -> None:
    """Imports definitions before the broker serves anybody. Raises ConfigError."""
    from amqpy.core.definitions_import import import_at_once

    broker.advance(now_ms())
    try:
        import_at_once(broker, users, definitions)
    except (AdministrationError, AmqpFault) as error:
        text = " ".join(error.text.split())
        raise ConfigError(f"load_definitions: {config.load_definitions}: {text}") from None
    log.info("definitions are imported from %s", config.load_definitions)


def new_name() -> str:
    """22 random characters of the URL-safe base64 alphabet, as in RabbitMQ's `amq.gen-…` and `amq.ctag-…`."""
    return secrets.token_urlsafe(16)


def new_salt() -> bytes:
    """Four random bytes, as RabbitMQ has them before a password's hash."""
    return secrets.token_bytes(4)


def unix_time_ms() -> int:
    return time.time_ns() // 1_000_000
