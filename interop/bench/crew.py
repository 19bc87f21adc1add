"""Processes that make the load: each prepares its connections, says so, and starts at one signal for all.

They are started afresh (`spawn`), so they share nothing with the process that measures, and their garbage collector
is off, so that a pause seen is the broker's.
"""

import gc
import multiprocessing
import multiprocessing.connection
import time
import traceback
from typing import TYPE_CHECKING, Any, Protocol

from interop.bench.peer import TIMEOUT_S

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

CONTEXT = multiprocessing.get_context("spawn")
Pipe = multiprocessing.connection.Connection


class LoadFailed(RuntimeError):
    """A process of the crew failed; the text is its traceback."""


class Job(Protocol):
    """Work for one process. It travels there pickled, so it holds only plain values."""

    def prepare(self) -> None: ...

    def run(self) -> Any: ...  # noqa: ANN401  # each job has its own result


def work(job: Job, pipe: Pipe) -> None:
    gc.disable()
    try:
        job.prepare()
        pipe.send(("ready", None))
        pipe.recv()
        pipe.send(("done", job.run()))
    except Exception:
        pipe.send(("failed", traceback.format_exc()))


class Crew:
    """Some jobs at the same time. Use as a context: nobody is left behind."""

    def __init__(self, *jobs: Job) -> None:
        self.members: list[tuple[SpawnProcess, Pipe]] = []
        for job in jobs:
            ours, theirs = CONTEXT.Pipe()
            process = CONTEXT.Process(target=work, args=(job, theirs), daemon=True)
            process.start()
            theirs.close()
            self.members.append((process, ours))

    def __enter__(self) -> "Crew":
        for _, pipe in self.members:
            self.receive(pipe, time.monotonic() + TIMEOUT_S)
        return self

    def __exit__(self, *_: object) -> None:
        for process, pipe in self.members:
            pipe.close()
            process.terminate()
            process.join()

    @staticmethod
    def receive(pipe: Pipe, deadline: float) -> Any:  # noqa: ANN401
        if not pipe.poll(max(0.0, deadline - time.monotonic())):
            raise LoadFailed("a load process does not answer")
        try:
            kind, value = pipe.recv()
        except EOFError:
            raise LoadFailed("a load process ended without a word") from None
        if kind == "failed":
            raise LoadFailed(value)
        return value

    def go(self) -> None:
        for _, pipe in self.members:
            pipe.send("go")

    def results(self, timeout: float = 600.0) -> list[Any]:
        """What the jobs returned, in their order."""
        deadline = time.monotonic() + timeout
        waiting = {pipe: index for index, (_, pipe) in enumerate(self.members)}
        values: list[Any] = [None] * len(self.members)
        while waiting:
            ready = multiprocessing.connection.wait(list(waiting), max(0.0, deadline - time.monotonic()))
            if not ready:
                raise LoadFailed(f"{len(waiting)} load processes do not end")
            for pipe in ready:
                assert isinstance(pipe, Pipe)
                values[waiting.pop(pipe)] = self.receive(pipe, deadline)
        return values


def run_together(*jobs: Job) -> list[Any]:
    with Crew(*jobs) as crew:
        crew.go()
        return crew.results()
