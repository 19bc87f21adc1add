"""`python -m interop.fuzz`: the scanner in C and the one in Python, given the same hostile octets, answer the same.

There are three sorts of octets, for the functions of `amqpy.wire.scan`, and the seed says which:

    headers     as applications send them, or made by chance from the grammar (tables in tables, names that are nearly
                CC, deep nests), most of them spoilt in a few places; and some that are noise
    streams     frames: messages and acknowledgements in rows, and what may come between them, most of it spoilt in a
                few places or cut, read from every place where a frame begins, and from others
    messages    to be delivered, some with numbers that have no place in a frame

With `--module` another build of the C part is asked, such as one with sanitizers (`scripts/sanitize`).
"""

import importlib.util
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, TypeAlias

import click

from amqpy.wire import scan
from amqpy.wire.frames import BODY, HEAD_SIZE, HEADER, HEARTBEAT, HEARTBEAT_FRAME, METHOD
from amqpy.wire.scan import ASKS, COPIES, DIRECT_REPLY_TO, KINDS, MODE, REPLY_TO, SHORTSTR, SIZES, TABLE
from interop.bench.frames import Publication, ack, frame, method
from interop.bench.messages import business_event, celery_task, distinct, persistent_event

Call: TypeAlias = tuple[str, tuple[Any, ...]]
"""The name of a function, and its arguments."""

FUNCTIONS = ("judge", "cut_run", "cut_acks", "deliveries")
Functions: TypeAlias = Mapping[str, Callable[..., object]]
IN_PYTHON: Functions = {name: getattr(scan, f"{name}_in_python") for name in FUNCTIONS}

REALISTIC = 100
"""Messages of each shape."""
DEPTH_MAX = 4000
NAMES = [b"", b"C", b"CC", b"cc", b"BC", b"BCC", b"BCCC", b"x-death", b"n" * 255]
EDGES = [0, 1, 2, 3, 4, 5, 127, 128, 254, 255, *b"CBFASxVDtl"]


class TwinsDiffer(Exception):
    """A call that the twins answer differently."""

    def __init__(self, call: Call, in_python: object, in_c: object) -> None:
        name, arguments = call
        super().__init__(f"{in_python!r} in Python, {in_c!r} in C: {name}{arguments!r}")


# --- headers


def head(flags: int, properties: bytes) -> bytes:
    return struct.pack(">HHQH", 60, 0, 0, flags) + properties


def header_of(message: Publication) -> bytes:
    return head(message.property_flags, message.properties)


