"""Dead letters: what is written into them, and where they go."""

from random import Random
from traceback import walk_stack

import pytest

from amqpy.core.message import Message
from amqpy.core.unacked import UnackedDeliveries
from amqpy.wire.properties import decode_properties, headers_of
from amqpy.wire.values import Field, Table, array_field, decode_array, decode_table, table_field
from tests.core.core_harness import (
    UNIX_TIME_MS,
    CoreHarness,
    FakeTarget,
    arguments,
    content_header,
    integer,
    longstr,
    properties_header,
)
from tests.core.invariants import check_invariants
from tests.core.machine.watch import History, history_of

PROFILES = ("rabbitmq-3.10", "rabbitmq-3.13", "rabbitmq-4")


def strings(*values: str) -> Field:
    return array_field([longstr(value) for value in values])


def dying_core(profile: str = "rabbitmq-3.10", **options: int | str | bool) -> CoreHarness:
    """What is published to `q` dies at once, unless it has been told otherwise, and comes to `dead`."""
    core = CoreHarness(profile)
    core.queue("dead", durable=True)
    options = {"dead_letter_exchange": "", "dead_letter_routing_key": "dead", "max_length": 0, **options}
    core.queue("q", durable=True, arguments=arguments(**options))
    return core


def letter_of(core: CoreHarness, headers: Table | None = None) -> Message:
    core.publish("", "q", "a", headers=headers)
    letter = core.fetch("dead")
    assert letter is not None
    return letter


