"""`python -m interop.fuzz`: the scanner in C and the one in Python, given the same hostile octets, answer the same.

The octets are content headers: as applications send them, or made by chance from the grammar (tables in tables, names
that are nearly CC, deep nests), most of them spoilt in a few places; and some that are noise. The seed says which.

With `--module` another build of the C part is asked, such as one with sanitizers (`scripts/sanitize`).
"""

import importlib.util
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import cast

import click

from amqpy.wire.scan import COPIES, KINDS, MALFORMED, MODE, SHORTSTR, SIZES, TABLE, judge_in_python
from interop.bench.frames import Publication
from interop.bench.messages import business_event, celery_task, distinct

Judge = Callable[[bytes], int]

REALISTIC = 100
"""Messages of each shape."""
DEPTH_MAX = 4000
NAMES = [b"", b"C", b"CC", b"cc", b"BC", b"BCC", b"BCCC", b"x-death", b"n" * 255]
EDGES = [0, 1, 2, 3, 4, 5, 127, 128, 254, 255, *b"CBFASxVDtl"]


class TwinsDiffer(Exception):
    """A header about which the twins differ."""

    def __init__(self, header: bytes, in_python: int, in_c: int) -> None:
        super().__init__(f"{in_python:#x} in Python, {in_c:#x} in C: {header.hex()}")


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
        if kind == SHORTSTR:
            properties.append(short_and(random.randbytes(random.choice([0, 1, 36, 255]))))
        elif kind == TABLE:
            properties.append(
                long_and(made_nest(random) if random.random() < 0.02 else made_table(random, random.randrange(6)))
            )
        else:
            properties.append(random.randbytes(1 if kind == MODE else kind))
    return head(flags, b"".join(properties))


def spoilt(random: Random, header: bytes) -> bytes:
    """Almost the same octets: some changed, cut, put in, doubled."""
    raw = bytearray(header)
    for _ in range(random.choice([0, 1, 1, 1, 2, 4])):
        at = random.randrange(12, len(raw) + 1)
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


def headers(seed: int) -> Iterator[bytes]:
    """Headers without end."""
    random = Random(seed)
    realistic = [
        header_of(each) for make in (business_event, celery_task) for each in distinct(make, "", "", count=REALISTIC)
    ]
    while True:
        drawn = random.random()
        if drawn < 0.05:
            yield random.randbytes(random.randrange(60))
        elif drawn < 0.1:
            yield head(random.getrandbits(16), random.randbytes(random.randrange(60)))
        else:
            yield spoilt(random, random.choice(realistic) if drawn < 0.55 else made_header(random))


# --- the comparison


def compare(octets: int, seed: int, in_python: Judge, in_c: Judge) -> Counter[str]:
    """Gives both twins so many octets. Returns the numbers of headers of each sort. Raises TwinsDiffer."""
    seen: Counter[str] = Counter()
    for header in headers(seed):
        verdict, other = in_python(header), in_c(header)
        if verdict != other:
            raise TwinsDiffer(header, verdict, other)
        seen["octets"] += len(header)
        seen["malformed" if verdict == MALFORMED else "good"] += 1
        if verdict > 0 and verdict & COPIES:
            seen["with copies"] += 1
        if seen["octets"] >= octets:
            return seen
    raise AssertionError("there are headers without end")


def judge_of(module: Path | None) -> Judge:
    """The function in C: of amqpy, or of another build. Raises ImportError."""
    if module is None:
        from amqpy.wire import _scan

        return _scan.judge
    spec = importlib.util.spec_from_file_location("_scan", module)
    assert spec is not None
    assert spec.loader is not None
    built = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(built)
    return cast("Judge", built.judge)


@click.command()
@click.option(
    "--megabytes", default=10.0, show_default=True, type=click.FloatRange(0), help="Octets for each, in 10^6."
)
@click.option("--seed", default=0, show_default=True, help="Which octets.")
@click.option("--module", type=click.Path(path_type=Path), help="Another build of the part in C.")
def main(megabytes: float, seed: int, module: Path | None) -> None:
    """Compare the scanner in C with the one in Python."""
    try:
        in_c = judge_of(module)
    except ImportError as error:
        raise click.ClickException(f"the part in C was not built: {error}") from None
    began = time.process_time()
    try:
        seen = compare(int(megabytes * 1e6), seed, judge_in_python, in_c)
    except TwinsDiffer as difference:
        raise click.ClickException(str(difference)) from None
    seconds = time.process_time() - began
    told = ", ".join(f"{count:,} {what}" for what, count in seen.items())
    click.echo(f"both say the same: {told}; {seen['octets'] / seconds / 1e6:.1f} MB/s")


if __name__ == "__main__":
    sys.exit(main())
