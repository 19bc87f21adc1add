"""The form of a log line, whatever a peer put into it."""

import json
import logging
import sys
from collections.abc import Mapping

import pytest

from amqpy.log import TRIO_ACCEPT, JsonFormatter, LineFormatter, printable


def line(message: str, *arguments: object, extra: Mapping[str, object] | None = None) -> str:
    record = logging.getLogger("amqpy").makeRecord(
        "amqpy", logging.WARNING, "file", 1, message, arguments, None, extra=extra
    )
    record.created, record.msecs = 1_700_000_000.25, 250.0
    return LineFormatter().format(record)


def test_a_line_has_time_level_connection_and_message() -> None:
    assert line("queue %s is gone", "q", extra={"connection": "1.2.3.4:5 -> 127.0.0.1:5672"}) == (
        "2023-11-14T22:13:20.250Z [warning] [1.2.3.4:5 -> 127.0.0.1:5672] queue q is gone"
    )


def test_a_line_without_a_connection_says_so() -> None:
    assert line("started") == "2023-11-14T22:13:20.250Z [warning] [-] started"


def test_peers_cannot_end_a_line_or_steer_the_terminal() -> None:
    hostile = "a\r\nb\x1b[2J\x00\x7f\x85\u2028\u202e\ud800"
    escaped = r"a\r\nb\x1b[2J\x00\x7f\x85\u2028\u202e\ud800"
    assert line("%s", hostile, extra={"connection": hostile}).endswith(f"[{escaped}] {escaped}")


@pytest.mark.parametrize("text", ["plain text", "grün", "日本", "a 'quoted' \\ text"])
def test_visible_text_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


def test_a_traceback_is_indented_and_escaped() -> None:
    try:
        raise ValueError("first\nsecond\x1b")
    except ValueError:
        record = logging.LogRecord("amqpy", logging.ERROR, "file", 1, "a bug", None, sys.exc_info())
    first, *rest = LineFormatter().format(record).split("\n")
    assert first.endswith("[error] [-] a bug")
    assert rest[0] == "    Traceback (most recent call last):"
    assert all(each.startswith("    ") for each in rest)
    assert rest[-1] == r"    second\x1b"


def test_a_failed_accept_is_one_line() -> None:
    try:
        raise OSError("too many open files")
    except OSError:
        record = logging.LogRecord(TRIO_ACCEPT, logging.ERROR, "file", 1, "retrying", None, sys.exc_info())
    assert LineFormatter().format(record).endswith("[error] [-] retrying")


def test_json_has_the_same_on_one_line() -> None:
    try:
        raise ValueError("bad\nluck")
    except ValueError:
        record = logging.LogRecord("amqpy", logging.ERROR, "file", 1, "a %s\n\x1b", ("bug",), sys.exc_info())
    record.connection = "ä -> b"
    line = JsonFormatter().format(record)
    assert line.isascii()
    assert "\n" not in line
    found = json.loads(line)
    assert (found["level"], found["connection"], found["msg"]) == ("error", "ä -> b", "a bug\n\x1b")
    assert found["time"].endswith("Z")
    assert found["traceback"].endswith("ValueError: bad\nluck")
    record.exc_info = None
    assert "traceback" not in json.loads(JsonFormatter().format(record))
