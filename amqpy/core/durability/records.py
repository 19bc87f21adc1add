"""What goes to disk beside messages: one record for each durable thing, and what happens to it.

A record's first `KEY` fields say which thing it is, the others what is to be known of it; a store makes a table of
each kind, with a column for each field. So a field more is a change of the format, and needs a migration in the store.
Texts are the client's: bytes that are no UTF-8 are in them as surrogates. Arguments are AMQP field tables, as bytes.
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


class PermissionRecord(NamedTuple):
    user: str
    vhost: str
    configure: str
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
    """A row of messages, one behind the other: each queue has one, or one for each priority it has messages of."""

    number: int
    vhost: str
    owner_kind: str
    """`queue` or `exchange`."""
    owner: str
    level: int
    front: int
    """When the broker stopped in good order: the position before which all messages were delivered once."""


Record: TypeAlias = (
    VhostRecord
    | UserRecord
    | PermissionRecord
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
    ParameterRecord: 3,
    ExchangeRecord: 2,
    QueueRecord: 2,
    BindingRecord: 6,
    LaneRecord: 1,
}
"""All kinds of records, in an order in which what one refers to comes before it; and how many fields are the key."""


class Put(NamedTuple):
    """The thing is there, and this is what is to be known of it."""

    record: Record


class Drop(NamedTuple):
    """The thing is gone."""

    record: Record
    """With the key of the thing; the other fields do not matter."""


Change: TypeAlias = Put | Drop


class LaneState(NamedTuple):
    """What the store has in a lane."""

    messages: int
    first: int
    """The position of the first message; `end` when there is none."""
    end: int
    """The position after all that ever were used, as far as the store knows: new messages come here or later."""
    size: int
    """Bytes of all bodies."""


NOTHING: Final = LaneState(0, 0, 0, 0)


class Loaded(NamedTuple):
    """All that is durable, but for the messages themselves."""

    records: list[Record]
    """Those of each kind in the order in which they were first put; kinds in the order of `KEYS`."""
    lanes: dict[int, LaneState]
    """Lanes that have a record and something in them, perhaps no messages any more, by number."""
    is_clean: bool
    """The broker stopped in good order the last time, or there never was one."""
    garbage: frozenset[int]
    """Lanes without a record that still have rows. They are as good as empty; but it is faster to use other numbers
    until they are deleted, in a later run at the latest."""
