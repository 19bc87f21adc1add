"""Dead letters: publishing a message to the dead letter exchange of its queue, with its history in the headers.

The history is `x-death`: one table for each queue and reason, the latest first, with a count. It is written into the
bytes the publisher sent; nothing else in them is changed, but for what RabbitMQ changes: the headers are in the order
of their names and have the types that it writes, `expiration` is removed, and `CC` too, if the routing key is
replaced.

A dead letter that comes back to a queue where it was dead-lettered before is dropped, unless a client rejected it on
the way: otherwise it would circulate forever.

Source: `rabbit_dead_letter` (3.x), `mc:record_death` (4.x, for `x-last-death-*`).
"""

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from amqpy.core.message import AnnotatedMessage, Message, Target, address_of
from amqpy.core.scheduler import DeadLetterSource
from amqpy.core.sender_selected import keys_in
from amqpy.core.vhost import Vhost
from amqpy.profile import Profile
from amqpy.wire.content import split_address
from amqpy.wire.properties import header_entries, headers_property, join_properties, split_properties
from amqpy.wire.values import (
    INTEGER_KINDS,
    Entries,
    Field,
    array_field,
    comparable,
    decode_table,
    drop_entry,
    encode_table,
    entries_of,
    find_entries,
    join_table,
    replace_entries,
    split_table,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_COUNT_MODULUS = 1 << 64

FIRST_QUEUE = frozenset({b"x-first-death-queue"})
HISTORY = frozenset({b"x-death"})

OWN_BYTES_MAX = 1024
"""Bytes of an entry of x-death up to which its decoded form is cached: hardly ever exceeded."""


def send_dead_letter(
    vhost: Vhost, queue: DeadLetterSource, message: Message, reason: str, unix_time_s: int, profile: Profile
) -> bool:
    """Publishes a message of `queue` to the queue's dead letter exchange, if there is one. True if any queue took
    it."""
    name = queue.settings.dead_letter_exchange
    exchange = None if name is None else vhost.exchanges.get(name)
    if exchange is None:
        for watcher in vhost.watchers:
            watcher.dead_lettered(queue.name, message, reason, ())
        return False
    letter, deaths = letter_of(queue, message, reason, unix_time_s, profile)
    targets: Sequence[Target] = vhost.router.targets_of(exchange, letter)
    if reason != "rejected":
        targets = [target for target in targets if not _is_cycle(target.name, deaths)]
    for watcher in vhost.watchers:
        watcher.dead_lettered(queue.name, message, reason, targets)
    return len(vhost.deliver_own(targets, letter)) < len(targets)


def origin_of(message: Message, profile: Profile) -> str | None:
    """The queue where a message died first, as its headers tell. None if it has not died, or if its publisher wrote
    them and is not believed."""
    if not (message.is_dead_letter or profile.trusts_x_death):
        return None
    headers = split_properties(message.header).get("headers", b"")[4:]
    first = decode_table(b"".join(entry for _, entry in find_entries(headers, FIRST_QUEUE)))
    if told := first.get("x-first-death-queue"):
        return told.value if told.kind == "longstr" else None
    deaths = deaths_in(headers)
    return deaths[-1].queue if deaths else None


class Death(NamedTuple):
    """The parts of an entry of x-death that are asked for; None if they are no text."""

    queue: str | None
    reason: str | None


def deaths_in(headers: bytes) -> list[Death]:
    """The entries of x-death in the content of the headers, the latest first: none, where a client has put something
    else there."""
    histories = find_entries(headers, HISTORY)
    tables = _tables_of(histories[0][1]) if histories else None
    return [Death(told.queue, told.reason) for told in map(_read, tables or ())]


class _Death(NamedTuple):
    """An entry of x-death that is to be written."""

    reason: str
    queue: str
    time_s: int
    exchange: str
    routing_keys: tuple[str, ...]
    expiration: str | None

    def table(self, *, is_plain: bool) -> dict[str, Field]:
        """A first death. Where x-death is plain, `original-expiration` is told first, and as a number."""
        expiration = {}
        if self.expiration is not None:
            told = str(int(self.expiration)) if is_plain else self.expiration
            expiration = {"original-expiration": Field("longstr", told)}
        return {
            **(expiration if is_plain else {}),
            "count": Field("long", 1),
            "reason": Field("longstr", self.reason),
            "queue": Field("longstr", self.queue),
            "time": Field("timestamp", self.time_s),
            "exchange": Field("longstr", self.exchange),
            "routing-keys": array_field(Field("longstr", key) for key in self.routing_keys),
            **({} if is_plain else expiration),
        }


def letter_of(
    queue: DeadLetterSource, message: Message, reason: str, unix_time_s: int, profile: Profile
) -> tuple[AnnotatedMessage, list[bytes]]:
    """Makes the dead letter; returns it with its history."""
    properties = split_properties(message.header)
    headers = header_entries(properties)
    expiration = properties.pop("expiration", None)
    exchange, key = map(text, split_address(message.address))
    first = dict(reversed(headers))
    copies = keys_in(decode_table(first[b"CC"])["CC"]) if b"CC" in first else []
    death = _Death(
        reason,
        queue.name,
        unix_time_s,
        exchange,
        _keys_of(key, message.more_keys, copies) if profile.keeps_cc else (key, *copies),
        None if expiration is None else text(expiration[1:]),
    )
    history = first.get(b"x-death") if message.is_dead_letter or profile.trusts_x_death else None
    if history is None:
        noted = _first_noted(death, profile.notes_last_death, profile.plain_deaths)
    else:
        noted = _noted(history, death, profile)
    new_key = queue.settings.dead_letter_routing_key
    if new_key is not None:
        key = new_key
    if headers:
        replace_entries(headers, noted.entries)
        if new_key is not None and not profile.keeps_cc:
            drop_entry(headers, b"CC")
        properties["headers"] = headers_property(join_table(headers))
    else:
        properties["headers"] = noted.as_headers
    letter = AnnotatedMessage(
        address_of(queue.settings.dead_letter_exchange or "", key),
        join_properties(message.header, properties),
        message.body,
        persistent=message.persistent,
        more_keys=message.more_keys if new_key is None else (),
        is_dead_letter=True,
    )
    return letter, noted.deaths


def _keys_of(key: str, more_keys: tuple[str, ...], copies: list[str]) -> tuple[str, ...]:
    """The keys that a message went by, without those of BCC. CC may still be there although others took their place;
    and as in RabbitMQ, a key that is both among them and in BCC is what is left of BCC."""
    if not more_keys:
        return (key,)
    keys = [key, *more_keys]
    for blind in more_keys[len(copies) :]:
        keys.remove(blind)
    return tuple(keys)


class _Noted(NamedTuple):
    entries: Entries
    """The entries to be set in a message's headers."""
    as_headers: bytes
    """The headers property of a message that had none."""
    deaths: list[bytes]
    """The whole history: the tables of x-death, encoded; those that did not change are the same bytes."""


@lru_cache(maxsize=1024)
def _first_noted(death: _Death, is_last_noted: bool, is_plain: bool) -> _Noted:
    """The headers of a first dead-lettering. Cached: many messages have the same ones within a second."""
    where = _where(death, "first") | (_where(death, "last") if is_last_noted else {})
    deaths = [encode_table(death.table(is_plain=is_plain))]
    entries = [*entries_of(where), _x_death(deaths)]
    return _Noted(entries, headers_property(join_table(entries)), deaths)


def _noted(history: bytes, death: _Death, profile: Profile) -> _Noted:
    """The headers of a further dead-lettering. `history` is the entry of x-death."""
    deaths = _tables_of(history)
    if deaths is None:
        # A client has put something else there, which is overwritten.
        deaths = [encode_table(death.table(is_plain=profile.plain_deaths))]
    else:
        deaths = _counted(_grouped(deaths, turned=profile.turns_x_death), death, is_plain=profile.plain_deaths)
    where = entries_of(_where(death, "last")) if profile.notes_last_death else []
    return _Noted([*where, _x_death(deaths)], b"", deaths)


def _x_death(deaths: list[bytes]) -> tuple[bytes, bytes]:
    array = b"".join([b"F" + len(table).to_bytes(4, "big") + table for table in deaths])
    return b"x-death", b"\x07x-deathA" + len(array).to_bytes(4, "big") + array


def _tables_of(history: bytes) -> list[bytes] | None:
    """The tables in an entry of x-death, or None when it is no array of tables."""
    if history[8:9] != b"A":
        return None
    position = 13
    tables = []
    while position < len(history):
        if history[position : position + 1] != b"F":
            return None
        end = position + 5 + int.from_bytes(history[position + 1 : position + 5], "big")
        tables.append(history[position + 5 : end])
        position = end
    return tables


def _where(death: _Death, which: str) -> dict[str, Field]:
    values = {"reason": death.reason, "queue": death.queue, "exchange": death.exchange}
    return {f"x-{which}-death-{name}": Field("longstr", value) for name, value in values.items()}


class _Told(NamedTuple):
    """The decoded parts of an entry of x-death."""

    place: tuple[object, object]
    """Queue and reason, in a form that compares equal whatever their types are."""
    queue: str | None
    reason: str | None
    is_rejected: bool
    is_counted: bool


def _read(raw: bytes) -> _Told:
    """Decodes an entry of x-death. Small ones are cached: our own are read again and again, while a client's may be of
    any size."""
    return _read_again(raw) if len(raw) <= OWN_BYTES_MAX else _read_anew(raw)


def _read_anew(raw: bytes) -> _Told:
    death = decode_table(raw)
    queue, reason, count = death.get("queue"), death.get("reason"), death.get("count")
    return _Told(
        (queue and comparable(queue), reason and comparable(reason)),
        _text(queue),
        _text(reason),
        reason == Field("longstr", "rejected"),
        count is not None and count.kind != "void",
    )


def _text(field: Field | None) -> str | None:
    return field.value if field is not None and field.kind == "longstr" else None


_read_again = lru_cache(maxsize=4096)(_read_anew)


def _grouped(deaths: list[bytes], *, turned: bool) -> list[bytes]:
    """The history with one entry for each queue and reason."""
    if len(deaths) < 2:
        return deaths
    groups: dict[object, list[bytes]] = {}
    for each in deaths:
        groups.setdefault(_read(each).place, []).append(each)
    grouped = []
    for members in groups.values():
        first = members[0]
        if not _read(first).is_counted:
            [(_, count)] = _count(len(members))
            first = count + first
        grouped.append(first)
    return grouped[::-1] if turned else grouped


def _counted(deaths: list[bytes], death: _Death, *, is_plain: bool) -> list[bytes]:
    """The history with one more death, in front. Where x-death is plain, its entries are not sorted by name."""
    place = (_raw(death.queue), _raw(death.reason))
    known = next((each for each in deaths if _read(each).place == place), None)
    if known is None:
        entries = entries_of(death.table(is_plain=is_plain))
    else:
        count = decode_table(known).get("count")
        number = count.value if count is not None and count.kind in INTEGER_KINDS else 0
        entries = split_table(known)
        replace_entries(entries, _count(number + 1))
    others = [each for each in deaths if _read(each).place != place]
    latest = b"".join([entry for _, entry in entries]) if is_plain else join_table(entries)
    return [latest, *others]


def _count(number: int) -> Entries:
    return entries_of({"count": Field("long", _as_long(number))})


def _is_cycle(queue_name: str, deaths: list[bytes]) -> bool:
    """True if a message with this history was in the queue before, and was not rejected since."""
    for each in deaths:
        told = _read(each)
        if told.is_rejected:
            return False
        if told.queue == queue_name:
            return True
    return False


def _as_long(number: int) -> int:
    """The number wrapped to a signed 64-bit integer: a client may have set the count to the largest one."""
    number %= _COUNT_MODULUS
    return number - _COUNT_MODULUS if number >= _COUNT_MODULUS // 2 else number


def _raw(value: str) -> bytes:
    return value.encode("utf-8", "surrogateescape")
