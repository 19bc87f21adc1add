"""Scripts as text, and which of them are drawn."""

import pytest

from interop.parity.chance.generator import script_of
from interop.parity.chance.steady import hazards, is_steady
from interop.parity.chance.steps import Step, parse, text_of
from interop.parity.codec import Typed

SEEDS = range(25)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_script_can_be_read_back(seed: int) -> None:
    script = script_of(seed)
    assert parse(text_of(script)) == script


def test_typed_values_and_labels_within_tables_can_be_read_back() -> None:
    headers = {"x-death": [{"count": Typed("l", 3), "queue": "q1", "nothing": None}]}
    script = [Step("basic_publish", "a1", {"routing_key": "q1", "body": b"\xff", "properties": {"headers": headers}})]
    assert parse(text_of(script)) == script


@pytest.mark.parametrize(
    "line",
    [
        "queue_declare('a1'",
        "print('a1')",
        "queue_declare(queue='q1')",
        "queue_declare('aa', queue='q1')",
        "queue_declare('a1', queue=open('file'))",
        "import os",
    ],
)
def test_what_is_no_step_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"line 2 is no step|malformed"):
        parse(f"basic_get('a1', queue='q1')\n{line}\n")


def test_the_same_seed_gives_the_same_script() -> None:
    assert script_of(7) == script_of(7)
    assert script_of(7) != script_of(8)


def test_scripts_are_steady_and_as_long_as_asked_for() -> None:
    scripts = [script_of(seed, 12) for seed in SEEDS]
    assert [script for script in scripts if not is_steady(script)] == []
    assert all(len(script) >= 12 for script in scripts)


def test_scripts_try_everything() -> None:
    """Each of these is in some of the first scripts: arguments, properties, and what may be done."""
    text = "".join(text_of(script_of(seed)) for seed in range(150))
    wanted = [
        *("x-message-ttl", "x-max-length'", "x-max-length-bytes", "x-overflow", "x-dead-letter-exchange"),
        *("x-dead-letter-routing-key", "x-max-priority", "x-single-active-consumer", "quorum", "x-delivery-limit"),
        *("x-expires", "x-queue-mode", "durable", "exclusive", "auto_delete", "alternate-exchange", "x-match"),
        *("direct", "fanout", "topic", "headers", "exchange_bind", "queue_unbind", "exchange_delete"),
        *("priority", "expiration", "CC", "BCC", "x-death", "delivery_mode", "mandatory", "user_id"),
        *("confirm_select", "tx_select", "tx_commit", "tx_rollback", "basic_qos", "basic_get", "x-priority"),
        *("basic_ack", "basic_nack", "basic_reject", "multiple", "basic_recover", "basic_cancel", "queue_purge"),
        *("queue_delete", "channel_close", "connection_close", "passive", "drain"),
    ]
    assert [each for each in wanted if each not in text] == []


