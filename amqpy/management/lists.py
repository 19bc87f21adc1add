"""Lists: which of their items are shown, in which order, and which keys of them.

The items are objects of the broker, of which views are made in slices: between two of them the broker does its work.
An item that is gone meanwhile is shown as it was.

Source: `rabbit_mgmt_util`: `reply_list`, `maybe_filter_context`, `pagination_params`, `range_filter`, `sort_list`,
`extract_column_items`.
"""

import heapq
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence, Set
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from time import perf_counter
from typing import Any, Final, TypeAlias, TypeVar

import trio

from amqpy.core.jobs import UNITS_AT_ONCE, Steps
from amqpy.errors import AdministrationError
from amqpy.management.answers import bad_request
from amqpy.patterns import Program, compile_pattern

SLICE: Final = 50
TURN_S: Final = 0.000_1
"""Items of which views are made in one turn, at most, and the time after which no more is begun: what messages wait."""

PAGE_SIZE: Final = 100
PAGE_SIZE_MAX: Final = 500
UNDEFINED: Final = "undefined"

SORTED: Final = 100
COMPARED: Final = 300
MATCHED: Final = 25
"""Items that are sorted at a time; whose names are compared with a text; with a regular expression."""

SUMMED: Final = 300
"""Items that are added in one turn."""

Query = Mapping[str, str]
View = dict[str, Any]
T = TypeVar("T")
InTurn: TypeAlias = Callable[[Callable[[], T]], Awaitable[T]]
"""Makes a call in a turn of the broker, after which others have theirs (`turns.Turns.take`)."""
Columns = list[list[str]]

NAMES: Final = ("vhost", "name")


class Whole(dict[str, Any]):
    """An object that is shown with all of its keys, whichever are asked for: in Erlang it is a map, and only lists of
    pairs are narrowed."""


WHOLE: Final = frozenset({"arguments", "backing_queue_status", "limits", "metadata"})
"""The keys of such objects, wherever they are."""


@dataclass
class Listing:
    """A list that a handler returns."""

    items: Sequence[Any]
    """In their default order, unless `order` is its key."""
    view: Callable[[Any], View]
    """Called in a turn."""
    paged: Callable[[Any], str] | None = None
    """The name that an item is found by, for lists that can be had in pages."""
    is_whole: bool = False
    """True if its items have all their keys, whichever are asked for."""
    by: Sequence[str] | None = None
    """The keys of the default order, for lists that RabbitMQ sorts by what `columns` leaves of their items."""
    order: Callable[[Any], Any] | None = None
    """The key of the default order, for lists that are too long to be sorted in one go."""


@dataclass
class Summary:
    """An object that a handler returns which is made of many items."""

    items: Sequence[Any]
    add: Callable[[Sequence[Any]], object]
    """Called in turns, with some of the items."""
    view: Callable[[], View]
    """Called in a turn, once all are added."""


@dataclass
class Work:
    """Something that a handler returns which is made bit by bit."""

    steps: Steps
    """A job, which changes nothing. Raises Refusal."""
    result: Callable[[], Any]
    """Called when it is done; returns what a handler returns."""


@dataclass
class Change:
    """A change that a handler returns which is made bit by bit: it has not begun."""

    steps: Steps
    """A job, whose `next` may raise Undecided, and goes on when it is called again. Raises Refusal."""
    result: Callable[[], Any]
    """Called when it is done; returns what a handler returns."""
    end: Callable[[], object]
    """Called in a turn, however it ended."""


