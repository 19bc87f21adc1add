"""Virtual hosts, and what they are limited to.

Source: RabbitMQ's `add_vhost_command.ex`, `list_vhosts_command.ex`, `set_vhost_limits_command.ex`, …
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from amqpy.ctl.api import ApiError
from amqpy.ctl.failures import DATA_ERROR, SOFTWARE, Failure, error, no_such_vhost
from amqpy.ctl.options import Call, Tasks, flag, option, settings_of
from amqpy.ctl.output import Atoms
from amqpy.ctl.refusals import clear_parameter, validated
from amqpy.ctl.tables import check_columns
from amqpy.ctl.values import compact, json_object

tasks = Tasks()

COLUMNS: Final = ("name", "description", "tags", "default_queue_type", "tracing", "cluster_state", "metadata")


def find_vhost(call: Call, name: str, failure: Failure | None = None) -> Mapping[str, Any]:
    """Raises Failure if there is no such virtual host."""
    try:
        found: Mapping[str, Any] = call.api.get("vhosts", name)
    except ApiError as refusal:
        if refusal.is_missing:
            raise failure or no_such_vhost(name) from None
        raise
    return found


def change_vhost(call: Call, name: str, **changes: object) -> None:
    """Changes something of a virtual host, and keeps the rest. Raises Failure."""
    found = find_vhost(call, name)
    kept = {key: found[key] for key in ("description", "tags")}
    if (queue_type := found.get("default_queue_type")) not in {None, "undefined"}:
        kept |= {"default_queue_type": queue_type, "defaultqueuetype": queue_type}
    call.api.put("vhosts", name, body={**kept, **changes})


@tasks(
    "<vhost>",
    option("--description", text="What it is for.", metavar="TEXT"),
    option("--tags", text="Tags, with commas between them.", metavar="TAGS"),
    option("--default-queue-type", text="The type of queues that are declared without one.", metavar="TYPE"),
)
def add_vhost(
    call: Call, name: str, *, description: str | None, tags: str | None, default_queue_type: str | None
) -> None:
    """Add a virtual host; one that is there stays as it is."""
    call.out.banner(f'Adding vhost "{name}" ...')
    try:
        call.api.get("vhosts", name)
    except ApiError as refusal:
        if not refusal.is_missing:
            raise
        given = settings_of(
            description=description,
            tags=tags,
            default_queue_type=default_queue_type,
            defaultqueuetype=default_queue_type,
        )
        with queue_type_refused(default_queue_type):
            call.api.put("vhosts", name, body=given)


@contextmanager
def queue_type_refused(queue_type: str | None) -> Iterator[None]:
    try:
        yield
    except ApiError as refusal:
        if queue_type is not None and refusal.status == 400 and "queue type" in refusal.text:
            raise error("invalid_queue_type") from None
        raise


@tasks("<vhost>")
def delete_vhost(call: Call, name: str) -> None:
    """Delete a virtual host with all that is in it."""
    call.out.banner(f'Deleting vhost "{name}" ...')
    find_vhost(call, name)
    call.api.delete("vhosts", name)


@tasks("[<column> ...]")
def list_vhosts(call: Call, *columns: str) -> None:
    """List virtual hosts."""
    asked = check_columns(columns, COLUMNS) or ("name",)
    call.out.banner("Listing vhosts ...")
    rows = ({**each, "tags": Atoms(each.get("tags") or ())} for each in call.api.get("vhosts"))
    call.out.rows(asked, rows)


@tasks("<vhost> <tag> [<tag> ...]")
def set_vhost_tags(call: Call, name: str, *tags: str) -> None:
    """Set the tags of a virtual host."""
    call.out.banner(f'Setting tags for virtual host "{name}" to [{", ".join(tags)}] ...')
    find_vhost(call, name, error(f'Virtual host "{name}" does not exist', DATA_ERROR))
    change_vhost(call, name, tags=list(tags))


@tasks()
def restart_vhost(call: Call) -> None:
    """Restart a virtual host. Here all of them run, always."""
    call.out.banner(f"Trying to restart vhost '{call.vhost}' on node '{call.node}' ...")
    where = f"vhost '{call.vhost}' on node '{call.node}'"
    reason = f'{{:no_such_vhost, "{call.vhost}"}}'
    find_vhost(call, call.vhost, error(f"Failed to start {where}Reason: {reason}", SOFTWARE))
    call.out.say(f"Vhost '{call.vhost}' is already running on node '{call.node}'")


@tasks()
def trace_on(call: Call) -> None:
    """Have all messages of a virtual host copied to amq.rabbitmq.trace."""
    call.out.banner(f'Starting tracing for vhost "{call.vhost}" ...')
    change_vhost(call, call.vhost, tracing=True)
    call.out.say(f"Trace enabled for vhost {call.vhost}")


@tasks()
def trace_off(call: Call) -> None:
    """End that."""
    call.out.banner(f'Stopping tracing for vhost "{call.vhost}" ...')
    change_vhost(call, call.vhost, tracing=False)
    call.out.say(f"Trace disabled for vhost {call.vhost}")


# --- limits: a parameter with all of them


LIMITS: Final = "vhost-limits"


@tasks("<limits>")
def set_vhost_limits(call: Call, limits: str) -> None:
    """Limit a virtual host: {"max-connections": 5, "max-queues": 100}. There are no others then."""
    call.out.banner(f'Setting vhost limits to "{limits}" for vhost "{call.vhost}" ...')
    value = json_object(limits)
    find_vhost(call, call.vhost)
    with validated():
        call.api.put("parameters", LIMITS, call.vhost, "limits", body={"value": value})


@tasks()
def clear_vhost_limits(call: Call) -> None:
    """Clear all limits of a virtual host."""
    call.out.banner(f'Clearing vhost "{call.vhost}" limits ...')
    clear_parameter(call, "parameters", LIMITS, call.vhost, "limits")


@tasks("", flag("--global", text="Those of all virtual hosts."))
def list_vhost_limits(call: Call, **everywhere: bool) -> None:
    """List the limits of a virtual host, or of all."""
    if everywhere["global"]:
        call.out.banner("Listing limits for all vhosts ...")
        found = [each for each in call.api.get(LIMITS) if each["value"]]
        rows = ({"vhost": each["vhost"], "limits": compact(each["value"])} for each in found)
        call.out.rows(("vhost", "limits"), rows)
        return
    call.out.banner(f'Listing limits for vhost "{call.vhost}" ...')
    find_vhost(call, call.vhost)
    limits = [each["value"] for each in call.api.get(LIMITS, call.vhost) if each["value"]]
    text = compact(limits[0]) if limits else ""
    if call.out.is_json:
        call.out.json({"node": call.node, "result": "ok", "value": text})
    else:
        call.out.say(text)
