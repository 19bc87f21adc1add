"""One line per event on stderr: time, level, connection, message; or a JSON object with these.

    2026-01-31T12:00:00.250Z [info] [127.0.0.1:50412 -> 127.0.0.1:5672] connection closed

A record's connection is its `connection` attribute (`extra={"connection": name}`, or a LoggerAdapter that
adds it). Peers choose some of the text (names, reply texts, client properties), so whatever could end a line
or steer a terminal is escaped here, at the one place every line passes.
"""

import json
import logging
import sys
import time

LOGGER = "amqpy"
TRIO_ACCEPT = "trio.serve_listeners"
"""Trio's logger for a failed accept (no file descriptor is left, say): every tenth of a second until one succeeds."""


def configure(level: str, form: str = "text") -> logging.Logger:
    """The broker's logger, writing to stderr from `level` on, as `text` or `json`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else LineFormatter())
    for name in LOGGER, TRIO_ACCEPT:
        log = logging.getLogger(name)
        log.handlers[:] = [handler]
        log.propagate = False
        log.setLevel(level.upper())
    return logging.getLogger(LOGGER)


class LineFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        connection = getattr(record, "connection", "-")
        head = f"{timestamp(record)} [{record.levelname.lower()}] [{printable(str(connection))}]"
        line = f"{head} {printable(record.getMessage())}"
        if not record.exc_info or record.name == TRIO_ACCEPT:  # whose message says all there is to know
            return line
        # A traceback keeps its lines, indented: only a line that begins with a time begins an event.
        trace = self.formatException(record.exc_info).splitlines()
        return "\n    ".join([line, *map(printable, trace)])


class JsonFormatter(logging.Formatter):
    """One object a line, with RabbitMQ's names where it has one: `time`, `level`, `msg`."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": timestamp(record),
            "level": record.levelname.lower(),
            "connection": str(getattr(record, "connection", "-")),
            "msg": record.getMessage(),
        }
        if record.exc_info and record.name != TRIO_ACCEPT:
            fields["traceback"] = self.formatException(record.exc_info)
        return json.dumps(fields)  # which escapes all that is not ASCII


def timestamp(record: logging.LogRecord) -> str:
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{seconds}.{int(record.msecs):03d}Z"


def printable(text: str) -> str:
    """`text` with everything but visible characters and plain spaces escaped."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
