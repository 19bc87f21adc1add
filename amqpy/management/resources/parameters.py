"""Runtime parameters of virtual hosts, and global ones.

Source: `rabbit_mgmt_wm_parameters`, `rabbit_mgmt_wm_parameter`, `rabbit_mgmt_wm_global_parameters`,
`rabbit_mgmt_wm_global_parameter`.
"""

from collections.abc import Iterator

from amqpy.core.administration import views
from amqpy.core.administration.administration import Parameter
from amqpy.management import access
from amqpy.management.answers import DONE, Answer, escaped, not_found, put
from amqpy.management.call import Call
from amqpy.management.lists import NAMES, Listing, View, Whole
from amqpy.management.request import require
from amqpy.management.router import Router


def add_to(router: Router) -> None:
    router.get("/parameters", access.policymaker)(list_parameters)
    router.get("/parameters/{component}", access.policymaker)(list_parameters)
    router.get("/parameters/{component}/{vhost}", access.policymaker)(list_parameters)
    router.get("/parameters/{component}/{vhost}/{name}", access.policymaker)(show_parameter)
    router.put("/parameters/{component}/{vhost}/{name}", access.policymaker)(set_parameter)
    router.delete("/parameters/{component}/{vhost}/{name}", access.policymaker)(clear_parameter)
    router.get("/global-parameters", access.global_policymaker)(list_global_parameters)
    router.get("/global-parameters/{name}", access.global_policymaker)(show_global_parameter)
    router.put("/global-parameters/{name}", access.global_policymaker)(set_global_parameter)
    router.delete("/global-parameters/{name}", access.global_policymaker)(clear_global_parameter)


# --- of virtual hosts


def list_parameters(call: Call) -> Listing:
    """Those of one component or of all; policies are among them only if they are asked for. Those of all are those of
    all virtual hosts, whatever the header `X-Vhost` says."""
    if "component" in call.names:
        call.check_vhost_in_header()
    found = list(_of_component(call))
    found.sort(key=lambda each: (each.vhost or "", each.name, each.component or ""))
    return Listing(found, views.parameter, by=NAMES)


def _of_component(call: Call) -> Iterator[Parameter]:
    for vhost in call.vhosts(heeds_header="component" in call.names):
        yield from call.broker.administration.parameters(vhost.name, call.names.get("component"))


def _find(call: Call) -> Parameter | None:
    name = call.names["name"]
    return next((each for each in _of_component(call) if each.name == name), None)


def show_parameter(call: Call) -> View:
    parameter = _find(call)
    if parameter is None:
        raise not_found()
    return views.parameter(parameter)


def set_parameter(call: Call) -> Answer:
    vhost, component, name = call.target_vhost, call.names["component"], call.names["name"]
    (value,) = require(call.body, "value")
    is_new = _find(call) is None
    with escaped(call.has("escaped-html")):
        call.broker.administration.set_parameter(vhost.name, component, name, value)
    return put(is_new)


def clear_parameter(call: Call) -> Answer:
    show_parameter(call)
    call.broker.administration.clear_parameter(call.names["vhost"], call.names["component"], call.names["name"])
    return DONE


# --- global ones


def list_global_parameters(call: Call) -> Listing:
    return Listing(views.global_parameters(call.broker), _view_of_global, by=("name",))


def _view_of_global(parameter: Parameter) -> View:
    """A global parameter, whose objects inside of its value are whole."""
    shown = views.parameter(parameter)
    value = shown["value"]
    if isinstance(value, dict):
        value = {key: Whole(inner) if isinstance(inner, dict) else inner for key, inner in value.items()}
    return {**shown, "value": value}


def _find_global(call: Call) -> Parameter | None:
    known = views.global_parameters(call.broker)
    return next((each for each in known if each.name == call.names["name"]), None)


def show_global_parameter(call: Call) -> View:
    parameter = _find_global(call)
    if parameter is None:
        raise not_found()
    return _view_of_global(parameter)


def set_global_parameter(call: Call) -> Answer:
    (value,) = require(call.body, "value")
    is_new = _find_global(call) is None
    call.broker.administration.set_global_parameter(call.names["name"], value)
    return put(is_new)


def clear_global_parameter(call: Call) -> Answer:
    show_global_parameter(call)
    call.broker.administration.clear_global_parameter(call.names["name"])
    return DONE