def death(count: int = 1, queue: str = "q", reason: str = "maxlen", key: str = "q") -> Field:
    """An entry as RabbitMQ writes the first one: in an order of its own."""
    return table_field(
        {
            "count": Field("long", count),
            "reason": longstr(reason),
            "queue": longstr(queue),
            "time": Field("timestamp", UNIX_TIME_MS // 1000),
            "exchange": longstr(""),
            "routing-keys": strings(key),
        }
    )


def last_death(letter: Message) -> Table:
    """The first entry of its history."""
    return decode_table(decode_array(headers_of(letter.header)["x-death"].value)[0].value)


def by_name(entry: Field) -> Field:
    """The same as RabbitMQ writes it later: in the order of the names."""
    return table_field(dict(sorted(decode_table(entry.value).items())))


def places(reason: str = "maxlen", queue: str = "q", *, which: str = "first") -> Table:
    said = {"exchange": "", "queue": queue, "reason": reason}
    return {f"x-{which}-death-{name}": longstr(value) for name, value in said.items()}


# --- the first death


def test_the_headers_of_a_first_death_to_the_byte() -> None:
    letter = letter_of(dying_core(), {"z": longstr("last"), "CC": strings("copy"), "a": integer(1)})
    died = dict(decode_table(death().value)) | {"routing-keys": strings("q", "copy")}
    shown = {
        "a": integer(1),
        "x-death": array_field([table_field(died)]),
        **places(),
        "z": longstr("last"),
    }
    assert letter.header == content_header(shown)


@pytest.mark.parametrize("profile", PROFILES)
def test_who_remembers_the_last_death(profile: str) -> None:
    shown = headers_of(letter_of(dying_core(profile)).header)
    last = {} if profile == "rabbitmq-3.10" else places(which="last")
    assert shown == {**places(), **last, "x-death": array_field([death()])}


def test_expiration_is_taken_out_and_told() -> None:
    core = dying_core()
    header = properties_header(expiration="00100", message_id="kept", priority=3, delivery_mode=2)
    core.send("", ("q",), header, "a", ttl_ms=100)
    letter = core.fetch("dead")
    assert letter is not None
    entry = last_death(letter)
    shown = decode_properties(letter.header)
    del shown["headers"]
    assert shown == {"message_id": "kept", "priority": 3, "delivery_mode": 2}
    assert list(entry)[-1] == "original-expiration"
    assert entry["original-expiration"] == longstr("00100")


def test_a_dead_letter_does_not_expire_again() -> None:
    core = dying_core(max_length=1)
    core.publish("", "q", "a", expiration=10)
    core.advance(10)
    core.advance(1000)
    assert core.ready("dead") == ["a"]


# --- further deaths


@pytest.mark.parametrize(("path", "expected"), [("ab", "ba"), ("abc", "cab"), ("abcd", "dbac"), ("abcde", "ecabd")])
def test_entries_turn_round_with_every_death(path: str, expected: str) -> None:
    """A surprise of RabbitMQ's, and clients see it: only the first entry is where one expects it."""
    core = CoreHarness("rabbitmq-3.10")
    for name, following in zip(path, [*path[1:], "end"], strict=True):
        core.queue(name, arguments=arguments(max_length=0, dead_letter_exchange="", dead_letter_routing_key=following))
    core.queue("end")
    core.publish("", "a", "m")
    letter = core.fetch("end")
    assert letter is not None
    assert "".join(queue for queue, _, _ in history_of(letter)) == expected
    latest = last_death(letter)
    assert list(latest) == sorted(latest), "all but the entry of the first death are in order"
    assert {key: headers_of(letter.header)[key] for key in places()} == places(queue="a")


def test_deaths_of_the_same_kind_are_counted() -> None:
    core = dying_core(max_length=5, dead_letter_routing_key="q")
    unacked = UnackedDeliveries()
    core.publish("", "q", "a")
    for tag in range(1, 5):
        core.get("q", unacked)
        core.nack(unacked, tag, requeue=False)
    letter = core.fetch("q")
    assert letter is not None
    (entry,) = decode_array(headers_of(letter.header)["x-death"].value)
    assert entry == by_name(death(4, reason="rejected"))


MALFORMED: dict[str, Field] = {
    "text": longstr("odd"),
    "integer": integer(5),
    "void": Field("void", None),
    "table": table_field({}),
    "bytes": Field("binary", b"odd"),
    "array of texts": strings("odd"),
    "array of table and text": array_field([death(), longstr("odd")]),
    "array of arrays": array_field([strings()]),
}


@pytest.mark.parametrize("name", MALFORMED)
@pytest.mark.parametrize("profile", PROFILES)
def test_what_is_no_history_is_overwritten(profile: str, name: str) -> None:
    letter = letter_of(dying_core(profile), {"x-death": MALFORMED[name]})
    assert history_of(letter) == [("q", "maxlen", 1)]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ([death(7)], [("q", "maxlen", 8)]),
        ([death(2**63 - 1)], [("q", "maxlen", -(2**63))]),
        ([death(-7)], [("q", "maxlen", -6)]),
        ([], [("q", "maxlen", 1)]),
        ([death(3, "other")], [("q", "maxlen", 1), ("other", "maxlen", 3)]),
        ([death(3, "q", "expired")], [("q", "maxlen", 1), ("q", "expired", 3)]),
        ([death(1, "b"), death(2, "c")], [("q", "maxlen", 1), ("c", "maxlen", 2), ("b", "maxlen", 1)]),
        ([death(1, "b"), death(9, "b"), death(5)], [("q", "maxlen", 6), ("b", "maxlen", 1)]),
    ],
)
def test_a_history_that_a_publisher_sent(sent: list[Field], expected: History) -> None:
    headers = {"x-death": array_field(sent), "x-first-death-queue": longstr("theirs")}
    letter = letter_of(dying_core("rabbitmq-3.10"), headers)
    assert history_of(letter) == expected
    assert headers_of(letter.header)["x-first-death-queue"] == longstr("theirs")
    untrusted = letter_of(dying_core("rabbitmq-4"), headers)
    assert history_of(untrusted) == [("q", "maxlen", 1)]
    assert headers_of(untrusted.header)["x-first-death-queue"] == longstr("q")


def entry_without(*names: str, **others: Field) -> Field:
    return table_field(
        {name: field for name, field in decode_table(death().value).items() if name not in names} | others
    )


