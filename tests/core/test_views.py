"""Views: the keys and values of the management API."""

import json

import pytest

from amqpy.core import views
from amqpy.core.consumer import Consumer
from amqpy.core.ports import Origin
from amqpy.core.unacked import UnackedDeliveries
from amqpy.wire.values import Field, array_field, table_field
from tests.core.core_harness import CoreHarness, arguments, integer, longstr

PEER = Origin("127.0.0.1:50000 -> 127.0.0.1:5672", 3, "guest", "<pid>")


def test_a_queue_shows_what_was_declared_and_what_is_there() -> None:
    core = CoreHarness()
    queue = core.queue("q", durable=True, auto_delete=True, arguments=arguments(max_length=5))
    core.broker.administration.set_policy("/", "p", "", {"message-ttl": 1000})
    core.publish("", "q", "1")
    assert views.queue(queue) == {
        "name": "q",
        "vhost": "/",
        "type": "classic",
        "durable": True,
        "auto_delete": True,
        "exclusive": False,
        "arguments": {"x-max-length": 5},
        "policy": "p",
        "operator_policy": None,
        "effective_policy_definition": {"message-ttl": 1000},
        "state": "running",
        "consumers": 0,
        "exclusive_consumer_tag": None,
        "single_active_consumer_tag": None,
        "head_message_timestamp": None,
        "messages": 1,
        "messages_ready": 1,
        "messages_unacknowledged": 0,
        "messages_ram": 1,
        "messages_dropped": {},
        "message_stats": {"publish": 1},
    }


def test_statistics_are_there_in_groups_once_there_are_any() -> None:
    core = CoreHarness()
    queue = core.queue("q")
    assert "message_stats" not in views.queue(queue)
    core.fetch("q")
    assert views.queue(queue)["message_stats"] == {
        "ack": 0,
        "deliver": 0,
        "deliver_get": 0,
        "deliver_no_ack": 0,
        "get": 0,
        "get_empty": 1,
        "get_no_ack": 0,
        "redeliver": 0,
    }


def test_the_tags_of_consumers_that_have_a_queue_for_themselves() -> None:
    core, unacked = CoreHarness(), UnackedDeliveries()
    core.queue("exclusive")
    core.queue("single", arguments=arguments(single_active_consumer=True))
    core.consume("exclusive", unacked, tag="a", exclusive=True)
    core.consume("single", unacked, tag="b")
    core.consume("single", unacked, tag="c")
    shown = {name: views.queue(core.vhost.queues[name]) for name in ("exclusive", "single")}
    assert [view["exclusive_consumer_tag"] for view in shown.values()] == ["a", None]
    assert [view["single_active_consumer_tag"] for view in shown.values()] == [None, "b"]


def test_an_exchange() -> None:
    core = CoreHarness()
    exchange = core.exchange("x", "topic", durable=True, arguments={"alternate-exchange": longstr("y")})
    assert views.exchange(exchange) == {
        "name": "x",
        "vhost": "/",
        "type": "topic",
        "durable": True,
        "auto_delete": False,
        "internal": False,
        "arguments": {"alternate-exchange": "y"},
    }
    core.broker.administration.set_policy("/", "p", "", {"alternate-exchange": "z"}, apply_to="exchanges")
    assert views.exchange(exchange)["policy"] == "p"


@pytest.mark.parametrize(("key", "shown"), [("", "~"), ("a.b c", "a.b+c"), ("#", "%23"), ("~x-_/é", "%7Ex-_%2F%C3%A9")])
def test_the_address_of_a_binding_quotes_its_key(key: str, shown: str) -> None:
    assert views.properties_key(key, b"") == shown


def test_a_binding_with_arguments_has_an_address_of_its_own() -> None:
    core = CoreHarness()
    core.queue("q")
    core.bind("q", "amq.topic", "a")
    core.bind("q", "amq.topic", "a", {"n": integer(1)})
    core.bind("q", "amq.topic", "a", {"n": integer(2)})
    shown = [views.binding(each) for each in core.vhost.exchanges["amq.topic"].bindings.values()]
    keys = [str(view.pop("properties_key")) for view in shown]
    assert keys[0] == "a"
    assert len(set(keys)) == 3
    assert all(key.startswith("a~") for key in keys[1:])
    assert shown[1] == {
        "source": "amq.topic",
        "vhost": "/",
        "destination": "q",
        "destination_type": "queue",
        "routing_key": "a",
        "arguments": {"n": 1},
    }
    assert views.default_binding("/", "q") == {
        **shown[1],
        "source": "",
        "routing_key": "q",
        "arguments": {},
        "properties_key": "q",
    }


