"""A worker of Celery outlives a restart of its broker. What else it can do, the programs of `interop.clients` try."""

from __future__ import annotations

import sys
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from interop.kit.program import Program

from .celery_tasks import QUEUE, URL, make_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery import Celery

    from interop.kit.brokers import Amqpy

DEADLINE_S = 60


@contextmanager
def calling(url: str, queue: str) -> Iterator[Celery]:
    app = make_app(url, queue)
    yield app
    app.backend.result_consumer.stop()
    app.close()


def result_of(app: Celery, number: int) -> object:
    return app.tasks["add"].delay(number, number).get(timeout=DEADLINE_S)


def test_a_worker_outlives_a_restart_of_the_broker(own_broker: Amqpy, name: str, tmp_path: Path) -> None:
    url, host = own_broker.address.url, f"{name}@{uuid.uuid4().hex[:8]}"
    command = [sys.executable, "-m", "celery", "-A", "celery_tasks", "worker", "--pool", "threads"]
    command += ["--concurrency", "4", "--hostname", host, "--loglevel", "INFO"]
    environment = {URL: url, QUEUE: name}
    worker = Program(command, tmp_path / "worker.log", cwd=Path(__file__).parent, environment=environment)
    worker.wait_for_line(r"ready\.$", DEADLINE_S)
    with calling(url, name) as before:
        assert result_of(before, 1) == 2
    own_broker.restart()
    with calling(url, name) as after:
        assert result_of(after, 2) == 4
        inspect = after.control.inspect(destination=[host], timeout=DEADLINE_S, limit=1)
        assert inspect.ping() == {host: {"ok": "pong"}}
    assert worker.stop(DEADLINE_S) == 0
    after.pool.force_close_all()
