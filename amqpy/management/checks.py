"""Checks of changes that AMQP has no use for: a method of AMQP cannot have too long a name, nor name a node.

Source: `rabbit_parameter_validation:amqp091_queue_name`, `rabbit_mgmt_util`: `get_node`, `direct_request`.
"""

from typing import Final, Literal

from amqpy.errors import erlang_atom
from amqpy.management.answers import bad_request, missing
from amqpy.management.call import Call
from amqpy.management.request import Body, text

NAME_BYTES_MAX: Final = 255


def check_length(what: str, name: str) -> None:
    """Raises Refusal for a name that is longer than a short string can be."""
    size = len(name.encode("utf-8", "surrogateescape"))
    if size > NAME_BYTES_MAX:
        raise bad_request(f"{what} should be less than {NAME_BYTES_MAX} bytes, actually was {size}\n")


def check_node(call: Call, body: Body) -> None:
    """Raises Refusal for a change that is to be made on another node than the one that there is."""
    if "node" not in body:
        return
    node, mine = text(body["node"], "node"), call.broker.node
    if "@" not in node:
        node = f"{node}@{mine.partition('@')[2]}"
    if node != mine:
        raise bad_request(f"Node {erlang_atom(node)} could not be contacted")


def look_first(call: Call, kind: Literal["exchange", "queue"], name: str) -> None:
    """Raises Refusal, by profile, if there is no such exchange or queue in the virtual host in the path."""
    if not call.broker.profile.web_looks_first:
        return
    vhost = call.broker.vhosts.get(call.names["vhost"])
    if vhost is None:
        raise missing("vhost_not_found")
    if name not in (vhost.exchanges if kind == "exchange" else vhost.queues):
        raise missing(f"{kind}_not_found")