def consumers_of(core: CoreHarness, **options: int | str | bool) -> list[Consumer]:
    """Two consumers of a queue with these arguments."""
    unacked = UnackedDeliveries(PEER)
    core.queue("q", durable=True, arguments=arguments(**options))
    return [core.consume("q", unacked, tag="a", prefetch=7), core.consume("q", unacked, tag="b", no_ack=True)]


def test_a_consumer() -> None:
    first, second = consumers_of(CoreHarness())
    assert views.consumer(first) == {
        "queue": {"name": "q", "vhost": "/"},
        "consumer_tag": "a",
        "channel_details": {
            "name": "127.0.0.1:50000 -> 127.0.0.1:5672 (3)",
            "number": 3,
            "user": "guest",
            "connection_name": "127.0.0.1:50000 -> 127.0.0.1:5672",
            "peer_host": "127.0.0.1",
            "peer_port": 50000,
        },
        "ack_required": True,
        "exclusive": False,
        "prefetch_count": 7,
        "arguments": {},
        "active": True,
        "activity_status": "up",
    }
    assert (views.consumer(second)["ack_required"], views.consumer(second)["prefetch_count"]) == (False, 0)


def test_consumers_of_which_one_is_active() -> None:
    shown = [views.consumer(each) for each in consumers_of(CoreHarness(), single_active_consumer=True)]
    assert [(view["active"], view["activity_status"]) for view in shown] == [
        (True, "single_active"),
        (False, "waiting"),
    ]


def test_the_prefetch_that_a_quorum_queue_gives_is_not_shown() -> None:
    core = CoreHarness()
    core.queue("q", durable=True, arguments=arguments(queue_type="quorum"))
    assert views.consumer(core.consume("q", UnackedDeliveries(PEER)))["prefetch_count"] == 0


def test_a_virtual_host_adds_up_its_queues() -> None:
    core, unacked = CoreHarness(), UnackedDeliveries()
    for name in ("a", "b"):
        core.queue(name)
        core.publish("", name, "1", "2")
    core.get("a", unacked)
    totals = views.QueueTotals()
    totals.add(core.vhost.queues.values())
    shown = views.vhost(core.vhost, "node", totals)
    lengths = ("messages", "messages_ready", "messages_unacknowledged")
    assert [shown[name] for name in lengths] == [4, 3, 1]
    assert shown["cluster_state"] == {"node": "running"}
    assert "message_stats" not in shown, "no channel did it"


def test_the_overview_counts_objects_and_their_coming_and_going() -> None:
    core = CoreHarness()
    core.broker.administration.add_vhost("other")
    core.queue("q")
    core.queue("q")
    core.queue("r")
    core.consume("q", UnackedDeliveries())
    core.delete_queue("r")
    shown = views.overview(core.broker)
    exchanges = sum(len(vhost.exchanges) for vhost in core.broker.vhosts.values())
    assert shown["object_totals"] == {
        "connections": 0,
        "channels": 0,
        "consumers": 1,
        "exchanges": exchanges,
        "queues": 1,
    }
    assert shown["churn_rates"] == {
        "connection_created": 0,
        "connection_closed": 0,
        "channel_created": 0,
        "channel_closed": 0,
        "queue_created": 2,
        "queue_deleted": 1,
        "queue_declared": 3,
    }


def test_values_of_amqp_as_json() -> None:
    table = {
        "long": integer(1 << 40),
        "text": longstr("é"),
        "odd": Field("longstr", b"\xff\xfe".decode("utf-8", "surrogateescape")),
        "void": Field("void", None),
        "decimal": Field("decimal", (2, 125)),
        "bool": Field("bool", True),
        "double": Field("double", 1.5),
        "time": Field("timestamp", 1_577_836_800),
        "array": array_field([integer(1), longstr("a"), table_field({"b": Field("void", None)})]),
        "table": table_field({}),
    }
    shown = views.json_of(table)
    assert shown == {
        "long": 1 << 40,
        "text": "é",
        "odd": "Not UTF-8, base64 is: //4=",
        "void": "undefined",
        "decimal": 1.25,
        "bool": True,
        "double": 1.5,
        "time": 1_577_836_800,
        "array": [1, "a", {"b": "undefined"}],
        "table": {},
    }
    json.dumps(shown)


def test_what_is_nested_too_deep_is_text() -> None:
    field = integer(1)
    for _ in range(10_000):
        field = table_field({"a": field})
    shown = json.dumps(views.json_of({"a": field}))
    assert shown.count('{"a": ') == views.DEPTH_MAX + 1
