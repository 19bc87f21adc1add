"""Cells: a feature, a size and a reader."""

from dataclasses import dataclass

SIZES = {
    "0": 0,
    "1K": 1000,
    "128K-1": 131_063,
    "128K": 131_064,
    "128K+1": 131_065,
    "600K": 600_000,
    "3M": 3_000_000,
    "20M": 20_000_000,
}
"""Octets of a body. 131,064 are as many as one frame takes."""

AT_ONCE, LATE, ALTERNATING, NEVER = "at once", "late", "alternating", "never"
READERS = (AT_ONCE, LATE, ALTERNATING, NEVER)
"""When somebody reads: all the time; once all was sent; some between two messages; not before all others are done."""

FEW = ((1000, 60), (150_000, 24), (600_000, 10), (3_000_000, 5), (SIZES["20M"], 3))
"""How many messages of at most this size; RabbitMQ has a limit of its own, of 200 that wait unsent for a client."""

MANY = ((0, 3000), (1000, 4000))
"""How many of them where that limit has no say, to make megabytes of small ones, too."""

QUICK = {AT_ONCE: "128K+1", LATE: "600K", ALTERNATING: "128K", NEVER: "600K"}
"""The sizes that are tried whenever anything is tested."""


@dataclass(frozen=True)
class Cell:
    """A feature, the name of a size, and when the one reads about whom it is."""

    feature: str
    size_name: str
    reader: str

    @property
    def size(self) -> int:
        return SIZES[self.size_name]

    @property
    def few(self) -> int:
        return next(count for size, count in FEW if self.size <= size)

    @property
    def many(self) -> int:
        return next((count for size, count in MANY if self.size <= size), self.few)

    @property
    def name(self) -> str:
        return f"{self.feature}[{self.size_name}, {self.reader}]"
