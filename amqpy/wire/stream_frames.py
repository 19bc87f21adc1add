"""Frames of the stream protocol: what a client says, and what it is told.

    long       size       without itself
    short      key        the first bit is set in a response
    short      version
    long       correlation   in requests and responses
    short      code          in responses
    ...        fields

A string is a signed short with its length, -1 for none, and UTF-8; bytes the same with a signed long; an array a long
with the number of its elements.

`Frames` cuts what arrives into frames, `Fields` reads the fields of one, and `DECODERS` has the fields of each command.
Nothing else than MalformedFrame and FrameTooLarge is ever raised for what a peer sent. Messages of a publish are not
decoded: they are entries as a chunk has them (`chunk.py`).

Source: RabbitMQ's `PROTOCOL.adoc` of rabbitmq_stream, `rabbit_stream_core`.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import IntEnum
from typing import Any, Final, NamedTuple, TypeAlias

RESPONSE: Final = 0x8000
"""The bit in the key of a response."""
VERSION: Final = 1


class Key(IntEnum):
    """The keys of commands."""

    DECLARE_PUBLISHER = 1
    PUBLISH = 2
    PUBLISH_CONFIRM = 3
    PUBLISH_ERROR = 4
    QUERY_PUBLISHER_SEQUENCE = 5
    DELETE_PUBLISHER = 6
    SUBSCRIBE = 7
    DELIVER = 8
    CREDIT = 9
    STORE_OFFSET = 10
    QUERY_OFFSET = 11
    UNSUBSCRIBE = 12
    CREATE = 13
    DELETE = 14
    METADATA = 15
    METADATA_UPDATE = 16
    PEER_PROPERTIES = 17
    SASL_HANDSHAKE = 18
    SASL_AUTHENTICATE = 19
    TUNE = 20
    OPEN = 21
    CLOSE = 22
    HEARTBEAT = 23
    ROUTE = 24
    PARTITIONS = 25
    CONSUMER_UPDATE = 26
    EXCHANGE_COMMAND_VERSIONS = 27
    STREAM_STATS = 28
    CREATE_SUPER_STREAM = 29
    DELETE_SUPER_STREAM = 30
    RESOLVE_OFFSET_SPEC = 31


class Code(IntEnum):
    """The codes of responses."""

    OK = 1
    STREAM_DOES_NOT_EXIST = 2
    SUBSCRIPTION_ID_ALREADY_EXISTS = 3
    SUBSCRIPTION_ID_DOES_NOT_EXIST = 4
    STREAM_ALREADY_EXISTS = 5
    STREAM_NOT_AVAILABLE = 6
    SASL_MECHANISM_NOT_SUPPORTED = 7
    AUTHENTICATION_FAILURE = 8
    SASL_ERROR = 9
    SASL_CHALLENGE = 10
    SASL_AUTHENTICATION_FAILURE_LOOPBACK = 11
    VIRTUAL_HOST_ACCESS_FAILURE = 12
    UNKNOWN_FRAME = 13
    FRAME_TOO_LARGE = 14
    INTERNAL_ERROR = 15
    ACCESS_REFUSED = 16
    PRECONDITION_FAILED = 17
    PUBLISHER_DOES_NOT_EXIST = 18
    NO_OFFSET = 19
    SASL_CANNOT_CHANGE_MECHANISM = 20
    SASL_CANNOT_CHANGE_USERNAME = 21


class MalformedFrame(ValueError):
    """A frame that is no command, or whose fields do not fit."""


class FrameTooLarge(ValueError):
    """A frame that is larger than allowed."""


class OffsetType(IntEnum):
    """The types of an offset specification."""

    NONE = 0
    FIRST = 1
    LAST = 2
    NEXT = 3
    OFFSET = 4
    TIMESTAMP = 5


class OffsetSpec(NamedTuple):
    """A place in a stream; the value is an offset, or a time in milliseconds."""

    type: OffsetType
    value: int = 0


class Entry(NamedTuple):
    """A message or a sub-batch of a publish."""

    publishing_id: int
    raw: bytes
    """As a chunk has it."""
    records: int = 1
    """The number of messages."""
    filter_value: bytes | None = None


Properties: TypeAlias = dict[str, str]

_U16, _I16, _U32, _I32, _U64, _I64 = (struct.Struct(f">{kind}") for kind in "HhIiQq")
_HEAD: Final = struct.Struct(">IHH")
_REQUEST: Final = struct.Struct(">IHHI")
_RESPONSE: Final = struct.Struct(">IHHIH")
_SUB_BATCH: Final = struct.Struct(">BHII")
_IS_SUB_BATCH: Final = 0x80
LARGE: Final = 128 * 1024
"""Bytes of a frame that is large."""
HEAD_SIZE: Final = 4
"""Bytes of key and version."""
ENTRIES_AT: Final = HEAD_SIZE + 5
"""The position of the entries in a publish."""
ENTRIES_MAX: Final = 2000
"""Entries that are read at once: small ones are so many that others would wait."""


class Frames:
    """Cuts bytes into frames, without their sizes. The bytes of a frame that is not whole are kept."""

    __slots__ = ("_parts", "_size", "_wanted", "size_max")

    def __init__(self, size_max: int) -> None:
        self.size_max = size_max
        self._parts: list[bytes] = []
        self._size = 0
        self._wanted = 4
        """Bytes that are needed to go on."""

    @property
    def is_amid_large(self) -> bool:
        """True if a large frame has begun and is not whole."""
        return self._wanted > LARGE

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yields the frames that are whole now. Raises FrameTooLarge: then nothing can follow."""
        if self._parts:
            self._parts.append(data)
            self._size += len(data)
            if self._size < self._wanted:
                return
            data = b"".join(self._parts)
            self._parts, self._size = [], 0
        at, end = 0, len(data)
        while at + 4 <= end:
            (size,) = _U32.unpack_from(data, at)
            if size > self.size_max:
                raise FrameTooLarge(f"a frame of {size} bytes")
            if at + 4 + size > end:
                break
            yield data[at + 4 : at + 4 + size]
            at += 4 + size
        rest = data[at:]
        self._wanted = 4 + _U32.unpack_from(rest)[0] if len(rest) >= 4 else 4
        if rest:
            self._parts, self._size = [rest], len(rest)


