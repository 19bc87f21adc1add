"""A broker inside a program that has an event loop, a garbage collector, a log and signal handlers of its own."""

import asyncio
import gc
import logging
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, suppress
from pathlib import Path

import pika
import pytest
import trio
import trio.lowlevel

import amqpy
from amqpy import Config, RunningBroker, TcpAddress, UnixAddress
from amqpy.server.listener import Listener
from amqpy.store.sqlite import SqliteStore

DEADLINE_S = 30
PERSISTENT = pika.BasicProperties(delivery_mode=2)

needs_unix_sockets = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this system has no unix sockets")


def connect(broker: RunningBroker) -> pika.BlockingConnection:
    return pika.BlockingConnection(pika.URLParameters(broker.url))


def put(broker: RunningBroker, body: bytes) -> None:
    """Makes the durable queue `q` if it is not there, and puts a message into it."""
    with connect(broker) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare("q", durable=True)
        channel.basic_publish("", "q", body, PERSISTENT)


def take(broker: RunningBroker) -> bytes | None:
    with connect(broker) as connection:
        body: bytes | None = connection.channel().basic_get("q", auto_ack=True)[2]
        return body


def state_of_the_process() -> list[object]:
    """All that belongs to the process and not to a broker in it."""
    root = logging.getLogger()
    loggers = [logging.getLogger(name) for name in ("amqpy", "trio", "trio.serve_listeners")]
    return [
        gc.isenabled(),
        gc.get_threshold(),
        gc.get_freeze_count(),
        [(each.level, each.handlers[:], each.propagate, each.disabled) for each in (root, *loggers)],
        [signal.getsignal(number) for number in signal.valid_signals()],
        sys.excepthook,
        threading.excepthook,
        sys.getswitchinterval(),
        sys.getrecursionlimit(),
        dict(os.environ),
        os.getcwd(),
    ]


def examples() -> list[str]:
    """The programs in docs/embedding.md, in order."""
    page = Path(__file__).parents[1] / "docs" / "embedding.md"
    return re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)


def test_the_examples_of_the_documents() -> None:
    programs = [example for example in examples() if example.startswith("import ")]
    said = [subprocess.run([sys.executable, "-c", program], capture_output=True, text=True) for program in programs]
    assert [each.stdout for each in said] == ["b'Hello World!'\n", "['short']\n"]
    assert not any(each.stderr for each in said)


# --- in a thread


def test_two_brokers_in_a_process_have_nothing_in_common(tmp_path: Path) -> None:
    one_config, other_config = (Config(port=0, data_dir=str(tmp_path / name)) for name in ("one", "other"))
    with ExitStack() as stopping, amqpy.run_in_thread(other_config) as other:
        one = stopping.enter_context(amqpy.run_in_thread(one_config))
        assert one.port != other.port
        put(one, b"for one")
        put(other, b"for other")
        with connect(other) as connection:
            stopping.close()  # one of them
            assert connection.channel().queue_declare("q", passive=True).method.message_count == 1
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", one.port))
        with amqpy.run_in_thread(one_config) as one:
            assert take(one) == b"for one"
            assert take(one) is None
        assert take(other) == b"for other"


def test_an_authenticator_decides_who_gets_in() -> None:
    asked: list[amqpy.Credentials] = []

    async def authenticate(credentials: amqpy.Credentials) -> str:
        asked.append(credentials)
        await trio.lowlevel.checkpoint()
        if credentials.password != b"one way, second class":
            raise amqpy.LoginFailed(credentials.user_name, "no ticket")
        return "guest"

    with amqpy.run_in_thread(Config(port=0), authenticator=authenticate) as broker:
        ticket = pika.PlainCredentials("stranger", "one way, second class")
        with pika.BlockingConnection(pika.ConnectionParameters(port=broker.port, credentials=ticket)) as connection:
            assert connection.channel().queue_declare("q").method.queue == "q"
        with pytest.raises(pika.exceptions.ProbableAuthenticationError):
            connect(broker)
    assert asked == [("stranger", b"one way, second class"), ("guest", b"guest")]


