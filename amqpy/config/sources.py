"""The sources of settings, each of which takes precedence over those before it: RabbitMQ's `rabbitmq.conf`, TOML
files, the environment, the command line.

What RabbitMQ understands and amqpy does not is refused, or named once in the log (rabbitmq_keys.py).

Source: RabbitMQ's `rabbitmq.conf` and environment variables for the names.
"""

import logging
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import amqpy.config.files as config_files
import amqpy.config.rabbitmq_plugins as rabbitmq_plugins
import amqpy.config.rabbitmq_variables as rabbitmq_variables
from amqpy.config.rabbitmq_conf import Entry
from amqpy.config.rabbitmq_forms import Convert, boolean, in_order, single
from amqpy.config.rabbitmq_keys import IGNORED, REFUSED, find, has_meaning, known_keys, setting_keys
from amqpy.config.rabbitmq_variables import FILE_SUFFIX, Variable
from amqpy.config.settings import SETTINGS, Config
from amqpy.config.values import KINDS, ConfigError, Note, SettingInfo, check, expectation, setting_info, takes

PREFIX = "AMQPY_"


class SourcedValue(NamedTuple):
    name: str
    value: object
    label: str
    """Its name in its source: `--port`, `AMQPY_PORT`, `broker.toml: port`, `rabbitmq.conf:7: heartbeat`."""

    def __repr__(self) -> str:
        return f"<{self.name} of {self.label}>"  # without the value, which may be a password


class Settings(NamedTuple):
    """The settings of all sources together."""

    config: Config
    sources: Mapping[str, str]
    """Labels of the sources, by the names of the settings that are not left at their defaults."""
    notes: Sequence[Note]


def load(
    options: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    files: Sequence[Path] = (),
) -> Config:
    """Loads the settings from all sources. Raises ConfigError."""
    return read(options, environ, files).config


def read(
    options: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    files: Sequence[Path] = (),
) -> Settings:
    """Loads the settings from all sources, and remembers which is from where. Without `files`, those are read that
    RabbitMQ's variables name. Raises ConfigError."""
    environ = environ or {}
    for refusal in rabbitmq_variables.refusals(environ):
        raise ConfigError(refusal)
    entries, tables = config_files.read(files or config_files.named_by(environ), environ)
    values: dict[str, SourcedValue] = {}
    for place in (
        from_variables(rabbitmq_variables.WEAK_VARIABLES, environ),
        from_conf(entries),
        *(from_toml(path, table) for path, table in tables),
        from_environment(environ),
        from_options(options or {}),
    ):
        given: dict[str, SourcedValue] = {}
        for each in place:
            check(SETTINGS[each.name], each.value, each.label)
            given.setdefault(each.name, each)
        if any(replaces_listen(each) for each in given.values()):
            values.pop("listen", None)  # or a --port would be lost to a `listen` of lower precedence
        values |= given
    fields: dict[str, Any] = {name: each.value for name, each in values.items()}
    notes = [*notes_on_conf(entries), *notes_on_variables(environ), *rabbitmq_plugins.notes(environ)]
    return Settings(Config(**fields), {name: each.label for name, each in values.items()}, notes)


def replaces_listen(value: SourcedValue) -> bool:
    """Tells if this is the one address. RabbitMQ's variables say only what holds without listeners in the file."""
    return value.name in {"host", "port"} and not value.label.startswith(rabbitmq_variables.PREFIX)


def from_options(options: Mapping[str, object]) -> Iterator[SourcedValue]:
    for name, value in options.items():
        label = option_name(name)
        yield SourcedValue(name, parsed(name, value, label) if isinstance(value, str) else value, label)


def option_name(name: str) -> str:
    return "--" + name.replace("_", "-")


def parsed(name: str, text: str, label: str) -> object:
    try:
        return KINDS[SETTINGS[name].type].parse(text)
    except ValueError:
        raise ConfigError(f"{label} must be {expectation(SETTINGS[name])}") from None


