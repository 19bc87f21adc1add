"""Actors of dramatiq, and a worker that runs them in threads of this process."""

import hashlib
import json
import os
import queue as queues
import subprocess
import threading
from datetime import timedelta

import dramatiq
from checks import check, cut, force_close, main, name_of
from setting import TIMEOUT_S, dead_letter_of, declared, next_of, working


@check("actors")
def actors():
    done = queues.Queue()
    with declared() as broker:

        @dramatiq.actor(queue_name=name_of("actors"))
        def add(x, y):
            done.put(x + y)

        with working(broker):
            for number in range(300):
                add.send(number, y=1)
            assert sorted(next_of(done) for _ in range(300)) == list(range(1, 301))
        assert broker.get_queue_message_counts(add.queue_name) == (0, 0, 0)


@check("confirms")
def confirms():
    with declared(confirm_delivery=True) as broker:

        @dramatiq.actor(queue_name=name_of("confirms"))
        def never(number):
            raise AssertionError

        for number in range(500):
            never.send(number)
        never.send_with_options(args=(500,), delay=timedelta(hours=1))
        assert broker.get_queue_message_counts(never.queue_name) == (500, 1, 0)
        broker.flush_all()
        assert broker.get_queue_message_counts(never.queue_name) == (0, 0, 0)


@check("returns")
def returns():
    """A message that comes back makes dramatiq declare its queue again."""
    with declared(confirm_delivery=True) as broker:

        @dramatiq.actor(queue_name=name_of("returns"))
        def never():
            raise AssertionError

        never.send()
        broker.channel.queue_delete(never.queue_name)
        never.send()
        assert broker.get_queue_message_counts(never.queue_name) == (1, 0, 0)


@check("dead-letter")
def dead_letter():
    with declared() as broker:

        @dramatiq.actor(queue_name=name_of("fails"), max_retries=2, min_backoff=1, max_backoff=1)
        def fails():
            raise ValueError("never works")

        with working(broker):
            fails.send()
            headers, message = dead_letter_of(broker, fails.queue_name)
            assert message.actor_name == "fails" and message.options["retries"] == 2
            (death,) = headers["x-death"]
            assert (death["reason"], death["queue"], death["count"]) == ("rejected", fails.queue_name, 1)
            broker.enqueue(dramatiq.Message(fails.queue_name, "unknown", (), {}, {}))
            assert dead_letter_of(broker, fails.queue_name)[1].actor_name == "unknown"


@check("large body")
def large_body():
    digests = queues.Queue()
    with declared() as broker:

        @dramatiq.actor(queue_name=name_of("large"))
        def digest(text):
            digests.put(hashlib.sha256(text.encode()).hexdigest())

        with working(broker):
            for size in (0, 1, 131_072, 16 * 1024 * 1024):
                text = os.urandom(size).hex()[:size]
                digest.send(text)
                assert next_of(digests) == hashlib.sha256(text.encode()).hexdigest()


@check("errors")
def errors():
    with declared() as broker:
        broker.channel.queue_declare(name_of("errors"))  # without the arguments that dramatiq gives

        @dramatiq.actor(queue_name=name_of("errors"))
        def never():
            raise AssertionError

        try:
            never.send()
        except dramatiq.ConnectionClosed as error:
            assert "406" in str(error) and "PRECONDITION_FAILED" in str(error)
        else:
            raise AssertionError("the queue was declared")


@check("a worker that is stopped")
def stopped_worker():
    """What it had been given, but not begun, is for the next one."""
    begun, go_on = queues.Queue(), threading.Event()
    with declared() as broker:

        @dramatiq.actor(queue_name=name_of("stopped"))
        def work(number):
            begun.put(number)
            assert go_on.wait(TIMEOUT_S)

        for number in range(10):
            work.send(number)
        with working(broker, threads=1, prefetch=5) as worker:
            assert next_of(begun) == 0
            stopping = threading.Thread(target=worker.stop)
            stopping.start()
            go_on.set()
            stopping.join()
        done = set(begun.queue)
        with working(broker):
            while done != set(range(1, 10)):
                done.add(next_of(begun))


@check("command line")
def command_line():
    found = []
    with declared() as broker:
        broker.channel.queue_declare(name_of("found"), exclusive=True)
        for number in range(20):
            broker.enqueue(dramatiq.Message(name_of("squares"), "square", (number,), {}, {}))
        workers = subprocess.Popen(["dramatiq", "squares", "--processes=2", "--threads=2"])
        try:
            for method, _, body in broker.channel.consume(name_of("found"), True, inactivity_timeout=TIMEOUT_S):
                assert method, "nothing was found"
                found.append(json.loads(body))
                if len(found) == 20:
                    break
        finally:
            workers.terminate()
            assert workers.wait(TIMEOUT_S) == 0
    assert sorted(square for square, _ in found) == [number * number for number in range(20)]
    assert os.getpid() not in {process for _, process in found}


def goes_on_after(interrupt):
    """dramatiq does all of it: the interrupted actor's message comes back, and the next one is sent and received."""
    begun, go_on = queues.Queue(), threading.Event()
    with declared(confirm_delivery=True) as broker:

        @dramatiq.actor(queue_name=name_of("interrupted"))
        def work(text):
            begun.put(text)
            if text == "unacked":
                assert go_on.wait(TIMEOUT_S)

        with working(broker):
            work.send("unacked")
            assert next_of(begun) == "unacked"
            interrupt()
            assert next_of(begun) == "unacked"
            go_on.set()
            work.send("new")
            assert next_of(begun) == "new"


@check("reconnect after a forced close")
def reconnect_after_a_forced_close():
    goes_on_after(force_close)


@check("reconnect after a cut")
def reconnect_after_a_cut():
    goes_on_after(cut)


main()
