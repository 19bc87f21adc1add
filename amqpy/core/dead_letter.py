"""Dead letters: where a message goes that a queue lets die, and what is written into it.

The message's headers get its history, `x-death`: one table for each queue and reason, the latest first, with a count.
They are written into the bytes the publisher sent; nothing else in them is changed, but for what RabbitMQ changes:
the headers come in the order of their names, `expiration` is taken out, and `CC` is where the routing key is replaced.

A dead letter that comes back to a queue where it died before is dropped, unless somebody rejected it on the way:
nobody could ever stop it.

Source: `rabbit_dead_letter` (3.x), `mc:record_death` (4.x, for `x-last-death-*`).
"""

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from amqpy.core.message import Message, TracedMessage
from amqpy.core.sender_selected import keys_in
from amqpy.wire.properties import join_properties, split_properties
from amqpy.wire.values import (
    INTEGER_KINDS,
    Entries,
    Field,
    Table,
    comparable,
    decode_table,
    entries_of,
    join_table,
    replace_entry,
    split_table,
    text,
)

if TYPE_CHECKING:
    from amqpy.core.queue import Queue
    from amqpy.profile import Profile

_COUNT_MODULUS = 1 << 64


def send_dead_letter(queue: "Queue", message: Message, reason: str, unix_time_s: int, profile: "Profile") -> bool:
    """Publishes a message that died in `queue` to the dead letter exchange of the queue, if there is one. Whether
    any queue took it."""
    name = queue.settings.dead_letter_exchange
    exchange = None if name is None else queue.vhost.exchanges.get(name)
    if exchange is None:
        return False
    letter, deaths = _letter_of(queue, message, reason, unix_time_s, profile)
    taken = False
    for target in queue.vhost.queues_of(exchange, letter):
        if reason == "rejected" or not _is_cycle(target.name, deaths):
            taken = not target.publish(letter) or taken
    return taken


class _Death(NamedTuple):
    """One death, as x-death tells it."""

    reason: str
    queue: str
    time_s: int
    exchange: str
    routing_keys: tuple[str, ...]
    expiration: str | None

    def table(self) -> Table:
        table = {
            "reason": Field("longstr", self.reason),
            "queue": Field("longstr", self.queue),
            "time": Field("timestamp", self.time_s),
            "exchange": Field("longstr", self.exchange),
            "routing-keys": Field("array", [Field("longstr", key) for key in self.routing_keys]),
        }
        if self.expiration is not None:
            table["original-expiration"] = Field("longstr", self.expiration)
        return table


def _letter_of(
    queue: "Queue", message: Message, reason: str, unix_time_s: int, profile: "Profile"
) -> tuple[TracedMessage, list[Field]]:
    """The message as it leaves, and its history."""
    properties = split_properties(message.header)
    raw_headers = properties.get("headers")
    headers = [] if raw_headers is None else split_table(raw_headers[4:])
    expiration = properties.pop("expiration", None)
    key = message.routing_key
    death = _Death(
        reason,
        queue.name,
        unix_time_s,
        message.exchange,
        (key, *keys_in(_field(headers, b"CC"))),
        None if expiration is None else text(expiration[1:]),
    )
    history = _field(headers, b"x-death") if message.is_dead_letter or profile.trusts_x_death else None
    noted = _first_noted(death, profile.notes_last_death) if history is None else _noted(history, death, profile)
    new_key = queue.settings.dead_letter_routing_key
    if new_key is not None:
        key = new_key
    if headers:
        for name, entry in noted.entries:
            replace_entry(headers, name, entry)
        if new_key is not None:
            _drop(headers, b"CC")
        properties["headers"] = _headers_property(headers)
    else:
        properties["headers"] = noted.as_headers
    letter = TracedMessage(
        _shortstr(queue.settings.dead_letter_exchange or "") + _shortstr(key),
        join_properties(message.header, properties),
        message.body,
        more_keys=message.more_keys if new_key is None else (),
        is_dead_letter=True,
    )
    return letter, noted.deaths


class _Noted(NamedTuple):
    entries: Entries
    """What a death sets in a message's headers."""
    as_headers: bytes
    """The headers property of a message that had none."""
    deaths: list[Field]
    """The whole history, the value of x-death."""


