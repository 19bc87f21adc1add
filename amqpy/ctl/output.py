"""The output of commands: banners, tables and values, in the forms of RabbitMQ's formatters.

Source: `RabbitMQ.CLI.Formatters.*`, `RabbitMQ.CLI.Core.Output`.
"""

import csv
import io
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final

FORMATTERS: Final = ("table", "json", "csv", "pretty_table", "erlang", "string", "report", "json_stream", "inspect")
MACHINE_READABLE: Final = frozenset({"json", "csv", "json_stream"})
"""Formatters for programs, which must not meet a banner."""

Row = Mapping[str, object]


class Atoms(list[str]):
    """A list of names, which RabbitMQ prints without quotes."""


class Arguments(dict[str, object]):
    """A table of AMQP, which RabbitMQ prints as a list of Erlang's tuples."""


class Output:
    """Prints what a command says."""

    def __init__(
        self,
        echo: Callable[[str], None],
        *,
        formatter: str | None = None,
        quiet: bool = False,
        silent: bool = False,
        headers: bool = True,
    ) -> None:
        self._echo = echo
        self.formatter = formatter
        self._has_banner = not (quiet or silent or formatter in MACHINE_READABLE)
        self.has_headers = headers
        self.is_silent = silent

        self.has_said = False
        """True once there was a result."""

    @property
    def is_json(self) -> bool:
        return self.formatter in {"json", "json_stream"}

    def banner(self, *lines: str) -> None:
        """Says what is about to be done. Comes before any error."""
        if self._has_banner:
            for line in lines:
                self._echo(line)

    def say(self, text: str) -> None:
        """Prints a result that is a text."""
        self.has_said = True
        self._echo(text)

    def note(self, text: str) -> None:
        """Says what a person may want to know, unless nothing but results is wanted."""
        if self._has_banner:
            self._echo(text)

    def json(self, value: object) -> None:
        """Prints a result for programs: keys in the order of their names, as Erlang's maps."""
        self.has_said = True
        self._echo(json.dumps(as_json(value), ensure_ascii=False, separators=(",", ":"), sort_keys=True))

    def document(self, value: object) -> None:
        """Prints a result that is JSON whatever the formatter."""
        self.json(value)

    def rows(
        self,
        columns: Sequence[str],
        rows: Iterable[Row],
        *,
        is_stream: bool = False,
        headers: bool = True,
        formatter: str = "table",
    ) -> None:
        """Prints rows of these columns, by default with this formatter. Without rows a table is an empty line, unless
        it could have been a long one."""
        self.has_said = True
        found = [{column: row.get(column) for column in columns} for row in rows]
        match self.formatter or formatter:
            case "json" if not found:
                self._echo("[\n]" if is_stream else "[]")
            case "json":
                self._json_rows(found)
            case "json_stream":
                for row in found:
                    self.json(row)
            case "csv":
                self._csv(columns, found)
            case "pretty_table":
                self._pretty_table(columns, found)
            case "erlang" | "inspect":
                self._echo("[" + ",\n ".join(map(_as_pairs, found)) + "]")
            case _ if found or is_stream:
                self._table(columns, found, headers=headers)
            case _:
                self._echo("")

    def _table(self, columns: Sequence[str], rows: Sequence[Row], *, headers: bool) -> None:
        if rows and headers and self.has_headers and not self.is_silent:
            self._echo("\t".join(columns))
        for row in rows:
            self._echo("\t".join(as_text(row[column]) for column in columns))

    def _json_rows(self, rows: Sequence[Row]) -> None:
        rows = [{key: "" if value is None else value for key, value in row.items()} for row in rows]
        lines = [json.dumps(as_json(row), ensure_ascii=False, separators=(",", ":")) for row in rows]
        self._echo("[\n" + "\n,".join(lines) + "\n]")

    def _csv(self, columns: Sequence[str], rows: Sequence[Row]) -> None:
        if not rows:
            return
        text = io.StringIO()
        writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
        if self.has_headers:
            writer.writerow(columns)
        writer.writerows([as_text(row[column]) for column in columns] for row in rows)
        self._echo(text.getvalue().rstrip("\n"))

    def _pretty_table(self, columns: Sequence[str], rows: Sequence[Row]) -> None:
        if not rows:
            return
        cells = [[as_text(row[column]) for column in columns] for row in rows]
        for line in framed(columns, cells):
            self._echo(line)


def framed(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterable[str]:
    """A table in a frame."""
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]

    def line(left: str, between: str, right: str) -> str:
        return left + between.join("─" * (width + 2) for width in widths) + right

    def cells(row: Sequence[str]) -> str:
        return "│" + "│".join(f" {cell:{width}} " for cell, width in zip(row, widths, strict=True)) + "│"

    yield line("┌", "┬", "┐")
    yield cells(columns)
    for row in rows:
        yield line("├", "┼", "┤")
        yield cells(row)
    yield line("└", "┴", "┘")


def aligned(rows: Sequence[Sequence[str]], numbers: Collection[int]) -> Iterable[str]:
    """A table for people, whose columns are aligned to the left, or to the right if they have numbers."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.rjust(width) if at in numbers else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


# --- values


def as_text(value: object) -> str:
    """A value in a cell of a table."""
    match value:
        case None:
            return ""
        case str():
            return printable(value)
        case Arguments():
            return f"[{','.join(_pair(key, inner) for key, inner in value.items())}]" if value else "[]"
        case Atoms():
            return f"[{', '.join(map(printable, value))}]"
        case dict():
            return "#{" + ", ".join(f"{key} => {as_text(inner)}" for key, inner in value.items()) + "}"
        case list():
            return f"[{', '.join(map(as_text, value))}]"
    return as_term(value)


def _pair(key: str, value: object) -> str:
    return f"{{{_quoted(key)},{_quoted(value)}}}"


def _quoted(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else as_term(value)


def _as_pairs(row: Row) -> str:
    return "[" + ",".join(f"{{{key},{as_term(value)}}}" for key, value in row.items()) + "]"


def as_term(value: object) -> str:
    """A value as Erlang prints it."""
    match value:
        case None:
            return "undefined"
        case bool():
            return str(value).lower()
        case float():
            return repr(value)
        case Atoms():
            return f"[{','.join(value)}]"
        case str():
            return f"<<{json.dumps(value, ensure_ascii=False)}>>"
        case dict():
            return f"[{','.join(_pair(key, inner) for key, inner in value.items())}]"
        case list():
            return f"[{','.join(map(as_term, value))}]"
    return str(value)


def printable(text: str) -> str:
    """A text without characters that a terminal would obey, or that would begin another cell or line."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else f"\\{ord(each):o}" for each in text)


KINDS: Final = {bool: "bool", int: "long", float: "double", str: "longstr", list: "array", dict: "table"}
"""AMQP's types of the values of arguments."""


def as_json(value: object) -> Any:  # noqa: ANN401 (any JSON)
    """A value as RabbitMQ's formatter for JSON has it."""
    match value:
        case Arguments():
            return [_triple(key, inner) for key, inner in value.items()]
        case dict():
            return {key: as_json(inner) for key, inner in value.items()}
        case list():
            return [as_json(inner) for inner in value]
        case str():
            return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return value


def _triple(key: str, value: object) -> list[object]:
    inner: object = value
    if isinstance(value, dict):
        inner = [_triple(name, each) for name, each in value.items()]
    elif isinstance(value, list):
        inner = [[KINDS.get(type(each), "void"), as_json(each)] for each in value]
    return [key, KINDS.get(type(value), "void"), inner]
