"""`amqpy top`: what the broker does, and the queues or connections that do most, anew every few seconds.

The broker sorts, and sends one page: so it costs the same whether there are ten queues or ten thousand.
"""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, Protocol

import click

from amqpy.ctl.api import ApiError
from amqpy.ctl.facts import node
from amqpy.ctl.failing import FailingCommand
from amqpy.ctl.failures import CONFIG, BadArguments, Unreachable, error
from amqpy.ctl.options import Call, Options, common_options, flag, option
from amqpy.ctl.output import aligned, printable
from amqpy.ctl.overview import heading, measures, size
from amqpy.ctl.vhosts import find_vhost

ROWS: Final = 20
"""Rows of a table that is not on a terminal."""
ROWS_MAX: Final = 500
"""Rows of the largest page that the management API has."""
INTERVAL_S: Final = 2.0
INTERVAL_MIN_S: Final = 0.2

NEEDS_RICH: Final = "amqpy top needs the package rich (pip install 'amqpy-broker[terminal]'); --once does without"


def count(value: object) -> str:
    return f"{value:d}" if isinstance(value, int) else ""


def rate(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, int | float) else ""


def octets(value: object) -> str:
    return size(value) if isinstance(value, int | float) else ""


def text(value: object) -> str:
    return "" if value is None else printable(str(value))


class Column(NamedTuple):
    """A column of a table."""

    name: str
    """Its title, by which it is sorted, too."""
    key: str
    """The key on the keyboard that sorts by it."""
    path: str
    """The keys of the API's objects under which its value is, with dots between them."""
    shown: Callable[[object], str] = count

    @property
    def is_text(self) -> bool:
        return self.shown is text

    def cell(self, item: Mapping[str, Any]) -> str:
        value: Any = item
        for key in self.path.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        return self.shown(value)


class Kind(NamedTuple):
    """A kind of objects that are shown."""

    name: str
    """That of the API's list, too."""
    columns: Sequence[Column]
    """The first is the one that is sorted by unless another is asked for."""

    def column(self, name: str) -> Column | None:
        return next((each for each in self.columns if each.name == name), None)


QUEUES: Final = Kind(
    "queues",
    (
        Column("messages", "m", "messages"),
        Column("ready", "r", "messages_ready"),
        Column("unacked", "u", "messages_unacknowledged"),
        Column("in/s", "i", "message_stats.publish_details.rate", rate),
        Column("out/s", "o", "message_stats.deliver_get_details.rate", rate),
        Column("ack/s", "a", "message_stats.ack_details.rate", rate),
        Column("consumers", "c", "consumers"),
        Column("memory", "y", "memory", octets),
        Column("vhost", "v", "vhost", text),
        Column("name", "n", "name", text),
    ),
)
CONNECTIONS: Final = Kind(
    "connections",
    (
        Column("in/s", "i", "recv_oct_details.rate", octets),
        Column("out/s", "o", "send_oct_details.rate", octets),
        Column("channels", "c", "channels"),
        Column("state", "s", "state", text),
        Column("user", "u", "user", text),
        Column("vhost", "v", "vhost", text),
        Column("name", "n", "name", text),
    ),
)
KINDS: Final = {kind.name: kind for kind in (QUEUES, CONNECTIONS)}


@dataclass(frozen=True)
class View:
    """The part of the broker that is asked for."""

    kind: Kind
    sort: Column
    page: int = 1
    vhost: str | None = None
    name: str = ""

    def pressed(self, key: str) -> "View":
        """The view after a key, which may be the same."""
        match key:
            case "\t":
                kind = CONNECTIONS if self.kind is QUEUES else QUEUES
                return replace(self, kind=kind, sort=kind.columns[0], page=1)
            case " " | "\x1b[6~":  # Page down
                return replace(self, page=self.page + 1)
            case "b" | "\x1b[5~":  # Page up
                return replace(self, page=max(1, self.page - 1))
        column = next((each for each in self.kind.columns if each.key == key), None)
        return self if column is None else replace(self, sort=column, page=1)


class Snapshot(NamedTuple):
    """The broker at one moment."""

    overview: Mapping[str, Any]
    here: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]
    view: View
    """It has the page that there is, which may be one before that asked for."""
    found: int
    """The objects on all pages."""
    pages: int

    def lines(self) -> Iterable[str]:
        yield heading(self.here)
        yield from measures(self.overview, self.here)

    def table(self) -> list[list[str]]:
        """The cells, those of the heads first."""
        columns = self.view.kind.columns
        return [[each.name for each in columns], *([each.cell(row) for each in columns] for row in self.rows)]

    def place(self) -> str:
        """The part that is shown."""
        kind, page = self.view.kind.name, f", page {self.view.page} of {self.pages}" if self.pages > 1 else ""
        return f"{self.found} {kind} by {self.view.sort.name}{page}"


class Look:
    """Asks the broker; also one that was away meanwhile. Raises ApiError, Unreachable."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def __call__(self, view: View, rows: int) -> Snapshot:
        call = self._call
        try:
            overview, here = call.api.get("overview"), node(call)
            try:
                return self._with_rows(overview, here, view, rows)
            except ApiError as refusal:
                if refusal.error != "page_out_of_range":
                    raise
            # What was on this page is gone.
            return self._with_rows(overview, here, replace(view, page=max(1, view.page - 1)), rows)
        except Unreachable:
            call.disconnect()  # the next look connects again
            raise

    def _with_rows(self, overview: Mapping[str, Any], here: Mapping[str, Any], view: View, rows: int) -> Snapshot:
        query = {
            "page": view.page,
            "page_size": min(max(1, rows), ROWS_MAX),
            "sort": view.sort.path,
            "sort_reverse": not view.sort.is_text,
            "columns": ",".join(each.path for each in view.kind.columns),
            **({"name": view.name} if view.name else {}),
        }
        # In a header: connections of one virtual host have an address of their own, which has no pages.
        headers = (
            {} if view.vhost is None else {"X-Vhost": view.vhost.encode("utf-8", "surrogateescape").decode("latin-1")}
        )
        found = self._call.api.request("GET", (view.kind.name,), query=query, headers=headers)
        return Snapshot(overview, here, found["items"], view, found["filtered_count"], max(1, found["page_count"]))


def plain(snapshot: Snapshot) -> Iterable[str]:
    """The lines of a snapshot, for what is no terminal."""
    yield from snapshot.lines()
    yield ""
    yield snapshot.place()
    numbers = [at for at, column in enumerate(snapshot.view.kind.columns) if not column.is_text]
    yield from aligned(snapshot.table(), numbers)


# --- live


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
    snapshot = look(view, screen.rows)
    trouble, key = "", ""
    while key != "q":
        screen.show(snapshot, trouble)
        key = screen.wait(interval_s)
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
