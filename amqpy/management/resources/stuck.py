"""Findings: why messages do not get on. An addition to RabbitMQ's API.

Everybody sees what is in the virtual hosts that it may see, and its own connections; monitors see all.
"""

from collections.abc import Mapping
from typing import Final

from amqpy.amqp.connection import ConnectionSession
from amqpy.amqp.views import state_of
from amqpy.core.findings.finding import Finding, Thresholds
from amqpy.core.findings.of_clients import ConnectionState
from amqpy.core.ports import Client
from amqpy.core.stuck import Looking
from amqpy.management import access
from amqpy.management.answers import bad_request
from amqpy.management.call import Call
from amqpy.management.lists import Listing, View, Work
from amqpy.management.request import integer
from amqpy.management.router import Router
from amqpy.management.statistics.history import SampledHistory

THRESHOLD_MAX: Final = 1 << 53
LIMIT_MAX: Final = 1000
"""The most findings of one kind that can be asked for."""


def add_to(router: Router) -> None:
    router.get("/stuck", access.anyone)(list_findings)
    router.get("/stuck/{vhost}", access.visible)(list_findings)


def list_findings(call: Call) -> Work:
    """Reasons why messages do not get on, the gravest first."""

    def describe(client: Client) -> ConnectionState | None:
        if isinstance(client, ConnectionSession) and (call.is_monitor or client.user_name == call.user.name):
            return state_of(client)
        return None

    api, reactor = call.api, call.api.reactor
    journal = call.broker.scheduler.journal
    looking = Looking(
        call.broker,
        list(call.visible_vhosts()),
        describe,
        thresholds_in(call.request.query),
        SampledHistory(api.statistics.sampler, api.unix_time_ms()),
        store_waiting=journal.size if journal is not None and reactor.is_store_behind else 0,
    )
    return Work(looking.steps(), lambda: Listing([view(each) for each in looking.found], dict))


def view(finding: Finding) -> View:
    return {
        "kind": finding.kind,
        "vhost": finding.vhost,
        "name": finding.name,
        "text": finding.text,
        **finding.facts,
    }


def thresholds_in(query: Mapping[str, str]) -> Thresholds:
    """The thresholds that are asked for, each by its name. Raises Refusal."""
    given = {name: integer(query[name]) for name in Thresholds._fields if name in query}
    for name, value in given.items():
        if not 0 <= value <= THRESHOLD_MAX:
            raise bad_request(f"{name} should be from 0 to {THRESHOLD_MAX}")
    if not 1 <= given.get("limit", 1) <= LIMIT_MAX:
        raise bad_request(f"limit should be from 1 to {LIMIT_MAX}")
    return Thresholds(**given)
