"""Write the generated parts of docs/, or with --check only say which of them are stale.

A generated part stands between `<!-- generated: NAME -->` and `<!-- end -->`; NAME is a function in PARTS.
"""

import inspect
import json
import logging
import re
import sys
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # this checkout's amqpy, whichever one is installed

# ruff: noqa: E402 (these need the path above)
from amqpy.amqp.connection import ConnectionSession
from amqpy.amqp.connection_methods import AUTHENTICATED, TRANSITIONS
from amqpy.amqp.handshake import CAPABILITIES
from amqpy.amqp.sasl import MECHANISMS
from amqpy.amqp.state import State
from amqpy.config import SETTINGS, Config, rabbitmq_keys, rabbitmq_variables
from amqpy.config.sources import option_name
from amqpy.config.values import expectation, setting_info
from amqpy.core.administration.ignored_policy_keys import FEATURES
from amqpy.core.administration.policies import EXCHANGE_KEYS, policy_keys
from amqpy.core.argument_validators import EXPIRY_MAX_MS, MAX_PRIORITY, Check
from amqpy.core.arguments import POLICY_KEYS, POLICY_ONLY, QUEUE_OPTIONS, QUEUE_TYPES_KNOWN, Option, Settings
from amqpy.core.broker import Broker
from amqpy.core.exchanges import EXCHANGE_TYPES
from amqpy.core.users import Users
from amqpy.profile import MIB, PROFILES, documented
from amqpy.wire.methods import (
    AMQP_0_9_1,
    Basic,
    Channel,
    Confirm,
    Connection,
    Exchange,
    Method,
    Queue,
    Tx,
    method_name,
)
from interop.clients import report, results
from interop.clients.library import LANGUAGES, Library, all_libraries
from interop.clients.results import Results
from interop.soak.report import Report

