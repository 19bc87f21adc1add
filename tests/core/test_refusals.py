"""Every refusal of the broker: its code and words, and that it changes nothing."""

from collections.abc import Callable

import pytest

from amqpy.core.ports import Verb
from amqpy.core.unacked import UnackedDeliveries
from amqpy.errors import (
    AccessRefused,
    AmqpFault,
    ChannelFault,
    ConnectionFault,
    NotFound,
    PreconditionFailed,
    ResourceLocked,
    Unimplemented,
)
from amqpy.wire.values import Field
from tests.core.core_harness import CoreHarness, FakeClient, longstr

LOCKED = (
    "cannot obtain exclusive access to locked queue 'theirs' in vhost '/'. It could be originally declared on "
    "another connection or the exclusive property value does not match that of the original declaration."
)
LOCKED_SHARED = LOCKED.replace("theirs", "q")
LOCKED_MINE = LOCKED.replace("theirs", "mine")
ON_DEFAULT = "operation not permitted on the default exchange"

unacked = UnackedDeliveries()


@pytest.fixture
def core() -> CoreHarness:
    """One of everything: exchanges and queues of each sort, messages, consumers, and somebody else's queue."""
    core = CoreHarness()
    core.exchange("x", durable=True, arguments={"alternate-exchange": longstr("other")})
    core.exchange("internal", "fanout", internal=True)
    core.exchange("auto", "fanout", auto_delete=True)
    core.queue("q", durable=True, arguments={"x-max-length": Field("long", 10), "mine": longstr("a")})
    core.queue("used")
    core.queue("mine", exclusive=True)
    core.queue("auto", auto_delete=True)
    them = FakeClient()
    core.queue("theirs", client=them, exclusive=True)
    core.broker.topology.bind_queue(them, core.vhost, "theirs", "x", "theirs", {})
    core.bind("q", "x", "k")
    core.bind_exchange("internal", "x", "k")
    core.publish("x", "k", "message", "other message")
    core.consume("used", UnackedDeliveries())
    core.queue("reserved-by-one")
    core.consume("reserved-by-one", UnackedDeliveries(), exclusive=True)
    return core


def declare_exchange(
    name: str, kind: str = "direct", **properties: bool | dict[str, Field]
) -> Callable[[CoreHarness], object]:
    return lambda core: core.exchange(name, kind, **properties)  # type: ignore[arg-type]


def declare_queue(name: str, **properties: bool | dict[str, Field]) -> Callable[[CoreHarness], object]:
    return lambda core: core.queue(name, **properties)  # type: ignore[arg-type]


def alternate(field: Field) -> dict[str, Field]:
    return {"alternate-exchange": field}


def inequivalent(name: str, what: str, received: str, current: str) -> str:
    return f"inequivalent arg '{name}' for {what} in vhost '/': received {received} but current is {current}"


Refusal = tuple[Callable[[CoreHarness], object], type[AmqpFault], str]

