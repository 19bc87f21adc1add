"""The requests that a control server of test brokers answers: docs/testing-other-languages.md.

Each handler is called in a thread, for what it asks of a broker may wait.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final

from amqpy.errors import AdministrationError, AmqpFault
from amqpy.management.access import public
from amqpy.management.answers import DONE, Answer, bad_request
from amqpy.management.router import Router
from amqpy.testing.clock import Clock
from amqpy.testing.control_brokers import Call, conflict, not_found, wrong
from amqpy.testing.control_values import (
    Options,
    event_as_json,
    match_of,
    match_of_query,
    message_as_json,
    of_text,
    settings_of,
    snapshot_of,
    time_as_json,
)
from amqpy.testing.events import Event, check_kind
from amqpy.testing.matching import Match
from amqpy.testing.questions import ASSERT_S, WAIT_S

TIMEOUT_MAX_S: Final = 600
"""Seconds for which a request may wait."""
STEP_MAX_S: Final = 100 * 366 * 86_400
"""Seconds by which a clock may be moved in one request, or something delayed: a century."""
RESOURCES: Final = ("memory", "disk")

PLAIN_TEXT: Final = "text/plain; charset=utf-8"

Read = Callable[[Options, str], Any]

FLAG: Final = partial(Options.flag, default=None)
TEXT: Final = partial(Options.text, default=None)
SECONDS: Final = partial(Options.number, most=STEP_MAX_S)

OF_FAULTS: Final[Mapping[str, Mapping[str, Read]]] = {
    "withhold_confirm": {},
    "delay_confirm": {"seconds": SECONDS},
    "deny_confirm": {"stored": FLAG},
    "drop_publish": {},
    "refuse_publish": {"code": partial(Options.integer, default=None), "text": TEXT},
    "drop_delivery": {},
    "delay_delivery": {"seconds": SECONDS},
    "duplicate_delivery": {},
    "cut_connection": {"on": TEXT, "reset": FLAG},
    "refuse_login": {"user": TEXT},
}
"""The settings of each kind of faults."""

WHEN: Final[Mapping[str, Read]] = {
    "nth": partial(Options.integer, least=1),
    "probability": partial(Options.number, most=1),
    "seed": Options.integer,
    "optional": Options.flag,
}
"""The settings of all of them that say when they fire, beside `times`."""

router = Router()
get = partial(router.get, rule=public, head=False)
post = partial(router.post, rule=public)
put = partial(router.put, rule=public)
delete = partial(router.delete, rule=public)

AT = "/brokers/{broker}"


# --- brokers


@post("/brokers")
def start(call: Call) -> Answer:
    try:
        name, broker = call.brokers.start(settings_of(call.body()))
    except OSError as error:
        raise conflict(str(error), "port_taken") from None
    return Answer(201, {"id": name, "amqp_url": broker.url}, {"location": f"/brokers/{name}"})


@delete(AT)
def end(call: Call) -> Answer:
    call.brokers.end(call.names["broker"])
    return DONE


@post(f"{AT}/restart")
def restart(call: Call) -> Answer:
    with call.given() as given:
        crash = given.flag("crash")
    call.broker.restart(crash=crash)
    return DONE


@post(f"{AT}/reset")
def reset(call: Call) -> Answer:
    with call.given():
        pass
    call.broker.reset()
    call.entry.forget_faults()
    return DONE


@post(f"{AT}/purge")
def purge(call: Call) -> Answer:
    with call.given():
        pass
    call.broker.purge()
    call.entry.forget_faults()
    return DONE


@post(f"{AT}/block")
def block(call: Call) -> Answer:
    with call.given() as given:
        resource = given.text("resource", "memory")
    check_resource(resource)
    call.broker.block(resource)
    return DONE


@post(f"{AT}/unblock")
def unblock(call: Call) -> Answer:
    with call.given() as given:
        resource = given.text("resource", None)
    if resource is not None:
        check_resource(resource)
    call.broker.unblock(resource)
    return DONE


def check_resource(resource: str) -> None:
    """Raises Refusal."""
    if resource not in RESOURCES:
        raise bad_request(f"resource must be {' or '.join(RESOURCES)}")


# --- time


@get(f"{AT}/clock")
def clock(call: Call) -> object:
    with call.asked():
        pass
    return clock_as_json(call.broker.clock)


@post(f"{AT}/clock/advance")
def advance(call: Call) -> object:
    with call.given() as given:
        seconds, settle = given.number("seconds", most=STEP_MAX_S), given.flag("settle")
    clock = call.broker.clock
    clock.advance(seconds, settle=settle)
    return clock_as_json(clock)


def clock_as_json(clock: Clock) -> object:
    return {"now": time_as_json(clock.now), "frozen": clock.frozen}


@post(f"{AT}/settle")
def settle(call: Call) -> Answer:
    with call.given() as given:
        timeout = timeout_of(given, WAIT_S)
    call.broker.settle(timeout)
    return DONE


def timeout_of(given: Options, default: float) -> float:
    seconds: float = given.number("timeout", default, most=TIMEOUT_MAX_S)
    return seconds


# --- what happened


@get(f"{AT}/events")
def events(call: Call) -> object:
    query = dict(call.request.query)
    kind = query.pop("kind", None)
    if kind is not None:
        kind_of(kind)
    met = Match(match_of_query(query))
    return shown(event for event in call.broker.events if (kind is None or event.kind == kind) and met(event))


@post(f"{AT}/wait")
def wait(call: Call) -> object:
    with call.given() as given:
        kind, count = kind_of(given.text("kind")), given.integer("count", 1, least=1)
        timeout, match = timeout_of(given, WAIT_S), match_of(given.object("match", {}))
    found = call.broker.wait_for(kind, count, timeout, **match)
    return shown([found] if count == 1 else found)


@post(f"{AT}/assert/published")
def assert_published(call: Call) -> object:
    with call.given() as given:
        match, times = match_of(given.object("match", {})), given.integer("times", None)
        timeout = timeout_of(given, ASSERT_S)
    return shown(call.broker.assert_published(times=times, timeout=timeout, **match))


def kind_of(name: str) -> str:
    """The kind of events. Raises Refusal."""
    try:
        check_kind(name)
    except ValueError as error:
        raise bad_request(str(error)) from None
    return name


def shown(events: Iterable[Event]) -> list[dict[str, Any]]:
    return [event_as_json(event) for event in events]


@get(f"{AT}/queues/{{queue}}")
def queue(call: Call) -> object:
    with call.asked() as asked:
        vhost = asked.text("vhost", "/")
    try:
        view = call.broker.queue(call.names["queue"], vhost)
    except LookupError as error:
        raise not_found(str(error)) from None
    lists = {"ready": view.ready, "unacked": view.unacked, "held": view.held}
    told = {name: [message_as_json(each) for each in messages] for name, messages in lists.items()}
    return {**told, "consumers": view.consumers}


@get(f"{AT}/transcript")
def transcript(call: Call) -> Answer:
    with call.asked():
        pass
    return Answer(200, call.broker.transcript().encode("utf-8", "replace"), content_type=PLAIN_TEXT)


@get(f"{AT}/explain")
def explain(call: Call) -> object:
    query = {name: of_text(name, value) for name, value in call.request.query.items()}
    with Options(query) as asked:
        exchange, routing_key = asked.text("exchange"), asked.text("routing_key")
        headers, vhost = asked.object("headers", {}), asked.text("vhost", "/")
    with wrong(AdministrationError):
        explanation = call.broker.explain(exchange, routing_key, headers, vhost)
    return {"text": str(explanation), "queues": explanation.queues}


@get(f"{AT}/leaks")
def leaks(call: Call) -> object:
    with call.asked() as asked:
        kinds = asked.text("kinds", "").replace(",", " ").split()
    with wrong(ValueError):
        return call.broker.leaks(*kinds)


# --- faults


@post(f"{AT}/faults")
def add_fault(call: Call) -> Answer:
    entry = call.entry
    with call.given() as given:
        kind = given.text("kind")
        if kind not in OF_FAULTS:
            raise bad_request(f"no kind of faults {kind!r}: there are {', '.join(OF_FAULTS)}")
        read_all = {name: read(given, name) for name, read in OF_FAULTS[kind].items()}
        own = {name: value for name, value in read_all.items() if value is not None}
        when = {name: read(given, name) for name, read in WHEN.items() if name in given}
        if "times" in given:
            when["times"] = given.integer("times", None, least=1)
        match = match_of(given.object("match", {}))
    with wrong(ValueError):
        fault = getattr(entry.broker.faults, kind)(**own, **when, **match)
    name = entry.add_fault(fault)
    return Answer(201, {"id": name}, {"location": f"/brokers/{call.names['broker']}/faults/{name}"})


@get(f"{AT}/faults/{{fault}}")
def fault(call: Call) -> object:
    with call.asked():
        pass
    return {"fired": call.entry.fault(call.names["fault"]).fired}


@delete(f"{AT}/faults/{{fault}}")
def remove_fault(call: Call) -> Answer:
    call.entry.forget_fault(call.names["fault"]).remove()
    return DONE


# --- state


@get(f"{AT}/snapshot")
def snapshot(call: Call) -> object:
    with call.asked():
        pass
    return call.broker.snapshot().content


@put(f"{AT}/snapshot")
def restore(call: Call) -> Answer:
    broker, content = call.broker, snapshot_of(call.body())
    call.entry.forget_faults()
    with wrong(AdministrationError, AmqpFault):
        broker.restore(content)
    return DONE


@put(f"{AT}/definitions")
def load_definitions(call: Call) -> Answer:
    broker = call.broker
    with wrong(AdministrationError, AmqpFault):
        broker.load_definitions(call.body())
    return DONE
