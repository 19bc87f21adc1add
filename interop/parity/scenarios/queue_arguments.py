"""The arguments of queue.declare on classic queues: types, values, the order of checks, and equivalence."""

from collections.abc import Mapping, Sequence
from typing import Any

from interop.parity.codec import Typed, table_entries
from interop.parity.connection import Channel
from interop.parity.scenario import Differs, scenario
from interop.parity.script import Stage

TEN_YEARS_MS = 315_360_000_000

INTEGERS = (
    "x-expires",
    "x-message-ttl",
    "x-max-length",
    "x-max-length-bytes",
    "x-max-priority",
    "x-queue-version",
)
TEXTS = ("x-dead-letter-exchange", "x-dead-letter-routing-key", "x-overflow", "x-queue-mode", "x-queue-master-locator")
CLASSIC = (*INTEGERS, *TEXTS, "x-single-active-consumer", "x-queue-type")
OTHER_TYPES = (
    "x-dead-letter-strategy",
    "x-max-in-memory-length",
    "x-max-in-memory-bytes",
    "x-quorum-initial-group-size",
    "x-delivery-limit",
    "x-max-age",
    "x-stream-max-segment-size-bytes",
    "x-initial-cluster-size",
    "x-queue-leader-locator",
)

EVERY_TYPE: Mapping[str, Typed] = {
    "signed byte": Typed("b", 1),
    "unsigned byte": Typed("B", 1),
    "signed short": Typed("s", 1),
    "unsigned short": Typed("u", 1),
    "signed int": Typed("I", 1),
    "unsigned int": Typed("i", 1),
    "signed long": Typed("l", 1),
    "timestamp": Typed("T", 1),
    "float": Typed("f", 1.0),
    "double": Typed("d", 1.0),
    "decimal": Typed("D", (0, 1)),
    "text": Typed("S", "1"),
    "empty text": Typed("S", ""),
    "bytes": Typed("x", b"1"),
    "bool": Typed("t", True),
    "void": Typed("V", None),
    "table": Typed("F", {"a": 1}),
    "array": Typed("A", [1]),
}

EVERY_INTEGER: Mapping[str, Typed] = {
    "zero": Typed("I", 0),
    "two": Typed("I", 2),
    "most negative byte": Typed("b", -128),
    "most negative short": Typed("s", -(2**15)),
    "most negative int": Typed("I", -(2**31)),
    "minus one": Typed("l", -1),
    "most negative long": Typed("l", -(2**63)),
    "a byte": Typed("B", 255),
    "more than a byte": Typed("u", 256),
    "greatest short": Typed("u", 2**16 - 1),
    "greatest int": Typed("i", 2**32 - 1),
    "more than an int": Typed("l", 2**32),
    "ten years": Typed("l", TEN_YEARS_MS),
    "more than ten years": Typed("l", TEN_YEARS_MS + 1),
    "greatest long": Typed("l", 2**63 - 1),
}


def declare(stage: Stage, channel: Channel, queue: str, **fields: Any) -> Channel:  # noqa: ANN401
    """Declare, and give a channel to go on with, also where the broker closed this one or the whole connection."""
    channel.declare(queue, **fields)
    if channel.connection.ended:
        return stage.channel()
    return channel.reopen() if channel.closed else channel


def declare_each(stage: Stage, cases: Mapping[str, Mapping[str, Any]], **fields: Any) -> None:  # noqa: ANN401
    """Declare a queue of its own for each set of arguments; names tell them apart in the transcript."""
    channel = stage.channel()
    for label, arguments in cases.items():
        channel = declare(
            stage, channel, f"{label}.{stage.run_id}", **({"exclusive": True, "arguments": arguments} | fields)
        )


@scenario(each=CLASSIC)
def of_every_type(stage: Stage, argument: str) -> None:
    """Each argument takes a few wire types and names the one it does not."""
    declare_each(stage, {label: {argument: value} for label, value in EVERY_TYPE.items()})


@scenario(each=INTEGERS)
def integers(stage: Stage, argument: str) -> None:
    """Zero, negative, and too large."""
    declare_each(stage, {label: {argument: value} for label, value in EVERY_INTEGER.items()})


