"""What the two sides tell each other about themselves before a connection is open.

Source: AMQP 0-9-1 section 2.2.4; `rabbit_reader:server_properties`, `validate_negotiated_integer_value`.
"""

from platform import python_version

from amqpy import __version__
from amqpy.config import Config
from amqpy.errors import NotAllowed
from amqpy.profile import PROFILES
from amqpy.wire.values import Field, Table

PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
ACCEPTED_HEADERS = frozenset((PROTOCOL_HEADER, b"AMQP\x01\x01\x00\x09"))
"""The second one is 0-9, which is close enough."""

FRAME_MAX_FLOOR = 4096

CAPABILITIES = (
    "publisher_confirms",
    "exchange_exchange_bindings",
    "basic.nack",
    "consumer_cancel_notify",
    "connection.blocked",
    "consumer_priorities",
    "authentication_failure_close",
    "per_consumer_qos",
    "direct_reply_to",
)


def server_properties(config: Config) -> Table:
    """What connection.start says about us."""
    texts = {
        "cluster_name": config.cluster_name or "rabbit@localhost",
        "copyright": "The amqpy authors",
        "information": f"amqpy {__version__}",
        "platform": f"Python {python_version()}",
        "product": config.product,
        "version": config.version or PROFILES[config.profile].version,
    }
    capabilities = {name: Field("bool", True) for name in CAPABILITIES}
    return {
        "capabilities": Field("table", capabilities),
        **{name: Field("longstr", value) for name, value in texts.items()},
    }


def capabilities_of(client_properties: Table) -> frozenset[str]:
    """The capabilities a client claims."""
    field = client_properties.get("capabilities")
    if field is None or field.kind != "table":
        return frozenset()
    return frozenset(name for name, value in field.value.items() if value == Field("bool", True))


def connection_name(client_properties: Table) -> str | None:
    """The name an application gave its connection, for people to recognise it by."""
    field = client_properties.get("connection_name")
    return field.value if field is not None and field.kind == "longstr" else None


def check_tuned(name: str, value: int, *, floor: int, ours: int) -> None:
    """Refuses a tune-ok value outside what we proposed. 0 is no limit, on either side. Raises NotAllowed."""
    shown = " (no limit)" if name == "channel_max" and value == 0 else ""
    if value and value < floor:
        raise NotAllowed(f"negotiated {name} = {value}{shown} is lower than the minimum allowed value ({floor})")
    if ours and (value == 0 or value > ours):
        raise NotAllowed(f"negotiated {name} = {value}{shown} is higher than the maximum allowed value ({ours})")
