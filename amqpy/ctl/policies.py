"""Policies, operator policies, and runtime parameters.

Source: RabbitMQ's `set_policy_command.ex`, `set_operator_policy_command.ex`, `set_parameter_command.ex`, …
"""

from typing import Any, Final

import click

from amqpy.ctl.options import Call, Tasks, option
from amqpy.ctl.refusals import clear_parameter as clear_it
from amqpy.ctl.refusals import validated
from amqpy.ctl.values import compact, json_object, json_value
from amqpy.ctl.vhosts import find_vhost

tasks = Tasks()

COLUMNS: Final = ("vhost", "name", "pattern", "apply-to", "definition", "priority")


def rank_options() -> list[click.Option]:
    return [
        option("--priority", metavar="N", text="The policy with the highest one applies.", type=int, default=0),
        option("--apply-to", metavar="WHAT", text="queues, exchanges or all.", default="all"),
    ]


def set_one(call: Call, kind: str, name: str, pattern: str, definition: str, priority: int, apply_to: str) -> None:
    value = json_object(definition)
    find_vhost(call, call.vhost)
    body = {"pattern": pattern, "definition": value, "priority": priority, "apply-to": apply_to}
    with validated():
        call.api.put(kind, call.vhost, name, body=body)


def list_all(call: Call, kind: str) -> None:
    find_vhost(call, call.vhost)
    found = call.api.get(kind, call.vhost)
    call.out.rows(COLUMNS, ({**each, "definition": compact(each["definition"])} for each in found))


# --- policies


@tasks("<name> <pattern> <definition>", *rank_options())
def set_policy(call: Call, name: str, pattern: str, definition: str, *, priority: int, apply_to: str) -> None:
    """Set a policy for what has a name like the pattern."""
    call.out.banner(
        f'Setting policy "{name}" for pattern "{pattern}" to "{definition}" with priority "{priority}" for '
        f'vhost "{call.vhost}" ...'
    )
    set_one(call, "policies", name, pattern, definition, priority, apply_to)


@tasks("<name>")
def clear_policy(call: Call, name: str) -> None:
    """Clear a policy."""
    call.out.banner(f'Clearing policy "{name}" on vhost "{call.vhost}" ...')
    clear_it(call, "policies", call.vhost, name)


@tasks()
def list_policies(call: Call) -> None:
    """List the policies of a virtual host."""
    call.out.banner(f'Listing policies for vhost "{call.vhost}" ...')
    list_all(call, "policies")


@tasks("<name> <pattern> <definition>", *rank_options())
def set_operator_policy(call: Call, name: str, pattern: str, definition: str, *, priority: int, apply_to: str) -> None:
    """Set an operator's policy, which is added to that of the users."""
    call.out.banner(
        f'Setting operator policy override "{name}" for pattern "{pattern}" to "{definition}" with priority '
        f'"{priority}" for vhost "{call.vhost}" ...'
    )
    set_one(call, "operator-policies", name, pattern, definition, priority, apply_to)


@tasks("<name>")
def clear_operator_policy(call: Call, name: str) -> None:
    """Clear an operator's policy."""
    call.out.banner(f'Clearing operator policy "{name}" on vhost "{call.vhost}" ...')
    clear_it(call, "operator-policies", call.vhost, name)


@tasks()
def list_operator_policies(call: Call) -> None:
    """List the operator's policies of a virtual host."""
    call.out.banner(f'Listing operator policy overrides for vhost "{call.vhost}" ...')
    list_all(call, "operator-policies")


# --- parameters


@tasks("<component> <name> <value>")
def set_parameter(call: Call, component: str, name: str, value: str) -> None:
    """Set a runtime parameter of a virtual host, in JSON."""
    call.out.banner(
        f'Setting runtime parameter "{name}" for component "{component}" to "{value}" in vhost "{call.vhost}" ...'
    )
    parsed = json_value(value)
    with validated():
        call.api.put("parameters", component, call.vhost, name, body={"value": parsed})


@tasks("<component> <name>")
def clear_parameter(call: Call, component: str, name: str) -> None:
    """Clear a runtime parameter."""
    call.out.banner(f'Clearing runtime parameter "{name}" for component "{component}" on vhost "{call.vhost}" ...')
    clear_it(call, "parameters", component, call.vhost, name)


@tasks()
def list_parameters(call: Call) -> None:
    """List the runtime parameters of a virtual host."""
    call.out.banner(f'Listing runtime parameters for vhost "{call.vhost}" ...')
    found = [each for each in call.api.get("parameters") if each["vhost"] == call.vhost]
    call.out.rows(("component", "name", "value"), map(_with_value, found))


@tasks("<name> <value>")
def set_global_parameter(call: Call, name: str, value: str) -> None:
    """Set a parameter of the whole broker, in JSON."""
    call.out.banner(f'Setting global runtime parameter "{name}" to "{value}" ...')
    parsed = json_value(value)
    with validated():
        call.api.put("global-parameters", name, body={"value": parsed})


@tasks("<name>")
def clear_global_parameter(call: Call, name: str) -> None:
    """Clear a parameter of the whole broker."""
    call.out.banner(f'Clearing global runtime parameter "{name}" ...')
    clear_it(call, "global-parameters", name)


@tasks()
def list_global_parameters(call: Call) -> None:
    """List the parameters of the whole broker."""
    call.out.banner("Listing global runtime parameters ...")
    call.out.rows(("name", "value"), map(_with_value, call.api.get("global-parameters")))


def _with_value(parameter: dict[str, Any]) -> dict[str, Any]:
    return {**parameter, "value": compact(parameter["value"])}
