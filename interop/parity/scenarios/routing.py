"""Which queues get a message: tables of bindings and of messages, for each exchange type."""

from collections.abc import Mapping, Sequence
from typing import Any

from interop.parity import codec
from interop.parity.codec import Typed
from interop.parity.scenario import scenario
from interop.parity.script import Channel, Stage

Binding = tuple[str, dict[str, Any]]  # key, arguments
Message = tuple[str, Any]  # key, headers or None


def route(channel: Channel, exchange: str, bindings: Sequence[Binding], messages: Sequence[Message]) -> None:
    """Bind a queue for each binding, publish each message, and show what each queue got, in order."""
    queues = []
    for key, arguments in bindings:
        queues.append(channel.declare(exclusive=True))
        channel.bind(queues[-1], exchange, key, arguments=arguments)
    for number, (key, headers) in enumerate(messages):
        properties = codec.properties() if headers is None else codec.properties(headers=headers)
        channel.publish(exchange, key, str(number).encode(), properties=properties)
    channel.settle(*queues)
    for queue in queues:
        channel.drain(queue)


KEYS = [
    "", "a", "b", "A", "a.b", "a.x.b", "a..b", ".", "..", ".a", "a.", "a.a", "b.a", "b.a.b", "*", "#", "a*", "*.b",
    "a.#", "a.b.c", "a.b.c.d", "a.b.b", "é", "é.b", " a", "a b",
]  # fmt: skip

PATTERNS = [
    "", "a", "a.b", "#", "*", "*.*", "*.b", "a.*", "a.#", "#.b", "a.#.b", "a.*.b", "#.a.#", "*.#", "#.*", "#.#",
    "*.#.*", "#.a.#.b.#", "#.*.#.*.#", "a.#.#.b", "a*", "#a", "a.b#", "**", "##", ".", "..", ".#", "#.",
    "*.", ".*", "a..b",
    "a.*.*.b", "é.*", "é", "A", "#.b.b", "*.*.*.#",
]  # fmt: skip


@scenario(each=PATTERNS)
def topic(stage: Stage, pattern: str) -> None:
    """One pattern against many keys: words, empty words, * for one word, # for any number of them."""
    channel = stage.channel()
    route(channel, channel.exchange(stage.name(), "topic"), [(pattern, {})], [(key, None) for key in KEYS])


@scenario()
def topic_of_many_patterns(stage: Stage) -> None:
    """All patterns at once: each queue gets its own."""
    channel = stage.channel()
    bindings: list[Binding] = [(pattern, {}) for pattern in PATTERNS]
    route(channel, channel.exchange(stage.name(), "topic"), bindings, [(key, None) for key in ("a.b", "", "a..b")])


@scenario()
def topic_after_unbind(stage: Stage) -> None:
    """Patterns that share their beginning are unbound one by one."""
    channel = stage.channel()
    name = channel.exchange(stage.name(), "topic")
    queues = {pattern: channel.declare(exclusive=True) for pattern in ("a.#", "a.*", "a.#.b", "a.*.b")}
    for pattern, queue in queues.items():
        channel.bind(queue, name, pattern)
    for pattern in ("a.*", "a.#.b"):
        channel.call("queue.unbind", queue=queues[pattern], exchange=name, routing_key=pattern)
        for key in ("a", "a.b", "a.x.b"):
            channel.publish(name, key, key.encode())
    channel.settle(*queues.values())
    for queue in queues.values():
        channel.drain(queue)


@scenario()
def topic_of_long_keys(stage: Stage) -> None:
    """Keys of 255 bytes and 128 words."""
    channel = stage.channel()
    words = ".".join("ab" for _ in range(85))
    dots = "." * 255
    keys = [words + "." if len(words) < 255 else words, dots, "x" * 255]
    bindings: list[Binding] = [(pattern, {}) for pattern in ("#", "#.ab", "ab.#", "*", dots, "x" * 255)]
    route(channel, channel.exchange(stage.name(), "topic"), bindings, [(key, None) for key in keys])


@scenario()
def direct(stage: Stage) -> None:
    """Keys are equal or not; wildcards mean nothing."""
    channel = stage.channel()
    bindings: list[Binding] = [(key, {}) for key in ("", "a", "A", "a.b", "#", "*", "é", " a", "x" * 255)]
    messages = [(key, None) for key in ("", "a", "A", "a.b", "#", "*", "é", " a", "a ", "x" * 255, "other")]
    route(channel, channel.exchange(stage.name(), "direct"), bindings, messages)


