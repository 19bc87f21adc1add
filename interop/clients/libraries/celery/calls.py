"""Celery: what an application that calls tasks can rely on."""

import hashlib
import uuid
from datetime import UTC, datetime, timedelta

from amqp.exceptions import AccessRefused, ConsumerCancelled, MessageNacked, NotFound, PreconditionFailed
from celery.exceptions import TaskRevokedError
from celery.result import AsyncResult
from checks import check, main
from kombu import Exchange, Queue
from kombu.exceptions import OperationalError
from kombu.serialization import dumps
from tasks import add, context, digest, drop, fail, now
from workers import DEADLINE_S, application, count_in, folder, worker

CONFIRMING = {"broker_transport_options": {"confirm_publish": True}}
FRAME_OVERHEAD = 8


@check("confirms")
def confirms():
    with application("confirms", **CONFIRMING) as app:
        for number in range(500):
            add.delay(number, number)
        assert count_in(app, app.main) == 500


@check("confirms that are refused")
def refused():
    queues = [Queue("", max_length=1, queue_arguments={"x-overflow": "reject-publish"})]
    with application("full", task_queues=queues, **CONFIRMING) as app:
        queue = app.amqp.queues[app.main]
        print("# ", queue)
main()
