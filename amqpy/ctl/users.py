"""Users, and what they are limited to.

The API replaces a user as a whole. So what changes a part of one asks for the rest first.

Source: RabbitMQ's `add_user_command.ex`, `set_user_tags_command.ex`, `list_users_command.ex`, …
"""

import hashlib
import secrets
import sys
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any

import click

from amqpy.ctl.api import ApiError
from amqpy.ctl.failures import DATA_ERROR, NO_USER, SOFTWARE, Failure, error
from amqpy.ctl.options import Call, Tasks, flag, option
from amqpy.ctl.output import Atoms
from amqpy.ctl.values import compact, json_object

tasks = Tasks()

GRANT = (
    "Done. Don't forget to grant the user permissions to some virtual hosts! See 'rabbitmqctl help set_permissions' to "
    "learn more."
)


def no_such_user(name: str) -> Failure:
    return error(f'User "{name}" does not exist', NO_USER)


def unknown_user(name: str) -> Failure:
    """The failure of some commands, as RabbitMQ prints the error."""
    return error(f'{{:no_such_user, "{name}"}}')


def find_user(call: Call, name: str, failure: Callable[[str], Failure] = no_such_user) -> Mapping[str, Any]:
    """Raises Failure if there is no such user."""
    try:
        found: Mapping[str, Any] = call.api.get("users", name)
    except ApiError as refusal:
        if refusal.is_missing:
            raise failure(name) from None
        raise
    return found


def change_user(call: Call, name: str, failure: Callable[[str], Failure] = no_such_user, **changes: object) -> None:
    """Changes something of a user, and keeps the rest. Raises Failure."""
    found = find_user(call, name, failure)
    kept = {"tags": found["tags"]}
    if not changes.keys() & {"password", "password_hash"}:
        kept |= {key: found[key] for key in ("password_hash", "hashing_algorithm")}
    call.api.put("users", name, body={**kept, **changes})


def asked_password(call: Call, password: str | None) -> str:
    """A password that is not given as an argument: others could see it there."""
    if password is not None:
        return password
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True))
    call.out.note("Password: ")
    return call.standard_input()


@tasks("<username> [<password>]", flag("--pre-hashed-password", text="The password is given as its hash."))
def add_user(call: Call, name: str, password: str | None = None, *, pre_hashed_password: bool) -> None:
    """Add a user, who may nothing yet. Without PASSWORD, it is read from standard input."""
    call.out.banner(f'Adding user "{name}" ...')
    password = asked_password(call, password)
    try:
        call.api.get("users", name)
    except ApiError as refusal:
        if not refusal.is_missing:
            raise
    else:
        raise error(f'User "{name}" already exists', SOFTWARE)
    secret = {"password_hash" if pre_hashed_password else "password": password}
    call.api.put("users", name, body={**secret, "tags": []})
    if call.out.is_json:
        call.out.json({"message": GRANT, "node": call.node, "status": "ok"})
    call.out.note(GRANT)


@tasks("<username>")
def delete_user(call: Call, name: str) -> None:
    """Delete a user, and close its connections."""
    call.out.banner(f'Deleting user "{name}" ...')
    find_user(call, name)
    call.api.delete("users", name)


@tasks("<username> [<password>]")
def change_password(call: Call, name: str, password: str | None = None) -> None:
    """Change a user's password."""
    call.out.banner(f'Changing password for user "{name}" ...')
    password = asked_password(call, password)
    change_user(call, name, password=password)


@tasks("<username>")
def clear_password(call: Call, name: str) -> None:
    """Take a user's password away, so that it cannot log in with one."""
    call.out.banner(f'Clearing password for user "{name}" ...')
    change_user(call, name, unknown_user, password="")


@tasks("<username> [<password>]")
def authenticate_user(call: Call, name: str, password: str | None = None) -> None:
    """Try a user's password."""
    call.out.banner(f'Authenticating user "{name}" ...')
    password = asked_password(call, password)
    credentials = b64encode(f"{name}:{password}".encode("utf-8", "surrogateescape")).decode()
    try:
        call.api.request("GET", ("whoami",), headers={"authorization": f"Basic {credentials}"})
    except ApiError as refusal:
        # Whoever may not use the API has the right password nevertheless.
        if refusal.error != "not_authorised":
            raise Failure(
                f"Error:\nError: failed to authenticate user \"{name}\"\nuser '{name}' - invalid credentials",
                DATA_ERROR,
            ) from None
    call.out.say("Success")


@tasks("[<password>]", needs_broker=False)
def hash_password(call: Call, password: str | None = None) -> None:
    """Print the hash of a password, for `add_user --pre-hashed-password`."""
    secret = asked_password(call, password).encode("utf-8", "surrogateescape")
    salt = secrets.token_bytes(4)
    call.out.say(b64encode(salt + hashlib.sha256(salt + secret).digest()).decode())


@tasks("<username> [<tag> ...]")
def set_user_tags(call: Call, name: str, *tags: str) -> None:
    """Set a user's tags: administrator, monitoring, policymaker, management, or others. Without any, it has none."""
    call.out.banner(f'Setting tags for user "{name}" to [{", ".join(tags)}] ...')
    change_user(call, name, tags=list(tags))


@tasks()
def list_users(call: Call) -> None:
    """List users and their tags."""
    call.out.banner("Listing users ...")
    users = call.api.get("users")
    call.out.rows(("user", "tags"), ({"user": each["name"], "tags": Atoms(each["tags"])} for each in users))


# --- limits


@tasks("<username> <limits>")
def set_user_limits(call: Call, name: str, limits: str) -> None:
    """Limit a user: {"max-connections": 5, "max-channels": 100}."""
    call.out.banner(f'Setting user limits to "{limits}" for user "{name}" ...')
    find_user(call, name, unknown_user)
    for limit, value in json_object(limits).items():
        call.api.put("user-limits", name, limit, body={"value": value})


@tasks("<username> <limit>")
def clear_user_limits(call: Call, name: str, limit: str) -> None:
    """Clear one of a user's limits, or `all`."""
    what = "all limits" if limit == "all" else f'"{limit}" limit'
    call.out.banner(f'Clearing {what} for user "{name}" ...')
    find_user(call, name, unknown_user)
    call.api.delete("user-limits", name, limit)


@tasks("", option("--user", metavar="USER", default="guest"), flag("--global", text="Those of all users."))
def list_user_limits(call: Call, *, user: str, **everybody: bool) -> None:
    """List the limits of a user, or of all."""
    if everybody["global"]:
        call.out.banner("Listing limits for all users ...")
        rows = [(each["user"], each["value"]) for each in call.api.get("user-limits")]
        call.out.rows(
            ("user", "limits"), ({"user": name, "limits": compact(limits)} for name, limits in rows if limits)
        )
        return
    call.out.banner(f'Listing limits for user "{user}" ...')
    limits = compact(find_user(call, user, unknown_user).get("limits") or {})
    if call.out.is_json:
        call.out.json({"message": limits})
    else:
        call.out.say(limits)