EXCHANGES: list[Refusal] = [
    (declare_exchange("new", "x-new"), PreconditionFailed, "unknown exchange type 'x-new'"),
    (declare_exchange("new", ""), PreconditionFailed, "invalid exchange type ''"),
    (declare_exchange("new", "quorum"), PreconditionFailed, "invalid exchange type 'quorum'"),
    (declare_exchange(""), AccessRefused, ON_DEFAULT),
    (declare_exchange("\r\n"), AccessRefused, ON_DEFAULT),
    (declare_exchange("amq.new"), AccessRefused, "exchange name 'amq.new' contains reserved prefix 'amq.*'"),
    (declare_exchange("a\nmq.new"), AccessRefused, "exchange name 'amq.new' contains reserved prefix 'amq.*'"),
    (
        declare_exchange("x", "fanout", durable=True),
        PreconditionFailed,
        inequivalent("type", "exchange 'x'", "'fanout'", "'direct'"),
    ),
    (declare_exchange("x"), PreconditionFailed, inequivalent("durable", "exchange 'x'", "'false'", "'true'")),
    (
        declare_exchange("x", durable=True, auto_delete=True),
        PreconditionFailed,
        inequivalent("auto_delete", "exchange 'x'", "'true'", "'false'"),
    ),
    (
        declare_exchange("x", durable=True, internal=True),
        PreconditionFailed,
        inequivalent("internal", "exchange 'x'", "'true'", "'false'"),
    ),
    (
        declare_exchange("x", durable=True),
        PreconditionFailed,
        inequivalent("alternate-exchange", "exchange 'x'", "none", "the value 'other' of type 'longstr'"),
    ),
    (
        declare_exchange("x", durable=True, arguments=alternate(longstr("some"))),
        PreconditionFailed,
        inequivalent("alternate-exchange", "exchange 'x'", "'some'", "'other'"),
    ),
    (
        declare_exchange("auto", "fanout", auto_delete=True, arguments=alternate(longstr("x"))),
        PreconditionFailed,
        inequivalent("alternate-exchange", "exchange 'auto'", "the value 'x' of type 'longstr'", "none"),
    ),
    (
        declare_exchange("amq.direct"),
        PreconditionFailed,
        inequivalent("durable", "exchange 'amq.direct'", "'false'", "'true'"),
    ),
    (
        declare_exchange("new", arguments=alternate(Field("long", 1))),
        PreconditionFailed,
        "invalid type 'long' for arg 'alternate-exchange' in exchange 'new' in vhost '/'",
    ),
    (
        lambda core: core.broker.topology.check_exchange(core.client, core.vhost, "no"),
        NotFound,
        "no exchange 'no' in vhost '/'",
    ),
    (lambda core: core.broker.topology.check_exchange(core.client, core.vhost, ""), AccessRefused, ON_DEFAULT),
    (lambda core: core.delete_exchange(""), AccessRefused, ON_DEFAULT),
    (
        lambda core: core.delete_exchange("amq.topic"),
        AccessRefused,
        "deletion of system exchange 'amq.topic' in vhost '/' not allowed",
    ),
    (
        lambda core: core.delete_exchange("amq.nothing"),
        AccessRefused,
        "deletion of system exchange 'amq.nothing' in vhost '/' not allowed",
    ),
    (
        lambda core: core.delete_exchange("x", if_unused=True),
        PreconditionFailed,
        "exchange 'x' in vhost '/' in use",
    ),
]

QUEUES: list[Refusal] = [
    (declare_queue("amq.mine"), AccessRefused, "queue name 'amq.mine' contains reserved prefix 'amq.*'"),
    (declare_queue("theirs", exclusive=True), ResourceLocked, LOCKED),
    (declare_queue("theirs"), ResourceLocked, LOCKED),
    (declare_queue("q", durable=True, exclusive=True), ResourceLocked, LOCKED_SHARED),
    (declare_queue("mine"), ResourceLocked, LOCKED_MINE),
    (declare_queue("q"), PreconditionFailed, inequivalent("durable", "queue 'q'", "'false'", "'true'")),
    (
        declare_queue("q", durable=True, auto_delete=True),
        PreconditionFailed,
        inequivalent("auto_delete", "queue 'q'", "'true'", "'false'"),
    ),
    (
        declare_queue("q", durable=True),
        PreconditionFailed,
        inequivalent("x-max-length", "queue 'q'", "none", "the value '10' of type 'long'"),
    ),
    (
        declare_queue("q", durable=True, arguments={"x-max-length": Field("byte", 9)}),
        PreconditionFailed,
        inequivalent("x-max-length", "queue 'q'", "'9'", "'10'"),
    ),
    (
        declare_queue("used", arguments={"x-overflow": longstr("drop-head")}),
        PreconditionFailed,
        inequivalent("x-overflow", "queue 'used'", "the value 'drop-head' of type 'longstr'", "none"),
    ),
    (
        lambda core: core.broker.topology.check_queue(core.client, core.vhost, "no"),
        NotFound,
        "no queue 'no' in vhost '/'",
    ),
    (lambda core: core.broker.topology.check_queue(core.client, core.vhost, "theirs"), ResourceLocked, LOCKED),
    (lambda core: core.delete_queue("theirs"), ResourceLocked, LOCKED),
    (lambda core: core.delete_queue("used", if_unused=True), PreconditionFailed, "queue 'used' in vhost '/' in use"),
    (lambda core: core.delete_queue("q", if_empty=True), PreconditionFailed, "queue 'q' in vhost '/' not empty"),
    (
        lambda core: core.broker.topology.purge_queue(core.client, core.vhost, "no"),
        NotFound,
        "no queue 'no' in vhost '/'",
    ),
    (lambda core: core.broker.topology.purge_queue(core.client, core.vhost, "theirs"), ResourceLocked, LOCKED),
]

