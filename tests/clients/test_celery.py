"""Celery: real worker processes, results through the broker, retries, canvas and remote control.

The rpc:// result backend refuses chords on every broker (`RPCBackend.ensure_chords_allowed`), as a group's
results go to its caller and nobody else can count them. An application that uses chords names a backend that
keeps results; the chord test takes Celery's own filesystem backend. The chord's tasks, its countdowns and the
retries of the task that waits for it still pass through the broker.
"""

from __future__ import annotations

import sys
import time
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import kombu
import pytest
from celery import chain, chord, group
from celery.exceptions import TaskRevokedError

from .broker_process import LoggedProcess
from .celery_tasks import make_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery import Celery, Signature, Task

    from .broker_process import Address, BrokerProcess

DEADLINE_S = 60
POLL_S = 0.05
SIGNS_OF_TROUBLE = ("Connection to broker lost", "Unrecoverable error", "CRITICAL")


class Worker:
    """`celery worker` in a child process, with a queue of its own."""

    def __init__(self, broker_url: str, queue: str, *, backend: str = "rpc://", pool: str = "threads") -> None:
        self.hostname = f"{queue}@{uuid.uuid4().hex[:8]}"
        command = [sys.executable, "-m", "celery", "-A", "celery_tasks", "worker"]
        options = ["--pool", pool, "--concurrency", "4", "--hostname", self.hostname, "--loglevel", "INFO"]
        environment = {
            "CELERY_BROKER_URL": broker_url,
            "CELERY_RESULT_BACKEND": backend,
            "CELERY_TEST_QUEUE": queue,
        }
        self.process = LoggedProcess([*command, *options], cwd=Path(__file__).parent, environment=environment)
        self.process.wait_for_line(r"ready\.$", DEADLINE_S)

    def stop(self) -> None:
        exit_code = self.process.stop(DEADLINE_S)
        assert exit_code == 0, self.process.log
        assert not self.process.mentions(*SIGNS_OF_TROUBLE), self.process.log


class Caller:
    """An application that sends tasks to a worker and collects the results."""

    def __init__(self, app: Celery, hostname: str) -> None:
        self.app = app
        self.hostname = hostname
        self.inspect = app.control.inspect(destination=[hostname], timeout=DEADLINE_S, limit=1)

    def task(self, name: str) -> Task:
        return self.app.tasks[name]

    def s(self, name: str, *args: object) -> Signature:
        return self.task(name).s(*args)

    def run(self, name: str, *args: object, **options: object) -> Any:  # noqa: ANN401
        return self.task(name).apply_async(args, **options).get(timeout=DEADLINE_S)


@contextmanager
def calling(broker_url: str, queue: str, hostname: str, backend: str = "rpc://") -> Iterator[Caller]:
    app = make_app(broker_url, backend, queue)
    yield Caller(app, hostname)
    if backend == "rpc://":
        app.backend.result_consumer.stop()
    app.close()


def delete_queue(broker_url: str, queue: str) -> None:
    with kombu.Connection(broker_url) as connection:
        connection.default_channel.queue_delete(queue)
        connection.default_channel.exchange_delete(queue)


@pytest.fixture(scope="module")
def celery(broker: Address) -> Iterator[Caller]:
    """A worker that all tests of this module share."""
    queue = f"celery-{uuid.uuid4().hex[:12]}"
    worker = Worker(broker.url, queue)
    with calling(broker.url, queue, worker.hostname) as caller:
        yield caller
    worker.stop()
    delete_queue(broker.url, queue)


def test_five_hundred_tasks(celery: Caller) -> None:
    results = [celery.task("add").delay(number, number) for number in range(500)]
    assert [result.get(timeout=DEADLINE_S) for result in results] == [2 * number for number in range(500)]


def test_a_task_is_retried_until_it_succeeds(celery: Caller) -> None:
    assert celery.run("succeed_at_attempt", 4) == 4


def test_a_failure_reaches_the_caller(celery: Caller) -> None:
    with pytest.raises(LookupError, match="for a reason"):
        celery.run("fail", "for a reason")


def test_countdown_and_eta(celery: Caller) -> None:
    before = time.time()
    assert celery.run("started_at", countdown=1) >= before + 1
    eta = datetime.now(UTC) + timedelta(seconds=1)
    assert celery.run("started_at", eta=eta) >= eta.timestamp()


