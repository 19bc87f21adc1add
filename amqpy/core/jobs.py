"""Large work, done bit by bit, so that nobody else waits for it.

What grows with a client's numbers, the answer to 100,000 deliveries for example, is a *job*: an iterator that does some
of it each time it is asked, and says how much. What a turn may do at once is done at once, so small work never knows
of this. The rest waits here, one line of jobs for each client, and goes on in turns of its own: `Broker.work`.

Who began it waits for it. As long as there is a line for a client, nothing more is heard of it; so to that client
all is as if it had been done at once. Others may see it half done, but never anything wrong.

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
"""A job: does some of its work and yields how many units that were. Between two of them anything may happen."""

UNITS_AT_ONCE: Final = 1000
"""What a turn does: a unit is what it costs to move a message, a microsecond or two."""

LOT: Final = 250
"""Messages, bindings, queues … that a job takes in one go."""


class Jobs:
    """The jobs of a broker; true while there is one."""

    __slots__ = ("client", "lines", "spent", "units_at_once")

    def __init__(self) -> None:
        self.lines: OrderedDict[Client | None, deque[Steps]] = OrderedDict()
        """Each client's jobs, in order; None stands for the broker itself. The client at the front is the next."""
        self.client: Client | None = None
        """On whose behalf the current turn is."""
        self.spent = 0
        """Units that this turn has done."""
        self.units_at_once = UNITS_AT_ONCE

    def __bool__(self) -> bool:
        return bool(self.lines)

    def begin_turn(self) -> None:
        self.spent = 0

    def spend(self, units: int) -> None:
        """Some small work was done on the spot. Who has so much of it that it is much must wait, too."""
        self.spent += units
        if self.spent >= self.units_at_once and self.client is not None and self.client not in self.lines:
            self.begin(self._pause())

    def _pause(self) -> Steps:
        """A turn of its own, so that those who wait for one are not heard all in the same."""
        self.spent += self.units_at_once
        yield from ()

    def begin(self, steps: Steps) -> None:
        """A job of the current client's, to be done after this turn."""
        line = self.lines.get(self.client)
        if line is not None:
            line.append(steps)
            return
        self.lines[self.client] = deque((steps,))
        if self.client is not None:
            self.client.wait_for_work()

    def do(self, steps: Steps) -> None:
        """A job, begun now, and done now if it is small enough and nothing of the client's is before it. Jobs that it
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
        """The same on behalf of a client, whoever's turn it is; and then something, even if the job fails."""
        before, self.client = self.client, client
        try:
            self.do(steps)
        finally:
            self.then(then)
            self.client = before

    @property
    def is_at_work(self) -> bool:
        """Whether anything is not done that the current client began."""
        return self.client in self.lines

    def then(self, act: Callable[[], object]) -> None:
        """Does something once all that is done."""
        if self.is_at_work:
            self.lines[self.client].append(_once(act))
        else:
            act()

    def work(self) -> None:
        """A turn's worth, for whose turn it is, and the next ones if there is time. Raises what a job raises, which is
        over then; `client` is whose it was."""
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
    """The items there are now, one by one. Each is let go of before the next, as a job must do: to free all of them at
    its end takes long."""
    rest = deque(items)
    del items
    while rest:
        yield rest.popleft()


def sort(items: list[T], key: Callable[[T], Any]) -> Generator[int, None, Iterator[T]]:
    """The items in order, as `sorted` has them. They are sorted bit by bit and merged as they are asked for."""
    runs: list[list[T]] = []
    for start in range(0, len(items), LOT):
        run = sorted(items[start : start + LOT], key=key)
        if runs and key(runs[-1][-1]) <= key(run[0]):
            runs[-1].extend(run)
        else:
            runs.append(run)
        yield len(run)
    return iter(runs[0]) if len(runs) == 1 else merge(*runs, key=key)
