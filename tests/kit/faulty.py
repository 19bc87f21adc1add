"""Says that it listens as amqpy does, and does not end well: how, the last of its arguments says."""

import signal
import sys

how = sys.argv[-1]
signal.signal(signal.SIGTERM, lambda *_: sys.exit(9 if how == "code" else 0))
sys.stdout.write("listening on 127.0.0.1:5\n")
if how == "bug":
    sys.stdout.write("Traceback (most recent call last):\n")
sys.stdout.write("Server startup complete\n")
sys.stdout.flush()
if how not in ("end", "fail"):
    signal.pause()
sys.exit(how == "fail")
