"""Celery: workers that are watched and told what to do while they run."""

import signal
import threading
import uuid

from celery.exceptions import TaskRevokedError
from checks import check, main, name_of
from tasks import add, fail, now, succeed_at, wait_for
from workers import DEADLINE_S, application, celery, folder, lines_of, raises, running, wait_until, worker


def inspect(app, *workers):
    """Asks workers, and waits for no more answers than they can give."""
    names = [each.name for each in workers]
    return app.control.inspect(destination=names, timeout=DEADLINE_S, limit=len(names))


def tell(app, each, command, *arguments, **options):
    """Give a command to one worker, and return its answer."""
    method = getattr(app.control, command)
    (answer,) = method(*arguments, destination=[each.name], reply=True, timeout=DEADLINE_S, limit=1, **options)
    return answer[each.name]


@check("inspect")
def inspected():
    with application("inspect") as app, folder() as place:
        with worker(app, "--concurrency", "1", pool="threads") as one, worker(app, "--queues", name_of("idle")) as two:
            asked = inspect(app, one, two)
            assert asked.ping() == {each.name: {"ok": "pong"} for each in (one, two)}
            assert {worker: queue["name"] for worker, (queue,) in asked.active_queues().items()} == {
                one.name: app.main,
                two.name: name_of("idle"),
            }
            assert all(add.name in names for names in asked.registered().values())
            assert {stats["broker"]["transport"] for stats in asked.stats().values()} == {"amqp"}
            path = str(place / "go on")
            begun = wait_for.delay(path)
            next_one, later = add.delay(1, 1), add.apply_async((2, 2), countdown=3600)
            lines_of(place / "go on.started", 1)
            asked = inspect(app, one)
            wait_until(lambda: [task["id"] for task in asked.reserved()[one.name]] == [next_one.id])
            assert [task["id"] for task in asked.active()[one.name]] == [begun.id]
            wait_until(lambda: [task["request"]["id"] for task in asked.scheduled()[one.name]] == [later.id])
            assert asked.query_task(begun.id)[one.name][begun.id][0] == "active"
            open(path, "w").close()
            assert next_one.get(timeout=DEADLINE_S) == 2
        with app.connection_for_write() as connection:
            connection.default_channel.queue_delete(name_of("idle"))
            connection.default_channel.exchange_delete(name_of("idle"))


@check("ping of all")
def ping_of_all():
    """Nobody knows how many will answer: the caller listens for a second, and again if that was too short."""
    with application("ping") as app, worker(app) as one, worker(app) as two:
        wait_until(lambda: {name for answer in app.control.ping() for name in answer} == {one.name, two.name})


@check("revoke")
def revoke():
    with application("revoke") as app, folder() as place, worker(app, "--concurrency", "1", pool="prefork") as one:
        unborn = str(uuid.uuid4())
        assert "ok" in tell(app, one, "revoke", unborn)
        raises(TaskRevokedError, add.apply_async((1, 1), task_id=unborn).get, timeout=DEADLINE_S)
        assert unborn in inspect(app, one).revoked()[one.name]
        endless = wait_for.delay(str(place / "never"))
        lines_of(place / "never.started", 1)
        tell(app, one, "revoke", endless.id, terminate=True, signal="SIGKILL")
        raises(TaskRevokedError, endless.get, timeout=DEADLINE_S)
        assert add.delay(1, 1).get(timeout=DEADLINE_S) == 2


@check("revoked tasks are known to new workers")
def mingle():
    """Workers that start ask the others (mingle); those that run tell each other of themselves (gossip)."""
    with application("mingle") as app, worker(app, "--loglevel", "DEBUG", alone=False) as first:
        unborn = str(uuid.uuid4())
        tell(app, first, "revoke", unborn)
        with worker(app, alone=False) as second:
            second.wait_for("mingle: sync complete")
            assert unborn in inspect(app, second).revoked()[second.name]
            first.wait_for(f"{second.name} joined the party")
        first.wait_for(f"{second.name} left")


