"""Taking messages out of a FIFO in memory, from wherever they stand."""

from itertools import product

from amqpy.core.queues.priority_fifo import PriorityFifo
from amqpy.core.queues.ready_fifo import ReadyFifo

COUNT = 6


def test_any_of_them() -> None:
    for popped, picks in product((0, 2, 3), range(1 << COUNT)):
        fifo: ReadyFifo[str] = ReadyFifo()
        fifo.extend([str(number) for number in range(COUNT)])
        held = [fifo.pop() for _ in range(popped)]
        for position, item, _ in held[::2]:
            fifo.put_back(position, item)
        ready = list(fifo.ahead(COUNT))
        some = [entry[:2] for at, entry in enumerate(ready) if picks >> at & 1]
        behind = [entry for entry in ready if some and entry[0] > some[-1][0]]
        end = fifo.end
        fifo.take_out(some)
        left = [entry for entry in ready if entry[:2] not in some]
        assert [entry[1:] for entry in fifo.ahead(COUNT)] == [entry[1:] for entry in left]
        assert list(fifo.ahead(COUNT, some[-1][0] if some else None)) == (behind if some else left)
        assert (fifo.end, len(fifo)) == (end, len(left))
        for position, item, _ in held[1::2]:
            fifo.put_back(position, item)
        assert all(position < fifo.front for position, _, _ in held)
        fifo.append("new")
        waiting = sorted([*(item for _, item, _ in left), *(item for _, item, _ in held[1::2])])
        assert [fifo.pop()[1] for _ in range(len(fifo))] == [*waiting, "new"]


def test_by_levels() -> None:
    items = ["0a", "2a", "1a", "2b", "0b", "1b", "2c"]
    for picks in range(1 << len(items)):
        fifo: PriorityFifo[str] = PriorityFifo(lambda item: int(item[0]), len, ReadyFifo())
        fifo.extend(items)
        assert fifo.ends() == {0: 2, 1: 2, 2: 3}
        ready = list(fifo.ahead(9))
        some = [entry[:2] for at, entry in enumerate(ready) if picks >> at & 1]
        fifo.take_out(some)
        left = [entry[1] for entry in ready if entry[:2] not in some]
        assert [entry[1] for entry in fifo.ahead(9)] == left
        assert (len(fifo), fifo.size) == (len(left), 2 * len(left))
        assert fifo.first() == (left[0] if left else None)
        assert [fifo.pop()[1] for _ in left] == left
