"""The twins of `amqpy.wire.scan`: its functions in Python, and in C where that could be compiled."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from amqpy.wire import scan
from amqpy.wire.scan import Acks, Content, Run

Judge = Callable[[bytes], int]


class Twin(NamedTuple):
    judge: Judge
    cut_run: Callable[[bytes, int, int], tuple[int, Run] | int]
    cut_acks: Callable[[bytes, int], tuple[int, Acks]]
    deliveries: Callable[[bytes, int, int, Sequence[Content], int, int], tuple[bytes, int]]


TWINS = {
    "Python": Twin(scan.judge_in_python, scan.cut_run_in_python, scan.cut_acks_in_python, scan.deliveries_in_python)
}

try:
    from amqpy.wire import _scan
except ImportError:
    pass
else:
    TWINS["C"] = Twin(_scan.judge, _scan.cut_run, _scan.cut_acks, _scan.deliveries)

JUDGES: dict[str, Judge] = {name: twin.judge for name, twin in TWINS.items()}
