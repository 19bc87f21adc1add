"""Two fake brokers, one difference: is it seen, and is nothing seen where there is none?"""

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import pytest

from interop.parity import codec, connection
from interop.parity.compare import REPEATS, Outcome, Performance, compare, compare_all, play_all, pool_of
from interop.parity.scenario import Differs, Scenario, says_why
from interop.parity.script import Stage
from tests.parity.fake_broker import Answer, fake_broker, message, method

if TYPE_CHECKING:
    from concurrent.futures import Future


def outcome(
    play: Callable[[Stage], None],
    *differs: Differs,
    version: str = "",
    apart: bool = False,
    **answers: Answer,
) -> Outcome[Scenario]:
    """Play against two fakes that are the same but for the subject's `answers`."""
    scenario = Scenario("fake", play, "a scenario for a test", differs, apart)
    with fake_broker() as reference, fake_broker(**answers) as subject:
        return compare(scenario, reference, subject, version=version)


def declare(stage: Stage) -> None:
    stage.channel().declare(stage.name())


def publish_and_wait(stage: Stage) -> None:
    channel = stage.channel()
    channel.call("confirm.select")
    channel.publish("", stage.name(), b"body")
    channel.sync()


def test_equal_brokers_pass() -> None:
    assert outcome(declare).complaints == []


def test_another_field_is_a_difference() -> None:
    (complaint,) = outcome(
        declare,
        queue_declare=lambda frame: [method("queue.declare-ok", queue=frame.fields["queue"], message_count=1)],
    ).complaints
    assert complaint.splitlines() == [
        "connection 1, channel 1",
        " channel.open-ok channel_id=''",
        "-queue.declare-ok queue='q.*' message_count=0 consumer_count=0",
        "+queue.declare-ok queue='q.*' message_count=1 consumer_count=0",
    ]


CHANNEL_CLOSE: dict[str, Any] = {"reply_code": 404, "reply_text": "NOT_FOUND - no", "class_id": 50, "method_id": 10}


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda _: [method("channel.close", **CHANNEL_CLOSE)], id="a channel error"),
        pytest.param(lambda _: [method("connection.close", 0, **CHANNEL_CLOSE), b""], id="a connection error"),
        pytest.param(lambda _: [b""], id="the end"),
        pytest.param(lambda _: [codec.frame(9, 1, b"?"), b""], id="an unknown frame"),
        pytest.param(lambda _: [codec.frame(1, 1, b"\0\x32\0\x0b"), b""], id="a malformed reply"),
        pytest.param(lambda _: [method("queue.declare-ok", queue="q")[:-3], b""], id="half a reply"),
        pytest.param(lambda _: [method("queue.declare-ok", 2, queue="q"), b""], id="a reply on another channel"),
    ],
)
def test_another_answer_is_a_difference(answer: Answer) -> None:
    assert not outcome(declare, queue_declare=answer).passed


def test_an_additional_frame_at_the_end_is_a_difference() -> None:
    """The last round trip brings in what nobody waited for."""
    late = outcome(
        declare,
        channel_flow=lambda _: [
            *message("basic.deliver", b"late", consumer_tag="c"),
            method("channel.flow-ok", active=True),
        ],
    )
    assert "+body 'late'" in late.complaints[0]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(message("basic.return", b"body!", reply_code=312), id="body"),
        pytest.param(message("basic.return", b"body", b"\x80\0\4text", reply_code=312), id="properties"),
        pytest.param(message("basic.return", b"body", reply_code=313), id="method"),
    ],
)
def test_content_is_compared(answer: list[bytes]) -> None:
    def returned(frames: list[bytes]) -> Answer:
        return lambda _: [*frames, method("channel.flow-ok", active=True)]

    scenario = Scenario("fake", publish_and_wait, "")
    expected = message("basic.return", b"body", reply_code=312)
    with (
        fake_broker(channel_flow=returned(expected)) as reference,
        fake_broker(channel_flow=returned(expected)) as same,
        fake_broker(channel_flow=returned(answer)) as other,
    ):
        assert compare(scenario, reference, same).passed
        assert not compare(scenario, reference, other).passed


