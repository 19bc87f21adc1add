"""Does the crash test see what streams must not do?"""

from dataclasses import dataclass, field
from typing import Any, cast

from interop.crash.history import History
from interop.crash.streams import Stream
from interop.crash.topology import topology
from interop.kit.client import Client


@dataclass(eq=False)
class Shown(Stream):
    """A stream in which a reader finds this."""

    content: dict[int, str] = field(default_factory=dict)

    def _read_all(self, client: Client) -> dict[int, str]:
        return self.content

    def look(self) -> list[str]:
        self.verify(cast("Any", None))
        return [finding.text for finding in self.history.findings]


def shown(*, has_limit: bool = False) -> Shown:
    """A stream of four confirmed messages, of which the second was read, and all are there."""
    stream = Shown("s", History(topology(delayed=False)), has_limit=has_limit)
    for _ in range(4):
        name = stream.publishes("p")
        stream.confirmed(name)
        stream.content[len(stream.content)] = name
    stream.delivered(1, "p/00000001")
    return stream


def test_what_is_there_is_right() -> None:
    stream = shown()
    stream.content[4] = stream.publishes("q")
    stream.publishes("q")
    assert stream.look() == []


def test_a_confirmed_message_is_lost() -> None:
    stream = shown()
    del stream.content[3]
    assert stream.look() == ["s: p/00000003 is lost"]


def test_a_message_is_there_twice() -> None:
    stream = shown()
    stream.content[4] = "p/00000003"
    assert stream.look() == ["s: 1 messages are there twice"]


def test_an_offset_is_left_out() -> None:
    stream = shown()
    stream.content[5] = stream.publishes("q")
    assert stream.look() == ["s: offsets have gaps"]


def test_what_was_read_is_another_message_now() -> None:
    stream = shown()
    stream.content[1], stream.content[2] = stream.content[2], stream.content[1]
    assert stream.look() == [
        "s: p/00000001 was read at offset 1, and is gone",
        "s: the messages of p are not in their order",
    ]
    stream.delivered(1, "p/00000002")
    assert stream.history.findings[-1].text == "s: p/00000002 at offset 1, where p/00000001 was"


def test_somebody_elses_message() -> None:
    stream = shown()
    stream.delivered(4, "x/00000009")
    assert stream.history.findings[-1].text == "s: x/00000009 was never sent"


def test_only_a_limit_takes_the_first_ones() -> None:
    for has_limit, expected in ((True, []), (False, ["s: begins with offset 2", "s: p/00000000 is lost"])):
        stream = shown(has_limit=has_limit)
        del stream.content[0], stream.content[1]
        assert [text for text in stream.look() if "00000001" not in text] == expected


def test_a_limit_takes_none_out_of_the_middle() -> None:
    stream = shown(has_limit=True)
    del stream.content[0]
    stream.content = {1: "p/00000001", 2: "p/00000003"}
    assert stream.look() == ["s: p/00000002 is lost"]
