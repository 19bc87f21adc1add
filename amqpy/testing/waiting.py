"""Waiting in threads, in asyncio and in Trio."""

from typing import TYPE_CHECKING, TypeVar

import sniffio
import trio

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")


def is_in_event_loop() -> bool:
    """True if the caller's thread runs an event loop, which nothing could happen in while it waits."""
    try:
        sniffio.current_async_library()
    except sniffio.AsyncLibraryNotFoundError:
        return False
    return True


async def result_of(future: "Future[T]") -> T:
    """The result, awaited in whichever event loop this is."""
    if sniffio.current_async_library() == "trio":
        return await trio.to_thread.run_sync(future.result, abandon_on_cancel=True)
    import asyncio  # which is there already, where it is needed

    return await asyncio.wrap_future(future)
