"""Celery: connections to the broker that end, and what goes on after it."""

import signal

from checks import check, cut, force_close, main
from tasks import add, hang_once, write
from workers import CONFIRMING, DEADLINE_S, application, folder, lines_of, running, wait_until, worker


def try_worker(what, end_connections):
    """A worker connects again; what it had not acknowledged it gets again, and both it and its caller go on."""
    with (
        folder() as place,
        application(what, result_backend=f"file://{place}", **CONFIRMING) as app,
        worker(app, "--concurrency", "2", pool="prefork") as one,
    ):
        assert add.delay(1, 1).get(timeout=DEADLINE_S, interval=0.05) == 2
        result = hang_once.delay(str(place / "workers"))
        lines_of(place / "workers", 1)
        end_connections()
        one.wait_for("Connection to broker lost")
        one.wait_for("Connected to", times=2)
        assert result.get(timeout=DEADLINE_S, interval=0.05) == "redelivered"
        (place / "workers.over").touch()
        assert add.delay(2, 2).get(timeout=DEADLINE_S, interval=0.05) == 4
        wait_until(lambda: {one.name: {"ok": "pong"}} in app.control.ping(destination=[one.name]))


@check("reconnect after a forced close")
def after_a_forced_close():
    try_worker("forced", force_close)


@check("reconnect after a cut")
def after_a_cut():
    try_worker("cut", cut)


@check("again and again")
def again_and_again():
    """Not one confirmed task is lost; one may be done twice."""
    with (
        application("again", task_acks_late=True, **CONFIRMING) as app,
        folder() as place,
        worker(app, "--concurrency", "2", pool="prefork"),
    ):
        for turn in range(10):
            for number in range(20):
                write.delay(str(place / "done"), 20 * turn + number)
            (cut if turn % 2 else force_close)()
        wait_until(lambda: len(set(lines_of(place / "done", 200))) == 200)


@check("tasks that are cancelled when the connection is lost")
def cancelled_tasks():
    """They could not be acknowledged any more, so the worker kills their processes."""
    settings = {"worker_cancel_long_running_tasks_on_connection_loss": True}
    with (
        application("cancelled", **settings, **CONFIRMING) as app,
        folder() as place,
        worker(app, "--concurrency", "1", pool="prefork") as one,
    ):
        hang_once.delay(str(place / "workers"))
        lines_of(place / "workers", 1)
        cut()
        first, second = lines_of(place / "workers", 2)
        assert first != second
        one.wait_for(r"hang_once\[.*succeeded.*'redelivered'")


@check("results on their way")
def results_on_their_way():
    """The caller's queue of results goes with its connection; what it asks for later comes to a new one."""
    with application("results", **CONFIRMING) as app, worker(app):
        assert add.delay(1, 1).get(timeout=DEADLINE_S) == 2
        cut()
        assert add.delay(2, 2).get(timeout=DEADLINE_S) == 4
        force_close()
        assert add.delay(3, 3).get(timeout=DEADLINE_S) == 6


@check("beat and monitors")
def beat_and_monitors():
    with folder() as place:
        schedule = {"tick": {"task": write.name, "schedule": 0.2, "args": (str(place / "ticks"), "tick")}}
        beat = ["beat", "--schedule", str(place / "schedule"), "--loglevel", "INFO"]
        with application("beat", beat_schedule=schedule) as app, worker(app, "--task-events") as one:
            with (
                running(app, *beat, ready="Sending due task"),
                running(app, "events", "--dump", ready="heartbeat", code=-signal.SIGTERM) as monitor,
            ):
                for end_connections in (cut, force_close):
                    heard = monitor.count("task succeeded")
                    end_connections()
                    lines_of(place / "ticks", len(lines_of(place / "ticks", 1)) + 5)
                    monitor.wait_for("task succeeded", times=heard + 3)
            one.wait_for("Connected to", times=3)


main()
