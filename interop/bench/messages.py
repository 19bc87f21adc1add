"""Messages as applications send them: everything about them that can differ from one to the next does.

A broker that remembers what it saw last gains nothing from them, as it would from one message repeated. All are made
before the clock runs, from a seed, and are more than any memory of a broker holds.
"""

import base64
import json
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from typing import Any

from pamqp.commands import Basic

from interop.bench.frames import Publication

DISTINCT = 10_000
BEGIN = datetime(2026, 1, 1)
HOSTS, TENANTS, ROUTES = 40, 5000, 300

Make = Callable[[Random, int], tuple[Basic.Properties, bytes]]


def an_id(random: Random) -> str:
    return str(uuid.UUID(int=random.getrandbits(128), version=4))


def letters(random: Random, size: int) -> str:
    return base64.b64encode(random.randbytes(size)).decode()[:size]


def business_event(
    random: Random, number: int, *, persistent: bool = False, priority: int | None = None
) -> tuple[Basic.Properties, bytes]:
    """Some 400 bytes of JSON, half as many or half as many more, with ids, a time and seven headers."""
    headers: dict[str, Any] = {
        "traceparent": f"00-{random.getrandbits(128):032x}-{random.getrandbits(64):016x}-01",
        "x-request-id": an_id(random),
        "tenant": f"tenant-{random.randrange(TENANTS)}",
        "route": f"/api/v2/orders/{random.randrange(ROUTES)}/lines",
        "attempt": random.randrange(1, 5),
        "sampled": random.random() < 0.1,
        "host": f"worker-{random.randrange(HOSTS)}.example.org",
    }
    properties = Basic.Properties(
        content_type="application/json",
        delivery_mode=2 if persistent else 1,
        priority=priority,
        correlation_id=an_id(random),
        message_id=an_id(random),
        timestamp=BEGIN + timedelta(seconds=number),
        headers=headers,
    )
    start = json.dumps({"order": number, "customer": an_id(random)})
    return properties, (start + letters(random, 600))[: random.randrange(200, 601)].encode()


def celery_task(random: Random, number: int) -> tuple[Basic.Properties, bytes]:
    """A task as Celery 5 publishes it (message protocol 2)."""
    task_id = an_id(random)
    worker = f"gen{random.randrange(1 << 16)}@worker-{random.randrange(HOSTS)}"
    arguments: list[Any] = [random.randrange(1 << 40), letters(random, random.randrange(10, 200))]
    headers: dict[str, Any] = {
        "lang": "py",
        "task": "shop.tasks.send_receipt",
        "id": task_id,
        "shadow": None,
        "eta": None,
        "expires": None,
        "group": None,
        "group_index": None,
        "retries": 0,
        "timelimit": [None, None],
        "root_id": task_id,
        "parent_id": an_id(random),
        "argsrepr": repr(tuple(arguments)),
        "kwargsrepr": "{}",
        "origin": worker,
        "ignore_result": False,
        "replaced_task_nesting": 0,
        "stamped_headers": None,
        "stamps": {},
    }
    properties = Basic.Properties(
        content_type="application/json",
        content_encoding="utf-8",
        delivery_mode=2,
        priority=0,
        correlation_id=task_id,
        reply_to=an_id(random),
        headers=headers,
    )
    body = [arguments, {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]
    return properties, json.dumps(body).encode()


def persistent_event(random: Random, number: int) -> tuple[Basic.Properties, bytes]:
    """The same as `business_event`, persistent."""
    return business_event(random, number, persistent=True)


def prioritised_event(random: Random, number: int) -> tuple[Basic.Properties, bytes]:
    """The same as `business_event`, with the priorities 0 to 3 in turn."""
    return business_event(random, number, priority=number % 4)


def distinct(make: Make, exchange: str, *keys: str, count: int = DISTINCT, seed: int = 0) -> list[Publication]:
    """So many messages to an exchange, of which no two are alike; the routing keys in turn."""
    random = Random(seed)
    made = []
    for number in range(count):
        properties, body = make(random, number)
        raw = properties.marshal()
        flags = int.from_bytes(raw[:2], "big")
        made.append(Publication(exchange, keys[number % len(keys)], body, flags, raw[2:]))
    return made
