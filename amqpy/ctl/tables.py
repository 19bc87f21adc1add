"""The columns of lists: which are asked for, and where the API has their values.

Source: `RabbitMQ.CLI.Ctl.InfoKeys`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from amqpy.ctl.failures import BadArguments

Item = Mapping[str, Any]


class Column(NamedTuple):
    """A column, and the keys of the API's objects that its values are made of."""

    keys: Sequence[str]
    value: Callable[[Item], object]


def check_columns(asked: Sequence[str], known: Iterable[str]) -> tuple[str, ...]:
    """The columns that are asked for; names may have commas or spaces between them. Raises Failure."""
    names = [name for each in asked for name in each.replace(",", " ").split()]
    there = set(known)
    if unknown := [name for name in names if name not in there]:
        raise BadArguments(f"Info key(s) {','.join(unknown)} are not supported")
    return tuple(dict.fromkeys(names))


def at(*path: str, absent: object = None) -> Column:
    """The value of a key, or of one in an object in it."""

    def value(item: Item) -> object:
        found: Any = item
        for key in path:
            found = found.get(key) if isinstance(found, dict) else None
        return absent if found is None else found

    return Column(path[:1], value)


def same(*names: str) -> dict[str, Column]:
    """Columns that the API calls the same."""
    return {name: at(name) for name in names}


def always(value: object) -> Column:
    return Column((), lambda item: value)


def keys_of(columns: Mapping[str, Column], asked: Sequence[str]) -> list[str]:
    """The keys of the API's objects that these columns need."""
    return list(dict.fromkeys(key for name in asked for key in columns[name].keys))


def rows(items: Iterable[Item], columns: Mapping[str, Column], asked: Sequence[str]) -> Iterable[dict[str, object]]:
    return ({name: columns[name].value(item) for name in asked} for item in items)
