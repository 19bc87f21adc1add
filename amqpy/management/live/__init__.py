"""Live pages: one stream of server-sent events (WHATWG, HTML, section 9.2) for all that a page shows.

A `LiveStream` sends the parts of a page (`answers`, `events`, `taps`) as fast as its client reads and no faster. Behind
it is a `Viewer`, shared by all streams with the same credentials, that logs in again and again, makes answers once for
all of them, and judges anew what may be seen. A `Budget` keeps all of that to a small part of the processor.
"""
