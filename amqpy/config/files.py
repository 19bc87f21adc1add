"""Files with settings: found, told apart, read.

A file is TOML or in the format of rabbitmq.conf: its suffix tells, or else its content. All of the latter count as one,
in which the last line of a key counts.

Source: `rabbit_prelaunch_conf` for the files that RabbitMQ's variables name.
"""

import glob
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from amqpy.config.rabbitmq_conf import Entry, Include, last_of_each, parse, substitute
from amqpy.config.values import ConfigError

FILE_BYTES_MAX = 1_000_000
CONF, ERLANG, TOML = ".conf", ".config", ".toml"

Table = dict[str, Any]


def read(files: Sequence[Path], environ: Mapping[str, str]) -> tuple[list[Entry], list[tuple[Path, Table]]]:
    """Reads files and, of a directory, those in it that end in `.conf`. Returns the entries of those in the format of
    rabbitmq.conf, and the tables of the others. Raises ConfigError."""
    entries: list[Entry] = []
    tables: list[tuple[Path, Table]] = []
    for path in [each for file in files for each in in_directory(file)]:
        if path.suffix == ERLANG:
            raise ConfigError(f"{path} has Erlang terms, which amqpy does not read")
        table = None if path.suffix == CONF else table_of(path)
        if table is not None:
            tables.append((path, table))
        else:
            entries += entries_of((path,))
    try:
        return substitute(last_of_each(entries), environ), tables
    except ValueError as error:
        raise ConfigError(str(error)) from None


def in_directory(path: Path) -> list[Path]:
    """The file, or those of a directory that end in `.conf`, sorted."""
    if not path.is_dir():
        return [path]
    found = sorted(path.glob(f"*{CONF}"))
    if not found:
        raise ConfigError(f"no file in {path} ends in {CONF}")
    return found


def named_by(environ: Mapping[str, str]) -> list[Path]:
    """The files that RabbitMQ's variables name: one, whose suffix may be missing, and those that a pattern matches or
    that are in a directory."""
    files = []
    if name := environ.get("RABBITMQ_CONFIG_FILE"):
        path = Path(name)
        with_suffix = [Path(name + suffix) for suffix in (ERLANG, CONF)]
        files.append(path if path.is_file() else next(filter(Path.is_file, with_suffix), path))
    if pattern := environ.get("RABBITMQ_CONFIG_FILES"):
        found = glob.glob(os.path.join(glob.escape(pattern), "*") if os.path.isdir(pattern) else pattern)
        files += sorted(filter(Path.is_file, map(Path, found)))
    return files


def table_of(path: Path) -> Table | None:
    """The table of a TOML file; None if it is in the other format. Raises ConfigError."""
    import tomllib  # most starts have no file

    data = data_of(path)
    try:
        return tomllib.loads(data.decode())
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError are both
        if path.suffix == TOML:
            raise ConfigError(f"{path} is not a TOML file: {error}") from None
        return None


def entries_of(chain: tuple[Path, ...]) -> Iterator[Entry]:
    """Yields the entries of a file in the format of rabbitmq.conf, and of those it includes. It is the last of a chain,
    in which each includes the next. Raises ConfigError."""
    path = chain[-1]
    try:
        lines = parse(text_of(path), str(path))
    except ValueError as error:
        raise ConfigError(str(error)) from None
    for line in lines:
        if isinstance(line, Entry):
            yield line if line.file is None else line._replace(value=value_in(path.parent / line.file, line))
        else:
            for included in included_by(line, path.parent):
                if included in chain:
                    raise ConfigError(f"{line.where}: {included} includes itself")
                yield from entries_of((*chain, included))


def included_by(line: Include, directory: Path) -> list[Path]:
    """The files that a line includes. A pattern may have none, as in RabbitMQ, but a single file must be there."""
    path = str(directory / line.pattern)
    return sorted(map(Path, glob.glob(path))) if "*" in path else [Path(path)]


def value_in(path: Path, entry: Entry) -> str:
    """The value of an entry that is in a file, without the line's end. Raises ConfigError."""
    return text_of(path, f"{entry.label}: ").removesuffix("\n").removesuffix("\r")


def text_of(path: Path, where: str = "") -> str:
    """The text of a file, which `where` names. Raises ConfigError."""
    try:
        return data_of(path, where).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"{where}{path} is not UTF-8") from None


def data_of(path: Path, where: str = "") -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{where}cannot read {path}: {error.strerror or error}") from None
    if len(data) > FILE_BYTES_MAX:
        raise ConfigError(f"{where}{path} has more than {FILE_BYTES_MAX} bytes")
    return data
