"""Plays cells on several brokers at once, one cell at a time on each, and compares what was told."""

import multiprocessing
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from interop.bench.process import MEBIBYTE, forget_peak, peak_resident_mib, resident_mib
from interop.matrix import features
from interop.matrix.cells import FEATURES, Cell
from interop.matrix.scene import Told, play
from interop.matrix.subjects import Subject
from interop.parity.compare import difference
from interop.parity.connection import Broker

GROWTH_MIB, GROWTH_FACTOR = 96, 4
"""What amqpy's memory may grow by while somebody does not read: so much, and so many times all that was published."""


@dataclass(frozen=True)
class Outcome:
    """What the first broker and the others told of a cell, and what is wrong with it."""

    cell: Cell
    told: dict[str, Told]
    complaints: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return not self.complaints


def play_on(cell: Cell, subject: Subject, deadline_s: float) -> Told:
    """Play in this process, and look how the broker's memory grows."""
    if not subject.pid:
        return play(cell, Broker.at(subject.url), deadline_s)
    forget_peak(subject.pid)
    before = resident_mib(subject.pid)
    told = play(cell, Broker.at(subject.url), deadline_s)
    return replace(told, growth_mib=max(0.0, peak_resident_mib(subject.pid) - before))


def play_all(cells: Iterable[Cell], subjects: list[Subject], deadline_s: float) -> Iterator[Outcome]:
    """Play each cell on every broker, the first of which is right, and tell of each as soon as all are done."""
    context = multiprocessing.get_context("spawn")
    with ExitStack() as running:
        workers = [
            running.enter_context(ProcessPoolExecutor(1, mp_context=context, initializer=features.load))
            for _ in subjects
        ]
        submitted: list[tuple[Cell, list[Future[Told]]]] = [
            (
                cell,
                [
                    worker.submit(play_on, cell, subject, deadline_s)
                    for worker, subject in zip(workers, subjects, strict=True)
                ],
            )
            for cell in cells
        ]
        try:
            for cell, futures in submitted:
                told = [future.result() for future in futures]
                yield judged(cell, list(zip(subjects, told, strict=True)))
        finally:
            for worker in workers:
                worker.shutdown(wait=False, cancel_futures=True)


def judged(cell: Cell, told: list[tuple[Subject, Told]]) -> Outcome:
    """What differs from the first broker, what did not come, and memory that grew too much."""
    complaints = []
    _, reference = told[0]
    for subject, each in told:
        complaints += [f"{subject.name} {reason}" for reason in each.in_vain]
        for diff in difference(reference.lines, each.lines):
            complaints.append(f"{subject.name} differs (- {told[0][0].name}, + {subject.name}) in {diff}")
        bound = growth_max_mib(cell)
        if subject.is_amqpy and each.growth_mib > bound:
            complaints.append(f"{subject.name} grew by {each.growth_mib:.0f} MiB, {bound:.0f} are allowed")
    return Outcome(cell, {subject.name: each for subject, each in told}, complaints)


def growth_max_mib(cell: Cell) -> float:
    return GROWTH_MIB + GROWTH_FACTOR * cell.many * cell.size / MEBIBYTE


def purpose_of(cell: Cell) -> str:
    return FEATURES[cell.feature].purpose.partition("\n")[0]
