"""Queues and exchanges as RabbitMQ names them in error texts.

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
