"""What the examples of docs/testing-with-clients.md take for granted."""

import os
import subprocess
import sys
import threading
import unittest

import kombu
import kombu.pools
import pika
import pytest
import trio
from celery import Celery
from celery.contrib.testing.worker import start_worker

from amqpy.testing import TestBroker
from tests.testing.apps import Publisher

__all__ = [
    "SHOP",
    "Celery",
    "Publisher",
    "TestBroker",
    "bank",
    "kombu",
    "os",
    "pika",
    "pytest",
    "start_worker",
    "subprocess",
    "sys",
    "threading",
    "trio",
    "unittest",
]

SHOP = """
import os
from celery import Celery

app = Celery("shop", broker=os.environ["AMQP_URL"])
app.conf.update(broker_heartbeat=2, worker_enable_remote_control=False)

@app.task
def ping():
    pass
"""


class Bank:
    """Charges an order, or has the next answer raised."""

    def __init__(self) -> None:
        self.answers: list[str] = []
        self.charged: list[int] = []

    def charge(self, order: int) -> None:
        if self.answers.pop(0) != "ok":
            raise ConnectionError
        self.charged.append(order)


bank = Bank()
