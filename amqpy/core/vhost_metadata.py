"""The metadata of virtual hosts (`rabbit_vhost`)."""

from typing import NamedTuple


class Metadata(NamedTuple):
    """The properties of a virtual host that an administrator sets."""

    description: str = ""
    tags: tuple[str, ...] = ()
    default_queue_type: str | None = None
    """The type of queues that are declared without one, if they can be of it."""
    protected_from_deletion: bool = False
