"""Plugins: `amqpy plugins`, as RabbitMQ's `rabbitmq-plugins`.

What plugins do is built in, or it is not there. So enabling one that is built in changes nothing and succeeds, as
disabling one does; to enable one that is not there fails.

Source: `RabbitMQ.CLI.Plugins.Commands.*`.
"""

import re
from collections.abc import Sequence
from typing import Final

from amqpy.config.rabbitmq_plugins import BUILT_IN
from amqpy.ctl.api import ApiError
from amqpy.ctl.failures import SOFTWARE, UNAVAILABLE, BadArguments, Failure, Unreachable, error
from amqpy.ctl.options import Call, Tasks, flag

tasks = Tasks()

IMPLICIT: Final = ("rabbitmq_management_agent", "rabbitmq_web_dispatch")
"""Those that are there for others."""

LEGEND: Final = (" Configured: E = explicitly enabled; e = implicitly enabled", " | Status: {status}", " |/")


def node_or_guess(call: Call) -> tuple[bool, str]:
    """Tells if the broker runs, and its version."""
    try:
        version = call.api.get("overview", columns="rabbitmq_version")["rabbitmq_version"]
    except (ApiError, Failure, Unreachable):
        return False, ""
    return True, str(version)


def check_known(names: Sequence[str]) -> None:
    """Raises Failure for plugins that are not there."""
    if unknown := [name for name in names if name not in BUILT_IN]:
        raise error(f"{{:plugins_not_found, [{', '.join(f':{name}' for name in unknown)}]}}", SOFTWARE)


@tasks(
    "[<pattern>]",
    flag("-v", "--verbose", text="With descriptions."),
    flag("-m", "--minimal", text="Only the names."),
    flag("-e", "--enabled", text="Those that are enabled."),
    flag("-E", "--explicitly-enabled", text="Those that somebody enabled."),
    name="list",
    needs_broker=False,
)
def list_plugins(
    call: Call, pattern: str = ".*", *, verbose: bool, minimal: bool, enabled: bool, explicitly_enabled: bool
) -> None:
    """List plugins whose names match a pattern."""
    try:
        matches = re.compile(pattern).search
    except re.error as problem:
        raise BadArguments(f"no regular expression: {problem}") from None
    is_up, version = node_or_guess(call)
    names = [name for name in BUILT_IN if matches(name)]
    if explicitly_enabled:
        names = [name for name in names if name not in IMPLICIT]
    if call.out.is_json:
        call.out.json({"format": "normal", "plugins": [_as_json(name, is_up, version) for name in names]})
        return
    call.out.banner(f'Listing plugins with pattern "{pattern}" ...')
    if minimal:
        for name in names:
            call.out.say(name)
        return
    status = f"* = running on {call.node}" if is_up else f"[failed to contact {call.node} - status not shown]"
    for line in LEGEND:
        call.out.banner(line.format(status=status))
    width = max(map(len, names), default=0)
    for name in names:
        mark = ("e" if name in IMPLICIT else "E") + ("*" if is_up else " ")
        call.out.say(f"[{mark}] {name:{width}} {version}")


def _as_json(name: str, is_up: bool, version: str) -> dict[str, object]:
    enabled = "implicit" if name in IMPLICIT else "enabled"
    return {"enabled": enabled, "name": name, "running": is_up, "running_version": version, "version": version}


def _switch(call: Call, names: Sequence[str], banner: str, *, offline: bool, checked: bool) -> None:
    call.out.banner(banner, *names)
    if checked:
        check_known(names)
    if call.out.is_json:
        call.out.json({"mode": "offline" if offline else "online", "set": list(BUILT_IN)})
        return
    call.out.say("The following plugins have been configured:")
    for name in BUILT_IN:
        call.out.say(f"  {name}")
    call.out.say(f"Applying plugin configuration to {call.node}...")
    call.out.say("Plugin configuration unchanged.")


@tasks("[<plugin> ...]", flag("--all"), flag("--offline"), flag("--online"), needs_broker=False)
def enable(call: Call, *names: str, offline: bool, online: bool, **more: bool) -> None:
    """Enable plugins: those that are built in always are."""
    every = more["all"]
    if not names and not every:
        raise BadArguments("not enough arguments.")
    banner = f"Enabling ALL plugins on node {call.node}" if every else f"Enabling plugins on node {call.node}:"
    _switch(call, () if every else names, banner, offline=offline, checked=True)


@tasks("[<plugin> ...]", flag("--all"), flag("--offline"), flag("--online"), needs_broker=False)
def disable(call: Call, *names: str, offline: bool, online: bool, **more: bool) -> None:
    """Disable plugins. Those that are built in stay: settings say if they are used."""
    every = more["all"]
    if not names and not every:
        raise BadArguments("not enough arguments.")
    banner = f"Disabling ALL plugins on node {call.node}" if every else f"Disabling plugins on node {call.node}:"
    _switch(call, () if every else names, banner, offline=offline, checked=False)


@tasks("[<plugin> ...]", flag("--offline"), flag("--online"), name="set", needs_broker=False)
def set_plugins(call: Call, *names: str, offline: bool, online: bool) -> None:
    """Enable these plugins and no others: see there."""
    _switch(call, names, f"Enabling plugins on node {call.node}:", offline=offline, checked=True)


@tasks("<plugin> [<plugin> ...]", flag("--offline"), flag("--online"), needs_broker=False)
def is_enabled(call: Call, *names: str, offline: bool, online: bool) -> None:
    """Look if plugins are enabled: if they are built in."""
    call.out.banner(f"Asking node {call.node} if {_listed(names)}...")
    if unknown := [name for name in names if name not in BUILT_IN]:
        verb = "is" if len(unknown) == 1 else "are"
        noun = "Plugin" if len(unknown) == 1 else "Plugins"
        there = f"Enabled plugins and dependencies: {', '.join(BUILT_IN)}"
        raise error(f"{noun} {', '.join(unknown)} {verb} not enabled on node {call.node}. {there}", UNAVAILABLE)
    verb = "is" if len(names) == 1 else "are"
    noun = "Plugin" if len(names) == 1 else "Plugins"
    call.out.say(f"{noun} {', '.join(names)} {verb} enabled on node {call.node}")


def _listed(names: tuple[str, ...]) -> str:
    return f"plugin {names[0]} is enabled" if len(names) == 1 else f"plugins {', '.join(names)} are enabled"
