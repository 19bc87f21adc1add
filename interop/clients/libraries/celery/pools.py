"""Celery: the kinds of workers, and beat."""

from celery import group
from checks import check, main
from tasks import add, context, fail, now, succeed_at, wait_for, write
from workers import DEADLINE_S, application, count_in, folder, lines_of, raises, running, wait_until, worker


def try_pool(pool, at_once):
    """Many tasks, retries, a failure, and as many tasks at the same time as the pool has places."""
    with application(pool) as app, folder() as place, worker(app, "--concurrency", str(at_once), pool=pool):
        tasks = group(add.s(number, number) for number in range(50))
        assert tasks().get(timeout=DEADLINE_S) == [2 * number for number in range(50)]
        assert succeed_at.delay(3).get(timeout=DEADLINE_S) == 3
        raises(LookupError, fail.delay("on purpose").get, timeout=DEADLINE_S)
        results = [wait_for.delay(str(place / str(number))) for number in range(at_once)]
        wait_until(lambda: len(list(place.glob("*.started"))) == at_once)
        for number in range(at_once):
            (place / str(number)).touch()
        assert len({result.get(timeout=DEADLINE_S) for result in results}) == at_once
        assert context.delay().get(timeout=DEADLINE_S)["hostname"].startswith(pool)
        wait_until(lambda: count_in(app, app.main) == 0)


@check("prefork pool")
def prefork():
    try_pool("prefork", 3)


@check("threads pool")
def threads():
    try_pool("threads", 5)


@check("gevent pool")
def gevent():
    try_pool("gevent", 20)


@check("solo pool")
def solo():
    try_pool("solo", 1)


@check("children that are replaced")
def replaced_children():
    """A child process is good for two tasks."""
    with (
        application("replaced") as app,
        folder() as place,
        worker(app, "--concurrency", "1", "--max-tasks-per-child", "2", pool="prefork"),
    ):
        (place / "go on").touch()
        for _ in range(6):
            wait_for.delay(str(place / "go on"))
        children = lines_of(place / "go on.started", 6)
        assert [children.count(child) for child in dict.fromkeys(children)] == [2, 2, 2]


@check("autoscaled pool")
def autoscaled():
    with (
        application("autoscaled") as app,
        folder() as place,
        worker(app, "--autoscale", "4,1", pool="prefork"),
    ):
        results = [wait_for.delay(str(place / str(number))) for number in range(4)]
        wait_until(lambda: len(list(place.glob("*.started"))) == 4)
        for number in range(4):
            (place / str(number)).touch()
        assert len({result.get(timeout=DEADLINE_S) for result in results}) == 4


@check("beat")
def beat():
    """Beat sends by its schedule; tasks that come too late for their next turn expire."""
    with folder() as place:
        path = str(place / "ticks")
        schedule = {
            "tick": {"task": write.name, "schedule": 0.2, "args": (path, "tick")},
            "tock": {"task": write.name, "schedule": 0.3, "args": (path, "tock"), "options": {"expires": 30}},
        }
        with application("beat", beat_schedule=schedule) as app:
            file = ["--schedule", str(place / "schedule")]
            with running(app, "beat", "--loglevel", "INFO", *file, ready="Sending due task") as beating, worker(app):
                beating.wait_for("Sending due task", times=10)
                assert set(lines_of(place / "ticks", 10)) == {"tick", "tock"}


@check("beat in a worker")
def embedded_beat():
    with folder() as place:
        schedule = {"tick": {"task": write.name, "schedule": 0.2, "args": (str(place / "ticks"), "tick")}}
        with (
            application("embedded", beat_schedule=schedule) as app,
            worker(app, "--beat", "--schedule", str(place / "schedule"), "--concurrency", "1", pool="prefork"),
        ):
            lines_of(place / "ticks", 5)
            assert now.delay().get(timeout=DEADLINE_S) > 0


main()
