"""Bodies of requests that several scenarios send."""

import json

MESSAGE = {"properties": {}, "routing_key": "q", "payload": "m", "payload_encoding": "string"}
GET = {"count": 10, "ackmode": "ack_requeue_true", "encoding": "auto"}


def message(**given: object) -> str:
    """To publish something, by default to the queue q."""
    return json.dumps(MESSAGE | given, ensure_ascii=False)


def get(**given: object) -> str:
    """To get messages, by default up to 10 that are put back."""
    return json.dumps(GET | given)
