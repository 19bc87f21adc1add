"""Queues and exchanges as RabbitMQ names them in error texts, and texts that are not too long.

Source: `rabbit_misc:rs`.
"""

from typing import Protocol


class Named(Protocol):
    """A virtual host, where only its name is of interest."""

    @property
    def name(self) -> str: ...


def queue_text(vhost: Named, name: str) -> str:
    return f"queue '{name}' in vhost '{vhost.name}'"


def exchange_text(vhost: Named, name: str) -> str:
    return f"exchange '{name}' in vhost '{vhost.name}'"


def shortened(text: str, most: int = 60) -> str:
    """The text, or its beginning where it is long."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
