"""The sources of settings: a TOML file, the environment, the command line; the later one takes precedence.

Source: RabbitMQ's `rabbitmq.conf` and environment variables for the names.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from amqpy.config import SETTINGS, Config
from amqpy.config_values import KINDS, ConfigError, SettingInfo, check, expectation, setting_info

PREFIX = "AMQPY_"


class SourcedValue(NamedTuple):
    name: str
    value: object
    label: str
    """Its name in its source: `--port`, `AMQPY_PORT`, `broker.toml: port`."""


def load(
    options: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Config:
    """Loads the settings from all sources. Raises ConfigError."""
    values: dict[str, Any] = {}
    for place in (from_file(file), from_environment(environ or {}), from_options(options or {})):
        given: dict[str, object] = {}
        for name, value, label in place:
            check(SETTINGS[name], value, label)
            given[name] = value
        if given.keys() & {"host", "port"}:
            values.pop("listen", None)  # or a --port would be lost to a `listen` of lower precedence
        values |= given
    return Config(**values)


def from_options(options: Mapping[str, object]) -> Iterator[SourcedValue]:
    for name, value in options.items():
        label = option_name(name)
        yield SourcedValue(name, parsed(name, value, label) if isinstance(value, str) else value, label)


def from_environment(environ: Mapping[str, str]) -> Iterator[SourcedValue]:
    for name, setting in SETTINGS.items():
        for variable in (PREFIX + name.upper(), setting_info(setting).rabbitmq_variable):
            if variable is not None and variable in environ:
                yield SourcedValue(name, parsed(name, environ[variable], variable), variable)
                break


def parsed(name: str, text: str, label: str) -> object:
    try:
        return KINDS[SETTINGS[name].type].parse(text)
    except ValueError:
        raise ConfigError(f"{label} must be {expectation(SETTINGS[name])}") from None


def from_file(path: Path | None) -> Iterator[SourcedValue]:
    if path is None:
        return
    import tomllib  # most starts have no file

    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from None
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError are both
        raise ConfigError(f"{path} is not a TOML file: {error}") from None
    for told, value in entries_of(table):
        name = told.replace(".", "_")
        if name not in SETTINGS:
            raise ConfigError(f"{path}: unknown setting {told!r}{suggestion(name, SETTINGS)}")
        yield SourcedValue(name, from_toml(value, setting_info(SETTINGS[name])), f"{path}: {told}")


def entries_of(table: Mapping[str, object], above: str = "") -> Iterator[tuple[str, object]]:
    """Yields the entries of a table and of those in it: in TOML, RabbitMQ's names with dots are nested tables."""
    for name, value in table.items():
        if isinstance(value, dict) and value:
            yield from entries_of(value, f"{above}{name}.")
        else:
            yield above + name, value


def from_toml(value: object, it: SettingInfo) -> object:
    """Converts a TOML value: a list to a tuple, and a number to text where the setting is a text with a form."""
    if isinstance(value, list):
        return tuple(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if is_number and it.form else value


def option_name(name: str) -> str:
    return "--" + name.replace("_", "-")


def suggestion(name: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """Unknown `AMQPY_*` variables: worth a warning, not an error, since Kubernetes makes some (`AMQPY_SERVICE_HOST`,
    …) in every pod beside a service of that name."""
    known = {PREFIX + name.upper() for name in SETTINGS} | {f"{PREFIX}CONFIG", f"{PREFIX}PURE"}
    return sorted(name for name in environ if name.startswith(PREFIX) and name not in known)
