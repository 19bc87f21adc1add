"""The features, which are functions that play on a scene, registered by `@feature`; and the cells there are of them."""

import fnmatch
import inspect
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from interop.matrix.cells import QUICK, READERS, SIZES, Cell
from interop.matrix.scene import DEADLINE_S, Scene, Told
from interop.parity.connection import Broker


@dataclass(frozen=True)
class Feature:
    name: str
    play: Callable[[Scene], None]
    purpose: str
    """In one line."""


FEATURES: dict[str, Feature] = {}


def feature(function: Callable[[Scene], None]) -> Callable[[Scene], None]:
    name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
    if name in FEATURES:
        raise ValueError(f"two features are called {name}")
    FEATURES[name] = Feature(name, function, (inspect.getdoc(function) or "").partition("\n")[0])
    return function


def cells(only: Sequence[str] = (), sizes: Sequence[str] = (), readers: Sequence[str] = ()) -> Iterator[Cell]:
    """Those of the features that match one of the patterns, of the sizes and readers named; none named are all."""
    for name in sorted(FEATURES):
        if only and not any(fnmatch.fnmatchcase(name, pattern) for pattern in only):
            continue
        for size in SIZES:
            for reader in READERS:
                if (not sizes or size in sizes) and (not readers or reader in readers):
                    yield Cell(name, size, reader)


def quick_cells() -> Iterator[Cell]:
    for name in sorted(FEATURES):
        for reader, size in QUICK.items():
            yield Cell(name, size, reader)


def play(cell: Cell, broker: Broker, deadline_s: float = DEADLINE_S) -> Told:
    """Play a cell on a broker."""
    started = time.monotonic()
    scene = Scene(broker, cell, deadline_s)
    with scene.ending():
        FEATURES[cell.feature].play(scene)
        scene.finish()
    lines = scene.told()
    with scene.ending():
        scene.leave()
    return Told(lines, tuple(scene.asides), tuple(scene.in_vain), time.monotonic() - started)
