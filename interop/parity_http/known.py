"""Where amqpy does not answer as RabbitMQ in whatever scenario, and why. What is about one scenario alone stands there.

What follows from such a difference is another one: a list has something in it on one side only.
"""

from collections.abc import Sequence

from interop.parity_http.scenario import Differs

KNOWN: Sequence[Differs] = (
    Differs(
        "RabbitMQ keeps values of any type where a text should be, and others stumble over them",
        step="*",
        where="status",
        expected="20*",
        got='400 {"error": "bad_request", "reason": ["not_string", *',
    ),
    Differs(
        "no integer of AMQP is that large: RabbitMQ keeps it, and cuts it when a client is told",
        step="*",
        where="status",
        expected="20*",
        got='400 {"error": "bad_request", "reason": ["not_int64", *',
    ),
)
