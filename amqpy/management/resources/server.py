"""The server as those see it who log in: who they are, what there is, and what it is called.

Source: `rabbit_mgmt_wm_whoami`, `rabbit_mgmt_wm_login`, `rabbit_mgmt_wm_auth`, `rabbit_mgmt_wm_auth_attempts`,
`rabbit_mgmt_wm_cluster_name`, `rabbit_mgmt_wm_extensions`, `rabbit_mgmt_wm_feature_flags`, `rabbit_mgmt_wm_version`.
"""

import base64
import json
from typing import Final

from amqpy.config.settings import SETTINGS
from amqpy.config.values import setting_info
from amqpy.core.broker import CLUSTER_NAME
from amqpy.core.users import User
from amqpy.features import flags_of
from amqpy.management import access, login
from amqpy.management.answers import DONE, JSON, Answer, bad_request
from amqpy.management.call import Call
from amqpy.management.lists import Listing, View
from amqpy.management.request import require, text
from amqpy.management.resources.nodes import check_node
from amqpy.management.resources.overview import version_of
from amqpy.management.router import Router
from amqpy.profile import Profile

FORM: Final = "application/x-www-form-urlencoded"

DOCS: Final = {
    "quorum_queue": "https://www.rabbitmq.com/quorum-queues.html",
    "stream_queue": "https://www.rabbitmq.com/stream.html",
}
"""The addresses of pages about feature flags."""

LEVELS: Final[dict[str, View]] = {
    "required": {"require_level": "hard", "experiment_level": "supported", "callbacks": []},
    "stable": {"require_level": "none", "experiment_level": "supported", "callbacks": []},
}

PROVIDERS: Final = {
    "detailed_queues_endpoint": "rabbitmq_management",
    "drop_unroutable_metric": "rabbitmq_management_agent",
    "empty_basic_get_metric": "rabbitmq_management_agent",
    "management_metrics_collection": "rabbitmq_management_agent",
}
"""The plugins that features are of, if not of the broker itself."""


def add_to(router: Router) -> None:
    router.get("/cluster-name", access.anyone)(show_cluster_name)
    router.put("/cluster-name", access.administrator)(set_cluster_name)
    router.get("/extensions", access.anyone)(list_extensions)
    router.get("/whoami", access.anyone)(show_user)
    router.post("/login", access.anyone, (FORM,), credentials=login.of_form)(log_in)
    router.delete("/login", access.public, feature="token")(do_nothing)
    router.get("/auth", access.public, feature="auth")(show_single_sign_on)
    router.get("/version", access.public, feature="version")(show_version)
    router.is_never_kept("/version")
    for path in ("/auth/attempts/{node}", "/auth/attempts/{node}/source"):
        router.get(path, may_see_attempts)(list_attempts)
        router.delete(path, may_see_attempts)(reset_attempts)
    hashing = router.get("/auth/hash_password/{password}", access.administrator, head=False, feature="hash_password")
    hashing(hash_password)
    router.get("/config/effective", access.administrator, feature="deprecated-features")(show_settings)
    router.get("/feature-flags", may_see_features)(list_feature_flags)
    router.put("/feature-flags/{flag}/enable", access.administrator, (JSON,))(enable_feature_flag)
    router.get("/deprecated-features", access.anyone, feature="deprecated-features")(list_deprecated_features)
    router.get("/deprecated-features/used", access.anyone, feature="deprecated-features")(list_used_features)
    router.post("/rebalance/queues", access.administrator)(do_nothing)
    router.delete("/reset", access.administrator)(reset_statistics)
    router.delete("/reset/{node}", access.administrator)(reset_statistics)


def may_see_features(call: Call) -> str | None:
    return None if call.has("open-features") else access.administrator(call)


def may_see_attempts(call: Call) -> str | None:
    return None if call.has("open-attempts") else access.monitor(call)


def do_nothing(call: Call) -> Answer:
    """There is one node, whose queues need not move to others."""
    return DONE


