"""The terminal of `amqpy top`: a page that is drawn anew in its place, and the keys that are pressed.

Imported only where there is a terminal: it needs the package rich.
"""

import os
import select
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from amqpy.ctl.output import printable
from amqpy.ctl.overview import ALARM
from amqpy.ctl.snapshot import Column, Snapshot

AROUND: Final = 13
"""Lines that are no rows of the table."""
KEY_BYTES: Final = 16
"""Bytes of the longest sequence that a key sends."""


class RichScreen:
    """A terminal as a context: it is as before when it ends. `rows` is the most rows of a table; None for all that
    fit."""

    def __init__(self, rows: int | None = None, console: Console | None = None) -> None:
        self._console = Console(highlight=False) if console is None else console
        self._rows_max = rows
        self._live = Live(console=self._console, screen=True, auto_refresh=False)
        self._leave = ExitStack()
        self._keys: int | None = None
        """The descriptor that keys are read from, if there are any."""

    def __enter__(self) -> Self:
        self._keys = single_keys(self._leave)
        self._leave.enter_context(self._live)
        return self

    def __exit__(self, *failure: object) -> None:
        self._leave.close()

    @property
    def rows(self) -> int:
        fit = max(1, self._console.height - AROUND)
        return fit if self._rows_max is None else min(fit, self._rows_max)

    def show(self, snapshot: Snapshot, trouble: str = "") -> None:
        self._live.update(page(snapshot, trouble), refresh=True)

    def wait(self, seconds: float) -> str:
        if self._keys is None:
            time.sleep(seconds)
        elif select.select([self._keys], [], [], seconds)[0]:
            pressed = os.read(self._keys, KEY_BYTES)
            return pressed.decode("latin-1") if pressed else "q"  # the terminal is gone
        return ""


def single_keys(leave: ExitStack) -> int | None:
    """Has standard input give each key at once and without an echo, until it is left; returns its descriptor. None
    where that cannot be."""
    try:
        import termios
        import tty
    except ModuleNotFoundError:  # Windows
        return None
    if not sys.stdin.isatty():
        return None
    descriptor = sys.stdin.fileno()
    leave.callback(termios.tcsetattr, descriptor, termios.TCSADRAIN, termios.tcgetattr(descriptor))
    tty.setcbreak(descriptor)
    return descriptor


def page(snapshot: Snapshot, trouble: str = "") -> RenderableType:
    """The whole page."""
    first, *others = snapshot.lines()
    lines = [Text(first, style="bold"), *(Text(each, style="bold red" if ALARM in each else "") for each in others)]
    place = Text(snapshot.place(), style="bold")
    last = Text(printable(trouble), style="bold red") if trouble else help_of(snapshot.view.kind.columns)
    for each in (*lines, place, last):
        each.no_wrap, each.overflow = True, "ellipsis"
    return Group(*lines, Text(), place, table(snapshot), Text(), last)


def table(snapshot: Snapshot) -> Table:
    shown = Table(box=None, pad_edge=False, header_style="dim")
    _, *rows = snapshot.table()
    for column in snapshot.view.kind.columns:
        style = "reverse" if column is snapshot.view.sort else None
        shown.add_column(
            Text(column.name, style=style or ""),
            justify="left" if column.is_text else "right",
            # On a narrow terminal names are cut, not numbers: only a column that may wrap gives room away. That each
            # of its cells does not is left to these.
            no_wrap=None if column.is_text else True,  # type: ignore[arg-type]
        )
    for row in rows:
        shown.add_row(*(Text(cell, no_wrap=True, overflow="ellipsis") for cell in row))
    return shown


def help_of(columns: Sequence[Column]) -> Text:
    keys = [("q", "end"), ("Tab", "other list"), ("Space", "next"), ("b", "back"), ("sort by", "")]
    keys += [(column.key, column.name) for column in columns]
    return Text("  ").join(Text.assemble((key, "bold"), " ", (name, "dim")) for key, name in keys)
