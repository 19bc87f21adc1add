"""The command that says why messages do not get on: an addition to RabbitMQ's."""

from amqpy.ctl.api import ApiError
from amqpy.ctl.failures import no_such_vhost
from amqpy.ctl.options import Call, Tasks
from amqpy.ctl.output import printable

tasks = Tasks()

NOTHING = "Nothing is found that keeps messages from getting on."


@tasks()
def stuck(call: Call) -> None:
    """Say why messages do not get on, the gravest reasons first; with -p in one virtual host."""
    vhost = call.options.vhost
    call.out.banner("Looking for what keeps messages from getting on ...")
    try:
        found = call.api.get("stuck", *([] if vhost is None else [vhost]))
    except ApiError as refusal:
        if refusal.is_missing and vhost is not None:
            raise no_such_vhost(vhost) from None
        raise
    if call.out.is_json:
        call.out.json(found)
        return
    for finding in found:
        where = finding["vhost"]
        call.out.say(printable(finding["text"] if where in {"", "/"} else f"{where}: {finding['text']}"))
    if not found:
        call.out.note(NOTHING)
