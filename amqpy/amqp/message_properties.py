"""The checks of a message's properties, and what few messages have: copies to more routing keys, a TTL, a reply queue.

Source: `rabbit_channel`: `check_user_id_header`, `check_expiration_header`, `maybe_set_fast_reply_to`.
"""

from typing import Final, NamedTuple

from amqpy.core.argument_validators import check_expiration
from amqpy.core.message import AnnotatedMessage, Message, PersistentMessage
from amqpy.core.queues.reply_to import ReplyQueue, name_reply_queue
from amqpy.core.sender_selected import take_copies
from amqpy.errors import PreconditionFailed, SyntaxFault
from amqpy.profile import Profile
from amqpy.wire.properties import EXPIRATION_FLAG, USER_ID_FLAG, decode_properties
from amqpy.wire.scan import ASKS, COPIES, MALFORMED, delivery_mode_of

PERSISTENT: Final = 2
"""The delivery mode of persistent messages."""

NOT_PLAIN: Final = COPIES | ASKS | USER_ID_FLAG | EXPIRATION_FLAG
"""Any of this in a verdict, as in MALFORMED: something in the properties concerns the broker."""


class Special(NamedTuple):
    """The parts of a message that few have: a changed content header, more routing keys, a TTL."""

    header: bytes
    more_keys: tuple[str, ...]
    ttl_ms: int | None

    def message(self, kind: type[Message], address: bytes, body: bytes, now_ms: int) -> Message:
        """The message with these parts."""
        expires_at_ms = None if self.ttl_ms is None else now_ms + self.ttl_ms
        if not self.more_keys:
            return kind(address, self.header, body, expires_at_ms)
        return AnnotatedMessage(
            address, self.header, body, expires_at_ms, persistent=kind.persistent, more_keys=self.more_keys
        )


def plain_kind(verdict: int, profile: Profile) -> type[Message] | None:
    """The class of the messages whose content headers have this verdict. None if `inspect` must look at each."""
    if verdict & NOT_PLAIN or not _is_known_mode(delivery_mode_of(verdict), profile):
        return None
    return PersistentMessage if delivery_mode_of(verdict) == PERSISTENT else Message


def inspect(
    header: bytes, verdict: int, profile: Profile, user_name: str | None, replies: ReplyQueue | None
) -> tuple[type[Message], Special | None]:
    """Checks the properties of a message, in RabbitMQ's order; `user_name` is the only one that may be in them, None if
    any may, `replies` the channel's reply queue, if it has one. Raises the fault that refuses them."""
    if verdict == MALFORMED:
        raise SyntaxFault("cannot decode the properties of basic.publish")
    delivery_mode = delivery_mode_of(verdict)
    more_keys: tuple[str, ...] = ()
    passed_on, ttl_ms = header, None
    if verdict & ASKS:
        if replies is None:
            raise PreconditionFailed("fast reply consumer does not exist")
        passed_on = name_reply_queue(header, replies)
    user_comes_last = profile.checks_user_id_last
    if verdict & USER_ID_FLAG and not user_comes_last:
        _check_user_id(user_name, decode_properties(header)["user_id"])
    if verdict & EXPIRATION_FLAG:
        ttl_ms = check_expiration(decode_properties(header)["expiration"])
    if not _is_known_mode(delivery_mode, profile):
        raise PreconditionFailed(f"invalid message: {{delivery_mode_unknown,{delivery_mode}}}")
    if verdict & COPIES:
        more_keys, passed_on = take_copies(passed_on)
    if verdict & USER_ID_FLAG and user_comes_last:
        _check_user_id(user_name, decode_properties(header)["user_id"])
    kind = PersistentMessage if delivery_mode == PERSISTENT else Message
    if more_keys or passed_on is not header or ttl_ms is not None:
        return kind, Special(passed_on, more_keys, ttl_ms)
    return kind, None


def _is_known_mode(delivery_mode: int | None, profile: Profile) -> bool:
    return delivery_mode in {None, 1, 2} or profile.any_delivery_mode


def _check_user_id(user_name: str | None, user_id: str) -> None:
    if user_name is not None and user_id != user_name:
        raise PreconditionFailed(f"user_id property set to '{user_id}' but authenticated user was '{user_name}'")
