"""The Celery application of test_celery.py, loaded by its workers and by the tests.

The environment says where the broker is, where results go, and which queue is ours, as a deployment would.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from celery import Celery, Task, shared_task
from celery.exceptions import Reject


def make_app(broker_url: str | None, result_backend: str | None, queue: str | None) -> Celery:
    app = Celery("tests", broker=broker_url, backend=result_backend)
    app.conf.update(
        broker_connection_retry_on_startup=True,
        task_default_queue=queue or "celery",
        result_expires=600,
        result_chord_retry_interval=0.2,
    )
    return app


app = make_app(
    os.environ.get("CELERY_BROKER_URL"),
    os.environ.get("CELERY_RESULT_BACKEND"),
    os.environ.get("CELERY_TEST_QUEUE"),
)


@shared_task(name="add")
def add(left: int, right: int) -> int:
    return left + right


@shared_task(name="total")
def total(numbers: list[int]) -> int:
    return sum(numbers)


@shared_task(name="fail")
def fail(reason: str) -> None:
    raise LookupError(reason)


@shared_task(name="started_at")
def started_at() -> float:
    return time.time()


@shared_task(name="succeed_at_attempt", bind=True, max_retries=5)
def succeed_at_attempt(self: Task, wanted: int) -> int:
    """Fail until so many attempts were made; each retry goes through the broker again, with a countdown."""
    attempt = self.request.retries + 1
    if attempt < wanted:
        raise self.retry(countdown=0.1)
    return attempt


@shared_task(name="requeue_once", acks_late=True, bind=True)
def requeue_once(self: Task) -> str:
    """Put the first delivery back; the second is marked as redelivered."""
    if not self.request.delivery_info["redelivered"]:
        raise Reject("once more", requeue=True)
    return "redelivered"


@shared_task(name="hang_once", acks_late=True, bind=True)
def hang_once(self: Task, sign_of_life: str) -> str:
    """Never finish the first delivery, so that the worker dies with the task unacknowledged."""
    if not self.request.delivery_info["redelivered"]:
        Path(sign_of_life).touch()
        threading.Event().wait()
    return "redelivered"
