"""For programs in Python that ask the broker's HTTP API themselves.

status, value = ask("PUT", path("queues", "/", "jobs"), {"durable": True})
"""

import base64
import contextlib
import http.client
import json
import os
import threading
import time
from urllib.parse import quote, unquote, urlsplit

URL = os.environ["MANAGEMENT_URL"]
PARTS = urlsplit(URL)
USER, PASSWORD = unquote(PARTS.username), unquote(PARTS.password)
DEADLINE_S = 30
POLL_S = 0.1


def path(*segments, **query):
    """The path of an address below /api, from names as they are; parameters are given as text."""
    told = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
    return "/api/" + "/".join(quote(segment, safe="") for segment in segments) + (f"?{told}" if told else "")


def request(method, target, value=None, user=USER, password=PASSWORD, headers=None):
    """The status of an answer, its headers, and what it says in JSON, or its octets if that is none."""
    with contextlib.closing(http.client.HTTPConnection(PARTS.hostname, PARTS.port, timeout=DEADLINE_S)) as connection:
        credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
        body = None if value is None else json.dumps(value)
        told = {"Authorization": f"Basic {credentials}", "Content-Type": "application/json", **(headers or {})}
        connection.request(method, target, body, told)
        answer = connection.getresponse()
        said = answer.read()
    try:
        return answer.status, answer.headers, json.loads(said)
    except ValueError:
        return answer.status, answer.headers, said


def ask(*arguments, **options):
    """The same, without the headers."""
    status, _, value = request(*arguments, **options)
    return status, value


def until(found):
    """The first true value of `found`. RabbitMQ shows late what has happened."""
    deadline = time.monotonic() + DEADLINE_S
    while not (value := found()):
        assert time.monotonic() < deadline, "it did not come to that"
        threading.Event().wait(POLL_S)
    return value
