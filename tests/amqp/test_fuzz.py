"""Bytes that no client would send: never an exception, never a malformed answer, never anything left behind."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from amqpy.config import Config

from .client import HEADER, OPENING, Client, make_broker, method_frame, raw_frame, remains
from .test_pipelining import CHANNELS, answering, consuming, opened_with, publishing, topology

CONFIG = Config(cluster_name="rabbit@test", auth_mechanisms=("PLAIN", "AMQPLAIN", "RABBIT-CR-DEMO"))
FUZZ = settings(deadline=None, derandomize=True, max_examples=150)

payloads = st.one_of(
    st.binary(max_size=40),
    # Bytes that begin like a method reach further in.
    st.builds(
        lambda ids, rest: bytes((0, ids[0], 0, ids[1])) + rest,
        st.tuples(st.sampled_from([10, 20, 40, 50, 60, 85, 90]), st.integers(0, 130)),
        st.binary(max_size=40),
    ),
)
frames = st.builds(raw_frame, st.sampled_from([0, 1, 1, 1, 2, 3, 8, 9]), st.sampled_from([0, 1, 2, 3]), payloads)
handshakes = [b"", HEADER, *(HEADER + b"".join(method_frame(each, 0) for each in OPENING[:n]) for n in (1, 2, 3))]
operations = st.one_of(topology, publishing, consuming, answering)


def endure(stream: bytes, chunk_size: int) -> None:
    """Feeds the stream, and looks at what came of it."""
    client = Client(make_broker(replace(CONFIG, max_message_size=1000)))
    witness = Client.opened(client.broker)
    for start in range(0, len(stream), chunk_size):
        client.feed(stream[start : start + chunk_size])
    assert client.transcript.is_whole
    client.wait(CONFIG.close_timeout_ms + CONFIG.handshake_timeout_ms)
    client.session.lost()
    assert client.session.is_closed
    assert client.session.next_at_ms is None
    assert remains(client.broker) == {}
    assert not witness.session.is_closed


@FUZZ
@given(st.sampled_from(handshakes), st.binary(max_size=300), st.integers(1, 100))
def test_arbitrary_bytes(before: bytes, garbage: bytes, chunk_size: int) -> None:
    endure(before + garbage, chunk_size)


@FUZZ
@given(st.sampled_from([*handshakes, opened_with([])]), st.lists(frames, max_size=8), st.integers(1, 100))
def test_frames_of_arbitrary_bytes(before: bytes, sent: list[bytes], chunk_size: int) -> None:
    endure(before + b"".join(sent), chunk_size)


@FUZZ
@given(st.lists(operations, min_size=1, max_size=12), st.data())
def test_good_streams_with_a_flaw(sent: list[bytes], data: st.DataObject) -> None:
    stream = bytearray(opened_with(sent))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(8, len(stream)))
        span = data.draw(st.integers(0, 20))
        match data.draw(st.sampled_from(["overwrite", "remove", "insert", "repeat", "truncate"])):
            case "overwrite":
                stream[start : start + span] = data.draw(st.binary(min_size=span, max_size=span))
            case "remove":
                del stream[start : start + span]
            case "insert":
                stream[start:start] = data.draw(st.binary(max_size=20))
            case "repeat":
                stream[start:start] = stream[start : start + span]
            case _:
                del stream[start:]
    endure(bytes(stream), data.draw(st.integers(1, 200)))


@FUZZ
@given(st.lists(st.one_of(operations, frames), max_size=20), st.permutations(range(20)), st.integers(1, 200))
def test_good_frames_in_any_order(sent: list[bytes], order: list[int], chunk_size: int) -> None:
    shuffled = [sent[index] for index in order if index < len(sent)]
    endure(opened_with(shuffled), chunk_size)


def test_the_streams_are_good_before_they_are_flawed() -> None:
    client = Client(make_broker(CONFIG))
    client.feed(opened_with([]))
    assert set(client.session.channels) == set(CHANNELS)
