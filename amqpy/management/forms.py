"""Forms with files in them (`multipart/form-data`, RFC 7578), as browsers send them.

Source: `cow_multipart`.
"""

import re
from typing import Final

from amqpy.management.answers import Malformed
from amqpy.management.request import Request

FORM: Final = "multipart/form-data"

_BOUNDARY: Final = re.compile(r'(?:^|;)\s*boundary=(?:"([^"]+)"|([^\s;]+))', re.IGNORECASE)
_NAME: Final = re.compile(rb'^content-disposition:.*?;\s*name=(?:"([^"]*)"|([^\s;]+))', re.IGNORECASE | re.MULTILINE)


def form_of(request: Request) -> dict[str, bytes] | None:
    """The parts of a form by their names; None if the body is none. Raises Refusal."""
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    if kind.strip().lower() != FORM:
        return None
    found = _BOUNDARY.search(parameters)
    if found is None:
        raise Malformed
    boundary = b"\r\n--" + (found[1] or found[2]).encode("latin-1")
    _, *parts = (b"\r\n" + request.body).split(boundary)
    form: dict[str, bytes] = {}
    for part in parts:
        if part.startswith(b"--"):
            return form
        head, _, content = part.partition(b"\r\n\r\n")
        if (name := _NAME.search(head)) is not None:
            form.setdefault((name[1] if name[1] is not None else name[2]).decode("utf-8", "replace"), content)
    raise Malformed