@pytest.mark.parametrize(
    ("sent", "count"),
    [
        ([entry_without("count")], 1),
        ([entry_without(count=Field("unsignedbyte", 255))], 256),
        ([entry_without(queue=Field("binary", b"q"), reason=Field("binary", b"maxlen"))], 2),
        ([entry_without("count"), entry_without("count")], 3),
    ],
)
def test_counts_of_odd_entries(sent: list[Field], count: int) -> None:
    letter = letter_of(dying_core(), {"x-death": array_field(sent)})
    assert last_death(letter)["count"] == Field("long", count)


def test_other_keys_of_an_entry_stay() -> None:
    sent = entry_without(extra=longstr("kept"), time=Field("timestamp", 1))
    letter = letter_of(dying_core(), {"x-death": array_field([sent])})
    entry = last_death(letter)
    assert entry["extra"] == longstr("kept")
    assert entry["time"] == Field("timestamp", 1), "that of the first death"


# --- routing keys


def test_copies_go_along_without_a_routing_key_of_its_own() -> None:
    core = CoreHarness()
    core.exchange("dlx", "direct")
    for name in ("one", "two", "three"):
        core.queue(name)
        core.bind(name, "dlx", name)
    core.queue("q", arguments=arguments(max_length=0, dead_letter_exchange="dlx"))
    core.bind("q", "amq.fanout")
    core.send("amq.fanout", ("one", "two", "three"), properties_header(headers={"CC": ["two"]}), "a")
    assert [core.ready(name) for name in ("one", "two", "three")] == [["a"]] * 3, "CC and BCC"
    letter = core.fetch("three")
    assert letter is not None
    assert (letter.exchange, letter.routing_key) == ("dlx", "one")
    shown = headers_of(letter.header)
    assert shown["CC"] == strings("two")
    assert last_death(letter)["routing-keys"] == strings("one", "two"), "BCC is nobody's business"


def test_copies_do_not_go_along_with_one() -> None:
    core = dying_core()
    core.queue("two")
    core.bind("q", "amq.fanout")
    core.send("amq.fanout", ("one", "two"), properties_header(headers={"CC": ["two"]}), "a")
    assert core.ready("two") == []
    letter = core.fetch("dead")
    assert letter is not None
    shown = headers_of(letter.header)
    assert "CC" not in shown
    assert last_death(letter)["routing-keys"] == strings("one", "two")


def test_an_empty_routing_key_is_one() -> None:
    core = CoreHarness()
    core.exchange("dlx", "direct")
    core.queue("dead", durable=True)
    core.bind("dead", "dlx", "")
    core.queue("q", arguments=arguments(max_length=0, dead_letter_exchange="dlx", dead_letter_routing_key=""))
    core.publish("", "q", "a")
    letter = core.fetch("dead")
    assert letter is not None
    assert letter.routing_key == ""


def test_a_routing_key_that_no_frame_can_hold_stops_nothing() -> None:
    core = dying_core(dead_letter_exchange="amq.fanout", dead_letter_routing_key="k" * 300)
    core.bind("dead", "amq.fanout")
    core.publish("", "q", "a")
    core.publish("", "dead", "after")
    assert core.ready("dead")[-1] == "after"


@pytest.mark.parametrize("exchange", ["missing", "x" * 300])
def test_a_missing_exchange(exchange: str) -> None:
    core = dying_core(dead_letter_exchange=exchange)
    core.publish("", "q", "lost")
    if len(exchange) < 256:
        core.exchange(exchange, "fanout")
        core.bind("dead", exchange)
        core.publish("", "q", "found")
    assert core.ready("dead") == (["found"] if len(exchange) < 256 else [])
    check_invariants(core.broker, [])


def test_a_headers_exchange_sees_the_new_headers() -> None:
    core = dying_core(dead_letter_exchange="amq.headers")
    core.bind("dead", "amq.headers", "", {"x-match": longstr("all-with-x"), "x-first-death-reason": longstr("maxlen")})
    core.publish("", "q", "a")
    assert core.ready("dead") == ["a"]


# --- order