@scenario(
    each={
        "overflow": (
            "x-overflow",
            ["drop-head", "reject-publish", "reject-publish-dlx", "DROP-HEAD", "drop-tail", " drop-head", "é", "{~p}"],
        ),
        "queue mode": ("x-queue-mode", ["default", "lazy", "Lazy", "other", "", "é", "{~p}", 'it\'s "quoted"']),
        "master locator": ("x-queue-master-locator", ["min-masters", "client-local", "random", "other", ""]),
        "dead letter exchange": ("x-dead-letter-exchange", ["", "missing", "amq.direct", "é", "x" * 300]),
        "single active consumer": ("x-single-active-consumer", [True, False, "true", 0]),
        "unknown": ("x-nobody-knows", ["", -1, None, 1.5, {"a": []}]),
    }
)
def values(stage: Stage, case: tuple[str, Sequence[object]]) -> None:
    """What each argument takes and refuses."""
    argument, each = case
    declare_each(stage, {f"number {number}": {argument: value} for number, value in enumerate(each)})


@scenario(
    each=["min-masters", "other"],
    differs={
        "other": Differs(
            "RabbitMQ looks for the locator to place the queue, and crashes (541); here there is nothing to place",
            ["answer: connection.close"],
            ["answer: queue.declare-ok"],
            before="4.0",
        )
    },
)
def locator_of_a_shared_queue(stage: Stage, locator: str) -> None:
    """Where an exclusive queue is needs no locator."""
    channel = stage.channel()
    channel.connection.recording = False
    answer = channel.call("queue.declare", queue=stage.name(), arguments={"x-queue-master-locator": locator})
    stage.note(f"answer: {answer and answer.method}")


@scenario(
    each={
        "classic": "classic",
        "quorum": "quorum",
        "stream": "stream",
        "unknown": "mqtt",
        "capitals": "Classic",
        "empty": "",
        "undefined": "undefined",
        "default": "default",
        "module": "rabbit_classic_queue",
        "quoted": "'a' \"b\"",
        "non-ASCII": "é",
    }
)
def queue_type(stage: Stage, queue_type: str) -> None:
    """Which types there are, and what they say to a queue with properties only classic ones have."""
    arguments = {"x-queue-type": queue_type}
    declare_each(stage, {"exclusive": arguments})
    declare_each(stage, {"transient": arguments, "again": arguments}, exclusive=False, auto_delete=True)
    declare_each(stage, {"auto-delete": arguments}, exclusive=False, durable=True, auto_delete=True)


@scenario(each=["classic", "quorum", "stream"])
def server_named_of_type(stage: Stage, queue_type: str) -> None:
    """Only classic queues get their name from the server; that is judged before their properties."""
    stage.channel().declare("", durable=True, exclusive=True, arguments={"x-queue-type": queue_type})


@scenario(each=OTHER_TYPES)
def of_another_queue_type(stage: Stage, argument: str) -> None:
    """An argument only other types know is refused whatever its value; one nobody knows is not."""
    cases = {label: {argument: EVERY_TYPE[label]} for label in ("signed int", "text", "void")}
    declare_each(stage, cases)
    declare_each(stage, {"said to be classic": {"x-queue-type": "classic", argument: 1}})


@scenario(
    each=[
        "x-max-priority",
        "x-queue-mode",
        "x-queue-version",
        "x-queue-master-locator",
        "x-single-active-consumer",
        "x-message-ttl",
        "x-expires",
        "x-overflow",
        "x-max-length",
        "x-nobody-knows",
    ]
)
def classic_argument_of_quorum_and_stream(stage: Stage, argument: str) -> None:
    """The other way round; an exclusive queue is refused anyway, but arguments come first."""
    cases = {
        f"{queue_type} {label}": {"x-queue-type": queue_type, argument: value}
        for queue_type in ("quorum", "stream")
        for label, value in {"integer": 1, "text": "drop-head"}.items()
    }
    declare_each(stage, cases, durable=True)


@scenario()
def dead_letter_routing_key(stage: Stage) -> None:
    """It needs an exchange beside it, before or after, even one that does not exist."""
    declare_each(
        stage,
        {
            "alone": {"x-dead-letter-routing-key": "k"},
            "after": {"x-dead-letter-exchange": "missing", "x-dead-letter-routing-key": "k"},
            "before": {"x-dead-letter-routing-key": "k", "x-dead-letter-exchange": ""},
            "both wrong": {"x-dead-letter-routing-key": 1, "x-dead-letter-exchange": 1},
            "key wrong": {"x-dead-letter-routing-key": 1, "x-dead-letter-exchange": "missing"},
            "key wrong and alone": {"x-dead-letter-routing-key": 1},
        },
    )


INVALID: Mapping[str, object] = {
    "x-queue-type": "mqtt",
    "x-expires": 0,
    "x-message-ttl": -1,
    "x-dead-letter-routing-key": "k",
    "x-max-length": -1,
    "x-max-length-bytes": "1",
    "x-max-priority": 256,
    "x-overflow": "drop-tail",
    "x-queue-mode": "other",
    "x-queue-version": 3,
    "x-single-active-consumer": 1,
    "x-delivery-limit": 1,
    "x-max-age": "1D",
}


