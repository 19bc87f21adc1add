"""Refusals of values by the broker, and of what is not there, in RabbitMQ's words for its tools."""

from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape

from amqpy.ctl.api import ApiError
from amqpy.ctl.failures import error
from amqpy.ctl.options import Call


@contextmanager
def validated() -> Iterator[None]:
    """Around what sets a value, which may be refused."""
    try:
        yield
    except ApiError as refusal:
        if refusal.status != 400:
            raise
        # The API of some versions escapes them for its pages.
        raise error(unescape(refusal.text)) from None


def clear_parameter(call: Call, *path: str) -> None:
    """Clears a parameter or a policy. Raises Failure if it is not there."""
    try:
        call.api.delete(*path)
    except ApiError as refusal:
        if refusal.is_missing:
            raise error("Parameter does not exist") from None
        raise
