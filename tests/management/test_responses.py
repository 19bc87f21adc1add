"""Long answers, on their way out."""

from collections.abc import AsyncGenerator

from amqpy.management.answers import Answer
from amqpy.management.responses import SENT_AT_ONCE, WHOLE_MAX, Stream, started

PIECE = b"x" * 1000


async def pieces(size: int) -> AsyncGenerator[bytes, None]:
    for _ in range(size // len(PIECE)):
        yield PIECE


async def test_a_short_answer_is_one() -> None:
    answer = await started(pieces(WHOLE_MAX // 2))
    assert isinstance(answer, Answer)
    assert len(answer.body) == WHOLE_MAX // 2 // len(PIECE) * len(PIECE)


async def test_a_long_one_goes_out_while_it_is_made() -> None:
    size = 4 * WHOLE_MAX // len(PIECE) * len(PIECE)
    answer = await started(pieces(size))
    assert isinstance(answer, Stream)
    first, *others = [piece async for piece in answer.pieces]
    assert len(first) - len(PIECE) < WHOLE_MAX <= len(first)
    assert len(others) > 10
    assert all(SENT_AT_ONCE <= len(piece) < SENT_AT_ONCE + len(PIECE) for piece in others[:-1])
    assert len(first) + sum(map(len, others)) == size
