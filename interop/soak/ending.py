"""The end of a shift: who stops when, what is still in the queues, and what is deleted."""

import threading
import time

from interop.soak.clients.with_pika import connected
from interop.soak.proxy import Proxy
from interop.soak.roles import Roles
from interop.soak.worker import Stage

STOP_TIMEOUT_S = 60.0
PATIENCE_S = 30.0
"""How long consumers may receive nothing although there is something."""
POLL_S = 0.05
TAKE_TIMEOUT_S = 15.0


def declare(roles: Roles) -> None:
    with connected(roles.shift.direct) as connection:
        channel = connection.channel()
        for name, kind in roles.exchanges.items():
            if kind:
                channel.exchange_declare(name, kind, durable=True)
        for name, arguments in roles.queues.items():
            channel.queue_declare(name, durable=True, arguments=dict(arguments))
        for exchange, queue, key in roles.bindings:
            channel.queue_bind(queue, exchange, key)


def finish(roles: Roles, proxy: Proxy) -> None:
    """Publishers stop, consumers take the rest and stop, and everything is accounted for and deleted."""
    shift = roles.shift
    proxy.calm()
    stop(roles, Stage.SENDING)
    wait_until_taken(roles)
    stop(roles, Stage.TAKING)
    take_rest(roles)
    shift.ledger.note_lost()
    for name in shift.ledger.idle():
        shift.findings.note("stuck", f"nothing was confirmed of {name}")
    delete(roles)


def stop(roles: Roles, stage: Stage) -> None:
    roles.shift.over[stage].set()
    deadline = time.monotonic() + STOP_TIMEOUT_S
    for actor in roles.actors:
        if actor.stage is stage:
            actor.join(max(deadline - time.monotonic(), 0))
            if actor.is_alive():
                roles.shift.findings.note("client", f"{actor.name} does not end")


def wait_until_taken(roles: Roles) -> None:
    """Returns when all that was confirmed has arrived, or when nothing has come for too long."""
    ledger = roles.shift.ledger
    never = threading.Event()
    pending, since = ledger.pending(), time.monotonic()
    while pending and time.monotonic() - since < PATIENCE_S:
        never.wait(POLL_S)
        if (left := ledger.pending()) != pending:
            pending, since = left, time.monotonic()


def take_rest(roles: Roles) -> None:
    """Takes out what nobody was promised, or what consumers did not get: that they were owed. Connections that were cut
    may still be ending, and hold messages until then."""
    ledger, findings = roles.shift.ledger, roles.shift.findings
    owed = ledger.missing()
    deadline = time.monotonic() + TAKE_TIMEOUT_S
    with connected(roles.shift.direct) as connection:
        channel = connection.channel()
        while True:
            for queue in ledger.queues():
                while (got := channel.basic_get(queue, auto_ack=True))[0] is not None:
                    ledger.receive(queue, got[2], redelivered=True)
            if not ledger.pending() or time.monotonic() > deadline:
                break
            connection.process_data_events(POLL_S)
    missing = ledger.missing()
    for (name, queue), numbers in owed.items():
        found = len(numbers) - len(missing.get((name, queue), ()))
        if found:
            findings.note("undelivered", f"{found} messages of {name} waited in {queue}, and nobody got them")


def delete(roles: Roles) -> None:
    left = []
    with connected(roles.shift.direct) as connection:
        channel = connection.channel()
        taken = set(roles.shift.ledger.queues())
        for queue in [*roles.queues, *roles.leftovers]:
            count = channel.queue_delete(queue).method.message_count
            if count and queue in taken:
                left.append(f"{count} in {queue}")
        for exchange in roles.exchanges:
            channel.exchange_delete(exchange)
    if left:
        roles.shift.findings.note("undelivered", f"still there after all was taken: {', '.join(left)}")
