"""For programs in Python: checks that are told as TAP, and the commands of the proxy.

@check("confirms")
def confirms():
    assert ...

main()
"""

import asyncio
import inspect
import os
import socket
import sys
import traceback

URL = os.environ.get("AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/%2F")
PREFIX = os.environ.get("INTEROP_PREFIX", "interop")

AMQPS_URL = os.environ.get("AMQPS_URL")
AUTHORITY = os.environ.get("INTEROP_AUTHORITY")
CERTIFICATE = os.environ.get("INTEROP_CERTIFICATE")
TLS_SIZES = (0, 1, 16_384, 100_000, 1_000_000)
"""Of the bodies that programs send in TLS: a record has 16,384 octets at most."""

_checks = []


class Skip(Exception):
    """This can't be checked here; the text says why."""


def check(name):
    """Make a function, or a coroutine function, one of the program's checks."""

    def register(function):
        _checks.append((name, function))
        return function

    return register


def name_of(what):
    """A name for a queue or an exchange that no other program uses."""
    return f"{PREFIX}.{what}"


def cut():
    """Reset all connections of this program to the broker."""
    _command(b"cut")


def force_close():
    """Have all connections of this program closed with 320 CONNECTION_FORCED, as by an operator."""
    _command(b"close")


def main():
    """Perform the checks in the order of their definition (or only those named on the command line), and exit."""
    chosen = [(name, function) for name, function in _checks if not sys.argv[1:] or name in sys.argv[1:]]
    failures = sum(not _passes(name, function) for name, function in chosen)
    print(f"1..{len(chosen)}", flush=True)
    os._exit(1 if failures else 0)  # threads of a failed check must not keep the program


def _passes(name, function):
    try:
        asyncio.run(function()) if inspect.iscoroutinefunction(function) else function()
    except Skip as reason:
        print(f"ok - {name} # SKIP {reason}", flush=True)
    except BaseException:
        print(f"not ok - {name}")
        print("".join(f"# {line}\n" for line in traceback.format_exc().splitlines()), end="", flush=True)
        return False
    else:
        print(f"ok - {name}", flush=True)
    return True


def _command(word):
    with socket.create_connection(("127.0.0.1", int(os.environ["INTEROP_CONTROL"])), timeout=10) as control:
        control.sendall(word + b"\n")
        assert control.recv(16) == b"done\n"
