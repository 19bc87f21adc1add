"""The twins of `amqpy.wire.scan`: its functions in Python, and in C where that could be compiled."""

from collections.abc import Callable

from amqpy.wire import scan

Judge = Callable[[bytes], int]

JUDGES: dict[str, Judge] = {"Python": scan.judge_in_python}

try:
    from amqpy.wire import _scan
except ImportError:
    pass
else:
    JUDGES["C"] = _scan.judge