def confirming(*acks: tuple[int, bool]) -> Answer:
    return lambda _: [
        *(method("basic.ack", delivery_tag=tag, multiple=multiple) for tag, multiple in acks),
        method("channel.flow-ok", active=True),
    ]


def compare_confirms(first: Answer, second: Answer, *, apart: bool) -> bool:
    def play(stage: Stage) -> None:
        channel = stage.channel()
        channel.send("channel.flow", active=True)
        channel.wait_confirms(3)

    with fake_broker(channel_flow=first) as reference, fake_broker(channel_flow=second) as subject:
        return compare(Scenario("fake", play, "", confirms_apart=apart), reference, subject).passed


@pytest.mark.parametrize("apart", [False, True])
def test_how_confirms_are_gathered_is_no_difference(apart: bool) -> None:
    assert compare_confirms(confirming((1, False), (2, False), (3, False)), confirming((3, True)), apart=apart)


@pytest.mark.parametrize(("apart", "equal"), [(False, False), (True, True)])
def test_order_of_confirms_counts_unless_they_are_compared_apart(apart: bool, equal: bool) -> None:
    in_order, turned = confirming((3, True)), confirming((3, False), (1, False), (2, False))
    assert compare_confirms(in_order, turned, apart=apart) is equal


def test_a_second_confirm_of_the_same_publish_is_a_difference() -> None:
    assert not compare_confirms(confirming((3, True)), confirming((3, True), (2, False)), apart=True)