PART = re.compile(r"(?P<begin><!-- generated: (?P<name>\w+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL)


def main(arguments: list[str]) -> int:
    stale = [page for page in sorted((ROOT / "docs").glob("*.md")) if generated(page) != page.read_text("utf-8")]
    if arguments == ["--check"]:
        for page in stale:
            print(f"{page.relative_to(ROOT)} is stale: run `python scripts/docs.py`", file=sys.stderr)
        return 1 if stale else 0
    for page in stale:
        page.write_text(generated(page), "utf-8")
    return 0


def generated(page: Path) -> str:
    """What the page should say."""
    return PART.sub(lambda part: f"{part['begin']}\n{PARTS[part['name']]()}\n{part['end']}", page.read_text("utf-8"))


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    cells = [list(head), *map(list, rows)]
    cells.insert(1, ["---"] * len(cells[0]))
    return "".join(f"| {' | '.join(row)} |\n" for row in cells)


def settings() -> str:
    rows = []
    for name, setting in SETTINGS.items():
        told = setting_info(setting)
        others = [option_name(name)] if told.option is not None else []
        others += rabbitmq_variables.names_of(name)
        rows.append(
            [
                f"`{name}`",
                in_toml(setting.default),
                expectation(setting),
                told.doc,
                ", ".join(f"`{other}`" for other in others),
                ", ".join(f"`{key}`" for key in told.rabbitmq_keys),
            ]
        )
    return table(["Setting", "Default", "Takes", "Meaning", "Also", "In rabbitmq.conf"], rows)


def refused_keys() -> str:
    """The keys and variables of RabbitMQ that are refused, and why."""
    rows: dict[rabbitmq_keys.Refusal, list[str]] = {}
    for name, refusal in (rabbitmq_keys.REFUSED | rabbitmq_variables.REFUSED).items():
        rows.setdefault(refusal, []).append(f"`{name}`")
    return table(
        ["Refused", "Unless it is", "Because"],
        [
            [", ".join(keys), " or ".join(f"`{value}`" for value in refusal.harmless), refusal.reason]
            for refusal, keys in rows.items()
        ],
    )


def in_toml(value: object) -> str:
    return "" if value is None else f"`{json.dumps(value)}`"  # the same text, for the types there are


def names(found: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in found) + "\n"


def methods() -> str:
    """Every method that a client may send on a channel, asked of the broker itself."""
    rows = []
    for group in (Channel, Exchange, Queue, Basic, Confirm, Tx):
        members = [member for member in vars(group).values() if isinstance(member, type) and issubclass(member, Method)]
        taken = [method_name(method) for method in members if is_taken(method)]
        rows.append([f"`{group.__name__.lower()}`", names(name.partition(".")[2] for name in taken).strip()])
    return table(["Class", "Methods"], rows)


ZERO: dict[str, object] = {"bit": False, "shortstr": "", "longstr": b"", "table": {}}


def is_taken(method: type[Method]) -> bool:
    """Whether a session knows the method: it may refuse our meaningless values, but not as unimplemented."""
    log = logging.LoggerAdapter(logging.getLogger("docs"), {"connection": "-"})
    log.logger.disabled = True
    broker = Broker(Config(), new_name=str, choose=lambda count: 0, log=log.logger)
    users = Users(broker, new_salt=lambda: bytes(4))
    session = ConnectionSession(broker, users, from_loopback=True, log=log, wake=lambda: None, now_ms=0)
    session.receive(b"AMQP\x00\x00\x09\x01", 0)
    for number, what, *values in (
        (0, Connection.StartOk, {}, "PLAIN", b"\0guest\0guest", "en_US"),
        (0, Connection.TuneOk, 2047, 131072, 0),
        (0, Connection.Open, "/", "", False),
        (1, Channel.Open, ""),
    ):
        session.receive(AMQP_0_9_1.encode(number, what, *values), 0)
    session.outbox.take()
    zeros = [ZERO.get(method.amqp_type(name), 0) for name in method.attributes()]
    session.receive(AMQP_0_9_1.encode(1, method, *zeros), 0)
    return b"unimplemented method" not in b"".join(session.outbox.take())


def keys_of_policies() -> str:
    rows = []
    operators = policy_keys(PROFILES[Config().profile], operator=True)
    for name, key in (POLICY_KEYS | EXCHANGE_KEYS).items():
        option = next((option for option in QUEUE_OPTIONS if option.name == name), None)
        kinds = (
            "queues" if len(key.by & set(QUEUE_TYPES_KNOWN)) == len(QUEUE_TYPES_KNOWN) else ", ".join(sorted(key.by))
        )
        rows.append(
            [
                f"`{name}`",
                key.noun,
                option.merge if option is not None else "greatest" if key.greatest else "argument",
                "exchanges" if name in EXCHANGE_KEYS else kinds,
                "yes" if name in operators else "",
                "no" if name in POLICY_ONLY or (option is not None and option.setting is None) else "",
            ]
        )
    return table(["Key", "Value", "Merged", "For", "Operator", "Effect"], rows)


def policy_features() -> str:
    before, after = FEATURES
    return names(sorted(key for feature in (*before, *after) for key in feature.keys))


def profiles() -> str:
    rows = [
        [doc, *(in_words(getattr(profile, name)) for profile in PROFILES.values())]
        for name, doc in documented().items()
    ]
    return table(["", *(f"`{name}`" for name in PROFILES)], rows)


def in_words(value: object) -> str:
    match value:
        case None:
            return "no limit"
        case bool():
            return "yes" if value else "no"
        case int() if value >= MIB:
            return f"{value // MIB} MiB"
        case tuple():
            return ", ".join(f"`{item}`" if item != "" else "nothing" for item in value) or "none"
    return str(value)


ARGUMENT_DOCS = {
    "expires": "the queue is deleted when it was unused for as long",
    "message-ttl": "messages expire after as long",
    "dead-letter-exchange": "the exchange for dead letters of the queue",
    "dead-letter-routing-key": "their routing key, instead of their own",
    "dead-letter-strategy": "at least once: a dead letter that no queue took is tried again",
    "max-length": "the most ready messages",
    "max-length-bytes": "the most bytes of their bodies together; of a stream, of its segments",
    "max-priority": "the highest priority of messages; without it, or with 0, there are none",
    "overflow": "the messages that are dropped or refused when the queue is full",
    "single-active-consumer": "one consumer gets all messages, as long as it is there",
    "queue-type": "the type of the queue",
    "delivery-limit": "how often a message may be returned",
    "consumer-timeout": "the time to acknowledge a delivery",
    "delayed-retry-type": "the returned messages that wait before they are delivered again",
    "delayed-retry-min": "their delay for each failed delivery",
    "delayed-retry-max": "their longest delay",
    "max-age": "the age of the segments of a stream that are dropped",
    "stream-max-segment-size-bytes": "the size of a segment of a stream after which a new one begins",
    "stream-filter-size-bytes": "the size of the filters of a stream: 16 to 255",
    "message-deduplication": "a message is dropped when one with the same `x-deduplication-header` is in the queue",
}
"""What an argument of queues is for, if it has any effect."""

CHECK_DOCS = {
    "natural": "an integer from 0",
    "positive": "an integer from 1",
    "time_to_live": f"milliseconds, 0 to {EXPIRY_MAX_MS}",
    "queue_expiry": f"milliseconds, 1 to {EXPIRY_MAX_MS}",
    "priority": f"an integer from 0 to {MAX_PRIORITY}",
    "boolean": "true or false",
    "longstr": "a text",
    "dead_letter_key": "a text, beside `x-dead-letter-exchange`",
    "max_age": "a number and one of Y, M, D, h, m, s",
}
"""What a check lets pass, by its name."""


def queue_arguments() -> str:
    """Those that do something, and then the others."""
    active = [option for option in QUEUE_OPTIONS if option.setting is not None or option.name == "queue-type"]
    passive = [option for option in QUEUE_OPTIONS if option not in active]
    if unknown := {option.name for option in active} ^ ARGUMENT_DOCS.keys():
        raise ValueError(f"ARGUMENT_DOCS and the table of arguments differ: {sorted(unknown)}")
    rows = [
        [f"`{option.argument}`", ARGUMENT_DOCS[option.name], taken(option.check), default_of(option), *known_to(option)]
        for option in active
    ]
    others = [[f"`{option.argument}`", taken(option.check), *known_to(option)] for option in passive]
    return "\n".join(
        (
            table(["Argument", "Meaning", "Takes", "Default", "For", "Policy key", "Merged"], rows),
            "Without effect here, but kept, and checked and compared as RabbitMQ does:\n",
            table(["Argument", "Takes", "For", "Policy key", "Merged"], others),
        )
    )


def taken(check: Check | None) -> str:
    """What an argument may be, in words."""
    if check is None:
        return "anything"
    given = inspect.getclosurevars(check).nonlocals
    for values in (given.get("known"), given.get("versions")):
        if values is not None:
            return ", ".join(f"`{value}`" for value in sorted(values))
    return CHECK_DOCS[check.__name__]


def default_of(option: Option) -> str:
    if option.name == "queue-type":
        return "see [Types](#types)"
    if option.name == "delivery-limit":
        limits = {name: profile.quorum_delivery_limit for name, profile in PROFILES.items()}
        return ", ".join(f"{limit} (`{name}`)" for name, limit in limits.items() if limit is not None)
    assert option.setting is not None
    value = Settings._field_defaults[option.setting]
    return f"`{value}`" if isinstance(value, str) else in_toml(value)


def known_to(option: Option) -> list[str]:
    """The types of queues, the policy key and how it is merged."""
    key = ["", ""] if option.policy is None else [f"`{option.name}`", option.merge]
    return [", ".join(sorted(option.by)), *key]


@cache
def clients() -> tuple[list[Library], Results, Results]:
    """Client libraries by language, and what was saved of them with amqpy and with RabbitMQ."""
    libraries = sorted(all_libraries(), key=lambda library: (LANGUAGES.index(library.language), library.name.lower()))
    return libraries, results.load(results.SUBJECT), results.load(results.REFERENCE)


def soaks() -> str:
    """Saved reports of soaks, each with the command that made it."""
    parts = []
    for path in sorted((ROOT / "interop" / "soak" / "results").glob("*.json")):
        found = Report.from_json(json.loads(path.read_text("utf-8")))
        command = f"python -m interop.soak --minutes {found.minutes:.0f} --seed {found.seed} --clients {found.clients}"
        command += f" --restart-every {found.restart_every_s:.0f}"
        parts.append(f"`{command}`:\n\n{found.as_table()}\n")
    return "\n".join(parts)


def connection_states() -> str:
    """The states of a connection as a diagram, from the table that connections follow."""
    arrows = ["[*] --> HEADER", "HEADER --> STARTING: protocol header"]
    for state, transitions in TRANSITIONS.items():
        for method, transition in transitions.items():
            arrows += [f"{state.name} --> {to.name}: {method_name(method)}" for to in transition.leads_to]
        if state is State.AUTHENTICATING:
            arrows += [f"{state.name} --> {to.name}: the authenticator's answer" for to in AUTHENTICATED.leads_to]
    arrows += ["CLOSED --> [*]"]
    return "\n".join(["```mermaid", "stateDiagram-v2", *(f"    {arrow}" for arrow in arrows), "```"])


PARTS: dict[str, Callable[[], str]] = {
    "settings": settings,
    "refused_keys": refused_keys,
    "ignored_keys": lambda: names(key for key in rabbitmq_keys.IGNORED if key not in rabbitmq_keys.setting_keys()),
    "methods": methods,
    "exchange_types": lambda: names(EXCHANGE_TYPES),
    "mechanisms": lambda: names(MECHANISMS),
    "policy_keys": keys_of_policies,
    "policy_features": policy_features,
    "profiles": profiles,
    "queue_arguments": queue_arguments,
    "capabilities": lambda: names(CAPABILITIES),
    "connection_states": connection_states,
    "clients": lambda: report.overview(*clients()),
    "client_checks": lambda: report.usual_checks(*clients()[:2]),
    "special_client_checks": lambda: report.special_checks(*clients()[:2]),
    "failing_client_tests": lambda: report.failing_tests(*clients()),
    "soaks": soaks,
    "client_remarks": lambda: report.remarks(clients()[0]),
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