def test_rejected_ones_go_in_the_order_of_their_tags() -> None:
    core, unacked = dying_core(max_length=9), UnackedDeliveries()
    core.publish("", "q", *"abcde")
    for _ in "abcde":
        core.get("q", unacked)
    core.nack(unacked, 4, requeue=False)
    core.nack(unacked, 5, multiple=True, requeue=False)
    assert core.ready("dead") == ["d", "a", "b", "c", "e"]


@pytest.mark.parametrize("end", ["purge", "delete"])
def test_what_is_thrown_away_is_no_dead_letter(end: str) -> None:
    core = dying_core(max_length=9)
    core.publish("", "q", "a")
    if end == "purge":
        core.broker.topology.purge_queue(core.client, core.vhost, "q")
    else:
        core.delete_queue("q")
    assert core.ready("dead") == []


# --- cycles and chains


def ring(core: CoreHarness, *names: str) -> None:
    for name, following in zip(names, [*names[1:], names[0]], strict=True):
        core.queue(
            name,
            arguments=arguments(message_ttl=10, dead_letter_exchange="", dead_letter_routing_key=following),
        )


@pytest.mark.parametrize("names", [("a",), ("a", "b"), ("a", "b", "c")])
def test_a_ring_without_anybody_in_it_ends(names: tuple[str, ...]) -> None:
    core = CoreHarness()
    ring(core, *names)
    core.publish("", "a", "m")
    core.wait(10 * len(names) - 1)
    assert core.ready(names[-1]) == ["m"]
    core.wait(1)
    assert core.broker.message_count() == 0
    check_invariants(core.broker, [])


def test_a_ring_with_somebody_in_it_goes_on() -> None:
    """The retry pattern: a consumer rejects, the message waits in another queue and comes back."""
    core, unacked = CoreHarness(), UnackedDeliveries()
    core.queue("work", arguments=arguments(dead_letter_exchange="", dead_letter_routing_key="wait"))
    core.queue("wait", arguments=arguments(message_ttl=10, dead_letter_exchange="", dead_letter_routing_key="work"))
    core.publish("", "work", "m")
    for attempt in range(1, 20):
        got = core.get("work", unacked)
        assert got is not None
        assert not got[0].redelivered
        core.nack(unacked, attempt, requeue=False)
        core.advance(10)
    letter = core.fetch("work")
    assert letter is not None
    assert sorted(history_of(letter)) == [("wait", "expired", 19), ("work", "rejected", 19)]


def test_what_somebody_rejects_is_in_no_ring_whatever_its_history_says() -> None:
    """A publisher may write reasons as bytes; they count as deaths of the same kind, but nobody else knows them."""
    core, unacked = dying_core(max_length=5, dead_letter_routing_key="q"), UnackedDeliveries()
    sent = entry_without(reason=Field("binary", b"rejected"))
    core.publish("", "q", "a", headers={"x-death": array_field([sent])})
    core.get("q", unacked)
    core.nack(unacked, 1, requeue=False)
    assert core.ready("q") == ["a"]


def test_only_the_queue_that_closes_the_ring_is_left_out() -> None:
    core = CoreHarness()
    core.exchange("dlx", "fanout")
    core.queue("other")
    core.queue("q", arguments=arguments(message_ttl=10, dead_letter_exchange="dlx"))
    for name in ("q", "other"):
        core.bind(name, "dlx")
    core.publish("", "q", "m")
    core.advance(10)
    assert (core.ready("q"), core.ready("other")) == ([], ["m"])


class DeepRecipient(FakeTarget):
    """Notes how deep in calls it is when a message comes, and at what time."""

    def __init__(self, core: CoreHarness) -> None:
        super().__init__()
        self.core = core
        self.depths: set[int] = set()
        self.times: dict[str, int] = {}

    def deliver(self, tag: int, redelivered: bool, message: Message) -> None:
        self.depths.add(len(list(walk_stack(None))))
        self.times[message.body.decode()] = self.core.now_ms


def chain(core: CoreHarness, length: int) -> DeepRecipient:
    """Queues that keep nothing, each with the next one behind it, and a consumer at the end."""
    for number in range(length):
        core.queue(
            f"q{number}",
            arguments=arguments(max_length=0, dead_letter_exchange="", dead_letter_routing_key=f"q{number + 1}"),
        )
    core.queue(f"q{length}")
    target = DeepRecipient(core)
    core.consume(f"q{length}", UnackedDeliveries(), target, no_ack=True)
    return target


