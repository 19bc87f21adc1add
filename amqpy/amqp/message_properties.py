"""The checks of a message's properties, and what few messages have: copies to more routing keys, a TTL, a reply queue.

Source: `rabbit_channel`: `check_user_id_header`, `check_expiration_header`, `maybe_set_fast_reply_to`.
"""

from typing import TYPE_CHECKING, Final, NamedTuple

from amqpy.core.argument_validators import check_expiration
from amqpy.core.message import Message, PersistentMessage
from amqpy.core.queues.reply_to import name_reply_queue, wants_reply
from amqpy.core.sender_selected import may_have_copies, take_copies
from amqpy.errors import PreconditionFailed, SyntaxFault
from amqpy.wire.content import PLAIN_HEADER_MAX
from amqpy.wire.properties import (
    EXPIRATION_FLAG,
    HEADERS_FLAG,
    REPLY_TO_FLAG,
    USER_ID_FLAG,
    check_properties,
    decode_properties,
)
from amqpy.wire.values import MalformedValue

if TYPE_CHECKING:
    from amqpy.amqp.channel import ChannelSession
    from amqpy.amqp.connection import ConnectionSession

PERSISTENT: Final = 2
"""The delivery mode of persistent messages."""

HEADERS_MAX: Final = 1000
"""Valid content headers that are remembered per connection."""


class Special(NamedTuple):
    """The parts of a message that few have: a changed content header, more routing keys, a TTL."""

    header: bytes
    more_keys: tuple[str, ...]
    ttl_ms: int | None


def inspect(channel: "ChannelSession", header: bytes) -> tuple[type[Message], Special | None]:
    """Checks the properties of a message, in RabbitMQ's order. Raises the fault that refuses them."""
    connection, profile = channel.connection, channel.broker.profile
    try:
        flags, delivery_mode = check_properties(header)
    except (MalformedValue, IndexError):
        raise SyntaxFault("cannot decode the properties of basic.publish") from None
    more_keys: tuple[str, ...] = ()
    passed_on, ttl_ms = header, None
    if flags & REPLY_TO_FLAG and wants_reply(header):
        if channel.replies is None:
            raise PreconditionFailed("fast reply consumer does not exist")
        passed_on = name_reply_queue(header, channel.replies)
    user_comes_last = profile.checks_user_id_last
    if flags & USER_ID_FLAG and not user_comes_last:
        _check_user_id(connection, decode_properties(header)["user_id"])
    if flags & EXPIRATION_FLAG:
        ttl_ms = check_expiration(decode_properties(header)["expiration"])
    if delivery_mode not in {None, 1, 2} and not profile.any_delivery_mode:
        raise PreconditionFailed(f"invalid message: {{delivery_mode_unknown,{delivery_mode}}}")
    if flags & HEADERS_FLAG and may_have_copies(header):
        more_keys, passed_on = take_copies(passed_on)
    if flags & USER_ID_FLAG and user_comes_last:
        _check_user_id(connection, decode_properties(header)["user_id"])
    kind = PersistentMessage if delivery_mode == PERSISTENT else Message
    if more_keys or passed_on is not header or ttl_ms is not None:
        return kind, Special(passed_on, more_keys, ttl_ms)
    if len(header) <= PLAIN_HEADER_MAX:
        known = connection.known_headers
        if len(known) >= HEADERS_MAX:
            known.clear()
        known[header] = kind
    return kind, None


def _check_user_id(connection: "ConnectionSession", user_id: str) -> None:
    if user_id != connection.user_name and not connection.impersonates:
        raise PreconditionFailed(
            f"user_id property set to '{user_id}' but authenticated user was '{connection.user_name}'"
        )
