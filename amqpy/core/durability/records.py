"""Records: the form in which durable objects other than messages are stored, and the changes to them.

A record's first fields (`KEYS` says how many) identify the object, the others describe it; a store makes a table of
each kind, with a column for each field. So one more field changes the format, and needs a migration in the store.
Strings are the client's: bytes that are no UTF-8 are in them as surrogates. Arguments are AMQP field tables, as bytes.
"""

from typing import Final, NamedTuple, TypeAlias


class VhostRecord(NamedTuple):
    name: str
    description: str
    tags: str
    """A JSON array."""
    default_queue_type: str | None
    protected_from_deletion: bool


class UserRecord(NamedTuple):
    name: str
    password_hash: bytes
    tags: str
    """A JSON array."""
    limits: str
    """A JSON object."""
    hashing_algorithm: str
    """The one of the password hash, as `passwords.ALGORITHMS` has it."""


class PermissionRecord(NamedTuple):
    user: str
    vhost: str
    configure: str
    write: str
    read: str


class TopicPermissionRecord(NamedTuple):
    user: str
    vhost: str
    exchange: str
    write: str
    read: str


class ParameterRecord(NamedTuple):
    """A runtime parameter or a policy. Global parameters are those of the component `global`, without a vhost."""

    vhost: str
    component: str
    name: str
    value: str
    """JSON."""


class ExchangeRecord(NamedTuple):
    vhost: str
    name: str
    type: str
    auto_delete: bool
    internal: bool
    arguments: bytes


class QueueRecord(NamedTuple):
    vhost: str
    name: str
    type: str
    auto_delete: bool
    arguments: bytes


class BindingRecord(NamedTuple):
    vhost: str
    source: str
    destination_kind: str
    """`queue` or `exchange`."""
    destination: str
    routing_key: str
    arguments: bytes


class LaneRecord(NamedTuple):
    """A sequence of messages in the store: each queue has one, or one for each priority of its messages."""

    number: int
    vhost: str
    owner_kind: str
    """`queue` or `exchange`."""
    owner: str
    level: int
    front: int
    """After a clean shutdown: the position before which all messages were delivered once."""


Record: TypeAlias = (
    VhostRecord
    | UserRecord
    | PermissionRecord
    | TopicPermissionRecord
    | ParameterRecord
    | ExchangeRecord
    | QueueRecord
    | BindingRecord
    | LaneRecord
)

KEYS: Final[dict[type[Record], int]] = {
    VhostRecord: 1,
    UserRecord: 1,
    PermissionRecord: 2,
    TopicPermissionRecord: 3,
    ParameterRecord: 3,
    ExchangeRecord: 2,
    QueueRecord: 2,
    BindingRecord: 6,
    LaneRecord: 1,
}
"""The number of key fields of each kind of record. A kind comes after those that it refers to."""


class Put(NamedTuple):
    """An object is new or has changed: it is now as the record says."""

    record: Record


class Drop(NamedTuple):
    """An object is gone."""

    record: Record
    """Has the key of the object; the other fields do not matter."""


Change: TypeAlias = Put | Drop


class LaneState(NamedTuple):
    """The content of a lane in the store."""

    messages: int
    first: int
    """The position of the first message; `end` when there is none."""
    end: int
    """The position after the last one used, as far as the store knows: new messages come here or later."""
    size: int
    """Bytes of all bodies."""


NOTHING: Final = LaneState(0, 0, 0, 0)


class Loaded(NamedTuple):
    """Everything that is durable except the messages themselves."""

    records: list[Record]
    """The records of each kind in the order in which they were first put; kinds in the order of `KEYS`."""
    lanes: dict[int, LaneState]
    """Lanes that have a record and rows, perhaps of deleted messages only, by number."""
    is_clean: bool
    """True if the last shutdown was clean, or there was none."""
    garbage: frozenset[int]
    """Lanes without a record that still have rows. They count as empty; but it is faster to use other numbers until
    the rows are deleted."""
