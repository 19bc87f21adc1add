"""Celery with quorum queues, which have no global prefetch count, and with delays that the broker keeps.

A delay is a sum of powers of two seconds: the ladder `celery_delayed_27` … `celery_delayed_0` has a queue for each,
from which a task goes on to the next when its time to live is over.
"""

import contextlib
import os
import signal
import time

from checks import check, main, name_of
from kombu import Exchange, Queue
from tasks import add, hang_once, now, postpone, refuse, succeed_at, write
from workers import CONFIRMING, DEADLINE_S, application, count_in, folder, lines_of, wait_until, worker

LEVELS = 28
QUORUM = {"x-queue-type": "quorum"}
SETTINGS = {"task_default_queue_type": "quorum", "task_default_exchange_type": "topic", **CONFIRMING}


@contextlib.contextmanager
def quorum_application(what, **settings):
    """Also without a ladder of other programs, which might be of another type, and without its own in the end."""
    with application(what, **{**SETTINGS, **settings}) as app:
        remove_ladder(app)
        yield app
        remove_ladder(app)


def remove_ladder(app):
    """Its names cannot be chosen."""
    with app.connection_for_write() as connection:
        channel = connection.default_channel
        for level in range(LEVELS):
            channel.queue_delete(f"celery_delayed_{level}")
            channel.exchange_delete(f"celery_delayed_{level}")
        channel.exchange_delete("celery_delayed_delivery")


@check("quorum queues")
def quorum_queues():
    with quorum_application("quorum") as app, folder() as place:
        with worker(app, "--concurrency", "2", pool="prefork") as one:
            one.wait_for("Global QoS is disabled")
            results = [add.delay(number, number) for number in range(200)]
            assert [result.get(timeout=DEADLINE_S) for result in results] == [2 * number for number in range(200)]
            assert postpone.delay().get(timeout=DEADLINE_S) == "redelivered"
            result = hang_once.delay(str(place / "workers"))
            (child,) = lines_of(place / "workers", 1)
            os.kill(int(child), signal.SIGKILL)
            assert result.get(timeout=DEADLINE_S) == "redelivered"
        with app.connection_for_write() as connection:
            Queue(app.main, durable=True, queue_arguments=QUORUM, channel=connection).queue_declare()


@check("native delayed delivery")
def delayed_delivery():
    """Tasks wait in the broker, without a worker; then retries do, too."""
    with quorum_application("delayed") as app:
        with worker(app):
            assert add.delay(1, 1).get(timeout=DEADLINE_S) == 2
        soon = time.time()
        results = {seconds: now.apply_async(countdown=seconds) for seconds in (1, 2, 3, 5)}
        far = add.apply_async((1, 1), countdown=2**27)
        wait_until(lambda: count_in(app, app.main) == len(results))
        assert count_in(app, "celery_delayed_27") == 1
        with worker(app):
            for seconds, result in results.items():
                assert result.get(timeout=DEADLINE_S) >= soon + seconds - 1
            assert succeed_at.delay(3, 1).get(timeout=DEADLINE_S) == 3
        assert far.state == "PENDING"


@check("a static prefetch count")
def static_prefetch():
    """Delayed tasks are not with the worker, which so need not raise its prefetch count."""
    with quorum_application("static") as app, worker(app, "--concurrency", "2", pool="threads") as one:
        stats = app.control.inspect(destination=[one.name], timeout=DEADLINE_S, limit=1).stats
        assert stats()[one.name]["prefetch_count"] == 8
        for _ in range(10):
            add.apply_async((1, 1), countdown=3600)
        assert add.delay(2, 2).get(timeout=DEADLINE_S) == 4
        assert stats()[one.name]["prefetch_count"] == 8
        assert count_in(app, "celery_delayed_11") == 10


@check("delays with classic queues")
def classic_ladder():
    """Several queues of one topic exchange: a task comes out of the ladder in its own."""
    works = Exchange(name_of("works"), type="topic")
    queues = [
        Queue(name_of("one"), works, routing_key="work.one", queue_arguments=QUORUM),
        Queue(name_of("two"), works, routing_key="work.two", queue_arguments=QUORUM),
    ]
    settings = {"task_queues": queues, "broker_native_delayed_delivery_queue_type": "classic"}
    with quorum_application("classic", **settings) as app, folder() as place, worker(app):
        write.apply_async((str(place / "lines"), "two"), queue=name_of("two"), countdown=1)
        write.apply_async((str(place / "lines"), "one"), queue=name_of("one"), countdown=2)
        assert sorted(lines_of(place / "lines", 2)) == ["one", "two"]


@check("dead letters of quorum queues")
def dead_letters():
    dead = name_of("dead")
    arguments = {**QUORUM, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}
    queue = Queue(name_of("letters"), Exchange(name_of("letters"), type="topic"), "letter", queue_arguments=arguments)
    with quorum_application("letters", task_queues=[queue]) as app, app.connection_for_read() as connection:
        bound = Queue(dead, exclusive=True, channel=connection)
        bound.queue_declare()
        with worker(app):
            rejected = refuse.delay()
            wait_until(lambda: bound.queue_declare(passive=True).message_count)
        letter = bound.get(no_ack=True)
        assert letter.headers["id"] == rejected.id
        assert letter.headers["x-death"][0]["reason"] == "rejected"


main()
