"""The handshake: protocol versions, server properties, capabilities, tuning, and connection.open.

Source: AMQP 0-9-1 section 2.2.4; `rabbit_reader:server_properties`, `validate_negotiated_integer_value`.
"""

from platform import python_version
from typing import NamedTuple

from amqpy.core.broker import Broker
from amqpy.core.checks import check_connection_limit, check_entry, check_node_connection_limit
from amqpy.core.principals import Principal
from amqpy.core.vhost import Vhost
from amqpy.errors import NotAllowed
from amqpy.profile import Profile
from amqpy.version import __version__
from amqpy.wire import methods, methods_0_8
from amqpy.wire.methods import Connection, MethodTable
from amqpy.wire.values import Field, Table, decode_table, table_field

PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"

TUNE_METHOD = methods.AMQP_0_9_1.id_of(Connection.Tune)
"""The method that connection.close names for a tune-ok out of bounds; the same in every version."""

AMQP_1_HEADER = b"AMQP\x03\x01\x00\x00"
"""The protocol header of AMQP 1.0 with SASL."""

REFUSED_LOGIN_TIMEOUT_MS = 3_000
"""Milliseconds until a refused client is disconnected, so that it reads the reason before the end."""

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


class Version(NamedTuple):
    """A version of AMQP."""

    number: str
    """The version number in events."""
    announced: tuple[int, int]
    """Major and minor version in connection.start."""
    methods: MethodTable
    capabilities: tuple[str, ...]
    """The capabilities in connection.start."""
    lacks: frozenset[str] = frozenset()
    """Capabilities of a client that are ignored, for want of the methods."""


AMQP_0_9_1 = Version("{0,9,1}", (0, 9), methods.AMQP_0_9_1, CAPABILITIES)
AMQP_0_8 = Version("{0,8,0}", (8, 0), methods_0_8.AMQP_0_8, (), frozenset(("connection.blocked",)))

_VERSIONS = {
    PROTOCOL_HEADER: AMQP_0_9_1,
    b"AMQP\x01\x01\x00\x09": AMQP_0_9_1,  # 0-9, which is close enough
    b"AMQP\x01\x01\x08\x00": AMQP_0_8,  # what most of its clients send
    b"AMQP\x01\x01\x09\x01": AMQP_0_8,  # what its specification says; py-amqplib sends it
}


def version_of(header: bytes, profile: Profile) -> Version | None:
    """The version that a protocol header asks for; None if it is not served."""
    version = _VERSIONS.get(header)
    return None if version is AMQP_0_8 and not profile.serves_amqp_0_8 else version


def server_properties(broker: Broker, version: Version) -> Table:
    """The server properties in connection.start."""
    config, profile = broker.config, broker.profile
    texts = {
        "cluster_name": broker.cluster_name,
        "copyright": "The amqpy authors",
        "information": f"amqpy {__version__}",
        "platform": f"Python {python_version()}",
        "product": config.product,
        "version": config.version or profile.version,
    }
    capabilities = {name: Field("bool", True) for name in version.capabilities}
    return {
        "capabilities": table_field(capabilities),
        **{name: Field("longstr", value) for name, value in texts.items()},
    }


def capabilities_of(client_properties: Table) -> frozenset[str]:
    """The capabilities in a client's properties."""
    field = client_properties.get("capabilities")
    if field is None or field.kind != "table":
        return frozenset()
    return frozenset(name for name, value in decode_table(field.value).items() if value == Field("bool", True))


def connection_name(client_properties: Table) -> str | None:
    """The name that an application gave its connection, for logs and events; None without one."""
    field = client_properties.get("connection_name")
    return field.value if field is not None and field.kind == "longstr" else None


def refusal_of(header: bytes, profile: Profile) -> bytes:
    """The protocol header that answers one which is not accepted."""
    is_later = header[:6] == b"AMQP\0\0" and header[6] >= 9
    # A client that asks for AMQP 1.0 must not get its own header back: that would accept it.
    return AMQP_1_HEADER if profile.offers_amqp_1 and not is_later and header != AMQP_1_HEADER else PROTOCOL_HEADER


def check_tuned(name: str, value: int, *, floor: int, ours: int) -> None:
    """Checks a value of tune-ok against our proposal. 0 is no limit, on either side. Raises NotAllowed."""
    shown = " (no limit)" if name == "channel_max" and value == 0 else ""
    if value and value < floor:
        text = f"negotiated {name} = {value}{shown} is lower than the minimum allowed value ({floor})"
        raise NotAllowed(text, method_id=TUNE_METHOD)
    if ours and (value == 0 or value > ours):
        text = f"negotiated {name} = {value}{shown} is higher than the maximum allowed value ({ours})"
        raise NotAllowed(text, method_id=TUNE_METHOD)


def enter(broker: Broker, user: Principal, name: str, peer_host: str) -> Vhost:
    """Finds a virtual host and checks that the user may connect to it. Raises NotAllowed, in RabbitMQ's order, or
    Undecided."""
    check_node_connection_limit(broker.vhosts.values(), broker.config.connection_max)
    vhost = broker.vhosts.get(name)
    if vhost is None:
        raise NotAllowed(f"vhost {name} not found")
    check_connection_limit(vhost, user.name)
    user.check_connection()
    check_entry(user, vhost, peer_host)
    return vhost
