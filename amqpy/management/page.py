"""amqpy's own page: the files that `ui/` is built into, which wheels have, and the headers that they are served with.

A checkout has them once they were built. Without them `/` says how to get them.
"""

from pathlib import Path
from typing import Final

from amqpy.management import preconditions
from amqpy.management.answers import Answer, Refusal
from amqpy.management.files import INDEX, OCTETS, Files
from amqpy.management.media_types import check_accept
from amqpy.management.request import Request

BUILT: Final = Path(__file__).with_name("ui")

ASSETS: Final = "assets"
"""The folder of the files whose names change with what is in them."""

HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
"""Names, headers and bodies of messages are hostile: nothing of them may run, or send anything elsewhere."""

FOR_EVER: Final = "public, max-age=31536000, immutable"
ASKED_AGAIN: Final = "no-cache"

UNBUILT: Final = b"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>amqpy</title></head>
<body>
<h1>amqpy is running</h1>
<p>Its web page is not built yet. In the checkout, with Node 18 or newer and npm (Debian: <code>apt-get install nodejs
npm</code>):</p>
<pre>python3 ui/build.py</pre>
<p>and reload this page. <code>scripts/serve</code> does that by itself where Node is there. Wheels have the page.</p>
<p>The API is below <code>/api/</code>: <a href="api/overview">api/overview</a>, for example, or
<a href="api/openapi.json">a description of all of it</a>.</p>
</body>
</html>
"""


class OwnPage(Files):
    """The files of the page."""

    async def find(self, request: Request) -> Answer:
        """The file that a request asks for. Raises Refusal if there is none."""
        segments = request.segments or (INDEX,)
        try:
            answer = await self._in_thread(segments, request.headers)
        except Refusal:
            if segments == (INDEX,):
                return Answer(200, UNBUILT, {**HEADERS, "cache-control": ASKED_AGAIN}, "text/html")
            check_accept(request.headers.get("accept"), OCTETS)
            if preconditions.failure(request.headers, exists=False, is_reading=True):
                raise Refusal(412) from None
            raise
        caching = FOR_EVER if segments[0] == ASSETS else ASKED_AGAIN
        return answer._replace(headers={**answer.headers, **HEADERS, "cache-control": caching})
