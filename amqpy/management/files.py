"""The files of a user interface: a directory, served as it is. Whoever asks gets them, for the login is in them.

Source: `rabbit_mgmt_wm_static`, `cowboy_static`.
"""

import mimetypes
from collections.abc import Mapping, Sequence
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Final

import trio

from amqpy.management.answers import Answer, Refusal, not_found
from amqpy.management.request import Request

INDEX: Final = "index.html"
METHODS: Final = "HEAD, GET, OPTIONS"

OCTETS: Final = "application/octet-stream"

TYPES: Final = mimetypes.MimeTypes(())
"""Those that Python knows, whatever is installed."""

TYPES.add_type("application/javascript", ".js")
TYPES.add_type("image/x-icon", ".ico")

READERS_MAX: Final = 4
"""Files that are read at a time: the threads are for others, too."""


BOOTSTRAP: Final = ("js", "oidc-oauth", "bootstrap.js")
"""A script that the user interfaces of newer versions load, and that RabbitMQ makes of its settings."""
BOOTSTRAP_SCRIPT: Final = b"""import * as helper from "./helper.js";
Object.assign(window, helper);
"""
"""Without single sign-on, which the user interface takes to be off: what others expect is made known to them."""


class Files:
    """The files in a directory, and in those below it."""

    def __init__(self, directory: str) -> None:
        self._root = Path(directory).resolve()
        self._readers = trio.CapacityLimiter(READERS_MAX)

    async def find(self, request: Request) -> Answer:
        """The file that a request asks for. Raises Refusal if there is none, or a directory."""
        segments = request.segments or (INDEX,)
        if segments == BOOTSTRAP:
            return Answer(200, BOOTSTRAP_SCRIPT, content_type="text/javascript")
        return await self._in_thread(segments, request.headers)

    async def _in_thread(self, segments: Sequence[str], headers: Mapping[str, str]) -> Answer:
        return await trio.to_thread.run_sync(self.read, segments, headers, limiter=self._readers)

    def read(self, segments: Sequence[str], headers: Mapping[str, str]) -> Answer:
        path = self._path_of(segments)
        try:
            state = path.stat()
            if S_ISDIR(state.st_mode):
                raise Refusal(403)
            if not S_ISREG(state.st_mode):
                raise not_found()
            facts = {
                "etag": f'"{state.st_mtime_ns:x}-{state.st_size:x}"',
                "last-modified": formatdate(int(state.st_mtime), usegmt=True),
                "vary": "origin",
            }
            if is_known(headers, facts["etag"], int(state.st_mtime)):
                return Answer(304, headers=facts)
            return Answer(200, path.read_bytes(), facts, TYPES.guess_type(path.name)[0] or OCTETS)
        except (OSError, ValueError):  # a ValueError for a name that the system cannot have
            raise not_found() from None

    def _path_of(self, segments: Sequence[str]) -> Path:
        """Raises Refusal for a path that would lead out of the directory, or to what is hidden in it."""
        if any(segment[:1] in {"", "."} or set(segment) & set("/\\:\0") for segment in segments):
            raise not_found()
        try:
            path = self._root.joinpath(*segments).resolve()
        except (OSError, ValueError, RuntimeError):  # a loop of links
            raise not_found() from None
        if not path.is_relative_to(self._root):
            raise not_found()
        return path


def is_known(headers: Mapping[str, str], etag: str, modified_s: int) -> bool:
    """True if the client has this very file already, by its conditions (RFC 9110, section 13.2.2)."""
    if (tags := headers.get("if-none-match")) is not None:
        return tags.strip() == "*" or etag in {tag.strip().removeprefix("W/") for tag in tags.split(",")}
    since = headers.get("if-modified-since")
    if since is None:
        return False
    try:
        return modified_s <= parsedate_to_datetime(since).timestamp()
    except (ValueError, TypeError, OverflowError, OSError):
        return False
