"""The settings of a test broker: its own, and any field of `Config`."""

import json
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from amqpy.config import Config

if TYPE_CHECKING:
    from collections.abc import Mapping

    from amqpy.testing.snapshots import Snapshot

DEFAULTS: Final = {"host": "127.0.0.1", "port": 0, "heartbeat": 0}
"""Settings with another default than that of a broker that serves: a debugger may pause a test for minutes."""

REFUSED: Final = frozenset({"data_dir", "listen", "load_definitions"})
"""Settings that make no sense here: a test broker keeps everything in memory, and listens on its own port."""

CLOCKS: Final = ("ticking", "frozen")
OWN: Final = ("clock", "now", "seed", "definitions", "snapshot", "leaks")


@dataclass(frozen=True)
class Settings:
    """The settings of one test broker."""

    config: Config
    clock: str = "ticking"
    unix_ms: int | None = None
    """The time at its start, in milliseconds of Unix time; None for the real one."""
    seed: int = 0
    definitions: "dict[str, Any] | None" = None
    snapshot: "Snapshot | None" = None
    leaks: tuple[str, ...] | None = None
    """The kinds of leaks that are looked for at the end; None for the usual ones."""
    given: "dict[str, Any]" = field(default_factory=dict)

    @classmethod
    def of(cls, given: "Mapping[str, Any]") -> "Settings":
        """Reads what was given. Raises TypeError for an unknown setting, ValueError or ConfigError for a wrong
        value."""
        known = {each.name for each in fields(Config)} - REFUSED
        for name in given:
            if name not in known and name not in OWN:
                raise TypeError(f"no setting {name!r} of a test broker")
        config = Config(**{**DEFAULTS, **{name: value for name, value in given.items() if name not in OWN}})
        clock = given.get("clock", "ticking")
        if clock not in CLOCKS:
            raise ValueError(f"clock={clock!r}: there are 'ticking' and 'frozen'")
        leaks = given.get("leaks")
        return cls(
            config,
            clock,
            unix_ms_of(given.get("now")),
            given.get("seed", 0),
            definitions_of(given.get("definitions")),
            given.get("snapshot"),
            None if leaks is None else (leaks,) if isinstance(leaks, str) else tuple(leaks),
            dict(given),
        )


def unix_ms_of(now: datetime | None) -> int | None:
    if now is None:
        return None
    if now.tzinfo is None:
        raise ValueError(f"now={now!r}: without a time zone nobody knows when that is")
    return round(now.timestamp() * 1000)


def definitions_of(source: "str | Path | dict[str, Any] | None") -> "dict[str, Any] | None":
    """RabbitMQ's definitions, from a file or as they are. Raises OSError or ValueError."""
    if source is None or isinstance(source, dict):
        return source
    found = json.loads(Path(source).read_text(encoding="utf-8-sig"))
    if not isinstance(found, dict):
        raise ValueError(f"{source}: no JSON object")
    return found
