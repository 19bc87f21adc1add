"""Plays cells on several brokers at once, one cell at a time on each, and compares what was told."""

import multiprocessing
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from interop.kit.process import MEBIBYTE, forget_peak, peak_resident_mib, resident_mib
from interop.matrix import features
from interop.matrix.brokers import Player
from interop.matrix.cells import Cell
from interop.matrix.registry import play
from interop.matrix.scene import Told
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


def play_on(cell: Cell, player: Player, deadline_s: float) -> Told:
    """Play in this process, and look how the broker's memory grows."""
    if not player.pid:
        return play(cell, Broker.at(player.url), deadline_s)
    forget_peak(player.pid)
    before = resident_mib(player.pid)
    told = play(cell, Broker.at(player.url), deadline_s)
    return replace(told, growth_mib=max(0.0, peak_resident_mib(player.pid) - before))


def play_all(cells: Iterable[Cell], players: list[Player], deadline_s: float) -> Iterator[Outcome]:
    """Play each cell on every broker, the first of which is right, and tell of each as soon as all are done."""
    context = multiprocessing.get_context("spawn")
    with ExitStack() as running:
        workers = [
            running.enter_context(ProcessPoolExecutor(1, mp_context=context, initializer=features.load))
            for _ in players
        ]
        submitted: list[tuple[Cell, list[Future[Told]]]] = [
            (
                cell,
                [
                    worker.submit(play_on, cell, player, deadline_s)
                    for worker, player in zip(workers, players, strict=True)
                ],
            )
            for cell in cells
        ]
        try:
            for cell, futures in submitted:
                told = [future.result() for future in futures]
                yield judged(cell, list(zip(players, told, strict=True)))
        finally:
            for worker in workers:
                worker.shutdown(wait=False, cancel_futures=True)


def judged(cell: Cell, told: list[tuple[Player, Told]]) -> Outcome:
    """What differs from the first broker, what did not come, and memory that grew too much."""
    complaints = []
    _, reference = told[0]
    for player, each in told:
        complaints += [f"{player.name} {reason}" for reason in each.in_vain]
        for diff in difference(reference.lines, each.lines):
            complaints.append(f"{player.name} differs (- {told[0][0].name}, + {player.name}) in {diff}")
        bound = growth_max_mib(cell)
        if player.is_amqpy and each.growth_mib > bound:
            complaints.append(f"{player.name} grew by {each.growth_mib:.0f} MiB, {bound:.0f} are allowed")
    return Outcome(cell, {player.name: each for player, each in told}, complaints)


def growth_max_mib(cell: Cell) -> float:
    return GROWTH_MIB + GROWTH_FACTOR * cell.many * cell.size / MEBIBYTE
