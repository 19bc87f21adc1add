"""What people do to a test broker without meaning harm: threads, forks, blocked event loops, frozen clocks, much at
once. It never hangs, and leaves no port open."""

import asyncio
import gc
import multiprocessing
import os
import random
import socket
import threading
from collections.abc import Callable
from functools import partial

import aio_pika
import freezegun
import pytest
import time_machine
import trio

from amqpy.testing import NotSettled, TestBroker
from tests.testing.apps import TIMEOUT_S, Publisher

BIG = 16 * 1024 * 1024
MANY = 50


def is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


def in_threads(count: int, work: Callable[[int], object]) -> None:
    """Does something in so many threads at once. Raises what one of them raised."""
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT_S)
        assert not thread.is_alive()
    if errors:
        raise errors[0]


def test_many_brokers_at_once() -> None:
    before = len(os.listdir("/proc/self/fd"))
    brokers = [TestBroker().start() for _ in range(MANY)]
    assert len({broker.port for broker in brokers}) == MANY
    with Publisher(brokers[-1].url) as publisher:
        publisher.channel.queue_declare("q")
    assert (brokers[0].queues, brokers[-1].queues) == ([], ["q"])
    for broker in brokers:
        broker.stop()
    assert not any(is_open(broker.port) for broker in brokers)
    assert len(os.listdir("/proc/self/fd")) < before + MANY


def test_one_that_nobody_stops() -> None:
    broker = TestBroker().start()
    port = broker.port
    del broker
    gc.collect()
    with TestBroker() as other:  # it starts behind the other's stop
        other.settle()
    assert not is_open(port)


@pytest.mark.parametrize("act", ["restart", "reset", "purge", "block", "snapshot"])
def test_one_that_was_stopped(amqp_broker: TestBroker, act: str) -> None:
    amqp_broker.stop()
    with pytest.raises(RuntimeError, match="does not run"):
        getattr(amqp_broker, act)()
    with pytest.raises(RuntimeError, match="does not run"), amqp_broker.down():
        pass
    assert not is_open(amqp_broker.port)
    assert amqp_broker.events == []


def test_one_that_is_stopped_while_it_is_down(amqp_broker: TestBroker) -> None:
    with amqp_broker.down():
        amqp_broker.stop()
    assert not is_open(amqp_broker.port)


def test_a_port_that_is_taken(amqp_broker: TestBroker) -> None:
    other = TestBroker(port=amqp_broker.port)
    with pytest.raises(OSError, match="in use"):
        other.start()
    other.stop()
    assert amqp_broker.events == []


def test_words_that_do_not_exist(amqp_broker: TestBroker) -> None:
    with pytest.raises(ValueError, match="no kind of events 'publishd'"):
        amqp_broker.wait_for("publishd")
    with pytest.raises(ValueError, match="no resource 'memry'"):
        amqp_broker.block("memry")  # type: ignore[arg-type]


def test_threads(amqp_broker: TestBroker) -> None:
    def work(number: int) -> None:
        body = str(number).encode()
        with Publisher(amqp_broker.url) as publisher:
            publisher.channel.queue_declare("q")
            for _ in range(5):
                publisher.send(body, "q")
                assert amqp_broker.published(body=body)
                amqp_broker.clock.advance(1)

    in_threads(6, work)
    assert len(amqp_broker.queue("q")) == 30


def test_threads_that_wait_at_the_same_time(amqp_broker: TestBroker) -> None:
    with Publisher(amqp_broker.url) as publisher:
        publisher.channel.queue_declare("q")
        waiting = threading.Barrier(5)

        def wait(number: int) -> None:
            waiting.wait(TIMEOUT_S)
            if number == 4:
                for each in range(4):
                    publisher.send(str(each).encode(), "q")
            else:
                amqp_broker.wait_for("published", body=str(number).encode(), timeout=10 * TIMEOUT_S)

        in_threads(5, wait)


async def test_tasks_that_wait_at_the_same_time(amqp_broker: TestBroker) -> None:
    with Publisher(amqp_broker.url) as publisher:
        publisher.channel.queue_declare("q")
        async with trio.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(partial(amqp_broker.await_for, "published", body=str(number).encode()))
            await trio.testing.wait_all_tasks_blocked()
            for number in range(4):
                await trio.to_thread.run_sync(publisher.send, str(number).encode(), "q")


def test_a_forked_child(amqp_broker: TestBroker) -> None:
    with Publisher(amqp_broker.url) as publisher:
        publisher.channel.queue_declare("q")
        child = os.fork()
        if child == 0:
            os._exit(asks_and_publishes(amqp_broker))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert amqp_broker.queue("q").bodies == [b"of the child"]


def asks_and_publishes(broker: TestBroker) -> int:
    """In the child. 0: it may connect, and nothing else."""
    try:
        for forbidden in (broker.published, broker.stop, TestBroker):
            with pytest.raises(RuntimeError, match="forked"):
                forbidden()
        with Publisher(broker.url) as publisher:
            publisher.send(b"of the child", "q")
    except BaseException:
        return 1
    return 0


def test_a_forked_child_that_stays(amqp_broker: TestBroker) -> None:
    """It has no socket of the broker's."""
    reader, writer = os.pipe()
    forked, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writer)
        os.write(tell, b".")
        os.read(reader, 1)
        os._exit(0)
    os.read(forked, 1)
    amqp_broker.stop()
    try:
        assert not is_open(amqp_broker.port)
    finally:
        os.close(writer)
        os.waitpid(child, 0)
        for descriptor in (reader, forked, tell):
            os.close(descriptor)


