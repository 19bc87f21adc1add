"""Facts that only Erlang has. Here they are constants: clients want the keys, and numbers in them."""

from typing import Any, Final

VERSION: Final = "25.2.3"
"""The release of Erlang/OTP that RabbitMQ runs on."""

NET_TICKTIME_S: Final = 60

PROCESSES_MAX: Final = 1_048_576

GARBAGE_COLLECTION: Final = {
    "fullsweep_after": 65_535,
    "max_heap_size": 0,
    "min_bin_vheap_size": 46_422,
    "min_heap_size": 233,
    "minor_gcs": 0,
}
"""Of a process, which is a connection, a channel or a queue."""

OF_PROCESS: Final[dict[str, Any]] = {"garbage_collection": GARBAGE_COLLECTION, "reductions": 0}


def sockets_max(fd_total: int) -> int:
    """The sockets that RabbitMQ opens where there are so many file descriptors. Source: `file_handle_cache`."""
    return max(2, (fd_total - 100) * 9 // 10)
