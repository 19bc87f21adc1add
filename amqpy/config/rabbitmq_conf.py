"""The format of rabbitmq.conf: a key with dots, `=` and a value on each line.

    listeners.tcp.local = 127.0.0.1:5672  # a comment, anywhere
    loopback_users.a\\.b = false
    default_pass = 'with a # in it'
    cluster_name = $(REGION)
    include more/*.conf

A value ends at a `#`, if it is not in single quotes, as RabbitMQ has them from 4.0 on. Double quotes are part of the
value. `$(NAME)` stands for the value of another key, or else of an environment variable; `$(<PATH)`, alone, for what is
in a file. Of the same key twice, the last one counts.

Source: the grammar of cuttlefish, RabbitMQ's parser (`conf_parse.peg`, `cuttlefish_generator:value_sub`), and its
answers to the same files.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

SUBSTITUTIONS_MAX = 100
"""Of one value: more are taken for a circle."""
VALUE_CHARACTERS_MAX = 1_000_000
"""A value may double with each substitution."""

_WORD = r"(?:\\\.|[A-Za-z0-9_-])++"
_KEY = rf"[ \t]*+(?P<key>{_WORD}(?:\.{_WORD})*+)[ \t]*+"
_VALUE = r"(?>'''(?P<block>.*?)'''|'(?P<quoted>[^']*)'|(?P<plain>(?:[^\r\n#]|\r(?!\n))+))"
_END = r"[ \t]*+(?P<comment>#[^\n]*)?(?:\r?\n|\Z)"
# The first alternative that matches decides, as in the grammar: text behind a closing quote is an error.
_INCLUDE = r"[ \t]*+include[ \t]++(?P<include>[A-Za-z0-9_.*/-]++)"
_LINE = re.compile(rf"(?:{_KEY}=[ \t]*+{_VALUE}|{_INCLUDE})?{_END}", re.DOTALL)
_BEGINNING = re.compile(rf"(?P<blank>[ \t]*)(?:{_KEY}(?P<equals>=[ \t]*{_VALUE}?)?)?", re.DOTALL)
_SUBSTITUTION = re.compile(r"\$\(([^)]*)\)")
_FILE = re.compile(r"\$\(<(.+)\)", re.DOTALL)


class Entry(NamedTuple):
    """A line with a key and its value."""

    key: tuple[str, ...]
    """The parts between the dots."""
    value: str
    where: str
    """File and line: `rabbitmq.conf:7`."""
    is_cut: bool = False
    """A comment follows the value without a blank: perhaps the `#` was meant to belong to it."""

    @property
    def name(self) -> str:
        return ".".join(part.replace(".", r"\.") for part in self.key)

    @property
    def label(self) -> str:
        return f"{self.where}: {self.name}"

    @property
    def file(self) -> str | None:
        """The path of the file that has the value."""
        found = _FILE.fullmatch(self.value)
        return found[1].strip() if found else None

    def __repr__(self) -> str:
        return f"<{self.label}>"  # without the value, which may be a password


class Include(NamedTuple):
    """A line that stands for all lines of other files."""

    pattern: str
    """A path, perhaps with `*`."""
    where: str


def parse(text: str, file: str) -> list[Entry | Include]:
    """Parses a file's text. Raises ValueError with the line and the column of what is no such line."""
    entries: list[Entry | Include] = []
    position, line = 0, 1
    while position < len(text):
        found = _LINE.match(text, position)
        if found is None:
            raise ValueError(f"{file}:{_problem(text, position)}")
        if found["key"] is not None:
            key = tuple(part.replace(r"\.", ".") for part in re.split(r"(?<!\\)\.", found["key"]))
            value, is_cut = found["quoted"], False
            if found["plain"] is not None:
                value = found["plain"].rstrip(" \t")
                is_cut = found["comment"] is not None and value == found["plain"]
            elif found["block"] is not None:
                value = found["block"].strip("'\r\n")
            entries.append(Entry(key, value, f"{file}:{line}", is_cut))
        elif found["include"] is not None:
            entries.append(Include(found["include"], f"{file}:{line}"))
        line += text.count("\n", position, found.end())
        position = found.end()
    return entries


def _problem(text: str, position: int) -> str:
    """The line and the column of what is wrong, and what that is."""
    found = _BEGINNING.match(text, position)
    assert found is not None
    if found["key"] is None:
        end, problem = found.end("blank"), "expected a key"
    elif found["equals"] is None:
        end, problem = found.end(), "expected '='"
    elif found["plain"] is None and found["quoted"] is None and found["block"] is None:
        end, problem = found.end(), "expected a value"
    else:
        end, problem = found.end(), "expected the end of the line after the closing quote"
    column = end - text.rfind("\n", 0, end)
    return f"{text.count(chr(10), 0, end) + 1}:{column}: {problem}"


def last_of_each(entries: Iterable[Entry]) -> dict[tuple[str, ...], Entry]:
    """The entries by their keys; of those with the same key, the last one."""
    return {entry.key: entry for entry in entries}


def substitute(entries: Mapping[tuple[str, ...], Entry], environ: Mapping[str, str]) -> list[Entry]:
    """Puts values in the place of `$(NAME)`. Raises ValueError for a name that nothing has, and for circles."""
    return [entry._replace(value=_substituted(entry, entries, environ)) for entry in entries.values()]


def _substituted(entry: Entry, entries: Mapping[tuple[str, ...], Entry], environ: Mapping[str, str]) -> str:
    value = entry.value
    for _ in range(SUBSTITUTIONS_MAX):
        found = _SUBSTITUTION.search(value)
        if found is None:
            return value
        name = found[1].strip()
        other = entries.get(tuple(name.split(".")))
        inner = environ.get(name) if other is None else other.value
        if inner is None:
            # Without the name: it may be the middle of a password.
            raise ValueError(f"{entry.label}: no key and no environment variable has the name in its $(…)")
        value = value[: found.start()] + inner + value[found.end() :]
        if len(value) > VALUE_CHARACTERS_MAX:
            break
    raise ValueError(f"{entry.label} stands for itself, or for too much")
