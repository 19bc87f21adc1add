"""The permissions of users.

Source: RabbitMQ's `set_permissions_command.ex`, `list_permissions_command.ex`, `set_topic_permissions_command.ex`, …
"""

from amqpy.ctl.api import ApiError
from amqpy.ctl.failures import NO_USER, UNAVAILABLE, Failure, error
from amqpy.ctl.options import Call, Tasks
from amqpy.ctl.users import find_user, unknown_user
from amqpy.ctl.vhosts import find_vhost

tasks = Tasks()


def vhost_is_missing(name: str) -> Failure:
    return error(f"Virtual host {name} does not exist", UNAVAILABLE)


def user_is_missing(name: str) -> Failure:
    return error(f"User {name} does not exist", NO_USER)


def check_both(call: Call, user: str) -> None:
    """Raises Failure if the virtual host or the user does not exist."""
    find_vhost(call, call.vhost, vhost_is_missing(call.vhost))
    try:
        call.api.get("users", user)
    except ApiError as refusal:
        if refusal.is_missing:
            raise user_is_missing(user) from None
        raise


@tasks("<username> <configure> <write> <read>")
def set_permissions(call: Call, user: str, configure: str, write: str, read: str) -> None:
    """Let a user configure, write to and read from what has names like these patterns."""
    call.out.banner(f'Setting permissions for user "{user}" in vhost "{call.vhost}" ...')
    check_both(call, user)
    call.api.put("permissions", call.vhost, user, body={"configure": configure, "write": write, "read": read})


@tasks("<username> <configure> <write> <read>")
def set_permissions_globally(call: Call, user: str, configure: str, write: str, read: str) -> None:
    """The same in every virtual host that there is."""
    call.out.banner(f'Setting permissions for user "{user}" in all virtual hosts ...')
    find_user(call, user)
    for vhost in call.api.get("vhosts", columns="name"):
        patterns = {"configure": configure, "write": write, "read": read}
        call.api.put("permissions", vhost["name"], user, body=patterns)


@tasks("<username>")
def clear_permissions(call: Call, user: str) -> None:
    """Take a user's permissions in a virtual host away."""
    call.out.banner(f'Clearing permissions for user "{user}" in vhost "{call.vhost}" ...')
    check_both(call, user)
    try:
        call.api.delete("permissions", call.vhost, user)
    except ApiError as refusal:
        if not refusal.is_missing:
            raise


@tasks()
def list_permissions(call: Call) -> None:
    """List the permissions in a virtual host."""
    call.out.banner(f'Listing permissions for vhost "{call.vhost}" ...')
    find_vhost(call, call.vhost)
    call.out.rows(("user", "configure", "write", "read"), call.api.get("vhosts", call.vhost, "permissions"))


@tasks("<username>")
def list_user_permissions(call: Call, user: str) -> None:
    """List the permissions of a user."""
    call.out.banner(f'Listing permissions for user "{user}" ...')
    find_user(call, user, unknown_user)
    call.out.rows(("vhost", "configure", "write", "read"), call.api.get("users", user, "permissions"))


# --- topics


@tasks("<username> <exchange> <write> <read>")
def set_topic_permissions(call: Call, user: str, exchange: str, write: str, read: str) -> None:
    """Let a user publish to, and bind to, a topic exchange with routing keys like these patterns."""
    call.out.banner(f'Setting topic permissions on "{exchange}" for user "{user}" in vhost "{call.vhost}" ...')
    check_both(call, user)
    patterns = {"exchange": exchange, "write": write, "read": read}
    call.api.put("topic-permissions", call.vhost, user, body=patterns)


@tasks("<username> [<exchange>]")
def clear_topic_permissions(call: Call, user: str, exchange: str | None = None) -> None:
    """Take a user's topic permissions in a virtual host away, or those on one exchange."""
    about = "" if exchange is None else f' on "{exchange}"'
    call.out.banner(f'Clearing topic permissions{about} for user "{user}" in vhost "{call.vhost}" ...')
    check_both(call, user)
    try:
        call.api.delete("topic-permissions", call.vhost, user, *(() if exchange is None else (exchange,)))
    except ApiError as refusal:
        if not refusal.is_missing:
            raise


@tasks()
def list_topic_permissions(call: Call) -> None:
    """List the topic permissions in a virtual host."""
    call.out.banner(f'Listing topic permissions for vhost "{call.vhost}" ...')
    find_vhost(call, call.vhost)
    call.out.rows(("user", "exchange", "write", "read"), call.api.get("vhosts", call.vhost, "topic-permissions"))


@tasks("<username>")
def list_user_topic_permissions(call: Call, user: str) -> None:
    """List the topic permissions of a user."""
    call.out.banner(f'Listing topic permissions for user "{user}" ...')
    find_user(call, user, unknown_user)
    # RabbitMQ has forgotten its header row.
    call.out.rows(
        ("vhost", "exchange", "write", "read"), call.api.get("users", user, "topic-permissions"), headers=False
    )