@scenario(each={"first to last": False, "last to first": True})
def order_of_checks(stage: Stage, reverse: bool) -> None:
    """With everything wrong, one is named; without that one, the next: wire order counts only for foreign ones."""
    channel = stage.channel()
    wrong = dict(sorted(INVALID.items(), reverse=reverse))
    for _ in INVALID:
        reply = channel.call("queue.declare", queue=stage.name(), exclusive=True, arguments=wrong)
        if reply is None or reply.method != "channel.close":
            return
        named = next((key for key in wrong if f"'{key}'".encode() in reply["reply_text"]), None)
        if named is None:
            return
        del wrong[named]
        channel = channel.reopen()


@scenario()
def order_of_other_checks(stage: Stage) -> None:
    """Reserved name, existing queue, type of the dead letter exchange, type, values, foreign arguments, properties."""
    channel = stage.channel()
    owner = stage.channel()
    existing = owner.declare(stage.name(), durable=True)
    exclusive = owner.declare(stage.name("exclusive"), exclusive=True)
    wrong = {"x-max-length": -1}
    for queue in ("amq.new", existing, exclusive):
        channel = declare(stage, channel, queue, arguments=wrong)
    for queue in (existing, exclusive):
        channel = declare(stage, channel, queue, durable=True, arguments=wrong)
    channel = declare(stage, channel, existing, durable=True, arguments={"x-queue-type": "mqtt"})
    channel = declare(stage, channel, existing, durable=True, arguments={"x-delivery-limit": 1, "x-max-age": "1D"})
    channel = declare(stage, channel, existing, passive=True, arguments=wrong | {"x-queue-type": 1})
    exchange = {"x-dead-letter-exchange": 1}
    channel = declare(stage, channel, stage.name("new"), arguments=exchange | {"x-queue-type": "mqtt", "x-expires": 0})
    quorum = {"x-queue-type": "quorum"}
    channel = declare(
        stage, channel, stage.name("new"), exclusive=True, arguments=quorum | {"x-max-priority": 1} | wrong
    )
    channel = declare(stage, channel, stage.name("new"), exclusive=True, arguments=quorum | {"x-max-priority": 1})
    channel = declare(stage, channel, stage.name("new"), exclusive=True, auto_delete=True, arguments=quorum)
    channel = declare(stage, channel, stage.name("new"), auto_delete=True, arguments=quorum)
    declare(stage, channel, stage.name("new"), durable=True, exclusive=True, arguments=quorum)


@scenario()
def twice_in_one_table(stage: Stage) -> None:
    """Of an argument given twice, one counts."""
    ttl = "x-message-ttl"
    channel = stage.channel()
    for first, second in (({ttl: 60_000}, {ttl: -1}), ({ttl: -1}, {ttl: 60_000})):
        arguments = table_entries(first) + table_entries(second)
        channel = declare(stage, channel, stage.name(), exclusive=True, arguments=arguments)
    channel = declare(stage, channel, stage.name(), exclusive=True, arguments={ttl: 60_000})
    declare(stage, channel, stage.name(), exclusive=True, arguments={ttl: -1})


@scenario()
def capitals(stage: Stage) -> None:
    """Names of arguments are case-sensitive: others are unknown, and so not judged."""
    declare_each(stage, {"capitals": {"X-Message-TTL": -1}, "one": {"x-Max-Length": "many"}})


@scenario()
def texts_are_cut(stage: Stage) -> None:
    """255 bytes is all that fits in an error text."""
    arguments = {"x-overflow": "o" * 400, "x-queue-mode": "m" * 400}
    channel = stage.channel()
    channel = declare(stage, channel, stage.name("n" * 200), exclusive=True, arguments=arguments)
    channel = declare(stage, channel, stage.name(), exclusive=True, arguments={"x-queue-type": "t" * 400})
    declare(stage, channel, stage.name(), exclusive=True, arguments={"x-queue-mode": "m" * 400})


# Equivalence

WIDTHS = "bBsuIilT"


@scenario(each=INTEGERS)
def equivalent_integers(stage: Stage, argument: str) -> None:
    """Integers of all widths are the same; what is no integer, or is missing, is not."""
    channel = stage.channel()
    # A queue must live long enough here, and there are but two versions.
    value, widths = {"x-expires": (60_000, "uIilT"), "x-queue-version": (1, WIDTHS)}.get(argument, (100, WIDTHS))
    queue = channel.declare(stage.name(), arguments={argument: value})
    same = [Typed(tag, value) for tag in widths]
    for other in (*same, value + 1, -1, float(value), value + 0.5, str(value), True, None):
        channel = declare(stage, channel, queue, arguments={argument: other})
    declare(stage, channel, queue)


