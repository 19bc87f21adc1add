"""Definitions in every profile."""

from amqpy.core import definitions
from amqpy.core.definitions_import import Import
from tests.core.recorded import DurableHarness
from tests.profiles import switch

HEADING = ["rabbit_version", "rabbitmq_version", "product_name", "product_version"]
NAMED = [*HEADING, "rabbitmq_definition_format", "original_cluster_name", "explanation"]
METADATA = ["name", "description", "tags", "metadata"]


@switch(
    "management",
    (HEADING, ["name"], True, False),
    (HEADING, METADATA, True, False),
    (NAMED, [*METADATA[:-1], "default_queue_type", "metadata"], True, False),
    (NAMED, ["name", "limits", "metadata"], False, True),
)
def test_what_definitions_have(profile: str, expected: tuple[list[str], list[str], bool, bool]) -> None:
    core = DurableHarness(profile=profile)
    core.queue("q")
    core.exchange("x")
    heading, of_vhost, has_internal, has_type = expected
    found = definitions.exported(core.broker, core.users)
    assert list(definitions.heading(core.broker)) == heading
    assert list(found["vhosts"][0]) == of_vhost
    assert ("internal" in found["exchanges"][0]) == has_internal
    assert ("type" in found["queues"][0]) == has_type
    again = DurableHarness(profile=profile)
    work = Import(again.broker, again.users, found)
    again.broker.scheduler.jobs.do(work.steps())
    again.broker.finish()
    assert work.error is None
    imported = definitions.exported(again.broker, again.users)
    assert [imported[key] for key in ("queues", "exchanges")] == [found[key] for key in ("queues", "exchanges")]


def test_definitions_of_one_virtual_host_at_once() -> None:
    core = DurableHarness()
    core.queue("q")
    found = definitions.exported(core.broker, core.users, core.vhost)
    assert [queue["name"] for queue in found["queues"]] == ["q"]
    assert "users" not in found
