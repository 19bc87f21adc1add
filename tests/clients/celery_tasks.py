"""The Celery application of test_celery.py, loaded by its worker and by the test.

The environment says where the broker is and which queue is ours, as a deployment would.
"""

from __future__ import annotations

import os

from celery import Celery, shared_task

URL, QUEUE = "CELERY_BROKER_URL", "CELERY_TEST_QUEUE"


def make_app(broker_url: str | None, queue: str | None) -> Celery:
    app = Celery("tests", broker=broker_url, backend="rpc://")
    app.conf.update(broker_connection_retry_on_startup=True, task_default_queue=queue or "celery", result_expires=600)
    return app


app = make_app(os.environ.get(URL), os.environ.get(QUEUE))


@shared_task(name="add")
def add(left: int, right: int) -> int:
    return left + right
