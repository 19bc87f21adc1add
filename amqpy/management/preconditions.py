"""The conditions that a request may have: resources have no `etag`, so that none is the one that a client knows.

Source: `cowboy_rest`: `if_match_exists`, `if_none_match_exists`, `precondition_is_head_get`.
"""

import re
from collections.abc import Mapping
from typing import Final

from amqpy.management.answers import Malformed

MATCH: Final = "if-match"
NONE_MATCH: Final = "if-none-match"

ANY: Final = "*"
TAG: Final = r'(?:W/)?"[^"\x00-\x20\x7f]*"'
TAGS: Final = re.compile(rf"[\s,]*{TAG}(?:\s*,[\s,]*{TAG})*[\s,]*")


def has_any(headers: Mapping[str, str]) -> bool:
    return MATCH in headers or NONE_MATCH in headers


def failure(headers: Mapping[str, str], *, exists: bool, is_reading: bool) -> int | None:
    """The status of a request whose conditions are not met by a resource; None if they are. Raises Malformed."""
    wanted, unwanted = headers.get(MATCH), headers.get(NONE_MATCH)
    if not exists:
        return None if wanted is None else 412
    if wanted is not None and not _is_any(wanted):
        return 412
    if unwanted is None:
        return None
    return 304 if _is_any(unwanted) and is_reading else 412


def _is_any(tags: str) -> bool:
    if tags != ANY and not TAGS.fullmatch(tags):
        raise Malformed
    return tags == ANY
