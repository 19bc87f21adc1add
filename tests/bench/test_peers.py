"""Brokers that run already: an amqpy in a thread of this process plays one."""

import math
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

import amqpy
from amqpy.config import Config
from interop.bench.brokers import PeerBroker
from interop.bench.case import Bench, Case
from interop.bench.cli import about_peer, measure
from interop.bench.counters import UnexpectedFrames
from interop.bench.frames import Publication
from interop.bench.metrics import Metric
from interop.bench.options import RunningPeer, product_of
from interop.bench.peer import Peer, topology
from interop.bench.report import Results
from interop.kit.address import Address
from interop.kit.process import cpu_seconds


@pytest.fixture
def address() -> Iterator[Address]:
    """Of a broker whose user, password and virtual host are no defaults."""
    config = Config(port=0, default_user="me", default_pass="p@ss", default_vhost="of/mine")
    with amqpy.run_in_thread(config) as broker:
        yield Address.parse(broker.url)


def numbers_of_broker(bench: Bench) -> dict[str, float]:
    with topology(bench.url) as made:
        made.declare_queues("bench")
        made.peer.socket.sendall(Publication("", "bench", b"x").encode())
        made.wait_for_depth("bench", 1)
    return {"cpu": bench.broker.cpu_seconds(), "memory": bench.broker.resident_mib()}


METRICS = Metric("cpu", "CPU", "s"), Metric("memory", "memory", "MiB")
CASE = Case("sample", "a sample", METRICS, numbers_of_broker, fresh=True, durable=True)


def test_a_peer_is_measured_as_it_is(address: Address) -> None:
    results = Results(["peer"])
    assert all(measure(CASE, PeerBroker("peer", address), 1.0, results) for _ in range(2))
    assert len(results.rounds["sample"]["peer"]) == 2
    assert math.isnan(results.median("sample", "peer", "cpu"))
    assert math.isnan(results.median("sample", "peer", "memory"))
    assert not results.skipped


def test_its_process_tells_cpu_and_memory(address: Address) -> None:
    results = Results(["peer"])
    assert measure(CASE, PeerBroker("peer", address, os.getpid()), 1.0, results)
    assert results.median("sample", "peer", "cpu") > 0
    assert results.median("sample", "peer", "memory") > 1


def test_what_starts_a_broker_is_not_done_to_a_peer() -> None:
    results = Results(["peer"])
    nobody = PeerBroker("peer", Address("127.0.0.1", 1))
    for _ in range(2):
        assert measure(replace(CASE, starts=True), nobody, 1.0, results)
    assert results.skipped == {"peer": ["sample"]}
    assert not results.rounds
    with pytest.raises(RuntimeError, match="somebody else"):
        nobody.restart(kill=True)


def test_a_failed_case_leaves_nothing_on_a_peer(address: Address, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(bench: Bench) -> dict[str, float]:
        with topology(bench.url) as made:
            made.declare_queues("bench")
            made.declare_exchange("bench.topic", "topic")
            return {"depth": made.peer.depth("nowhere")}  # which closes the channel

    results = Results(["peer"])
    assert not measure(replace(CASE, run=fail), PeerBroker("peer", address), 1.0, results)
    assert "404 NOT_FOUND" in capsys.readouterr().err
    with Peer(address.url) as peer, pytest.raises(UnexpectedFrames, match="404 NOT_FOUND - no queue 'bench'"):
        peer.depth("bench")


def test_a_peer_says_what_it_is(address: Address) -> None:
    product = product_of(RunningPeer("peer", address))
    assert product.startswith("RabbitMQ 3.")
    assert product in about_peer(RunningPeer("peer", address))
    assert "may use" in about_peer(RunningPeer("peer", address, os.getpid()))


@pytest.mark.parametrize(("user", "vhost"), [("other", "of/mine"), ("me", "nowhere")])
def test_a_peer_that_lets_nobody_in_is_refused(address: Address, user: str, vhost: str) -> None:
    with pytest.raises(SystemExit, match=f"--peer other: cannot log in at 127.0.0.1:{address.port} "):
        product_of(RunningPeer("other", replace(address, user=user, vhost=vhost)))


def test_a_peer_that_is_not_there_is_refused() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit, match=f"--peer other: cannot log in at 127.0.0.1:{port} "):
            product_of(RunningPeer("other", Address("127.0.0.1", port)))


SPEND = "import time\nwhile time.{}_time() < 0.3: pass\n"


def test_cpu_is_that_of_all_threads_and_children() -> None:
    before = cpu_seconds(os.getpid())
    thread = threading.Thread(target=exec, args=(SPEND.format("thread"),))
    thread.start()
    thread.join()
    with_threads = cpu_seconds(os.getpid())
    assert with_threads - before > 0.25
    program = SPEND.format("process") + "print(flush=True)\ninput()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        with_child = cpu_seconds(os.getpid())
        assert with_child - with_threads > 0.25
        child.communicate(b"\n")
    if sys.platform == "linux":  # the others forget it
        assert cpu_seconds(os.getpid()) > with_child - 0.05
    assert math.isnan(cpu_seconds(child.pid))