BINDINGS: list[Refusal] = [
    (lambda core: core.bind("q", ""), AccessRefused, ON_DEFAULT),
    (lambda core: core.unbind("q", ""), AccessRefused, ON_DEFAULT),
    (lambda core: core.bind("q", "no"), NotFound, "no exchange 'no' in vhost '/'"),
    (lambda core: core.bind("no", "x"), NotFound, "no queue 'no' in vhost '/'"),
    (lambda core: core.bind("theirs", "x"), ResourceLocked, LOCKED),
    (lambda core: core.unbind("theirs", "x", "theirs"), ResourceLocked, LOCKED),
    (lambda core: core.bind_exchange("", "x"), AccessRefused, ON_DEFAULT),
    (lambda core: core.bind_exchange("x", ""), AccessRefused, ON_DEFAULT),
    (lambda core: core.unbind_exchange("", "x"), AccessRefused, ON_DEFAULT),
    (lambda core: core.unbind_exchange("x", ""), AccessRefused, ON_DEFAULT),
    (lambda core: core.bind_exchange("no", "x"), NotFound, "no exchange 'no' in vhost '/'"),
    (lambda core: core.bind_exchange("x", "no"), NotFound, "no exchange 'no' in vhost '/'"),
]

MESSAGES: list[Refusal] = [
    (lambda core: core.publish("no", "k", "m"), NotFound, "no exchange 'no' in vhost '/'"),
    (
        lambda core: core.publish("internal", "k", "m"),
        AccessRefused,
        "cannot publish to internal exchange 'internal' in vhost '/'",
    ),
    (
        lambda core: core.publish("amq.rabbitmq.trace", "k", "m"),
        AccessRefused,
        "cannot publish to internal exchange 'amq.rabbitmq.trace' in vhost '/'",
    ),
    (lambda core: core.consume("no", unacked), NotFound, "no queue 'no' in vhost '/'"),
    (lambda core: core.consume("theirs", unacked), ResourceLocked, LOCKED),
    (
        lambda core: core.consume("used", unacked, exclusive=True),
        AccessRefused,
        "queue 'used' in vhost '/' in exclusive use",
    ),
    (
        lambda core: core.consume("reserved-by-one", unacked),
        AccessRefused,
        "queue 'reserved-by-one' in vhost '/' in exclusive use",
    ),
    (
        lambda core: core.consume("reserved-by-one", unacked, exclusive=True),
        AccessRefused,
        "queue 'reserved-by-one' in vhost '/' in exclusive use",
    ),
    (lambda core: core.get("no", unacked), NotFound, "no queue 'no' in vhost '/'"),
    (lambda core: core.get("theirs", unacked), ResourceLocked, LOCKED),
    (lambda core: core.ack(unacked, 1), PreconditionFailed, "unknown delivery tag 1"),
    (lambda core: core.ack(unacked, 0), PreconditionFailed, "unknown delivery tag 0"),
    (lambda core: core.nack(unacked, 7, multiple=True), PreconditionFailed, "unknown delivery tag 7"),
]

CLOSES_CONNECTION = {Unimplemented}
"""All else closes the channel only."""