@check("queues at run time")
def queues_at_run_time():
    with application("queues") as app, worker(app) as one:
        name = name_of("at.run.time")
        tell(app, one, "add_consumer", name, exchange=name, routing_key=name)
        assert add.apply_async((20, 22), queue=name).get(timeout=DEADLINE_S) == 42
        tell(app, one, "cancel_consumer", name)
        wait_until(lambda: [queue["name"] for queue in inspect(app, one).active_queues()[one.name]] == [app.main])
        with app.connection_for_write() as connection:
            assert connection.default_channel.queue_declare(name, passive=True).consumer_count == 0
            connection.default_channel.queue_delete(name)
            connection.default_channel.exchange_delete(name)


@check("the size of the pool")
def pool_size():
    """The prefetch count follows it."""
    with application("pool") as app, worker(app, "--concurrency", "1", pool="prefork") as one:

        def state():
            stats = inspect(app, one).stats()[one.name]
            return len(stats["pool"]["processes"]), stats["prefetch_count"]

        assert state() == (1, 4)
        tell(app, one, "pool_grow", 2)
        wait_until(lambda: state() == (3, 12))
        tell(app, one, "pool_shrink", 1)
        wait_until(lambda: state() == (2, 8))
        assert add.delay(1, 1).get(timeout=DEADLINE_S) == 2


@check("rate and time limits")
def limits():
    with application("limits") as app, worker(app) as one:
        tell(app, one, "rate_limit", now.name, "5/s")
        assert inspect(app, one).registered("rate_limit")
        times = sorted(result.get(timeout=DEADLINE_S) for result in [now.delay() for _ in range(6)])
        assert times[-1] - times[0] >= 0.9
        assert "ok" in tell(app, one, "time_limit", now.name, soft=30, hard=60)


@check("shutdown")
def shutdown():
    with application("shutdown") as app, worker(app) as one:
        app.control.shutdown(destination=[one.name])
        assert one.end() == 0


@check("events")
def events():
    """A monitor hears of every step of a task, and of the workers."""
    with application("events", task_send_sent_event=True) as app, app.connection_for_read() as connection:
        seen = []
        listening = threading.Event()
        receiver = app.events.Receiver(connection, handlers={"*": seen.append})
        receiver.on_consume_ready = lambda *_, **__: listening.set()
        monitor = threading.Thread(target=receiver.capture)
        monitor.start()
        assert listening.wait(DEADLINE_S)
        with worker(app, "--task-events") as one:
            results = [add.delay(1, 1), succeed_at.delay(2), fail.delay("on purpose")]
            for result in results:
                result.get(timeout=DEADLINE_S, propagate=False)
            wait_until(lambda: sum(event["type"] in ("task-succeeded", "task-failed") for event in seen) == 3)
        wait_until(lambda: seen[-1]["type"] == "worker-offline")
        receiver.should_stop = True
        monitor.join()
        once = ["task-received", "task-started"]
        retried = [*once, "task-retried", *once, "task-succeeded"]
        for result, steps in zip(results, ([*once, "task-succeeded"], retried, [*once, "task-failed"]), strict=True):
            types = [event["type"] for event in seen if event.get("uuid") == result.id]
            assert [kind for kind in types if kind != "task-sent"] == steps
            assert types.count("task-sent") == steps.count("task-received")
        of_worker = {event["type"] for event in seen if event["hostname"] == one.name}
        assert {"worker-online", "worker-heartbeat", "worker-offline"} <= of_worker


@check("celery status, inspect, control, call, result, events")
def command_line():
    with (
        folder() as place,
        application("commands", result_backend=f"file://{place}") as app,
        worker(app) as one,
    ):
        here = ["--timeout", str(DEADLINE_S), "--destination", one.name]
        with running(app, "events", "--dump", ready="heartbeat", code=-signal.SIGTERM) as monitor:
            assert f"{one.name}: OK" in celery(app, "status", *here)
            assert "pong" in celery(app, "inspect", *here, "ping")
            assert app.main in celery(app, "inspect", *here, "active_queues")
            celery(app, "control", *here, "enable_events")
            task_id = celery(app, "call", add.name, "--args", "[2, 2]").split()[-1]
            monitor.wait_for(rf"{one.name} .*task succeeded.*{task_id}")
            assert celery(app, "result", task_id).split()[-1] == "4"


main()