def reset_statistics(call: Call) -> Answer:
    """Forgets samples, and with them rates. The counters themselves are no samples."""
    if "node" in call.names:
        check_node(call)
    call.api.statistics.reset()
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


def show_settings(call: Call) -> Answer:
    """The settings, without secrets."""
    config = call.broker.config
    shown = {name: getattr(config, name) for name, each in SETTINGS.items() if not setting_info(each).secret}
    text = "\n".join(f"{name} = {json.dumps(value)}" for name, value in shown.items() if value is not None)
    return Answer(200, f"{text}\n".encode(), content_type="text/plain")


# --- users


def show_user(call: Call) -> View:
    user = call.user
    shown: View = {"name": user.name, "tags": list(user.tags)}
    if call.has("is_internal_user"):
        shown["is_internal_user"] = isinstance(user, User)
    return shown


def log_in(call: Call) -> Answer:
    if not call.has("token"):
        return Answer(200, "ok")
    value = login.value_of(login.of_form(call.request))
    return Answer(200, {"token": {"type": "basic", "value": value}, "user": show_user(call)})


def show_single_sign_on(call: Call) -> View:
    """The user interface asks this before anybody can log in."""
    if not call.has("uaa"):
        return {"oauth_enabled": False}
    return {"enable_uaa": False, "uaa_client_id": "", "uaa_location": ""}


def hash_password(call: Call) -> View:
    return {"ok": base64.b64encode(call.api.users.hashed(call.names["password"]).hash).decode()}


def list_attempts(call: Call) -> list[View]:
    """The logins by protocol; by source none, as in RabbitMQ unless it is told to count them."""
    check_node(call)
    is_by_source = call.request.segments[-1] == "source"
    return [] if is_by_source else call.api.attempts.view(call.broker.events.counts)


def reset_attempts(call: Call) -> Answer:
    check_node(call)
    call.api.attempts.reset(call.broker.events.counts)
    return DONE


# --- features


def list_feature_flags(call: Call) -> Listing:
    flags = flags_of(call.broker.profile.version)
    stabilities = dict.fromkeys(flags.required, "required") | dict.fromkeys(flags.stable, "stable")
    shown = [
        {
            "name": name,
            "desc": name.replace("_", " "),
            "doc_url": DOCS.get(name, ""),
            "provided_by": PROVIDERS.get(name, "rabbit"),
            "stability": stability,
            "state": "enabled",
            **(LEVELS[stability] if call.has("feature-levels") else {}),
        }
        for name, stability in sorted(stabilities.items())
    ]
    return Listing(shown, dict)


def enable_feature_flag(call: Call) -> Answer:
    """All are enabled. Nobody reads the body."""
    flags = flags_of(call.broker.profile.version)
    if call.names["flag"] not in {*flags.required, *flags.stable}:
        raise bad_request("unsupported")
    return DONE


def list_deprecated_features(call: Call) -> list[View]:
    profile = call.broker.profile
    flags = flags_of(profile.version)
    phases = {
        **dict.fromkeys(flags.permitted, "permitted_by_default"),
        **dict.fromkeys(flags.denied, "denied_by_default"),
        **dict.fromkeys(flags.removed, "removed"),
    }
    return [
        {
            "name": name,
            "desc": name.replace("_", " "),
            "deprecation_phase": phase,
            "doc_url": "",
            "provided_by": PROVIDERS.get(name, "rabbit"),
            **({"state": _state(profile, name, phase)} if call.has("feature-levels") else {}),
        }
        for name, phase in sorted(phases.items())
    ]


def _state(profile: Profile, name: str, phase: str) -> str:
    """The state of a deprecated feature: what settings say comes before its phase."""
    permitted = {
        "global_qos": profile.global_qos,
        "queue_master_locator": profile.master_locator_denied == "no",
        "transient_nonexcl_queues": profile.transient_queues,
    }
    return "permitted" if permitted.get(name, phase == "permitted_by_default") else "denied"


def list_used_features(call: Call) -> list[View]:
    """Nothing: it is not noted which of them are used."""
    return []
