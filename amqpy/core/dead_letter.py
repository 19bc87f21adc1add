"""Dead letters: where a message goes that a queue lets die, and what is written into it.

The message's headers get its history, `x-death`: one table for each queue and reason, the latest first, with a count.
They are written into the bytes the publisher sent; nothing else in them is changed, but for what RabbitMQ changes:
the headers come in the order of their names, `expiration` is taken out, and `CC` is where the routing key is replaced.

A dead letter that comes back to a queue where it died before is dropped, unless somebody rejected it on the way:
nobody could ever stop it.

Source: `rabbit_dead_letter` (3.x), `mc:record_death` (4.x, for `x-last-death-*`).
"""

from typing import TYPE_CHECKING

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
    join_table,
    set_entry,
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


def _letter_of(
    queue: "Queue", message: Message, reason: str, unix_time_s: int, profile: "Profile"
) -> tuple[TracedMessage, list[Field]]:
    """The message as it leaves, and its history."""
    properties = split_properties(message.header)
    headers = split_table(properties.get("headers", bytes(4))[4:])
    cc = keys_in(_field(headers, b"CC"))
    death: Table = {
        "reason": Field("longstr", reason),
        "queue": Field("longstr", queue.name),
        "time": Field("timestamp", unix_time_s),
        "exchange": Field("longstr", message.exchange),
        "routing-keys": Field("array", [Field("longstr", key) for key in (message.routing_key, *cc)]),
    }
    expiration = properties.pop("expiration", None)
    if expiration is not None:
        death["original-expiration"] = Field("longstr", text(expiration[1:]))
    history = _field(headers, b"x-death") if message.is_dead_letter or profile.trusts_x_death else None
    deaths = _note(headers, history, death, is_last_noted=profile.notes_last_death)
    new_key = queue.settings.dead_letter_routing_key
    if new_key is not None:
        _drop(headers, b"CC")
    table = join_table(headers)
    properties["headers"] = len(table).to_bytes(4, "big") + table
    key = message.routing_key if new_key is None else new_key
    letter = TracedMessage(
        _shortstr(queue.settings.dead_letter_exchange or "") + _shortstr(key),
        join_properties(message.header, properties),
        message.body,
        more_keys=message.more_keys if new_key is None else (),
        is_dead_letter=True,
    )
    return letter, deaths


def _note(headers: Entries, history: Field | None, death: Table, *, is_last_noted: bool) -> list[Field]:
    """Writes a death into the headers; returns the whole history."""
    where = {f"x-first-death-{key}": death[key] for key in ("reason", "queue", "exchange")}
    if history is None:
        _set(headers, where)
    if is_last_noted:
        _set(headers, {key.replace("first", "last"): field for key, field in where.items()})
    if history is None or history.kind != "array" or any(item.kind != "table" for item in history.value):
        # The first death; or a client has put something else there, which is overwritten.
        deaths = [Field("table", {"count": Field("long", 1), **death})]
    else:
        deaths = _counted(_grouped(history.value), death)
    _set(headers, {"x-death": Field("array", deaths)})
    return deaths


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


def _set(headers: Entries, fields: Table) -> None:
    for name, field in fields.items():
        set_entry(headers, name, field)


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