@scenario()
def direct_to_many_queues(stage: Stage) -> None:
    """One key bound to several queues."""
    channel = stage.channel()
    route(channel, channel.exchange(stage.name(), "direct"), [("k", {})] * 5, [("k", None), ("l", None)])


@scenario()
def fanout(stage: Stage) -> None:
    """The key means nothing, to the binding and to the message."""
    channel = stage.channel()
    bindings: list[Binding] = [("", {}), ("a", {}), ("#", {"x": 1})]
    route(channel, channel.exchange(stage.name(), "fanout"), bindings, [("", None), ("a", {"h": 1}), ("é", None)])


@scenario()
def fanout_without_bindings(stage: Stage) -> None:
    """Nobody gets it, and the publisher is told when it asked."""
    channel = stage.channel()
    name = channel.exchange(stage.name(), "fanout")
    channel.publish(name, "k", b"lost")
    channel.publish(name, "k", b"returned", mandatory=True)
    channel.wait("basic.return")


@scenario()
def default_exchange_routes_by_queue_name(stage: Stage) -> None:
    """Every queue under its name, and under no other."""
    channel = stage.channel()
    queue, server_named = channel.declare(stage.name(), exclusive=True), channel.declare(exclusive=True)
    for key in (queue, server_named, queue.replace("q", "Q"), "", queue + "x"):
        channel.publish("", key, b"body", mandatory=True)
    channel.settle(queue, server_named)
    channel.drain(queue)
    channel.drain(server_named)


MESSAGES: Sequence[Any] = [
    None,
    {},
    {"a": 1},
    {"a": 1, "b": 2},
    {"b": 2},
    {"a": 2, "b": 2},
    {"a": Typed("b", 1)},
    {"a": Typed("B", 1)},
    {"a": Typed("s", 1)},
    {"a": Typed("u", 1)},
    {"a": Typed("i", 1)},
    {"a": Typed("l", 1)},
    {"a": 1.0},
    {"a": Typed("f", 1.0)},
    {"a": Typed("T", 1)},
    {"a": "1"},
    {"a": Typed("x", b"1")},
    {"a": True},
    {"a": None},
    {"a": Typed("D", (0, 1))},
    {"a": [1]},
    {"a": [Typed("l", 1)]},
    {"a": {"c": 1}},
    {"a": {"c": Typed("b", 1)}},
    {"a": {"c": 1, "d": 2}},
    {"a": {"d": 2, "c": 1}},
    {"A": 1},
    {"x-a": 1},
    {"x-a": 1, "a": 1},
    {"x-a": 2, "a": 1},
    {"a": ""},
    {"a": "é"},
    {"a": 1, "b": 2, "c": 3},
]

HEADERS_BINDINGS: Mapping[str, dict[str, Any]] = {
    "nothing": {},
    "all of nothing": {"x-match": "all"},
    "any of nothing": {"x-match": "any"},
    "all with x of nothing": {"x-match": "all-with-x"},
    "any with x of nothing": {"x-match": "any-with-x"},
    "one": {"a": 1},
    "two": {"a": 1, "b": 2},
    "all of two": {"x-match": "all", "a": 1, "b": 2},
    "any of two": {"x-match": "any", "a": 1, "b": 2},
    "all with x": {"x-match": "all-with-x", "a": 1, "x-a": 1},
    "any with x": {"x-match": "any-with-x", "a": 1, "x-a": 1},
    "x ignored by all": {"x-match": "all", "a": 1, "x-a": 5},
    "x ignored by any": {"x-match": "any", "a": 5, "x-a": 1},
    "only x, all": {"x-match": "all", "x-a": 1},
    "only x, any": {"x-match": "any", "x-a": 1},
    "only x, any with x": {"x-match": "any-with-x", "x-a": 1},
    "present": {"a": None},
    "present, any": {"x-match": "any", "a": None, "b": None},
    "x present": {"x-match": "all-with-x", "x-a": None},
    "int of one byte": {"a": Typed("b", 1)},
    "long": {"a": Typed("l", 1)},
    "float": {"a": 1.0},
    "short float": {"a": Typed("f", 1.0)},
    "time": {"a": Typed("T", 1)},
    "text": {"a": "1"},
    "bytes": {"a": Typed("x", b"1")},
    "true": {"a": True},
    "decimal": {"a": Typed("D", (0, 1))},
    "list": {"a": [1]},
    "table": {"a": {"c": 1}},
    "table of two": {"a": {"c": 1, "d": 2}},
    "empty text": {"a": ""},
    "non-ASCII": {"a": "é"},
    "match last": {"a": 1, "b": 2, "x-match": "any"},
}