def test_scheduled_tasks_do_not_hold_up_the_others(celery: Caller) -> None:
    """A worker keeps scheduled tasks unacknowledged, and raises its prefetch count for each of them."""
    scheduled = [celery.task("add").apply_async((1, 1), countdown=3600) for _ in range(50)]
    assert celery.run("add", 2, 2) == 4
    [waiting] = celery.inspect.scheduled().values()
    assert {entry["request"]["id"] for entry in waiting} == {result.id for result in scheduled}
    for result in scheduled:
        result.forget()


def test_chains_and_groups(celery: Caller) -> None:
    result = chain(celery.s("add", 1, 2), celery.s("add", 3), celery.s("add", 4)).apply_async()
    assert result.get(timeout=DEADLINE_S) == 10
    results = group(celery.s("add", number, 1) for number in range(20)).apply_async()
    assert results.get(timeout=DEADLINE_S) == list(range(1, 21))


def test_late_acknowledgement_requeues_a_rejected_task(celery: Caller) -> None:
    assert celery.run("requeue_once") == "redelivered"


def test_inspection(celery: Caller) -> None:
    assert celery.inspect.ping() == {celery.hostname: {"ok": "pong"}}
    [[queue]] = celery.inspect.active_queues().values()
    assert (queue["name"], queue["durable"]) == (celery.app.conf.task_default_queue, True)
    [registered] = celery.inspect.registered().values()
    assert {"add", "total", "fail"} <= set(registered)
    assert celery.inspect.stats()[celery.hostname]["broker"]["transport"] == "amqp"


def test_a_broadcast_ping_finds_the_worker(celery: Caller) -> None:
    """Without a destination nobody knows how many replies to expect; the caller listens for a second."""
    assert {celery.hostname: {"ok": "pong"}} in celery.app.control.ping(timeout=1)


def test_a_revoked_task_does_not_run(celery: Caller) -> None:
    task_id = str(uuid.uuid4())
    options = {"destination": [celery.hostname], "reply": True, "timeout": DEADLINE_S, "limit": 1}
    [reply] = celery.app.control.revoke(task_id, **options)
    assert "ok" in reply[celery.hostname]
    with pytest.raises(TaskRevokedError):
        celery.run("add", 1, 1, task_id=task_id)


def test_queues_are_added_and_dropped_at_run_time(celery: Caller, name: str) -> None:
    options = {"destination": [celery.hostname], "reply": True, "timeout": DEADLINE_S, "limit": 1}
    celery.app.control.add_consumer(name, exchange=name, routing_key=name, **options)
    assert celery.run("add", 20, 22, queue=name) == 42
    celery.app.control.cancel_consumer(name, **options)
    [queues] = celery.inspect.active_queues().values()
    assert [queue["name"] for queue in queues] == [celery.app.conf.task_default_queue]
    delete_queue(celery.app.conf.broker_url, name)


def test_a_chord(broker: Address, name: str, tmp_path: Path) -> None:
    backend = f"file://{tmp_path}"
    worker = Worker(broker.url, name, backend=backend, pool="prefork")
    with calling(broker.url, name, worker.hostname, backend) as caller:
        header = [caller.s("add", number, number) for number in range(20)]
        result = chord(header, app=caller.app)(caller.s("total"))
        assert result.get(timeout=DEADLINE_S, interval=POLL_S) == sum(2 * number for number in range(20))
        after = chain(group(header), caller.s("total"), caller.s("add", 1)).apply_async()
        assert after.get(timeout=DEADLINE_S, interval=POLL_S) == 381
    worker.stop()
    delete_queue(broker.url, name)


def test_another_worker_takes_the_task_of_a_killed_one(
    broker: Address, celery: Caller, name: str, tmp_path: Path
) -> None:
    doomed = Worker(broker.url, name, pool="solo")
    sign_of_life = tmp_path / "started"
    result = celery.task("hang_once").apply_async((str(sign_of_life),), queue=name)
    doomed.process.wait_until(sign_of_life.exists, DEADLINE_S)
    doomed.process.kill()
    heir = Worker(broker.url, name, pool="solo")
    assert result.get(timeout=DEADLINE_S) == "redelivered"
    heir.stop()
    delete_queue(broker.url, name)


def test_a_worker_outlives_a_restart_of_the_broker(own_broker: BrokerProcess, name: str) -> None:
    url = own_broker.address.url
    worker = Worker(url, name)
    with calling(url, name, worker.hostname) as before:
        assert before.run("add", 1, 1) == 2
    own_broker.restart()
    with calling(url, name, worker.hostname) as after:
        assert after.run("add", 2, 2) == 4
        assert after.inspect.ping() == {worker.hostname: {"ok": "pong"}}
    assert worker.process.stop(DEADLINE_S) == 0
    after.app.pool.force_close_all()