def publish_from_elsewhere(url: str) -> None:
    with Publisher(url) as publisher:
        publisher.send(b"from elsewhere", "q")


def test_multiprocessing(amqp_broker: TestBroker) -> None:
    with Publisher(amqp_broker.url) as publisher:
        publisher.channel.queue_declare("q")
        process = multiprocessing.get_context("fork").Process(target=publish_from_elsewhere, args=(amqp_broker.url,))
        process.start()
        process.join(TIMEOUT_S)
        assert process.exitcode == 0
        assert amqp_broker.queue("q").bodies == [b"from elsewhere"]
        process.close()


def test_a_loop_that_is_blocked_by_the_question(amqp_broker: TestBroker) -> None:
    async def main() -> None:
        async def acknowledge(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            await message.ack()

        connection = await aio_pika.connect(amqp_broker.url)
        channel = await connection.channel()
        queue = await channel.declare_queue("q")
        await channel.default_exchange.publish(aio_pika.Message(b"x"), "q")
        await queue.consume(acknowledge)
        with pytest.raises(NotSettled, match="asettle"):
            amqp_broker.settle()
        await amqp_broker.asettle()
        assert amqp_broker.acked()
        with pytest.raises(AssertionError):
            amqp_broker.assert_published(body=b"y", timeout=60)
        await connection.close()

    asyncio.run(main())


@pytest.mark.amqp(leaks=())
def test_a_loop_that_is_blocked_by_the_end(amqp_broker: TestBroker) -> None:
    async def main() -> None:
        connection = await aio_pika.connect_robust(amqp_broker.url)
        amqp_broker.stop()
        await connection.close()

    asyncio.run(main())


def test_freezegun(amqp_broker: TestBroker) -> None:
    with freezegun.freeze_time("2030-01-01") as frozen:
        amqp_broker.clock.follow(frozen.tick)
        with Publisher(amqp_broker.url) as publisher:
            publisher.channel.queue_declare("q", arguments={"x-message-ttl": 60_000})
            publisher.send(b"x", "q")
            amqp_broker.clock.advance(minutes=2)
            assert amqp_broker.queue("q").bodies == []
        with pytest.raises(AssertionError):
            amqp_broker.assert_published(body=b"y", timeout=0.01)  # an end comes all the same


def test_time_machine(amqp_broker: TestBroker) -> None:
    with time_machine.travel(0, tick=False) as traveller, TestBroker() as broker:
        broker.clock.follow(traveller.shift)
        with Publisher(broker.url) as publisher:
            publisher.channel.queue_declare("q", arguments={"x-message-ttl": 60_000})
            publisher.send(b"x", "q")
            broker.clock.advance(minutes=2)
            assert broker.queue("q").bodies == []
        with pytest.raises(AssertionError):
            broker.wait_for("acked", timeout=0.01)
        assert broker.clock.now.year == 1970


def test_a_big_message(amqp_broker: TestBroker) -> None:
    body = random.Random(1).randbytes(BIG)
    with Publisher(amqp_broker.url) as publisher:
        publisher.channel.queue_declare("q")
        publisher.send(body, "q")
        assert publisher.channel.basic_get("q", auto_ack=True)[2] == body
    (event,) = amqp_broker.published()
    assert event.body == body
    assert f"({BIG} bytes)" in amqp_broker.transcript()


@pytest.mark.amqp(leaks="ready")
def test_more_messages_than_are_kept(amqp_broker: TestBroker) -> None:
    with Publisher(amqp_broker.url) as publisher:
        publisher.channel.queue_declare("q")
        channel = publisher.connection.channel()
        for number in range(6_000):
            channel.basic_publish("", "q", str(number).encode())
        assert len(amqp_broker.queue("q")) == 6_000
        taken = channel.consume("q", auto_ack=True, inactivity_timeout=TIMEOUT_S)
        assert [body for _, (_, _, body) in zip(range(6_000), taken, strict=False)][-1] == b"5999"
        channel.cancel()
    assert len(amqp_broker.events) == 10_000


def test_what_a_test_has_done_ends_with_it(amqp_broker: TestBroker) -> None:
    with Publisher(amqp_broker.url) as publisher:
        publisher.channel.queue_declare("q")
        amqp_broker.faults.withhold_confirm(body=b"x")
        sending = threading.Thread(target=publisher.send, args=(b"x", "q"))
        sending.start()
        amqp_broker.wait_for("published")
        amqp_broker.block()
        (connection,) = amqp_broker.connections
        connection.freeze()
        amqp_broker.relent()
        sending.join(TIMEOUT_S)
        assert not sending.is_alive()


def test_a_publisher_that_a_test_has_blocked_can_end_with_it(amqp_broker: TestBroker) -> None:
    with Publisher(amqp_broker.url) as publisher:
        publisher.channel.queue_declare("q")
        amqp_broker.block()
        sending = threading.Thread(target=publisher.send, args=(b"x", "q"))
        sending.start()
        amqp_broker.relent()
        sending.join(TIMEOUT_S)
        assert not sending.is_alive()
    assert amqp_broker.queue("q").bodies == [b"x"]


def test_a_client_that_is_gone_without_a_word(amqp_broker: TestBroker) -> None:
    """Its end is heard, like all else, before a question is answered."""
    with Publisher(amqp_broker.url) as publisher:
        publisher.channel.queue_declare("q")
        publisher.send(b"x", "q")
    with socket.create_connection(("127.0.0.1", amqp_broker.port)) as sock:
        sock.sendall(b"AMQP\x00\x00\x09\x01")
        sock.recv(1000)
    assert amqp_broker.connections == []
    assert amqp_broker.leaks() == []
