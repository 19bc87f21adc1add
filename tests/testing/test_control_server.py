"""`amqpy test-server`: a process with test brokers, over real HTTP."""

import json
import logging
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pika
import pytest
import trio

from amqpy.cli import main
from amqpy.testing import control_server
from tests.serving import COMMAND, DEADLINE_S, environment
from tests.testing.apps import Publisher


class TestServer:
    """The process, and a connection of HTTP to it."""

    __test__ = False

    def __init__(self, *options: str) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "test-server", *options],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.urls = json.loads(line)
        assert line.endswith("}\n")
        assert set(self.urls) == {"amqp_url", "control_url"}
        self.http = self.connect()

    def connect(self) -> HTTPConnection:
        url = urlsplit(self.urls["control_url"])
        assert url.hostname is not None
        return HTTPConnection(url.hostname, url.port, timeout=DEADLINE_S)

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        self.http.request(method, path, None if body is None else json.dumps(body))
        with self.http.getresponse() as reply:
            content = reply.read()
            is_json = reply.headers["content-type"] == "application/json"
            return reply.status, json.loads(content) if is_json else content.decode()

    def end_stdin(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def end(self) -> tuple[int, str]:
        """Its exit code, and what it has said beside that line."""
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        said = self.process.stdout.read() + self.process.stderr.read()
        return self.process.wait(DEADLINE_S), said


@contextmanager
def running(*options: str) -> Iterator[TestServer]:
    server = TestServer(*options)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.wait()
        server.http.close()
        for stream in (server.process.stdin, server.process.stdout, server.process.stderr):
            assert stream is not None
            stream.close()


def is_open(url: str) -> bool:
    place = urlsplit(url)
    try:
        socket.create_connection((place.hostname or "", place.port or 0)).close()
    except ConnectionRefusedError:
        return False
    return True


def test_a_test_in_another_language() -> None:
    with running("--stop-with-parent") as server:
        assert server.ask("POST", "/brokers/main/faults", {"kind": "cut_connection", "nth": 2}) == (201, {"id": "1"})
        with Publisher(server.urls["amqp_url"], "shop") as publisher:
            publisher.channel.queue_declare("dead")
            arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead", "x-message-ttl": 60_000}
            publisher.channel.queue_declare("q", arguments=arguments)
            for body in (b"1", b"2"):
                publisher.send_surely(body, "q")
            assert server.ask("GET", "/brokers/main/faults/1") == (200, {"fired": 1})
            status, events = server.ask("POST", "/brokers/main/wait", {"kind": "confirmed", "count": 2})
            assert (status, [each["payload"] for each in events]) == (200, ["1", "2"])
            assert server.ask("POST", "/brokers/main/clock/advance", {"seconds": 60})[0] == 200
            dead = server.ask("GET", "/brokers/main/queues/dead")[1]["ready"]
            assert [each["headers"]["x-death"][0]["reason"] for each in dead] == ["expired"] * 3
            status, told = server.ask("POST", "/brokers/main/assert/published", {"match": {"body": "3"}, "timeout": 0})
            assert (status, told["error"]) == (409, "not_true")
            assert "body: wanted '3', was b'1'" in told["reason"]
        assert "dead_lettered from 'q'" in server.ask("GET", "/brokers/main/transcript")[1]
        other = server.ask("POST", "/brokers", {"profile": "rabbitmq-3.10"})[1]
        assert is_open(other["amqp_url"])
        assert server.ask("DELETE", f"/brokers/{other['id']}") == (204, "")
        assert not is_open(other["amqp_url"])
        assert server.ask("POST", "/nonsense", ["x"])[0] == 404
        server.end_stdin()
        assert server.end() == (0, "")


def version_of(url: str) -> str:
    connection = pika.BlockingConnection(pika.URLParameters(url))
    properties: dict[str, Any] = connection._impl.server_properties  # noqa: SLF001
    connection.close()
    return str(properties["version"])


def test_the_profile_is_that_of_all_its_brokers() -> None:
    with running("--profile", "rabbitmq-4.0") as server:
        other = server.ask("POST", "/brokers")[1]
        assert [version_of(url)[:2] for url in (server.urls["amqp_url"], other["amqp_url"])] == ["4.", "4."]


def test_a_signal_ends_it_whoever_waits() -> None:
    """Neither a connection, nor a broker of somebody's own, nor a request that waits is in the way."""
    with running() as server, Publisher(server.urls["amqp_url"]):
        other = server.ask("POST", "/brokers")[1]
        with closing(server.connect()) as waiting:
            waiting.request("POST", "/brokers/1/wait", json.dumps({"kind": "acked", "timeout": 600}))
            assert server.ask("GET", "/brokers/main/clock")[0] == 200
            server.process.send_signal(signal.SIGINT)
            assert server.end() == (0, "")
        assert not is_open(other["amqp_url"])


def test_without_the_option_it_outlives_its_stdin() -> None:
    with running() as server:
        server.end_stdin()
        assert server.ask("GET", "/brokers/main/clock")[0] == 200
        server.process.send_signal(signal.SIGTERM)
        assert server.end() == (0, "")


def test_a_connection_with_nonsense_ends_nothing() -> None:
    with running() as server:
        url = urlsplit(server.urls["control_url"])
        with socket.create_connection((url.hostname or "", url.port or 0), DEADLINE_S) as nonsense:
            nonsense.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
            assert b"400" in nonsense.recv(4096)
        assert server.ask("GET", "/brokers/main/clock")[0] == 200
        server.process.send_signal(signal.SIGINT)
        assert server.end() == (0, "")


async def test_in_the_event_loop_of_a_program() -> None:
    stop, ready = trio.Event(), trio.Event()
    urls: list[str] = []

    def on_ready(*found: str) -> None:
        urls.extend(found)
        ready.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            partial(
                control_server.serve,
                stop,
                port=0,
                control_port=0,
                profile="rabbitmq-4.0",
                stops_with_stdin=False,
                log=logging.getLogger("tests.control_server"),
                on_ready=on_ready,
            )
        )
        await ready.wait()
        amqp, control = urls
        assert (await trio.to_thread.run_sync(version_of, amqp))[:2] == "4."
        place = urlsplit(control)
        stream = await trio.open_tcp_stream(place.hostname or "", place.port or 0)
        async with stream:
            await stream.send_all(b"GET /brokers/main/clock HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 200 ")
        stop.set()
    assert not is_open(amqp)
    assert not is_open(control)


# --- what is in the way


@pytest.mark.parametrize("option", ["--port", "--control-port"])
def test_a_port_that_is_taken(option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [*COMMAND, "test-server", option, str(port)]
        done = subprocess.run(
            command, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    line = f"amqpy: cannot listen on 127.0.0.1:{port}: Address already in use\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", line)


def test_a_profile_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test-server", "--profile", "rabbitmq-5"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("amqpy: Invalid value for '--profile': 'rabbitmq-5' is not one of ")


async def test_without_hypercorn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_server, "find_spec", lambda name: None)
    with pytest.raises(OSError, match=re.escape(control_server.MISSING)):
        await control_server.serve(
            trio.Event(),
            port=0,
            control_port=0,
            profile=None,
            stops_with_stdin=False,
            log=logging.getLogger("tests.control"),
            on_ready=lambda amqp_url, control_url: pytest.fail("it serves"),
        )
