"""The operation publish: what refuses it, and what its result says."""

import pytest

from amqpy.core.message import Message, address_of
from amqpy.core.publishing import PublishResult, publish
from amqpy.core.unacked import UnackedDeliveries
from amqpy.errors import AccessRefused, NotFound
from tests.core.core_harness import CoreHarness, FakeTarget, arguments, content_header


class Writer:
    """An actor that is no client: a user who may write to some exchanges."""

    user_name = "writer"

    def __init__(self, *exchanges: str) -> None:
        self.exchanges = exchanges

    def may(self, verb: str, resource: str) -> bool:
        return verb == "write" and resource in self.exchanges

    def may_use_topic(self, verb: str, exchange: str, routing_key: str) -> bool:
        return True


WRITER = Writer("amq.default", "amq.fanout", "internal", "missing")


@pytest.fixture
def core() -> CoreHarness:
    core = CoreHarness()
    core.queue("q")
    core.queue("full", arguments=arguments(max_length=0, overflow="reject-publish"))
    core.exchange("internal", internal=True)
    return core


def published(core: CoreHarness, exchange: str, key: str, *, mandatory: bool = False) -> PublishResult:
    message = Message(address_of(exchange, key), content_header(), b"m")
    result = publish(WRITER, core.vhost, exchange, key, message, mandatory=mandatory)
    core.settle()
    return result


def names(result: PublishResult) -> tuple[list[str], list[str], bool]:
    return (
        [target.name for target in result.targets],
        [target.name for target in result.refused_by],
        result.is_returned,
    )


def test_the_result_says_where_it_went_and_what_refused_it(core: CoreHarness) -> None:
    for queue in ("q", "full"):
        core.bind(queue, "amq.fanout")
    assert names(published(core, "amq.fanout", "")) == (["q", "full"], ["full"], False)
    assert core.ready("q") == ["m"]
    assert core.ready("full") == []


@pytest.mark.parametrize("mandatory", [True, False])
def test_a_message_without_a_queue_is_returned_if_it_is_mandatory(core: CoreHarness, mandatory: bool) -> None:
    assert names(published(core, "", "nobody", mandatory=mandatory)) == ([], [], mandatory)
    assert names(published(core, "", "q", mandatory=mandatory)) == (["q"], [], False)


def test_a_mandatory_message_that_is_refused_is_not_returned(core: CoreHarness) -> None:
    assert names(published(core, "", "full", mandatory=True)) == (["full"], ["full"], False)


def test_an_actor_needs_permission_and_an_exchange_that_takes_messages(core: CoreHarness) -> None:
    with pytest.raises(AccessRefused, match=r"access to exchange 'amq\.topic' in vhost '/' refused for user 'writer'"):
        published(core, "amq.topic", "k")
    with pytest.raises(NotFound, match="no exchange 'missing' in vhost '/'"):
        published(core, "missing", "k")
    with pytest.raises(AccessRefused, match="cannot publish to internal exchange 'internal' in vhost '/'"):
        published(core, "internal", "k")


@pytest.mark.parametrize(("profile", "is_returned"), [("rabbitmq-3.13", True), ("rabbitmq-4.3", False)])
def test_a_reply_is_delivered_and_to_some_brokers_goes_to_no_queue(profile: str, is_returned: bool) -> None:
    core, target = CoreHarness(profile), FakeTarget()
    replies = core.broker.consume_replies(core.vhost, UnackedDeliveries(), target, tag="t")
    assert names(published(core, "", replies.name, mandatory=True)) == ([replies.name], [], is_returned)
    assert target.bodies == ["m"]
