"""The partitions of a super stream: the streams that are bound to its exchange, in the order that their bindings say.

Source: `rabbit_stream_manager:partitions`.
"""

from typing import Final

from amqpy.core.exchanges import Binding, Exchange
from amqpy.core.queues.stream import StreamQueue
from amqpy.wire.values import INTEGER_KINDS

ORDER: Final = "x-stream-partition-order"


def partitions_of(exchange: Exchange) -> list[StreamQueue]:
    """The partitions of a super stream, in their order; those without one come last."""
    found: dict[StreamQueue, tuple[bool, int]] = {}
    for binding in exchange.bindings.values():
        if isinstance(binding.destination, StreamQueue):
            found.setdefault(binding.destination, _order_of(binding))
    return sorted(found, key=found.__getitem__)


def _order_of(binding: Binding) -> tuple[bool, int]:
    field = binding.arguments.get(ORDER)
    if field is not None and field.kind in INTEGER_KINDS:
        return False, field.value
    text = str(field.value) if field is not None and field.kind == "longstr" else ""
    return (False, int(text)) if text.isascii() and text.isdigit() and len(text) < 19 else (True, 0)