def test_a_chain_of_queues_takes_turns_and_no_stack() -> None:
    short, long = CoreHarness(), CoreHarness()
    ends = [chain(short, 1), chain(long, 1000)]
    short.publish("", "q0", "m")
    long.publish("", "q0", "m")
    assert ends[1].times == {}, "the long history took more than a turn"
    long.catch_up()
    assert ends[0].depths == ends[1].depths
    assert ends[1].times == {"m": 0}
    check_invariants(long.broker, [])


LEVELS = 28


def delayed_delivery(core: CoreHarness, target: str) -> None:
    """A ladder of queues as Celery builds one: a level for each bit of the delay in seconds, the highest first."""
    core.exchange("delivery", "topic")
    core.bind(target, "delivery", f"#.{target}")
    for level in range(LEVELS):
        following = f"level {level - 1}" if level else "delivery"
        core.exchange(f"level {level}", "topic")
        core.queue(
            f"level {level}",
            durable=True,
            arguments=arguments(dead_letter_exchange=following, message_ttl=1000 << level, overflow="reject-publish"),
        )
        bits_before = "*." * (LEVELS - 1 - level)
        core.bind(f"level {level}", f"level {level}", f"{bits_before}1.#")
        core.bind_exchange(following, f"level {level}", f"{bits_before}0.#")


def test_a_ladder_of_delays() -> None:
    core, random = CoreHarness(), Random(28)
    core.queue("work")
    delayed_delivery(core, "work")
    target = DeepRecipient(core)
    core.consume("work", UnackedDeliveries(), target)
    delays_s = {f"m{number}": 1 << random.randrange(20) | 1 << random.randrange(20) for number in range(10_000)}
    for delay_s in set(delays_s.values()):
        bits = ".".join(f"{delay_s:0{LEVELS}b}")
        bodies = [body for body, each in delays_s.items() if each == delay_s]
        assert core.publish(f"level {LEVELS - 1}", f"{bits}.work", *bodies) == []
    core.wait(1000 << LEVELS)
    assert target.times == {body: 1000 * delay_s for body, delay_s in delays_s.items()}
    assert core.broker.message_count() == len(delays_s), "delivered, and not acknowledged"
    assert core.broker.next_at_ms() is None


def test_where_letters_go_changes_with_what_is_bound() -> None:
    core, unacked = CoreHarness(), UnackedDeliveries()
    core.exchange("graves", "topic")
    core.queue("q", arguments=arguments(message_ttl=0, dead_letter_exchange="graves"))
    for name in ("one", "two"):
        core.queue(name)

    def buried() -> list[str]:
        core.publish("", "q", "m")
        return [name for name in ("one", "two") if name in core.vhost.queues and core.get(name, unacked, no_ack=True)]

    assert buried() == []
    core.bind("one", "graves", "q")
    assert buried() == ["one"]
    core.bind("two", "graves", "#")
    assert buried() == ["one", "two"]
    core.unbind("one", "graves", "q")
    assert buried() == ["two"]
    core.delete_queue("two")
    assert buried() == []
    check_invariants(core.broker, [unacked])


def test_a_message_of_a_queue_that_is_gone_is_rejected_into_nothing() -> None:
    """Another queue has the name by then. RabbitMQ asks that one for the message, which crashes."""
    core, unacked = CoreHarness(), UnackedDeliveries()
    core.queue("q")
    core.queue("dead")
    core.publish("", "q", "m")
    core.get("q", unacked)
    core.delete_queue("q")
    core.queue("q", arguments=arguments(dead_letter_exchange="", dead_letter_routing_key="dead"))
    core.publish("", "q", "n")
    core.nack(unacked, 1, requeue=False)
    assert (core.ready("q"), core.ready("dead")) == (["n"], [])
    check_invariants(core.broker, [unacked])
