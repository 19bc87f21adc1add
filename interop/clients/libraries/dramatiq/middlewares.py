"""What dramatiq's middleware adds to actors."""

import queue as queues
import threading

import dramatiq
from checks import check, main, name_of
from dramatiq.common import current_millis
from dramatiq.middleware import AsyncIO, CurrentMessage, Middleware, TimeLimitExceeded
from dramatiq.results import Results
from dramatiq.results.backends import StubBackend
from setting import TIMEOUT_S, dead_letter_of, declared, next_of, working


@check("retries")
def retries():
    """Each retry waits in the delay queue until its time has come."""
    tried, enqueued = queues.Queue(), []

    class Watch(Middleware):
        def after_enqueue(self, broker, message, delay):
            enqueued.append((message.queue_name, delay is not None))

    with declared() as broker:
        broker.add_middleware(Watch())
        queue = name_of("retries")
        attempts = iter(range(3))

        @dramatiq.actor(queue_name=queue, max_retries=3, min_backoff=10, max_backoff=50)
        def fails_twice(text):
            tried.put(text)
            if next(attempts) < 2:
                raise ValueError(text)

        with working(broker):
            fails_twice.send("again")
            assert [next_of(tried) for _ in range(3)] == ["again"] * 3
        assert sorted(enqueued) == [(queue, False)] * 3 + [(f"{queue}.DQ", True)] * 2
        assert broker.get_queue_message_counts(queue) == (0, 0, 0)


@check("delays")
def delays():
    done = queues.Queue()
    with declared() as broker:

        @dramatiq.actor(queue_name=name_of("delays"))
        def note(due):
            done.put((due, current_millis()))

        with working(broker):
            for delay in (700, 1, 300):
                note.send_with_options(args=(current_millis() + delay,), delay=delay)
            for _ in range(3):
                due, ran = next_of(done)
                assert ran >= due


@check("limits")
def limits():
    interrupted = queues.Queue()
    with declared() as broker:

        @dramatiq.actor(queue_name=name_of("slow"), time_limit=100, max_retries=0)
        def slow():
            try:
                while True:
                    threading.Event().wait(0.01)
            except TimeLimitExceeded:
                interrupted.put(True)
                raise

        @dramatiq.actor(queue_name=name_of("aged"), max_age=1000)
        def aged():
            raise AssertionError

        with working(broker):
            slow.send()
            assert next_of(interrupted)
            assert dead_letter_of(broker, slow.queue_name)[1].actor_name == "slow"
            broker.enqueue(aged.message().copy(message_timestamp=1))
            assert dead_letter_of(broker, aged.queue_name)[1].actor_name == "aged"


@check("priorities")
def priorities():
    done = queues.Queue()
    with declared(max_priority=10, confirm_delivery=True) as broker:

        @dramatiq.actor(queue_name=name_of("priorities"))
        def note(priority):
            done.put(priority)

        for priority in (1, 7, 3, 10, 5):
            note.send_with_options(args=(priority,), broker_priority=priority)
        with working(broker, threads=1, prefetch=1):
            assert [next_of(done) for _ in range(5)] == [10, 7, 5, 3, 1]


@check("pipelines and groups")
def pipelines_and_groups():
    with declared() as broker:
        broker.add_middleware(Results(backend=StubBackend()))
        broker.add_middleware(AsyncIO())

        @dramatiq.actor(queue_name=name_of("add"), store_results=True)
        def add(x, y):
            return x + y

        @dramatiq.actor(queue_name=name_of("square"), store_results=True)
        async def square(x):
            return x * x

        with working(broker):
            piped = (add.message(1, 2) | square.message() | add.message(1)).run()
            assert piped.get_result(block=True, timeout=TIMEOUT_S * 1000) == 10
            group = dramatiq.group(square.message(number) for number in range(20)).run()
            results = list(group.get_results(block=True, timeout=TIMEOUT_S * 1000))
            assert results == [number * number for number in range(20)]


@check("callbacks")
def callbacks():
    told = queues.Queue()
    with declared() as broker:
        broker.add_middleware(CurrentMessage())
        queue = name_of("callbacks")

        @dramatiq.actor(queue_name=queue)
        def succeeded(message, result):
            told.put((message["message_id"], result))

        @dramatiq.actor(queue_name=queue)
        def failed(message, error):
            told.put((message["message_id"], error["type"]))

        @dramatiq.actor(queue_name=queue, max_retries=0)
        def work(fail):
            if fail:
                raise ValueError
            return CurrentMessage.get_current_message().message_id

        with working(broker):
            well = work.send_with_options(args=(False,), on_success=succeeded)
            assert next_of(told) == (well.message_id, well.message_id)
            badly = work.send_with_options(args=(True,), on_failure=failed)
            assert next_of(told) == (badly.message_id, "ValueError")


main()
