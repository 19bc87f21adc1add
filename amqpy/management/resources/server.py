"""The server as those see it who log in: who they are, what there is, and what it is called.

Source: `rabbit_mgmt_wm_whoami`, `rabbit_mgmt_wm_login`, `rabbit_mgmt_wm_auth`, `rabbit_mgmt_wm_auth_attempts`,
`rabbit_mgmt_wm_cluster_name`, `rabbit_mgmt_wm_extensions`, `rabbit_mgmt_wm_feature_flags`, `rabbit_mgmt_wm_version`.
"""

import base64
from typing import Any, Final

from amqpy.config.settings import SETTINGS
from amqpy.config.values import setting_info
from amqpy.core.broker import CLUSTER_NAME
from amqpy.core.users import User
from amqpy.management import access, login
from amqpy.management.answers import DONE, JSON, Answer, bad_request, not_found
from amqpy.management.call import Call
from amqpy.management.lists import View
from amqpy.management.request import require, text
from amqpy.management.resources.nodes import check_node
from amqpy.management.resources.overview import version_of
from amqpy.management.router import Handler, Router

FORM: Final = "application/x-www-form-urlencoded"

DOCS: Final = {
    "quorum_queue": "https://www.rabbitmq.com/quorum-queues.html",
    "stream_queue": "https://www.rabbitmq.com/stream-queues.html",
}
"""The addresses of pages about feature flags."""


def add_to(router: Router) -> None:
    router.get("/cluster-name", access.anyone)(show_cluster_name)
    router.put("/cluster-name", access.administrator)(set_cluster_name)
    router.get("/extensions", access.anyone)(list_extensions)
    router.get("/whoami", access.anyone)(show_user)
    router.post("/login", access.anyone, (FORM,), credentials=login.of_form)(log_in)
    router.get("/auth", access.public)(since("auth", show_single_sign_on))
    router.get("/version", access.public)(since("version", show_version))
    router.get("/auth/attempts/{node}", access.monitor)(list_attempts)
    router.delete("/auth/attempts/{node}", access.monitor)(reset_attempts)
    router.get("/auth/attempts/{node}/source", access.monitor)(list_attempts_by_source)
    router.delete("/auth/attempts/{node}/source", access.monitor)(reset_attempts)
    router.get("/auth/hash_password/{password}", access.anyone)(since("hash_password", hash_password))
    router.get("/config/effective", access.administrator)(since("deprecated-features", show_settings))
    router.get("/feature-flags", access.administrator)(list_feature_flags)
    router.put("/feature-flags/{flag}/enable", access.administrator, (JSON,))(enable_feature_flag)
    router.get("/deprecated-features", access.administrator)(since("deprecated-features", list_deprecated_features))
    router.get("/deprecated-features/used", access.administrator)(since("deprecated-features", list_used_features))
    router.post("/rebalance/queues", access.administrator)(do_nothing)
    router.delete("/reset", access.administrator)(do_nothing)
    router.delete("/reset/{node}", access.administrator)(do_nothing)


def since(feature: str, handle: Handler) -> Handler:
    """A handler of what not every version of RabbitMQ has."""

    def find(call: Call) -> object:
        if not call.has(feature):
            raise not_found()
        return handle(call)

    return find


def do_nothing(call: Call) -> Answer:
    """There is one node, whose queues need not move to others, and whose numbers are not samples that could be
    forgotten."""
    if "node" in call.names:
        check_node(call)
    return DONE


# --- names


def show_cluster_name(call: Call) -> View:
    return {"name": call.broker.cluster_name}


def set_cluster_name(call: Call) -> Answer:
    (name,) = require(call.body, "name")
    call.broker.administration.set_global_parameter(CLUSTER_NAME, text(name, "name"))
    return DONE


def list_extensions(call: Call) -> list[View]:
    return [{"javascript": "dispatcher.js"}]


def show_version(call: Call) -> Answer:
    return Answer(200, version_of(call.broker))


def show_settings(call: Call) -> View:
    """The settings, without secrets."""
    config = call.broker.config
    shown = {name: getattr(config, name) for name, each in SETTINGS.items() if not setting_info(each).secret}
    return {"rabbit": shown}


# --- users


def show_user(call: Call) -> View:
    user = call.user
    shown: View = {"name": user.name, "tags": list(user.tags)}
    if call.has("is_internal_user"):
        shown["is_internal_user"] = isinstance(user, User)
    return shown


def log_in(call: Call) -> Answer:
    name, password = login.of_form(call.request)
    value = base64.b64encode(name.encode("utf-8", "surrogateescape") + b":" + password).decode()
    if call.has("token"):
        return Answer(200, {"token": {"type": "basic", "value": value}, "user": show_user(call)})
    return Answer(200, "ok", {"set-cookie": f"auth={value}; Version=1"})


def show_single_sign_on(call: Call) -> View:
    """The user interface asks this before anybody can log in."""
    return {"enable_uaa": False, "uaa_client_id": "", "uaa_location": ""}


def hash_password(call: Call) -> View:
    return {"ok": base64.b64encode(call.api.users.hashed(call.names["password"]).hash).decode()}


def list_attempts(call: Call) -> list[View]:
    check_node(call)
    return call.api.attempts.view(call.broker.events.counts)


def list_attempts_by_source(call: Call) -> list[View]:
    """Nothing: logins are not counted by their sources, as in RabbitMQ unless it is told to."""
    check_node(call)
    return []


def reset_attempts(call: Call) -> Answer:
    check_node(call)
    call.api.attempts.reset(call.broker.events.counts)
    return DONE


# --- features


def list_feature_flags(call: Call) -> list[View]:
    return [
        {
            "name": name,
            "desc": name.replace("_", " "),
            "doc_url": DOCS.get(name, ""),
            "provided_by": "rabbit",
            "stability": "stable",
            "state": "enabled",
        }
        for name in sorted(call.broker.profile.feature_flags)
    ]


def enable_feature_flag(call: Call) -> Answer:
    """All are enabled."""
    call.request.json()
    if call.names["flag"] not in call.broker.profile.feature_flags:
        raise bad_request("unsupported")
    return DONE


def list_deprecated_features(call: Call) -> list[View]:
    phases = _phases(call)
    return [
        {
            "name": name,
            "desc": name.replace("_", " "),
            "deprecation_phase": phases.get(name, "permitted_by_default"),
            "doc_url": "",
            "provided_by": "rabbitmq_management" if name.startswith("management") else "rabbit",
        }
        for name in call.broker.profile.deprecated_features
    ]


def list_used_features(call: Call) -> list[View]:
    return []


def _phases(call: Call) -> dict[str, Any]:
    profile = call.broker.profile
    denied = {
        "classic_queue_mirroring": not profile.mirroring,
        "global_qos": not profile.global_qos,
        "queue_master_locator": profile.master_locator_denied != "no",
        "transient_nonexcl_queues": not profile.transient_queues,
    }
    phases = {name: "denied_by_default" for name, is_denied in denied.items() if is_denied}
    return phases | ({} if profile.mirroring else {"classic_queue_mirroring": "removed"})
