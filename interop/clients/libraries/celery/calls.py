"""Celery: what an application that calls tasks can rely on."""

import hashlib
from datetime import UTC, datetime, timedelta

from amqp.exceptions import AccessRefused, MessageNacked, NotAllowed, NotFound, PreconditionFailed, ResourceLocked
from celery.result import AsyncResult
from checks import URL, check, main, name_of
from kombu import Queue
from kombu.exceptions import OperationalError
from tasks import add, context, digest, fail, now
from workers import CONFIRMING, DEADLINE_S, application, count_in, raises, wait_until, worker

FRAME_OVERHEAD = 8
LARGE = 16 * 1024 * 1024


@check("confirms")
def confirms():
    """The second application has a queue for one task, which refuses any more."""
    with application("confirms", **CONFIRMING) as app:
        for number in range(500):
            add.delay(number, number)
        assert count_in(app, app.main) == 500
    full = Queue(name_of("full"), max_length=1, queue_arguments={"x-overflow": "reject-publish"})
    with application("full", task_queues=[full], **CONFIRMING) as app:
        add.delay(1, 1)
        error = raises(OperationalError, add.delay, 2, 2)
        assert isinstance(error.__cause__, MessageNacked)
        assert count_in(app, full.name) == 1


@check("returns")
def returns():
    """Only a producer of one's own can say what becomes of a task that no queue takes."""
    returned = []
    with application("returns", **CONFIRMING) as app, app.connection_for_write() as connection:
        producer = app.amqp.Producer(connection, on_return=lambda *arguments: returned.append(arguments))
        unroutable = {"exchange": "amq.direct", "routing_key": name_of("nowhere"), "mandatory": True}
        result = add.apply_async((1, 1), producer=producer, **unroutable)
        ((error, exchange, routing_key, message),) = returned
        assert (error.reply_code, error.reply_text) == (312, "NO_ROUTE")
        assert (exchange, routing_key) == ("amq.direct", unroutable["routing_key"])
        assert message.properties["correlation_id"] == result.id


@check("properties")
def properties():
    sent = {
        "message_id": "message 1",
        "app_id": "interop",
        "user_id": "guest",
        "type": "a type",
        "priority": 7,
        "timestamp": 1_900_000_000,
        "expiration": 60,
    }
    headers = {
        "text": "grün",
        "number": -(2**40),
        "real": 1.5,
        "yes": True,
        "nothing": None,
        "list": [1, "two", [3.5]],
        "table": {"key": {"inner": 1}},
        "time": datetime(2031, 1, 1, tzinfo=UTC),
    }
    with application("properties") as app, worker(app):
        result = context.apply_async(headers=headers, **sent)
        told = result.get(timeout=DEADLINE_S)
        received = told["properties"]
        assert {name: told["headers"][name] for name in headers} == headers | {"time": datetime(2031, 1, 1)}
        assert received["correlation_id"] == result.id
        assert received["reply_to"] == app.thread_oid
        assert received["delivery_mode"] == 2
        assert received["expiration"] == "60000"
        as_sent = ("message_id", "app_id", "user_id", "type", "priority", "timestamp")
        assert {name: received[name] for name in as_sent} == {name: sent[name] for name in as_sent}
        assert told["delivery"] == {"exchange": "", "routing_key": app.main, "priority": 7, "redelivered": False}


