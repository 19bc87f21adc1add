"""Celery: which task is delivered to which worker, when, and again."""

import os
import signal

from checks import check, main, name_of
from kombu import Queue
from tasks import add, give_up, hang_once, now, postpone, refuse, succeed_at, wait_for, write
from workers import DEADLINE_S, application, count_in, folder, lines_of, raises, wait_until, worker

LATE = {"task_acks_late": True, "worker_prefetch_multiplier": 1}


@check("prefetch")
def prefetch():
    """Late acknowledgements and a multiplier of one: a worker has no more tasks than it can do at a time."""
    with application("prefetch", **LATE) as app, folder() as place:
        with worker(app, "--concurrency", "2", pool="threads"):
            paths = [str(place / f"task{number}") for number in range(6)]
            results = [wait_for.delay(path) for path in paths]
            wait_until(lambda: len(list(place.glob("*.started"))) == 2)
            wait_until(lambda: count_in(app, app.main) == 4)
            for path in paths:
                open(path, "w").close()
            assert [result.get(timeout=DEADLINE_S) for result in results] == paths
        assert count_in(app, app.main) == 0


@check("priorities")
def priorities():
    queue = Queue(name_of("priorities"), max_priority=10)
    with application("priorities", task_queues=[queue], **LATE) as app, folder() as place:
        for priority in (1, 5, 0, 9, 5, 1):
            write.apply_async((str(place / "order"), priority), priority=priority)
        with worker(app):
            assert lines_of(place / "order", 6) == ["9", "5", "5", "1", "1", "0"]


@check("dead-letter")
def dead_letter():
    """One task is rejected by a worker, another expires in its queue."""
    dead = Queue(name_of("dead"))
    to_dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead.name}
    queues = [
        Queue(name_of("letters"), queue_arguments=to_dead),
        Queue(name_of("short"), queue_arguments=to_dead, message_ttl=0.1),
        dead,
    ]
    with application("letters", task_queues=queues) as app, app.connection_for_read() as connection:
        channel = connection.default_channel
        dead(channel).declare()
        rejected = refuse.apply_async()
        with worker(app, "--queues", app.main):
            wait_until(lambda: count_in(app, dead.name) == 1)
        expired = add.apply_async((1, 1), queue=name_of("short"))
        wait_until(lambda: count_in(app, dead.name) == 2)
        for result, queue, reason in ((rejected, app.main, "rejected"), (expired, name_of("short"), "expired")):
            letter = dead(channel).get(no_ack=True)
            (death,) = letter.headers["x-death"]
            assert letter.headers["id"] == result.id
            assert (death["queue"], death["reason"], death["count"]) == (queue, reason, 1)
            assert (death["exchange"], death["routing-keys"]) == ("", [queue])


@check("rejected for now")
def rejected_for_now():
    with application("postponed") as app, worker(app):
        assert postpone.delay().get(timeout=DEADLINE_S) == "redelivered"


@check("retries")
def retries():
    with application("retries") as app, folder() as place, worker(app):
        assert succeed_at.delay(4).get(timeout=DEADLINE_S) == 4
        hopeless = give_up.delay(str(place / "attempts"))
        raises(LookupError, hopeless.get, timeout=DEADLINE_S)
        assert lines_of(place / "attempts", 3) == ["0", "1", "2"]


@check("a killed child")
def killed_child():
    """The worker notices that its child is lost, and rejects the task, to get it back."""
    with (
        application("child", **LATE) as app,
        folder() as place,
        worker(app, "--concurrency", "1", pool="prefork"),
    ):
        result = hang_once.delay(str(place / "workers"))
        (child,) = lines_of(place / "workers", 1)
        os.kill(int(child), signal.SIGKILL)
        assert result.get(timeout=DEADLINE_S) == "redelivered"
        assert len(set(lines_of(place / "workers", 2))) == 2


@check("a killed worker")
def killed_worker():
    with application("killed", **LATE) as app, folder() as place:
        with worker(app, code=-signal.SIGKILL) as doomed:
            result = hang_once.delay(str(place / "workers"))
            assert lines_of(place / "workers", 1) == [str(doomed.process.pid)]
            doomed.process.kill()
        with worker(app):
            assert result.get(timeout=DEADLINE_S) == "redelivered"


@check("a worker that is stopped")
def stopped_worker():
    """It finishes what it has begun, and leaves the rest to others."""
    with application("stopped", **LATE) as app, folder() as place:
        path = place / "go on"
        with worker(app, "--concurrency", "1", pool="threads") as stopping:
            begun = wait_for.delay(str(path))
            waiting = [add.delay(number, number) for number in range(3)]
            wait_until((place / "go on.started").exists)
            stopping.process.terminate()
            stopping.wait_for("Warm shutdown")
            path.touch()
            assert begun.get(timeout=DEADLINE_S) == str(path)
            assert stopping.end() == 0
        wait_until(lambda: count_in(app, app.main) == 3)
        with worker(app):
            assert [result.get(timeout=DEADLINE_S) for result in waiting] == [0, 2, 4]


@check("rate limits")
def rate_limits():
    """Tasks that wait for their turn stay in the worker, unacknowledged."""
    with application("rate", task_annotations={now.name: {"rate_limit": "5/s"}}) as app:
        results = [now.delay() for _ in range(6)]
        with worker(app):
            times = sorted(result.get(timeout=DEADLINE_S) for result in results)
            assert times[-1] - times[0] >= 0.9


main()
