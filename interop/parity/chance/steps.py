"""A script is a list of steps, and a step one method on one channel. Both can be printed and read back.

    queue_declare('a1', queue='q1', arguments={'x-max-length': 1})
    basic_publish('a1', routing_key='q1', body=b'm1', properties={'priority': 2})
    basic_nack('a1', nth=0, requeue=False)

`a1` is channel 1 of connection a. Options are the fields of the method, except for a publish (`body`, `properties`,
`times`), for what settles (`nth` of the unsettled deliveries instead of a tag), and for `drain`, which gets all there
is. `q1` and `x1` stand for names of queues and exchanges nobody else uses, also inside of arguments and headers.
"""

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from interop.parity.codec import METHODS, Typed

LABEL = re.compile(r"[qx]\d")

SOON_MS = 100
NEVER_MS = 100_000_000

SETTLING = frozenset({"basic_ack", "basic_nack", "basic_reject"})
"""Steps that name a delivery."""

STANDING = frozenset(
    {
        *("queue_declare", "queue_bind", "queue_unbind"),
        *("exchange_declare", "exchange_bind", "exchange_unbind", "exchange_delete"),
        *("basic_qos", "confirm_select", "tx_select"),
    }
)
"""Steps that move no message, unless they close the channel."""

ACTIONS = frozenset({name.replace(".", "_", 1) for name in METHODS} | {"drain"})


@dataclass(frozen=True)
class Step:
    action: str
    channel: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.action}({', '.join([repr(self.channel), *(f'{name}={self[name]!r}' for name in self.options)])})"

    def __getitem__(self, option: str) -> Any:  # noqa: ANN401 - as many types as AMQP has
        return self.options.get(option)

    @property
    def connection(self) -> str:
        return self.channel[0]

    @property
    def arguments(self) -> Mapping[str, Any]:
        return self.options.get("arguments") or {}

    @property
    def properties(self) -> Mapping[str, Any]:
        return self.options.get("properties") or {}

    @property
    def headers(self) -> Mapping[str, Any]:
        return self.properties.get("headers") or {}

    @property
    def discards(self) -> bool:
        """Whether it rejects deliveries for good."""
        return self.action in ("basic_nack", "basic_reject") and not self["requeue"]


Script = Sequence[Step]


def text_of(script: Script) -> str:
    return "".join(f"{step}\n" for step in script)


def parse(text: str) -> list[Step]:
    """The steps of a printed script; a ValueError says which line is none."""
    try:
        return [parsed(statement) for statement in ast.parse(text).body]
    except SyntaxError as error:
        raise ValueError(f"line {error.lineno} is no step: {error.msg}") from None


def parsed(statement: ast.stmt) -> Step:
    match statement:
        case ast.Expr(ast.Call(func=ast.Name(action), args=[ast.Constant(str(channel))], keywords=options)):
            if action in ACTIONS and re.fullmatch(r"[a-z]\d", channel):
                return Step(action, channel, {option.arg or "": value_of(option.value) for option in options})
    raise ValueError(f"line {statement.lineno} is no step: {ast.unparse(statement)}")


def value_of(node: ast.expr) -> Any:  # noqa: ANN401
    """A literal, in which a `Typed` may stand for a table's value of a chosen wire type."""
    match node:
        case ast.Call(func=ast.Name("Typed"), keywords=[tag, value]):
            return Typed(ast.literal_eval(tag.value), value_of(value.value))
        case ast.Dict(keys, values):
            return {
                ast.literal_eval(key) if key is not None else None: value_of(value)
                for key, value in zip(keys, values, strict=True)
            }
        case ast.List(items):
            return [value_of(item) for item in items]
    return ast.literal_eval(node)