def test_a_directory_is_not_shared(tmp_path: Path) -> None:
    config = Config(port=0, data_dir=str(tmp_path))
    with amqpy.run_in_thread(config) as broker:
        with pytest.raises(amqpy.StoreError, match="in use by another broker"), amqpy.run_in_thread(config):
            pass
        put(broker, b"still there")


def test_the_process_is_left_as_it_is(tmp_path: Path) -> None:
    random.seed(1)
    before, next_random = state_of_the_process(), random.Random(1).random()
    with amqpy.run_in_thread(Config(port=0, data_dir=str(tmp_path))) as broker:
        assert state_of_the_process() == before
        put(broker, b"hello")
        assert state_of_the_process() == before
    assert state_of_the_process() == before
    assert random.random() == next_random
    assert [each.name for each in threading.enumerate() if each.name == "amqpy"] == []


def test_each_broker_has_the_log_it_is_given(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    logs = [logging.getLogger(f"host.{name}") for name in ("one", "other")]
    config = Config(port=0, memory_high_watermark="1MB")
    with amqpy.run_in_thread(config, logs[0]) as one, amqpy.run_in_thread(config, logs[1]):
        connect(one).close()
    names = {record.name for record in caplog.records if not record.name.startswith("pika")}
    assert names == {"host.one", "host.other"}
    for log, logins in zip(logs, (1, 0), strict=True):
        told = [record.getMessage() for record in caplog.records if record.name == log.name]
        assert len([each for each in told if each.startswith("listening on 127.0.0.1:")]) == 1
        assert len([each for each in told if each.startswith("memory resource limit alarm set")]) == 1
        assert len([each for each in told if "authenticated" in each]) == logins


def test_without_a_log_of_its_own_it_tells_the_logger_amqpy(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with amqpy.run_in_thread(Config(port=0)):
        pass
    assert {record.name for record in caplog.records} == {"amqpy"}


def test_connections_that_are_left_are_closed() -> None:
    with amqpy.run_in_thread(Config(port=0)) as broker:
        connection = connect(broker)
        threading.Thread(target=pump, args=(connection,)).start()
    assert connection.is_closed


def pump(connection: pika.BlockingConnection) -> None:
    """Answers the broker until it closes the connection."""
    with suppress(pika.exceptions.ConnectionClosedByBroker):
        while True:
            connection.process_data_events(DEADLINE_S)


def test_a_start_that_fails_is_told_where_it_was_asked_for() -> None:
    with amqpy.run_in_thread(Config(port=0)) as broker:
        taken = rf"^cannot listen on 127.0.0.1:{broker.port}: Address already in use$"
        with pytest.raises(OSError, match=taken), amqpy.run_in_thread(Config(port=broker.port)):
            pass


def test_a_store_that_is_lost_is_told_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def sync(store: SqliteStore) -> int:
        raise amqpy.StoreError("no such disk")

    running = amqpy.run_in_thread(Config(port=0, data_dir=str(tmp_path)))
    with pytest.raises(amqpy.StoreError, match="no such disk"), running as broker:  # noqa: PT012 (raised at the end)
        monkeypatch.setattr(SqliteStore, "sync", sync)
        with pytest.raises(pika.exceptions.AMQPError):
            put(broker, b"never confirmed")


def test_it_can_be_stopped_from_any_thread_and_more_than_once() -> None:
    with amqpy.run_in_thread(Config(port=0)) as broker:
        broker.stop()
        broker.stop()
    broker.stop()


def test_a_program_on_asyncio() -> None:
    async def speak() -> bytes:
        with amqpy.run_in_thread(Config(port=0)) as broker:
            reader, writer = await asyncio.open_connection("127.0.0.1", broker.port)
            writer.write(b"AMQP\x00\x00\x09\x01")
            said = await reader.readexactly(1)
            writer.close()
            await writer.wait_closed()
            return said

    assert asyncio.run(speak()) == b"\x01"


# --- in a program on Trio


async def test_a_broker_as_a_task(tmp_path: Path) -> None:
    with trio.fail_after(DEADLINE_S):
        before = state_of_the_process()
        async with trio.open_nursery() as nursery:
            one = await nursery.start(amqpy.serve, Config(port=0))
            other = await nursery.start(amqpy.serve, Config(port=0, data_dir=str(tmp_path)))
            await trio.to_thread.run_sync(put, other, b"hello")
            assert state_of_the_process() == before
            one.stop()
            assert await trio.to_thread.run_sync(take, other) == b"hello"
            other.stop()
        # The nursery has ended, and so have both.
        for each in (one, other):
            with pytest.raises(OSError, match="failed"):
                await trio.open_tcp_stream("127.0.0.1", each.port)


async def test_a_broker_that_is_cancelled_keeps_what_was_confirmed(tmp_path: Path) -> None:
    config = Config(port=0, data_dir=str(tmp_path))
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            broker = await nursery.start(amqpy.serve, config)
            await trio.to_thread.run_sync(put, broker, b"confirmed")
            nursery.cancel_scope.cancel()
        async with trio.open_nursery() as nursery:
            broker = await nursery.start(amqpy.serve, config)
            assert await trio.to_thread.run_sync(take, broker) == b"confirmed"
            broker.stop()


async def test_a_start_that_is_cancelled_leaves_no_listener(monkeypatch: pytest.MonkeyPatch) -> None:
    ports = []

    async def hang(*arguments: object, task_status: trio.TaskStatus[None]) -> None:
        await trio.sleep_forever()

    async def open_listeners(config: Config) -> list[Listener]:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        ports.append(listener.socket.getsockname()[1])
        return [Listener(listener, tls=False)]

    monkeypatch.setattr("amqpy.app.monitor_resources", hang)
    monkeypatch.setattr("amqpy.app.listener.open_listeners", open_listeners)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(amqpy.serve, Config(port=0))
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    with pytest.raises(OSError, match="failed"):
        await trio.open_tcp_stream("127.0.0.1", ports[0])


# --- addresses


@needs_unix_sockets
def test_addresses_are_those_it_listens_on(tmp_path: Path) -> None:
    path = str(tmp_path / "amqp")
    with amqpy.run_in_thread(Config(listen=(f"unix:{path}", "127.0.0.1:0", "127.0.0.1:0"))) as broker:
        unix, first, second = broker.addresses
        assert unix == UnixAddress(path)
        assert isinstance(first, TcpAddress)
        assert isinstance(second, TcpAddress)
        assert 0 not in {first.port, second.port}
        assert first.port != second.port
        assert broker.port == first.port
        assert broker.url == f"amqp://guest:guest@127.0.0.1:{first.port}/%2F"
        for address in (first, second):
            socket.create_connection(address).close()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
    assert not Path(path).exists()


@needs_unix_sockets
def test_unix_sockets_alone_have_no_port(tmp_path: Path) -> None:
    with amqpy.run_in_thread(Config(listen=(f"unix:{tmp_path}/amqp",))) as broker:
        for name in ("port", "url"):
            with pytest.raises(LookupError, match="no TCP address"):
                getattr(broker, name)


def test_the_url_is_one_that_a_client_can_use() -> None:
    strange = Config(host="0.0.0.0", port=0, default_user="a@b", default_pass="%/: ", default_vhost="v/w")
    with amqpy.run_in_thread(strange) as broker:
        assert broker.addresses == (TcpAddress("0.0.0.0", broker.port),)
        assert broker.url == f"amqp://a%40b:%25%2F%3A%20@127.0.0.1:{broker.port}/v%2Fw"
        connect(broker).close()


# --- the import


def test_the_import_is_cheap() -> None:
    """Neither an event loop nor anything else that takes long, until it is asked for."""
    program = "import sys, amqpy; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    modules = set(result.stdout.split())
    assert {name for name in modules if name.startswith("amqpy")} == {"amqpy", "amqpy.version"}
    assert not modules & {"asyncio", "logging", "pamqp", "psutil", "socket", "sqlite3", "trio"}


@pytest.mark.parametrize("name", amqpy.__all__)
def test_what_is_promised_is_there(name: str) -> None:
    assert getattr(amqpy, name) is not None


def test_what_is_not_there_is_told_as_ever() -> None:
    with pytest.raises(AttributeError, match=r"^module 'amqpy' has no attribute 'nothing'$"):
        amqpy.nothing  # noqa: B018
