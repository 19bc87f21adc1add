"""What tests of switches have in common."""

from collections.abc import Callable
from typing import Any

import pytest

from amqpy.core.message import Message
from amqpy.errors import AdministrationError, AmqpFault
from amqpy.wire.properties import decode_properties
from amqpy.wire.values import Table, decode_array, decode_table
from tests.core.world import World, arguments

QUORUM = arguments(queue_type="quorum")


def refusal(operation: Callable[..., object], *values: object, **more: Any) -> str | None:  # noqa: ANN401
    """Why it is refused, if it is."""
    try:
        operation(*values, **more)
    except (AmqpFault, AdministrationError) as fault:
        return fault.text
    return None


def level(operation: Callable[..., object], *values: object, **more: Any) -> str:  # noqa: ANN401
    with pytest.raises(AmqpFault) as caught:
        operation(*values, **more)
    return f"{caught.value.code} {type(caught.value).__mro__[1].__name__}"


def declared(world: World, name: str = "q", **more: int | str | bool) -> str | None:
    return refusal(world.queue, name, durable=True, arguments=arguments(**more))


def headers_of(message: Message | None) -> dict[str, Any]:
    assert message is not None
    headers: Table = decode_properties(message.header).get("headers", {})
    return {name: field.value for name, field in headers.items()}


def deaths(history: bytes) -> list[Table]:
    return [decode_table(entry.value) for entry in decode_array(history)]


def quorum_world(profile: str, **more: int | str | bool) -> World:
    """With a quorum queue `q` and a message in it."""
    world = World(profile)
    world.queue("q", durable=True, arguments=arguments(queue_type="quorum", **more))
    world.publish("", "q", "m")
    return world