@scenario(each=HEADERS_BINDINGS)
def headers(stage: Stage, arguments: dict[str, Any]) -> None:
    """One table of arguments against many of headers."""
    channel = stage.channel()
    exchange = channel.exchange(stage.name(), "headers")
    route(channel, exchange, [("ignored", arguments)], [("any.key", message) for message in MESSAGES])


@scenario(
    each={
        "another word": "some", "empty": "", "upper case": "ALL", "number": 1, "bool": True, "nothing": None,
        "bytes": Typed("x", b"all"), "list": ["all"],
    }
)  # fmt: skip
def headers_match_invalid(stage: Stage, match: object) -> None:
    """x-match is one of four words; bind checks it, unbind need not."""
    channel = stage.channel()
    name = channel.exchange(stage.name(), "headers")
    queue = channel.declare(exclusive=True)
    channel.call("queue.unbind", queue=queue, exchange=name, arguments={"x-match": match})
    channel = channel.reopen() if channel.closed else channel
    channel.bind(queue, name, arguments={"x-match": match, "a": 1})


@scenario()
def headers_between_exchanges(stage: Stage) -> None:
    """The arguments of an exchange binding decide the same way."""
    channel = stage.channel()
    outer, inner = channel.exchange(stage.name("outer"), "headers"), channel.exchange(stage.name("inner"), "fanout")
    queue = channel.declare(exclusive=True)
    channel.bind(queue, inner)
    channel.call("exchange.bind", source=outer, destination=inner, arguments={"a": 1})
    for headers_of_message in ({"a": 1}, {"a": 2}, {"b": 1}):
        channel.publish(
            outer, "", repr(headers_of_message).encode(), properties=codec.properties(headers=headers_of_message)
        )
    channel.settle(queue)
    channel.drain(queue)


@scenario(each=["direct", "topic", "fanout", "headers"])
def invalid_match_elsewhere(stage: Stage, kind: str) -> None:
    """Only the headers exchange looks at binding arguments."""
    channel = stage.channel()
    channel.bind(
        channel.declare(exclusive=True), channel.exchange(stage.name(), kind), "k", arguments={"x-match": "no"}
    )


CARBON_COPIES: Mapping[str, dict[str, Any]] = {
    "CC": {"CC": ["b", "c"]},
    "BCC": {"BCC": ["b"]},
    "both": {"CC": ["b"], "BCC": ["c"], "other": 1},
    "the key again": {"CC": ["a", "a"]},
    "empty": {"CC": [], "BCC": []},
    "unknown": {"CC": ["nobody"]},
    "text": {"CC": "b"},
    "number": {"BCC": 1},
    "list of numbers": {"CC": [1, 2]},
    "mixed list": {"CC": ["b", 2]},
    "lower case": {"cc": ["b"]},
    "nothing": {"CC": None},
}


@scenario(each=CARBON_COPIES)
def carbon_copies(stage: Stage, headers_of_message: dict[str, Any]) -> None:
    """CC and BCC name further routing keys; BCC is taken out of the message."""
    channel = stage.channel()
    name = channel.exchange(stage.name(), "direct")
    queues = [channel.declare(exclusive=True) for _ in "abc"]
    for queue, key in zip(queues, "abc", strict=True):
        channel.bind(queue, name, key)
    properties = codec.properties(content_type="text/plain", headers=headers_of_message, message_id="id")
    channel.publish(name, "a", b"copied", properties=properties)
    channel.settle(*queues)
    for queue in queues:
        if channel.closed:
            break
        channel.drain(queue)


@scenario()
def carbon_copies_over_topics(stage: Stage) -> None:
    """Every key is matched against the patterns, each queue gets one message."""
    channel = stage.channel()
    bindings: list[Binding] = [(pattern, {}) for pattern in ("a.*", "b.#", "#", "c")]
    messages = [("a.1", {"CC": ["b", "a.2"]}), ("x", {"BCC": ["c"]}), ("x", {"CC": ["y"]})]
    route(channel, channel.exchange(stage.name(), "topic"), bindings, messages)


@scenario()
def carbon_copies_returned(stage: Stage) -> None:
    """A returned message names its first key and still has its headers."""
    channel = stage.channel()
    name = channel.exchange(stage.name(), "direct")
    properties = codec.properties(headers={"CC": ["b"], "BCC": ["c"]})
    channel.publish(name, "a", b"nobody", properties=properties, mandatory=True)
    channel.wait("basic.return")
