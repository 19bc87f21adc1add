"""Policies, and those of the operator.

Source: `rabbit_mgmt_wm_policies`, `rabbit_mgmt_wm_policy`, `rabbit_mgmt_wm_operator_policies`,
`rabbit_mgmt_wm_operator_policy`.
"""

from typing import Any

from amqpy.core.administration import views
from amqpy.core.administration.policies import Policies
from amqpy.core.vhost import Vhost
from amqpy.management import access
from amqpy.management.answers import DONE, JSON, Answer, escaped, not_found, put
from amqpy.management.call import Call
from amqpy.management.lists import Listing, View
from amqpy.management.request import require
from amqpy.management.router import Router


def add_to(router: Router) -> None:
    router.get("/policies", access.of_vhost)(list_policies)
    router.get("/policies/{vhost}", access.of_vhost)(list_policies)
    router.get("/policies/{vhost}/{name}", access.policymaker)(show_policy)
    router.put("/policies/{vhost}/{name}", access.policymaker)(set_policy)
    router.delete("/policies/{vhost}/{name}", access.policymaker)(clear_policy)
    router.get("/operator-policies", access.of_vhost)(list_operator_policies)
    router.get("/operator-policies/{vhost}", access.of_vhost)(list_operator_policies)
    router.get("/operator-policies/{vhost}/{name}", access.administrator)(show_operator_policy)
    router.put("/operator-policies/{vhost}/{name}", access.administrator, types=(JSON,))(set_operator_policy)
    router.delete("/operator-policies/{vhost}/{name}", access.administrator)(clear_operator_policy)


def _show(policies: Policies, call: Call) -> View:
    policy = policies.find(call.names["name"])
    if policy is None:
        raise not_found()
    return views.policy(call.names["vhost"], policy)


def _arguments(call: Call, vhost: Vhost) -> tuple[str, str, Any, Any]:
    """The arguments that set a policy, but for its priority and what it applies to."""
    pattern, definition = require(call.body, "pattern", "definition")
    return vhost.name, call.names["name"], pattern, definition


def _rank(call: Call) -> dict[str, Any]:
    return {"priority": call.body.get("priority", 0), "apply_to": call.body.get("apply-to", "all")}


# --- policies


def list_policies(call: Call) -> Listing:
    call.check_vhost_in_header()
    ranked = views.ranked((vhost.name, vhost.policies.policies) for vhost in call.vhosts())
    return Listing(ranked, lambda each: views.policy(*each), by=("priority",))


def show_policy(call: Call) -> View:
    return _show(call.vhost.policies.policies, call)


def set_policy(call: Call) -> Answer:
    vhost = call.target_vhost
    is_new = vhost.policies.policies.find(call.names["name"]) is None
    arguments = _arguments(call, vhost)
    with escaped(call.has("escaped-html")):
        call.broker.administration.set_policy(*arguments, **_rank(call))
    return put(is_new)


def clear_policy(call: Call) -> Answer:
    show_policy(call)
    call.broker.administration.clear_policy(call.names["vhost"], call.names["name"])
    return DONE


# --- operator policies


def list_operator_policies(call: Call) -> Listing:
    call.check_vhost_in_header()
    ranked = views.ranked((vhost.name, vhost.policies.operator_policies) for vhost in call.vhosts())
    return Listing(ranked, lambda each: views.policy(*each), by=("priority",))


def show_operator_policy(call: Call) -> View:
    return _show(call.vhost.policies.operator_policies, call)


def set_operator_policy(call: Call) -> Answer:
    vhost = call.target_vhost
    is_new = vhost.policies.operator_policies.find(call.names["name"]) is None
    call.broker.administration.set_operator_policy(*_arguments(call, vhost), **_rank(call))
    return put(is_new)


def clear_operator_policy(call: Call) -> Answer:
    show_operator_policy(call)
    call.broker.administration.clear_operator_policy(call.names["vhost"], call.names["name"])
    return DONE
