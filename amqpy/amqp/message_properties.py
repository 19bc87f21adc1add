"""The checks of a message's properties, and what few messages have: copies to more routing keys, a TTL, a reply queue.

Source: `rabbit_channel`: `check_user_id_header`, `check_expiration_header`, `maybe_set_fast_reply_to`.
"""

from typing import Final, NamedTuple

from amqpy.core.argument_validators import check_expiration
from amqpy.core.message import Message, PersistentMessage
from amqpy.core.queues.reply_to import ReplyQueue, name_reply_queue, wants_reply
from amqpy.core.sender_selected import take_copies
from amqpy.errors import PreconditionFailed, SyntaxFault
from amqpy.profile import Profile
from amqpy.wire.properties import EXPIRATION_FLAG, REPLY_TO_FLAG, USER_ID_FLAG, decode_properties
from amqpy.wire.scan import COPIES, MALFORMED, delivery_mode_of, judge

PERSISTENT: Final = 2
"""The delivery mode of persistent messages."""


class Special(NamedTuple):
    """The parts of a message that few have: a changed content header, more routing keys, a TTL."""

    header: bytes
    more_keys: tuple[str, ...]
    ttl_ms: int | None


def inspect(
    header: bytes, profile: Profile, user_name: str | None, replies: ReplyQueue | None
) -> tuple[type[Message], Special | None]:
    """Checks the properties of a message, in RabbitMQ's order; `user_name` is the only one that may be in them, None if
    any may, `replies` the channel's reply queue, if it has one. Raises the fault that refuses them."""
    verdict = judge(header)
    if verdict == MALFORMED:
        raise SyntaxFault("cannot decode the properties of basic.publish")
    delivery_mode = delivery_mode_of(verdict)
    more_keys: tuple[str, ...] = ()
    passed_on, ttl_ms = header, None
    if verdict & REPLY_TO_FLAG and wants_reply(header):
        if replies is None:
            raise PreconditionFailed("fast reply consumer does not exist")
        passed_on = name_reply_queue(header, replies)
    user_comes_last = profile.checks_user_id_last
    if verdict & USER_ID_FLAG and not user_comes_last:
        _check_user_id(user_name, decode_properties(header)["user_id"])
    if verdict & EXPIRATION_FLAG:
        ttl_ms = check_expiration(decode_properties(header)["expiration"])
    if delivery_mode not in {None, 1, 2} and not profile.any_delivery_mode:
        raise PreconditionFailed(f"invalid message: {{delivery_mode_unknown,{delivery_mode}}}")
    if verdict & COPIES:
        more_keys, passed_on = take_copies(passed_on)
    if verdict & USER_ID_FLAG and user_comes_last:
        _check_user_id(user_name, decode_properties(header)["user_id"])
    kind = PersistentMessage if delivery_mode == PERSISTENT else Message
    if more_keys or passed_on is not header or ttl_ms is not None:
        return kind, Special(passed_on, more_keys, ttl_ms)
    return kind, None


def _check_user_id(user_name: str | None, user_id: str) -> None:
    if user_name is not None and user_id != user_name:
        raise PreconditionFailed(f"user_id property set to '{user_id}' but authenticated user was '{user_name}'")