@pytest.mark.parametrize(
    ("operation", "fault", "text"),
    EXCHANGES + QUEUES + BINDINGS + MESSAGES,
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refusals(
    core: CoreHarness, operation: Callable[[CoreHarness], object], fault: type[AmqpFault], text: str
) -> None:
    before, routes = core.snapshot(), dict(core.vhost.router.remembered("guest"))
    with pytest.raises(fault) as caught:
        operation(core)
    assert caught.value.text == text
    assert caught.value.reply_text == f"{fault.name} - {text}"
    assert isinstance(caught.value, ConnectionFault if fault in CLOSES_CONNECTION else ChannelFault)
    assert core.snapshot() == before
    assert core.vhost.router.remembered("guest") == routes
    assert not unacked.by_tag
    assert (unacked.last_tag, len(unacked.consumers)) == (0, 0)


# --- permissions

Permission = tuple[Verb, str]

GUARDED: list[tuple[Callable[[CoreHarness], object], list[tuple[Permission, str]]]] = [
    (declare_exchange("new"), [(("configure", "new"), "exchange")]),
    (declare_exchange("x", durable=True, arguments=alternate(longstr("other"))), [(("configure", "x"), "exchange")]),
    (
        declare_exchange("new", arguments=alternate(longstr("other"))),
        [(("configure", "new"), "exchange"), (("read", "new"), "exchange"), (("write", "other"), "exchange")],
    ),
    (
        declare_exchange("new", arguments=alternate(longstr(""))),
        [(("configure", "new"), "exchange"), (("read", "new"), "exchange"), (("write", "amq.default"), "exchange")],
    ),
    (lambda core: core.delete_exchange("x"), [(("configure", "x"), "exchange")]),
    (lambda core: core.delete_exchange("no"), [(("configure", "no"), "exchange")]),
    (declare_queue("new"), [(("configure", "new"), "queue")]),
    (lambda core: core.delete_queue("q"), [(("configure", "q"), "queue")]),
    (lambda core: core.delete_queue("no"), [(("configure", "no"), "queue")]),
    (lambda core: core.broker.topology.purge_queue(core.client, core.vhost, "q"), [(("read", "q"), "queue")]),
    (lambda core: core.bind("q", "x", "new"), [(("write", "q"), "queue"), (("read", "x"), "exchange")]),
    (lambda core: core.unbind("q", "x", "k"), [(("write", "q"), "queue"), (("read", "x"), "exchange")]),
    (
        lambda core: core.bind_exchange("auto", "x", "new"),
        [(("write", "auto"), "exchange"), (("read", "x"), "exchange")],
    ),
    (
        lambda core: core.unbind_exchange("internal", "x", "k"),
        [(("write", "internal"), "exchange"), (("read", "x"), "exchange")],
    ),
    (lambda core: core.publish("x", "new", "m"), [(("write", "x"), "exchange")]),
    (lambda core: core.publish("", "q", "m"), [(("write", "amq.default"), "exchange")]),
    (lambda core: core.consume("q", UnackedDeliveries()), [(("read", "q"), "queue")]),
    (lambda core: core.get("q", UnackedDeliveries()), [(("read", "q"), "queue")]),
]


@pytest.mark.parametrize(("operation", "permissions"), GUARDED)
def test_permissions(
    core: CoreHarness, operation: Callable[[CoreHarness], object], permissions: list[tuple[Permission, str]]
) -> None:
    """Each permission an operation needs is asked for, in this order; without any of them it does nothing."""
    before = core.snapshot()
    for (verb, resource), kind in permissions:
        core.client.denied = {(verb, resource)}
        with pytest.raises(AccessRefused) as caught:
            operation(core)
        assert caught.value.text == f"{verb} access to {kind} '{resource}' in vhost '/' refused for user 'guest'"
        assert core.snapshot() == before
    core.client.denied.clear()
    core.client.asked.clear()
    operation(core)
    assert core.client.asked == [permission for permission, _ in permissions]


def test_permission_is_refused_before_anybody_learns_what_exists(core: CoreHarness) -> None:
    core.client.denied = {("write", "no"), ("read", "no"), ("configure", "theirs")}
    operations: list[Callable[[], object]] = [
        lambda: core.publish("no", "k", "m"),
        lambda: core.consume("no", UnackedDeliveries()),
        lambda: core.get("no", UnackedDeliveries()),
        lambda: core.bind("no", "x"),
        lambda: core.delete_queue("theirs"),
        lambda: core.queue("theirs"),
    ]
    for operation in operations:
        with pytest.raises(AccessRefused):
            operation()


def test_a_queue_named_by_the_broker_needs_permission_for_its_name(core: CoreHarness) -> None:
    core.client.denied = {("configure", "amq.gen-1")}
    before = core.snapshot()
    with pytest.raises(AccessRefused, match=r"^configure access to queue 'amq\.gen-1' in vhost '/' refused"):
        core.queue("")
    assert core.snapshot() == before


def test_older_brokers_do_not_name_the_permission() -> None:
    core = CoreHarness("rabbitmq-3.10")
    core.client.denied.add(("configure", "q"))
    with pytest.raises(AccessRefused) as caught:
        core.queue("q")
    assert caught.value.text == "access to queue 'q' in vhost '/' refused for user 'guest'"
