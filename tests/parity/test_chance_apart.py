"""Scripts that are about what is not taken over from a version of RabbitMQ."""

import pytest

from interop.parity.chance.apart import is_taken_over
from interop.parity.chance.steps import parse

QUORUM = "queue_declare('a1', queue='{}', durable=True, arguments={{'x-queue-type': 'quorum'{}}})"
CLASSIC = "queue_declare('a1', queue='q2')"
CLASSIC_TO_Q2 = """queue_declare('a1', queue='q1',
    arguments={'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'q2'})"""
TO_Q2 = ", 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'q2'"
ANYWHERE = ", 'x-dead-letter-exchange': 'x1'"


@pytest.mark.parametrize(
    ("script", "played_to"),
    [
        ([CLASSIC], ["3.10.8", "4.0.5", "4.3.6"]),
        ([QUORUM.format("q1", "")], ["3.10.8", "4.0.5", "4.3.6"]),
        ([QUORUM.format("q1", TO_Q2), CLASSIC], ["3.10.8", "4.0.5", "4.3.6"]),
        ([QUORUM.format("q1", TO_Q2), QUORUM.format("q2", "")], ["3.10.8"]),
        ([QUORUM.format("q1", ANYWHERE)], ["3.10.8"]),
        ([CLASSIC_TO_Q2, QUORUM.format("q2", "")], ["3.10.8", "4.0.5"]),
        ([CLASSIC_TO_Q2, CLASSIC], ["3.10.8", "4.0.5", "4.3.6"]),
        ([QUORUM.format("q1", ", 'x-max-length-bytes': 5")], ["3.10.8", "4.0.5"]),
        (
            [QUORUM.format("q1", ""), "basic_publish('a1', routing_key='q1', properties={'priority': 5})"],
            ["3.10.8", "4.3.6"],
        ),
        (
            [QUORUM.format("q1", ""), "basic_publish('a1', routing_key='q1', properties={'priority': 4})"],
            ["3.10.8", "4.0.5", "4.3.6"],
        ),
        (
            [
                QUORUM.format("q1", ""),
                "basic_publish('a1', routing_key='q1', properties={'priority': 1})",
                "basic_publish('a1', routing_key='q1', properties={'expiration': '100'})",
            ],
            ["3.10.8", "4.0.5"],
        ),
        (
            [
                QUORUM.format("q1", ", 'x-single-active-consumer': True"),
                "basic_consume('a1', queue='q1', consumer_tag='t1', arguments={'x-priority': 1})",
            ],
            ["3.10.8", "4.0.5"],
        ),
        (
            [QUORUM.format("q1", ""), "basic_publish('a1', routing_key='q1', properties={'expiration': '100'})"],
            ["3.10.8", "4.0.5", "4.3.6"],
        ),
        ([CLASSIC, "basic_publish('a1', routing_key='q2', properties={'priority': 5})"], ["3.10.8", "4.0.5", "4.3.6"]),
    ],
)
def test_which_versions_a_script_is_for(script: list[str], played_to: list[str]) -> None:
    steps = parse("\n".join(script))
    assert [version for version in ("3.10.8", "4.0.5", "4.3.6") if is_taken_over(steps, version)] == played_to
