"""Routes after a restart that depend on the order of bindings, or on names that come twice."""

from amqpy.wire.values import decode_table, encode_table
from tests.core.recorded import DurableHarness, core_with, restarted

BY_NUMBER = "rabbitmq-3.10"
"""Compares the first value of a name with the first, the second with the second."""


def test_of_several_bindings_the_oldest_still_counts() -> None:
    core = core_with("q1", "q2")
    core.exchange("x", "x-consistent-hash", durable=True)
    for queue, weight in (("q1", "3"), ("q2", "3"), ("q1", "9"), ("q1", "1")):
        core.bind(queue, "x", weight)
    core.unbind("q1", "x", "3")
    core.bind("q1", "x", "3")
    after = restarted(core)
    keys = [str(number) for number in range(200)]
    assert [after.routed("x", key) for key in keys] == [core.routed("x", key) for key in keys]
    for weight in ("9", "1"):
        core.unbind("q1", "x", weight)
        after.unbind("q1", "x", weight)
        assert [after.routed("x", key) for key in keys] == [core.routed("x", key) for key in keys]


def test_names_that_come_twice_in_arguments_come_back() -> None:
    doubled = decode_table(b"\x01zb\x01\x01ab\x02\x01zb\x03")
    core = DurableHarness(profile=BY_NUMBER)
    core.queue("q", durable=True, arguments=doubled)
    core.exchange("x", "headers", durable=True, arguments=doubled)
    core.bind("q", "x", "", doubled)
    after = restarted(core, profile=BY_NUMBER)
    for kept in (after.vhost.queues["q"].arguments, after.vhost.exchanges["x"].arguments):
        assert encode_table(kept) == encode_table(doubled)
    assert after.routed("x", "", doubled) == {"q"}
    assert after.routed("x", "", dict(doubled)) == set()
    after.unbind("q", "x", "", dict(doubled))
    assert after.routed("x", "", doubled) == {"q"}
    after.unbind("q", "x", "", doubled)
    assert after.routed("x", "", doubled) == set()
