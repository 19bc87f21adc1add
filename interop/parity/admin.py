"""The administrator's door of a broker: what a scenario asks for that no client can.

A `Door` performs an operation and tells its outcome, "ok" or the reason why not. Its operations and their arguments
are those of amqpy's administration; `management.py` has them for RabbitMQ, `amqpy.py` for amqpy.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

DEFAULT_VHOST = "/"

Definition = Mapping[str, Any]


class Door(Protocol):
    def perform(self, operation: str, arguments: Mapping[str, Any]) -> str:
        """The outcome, once everything that follows from the operation at once is done or on its way."""


class NoDoor:
    """The door of a broker of which only an AMQP URL is known."""

    def perform(self, operation: str, arguments: Mapping[str, Any]) -> str:
        raise AssertionError(f"nobody can {operation}: the broker was given without an administrator's door")


# What makes an operation undone, and the arguments both share.
UNDONE_BY: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "set_policy": ("clear_policy", ("vhost", "name")),
    "set_operator_policy": ("clear_operator_policy", ("vhost", "name")),
    "set_parameter": ("clear_parameter", ("vhost", "component", "name")),
    "set_global_parameter": ("clear_global_parameter", ("name",)),
    "set_vhost_limits": ("clear_vhost_limits", ("vhost",)),
    "add_vhost": ("delete_vhost", ("name",)),
    "add_user": ("delete_user", ("name",)),
    "trace_on": ("trace_off", ("vhost",)),
    "set_setting": ("clear_setting", ("name",)),
}

# What a limit of the whole broker is when nobody has set it: RabbitMQ 3.10's defaults.
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "set_memory_high_watermark": {"fraction": 0.4},
    "set_disk_free_limit": {"absolute": "50MB"},
}


class Admin:
    """What a scenario may ask of the door. Outcomes go to the transcript, and what was made is unmade at the end."""

    def __init__(self, door: Door, run_id: str) -> None:
        self.lines: list[str] = []
        self._door = door
        self._run_id = run_id
        self._made: dict[tuple[str, ...], tuple[str, dict[str, Any]]] = {}

    def unmake(self) -> None:
        while self._made:
            operation, arguments = self._made.popitem()[1]
            self._door.perform(operation, arguments)

    def perform(self, operation: str, **arguments: Any) -> str:  # noqa: ANN401 - whatever the operation takes
        outcome = self._door.perform(operation, arguments)
        about = " ".join(str(arguments[key]) for key in ("vhost", "component", "user", "name") if key in arguments)
        self.lines.append(f"{operation} {about}: {outcome!r}")
        if outcome == "ok" and operation in UNDONE_BY:
            undo, shared = UNDONE_BY[operation]
            self._made[operation, about] = undo, {key: arguments[key] for key in shared}
        if outcome == "ok" and operation in DEFAULTS:
            self._made[operation, ""] = operation, dict(DEFAULTS[operation])
            if arguments == DEFAULTS[operation]:
                del self._made[operation, ""]
        for made, (undo, shared_arguments) in list(self._made.items()):
            if (undo, shared_arguments) == (operation, arguments):
                del self._made[made]
        return outcome

    # Policies and parameters

    def set_policy(
        self,
        name: str,
        pattern: str,
        definition: Definition,
        *,
        priority: Any = 0,  # noqa: ANN401 - also what is no number
        apply_to: str = "all",
        vhost: str = DEFAULT_VHOST,
        operator: bool = False,
    ) -> str:
        """Set a policy, or an operator policy, under a name nobody else uses."""
        return self.perform(
            "set_operator_policy" if operator else "set_policy",
            vhost=vhost,
            name=self._own(name),
            pattern=pattern,
            definition=definition,
            priority=priority,
            apply_to=apply_to,
        )

    def clear_policy(self, name: str, *, vhost: str = DEFAULT_VHOST, operator: bool = False) -> str:
        operation = "clear_operator_policy" if operator else "clear_policy"
        return self.perform(operation, vhost=vhost, name=self._own(name))

    def set_parameter(self, component: str, name: str, value: Any, *, vhost: str = DEFAULT_VHOST) -> str:  # noqa: ANN401
        return self.perform("set_parameter", vhost=vhost, component=component, name=name, value=value)

    def clear_parameter(self, component: str, name: str, *, vhost: str = DEFAULT_VHOST) -> str:
        return self.perform("clear_parameter", vhost=vhost, component=component, name=name)

    def set_global_parameter(self, name: str, value: Any) -> str:  # noqa: ANN401
        return self.perform("set_global_parameter", name=self._own(name), value=value)

    def clear_global_parameter(self, name: str) -> str:
        return self.perform("clear_global_parameter", name=self._own(name))

    # Virtual hosts

    def add_vhost(self, label: str = "v", **metadata: Any) -> str:  # noqa: ANN401
        """Make a virtual host that nobody else uses and in which the scenario's user may do everything."""
        name = self._own(label)
        self.perform("add_vhost", name=name, **metadata)
        return name

    def delete_vhost(self, name: str) -> str:
        return self.perform("delete_vhost", name=name)

    def set_vhost_limits(self, vhost: str, **limits: Any) -> str:  # noqa: ANN401
        return self.perform("set_vhost_limits", vhost=vhost, limits=dashed(limits))

    def clear_vhost_limits(self, vhost: str) -> str:
        return self.perform("clear_vhost_limits", vhost=vhost)

    def trace_on(self, vhost: str) -> str:
        return self.perform("trace_on", vhost=vhost)

    def trace_off(self, vhost: str) -> str:
        return self.perform("trace_off", vhost=vhost)

    # Resources of the whole broker: for scenarios that are alone

    def set_memory_high_watermark(self, fraction: float | str | None = None, *, absolute: str | None = None) -> str:
        given = {"fraction": fraction} if absolute is None else {"absolute": absolute}
        return self.perform("set_memory_high_watermark", **given)

    def set_disk_free_limit(self, absolute: str) -> str:
        return self.perform("set_disk_free_limit", absolute=absolute)

    def set_setting(self, name: str, value: bool | int) -> str:
        """Change a setting of rabbitmq.conf that RabbitMQ reads each time it needs it."""
        return self.perform("set_setting", name=name, value=value)

    def clear_setting(self, name: str) -> str:
        return self.perform("clear_setting", name=name)

    # Users

    def add_user(self, label: str = "u", password: str = "hunter2", *, tags: Sequence[str] = ()) -> str:
        """Make a user that nobody else uses, without any permission."""
        name = self._own(label)
        self.perform("add_user", name=name, password=password, tags=tags)
        return name

    def add_user_by_hash(self, password_hash: str, algorithm: str | None = None, *, label: str = "u") -> str:
        """The same with the hash of a password, in base64; RabbitMQ has names for the algorithms."""
        name, algorithms = self._own(label), {} if algorithm is None else {"hashing_algorithm": algorithm}
        self.perform("add_user", name=name, password_hash=password_hash, tags=(), **algorithms)
        return name

    def change_password(self, user: str, password: str) -> str:
        return self.perform("change_password", user=user, password=password)

    def clear_password(self, user: str) -> str:
        return self.perform("clear_password", user=user)

    def delete_user(self, name: str) -> str:
        return self.perform("delete_user", name=name)

    def set_permissions(
        self, user: str, vhost: str, *, configure: str = ".*", write: str = ".*", read: str = ".*"
    ) -> str:
        return self.perform("set_permissions", vhost=vhost, user=user, configure=configure, write=write, read=read)

    def set_topic_permissions(self, user: str, vhost: str, *, exchange: str, write: str, read: str) -> str:
        given = {"exchange": exchange, "write": write, "read": read}
        return self.perform("set_topic_permissions", vhost=vhost, user=user, **given)

    def clear_topic_permissions(self, user: str, vhost: str, exchange: str | None = None) -> str:
        where = {} if exchange is None else {"exchange": exchange}
        return self.perform("clear_topic_permissions", vhost=vhost, user=user, **where)

    def set_user_limits(self, user: str, **limits: Any) -> str:  # noqa: ANN401
        return self.perform("set_user_limits", user=user, limits=dashed(limits))

    def clear_user_limits(self, user: str) -> str:
        return self.perform("clear_user_limits", user=user)

    # Connections

    def look_at_connection(self, peer_port: int) -> str:
        """The connection of a client, by its port, as the API shows it: JSON."""
        return self._door.perform("look_at_connection", {"peer_port": peer_port})

    def _own(self, label: str) -> str:
        return f"{label}.{self._run_id}"


def dashed(names: Mapping[str, Any]) -> dict[str, Any]:
    """Python's max_queues is max-queues for a broker."""
    return {name.replace("_", "-"): value for name, value in names.items()}