TO_NEXT = "'x-dead-letter-exchange': '', 'x-dead-letter-routing-key'"
UNSTEADY = {
    "two dying queues with one heir": (
        f"""
        queue_declare('a1', queue='q1', arguments={{{TO_NEXT}: 'q3', 'x-max-length': 1}})
        queue_declare('a1', queue='q2', arguments={{{TO_NEXT}: 'q3', 'x-message-ttl': 0}})
        queue_declare('a1', queue='q3')
        queue_bind('a1', queue='q1', exchange='x1')
        queue_bind('a1', queue='q2', exchange='x1')
        basic_publish('a1', exchange='x1')
        """,
        "q1 and q2 send to q3",
    ),
    "a copy and a dead letter": (
        f"""
        queue_declare('a1', queue='q1', arguments={{{TO_NEXT}: 'q2'}})
        queue_declare('a1', queue='q2')
        basic_publish('a1', routing_key='q1', properties={{'headers': {{'CC': ['q2']}}, 'expiration': '0'}})
        """,
        "q1 and the channel send to q2",
    ),
    "a burst that meets what comes back": (
        f"""
        queue_declare('a1', queue='q1', arguments={{{TO_NEXT}: 'q1', 'x-max-length': 1}})
        basic_publish('a1', routing_key='q1', times=3)
        """,
        "q1 and the channel send to q1",
    ),
    "a channel that takes from two queues": (
        "basic_get('a1', queue='q1')\nbasic_consume('a1', queue='q2', consumer_tag='t1')",
        "a1 takes from",
    ),
    "a cycle for ever": (
        f"""
        queue_declare('a1', queue='q1', arguments={{{TO_NEXT}: 'q2', 'x-message-ttl': 0}})
        queue_declare('a1', queue='q2', arguments={{{TO_NEXT}: 'q1', 'x-message-ttl': 100}})
        queue_declare('a1', queue='q3', arguments={{{TO_NEXT}: 'q1'}})
        basic_reject('a1')
        """,
        "for ever",
    ),
    "two channels of a connection give back": (
        """
        queue_declare('a1', queue='q1')
        basic_consume('a1', queue='q1', consumer_tag='t1')
        basic_consume('a2', queue='q1', consumer_tag='t2')
        connection_close('a1')
        """,
        "two channels give back",
    ),
    "an active consumer leaves": (
        """
        queue_declare('a1', queue='q1', arguments={'x-single-active-consumer': True})
        basic_consume('a1', queue='q1', consumer_tag='t1')
        basic_cancel('a1', consumer_tag='t1')
        """,
        "active consumer",
    ),
    "a commit that may be refused, and a consumer": (
        """
        queue_declare('a1', queue='q1', arguments={'x-max-length': 1, 'x-overflow': 'reject-publish'})
        tx_select('a1')
        basic_consume('a1', queue='q1', consumer_tag='t1')
        basic_publish('a1', routing_key='q1')
        """,
        "before or after a commit is refused",
    ),
    "a quorum consumer without acknowledgements, and a prefetch": (
        """
        queue_declare('a1', queue='q1', arguments={'x-queue-type': 'quorum'})
        basic_qos('a1', prefetch_count=1)
        basic_consume('a1', queue='q1', consumer_tag='t1', no_ack=True)
        """,
        "hears late",
    ),
    "a message that overtakes, and is over": (
        """
        queue_declare('a1', queue='q1', arguments={'x-max-priority': 1})
        basic_publish('a1', routing_key='q1', properties={'expiration': '100'})
        """,
        "overtakes",
    ),
    "a prefetch and a delivery limit": (
        """
        queue_declare('a1', queue='q1', arguments={'x-queue-type': 'quorum', 'x-delivery-limit': 1})
        basic_qos('a1', prefetch_count=1)
        basic_consume('a1', queue='q1', consumer_tag='t1')
        """,
        "credit twice",
    ),
    "a quorum queue that refuses": (
        """
        queue_declare('a1', queue='q1', arguments={'x-queue-type': 'quorum', 'x-max-length': 1,
          'x-overflow': 'reject-publish'})
        basic_publish('a1', routing_key='q1')
        """,
        "a quorum queue is full",
    ),
    "an answer after another queue took the name": (
        """
        queue_declare('a1', queue='q1')
        basic_get('a1', queue='q1')
        queue_delete('b1', queue='q1')
        queue_declare('b1', queue='q1')
        basic_ack('a1')
        """,
        "about a queue that is gone",
    ),
    "a commit after a queue went with its consumer and came again": (
        """
        queue_declare('a1', queue='q1', auto_delete=True)
        tx_select('a1')
        basic_consume('a1', queue='q1', consumer_tag='t1')
        basic_cancel('a1', consumer_tag='t1')
        queue_declare('b1', queue='q1', auto_delete=True)
        tx_commit('a1')
        """,
        "about a queue that is gone",
    ),
}


def unindented(text: str) -> str:
    return "\n".join(line.strip() for line in text.splitlines())


@pytest.mark.parametrize("case", UNSTEADY)
def test_unsteady_scripts_are_seen(case: str) -> None:
    text, why = UNSTEADY[case]
    assert why in "\n".join(hazards(parse(unindented(text))))


@pytest.mark.parametrize("case", UNSTEADY)
def test_they_are_steady_again_without_their_last_step(case: str) -> None:
    text, _ = UNSTEADY[case]
    assert is_steady(parse(unindented(text))[:-1])


def test_one_after_another_is_steady() -> None:
    """What dies goes from queue to queue, one way."""
    script = f"""
        queue_declare('a1', queue='q1', arguments={{{TO_NEXT}: 'q2', 'x-message-ttl': 0}})
        queue_declare('a1', queue='q2', arguments={{{TO_NEXT}: 'q3', 'x-max-length': 1}})
        queue_declare('a1', queue='q3')
        basic_publish('a1', routing_key='q1')
        basic_publish('a1', routing_key='q3')
        basic_get('a1', queue='q3')
        basic_nack('a1', requeue=False)
        """
    assert is_steady(parse(unindented(script)))


@pytest.mark.parametrize("ending", ["channel_close('a1')", "connection_close('a2')"])
def test_a_new_channel_has_no_answers_to_a_queue_that_is_gone(ending: str) -> None:
    script = f"""
        queue_declare('a1', queue='q1')
        basic_get('a1', queue='q1')
        queue_delete('b1', queue='q1')
        queue_declare('b1', queue='q1')
        {ending}
        basic_get('a1', queue='q1')
        basic_ack('a1')
        """
    assert is_steady(parse(unindented(script)))