@lru_cache(maxsize=1024)
def _first_noted(death: _Death, is_last_noted: bool) -> _Noted:
    """A first death. Many messages die the same death within a second."""
    where = _where(death, "first") | (_where(death, "last") if is_last_noted else {})
    deaths = [Field("table", {"count": Field("long", 1), **death.table()})]
    entries = entries_of({**where, "x-death": Field("array", deaths)})
    return _Noted(entries, _headers_property(entries), deaths)


def _noted(history: Field, death: _Death, profile: "Profile") -> _Noted:
    """One more death."""
    if history.kind != "array" or any(item.kind != "table" for item in history.value):
        # A client has put something else there, which is overwritten.
        deaths = [Field("table", {"count": Field("long", 1), **death.table()})]
    else:
        deaths = _counted(_grouped(history.value), death.table())
    where = _where(death, "last") if profile.notes_last_death else {}
    return _Noted(entries_of({**where, "x-death": Field("array", deaths)}), b"", deaths)


def _headers_property(headers: Entries) -> bytes:
    table = join_table(headers)
    return len(table).to_bytes(4, "big") + table


def _where(death: _Death, which: str) -> Table:
    values = {"reason": death.reason, "queue": death.queue, "exchange": death.exchange}
    return {f"x-{which}-death-{name}": Field("longstr", value) for name, value in values.items()}


def _grouped(deaths: list[Field]) -> list[Field]:
    """One entry a queue and reason, in the reverse of their order. (RabbitMQ reverses, and so a client may rely on
    nothing but the first entry, the latest death.)"""
    if len(deaths) < 2:
        return deaths
    groups: dict[object, list[Field]] = {}
    for each in deaths:
        groups.setdefault(_place(each.value), []).append(each)
    grouped = []
    for members in groups.values():
        table: Table = members[0].value
        if "count" not in table or table["count"].kind == "void":
            table = {"count": Field("long", len(members)), **{k: v for k, v in table.items() if k != "count"}}
        grouped.append(Field("table", table))
    return grouped[::-1]


def _counted(deaths: list[Field], death: Table) -> list[Field]:
    """The history with one more death, first."""
    place = _place(death)
    known = next((each.value for each in deaths if _place(each.value) == place), None)
    if known is None:
        entry = {"count": Field("long", 1), **death}
    else:
        count = known.get("count")
        number = count.value if count is not None and count.kind in INTEGER_KINDS else 0
        entry = {**known, "count": Field("long", _as_long(number + 1))}
    others = [each for each in deaths if _place(each.value) != place]
    return [Field("table", dict(sorted(entry.items(), key=lambda item: _raw(item[0])))), *others]


def _place(death: Table) -> tuple[object, object]:
    queue, reason = death.get("queue"), death.get("reason")
    return queue and comparable(queue), reason and comparable(reason)


def _is_cycle(queue_name: str, deaths: list[Field]) -> bool:
    """Whether a message with this history has been in the queue before, and nobody rejected it since."""
    for each in deaths:
        if each.value.get("reason") == Field("longstr", "rejected"):
            return False
        if each.value.get("queue") == Field("longstr", queue_name):
            return True
    return False


def _field(headers: Entries, name: bytes) -> Field | None:
    entry = next((entry for each, entry in headers if each == name), None)
    return None if entry is None else decode_table(entry)[text(name)]


def _drop(headers: Entries, name: bytes) -> None:
    """Takes out the first header of that name; a client may have sent several."""
    position = next((position for position, (each, _) in enumerate(headers) if each == name), None)
    if position is not None:
        del headers[position]


def _as_long(number: int) -> int:
    """Wrapped to 64 bits, as a count that a client has set to the largest one."""
    number %= _COUNT_MODULUS
    return number - _COUNT_MODULUS if number >= _COUNT_MODULUS // 2 else number


def _shortstr(value: str) -> bytes:
    """An argument is a long string, and may be too long for what it is meant for."""
    raw = _raw(value)[:255]
    return bytes((len(raw),)) + raw


def _raw(value: str) -> bytes:
    return value.encode("utf-8", "surrogateescape")
