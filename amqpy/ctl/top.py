"""`amqpy top`: what the broker does, and the queues or connections that do most, anew every few seconds.

The broker sorts, and sends one page. It may have ten thousand queues: then the looks become fewer, so that they take a
tenth of its time at most.
"""

import sys
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Final, Protocol

import click

from amqpy.ctl.failing import FailingCommand
from amqpy.ctl.failures import CONFIG, BadArguments, Unreachable, error
from amqpy.ctl.options import Call, Options, common_options, flag, option
from amqpy.ctl.snapshot import KINDS, ROWS_MAX, Look, Snapshot, View, plain
from amqpy.ctl.vhosts import find_vhost

ROWS: Final = 20
"""Rows of a table that is not on a terminal."""
INTERVAL_S: Final = 2.0
INTERVAL_MIN_S: Final = 0.2
REST: Final = 9
"""Times that a look took, which the broker is left alone after it: with very many queues it has work to sort them."""

NEEDS_RICH: Final = "amqpy top needs the package rich (pip install 'amqpy-broker[terminal]'); --once does without"


class Screen(Protocol):
    """A terminal."""

    @property
    def rows(self) -> int:
        """The rows of a table that fit."""

    def show(self, snapshot: Snapshot, trouble: str = "") -> None: ...

    def wait(self, seconds: float) -> str:
        """Waits for a key; returns an empty text if none was pressed."""


def watch(look: Callable[[View, int], Snapshot], screen: Screen, view: View, interval_s: float) -> None:
    """Shows the broker until the key `q`. Raises Unreachable if it was not there at first: if it goes away later, what
    it was last stays."""
    began = monotonic()
    snapshot = look(view, screen.rows)
    trouble = ""
    while True:
        screen.show(snapshot, trouble)
        key = screen.wait(max(interval_s, REST * (monotonic() - began)))
        if key == "q":
            return
        began = monotonic()
        try:
            snapshot, trouble = look(snapshot.view.pressed(key), screen.rows), ""
        except Unreachable as absent:
            trouble = f"no answer: {absent}"


def run(*, kind: str, sort: str | None, once: bool, rows: int | None, interval: float, name: str) -> None:
    context = click.get_current_context()
    call = Call(context.ensure_object(Options))
    context.call_on_close(call.disconnect)
    shown = KINDS[kind]
    column = shown.columns[0] if sort is None else shown.column(sort)
    if column is None:
        raise BadArguments(f"{kind} are sorted by one of {', '.join(each.name for each in shown.columns)}")
    if (vhost := call.options.vhost) is not None:
        if not vhost.isprintable():
            raise BadArguments("the name of this virtual host cannot be sent in a header")
        find_vhost(call, vhost)
    view, look = View(shown, column, vhost=vhost, name=name), Look(call)
    if once or call.out.formatter is not None or not sys.stdout.isatty():
        snapshot = look(view, rows or ROWS)
        if call.out.is_json:
            call.out.json({"overview": snapshot.overview, "node": snapshot.here, kind: snapshot.rows})
            return
        for line in plain(snapshot):
            call.out.say(line)
        return
    try:
        from amqpy.ctl.screen import RichScreen
    except ModuleNotFoundError:
        raise error(NEEDS_RICH, CONFIG) from None
    with suppress(KeyboardInterrupt), RichScreen(rows) as screen:
        watch(look, screen, view, interval)


SORTS: Final = list(dict.fromkeys(column.name for kind in KINDS.values() for column in kind.columns))

command = FailingCommand(
    "top",
    callback=run,
    params=[
        click.Argument(["kind"], type=click.Choice(list(KINDS)), default="queues"),
        option(
            "--sort", type=click.Choice(SORTS), text="The column to sort by: the most first, texts by the alphabet."
        ),
        flag("--once", text="Print one table, and end; so it is where the output is no terminal."),
        option("--rows", type=click.IntRange(1, ROWS_MAX), metavar="N", text="At most so many rows."),
        option(
            "--interval",
            type=click.FloatRange(INTERVAL_MIN_S),
            default=INTERVAL_S,
            metavar="SECONDS",
            text="Seconds between two looks.",
        ),
        option("--name", default="", metavar="TEXT", text="Only those with this text in their names."),
        *common_options(),
    ],
    help="""Show what the broker does, and its busiest queues or connections, until the key q.

    Keys: Tab shows connections or queues, Space and b turn the page, the others are named on the screen.""",
    short_help="Watch the broker, and its busiest queues or connections.",
)