@dataclass(frozen=True)
class Page:
    """The part of a list that is asked for."""

    number: int
    size: int
    name: str = ""
    use_regex: bool = False

    async def filter(self, listing: Listing, in_turn: InTurn[Any]) -> list[Any]:
        """The items whose names match, looked for a part at a time. Raises Refusal."""
        assert listing.paged is not None
        if not self.name or not listing.items:
            return list(listing.items)
        if self.use_regex:
            matches = _search(self.name)
        else:
            sought = _lower(self.name)

            def matches(name: str) -> bool:
                return sought in _lower(name)

        name, found = listing.paged, []
        for some in in_slices(listing.items, MATCHED if self.use_regex else COMPARED):
            found += await in_turn(partial(_matching, some, name, matches))
        return found

    def cut(self, items: Sequence[Any], total: int) -> tuple[Sequence[Any], View]:
        """The items on the page, and what is said about it. Raises Refusal."""
        begin = (self.number - 1) * self.size
        count = -(-len(items) // self.size)
        if begin > len(items):
            raise bad_request(
                f"Page out of range, page: {self.number} page size: {self.size}, len: {len(items)}", "page_out_of_range"
            )
        shown = items[begin : begin + self.size]
        return shown, {
            "filtered_count": len(items),
            "item_count": len(shown),
            "page": self.number,
            "page_count": count,
            "page_size": self.size,
            "total_count": total,
        }


def _lower(name: str) -> str:
    """A name with the capitals of Latin-1 made small: Erlang takes each octet for a character."""
    return name.encode("utf-8", "surrogateescape").decode("latin-1").lower()


def _matching(items: Sequence[Any], name: Callable[[Any], str], matches: Callable[[str], bool]) -> list[Any]:
    return [item for item in items if matches(name(item))]


def _search(pattern: str) -> Callable[[str], bool]:
    try:
        program: Program = compile_pattern(f"(?i){pattern}")
    except (AdministrationError, ValueError, re.error):
        raise bad_request("Pagination parameters are invalid") from None
    return lambda name: bool(program.search(name))


def page_of(query: Query) -> Page | None:
    """The page that is asked for; None if none is. Raises Refusal."""
    number, size = _number(query, "page"), _number(query, "page_size")
    if "page" not in query:
        return None
    if (number is None or number >= 1) and (size is None or 1 <= size <= PAGE_SIZE_MAX):
        use_regex = query.get("use_regex") == "true"
        return Page(number or 1, size or PAGE_SIZE, query.get("name", ""), use_regex)
    said = [UNDEFINED if each is None else each for each in (number, size)]
    raise bad_request(
        f"Invalid pagination parameters: page number {said[0]}, page size {said[1]}", "invalid_pagination_parameters"
    )


def _number(query: Query, parameter: str) -> int | None:
    text = query.get(parameter)
    if text is None:
        return None
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise bad_request("Pagination parameters are invalid")
    return int(text)


# --- order


def order_by(path: str) -> Callable[[View], Any]:
    """The key for views in the order of what is at a path in them."""
    keys = tokens(path, ".")
    return lambda view: _order(_value_at(view, keys))


async def in_order(items: Sequence[T], key: Callable[[T], Any], in_turn: InTurn[Any]) -> list[T]:
    """Sorts a part at a time, and then merges the parts: between two of them, others do their work."""
    parts = [await in_turn(partial(sorted, some, key=key)) for some in in_slices(items, SORTED)]
    merged = heapq.merge(*parts, key=key)
    found: list[T] = []
    while some := await in_turn(lambda: list(islice(merged, SORTED))):
        found += some
    return found


def in_slices(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for begin in range(0, len(items), size):
        yield items[begin : begin + size]


def tokens(text: str, separator: str) -> list[str]:
    """The parts of a text that are not empty."""
    return [each for each in text.split(separator) if each]


def lacks_order(by: Sequence[str], columns: Columns | None, query: Query) -> bool:
    """True if the columns leave out something that the list is sorted by."""
    keys = [*by, *([query["sort"].partition(".")[0]] if query.get("sort") else [])]
    return not all(narrowed(columns, key)[0] for key in keys)


def sorted_rows(rows: list[object], by: Sequence[str], query: Query) -> list[object]:
    """Views of which only some columns are left, in the order that these have, and that is asked for."""
    paths = [tokens(path, ".") for path in ([query["sort"]] if query.get("sort") else []) + list(by)]

    def place(row: object) -> tuple[Any, ...]:
        view = row if isinstance(row, dict) else {}
        return [_order(_value_at(view, path)) for path in paths], [_order(value) for value in view.values()]

    rows = sorted(rows, key=place)
    return rows[::-1] if is_reversed(query) else rows


def is_reversed(query: Query) -> bool:
    """True if the order is to be the other way round. Raises Refusal."""
    asked = query.get("sort_reverse", "false")
    if asked not in {"true", "false"}:
        raise bad_request(["not_boolean", asked])
    return asked == "true"


def with_order(query: Query, features: Collection[str]) -> Query:
    """A query whose order that is none is left out where the version does not mind (`Profile.management`)."""
    given = dict(query)
    if "unordered" not in features and given.get("sort") == "":
        del given["sort"]
    if "strict-order" not in features and given.get("sort_reverse") != "true":
        given.pop("sort_reverse", None)
    return given


def _value_at(view: object, path: Sequence[str]) -> object:
    if not path:
        raise bad_request("cannot sort by nothing")
    for key in path[:-1]:
        view = _inside(view, key, [])
    return _inside(view, path[-1], 0)


def _inside(view: object, key: str, default: object) -> object:
    if isinstance(view, dict):
        return view.get(key, default)
    if view == []:
        return default
    raise bad_request(f"cannot sort by {key} of what is no object")


def _order(value: object) -> tuple[int, Any]:
    """Values of JSON in the order of the terms that they are in Erlang."""
    if isinstance(value, bool) or value is None:
        return 1, {False: "false", None: "null", True: "true"}[value]
    if isinstance(value, int | float):
        return 0, value
    if isinstance(value, str):
        return 4, value.encode("utf-8", "surrogateescape")
    if isinstance(value, dict):
        keys = sorted(value)
        return 2, (len(keys), keys, [_order(value[key]) for key in keys])
    return 3, [_order(each) for each in value] if isinstance(value, list) else []


# --- columns


def columns_of(query: Query) -> Columns | None:
    """The keys that are asked for, each a path; None for all."""
    asked = query.get("columns")
    return None if asked is None else [tokens(each, ".") for each in tokens(asked, ",")]


def extract(value: object, columns: Columns | None) -> object:
    """A value with only these keys, at every level. An object of which nothing is left is an empty list, as Erlang
    prints one. Raises Refusal for a column without a name."""
    if columns is None:
        return value
    if isinstance(value, list):
        return [extract(each, columns) for each in value]
    if not isinstance(value, dict) or isinstance(value, Whole):
        return value
    kept = {}
    for key, inner in value.items():
        is_wanted, below = narrowed(columns, key)
        if is_wanted:
            kept[key] = inner if key in WHOLE else extract(inner, below)
    return kept or []


def shown_alone(value: object, query: Query) -> object:
    """A value that is no list of this kind, with the keys that are asked for: with all, if a page is, too. Raises
    Refusal."""
    return extract(value, None if page_of(query) else columns_of(query))


def is_basic(query: Query, basic: Set[str], *, sorts: bool = False) -> bool:
    """True if a list is to be shown with none but these keys, and in its own order; or, if it `sorts`, in that of one
    of them."""
    columns, order = columns_of(query), query.get("sort")
    if columns is None or (order and not (sorts and order in basic)):
        return False
    keys = [path[0] for path in columns if path]
    return basic >= set(keys) and len(set(keys)) == len(keys)  # to RabbitMQ, a key that is named twice is one more


def narrowed(columns: Columns | None, key: str) -> tuple[bool, Columns | None]:
    """True if a key is asked for, and those of its value that are. Raises Refusal."""
    if columns is None:
        return True, None
    if [] in columns:
        raise bad_request("a column needs a name")
    below = [path[1:] for path in columns if path[0] == key]
    return bool(below), None if [] in below else below


# --- all of it


async def shown(listing: Listing, query: Query, in_turn: InTurn[Any]) -> AsyncGenerator[list[object] | View, None]:
    """The list in pieces: lists of items; of a page, first what is said about it. `in_turn` makes a call in a turn of
    the broker. Raises Refusal before the first piece."""
    page = page_of(query)
    if listing.paged is None:
        page = None
    if listing.order is not None:
        listing = replace(listing, items=await in_order(listing.items, listing.order, in_turn))
    items: Sequence[Any] = listing.items if page is None else await page.filter(listing, in_turn)
    columns = None if listing.is_whole else columns_of(query)
    is_sorted = bool(query.get("sort"))
    if "sort" not in query and items and is_reversed(query):
        items = items[::-1]
    if page is not None and not is_sorted:
        items, about = page.cut(items, len(listing.items))
    pieces = views_of(items, listing.view, in_turn)
    if page is None and items and listing.by is not None and lacks_order(listing.by, columns, query):
        rows = [extract(view, columns) async for views in pieces for view in views]
        yield rows if query.get("sort") == "" else sorted_rows(rows, listing.by, query)
        return
    if not is_sorted:
        if page is not None:
            yield about
        async with aclosing(pieces):
            async for views in pieces:
                yield [extract(each, columns) for each in views]
        return
    made: Sequence[View] = await in_order(
        [view async for views in pieces for view in views], order_by(query["sort"]), in_turn
    )
    made = made[::-1] if made and is_reversed(query) else made
    if page is not None:
        made, about = page.cut(made, len(listing.items))
        yield about
    for some in in_slices(made, SLICE):
        yield [extract(each, columns) for each in some]
        await trio.lowlevel.checkpoint()


async def summed(summary: Summary, in_turn: InTurn[Any]) -> View:
    """The object that is made of all items. `in_turn` makes a call in a turn of the broker. Raises Refusal."""
    for some in in_slices(summary.items, SUMMED):
        await in_turn(partial(summary.add, some))
    view: View = await in_turn(summary.view)
    return view


async def worked(work: Work, in_turn: InTurn[Any]) -> Any:  # noqa: ANN401 - what it makes
    """The result of the work. `in_turn` makes a call in a turn of the broker. Raises Refusal."""
    while await in_turn(partial(go_on, work.steps)):
        pass
    return work.result()


def go_on(steps: Steps) -> bool:
    """Does a turn's worth of work. False if all is done."""
    spent = 0
    while spent < UNITS_AT_ONCE:
        units = next(steps, None)
        if units is None:
            return False
        spent += units
    return True


async def views_of(
    items: Sequence[Any],
    view: Callable[[Any], View],
    in_turn: InTurn[Any],
) -> AsyncGenerator[list[View], None]:
    """Views of items, as many at a time as a turn has time for: one may take as long as a thousand others."""
    begin = 0
    while begin < len(items):
        views = await in_turn(partial(_some, view, items[begin : begin + SLICE]))
        begin += len(views)
        yield views


def _some(view: Callable[[Any], View], items: Sequence[Any]) -> list[View]:
    until, views = perf_counter() + TURN_S, []
    for item in items:
        views.append(view(item))
        if perf_counter() >= until:
            break
    return views
