"""Explanations: where a message published so would go, and why. An addition to RabbitMQ's API; nothing is published.

Who may see the bindings of a virtual host may ask.
"""

from collections.abc import Mapping

from amqpy.core.explain import Explaining
from amqpy.core.jobs import Steps
from amqpy.management import access
from amqpy.management.answers import bad_request, not_entitled, not_found
from amqpy.management.call import Call
from amqpy.management.checks import check_length
from amqpy.management.contents import encoded_properties
from amqpy.management.json_reader import read_json
from amqpy.management.lists import View, Work
from amqpy.management.request import text
from amqpy.management.resources.exchanges import DEFAULT
from amqpy.management.router import Router
from amqpy.management.tables import table_of


def add_to(router: Router) -> None:
    router.get("/explain", access.anyone)(explain_query)
    router.post("/explain", access.anyone)(explain_body)


def explain_query(call: Call) -> Work:
    query = call.request.query
    asked: dict[str, object] = dict(query)
    if "headers" in query:
        try:
            asked["headers"] = read_json(query["headers"].encode("utf-8", "surrogateescape"))
        except ValueError:
            raise bad_request("not_json") from None
    asked.pop("properties", None)
    return _explained(call, asked)


def explain_body(call: Call) -> Work:
    return _explained(call, call.body)


def _explained(call: Call, asked: Mapping[str, object]) -> Work:
    """The explanation of what is asked for. Raises Refusal, and AdministrationError."""
    vhost = text(asked.get("vhost", call.named_vhost or "/"), "vhost")
    exchange, key = (text(asked.get(name, ""), name) for name in ("exchange", "routing_key"))
    found = call.broker.vhosts.get(vhost)
    if found is None:
        raise not_found()
    if not (call.is_administrator or call.may_enter(found)):
        raise not_entitled(access.NO_VHOST_ACCESS)
    check_length("exchange", exchange)
    check_length("routing_key", key)
    parts = encoded_properties(asked.get("properties") or {}, call.broker.profile)
    headers = table_of(asked.get("headers"))
    name = "" if exchange == DEFAULT else exchange
    telling = Telling(Explaining(call.broker, vhost, name, key, headers, parts))
    return Work(telling.steps(), lambda: telling.told)


class Telling:
    """An explanation that becomes an answer."""

    def __init__(self, explaining: Explaining) -> None:
        self.told: View = {}
        self._explaining = explaining

    def steps(self) -> Steps:
        """All of it: a job."""
        yield from self._explaining.steps()
        self.told = yield from self._explaining.result.made()
