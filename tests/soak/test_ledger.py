"""The account of messages, with invented stories: it sees what a broker may do wrong, and nothing in what it may do."""

from functools import partial

import pytest

from interop.soak.ledger import CONFIRMED, REFUSED, WITHDRAWN, Findings, Ledger, Stream


class Story:
    """One stream to one queue."""

    def __init__(self, *, levels: int = 1, is_direct: bool = True, marks_new: bool = True) -> None:
        self.findings = Findings()
        self.ledger = Ledger(self.findings, marks_new=marks_new)
        self.stream = self.ledger.open("s", ["q"], levels=levels, is_direct=is_direct)
        self.bodies: list[bytes] = []

    def send(self, count: int, answer: int | None = CONFIRMED, size: int = 0) -> None:
        for _ in range(count):
            number, body = self.ledger.send(self.stream, size)
            self.bodies.append(body)
            if answer is not None:
                self.ledger.answer(self.stream, [number], answer)

    def come(self, *numbers: int, redelivered: bool = False, is_kept: bool = True) -> None:
        for number in numbers:
            body = self.bodies[number]
            self.ledger.receive("q", body, redelivered=redelivered, is_ordered=True, is_kept=is_kept)

    def end(self) -> dict[str, int]:
        self.ledger.note_lost()
        return dict(self.findings.counts)


@pytest.fixture
def story() -> Story:
    return Story()


def test_all_is_well(story: Story) -> None:
    story.send(3)
    story.come(0, 1, 2)
    assert story.end() == {}


def test_a_confirmed_message_that_does_not_come_is_lost(story: Story) -> None:
    story.send(5)
    story.come(0, 2)
    assert story.end() == {"lost": 3}
    assert story.findings.first[0].text == "q: 3 confirmed messages of s: 1, 3, 4"


@pytest.mark.parametrize("answer", [None, REFUSED])
def test_what_was_not_confirmed_may_come_or_not(story: Story, answer: int | None) -> None:
    story.send(2, answer)
    story.come(0)
    assert story.end() == {}


def test_each_queue_gets_its_copy(story: Story) -> None:
    stream = story.ledger.open("two", ["q", "r"])
    number, body = story.ledger.send(stream)
    story.ledger.answer(stream, [number], CONFIRMED)
    story.ledger.receive("q", body, redelivered=False)
    assert story.ledger.pending() == 1
    assert story.end() == {"lost": 1}
    assert story.findings.first[0].text == "r: 1 confirmed messages of two: 0"


def test_what_was_rolled_back_must_not_come(story: Story) -> None:
    story.send(1, WITHDRAWN)
    assert story.end() == {}
    story.come(0)
    assert story.end() == {"phantom": 1}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"s",
        b"s 0",
        b"s 7 0 ",
        b"t 0 0 ",
        b"s -1 0 ",
        b"s x 0 ",
        b"s 0 0 !",
        b"s 0 10 \x00",
        b"\xff\xfe 0 0 ",
        b"s 00 0 ",
    ],
)
def test_what_nobody_sent_is_a_phantom(story: Story, body: bytes) -> None:
    story.send(1)
    story.ledger.receive("q", body, redelivered=True)
    assert story.findings.counts == {"phantom": 1}


def test_a_message_in_the_wrong_queue_is_a_phantom(story: Story) -> None:
    story.send(1)
    story.ledger.receive("r", story.bodies[0], redelivered=False)
    assert story.end() == {"phantom": 1, "lost": 1}


def test_every_octet_counts(story: Story) -> None:
    story.send(3, size=5000)
    body = story.bodies[2]
    assert len({*story.bodies}) == 3
    for wrong in (body[:-1], body + b"!", body[:3000] + b"!" + body[3001:]):
        story.ledger.receive("q", wrong, redelivered=True)
    assert story.findings.counts == {"phantom": 3}


def test_a_message_comes_again_as_redelivered_only(story: Story) -> None:
    story.send(2)
    story.come(0, 1)
    story.come(0, 1, redelivered=True)
    assert story.findings.counts == {}
    story.come(1)
    assert story.end() == {"doubled": 1}


def test_who_is_slow_may_see_it_as_new_after_the_redelivery(story: Story) -> None:
    story.send(1)
    story.come(0, redelivered=True)
    story.come(0)
    assert story.findings.counts == {}
    story.come(0)
    assert story.end() == {"doubled": 1}


def test_what_is_given_back_must_come_again(story: Story) -> None:
    story.send(3)
    story.come(0, 1, 2, is_kept=False)
    story.come(1, redelivered=True)
    story.come(1, redelivered=True, is_kept=False)
    assert story.ledger.pending() == 2
    story.come(2)
    assert story.end() == {"doubled": 1, "lost": 1}


@pytest.mark.parametrize("told", [{"is_direct": False}, {"marks_new": False}])
def test_some_come_again_as_new(told: dict[str, bool]) -> None:
    story = Story(**told)
    story.send(1)
    story.come(0, 0)
    assert story.end() == {}


def test_new_messages_come_in_order(story: Story) -> None:
    story.send(4)
    story.come(0, 2)
    story.come(1, redelivered=True)
    assert story.findings.counts == {}
    story.come(1, 3)
    assert story.end() == {"order": 1}


def test_order_is_by_priority() -> None:
    story = Story(levels=2)
    story.send(6)
    story.come(1, 3, 0, 5, 2)
    assert story.findings.counts == {}
    story.come(4)
    assert story.end() == {}
    late = Story(levels=2)
    late.send(6)
    late.come(3, 1)
    assert late.findings.counts == {"order": 1}


def test_order_begins_anew_when_it_was_forgotten() -> None:
    story = Story(marks_new=False)
    story.send(3)
    story.come(1)
    story.ledger.forget_order()
    story.come(0, 2)
    assert story.end() == {}


@pytest.mark.parametrize("is_early", [False, True], ids=["confirm first", "delivery first"])
def test_pending_is_what_was_confirmed_and_has_not_come(story: Story, is_early: bool) -> None:
    story.send(1, None)
    acts = [partial(story.ledger.answer, story.stream, [0], CONFIRMED), partial(story.come, 0)]
    for act in reversed(acts) if is_early else acts:
        act()
    story.come(0, redelivered=True)
    assert story.ledger.pending() == story.stream.pending == 0
    story.send(2)
    assert story.ledger.pending() == 2


def test_a_stream_without_a_confirm_is_idle(story: Story) -> None:
    story.send(1, REFUSED)
    assert story.ledger.idle() == ["s"]
    story.send(1)
    assert story.ledger.idle() == []


def test_only_the_first_findings_are_kept() -> None:
    findings = Findings()
    for number in range(1000):
        findings.note("kind", str(number))
    assert findings.counts == {"kind": 1000}
    assert [each.text for each in findings.first] == [str(number) for number in range(100)]


def test_a_body_is_as_large_as_asked() -> None:
    head = len(Stream("s", ["q"]).body(3, 0))
    assert len(Stream("s", ["q"]).body(3, 100_000)) == head + len("100000") - 1 + 100_000
