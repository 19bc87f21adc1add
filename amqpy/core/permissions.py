"""Permissions: what a user may do in a virtual host, and with which routing keys at its topic exchanges.

A verdict is remembered in the permission that it follows from. So there is nothing to forget when that is replaced.

Source: `rabbit_auth_backend_internal`: `check_resource_access`, `check_topic_access`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from amqpy.core.ports import TopicVerb, Verb
from amqpy.patterns import Program, quoted, restored_pattern

VERDICTS_MAX: Final = 1000
PROGRAMS_MAX: Final = 16
"""Verdicts and compiled patterns that a permission remembers; more start over."""

ANYTHING: Final = ".*"
"""The pattern of most permissions: there is nothing to search for, or to remember."""

EVERYTHING: Final = (ANYTHING, ANYTHING, ANYTHING)
"""The patterns of a user who may do everything."""

Spend: TypeAlias = Callable[[int], object]
"""Is told the units of work (`jobs`) that a verdict took."""


class Verdicts:
    """The verdicts of regular expressions on names. An empty expression matches only the empty name."""

    def __init__(self) -> None:
        self._programs: dict[str, Program] = {}
        self._remembered: dict[tuple[str, str], bool] = {}

    def matches(self, pattern: str, name: str, spend: Spend) -> bool:
        if pattern == ANYTHING:
            return True
        verdict = self._remembered.get((pattern, name))
        if verdict is None:
            if len(self._remembered) >= VERDICTS_MAX:
                self._remembered.clear()
            verdict = self._remembered[pattern, name] = self._program(pattern).search(name, spend)
        return verdict

    def _program(self, pattern: str) -> Program:
        program = self._programs.get(pattern)
        if program is None:
            if len(self._programs) >= PROGRAMS_MAX:
                self._programs.clear()
            program = self._programs[pattern] = restored_pattern(pattern or "^$")
        return program


@dataclass(slots=True)
class Permission:
    """Three regular expressions, searched for in the names of resources."""

    configure: str
    write: str
    read: str
    _verdicts: Verdicts = field(default_factory=Verdicts, init=False, repr=False, compare=False)

    @property
    def patterns(self) -> dict[str, str]:
        return {"configure": self.configure, "write": self.write, "read": self.read}

    def allows(self, verb: Verb, resource: str, spend: Spend) -> bool:
        pattern: str = getattr(self, verb)
        return self._verdicts.matches(pattern, resource, spend)


@dataclass(slots=True)
class TopicPermission:
    """Two regular expressions, searched for in the routing keys at one topic exchange.

    A variable in them, such as `{username}`, stands for its value and not for what that means as a regular expression.
    RabbitMQ before 4.3 lets a client that may choose its id be `.*`.
    """

    write: str
    read: str
    _verdicts: Verdicts = field(default_factory=Verdicts, init=False, repr=False, compare=False)

    @property
    def patterns(self) -> dict[str, str]:
        return {"write": self.write, "read": self.read}

    def allows(self, verb: TopicVerb, routing_key: str, variables: Mapping[str, str], spend: Spend) -> bool:
        pattern: str = getattr(self, verb)
        for name, value in variables.items():
            pattern = pattern.replace(f"{{{name}}}", quoted(value))
        return self._verdicts.matches(pattern, routing_key, spend)