@check("large body")
def large_body():
    """Arguments such that the bodies of the messages are about as large as a frame's payload can be, and larger."""
    with application("large") as app, worker(app):
        with app.connection_for_write() as connection:
            frame_max = connection.default_channel.connection.frame_max
        message = app.amqp.create_task_message("", digest.name, ("",))
        with_nothing = len(app.backend.encode(message.body))
        exact = [frame_max - FRAME_OVERHEAD - with_nothing + difference for difference in (-1, 0, 1)]
        for size in (0, 1, *exact, LARGE):
            text = ("0123456789abcdef" * (size // 16 + 1))[:size]
            expected = [size, hashlib.sha256(text.encode()).hexdigest()]
            assert digest.delay(text).get(timeout=DEADLINE_S) == expected
        packed = digest.apply_async((text,), compression="gzip")
        assert packed.get(timeout=DEADLINE_S) == expected


@check("errors")
def errors():
    with application("errors") as app, worker(app):
        error = raises(LookupError, fail.delay("on purpose").get, timeout=DEADLINE_S)
        assert error.args == ("on purpose",)
        with app.connection_for_write() as connection, app.connection_for_write() as other:

            def declare(**options):
                Queue(name_of("errors.different"), channel=connection.channel(), **options).declare()

            not_found = raises(NotFound, count_in, app, name_of("nowhere"))
            assert not_found.reply_code == 404
            Queue(name_of("errors.locked"), exclusive=True, channel=other.channel()).declare()
            locked = Queue(name_of("errors.locked"), exclusive=True, channel=connection.channel())
            assert raises(ResourceLocked, locked.declare).reply_code == 405
            refused = Queue("amq.interop", channel=connection.channel())
            assert raises(AccessRefused, refused.declare).reply_code == 403
            declare(exclusive=True)
            different = raises(PreconditionFailed, declare, exclusive=True, max_length=1)
            assert different.reply_code == 406
            declare(exclusive=True)  # by the same connection
        address, _, _ = URL.rpartition("/")
        unknown = app.connection_for_write(url=f"{address}/{name_of('nowhere')}")
        assert raises(NotAllowed, unknown.connect).reply_code == 530
        impostor = app.connection_for_write(url=URL.replace("guest:guest", "guest:wrong"))
        assert raises(AccessRefused, impostor.connect).reply_code == 403
        nobody = app.connection_for_write(url="amqp://127.0.0.1:1")
        raises(OperationalError, nobody.ensure_connection, max_retries=1)


@check("results")
def results():
    with application("results") as app, worker(app, "--concurrency", "4", pool="threads"):
        results = [add.delay(number, number) for number in range(500)]
        assert [result.get(timeout=DEADLINE_S) for result in results] == [2 * number for number in range(500)]
        in_any_order = {number: add.delay(number, 1) for number in range(20)}
        for number, result in reversed(in_any_order.items()):
            assert AsyncResult(result.id, app=app) == result
            assert result.get(timeout=DEADLINE_S) == number + 1
        seen = []
        promised = add.delay(1, 1)
        promised.then(lambda result: seen.append(result.result))
        # Whoever waits for a result hears of all that come before it; of another task's, which may come later, nobody.
        assert promised.get(timeout=DEADLINE_S) == 2
        wait_until(lambda: seen == [2])
        silent = add.apply_async((1, 1), ignore_result=True)
        assert silent.get() is None


@check("result expiry")
def result_expiry():
    """The queue of an application's results goes when nobody listens; until then, asking for it would renew it."""
    returned = []
    with application("expiry", result_expires=0.5, **CONFIRMING) as app, app.connection_for_write() as connection:
        assert add.delay(1, 1).state == "PENDING"
        assert count_in(app, app.thread_oid) == 0
        producer = app.amqp.Producer(connection, on_return=lambda *arguments: returned.append(arguments))

        def is_gone():
            producer.publish("", routing_key=app.thread_oid, mandatory=True)
            return returned

        wait_until(is_gone)


@check("tasks that expire")
def expired():
    """The message expires in the queue; Celery gives it a time to live."""
    with application("expired", **CONFIRMING) as app:
        add.apply_async((1, 1), expires=datetime.now(UTC) - timedelta(seconds=1))
        add.apply_async((1, 1), expires=0.3)
        wait_until(lambda: count_in(app, app.main) == 0)
        timely = add.apply_async((2, 2), expires=DEADLINE_S)
        with worker(app):
            assert timely.get(timeout=DEADLINE_S) == 4


@check("countdown and ETA")
def later():
    """Tasks wait in the worker, unacknowledged, without keeping others from it; when it ends, they are for the next."""
    with application("later") as app:
        with worker(app, "--prefetch-multiplier", "1"):
            for _ in range(10):
                now.apply_async(countdown=3600)
            eta = datetime.now(UTC) + timedelta(seconds=0.5)
            assert now.apply_async(eta=eta).get(timeout=DEADLINE_S) >= eta.timestamp()
            assert now.apply_async(countdown=0.2).get(timeout=DEADLINE_S) > 0
        wait_until(lambda: count_in(app, app.main) == 10)


main()
