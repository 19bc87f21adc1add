"""Says that it listens as amqpy does, and does not end well: how, the last of its arguments says."""

import signal
import sys

how = sys.argv[-1]
# Blocked, to be waited for: a signal that comes just before `signal.pause` would be waited for in vain.
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
sys.stdout.write("listening on 127.0.0.1:5\n")
if how == "bug":
    sys.stdout.write("Traceback (most recent call last):\n")
if how == "denied":
    sys.stdout.write("closing connection in state open: INTERNAL_ERROR - Feature `global_qos` is deprecated.\n")
sys.stdout.write("Server startup complete\n")
sys.stdout.flush()
if how not in ("end", "fail"):
    signal.sigwait({signal.SIGTERM})
sys.exit({"code": 9, "fail": 1}.get(how, 0))
