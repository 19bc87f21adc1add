"""The Celery application of all programs here, and its tasks.

Workers are started with `celery -A tasks worker`, so they load this module, too. They get their settings from the
program that starts them, by way of the environment.
"""

import hashlib
import os
import pickle
import time
from pathlib import Path

from celery import Celery, shared_task
from celery.exceptions import Ignore, Reject
from checks import URL
from kombu import Queue
from kombu.common import Broadcast

SETTINGS = "CELERY_SETTINGS"


def make_app(name, settings, broadcasts=()):
    """An application whose queues and exchanges, those for remote control and events too, begin with a name.

    Of broadcast queues every process makes its own.
    """
    app = Celery(name, broker=URL, backend="rpc://")
    app.conf.update(
        task_default_queue=name,
        control_exchange=f"{name}.control",
        event_exchange=f"{name}.events",
        event_queue_prefix=f"{name}.events",
        broker_connection_retry_on_startup=True,
        result_expires=60,
        result_chord_retry_interval=0.1,
    )
    app.conf.update(settings)
    if broadcasts:
        app.conf.task_queues = [Queue(name), *map(Broadcast, broadcasts)]
    return app


if SETTINGS in os.environ:
    app = make_app(*pickle.loads(bytes.fromhex(os.environ[SETTINGS])))


@shared_task
def add(left, right):
    return left + right


@shared_task
def total(numbers):
    return sum(numbers)


@shared_task
def fail(reason):
    raise LookupError(reason)


@shared_task
def digest(text):
    return len(text), hashlib.sha256(text.encode()).hexdigest()


@shared_task
def now():
    return time.time()


@shared_task
def write(path, line):
    """Add a line to a file, for tasks whose result nobody waits for."""
    with Path(path).open("a") as file:
        file.write(f"{line}\n")


@shared_task(bind=True)
def context(self):
    """What a task is told of its own message."""
    request = self.request
    return {
        "headers": request.headers,
        "delivery": request.delivery_info,
        "properties": request.properties,
        "correlation": request.correlation_id,
        "reply_to": request.reply_to,
        "hostname": request.hostname,
    }


@shared_task(bind=True, max_retries=5)
def succeed_at(self, attempt, countdown=0.1):
    """Fail until so many attempts were made. Each retry is a message of its own."""
    if self.request.retries + 1 < attempt:
        raise self.retry(countdown=countdown)
    return self.request.retries + 1


@shared_task(
    bind=True, autoretry_for=(LookupError,), retry_backoff=1, retry_backoff_max=1, retry_jitter=False, max_retries=2
)
def give_up(self, path):
    write(path, self.request.retries)
    raise LookupError("not to be found")


@shared_task(bind=True)
def count_down(self, number):
    """Replace itself with a chain of other tasks."""
    if number:
        raise self.replace(count_down.s(number - 1))
    return "zero"


@shared_task
def drop():
    raise Ignore


@shared_task(acks_late=True)
def refuse():
    raise Reject("not for me", requeue=False)


@shared_task(bind=True, acks_late=True)
def postpone(self):
    """Put the first delivery back into the queue."""
    if not self.request.delivery_info["redelivered"]:
        raise Reject("not now", requeue=True)
    return "redelivered"


@shared_task(bind=True, acks_late=True, reject_on_worker_lost=True)
def hang_once(self, path):
    """Write down who works on it, and wait for a file that says that it is over, unless it was delivered before."""
    write(path, os.getpid())
    if self.request.delivery_info["redelivered"]:
        return "redelivered"
    wait_for(f"{path}.over")
    return "delivered once"


@shared_task
def wait_for(path):
    """Work until there is a file."""
    write(f"{path}.started", os.getpid())
    while not Path(path).exists():
        time.sleep(0.02)
    return path
