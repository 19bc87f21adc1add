"""A look at the broker: what it does, and a page of its queues or connections, sorted by the broker."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from amqpy.ctl.api import ApiError
from amqpy.ctl.facts import node
from amqpy.ctl.failures import Unreachable
from amqpy.ctl.options import Call
from amqpy.ctl.output import aligned, printable
from amqpy.ctl.overview import heading, measures, size

ROWS_MAX: Final = 500
"""Rows of the largest page that the management API has."""


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
        self._is_connected = False

    def __call__(self, view: View, rows: int) -> Snapshot:
        was_connected = self._is_connected
        try:
            snapshot = self._look(view, rows)
        except Unreachable:
            self._call.disconnect()
            self._is_connected = False
            if not was_connected:
                raise
            return self(view, rows)  # a connection that is idle for a minute is closed
        self._is_connected = True
        return snapshot

    def _look(self, view: View, rows: int) -> Snapshot:
        overview, here = self._call.api.get("overview"), node(self._call)
        try:
            return self._with_rows(overview, here, view, rows)
        except ApiError as refusal:
            if refusal.error != "page_out_of_range":
                raise
        # What was on this page is gone.
        return self._with_rows(overview, here, replace(view, page=max(1, view.page - 1)), rows)

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
