"""What is left of a script when only what matters is kept. The brokers are functions here."""

import pytest

from interop.parity.chance.generator import script_of
from interop.parity.chance.shrink import Shrinker
from interop.parity.chance.steady import is_steady
from interop.parity.chance.steps import Script, Step, parse, text_of

GET = Step("basic_get", "a1", {"queue": "q1"})


def publish(**options: object) -> Step:
    return Step("basic_publish", "a1", options)


def test_only_the_steps_that_matter_are_left() -> None:
    others = [Step("queue_purge", "a1", {"queue": "q1"})] * 9
    first, last = Step("confirm_select", "a1"), Step("tx_select", "b1")
    script = [*others, first, *others, last, *others]
    shortest = Shrinker(lambda steps: first in steps and last in steps).shortest(script)
    assert shortest == [first, last]


def test_order_is_kept() -> None:
    steps = [Step("confirm_select", f"a{number}") for number in range(9)]
    shortest = Shrinker(lambda tried: [each.channel for each in tried if each.channel in ("a2", "a7")] == ["a2", "a7"])
    assert shortest.shortest(steps) == [steps[2], steps[7]]


def test_options_arguments_and_headers_that_do_not_matter_go() -> None:
    arguments = {"x-max-length": 4, "x-max-priority": 5}
    script = [
        Step("queue_declare", "a1", {"queue": "q1", "durable": True, "arguments": arguments}),
        publish(
            routing_key="q1", body=b"m1....", times=4, properties={"priority": 1, "headers": {"a": 1, "b": [1, 2]}}
        ),
    ]

    def differs(tried: Script) -> bool:
        declared = any("x-max-length" in step.arguments for step in tried)
        return declared and any(2 in step.headers.get("b", []) and (step["times"] or 1) > 1 for step in tried)

    assert text_of(Shrinker(differs).shortest(script)) == (
        "queue_declare('a1', queue='q1', arguments={'x-max-length': 2})\n"
        "basic_publish('a1', times=2, properties={'headers': {'b': [2]}})\n"
    )


def test_what_a_step_is_about_stays() -> None:
    assert Shrinker(lambda tried: len(tried) == 1).shortest([GET]) == [GET]


def test_no_unsteady_script_is_tried() -> None:
    """Without its key, a dead letter may go elsewhere: here, to where it came from, within a burst."""
    script = parse(
        "queue_declare('a1', queue='q1', arguments={'x-max-length': 1, 'x-dead-letter-exchange': '',"
        " 'x-dead-letter-routing-key': 'q2'})\n"
        "basic_publish('a1', routing_key='q1', times=2)\n"
    )
    tried: list[Script] = []

    def differs(candidate: Script) -> bool:
        tried.append(candidate)
        return any("x-dead-letter-exchange" in step.arguments for step in candidate) and candidate[-1]["times"] == 2

    shortest = Shrinker(differs).shortest(script)
    assert all(map(is_steady, tried))
    assert shortest[-1]["times"] == 2


@pytest.mark.parametrize("seed", range(8))
def test_what_is_left_still_differs_and_nothing_can_be_left_out(seed: int) -> None:
    script = script_of(seed)

    def differs(tried: Script) -> bool:
        actions = [step.action for step in tried]
        return actions.count("basic_publish") >= 2 and "queue_declare" in actions

    shortest = Shrinker(differs, probes=2000).shortest(script)
    assert differs(shortest)
    assert len(shortest) == 3


def test_the_search_ends() -> None:
    tried = 0

    def differs(_: Script) -> bool:
        nonlocal tried
        tried += 1
        return False

    script = script_of(1)
    assert Shrinker(differs, probes=10).shortest(script) == script
    assert tried == 10