class Fields:
    """Reads the fields of a frame, one after the other. Raises MalformedFrame."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self._data = data
        self._at = at

    @property
    def is_at_end(self) -> bool:
        return self._at >= len(self._data)

    def _number(self, form: struct.Struct) -> int:
        try:
            (value,) = form.unpack_from(self._data, self._at)
        except struct.error:
            raise MalformedFrame("a frame that is too short") from None
        self._at += form.size
        number: int = value
        return number

    @property
    def left(self) -> bytes:
        return self._data[self._at :]

    def octet(self) -> int:
        if self.is_at_end:
            raise MalformedFrame("a frame that is too short")
        self._at += 1
        return self._data[self._at - 1]

    def short(self) -> int:
        return self._number(_U16)

    def long(self) -> int:
        return self._number(_U32)

    def longlong(self) -> int:
        return self._number(_U64)

    def _take(self, size: int) -> bytes | None:
        if size == -1:
            return None
        end = self._at + size
        if size < 0 or end > len(self._data):
            raise MalformedFrame("a field that is longer than its frame")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def short_bytes(self) -> bytes | None:
        """A string, not decoded."""
        return self._take(self._number(_I16))

    def string(self) -> str:
        raw = self.short_bytes()
        if raw is None:
            raise MalformedFrame("no string")
        return raw.decode("utf-8", "surrogateescape")

    def octets(self) -> bytes | None:
        return self._take(self._number(_I32))

    def message(self) -> bytes:
        raw = self.octets()
        if raw is None:
            raise MalformedFrame("no message")
        return raw

    def _count(self, size_min: int) -> int:
        """The number of elements of an array, which have at least so many bytes each."""
        count = self.long()
        if count * size_min > len(self._data) - self._at:
            raise MalformedFrame("an array that is longer than its frame")
        return count

    def strings(self) -> list[str]:
        return [self.string() for _ in range(self._count(2))]

    def last_strings(self) -> list[str]:
        """Strings up to the end of the frame. Their count is not looked at."""
        self.long()
        found = []
        while not self.is_at_end:
            found.append(self.string())
        return found

    def properties(self) -> Properties:
        return {self.string(): self.string() for _ in range(self._count(4))}

    def optional_properties(self) -> Properties:
        return {} if self.is_at_end else self.properties()

    def offset_spec(self) -> OffsetSpec:
        try:
            kind = OffsetType(self.short())
        except ValueError:
            raise MalformedFrame("an unknown type of offset") from None
        if kind is OffsetType.OFFSET:
            return OffsetSpec(kind, self.longlong())
        if kind is OffsetType.TIMESTAMP:
            return OffsetSpec(kind, self._number(_I64))
        return OffsetSpec(kind)

    def last_offset_spec(self) -> OffsetSpec:
        """An offset at the end of the frame. What follows is not looked at: clients write a number with any type."""
        spec = self.offset_spec()
        self._at = len(self._data)
        return spec

    def versions(self) -> dict[int, tuple[int, int]]:
        """The least and the greatest version of each key."""
        return {self.short(): (self.short(), self.short()) for _ in range(self._count(6))}

    def entries(self, version: int) -> list[Entry]:
        """The first messages and sub-batches of a publish. Their count is not looked at."""
        self.long()
        found: list[Entry] = []
        while not self.is_at_end and len(found) < ENTRIES_MAX:
            found.append(self._filtered_entry() if version == 2 else self._entry())
        return found

    def _entry(self) -> Entry:
        publishing_id, at, data = self._number(_U64), self._at, self._data
        if at < len(data) and data[at] & _IS_SUB_BATCH:
            try:
                _, records, _, size = _SUB_BATCH.unpack_from(data, at)
            except struct.error:
                raise MalformedFrame("a frame that is too short") from None
            end = at + _SUB_BATCH.size + size
        else:
            records = 1
            end = at + 4 + self._number(_U32)
        if end > len(data):
            raise MalformedFrame("a message that is longer than its frame")
        self._at = end
        return Entry(publishing_id, data[at:end], records)

    def _filtered_entry(self) -> Entry:
        publishing_id, value = self._number(_U64), self.short_bytes()
        message = self.message()
        return Entry(publishing_id, _U32.pack(len(message)) + message, 1, value or None)

    def end(self) -> None:
        """Raises MalformedFrame if anything is left."""
        if not self.is_at_end:
            raise MalformedFrame("a frame that is too long")


Decoder: TypeAlias = Callable[[Fields], Any]

DECODERS: Final[Mapping[Key, tuple[Decoder, ...]]] = {
    Key.DECLARE_PUBLISHER: (Fields.octet, Fields.string, Fields.string),
    Key.QUERY_PUBLISHER_SEQUENCE: (Fields.string, Fields.string),
    Key.DELETE_PUBLISHER: (Fields.octet,),
    Key.SUBSCRIBE: (Fields.octet, Fields.string, Fields.offset_spec, Fields.short, Fields.optional_properties),
    Key.CREDIT: (Fields.octet, Fields.short),
    Key.STORE_OFFSET: (Fields.string, Fields.string, Fields.longlong),
    Key.QUERY_OFFSET: (Fields.string, Fields.string),
    Key.UNSUBSCRIBE: (Fields.octet,),
    Key.CREATE: (Fields.string, Fields.properties),
    Key.DELETE: (Fields.string,),
    Key.METADATA: (Fields.last_strings,),
    Key.PEER_PROPERTIES: (Fields.properties,),
    Key.SASL_HANDSHAKE: (),
    Key.SASL_AUTHENTICATE: (Fields.string, Fields.octets),
    Key.TUNE: (Fields.long, Fields.long),
    Key.OPEN: (Fields.string,),
    Key.CLOSE: (Fields.short, Fields.string),
    Key.HEARTBEAT: (),
    Key.ROUTE: (Fields.string, Fields.string),
    Key.PARTITIONS: (Fields.string,),
    Key.EXCHANGE_COMMAND_VERSIONS: (Fields.versions,),
    Key.STREAM_STATS: (Fields.string,),
    Key.CREATE_SUPER_STREAM: (Fields.string, Fields.strings, Fields.strings, Fields.properties),
    Key.DELETE_SUPER_STREAM: (Fields.string,),
    Key.RESOLVE_OFFSET_SPEC: (Fields.string, Fields.offset_spec, Fields.optional_properties),
}
"""The fields of each command of a client, behind the correlation id; without Publish, which `read_publish` reads."""

UNCORRELATED: Final = frozenset((Key.PUBLISH, Key.CREDIT, Key.STORE_OFFSET, Key.TUNE, Key.HEARTBEAT))
"""Commands without a correlation id."""

RESPONSES: Final[Mapping[Key, tuple[Decoder, ...]]] = {
    Key.TUNE: DECODERS[Key.TUNE],
    Key.CLOSE: (Fields.long, Fields.short),
    Key.CONSUMER_UPDATE: (Fields.long, Fields.short, Fields.last_offset_spec),
}
"""The fields of each response of a client, with its correlation id."""


class Command(NamedTuple):
    """A command of a client."""

    key: Key
    version: int
    is_response: bool
    correlation: int
    """0 if it has none."""
    fields: tuple[Any, ...]
    rest: bytes = b""
    """Of a publish with very many entries: one with those that were not read, without its length."""


def read_command(frame: bytes) -> Command:
    """Reads a frame of a client. Of a publish the fields are its publisher and its entries. Raises MalformedFrame."""
    fields = Fields(frame)
    raw_key, version = fields.short(), fields.short()
    is_response = bool(raw_key & RESPONSE)
    try:
        key = Key(raw_key & ~RESPONSE)
    except ValueError:
        raise MalformedFrame(f"an unknown key {raw_key}") from None
    if version != VERSION and not (key is Key.PUBLISH and version == 2 and not is_response):
        raise MalformedFrame(f"an unknown version {version} of {key.name}")
    if is_response:
        decoders, correlation = RESPONSES.get(key), 0
    elif key is Key.PUBLISH:
        values = fields.octet(), fields.entries(version)
        return Command(key, version, False, 0, values, b"" if fields.is_at_end else frame[:ENTRIES_AT] + fields.left)
    else:
        decoders = DECODERS.get(key)
        correlation = 0 if decoders is None or key in UNCORRELATED else fields.long()
    if decoders is None:
        raise MalformedFrame(f"{key.name} of a client")
    values = tuple([decode(fields) for decode in decoders])
    fields.end()
    return Command(key, version, is_response, correlation, values)


# --- what the client is told


def octet(value: int) -> bytes:
    return bytes((value,))


def short(value: int) -> bytes:
    return _U16.pack(value)


def long(value: int) -> bytes:
    return _U32.pack(value)


def longlong(value: int) -> bytes:
    return _U64.pack(value)


def signed(value: int) -> bytes:
    """A signed longlong."""
    return _I64.pack(value)


def string(value: str) -> bytes:
    raw = value.encode("utf-8", "surrogateescape")
    return _I16.pack(len(raw)) + raw


def octets(value: bytes) -> bytes:
    return _I32.pack(len(value)) + value


def array(elements: Iterable[bytes]) -> bytes:
    some = list(elements)
    return _U32.pack(len(some)) + b"".join(some)


def properties(values: Mapping[str, str]) -> bytes:
    return array(string(name) + string(value) for name, value in values.items())


def response(key: Key, correlation: int, code: Code, fields: bytes = b"") -> bytes:
    return _RESPONSE.pack(10 + len(fields), key | RESPONSE, VERSION, correlation, code) + fields


def request(key: Key, correlation: int, fields: bytes = b"") -> bytes:
    """A request, or a response that has no code."""
    return _REQUEST.pack(8 + len(fields), key, VERSION, correlation) + fields


def notice(key: int, fields: bytes = b"", version: int = VERSION) -> bytes:
    """A command without a correlation id."""
    return _HEAD.pack(HEAD_SIZE + len(fields), key, version) + fields


HEARTBEAT_FRAME: Final = notice(Key.HEARTBEAT)


def metadata(correlation: int, fields: bytes) -> bytes:
    """The response of Metadata, which has no code."""
    return _REQUEST.pack(8 + len(fields), Key.METADATA | RESPONSE, VERSION, correlation) + fields


def confirm(publisher: int, ids: list[int]) -> bytes:
    """Confirms what a publisher has published."""
    return notice(Key.PUBLISH_CONFIRM, struct.pack(f">BI{len(ids)}Q", publisher, len(ids), *ids))


def publish_error(publisher: int, ids: list[int], code: Code) -> bytes:
    return notice(Key.PUBLISH_ERROR, octet(publisher) + array(_U64.pack(each) + _U16.pack(code) for each in ids))


def deliver_head(subscription: int, chunk_size: int, committed: int | None) -> bytes:
    """The frame before a chunk of so many bytes. With the offset of the last committed chunk it has version 2."""
    if committed is None:
        return _HEAD.pack(HEAD_SIZE + 1 + chunk_size, Key.DELIVER, 1) + bytes((subscription,))
    return _HEAD.pack(HEAD_SIZE + 9 + chunk_size, Key.DELIVER, 2) + bytes((subscription,)) + _U64.pack(committed)
