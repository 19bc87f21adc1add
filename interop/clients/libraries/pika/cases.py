"""What the programs for all of pika's adapters check alike: what they send, and what must come of it."""

import hashlib
import os
from datetime import UTC, datetime
from decimal import Decimal

import pika
from checks import URL

PARAMETERS = pika.URLParameters(URL)
DEADLINE_S = 60
MESSAGES = 500

ROUTES = (
    # type, the binding's key and arguments, keys and headers that are published, keys that arrive
    ("direct", "a", None, [("a", None), ("b", None), ("a", None)], ["a", "a"]),
    ("fanout", "", None, [("a", None), ("b", None)], ["a", "b"]),
    ("topic", "*.b.#", None, [("a.b", None), ("b.a", None), ("a.b.c.d", None)], ["a.b", "a.b.c.d"]),
    (
        "headers",
        "",
        {"x-match": "all", "colour": "red", "size": 7},
        [("both", {"colour": "red", "size": 7}), ("one", {"colour": "red"}), ("neither", None)],
        ["both"],
    ),
)

QUEUE_ARGUMENTS = {
    "x-message-ttl": 3_600_000,
    "x-max-length": 10,
    "x-max-priority": 5,
    "x-single-active-consumer": True,
}

HEADERS = {
    "text": "naïve",
    "octets": b"\x00\xff",
    "true": True,
    "small": -7,
    "large": 2**40,
    "decimal": Decimal("12.34"),
    "time": datetime(2024, 2, 29, 12, tzinfo=UTC),
    "table": {"deeper": {"still": []}},
    "list": [1, "two", None, {"three": 3}],
    "nothing": None,
}

PROPERTIES = pika.BasicProperties(
    content_type="application/json",
    content_encoding="utf-8",
    headers=HEADERS,
    delivery_mode=pika.DeliveryMode.Persistent.value,
    priority=9,
    correlation_id="correlation",
    reply_to="reply",
    expiration="60000",
    message_id="message",
    timestamp=1_700_000_000,
    type="kind",
    user_id=PARAMETERS.credentials.username,
    app_id="application",
    cluster_id="cluster",
)

FRAME_BODY = PARAMETERS.frame_max - 8
BODIES = [os.urandom(size) for size in (0, 1, FRAME_BODY - 1, FRAME_BODY, FRAME_BODY + 1, 16 * 1024 * 1024)]


def digest(body):
    """Of a body, so that a difference is told in one line."""
    return len(body), hashlib.sha256(body).hexdigest()


def dead_lettering_to(queue):
    return {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": queue}


def check_death(properties, queue, reason):
    """The history of a message that died once, in that queue."""
    (death,) = properties.headers["x-death"]
    assert (death["queue"], death["reason"], death["count"]) == (queue, reason, 1), death
    assert (death["exchange"], death["routing-keys"]) == ("", [queue]), death
    assert isinstance(death["time"], datetime), death


def wrong_password():
    parameters = pika.URLParameters(URL)
    parameters.credentials = pika.PlainCredentials(parameters.credentials.username, "wrong")
    return parameters


def unknown_virtual_host():
    parameters = pika.URLParameters(URL)
    parameters.virtual_host = "nowhere"
    return parameters
