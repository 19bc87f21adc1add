"""Tests of asyncio libraries, in a test run whose async tests are otherwise Trio's."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, ParamSpec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Arguments = ParamSpec("Arguments")

DEADLINE_S = 60


def asyncio_test(test: Callable[Arguments, Awaitable[None]]) -> Callable[Arguments, None]:
    """Turn an async test into a plain one that runs on an asyncio loop of its own, within a deadline."""

    @functools.wraps(test)
    def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        async def within_deadline() -> None:
            async with asyncio.timeout(DEADLINE_S):
                await test(*args, **kwargs)

        asyncio.run(within_deadline())

    return run