def test_a_script_that_waits_in_vain_fails_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal silence is no success: the script expected something."""
    monkeypatch.setattr(connection, "WAIT_TIMEOUT_S", 0.1)

    def play(stage: Stage) -> None:
        stage.channel().wait_deliveries(1)

    assert outcome(play).complaints == [
        "reference: waited in vain for basic.deliver on 1",
        "subject: waited in vain for basic.deliver on 1",
    ]


DECLARED = "queue.declare-ok queue='q.*' message_count=0 consumer_count=0"


@pytest.mark.parametrize("reference", [DECLARED, "queue.declare-ok queue=…"])
def test_a_difference_that_is_meant_must_be_there(reference: str) -> None:
    differs = Differs("it is a test", [reference], [DECLARED.replace("message_count=0", "message_count=1")])
    meant = outcome(
        declare,
        differs,
        queue_declare=lambda frame: [method("queue.declare-ok", queue=frame.fields["queue"], message_count=1)],
    )
    assert meant.passed
    assert not outcome(declare, differs).passed


def test_a_difference_the_reference_no_longer_shows_is_a_failure() -> None:
    stale = outcome(declare, Differs("it was so", ["basic.get-empty…"], []))
    assert stale.complaints == ["the reference did not do what was to differ: ['basic.get-empty…']"]


@pytest.mark.parametrize(
    ("since", "before", "version", "holds"),
    [
        ("", "", "3.10.8", True),
        ("4.0", "", "3.10.8", False),
        ("4.0", "", "4.0.5", True),
        ("4.0", "", "4.3.6", True),
        ("", "4.0", "3.13.7", True),
        ("", "4.0", "4.0.5", False),
        ("3.13", "4.3", "4.2.0", True),
        ("3.13", "4.3", "4.3.0", False),
    ],
)
def test_a_difference_may_be_one_of_some_versions(since: str, before: str, version: str, holds: bool) -> None:
    other = DECLARED.replace("message_count=0", "message_count=1")
    differs = Differs("it is so there", [DECLARED], [other], since=since, before=before)
    assert outcome(declare, differs, version=version).passed is not holds
    assert Scenario("fake", declare, "", before="4.0").is_for(version) is (version < "4.0")


def test_a_reason_instead_of_silence() -> None:
    scenario = Scenario("fake", declare, "", (says_why("politeness", "504 CHANNEL_ERROR - no", (50, 10)),))
    close: dict[str, Any] = {"reply_code": 504, "reply_text": "CHANNEL_ERROR - no", "class_id": 50, "method_id": 10}
    with (
        fake_broker(queue_declare=lambda _: [b""]) as silent,
        fake_broker(queue_declare=lambda _: [method("connection.close", 0, **close), b""]) as polite,
        fake_broker(queue_declare=lambda _: [method("connection.close", 0, **close | {"class_id": 0}), b""]) as wrong,
    ):
        assert compare(scenario, silent, polite).complaints == []
        assert not compare(scenario, silent, wrong).passed
        assert not compare(scenario, silent, silent).passed
        assert compare(scenario, silent, silent, alike=True).passed


def test_scenarios_that_must_be_alone_are() -> None:
    """After all others, and one after the other."""
    running: list[str] = []
    crowds: dict[str, list[str]] = {}

    def scenario(name: str, *, alone: bool) -> Scenario:
        def play(stage: Stage) -> None:
            running.append(name)
            stage.channel().declare(stage.name())
            crowds[name] = list(running)
            running.remove(name)

        return Scenario(name, play, "a scenario for a test", alone=alone)

    scenarios = [scenario(f"{alone} {number}", alone=alone) for number in range(3) for alone in (True, False)]
    reported: list[str] = []
    with fake_broker() as reference, fake_broker() as subject:
        outcomes = compare_all(scenarios, reference, subject, lambda outcome: reported.append(outcome.scenario.name))
    assert all(each.passed for each in outcomes)
    assert sorted(reported[:3]) == ["False 0", "False 1", "False 2"]
    assert reported[3:] == ["True 0", "True 1", "True 2"]
    assert [crowds[name] for name in reported[3:]] == [[name] for name in reported[3:]]


def declared_by(counts: Iterable[int]) -> Answer:
    """Answers to queue.declare with these counts of messages, one after the other."""
    left = iter(counts)

    def answer(frame: codec.Frame) -> list[bytes]:
        return [method("queue.declare-ok", queue=frame.fields["queue"], message_count=next(left))]

    return answer


def played_again(reference: Iterable[int], subject: Iterable[int]) -> Outcome[Scenario]:
    """The outcome where brokers count in these ways."""
    scenario = Scenario("fake", declare, "a scenario for a test")
    reported: list[Outcome[Scenario]] = []
    with (
        fake_broker(queue_declare=declared_by(reference)) as first,
        fake_broker(queue_declare=declared_by(subject)) as second,
    ):
        (outcome,) = compare_all([scenario], first, second, reported.append)
    assert reported == [outcome]
    return outcome


def test_a_reference_that_does_it_in_two_ways_is_asked_again() -> None:
    outcome = played_again([1, 1, 0], [0, 0, 0])
    assert outcome.passed
    assert outcome.has_two_ways


def test_a_difference_that_stays_is_one() -> None:
    outcome = played_again([1] * (1 + REPEATS), [0] * (1 + REPEATS))
    assert not outcome.passed


def test_what_is_known_to_differ_is_not_played_again() -> None:
    plays: list[str] = []

    def play(scenario: Scenario) -> Outcome[Scenario]:
        plays.append(scenario.name)
        nothing = Performance({})
        return Outcome(scenario, nothing, nothing, ["differs"])

    known, other = (Scenario(name, declare, "a scenario for a test") for name in ("known", "other"))
    play_all([known, other], play, lambda outcome: None, steady={"known"})
    assert sorted(plays) == ["known"] + ["other"] * (1 + REPEATS)


def test_a_subject_that_does_not_do_the_same_each_time_differs() -> None:
    outcome = played_again([0, 0], [1, 0])
    assert not outcome.passed


def test_who_is_interrupted_begins_nothing_more() -> None:
    began, over = threading.Event(), threading.Event()
    futures: list[Future[None]] = []

    def work() -> None:
        began.set()
        over.wait()

    def interrupted() -> None:
        with pool_of(1) as pool:
            futures.extend(pool.submit(work) for _ in range(3))
            futures[2].add_done_callback(lambda _: over.set())
            began.wait()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [future.cancelled() for future in futures] == [False, True, True]
