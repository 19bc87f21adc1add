"""Large work, done bit by bit, so that other clients do not wait for it.

Work that grows with a client's numbers, such as acknowledging 100,000 deliveries, is a *job*: an iterator that does
some of it each time it is advanced, and yields how much. Up to a bound it is done at once, so small work is not
affected. The rest waits here, in one line of jobs per client, and goes on in turns of its own: `Broker.work`.

The client that began it waits for it. As long as it has a line of jobs, its input is not processed; so to that client
everything is as if it had been done at once. Others may see it half done, but never in a wrong state.

The bounds are counted, not timed: the same input leads to the same turns.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Generator, Iterable, Iterator
from heapq import merge
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

if TYPE_CHECKING:
    from amqpy.core.ports import Client

T = TypeVar("T")
Steps: TypeAlias = Iterator[int]
"""A job: does some of its work and yields the units it took. Between two steps anything may happen."""

UNITS_AT_ONCE: Final = 1000
"""The units of work in one turn: a unit is the cost of moving a message, a microsecond or two."""

LOT: Final = 250
"""Messages, bindings, queues … that a job handles in one step."""


class Jobs:
    """The jobs of a broker; true while there is one."""

    __slots__ = ("client", "lines", "spent", "units_at_once")

    def __init__(self) -> None:
        self.lines: OrderedDict[Client | None, deque[Steps]] = OrderedDict()
        """Each client's jobs, in order; None is the broker itself. The client at the front is the next."""
        self.client: Client | None = None
        """The client whose input or work the current turn handles."""
        self.spent = 0
        """Units of work done in this turn."""
        self.units_at_once = UNITS_AT_ONCE

    def __bool__(self) -> bool:
        return bool(self.lines)

    def begin_turn(self) -> None:
        self.spent = 0

    def spend(self, units: int) -> None:
        """Counts small work that was done on the spot. A client with too much of it in a turn must wait, too."""
        self.spent += units
        if self.spent >= self.units_at_once and self.client is not None and self.client not in self.lines:
            self.begin(self._pause())

    def _pause(self) -> Steps:
        """Takes up a turn of its own, so that waiting clients are not all served in the same one."""
        self.spent += self.units_at_once
        yield from ()

    def begin(self, steps: Steps) -> None:
        """Adds a job of the current client, to be done after this turn."""
        line = self.lines.get(self.client)
        if line is not None:
            line.append(steps)
            return
        self.lines[self.client] = deque((steps,))
        if self.client is not None:
            self.client.wait_for_work()

    def do(self, steps: Steps) -> None:
        """Starts a job, and finishes it now if it is small enough and the client has no earlier job. Jobs that it
        begins itself come after it. Raises what the job raises, if it does so now."""
        client = self.client
        if client in self.lines:
            self.lines[client].append(steps)
            return
        line = self.lines[client] = deque((steps,))
        try:
            self._go_on(line)
        finally:
            if not line:
                del self.lines[client]
            elif client is not None:
                client.wait_for_work()

    def do_for(self, client: "Client", steps: Steps, then: Callable[[], object]) -> None:
        """`do` for a client, whichever client's turn it is; then calls `then`, even if the job fails."""
        before, self.client = self.client, client
        try:
            self.do(steps)
        finally:
            self.then(then)
            self.client = before

    @property
    def is_at_work(self) -> bool:
        """True if the current client has a job that is not done."""
        return self.client in self.lines

    def then(self, act: Callable[[], object]) -> None:
        """Calls `act` once the current client's jobs are done."""
        if self.is_at_work:
            self.lines[self.client].append(_once(act))
        else:
            act()

    def work(self) -> None:
        """Does one turn of work: the jobs of the next client, and of others if units are left. Raises what a job
        raises, which is over then; `client` is the one that it belonged to."""
        self.spent = 0
        while self.lines and self.spent < self.units_at_once:
            self.client, line = next(iter(self.lines.items()))
            self.lines.move_to_end(self.client)
            try:
                self._go_on(line)
            finally:
                if not line:
                    del self.lines[self.client]
                    if self.client is not None:
                        self.client.work_done()
        self.client = None

    def _go_on(self, line: deque[Steps]) -> None:
        while line and self.spent < self.units_at_once:
            steps = line[0]
            try:
                units = next(steps, None)
            except BaseException:
                line.popleft()
                raise
            if units is None:
                line.popleft()
            else:
                self.spent += units


def _once(act: Callable[[], object]) -> Steps:
    act()
    yield 1


def each(items: Iterable[T]) -> Iterator[T]:
    """Yields the items there are now. Each is released before the next, as a job must do: freeing all of them at its
    end takes long."""
    rest = deque(items)
    del items
    while rest:
        yield rest.popleft()


def sort(items: list[T], key: Callable[[T], Any]) -> Generator[int, None, Iterator[T]]:
    """Sorts like `sorted`, as a job: it sorts bit by bit, and the result is merged as it is iterated."""
    runs: list[list[T]] = []
    for start in range(0, len(items), LOT):
        run = sorted(items[start : start + LOT], key=key)
        if runs and key(runs[-1][-1]) <= key(run[0]):
            runs[-1].extend(run)
        else:
            runs.append(run)
        yield len(run)
    return iter(runs[0]) if len(runs) == 1 else merge(*runs, key=key)