def suggestion(name: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


# --- the environment


def from_environment(environ: Mapping[str, str]) -> Iterator[SourcedValue]:
    """Yields the values of variables; of those for the same setting, the one that takes precedence is the first."""
    for name, setting in SETTINGS.items():
        for variable in (PREFIX + name.upper(), setting_info(setting).rabbitmq_variable):
            if variable is not None and (found := text_of(variable, environ)) is not None:
                label, text = found
                yield SourcedValue(name, parsed(name, text, label), label)
    yield from from_variables(rabbitmq_variables.VARIABLES, environ)


def from_variables(variables: Iterable[Variable], environ: Mapping[str, str]) -> Iterator[SourcedValue]:
    for variable in variables:
        label, text = text_of(variable.name, environ) or ("", "")
        if text:
            try:
                converted = variable.convert(text, environ)
            except ValueError:
                raise ConfigError(f"{label} must be {expectation(SETTINGS[variable.setting])}") from None
            if converted is not None:
                yield SourcedValue(variable.setting, parsed(variable.setting, converted, label), label)


def text_of(variable: str, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """The variable's name and text; or the name of another one, which ends in `_FILE`, and the text of the file that it
    names. Raises ConfigError."""
    label = variable + FILE_SUFFIX
    text, path = environ.get(variable), environ.get(label)
    if path is None:
        return None if text is None else (variable, text)
    if text is not None:
        raise ConfigError(f"{variable} and {label} exclude each other")
    return label, config_files.text_of(Path(path), f"{label}: ").rstrip("\r\n")


def notes_on_variables(environ: Mapping[str, str]) -> Iterator[Note]:
    if names := rabbitmq_variables.without_meaning(environ):
        yield Note(logging.INFO, f"without a meaning here: {', '.join(names)}")
    for name in unknown_variables(environ):
        yield Note(logging.WARNING, f"{name} is not a setting and has no effect")


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """Unknown `AMQPY_*` variables: worth a warning, not an error, since Kubernetes makes some (`AMQPY_SERVICE_HOST`,
    …) in every pod beside a service of that name."""
    names = [PREFIX + name.upper() for name in SETTINGS]
    known = {f"{PREFIX}CONFIG", f"{PREFIX}PURE", f"{PREFIX}URL", *names, *(name + FILE_SUFFIX for name in names)}
    return sorted(name for name in environ if name.startswith(PREFIX) and name not in known)


# --- a TOML file


def from_toml(path: Path, table: Mapping[str, object]) -> Iterator[SourcedValue]:
    for told, value in entries_of(table):
        name = told.replace(".", "_")
        if name not in SETTINGS:
            raise ConfigError(f"{path}: unknown setting {told!r}{suggestion(name, SETTINGS)}")
        yield SourcedValue(name, without_toml(value, setting_info(SETTINGS[name])), f"{path}: {told}")


def entries_of(table: Mapping[str, object], above: str = "") -> Iterator[tuple[str, object]]:
    """Yields the entries of a table and of those in it: in TOML, RabbitMQ's names with dots are nested tables."""
    for name, value in table.items():
        if isinstance(value, dict) and value:
            yield from entries_of(value, f"{above}{name}.")
        else:
            yield above + name, value


def without_toml(value: object, it: SettingInfo) -> object:
    """Converts a TOML value: a list to a tuple, and a number to text where the setting is a text with a form."""
    if isinstance(value, list):
        return tuple(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if is_number and it.form else value


# --- rabbitmq.conf


def from_conf(entries: Iterable[Entry]) -> Iterator[SourcedValue]:
    """Yields the values of settings that have keys of rabbitmq.conf. Raises ConfigError for keys that are refused."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        pattern = find(setting_keys(), entry.key)
        if pattern is not None:
            found.setdefault(setting_keys()[pattern], []).append(entry)
        else:
            check_entry(entry)
    for name, mine in found.items():
        mine.sort(key=by_number)
        label = mine[0].label if len(mine) == 1 else f"{mine[0].label} and {len(mine) - 1} more"
        value = converted(name, mine)
        yield SourcedValue(name, without_ipv6(value) if name == "listen" and not has_ipv6() else value, label)


def check_entry(entry: Entry) -> None:
    """Raises ConfigError for a key that is no setting's, and must not be ignored."""
    pattern = find(REFUSED, entry.key)
    if pattern is not None:
        refusal = REFUSED[pattern]
        if entry.value not in refusal.harmless:
            raise ConfigError(f"{entry.label}: {refusal.reason}")
    elif find(IGNORED, entry.key) is None:
        close = suggestion(entry.name, known_keys())
        raise ConfigError(f"{entry.where}: unknown key {entry.name!r}{close}")


def by_number(entry: Entry) -> list[tuple[int, str]]:
    """Sorts keys so that `auth_mechanisms.10` is behind `auth_mechanisms.9`."""
    return [(int(part) if part.isdecimal() else -1, part) for part in entry.key]


def converted(name: str, entries: Sequence[Entry]) -> object:
    """The setting's value, made of the entries of its keys. Raises ConfigError with the entry that is wrong."""
    noun, convert = setting_info(SETTINGS[name]).rabbitmq_form or (expectation(SETTINGS[name]), usual_form(name))

    def is_good(some: Sequence[Entry]) -> bool:
        try:
            return takes(SETTINGS[name], convert(some))
        except ValueError:
            return False

    if is_good(entries):
        return convert(entries)
    wrong = next((entry for entry in entries if not is_good([entry])), entries[-1])
    raise ConfigError(f"{wrong.label} must be {noun}")


def usual_form(name: str) -> Convert:
    """Makes the function for entries whose form is that of the setting."""
    kind = SETTINGS[name].type
    if kind == tuple[str, ...]:
        return in_order
    return single(boolean if kind in {bool, bool | None} else KINDS[kind].parse)


def without_ipv6(addresses: object) -> object:
    """Of all interfaces (a port alone), those that a system has whose kernel was started without IPv6."""
    assert isinstance(addresses, tuple)
    return tuple(each for each in addresses if f"0.0.0.0:{each.removeprefix('[::]:')}" not in addresses)


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6):
            return True
    except OSError:
        return False


def notes_on_conf(entries: Iterable[Entry]) -> Iterator[Note]:
    for entry in entries:
        if entry.is_cut:
            yield Note(logging.WARNING, f"{entry.label} ends before a #; 'in quotes' that would be part of it")
    if names := sorted(entry.name for entry in entries if not has_meaning(entry.key)):
        yield Note(logging.INFO, f"without a meaning here: {', '.join(names)}")
