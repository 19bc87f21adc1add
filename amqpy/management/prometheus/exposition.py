"""The text format of Prometheus, as RabbitMQ writes it: the type before the help, integers without a point, both lines
also for a family without any series.

The library prometheus-client writes neither so, nor bit by bit.

Source: `prometheus_text_format`.
"""

from collections.abc import Iterable, Iterator
from math import isnan
from typing import Final, Literal, NamedTuple, TypeAlias

CONTENT_TYPE: Final = "text/plain; version=0.0.4"

Number: TypeAlias = int | float
Kind: TypeAlias = Literal["counter", "gauge", "untyped", "histogram"]


class Family(NamedTuple):
    """A metric, without the prefix of its name."""

    name: str
    kind: Kind
    help: str


def head(prefix: str, family: Family) -> str:
    name = prefix + family.name
    return f"# TYPE {name} {family.kind}\n# HELP {name} {family.help}\n"


def labels(**values: str) -> str:
    return ",".join(f'{name}="{escaped(value)}"' for name, value in values.items())


def escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def series(name: str, of: str, value: Number) -> str:
    """A line: the value of the series with these labels."""
    shown = "NaN" if isnan(value) else value
    return f"{name}{{{of}}} {shown}\n" if of else f"{name} {shown}\n"


class Histogram:
    """Counts observations by their size, for good."""

    def __init__(self, *bounds: float) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        self._sum += value
        for place, bound in enumerate(self._bounds):
            if value <= bound:
                self._counts[place] += 1
                return
        self._counts[-1] += 1

    def lines(self, name: str) -> Iterator[str]:
        total = 0
        for bound, count in zip((*map(str, self._bounds), "+Inf"), self._counts, strict=True):
            total += count
            yield series(f"{name}_bucket", labels(le=bound), total)
        yield series(f"{name}_count", "", total)
        yield series(f"{name}_sum", "", self._sum)


def in_pieces(lines: Iterable[str], size: int) -> Iterator[bytes]:
    """The lines, joined to pieces of about this size."""
    piece: list[str] = []
    length = 0
    for line in lines:
        piece.append(line)
        length += len(line)
        if length >= size:
            yield "".join(piece).encode("utf-8", "surrogateescape")
            piece, length = [], 0
    yield "".join(piece).encode("utf-8", "surrogateescape")
