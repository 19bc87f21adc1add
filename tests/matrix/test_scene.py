"""What peers see of a fake broker, when they read and when they do not, and what a scene tells of it."""

import contextlib
from collections.abc import Iterator

import pytest

from interop.matrix.bodies import body
from interop.matrix.cells import ALTERNATING, AT_ONCE, LATE, NEVER, Cell
from interop.matrix.peer import message_properties, quietly_close
from interop.matrix.scene import Broken, Scene
from tests.parity.fake_broker import Answer, fake_broker, message, method

SIZE = 1000


def delivery(number: int, content: bytes, **fields: object) -> list[bytes]:
    properties = message_properties(number, SIZE)
    return message("basic.deliver", content, properties, consumer_tag="c", delivery_tag=number, **fields)


def consumed(*deliveries: list[bytes]) -> dict[str, Answer]:
    """The answers of a broker that has these messages for a consumer."""
    answer = [method("basic.consume-ok", consumer_tag="c"), *(frame for each in deliveries for frame in each)]
    return {"basic_consume": lambda _: answer}


def right(number: int) -> bytes:
    return bytes(body(number, SIZE))


@contextlib.contextmanager
def scene_with(reader: str = AT_ONCE, deadline_s: float = 20.0, /, **answers: Answer) -> Iterator[Scene]:
    """A scene on a fake broker with these answers. Its peers hang up in any case: the broker waits for that."""
    with fake_broker(**answers) as broker:
        scene = Scene(broker, Cell("none", "1K", reader), deadline_s)
        try:
            yield scene
            scene.leave()
        finally:
            quietly_close([*scene.peers, scene.observer])


def test_a_story_names_what_came_in_order_and_what_is_wrong_with_it() -> None:
    deliveries = [
        delivery(1, right(1)),
        delivery(2, right(2)),
        delivery(3, right(4)),
        delivery(5, right(5), redelivered=True),
        delivery(6, right(6)[:-1]),
    ]
    with scene_with(**consumed(*deliveries)) as scene:
        peer = scene.reader("consumer")
        scene.consume(peer, "queue")
        scene.gather(peer, 5)
        assert peer.story() == ["basic.deliver c: 1-2 3! r5 6!"]
        assert scene.in_vain == []


@pytest.mark.parametrize("reader", [LATE, ALTERNATING, NEVER])
def test_who_does_not_read_hears_nothing_before_it_is_released(reader: str) -> None:
    with scene_with(reader, **consumed(delivery(1, right(1)))) as scene:
        peer = scene.reader("consumer")
        scene.begin()
        peer.send("basic.consume", queue="queue")
        scene.until(lambda: peer.has_written, "the consumer")
        scene.settle()
        assert peer.heard == []
        peer.read_on()
        scene.gather(peer, 1)
        assert peer.given() == ["1"]


def test_who_reads_at_once_has_heard_when_others_wait() -> None:
    with scene_with(**consumed(delivery(1, right(1)))) as scene:
        peer = scene.reader("consumer")
        scene.begin()
        peer.send("basic.consume", queue="queue")
        scene.settle()
        assert peer.given() == ["1"]


@pytest.mark.parametrize(("reader", "sips"), [(AT_ONCE, 0), (LATE, 0), (ALTERNATING, 3), (NEVER, 0)])
def test_only_an_alternating_reader_reads_between_two_messages(reader: str, sips: int) -> None:
    with scene_with(reader) as scene:
        peer = scene.reader("publisher")
        taken = []
        scene.begin()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(peer, "sip", lambda *_: taken.append(peer.has_written))
            scene.send_each(peer, lambda number: peer.publish(number, SIZE, "key"), 3)
        assert taken == [True] * sips


def test_confirms_are_told_as_sets() -> None:
    answers = iter(([], [method("basic.ack", delivery_tag=2, multiple=True)], [method("basic.nack", delivery_tag=3)]))
    with scene_with(basic_publish=lambda _: next(answers)) as scene:
        scene.flood("queue", count=3)
        assert scene.peers[0].story() == ["confirmed by basic.ack: 1-2", "confirmed by basic.nack: 3"]


def test_what_does_not_come_is_told_and_does_not_end_the_cell() -> None:
    with scene_with(AT_ONCE, 0.1, **consumed(delivery(1, right(1)))) as scene:
        peer = scene.reader("consumer")
        scene.consume(peer, "queue")
        scene.gather(peer, 2)
        (complaint,) = scene.in_vain
        assert complaint.startswith(
            "waited in vain for 2 basic.deliver to consumer; consumer reads, 0 octets unwritten,"
        )
        assert complaint.endswith("got basic.deliver c: 1")
        assert scene.told()["cell"] == ["what was waited for did not come"]


def test_a_refusal_ends_the_cell() -> None:
    with scene_with(basic_consume=lambda _: [method("channel.close", reply_code=403, reply_text="no")]) as scene:
        peer = scene.reader("consumer")
        with scene.ending():
            scene.consume(peer, "queue")
            pytest.fail("the refusal was not noticed")
        (complaint,) = scene.in_vain
        assert complaint.startswith("consumer got no basic.consume-ok but")
        assert "403" in complaint


def test_what_two_consumers_got_may_differ_but_for_what_they_got_together() -> None:
    with scene_with(**consumed(delivery(2, right(2), redelivered=True), delivery(1, right(1)))) as scene:
        first, second = scene.reader("first"), scene.peer("second")
        scene.consume(first, "queue")
        scene.gather(first, 2)
        scene.together("why", [first, second])
        assert scene.told() == {"cell": ["first and second together: 1-2", "first: out of order", "second: in order"]}
        assert scene.asides == ["why: 2 to first, 0 to second"]


def test_who_is_hung_up_on_waits_no_longer() -> None:
    with scene_with(basic_consume=lambda _: [b""]) as scene, pytest.raises(Broken, match="consumer is gone"):
        scene.consume(scene.reader("consumer"), "queue")
