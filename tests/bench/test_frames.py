"""The frames a load generator sends, read back by pamqp, and the tricks that make many of them cheap."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands, header
from pamqp.base import Frame
from pamqp.body import ContentBody
from pamqp.frame import FrameTypes, marshal, unmarshal

from interop.bench import frames
from interop.bench.frames import Block, Publication


def decoded(data: bytes) -> list[FrameTypes]:
    found = []
    while data:
        consumed, _, frame = unmarshal(data)
        found.append(frame)
        data = data[consumed:]
    return found


@pytest.mark.parametrize(
    ("encoded", "channel", "expected"),
    [
        (frames.tune_ok(2047, 131072), 0, commands.Connection.TuneOk(2047, 131072, 0)),
        (frames.connection_open("/"), 0, commands.Connection.Open("/")),
        (frames.exchange_declare(1, "x", "topic"), 1, commands.Exchange.Declare(0, "x", "topic")),
        (frames.exchange_delete(1, "x", nowait=True), 1, commands.Exchange.Delete(0, "x", nowait=True)),
        (frames.queue_declare(1, "q", passive=True), 1, commands.Queue.Declare(0, "q", passive=True)),
        (frames.queue_declare(1, "q", nowait=True), 1, commands.Queue.Declare(0, "q", nowait=True)),
        (frames.queue_bind(1, "q", "x", "k"), 1, commands.Queue.Bind(0, "q", "x", "k")),
        (frames.queue_delete(1, "q"), 1, commands.Queue.Delete(0, "q")),
        (frames.qos(1, 1000), 1, commands.Basic.Qos(0, 1000)),
        (frames.consume(1, "q", "t", no_ack=True), 1, commands.Basic.Consume(0, "q", "t", no_ack=True)),
        (frames.ack(1, 2**40 + 7, multiple=True), 1, commands.Basic.Ack(2**40 + 7, True)),
        (frames.confirm_select(1), 1, commands.Confirm.Select()),
    ],
)
def test_methods_are_what_pamqp_makes_of_them(encoded: bytes, channel: int, expected: Frame) -> None:
    assert encoded == marshal(expected, channel)


def test_credentials_go_out_as_plain() -> None:
    (start_ok,) = decoded(frames.start_ok("guest", "secret"))
    assert isinstance(start_ok, commands.Connection.StartOk)
    assert (start_ok.mechanism, start_ok.response) == ("PLAIN", "\0guest\0secret")


def test_a_publication_is_publish_header_and_body() -> None:
    publish, head, body = decoded(Publication("x", "key", b"hello").encode())
    assert isinstance(publish, commands.Basic.Publish)
    assert (publish.exchange, publish.routing_key) == ("x", "key")
    assert isinstance(head, header.ContentHeader)
    assert head.body_size == 5
    assert isinstance(body, ContentBody)
    assert body.value == b"hello"


def test_a_large_body_is_cut_at_the_frame_limit() -> None:
    message = Publication("", "q", bytes(range(256)) * 40)
    _, _, *bodies = decoded(message.encode(frame_max=4096))
    pieces = [frame.value for frame in bodies if isinstance(frame, ContentBody)]
    assert [len(piece) for piece in pieces] == [4088, 4088, 2064]
    assert b"".join(pieces) == message.body


def test_a_block_is_whole_rounds_and_long_enough() -> None:
    route = [Publication("x", f"key-{index}", b"abc") for index in range(3)]
    block = Block(route, 1000)
    assert len(block.data) >= 1000
    keys = [frame.routing_key for frame in decoded(bytes(block.data)) if isinstance(frame, commands.Basic.Publish)]
    assert keys == ["key-0", "key-1", "key-2"] * (len(block.ends) // 3)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=5), st.integers(0, 30), st.integers(1, 20))
def test_a_block_knows_where_its_messages_end(sizes: list[int], first: int, count: int) -> None:
    """However often it goes round."""
    route = [Publication("", "q", bytes(size)) for size in sizes]
    block, endless = Block(route), [publication.encode() for publication in route] * 60
    end = block.end_of(first)
    assert end == sum(map(len, endless[:first]))
    assert (block.count(end), block.count(end + 1), block.count(end + len(endless[first]))) == (first, first, first + 1)
    piece = bytes(block.messages(first, count))
    assert b"".join(endless[first : first + count]).startswith(piece)
    assert piece


@given(
    st.lists(st.tuples(st.integers(0, 1200), st.integers(0, 700)), min_size=1, max_size=4),
    st.sampled_from([1, 200, 2**16 - 300, 2**40 - 5]),
)
def test_a_run_of_tags_is_as_if_made_one_by_one(steps: list[tuple[int, int]], start: int) -> None:
    run = frames.ack_run()
    first = start
    for skip, length in steps:
        first += skip
        expected = b"".join(frames.ack(1, tag) for tag in range(first, first + length + 1))
        assert run.render(first, first + length) == expected
        first += length + 1


def test_deliveries_are_rendered_with_their_tags() -> None:
    run = frames.delivery_run("consumer", Publication("x", "key", b"body"))
    delivered = [each for each in decoded(run.render(255, 257)) if isinstance(each, commands.Basic.Deliver)]
    assert [each.delivery_tag for each in delivered] == [255, 256, 257]
    assert {(each.consumer_tag, each.exchange, each.routing_key) for each in delivered} == {("consumer", "x", "key")}
