"""Moves: messages of a queue are published elsewhere, or go back to where they died. An addition to RabbitMQ's API.

Each of them is got, and published, by the user who asks, and is in one place or the other whatever happens
(`core.moving`).
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from amqpy.core.moving import Destination, Moving, Outcome, Shown
from amqpy.core.users import IMPERSONATOR
from amqpy.errors import AmqpFault
from amqpy.management import access
from amqpy.management.answers import bad_request
from amqpy.management.call import Call
from amqpy.management.checks import check_length
from amqpy.management.lists import Change, View
from amqpy.management.looking import Form, filter_of, shown_in_queue
from amqpy.management.request import integer, switch, text
from amqpy.management.resources.exchanges import DEFAULT
from amqpy.management.resources.queues import find_queue
from amqpy.management.router import Router
from amqpy.management.web_channel import WebChannel, refusal_on_get

KEYS: Final = ("filter", "to", "count", "dry_run", "encoding", "truncate")
DESTINATION: Final = ("exchange", "routing_key")

TRUNCATE: Final = 1024
"""Octets of the payloads that are shown, unless others are asked for."""


def add_to(router: Router) -> None:
    router.post("/queues/{vhost}/{queue}/move", access.of_vhost)(move_messages)


def move_messages(call: Call) -> Change:
    """Without `to` each message goes back to the queue where it died first."""
    body = call.body
    _check_keys(body, KEYS, "a move")
    dry_run, count = switch(body, "dry_run"), _count_in(body)
    to, wanted = _destination(body.get("to")), filter_of(body.get("filter"))
    form = Form.of(body.get("encoding", "auto"), body.get("truncate", TRUNCATE))
    queue = find_queue(call)
    channel = WebChannel.of(call)
    user_id = None if IMPERSONATOR in call.tags else call.user.name
    try:
        moving = Moving(
            call.client,
            channel.vhost,
            queue.name,
            to,
            wanted,
            channel.unacked,
            count=count,
            user_id=user_id,
            dry_run=dry_run,
        )
    except AmqpFault as fault:
        raise refusal_on_get(fault) from None
    work = Work(call, channel, moving, form, dry_run=dry_run)
    return Change(work, work.result, work.end)


class Work(Iterator[int]):
    """A move on a channel of its own. `next` raises Undecided as that of `Moving`."""

    def __init__(self, call: Call, channel: WebChannel, moving: Moving, form: Form, *, dry_run: bool) -> None:
        self._unix_time_ms = call.api.unix_time_ms
        self._channel = channel
        self._moving = moving
        self._form = form
        self._dry_run = dry_run
        self._is_open = False

    def __next__(self) -> int:
        if not (self._is_open or self._dry_run):
            self._is_open = True
            self._channel.open()
        return next(self._moving)

    def end(self) -> None:
        if self._is_open:
            self._channel.published = self._channel.confirmed = self._moving.outcomes[Outcome.MOVED]
            self._channel.close()

    def result(self) -> View:
        moving = self._moving
        stopped = {} if moving.stopped_by is None else {"stopped": moving.stopped_by.reply_text}
        return {
            "scanned": moving.scanned,
            "matched": moving.matched,
            **{outcome.value: moving.outcomes[outcome] for outcome in Outcome},
            "queues": dict(moving.queues),
            "reasons": dict(moving.reasons),
            **stopped,
            "items": [self._item(shown) for shown in moving.shown],
        }

    def _item(self, shown: Shown) -> View:
        to = None
        if shown.exchange is not None:
            to = {"exchange": shown.exchange, "routing_key": shown.routing_key, "queues": list(shown.queues)}
        view = shown_in_queue(shown.message, shown.number, self._form, self._unix_time_ms())
        return {**view, "to": to, "outcome": shown.outcome.value, **({"reason": shown.reason} if shown.reason else {})}


def _check_keys(given: Mapping[str, Any], known: tuple[str, ...], what: str) -> None:
    """Raises Refusal for a key that has no meaning: it may have been meant to say that less is to be done."""
    if unknown := [key for key in given if key not in known]:
        raise bad_request(f"{what} has no key {unknown[0]}, only {', '.join(known)}")


def _count_in(body: Mapping[str, Any]) -> int | None:
    """The most messages that are to be moved; None for all. Raises Refusal."""
    if body.get("count") is None:
        return None
    count = integer(body["count"])
    if count < 1:
        raise bad_request("count should be at least 1")
    return count


def _destination(asked: object) -> Destination | None:
    """Raises Refusal."""
    if asked is None:
        return None
    if not isinstance(asked, dict):
        raise bad_request("to should be an object")
    _check_keys(asked, DESTINATION, "to")
    given = {key: text(value, key) for key, value in asked.items() if value is not None}
    if not given:
        raise bad_request("to should have an exchange or a routing_key")
    for key, value in given.items():
        check_length(key, value)
    exchange = given.get("exchange", "")
    return Destination("" if exchange == DEFAULT else exchange, given.get("routing_key"))