def long_and(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


def short_and(content: bytes) -> bytes:
    return bytes((len(content),)) + content


def made_value(random: Random, depth: int) -> bytes:
    match random.choice("VFFAASxNN" if depth else "VSxNN"):
        case "F":
            return b"F" + long_and(made_table(random, depth - 1))
        case "A":
            return b"A" + long_and(b"".join(made_value(random, depth - 1) for _ in range(random.randrange(4))))
        case "S" | "x" as kind:
            return kind.encode() + long_and(random.randbytes(random.choice([0, 1, 5, 300])))
    tag, size = random.choice([*SIZES.items()])
    return bytes((tag,)) + random.randbytes(size - 1)


def made_table(random: Random, depth: int) -> bytes:
    return b"".join(
        short_and(random.choice(NAMES)) + made_value(random, depth) for _ in range(random.choice([0, 1, 2, 3, 6]))
    )


def made_nest(random: Random) -> bytes:
    """A table with one value that is a table or an array of one value, and so on."""
    chain = [random.choice([b"F", b"A"]) for _ in range(random.randrange(1, DEPTH_MAX))]
    left = sum(6 if tag == b"F" else 5 for tag in chain)
    parts = [b"\0"]
    for tag in chain:
        left -= 5
        parts.append(tag + struct.pack(">I", left))
        if tag == b"F":
            parts.append(b"\0")
            left -= 1
    # The last one has room for no value: it gets none, or its name is all there is in it.
    return b"".join(parts)


def made_header(random: Random) -> bytes:
    flags, properties = random.getrandbits(16), []
    for place, kind in enumerate(KINDS):
        if not flags & 0x8000 >> place:
            continue
        if kind == REPLY_TO and random.random() < 0.5:
            properties.append(DIRECT_REPLY_TO)
        elif kind in {SHORTSTR, REPLY_TO}:
            properties.append(short_and(random.randbytes(random.choice([0, 1, 21, 36, 255]))))
        elif kind == TABLE:
            properties.append(
                long_and(made_nest(random) if random.random() < 0.02 else made_table(random, random.randrange(6)))
            )
        else:
            properties.append(random.randbytes(1 if kind == MODE else kind))
    return head(flags, b"".join(properties))


def spoilt(random: Random, octets: bytes, begin: int = 0) -> bytes:
    """Almost the same octets: some changed, cut, put in, doubled."""
    raw = bytearray(octets)
    for _ in range(random.choice([0, 1, 1, 1, 2, 4])):
        at = random.randrange(min(begin, len(raw)), len(raw) + 1)
        match random.randrange(8):
            case 0 | 1 | 2 if at < len(raw):
                raw[at] = random.choice(EDGES)
            case 3 if at < len(raw):
                raw[at] ^= 1 << random.randrange(8)
            case 4:
                raw[at:at] = random.randbytes(random.randrange(1, 6))
            case 5:
                del raw[at : at + random.randrange(1, 6)]
            case 6:
                raw[at:at] = raw[at : at + random.randrange(1, 40)]
            case 7 if random.random() < 0.3:
                del raw[at:]
    return bytes(raw)


def some_header(random: Random, realistic: Sequence[Publication]) -> bytes:
    return header_of(random.choice(realistic)) if random.random() < 0.5 else made_header(random)


def realistic_messages() -> list[Publication]:
    shapes = (business_event, persistent_event, celery_task)
    return [each for make in shapes for each in distinct(make, "", "", count=REALISTIC)]


def headers(seed: int) -> Iterator[Call]:
    """Headers without end."""
    random = Random(seed)
    realistic = realistic_messages()
    while True:
        drawn = random.random()
        if drawn < 0.05:
            header = random.randbytes(random.randrange(60))
        elif drawn < 0.1:
            header = head(random.getrandbits(16), random.randbytes(random.randrange(60)))
        else:
            header = spoilt(random, some_header(random, realistic), 12)
        yield "judge", (header,)


# --- streams


def made_publish(random: Random) -> bytes:
    """The method frame of a message."""
    channel = random.choice([0, 1, 1, 1, 0xFFFF])
    names = short_and(random.choice([b"", b"x"])), short_and(random.choice([b"", b"q", b"k" * 255]))
    return method(channel, 60, 40, b"\0\0", *names, bytes((random.choice([0, 0, 0, 1]),)))


def made_content(random: Random, channel: int, header: bytes, body: bytes) -> bytes:
    """The other frames of a message; some do not fit together, or the body is in pieces."""

    def number() -> int:
        return random.choice([channel] * 60 + [9])

    size = len(body) + random.choice([0] * 60 + [-1, 1]) if body else 0
    pieces = [body] if random.random() < 0.95 else [body[:1], body[1:]]
    start = struct.pack(">HHQ", random.choice([60] * 60 + [61]), random.choice([0] * 60 + [1]), size)
    return b"".join(
        [
            frame(HEADER, number(), start + header[12:]),
            *(frame(BODY, number(), piece) for piece in pieces if piece or random.random() < 0.02),
        ]
    )


def made_row(random: Random, realistic: Sequence[Publication]) -> bytes:
    """Messages or acknowledgements of one sort, or something else."""
    many = random.choice([0, 1, 2, 5, 20])
    match random.choice("aaabbcdef"):
        case "a":
            publish = made_publish(random)
            channel = publish[1] << 8 | publish[2]
            chosen = random.choices(realistic, k=many)
            return b"".join(publish + made_content(random, channel, header_of(each), each.body) for each in chosen)
        case "b":
            publish = made_publish(random)
            channel = publish[1] << 8 | publish[2]
            size = random.choice([0, 0, 1, 3, 300])
            alike = [some_header(random, realistic) for _ in range(random.choice([1, 1, 2]))]
            return b"".join(
                publish + made_content(random, channel, random.choice(alike), random.randbytes(size))
                for _ in range(many)
            )
        case "c":
            bits = [0] * 30 + [1, 2, 255]
            return b"".join(
                ack(random.choice([1] * 30 + [2]), random.getrandbits(64))[:-2] + bytes((random.choice(bits), 0xCE))
                for _ in range(many)
            )
        case "d":
            return HEARTBEAT_FRAME
        case "e":
            kind = random.choice([METHOD, HEADER, BODY, HEARTBEAT, 0, 255])
            return frame(kind, random.randrange(3), random.randbytes(random.randrange(30)))
    return random.randbytes(random.randrange(9))


def places(random: Random, stream: bytes) -> Iterator[int]:
    """Where frames begin, and some other places; nowhere behind the last one where there is room for a frame's head."""
    last = len(stream) - HEAD_SIZE
    at = 0
    while at <= last:
        yield at
        at += int.from_bytes(stream[at + 3 : at + 7], "big") + HEAD_SIZE + 1
    if last >= 0:
        yield random.randint(0, last)
        yield last


def streams(seed: int) -> Iterator[Call]:
    """Calls without end. A stream is read from each place in it."""
    random = Random(seed)
    realistic = realistic_messages()
    while True:
        stream = b"".join(made_row(random, realistic) for _ in range(random.choice([1, 2, 4])))
        if random.random() < 0.5:
            stream = spoilt(random, stream)
        if random.random() < 0.5:
            stream = stream[: random.randrange(len(stream) + 1)]
        frame_max = random.choice([131072, 4096, 4096, 300, 14, 13, 0, 2**32 - 1, 2**63 - 1])
        for at in places(random, stream):
            yield "cut_run", (stream, at, frame_max)
            yield "cut_acks", (stream, at)


# --- messages


class Message(NamedTuple):
    address: bytes
    header: bytes
    body: bytes


def message_lists(seed: int) -> Iterator[Call]:
    """Calls without end."""
    random = Random(seed)
    realistic = realistic_messages()
    addresses = [b"\0\1q", b"\1x\0", bytes(512)]
    while True:
        address = random.choice(addresses)
        messages = [
            Message(
                random.choice(addresses) if random.random() < 0.1 else address,
                some_header(random, realistic),
                random.choice(realistic).body if random.random() < 0.8 else bytes(random.choice([0, 0, 1, 4088, 4089])),
            )
            for _ in range(random.choice([0, 1, 2, 20]))
        ]
        if messages and random.random() < 0.5:
            messages = random.choices(messages[:2], k=random.randrange(40))
        opening = b"\0\x3c\0\x3c" + short_and(random.randbytes(random.choice([0, 10, 255])))
        channel = random.choice([0, 1, 1, 0xFFFF, 0x10000])
        tag = random.choice([0, 1, random.getrandbits(64), 2**64 - 1 - random.randrange(20)])
        body_max = random.choice([0, 400, 4088, 131064, 2**63 - 1])
        yield "deliveries", (opening, channel, tag, messages, random.choice([0] * 9 + [1, 15, 50]), body_max)


SORTS = {"headers": headers, "streams": streams, "messages": message_lists}

# --- the comparison


def octets_of(call: Call) -> int:
    """The octets of a header, of messages, or of a stream when it is read from its begin."""
    match call:
        case "judge", (header,):
            return len(header)
        case "deliveries", (_, _, _, messages, *_):
            return sum(len(part) for message in messages for part in message)
        case "cut_run", (stream, 0, _):
            return len(stream)
    return 0


def outcome(function: Callable[..., object], arguments: tuple[Any, ...]) -> object:
    try:
        return function(*arguments)
    except OverflowError:
        return OverflowError


def sort_of(name: str, answer: object) -> str:
    """A word for the answers that are like this one."""
    match name, answer:
        case "judge", -1:
            return "malformed"
        case "judge", int(verdict) if verdict & (COPIES | ASKS):
            return "with copies" if verdict & COPIES else "with direct reply-to"
        case "judge", _:
            return "good"
        case "cut_run", int(more):
            return "to be waited for" if more else "unusual"
        case "cut_run", (_, (_, _, _, [_])):
            return "runs of one"
        case "cut_run", _:
            return "runs"
        case "cut_acks", (_, ([] | [_], _)):
            return "one or no ack"
        case "cut_acks", _:
            return "rows of acks"
        case "deliveries", (_, count):
            return "deliveries" if count else "empty"
    return "overflows"


def compare(octets: int, calls: Iterator[Call], in_python: Functions, in_c: Functions) -> Counter[str]:
    """Gives both twins so many octets. Returns the numbers of answers of each sort. Raises TwinsDiffer."""
    seen: Counter[str] = Counter()
    for call in calls:
        name, arguments = call
        answer, other = outcome(in_python[name], arguments), outcome(in_c[name], arguments)
        if answer != other:
            raise TwinsDiffer(call, answer, other)
        seen["octets"] += octets_of(call)
        seen[sort_of(name, answer)] += 1
        if seen["octets"] >= octets:
            return seen
    raise AssertionError("there are calls without end")


def functions_in_c(module: Path | None) -> Functions:
    """The functions in C: those of amqpy, or of another build. Raises ImportError."""
    if module is None:
        from amqpy.wire import _scan as built
    else:
        spec = importlib.util.spec_from_file_location("_scan", module)
        assert spec is not None
        assert spec.loader is not None
        built = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(built)
    return {name: getattr(built, name) for name in FUNCTIONS}


@click.command()
@click.option(
    "--megabytes", default=10.0, show_default=True, type=click.FloatRange(0), help="Octets of each sort, in 10^6."
)
@click.option("--seed", default=0, show_default=True, help="Which octets.")
@click.option("--module", type=click.Path(path_type=Path), help="Another build of the part in C.")
def main(megabytes: float, seed: int, module: Path | None) -> None:
    """Compare the scanner in C with the one in Python."""
    try:
        in_c = functions_in_c(module)
    except ImportError as error:
        raise click.ClickException(f"the part in C was not built: {error}") from None
    for sort, calls in SORTS.items():
        began = time.process_time()
        try:
            seen = compare(int(megabytes * 1e6), calls(seed), IN_PYTHON, in_c)
        except TwinsDiffer as difference:
            raise click.ClickException(str(difference)) from None
        seconds = time.process_time() - began
        told = ", ".join(f"{count:,} {what}" for what, count in seen.items())
        click.echo(f"{sort}: both say the same: {told}; {seen['octets'] / seconds / 1e6:.1f} MB/s")


if __name__ == "__main__":
    sys.exit(main())