DIFFERENT: Sequence[tuple[str, object, Sequence[object]]] = [
    ("x-dead-letter-exchange", "a", ["a", "b", "", 1, Typed("x", b"a")]),
    ("x-overflow", "drop-head", ["drop-head", "reject-publish", "drop-tail", Typed("x", b"drop-head")]),
    ("x-queue-mode", "lazy", ["lazy", "default", "other"]),
    ("x-single-active-consumer", False, [False, True, 0, "false"]),
    ("x-queue-master-locator", "min-masters", ["min-masters", "random", 1]),
    ("x-queue-type", "classic", ["classic", "quorum", "stream", "mqtt", "Classic", 1]),
    ("x-nobody-knows", 1, [1, 2, "text", None]),
]


@scenario(each={case[0]: case for case in DIFFERENT})
def equivalent_values(stage: Stage, case: tuple[str, object, Sequence[object]]) -> None:
    """The same, others, and none; what is refused for a new queue is only different for one that exists."""
    argument, current, others = case
    channel = stage.channel()
    queue = channel.declare(stage.name(), arguments={argument: current})
    for other in others:
        channel = declare(stage, channel, queue, arguments={argument: other})
    channel = declare(stage, channel, queue)
    declare(stage, channel, queue, arguments={"x-unknown": 1})


@scenario(each={case[0]: case for case in DIFFERENT})
def not_there_before(stage: Stage, case: tuple[str, object, Sequence[object]]) -> None:
    """An argument that the queue was not declared with."""
    argument, _, others = case
    channel = stage.channel()
    queue = channel.declare(stage.name())
    for other in others:
        channel = declare(stage, channel, queue, arguments={argument: other})


@scenario(each=["table", "array", "void", "bytes", "double", "timestamp", "empty text"])
def how_values_are_shown(stage: Stage, wire_type: str) -> None:
    """The text about a difference names value and type."""
    channel = stage.channel()
    queue = channel.declare(stage.name(), arguments={"x-max-length": 5})
    channel = declare(stage, channel, queue, arguments={"x-max-length": EVERY_TYPE[wire_type]})
    declare(stage, channel, queue, arguments={"x-overflow": EVERY_TYPE[wire_type]})


@scenario()
def every_type_where_there_was_none(stage: Stage) -> None:
    """Against nothing, the text names the type, too."""
    channel = stage.channel()
    queue = channel.declare(stage.name())
    for value in (*EVERY_TYPE.values(), Typed("f", 1.25), Typed("d", 1e22), Typed("A", [1, "b"]), Typed("F", {})):
        channel = declare(stage, channel, queue, arguments={"x-max-length": value})


@scenario()
def first_difference(stage: Stage) -> None:
    """Of many differences one is named, in an order that is not the table's."""
    current: dict[str, object] = {
        "x-expires": 60_000,
        "x-message-ttl": 1_000_000,
        "x-dead-letter-exchange": "a",
        "x-dead-letter-routing-key": "a",
        "x-max-length": 1,
        "x-max-length-bytes": 1,
        "x-max-priority": 1,
        "x-overflow": "drop-head",
        "x-queue-mode": "lazy",
        "x-queue-version": 1,
        "x-single-active-consumer": True,
        "x-queue-type": "classic",
        "x-queue-master-locator": "min-masters",
    }
    channel = stage.channel()
    queue = channel.declare(stage.name(), arguments=current)
    same: dict[str, object] = {}
    # What is the same grows in reverse order, so that every argument becomes the first difference in turn.
    channel = declare(stage, channel, queue, arguments=dict(reversed(current.items())))
    for argument in current:
        channel = declare(stage, channel, queue, arguments=same)
        same[argument] = current[argument]
    declare(stage, channel, queue, arguments=same)


@scenario()
def differences_of_properties_first(stage: Stage) -> None:
    """exclusive, durable, auto_delete, then arguments."""
    channel = stage.channel()
    queue = channel.declare(stage.name(), durable=True, arguments={"x-max-length": 1})
    channel = declare(stage, channel, queue, exclusive=True, auto_delete=True, arguments={"x-max-length": 2})
    channel = declare(stage, channel, queue, auto_delete=True, arguments={"x-max-length": 2})
    channel = declare(stage, channel, queue, durable=True, auto_delete=True, arguments={"x-max-length": 2})
    declare(stage, channel, queue, durable=True, arguments={"x-max-length": 2})
