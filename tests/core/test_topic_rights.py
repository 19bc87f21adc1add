"""Rights to use a routing key with a topic exchange, which are asked beyond the permissions."""

from collections.abc import Callable

import pytest

from amqpy.core.message import Message, address_of
from amqpy.core.publishing import publish
from amqpy.errors import AccessRefused, NotFound
from tests.core.core_harness import CoreHarness, content_header


@pytest.fixture
def core() -> CoreHarness:
    core = CoreHarness()
    core.queue("q")
    core.client.denied_topics = {
        (verb, exchange, "no") for verb in ("write", "read") for exchange in ("amq.topic", "amq.direct", "")
    }
    return core


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(AccessRefused) as refused:
        act()
    return refused.value.text


def publishing(core: CoreHarness, exchange: str, key: str) -> Callable[[], object]:
    message = Message(address_of(exchange, key), content_header(), b"m")
    return lambda: publish(core.client, core.vhost, exchange, key, message)


@pytest.mark.parametrize(("profile", "named"), [("rabbitmq-3.10", ""), ("rabbitmq-3.13", "write ")])
def test_a_publish(profile: str, named: str) -> None:
    core = CoreHarness(profile)
    core.client.denied_topics.add(("write", "amq.topic", "no"))
    text = f"{named}access to topic 'no' in exchange 'amq.topic' in vhost '/' refused for user 'guest'"
    assert refusal(publishing(core, "amq.topic", "no")) == text
    publishing(core, "amq.topic", "yes")()


def test_other_exchanges_do_not_ask(core: CoreHarness) -> None:
    publishing(core, "amq.direct", "no")()
    publishing(core, "", "no")()


def test_the_permission_and_the_exchange_come_first(core: CoreHarness) -> None:
    core.client.denied.add(("write", "amq.topic"))
    assert "access to exchange 'amq.topic'" in refusal(publishing(core, "amq.topic", "no"))
    with pytest.raises(NotFound):
        publishing(core, "none", "no")()


@pytest.mark.parametrize("operation", ["bind_queue", "unbind_queue"])
def test_bindings_of_queues(core: CoreHarness, operation: str) -> None:
    act = getattr(core.broker.topology, operation)
    text = "read access to topic 'no' in exchange 'amq.topic' in vhost '/' refused for user 'guest'"
    assert refusal(lambda: act(core.client, core.vhost, "q", "amq.topic", "no", {})) == text
    act(core.client, core.vhost, "q", "amq.topic", "yes", {})
    act(core.client, core.vhost, "q", "amq.direct", "no", {})
    assert refusal(lambda: act(core.client, core.vhost, "none", "amq.topic", "no", {})) == text, "no oracle for names"


@pytest.mark.parametrize("operation", ["bind_exchange", "unbind_exchange"])
def test_bindings_of_exchanges_are_judged_by_their_source(core: CoreHarness, operation: str) -> None:
    act = getattr(core.broker.topology, operation)
    text = "read access to topic 'no' in exchange 'amq.topic' in vhost '/' refused for user 'guest'"
    assert refusal(lambda: act(core.client, core.vhost, "amq.fanout", "amq.topic", "no", {})) == text
    act(core.client, core.vhost, "amq.fanout", "amq.topic", "yes", {})
    act(core.client, core.vhost, "amq.topic", "amq.direct", "no", {})
