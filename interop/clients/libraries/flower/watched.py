"""The Celery application that Flower watches."""

import threading
from pathlib import Path

from celery import Celery
from checks import URL, name_of

app = Celery("watched", broker=URL, backend="rpc://")
app.conf.update(
    task_default_queue=name_of("tasks"),
    task_default_exchange=name_of("tasks"),
    control_exchange=name_of("control"),
    event_exchange=name_of("events"),
    event_queue_prefix=name_of("events"),
    result_exchange=name_of("results"),
    worker_send_task_events=True,
    task_send_sent_event=True,
    broker_connection_retry_on_startup=True,
)


@app.task(name="add")
def add(x, y):
    return x + y


@app.task(name="fail")
def fail():
    raise ValueError("as it should")


@app.task(name="wait", acks_late=True)
def wait():
    threading.Event().wait()


@app.task(name="hold", acks_late=True)
def hold(path):
    """Until there is a file."""
    while not Path(path).exists():
        threading.Event().wait(0.1)
