"""Services of nameko: calls, events and messages."""

# ruff: noqa: E402

import eventlet

eventlet.monkey_patch()  # before anything else imports what it replaces

import contextlib
import hashlib
import os

from checks import URL, check, cut, force_close, main, name_of
from eventlet.event import Event
from eventlet.queue import Queue as Results
from kombu import Connection, Exchange, Queue
from nameko.events import BROADCAST, SINGLETON, event_handler
from nameko.exceptions import MethodNotFound, RemoteError, UnknownService
from nameko.messaging import Publisher, consume
from nameko.rpc import RpcProxy, rpc
from nameko.runners import ServiceRunner
from nameko.standalone.events import event_dispatcher
from nameko.standalone.rpc import ClusterRpcProxy

TIMEOUT_S = 30
CONFIG = {"AMQP_URI": URL, "rpc_exchange": name_of("rpc"), "AUTO_DELETE_EVENT_EXCHANGES": True}
SOURCE = name_of("source")  # the service that events claim to come from

results = Results()
numbers = Exchange(name_of("numbers"), "topic", auto_delete=True)
even, odd = (Queue(name_of(parity), numbers, routing_key=f"{parity}.#") for parity in ("even", "odd"))


class Squares:
    name = name_of("squares")

    @rpc
    def square(self, number):
        if number < 0:
            raise ValueError(number)
        return number * number

    @rpc
    def digest(self, text):
        return hashlib.sha256(text.encode()).hexdigest()


class Sums:
    name = name_of("sums")
    squares = RpcProxy(Squares.name)
    publish = Publisher(exchange=numbers, declare=[even, odd])

    @rpc
    def sum_of_squares(self, *terms):
        calls = [self.squares.square.call_async(term) for term in terms]
        return sum(call.result() for call in calls)

    @rpc
    def sort(self, *terms):
        for term in terms:
            self.publish(term, routing_key="odd.number" if term % 2 else "even.number")


class Listener:
    """What `one` and `other` have in common; a handler of the service pool is one queue for all instances."""

    @event_handler(SOURCE, "pooled")
    def pooled(self, payload):
        results.put(("pooled", payload))

    @event_handler(SOURCE, "single", handler_type=SINGLETON)
    def single(self, payload):
        results.put(("single", payload))

    @event_handler(SOURCE, "broadcast", handler_type=BROADCAST, reliable_delivery=False)
    def broadcast(self, payload):
        results.put(("broadcast", payload))


class One(Listener):
    name = name_of("one")


class Other(Listener):
    name = name_of("other")


class Consumers:
    name = name_of("consumers")
    failures = 1

    @consume(even)
    def even(self, number):
        results.put(("even", number))

    @consume(odd, requeue_on_error=True)
    def odd(self, number):
        if Consumers.failures:
            Consumers.failures -= 1
            raise ValueError("try again")
        results.put(("odd", number))


class Patient:
    name = name_of("patient")
    go_on = None

    @rpc
    def wait(self, text):
        results.put(text)
        Patient.go_on.wait()
        return text


@contextlib.contextmanager
def running(*services):
    runner = ServiceRunner(CONFIG)
    for service in services:
        runner.add_service(service)
    runner.start()
    try:
        yield
    finally:
        runner.stop()


def next_results(count):
    return sorted(results.get(timeout=TIMEOUT_S) for _ in range(count))


def error_of(kind, call, *arguments):
    try:
        call(*arguments)
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


@check("remote procedure call")
def remote_procedure_call():
    with running(Squares, Sums), ClusterRpcProxy(CONFIG, timeout=TIMEOUT_S) as cluster:
        assert cluster[Squares.name].square(12) == 144
        assert cluster[Sums.name].sum_of_squares(*range(50)) == sum(term * term for term in range(50))
        pending = [cluster[Squares.name].square.call_async(number) for number in range(100)]
        assert [call.result() for call in pending] == [number * number for number in range(100)]


@check("errors")
def errors():
    with running(Squares), ClusterRpcProxy(CONFIG, timeout=TIMEOUT_S) as cluster:
        assert error_of(RemoteError, cluster[Squares.name].square, -3).exc_type == "ValueError"
        assert error_of(MethodNotFound, cluster[Squares.name].cube, 3)


@check("returns")
def returns():
    """Requests are mandatory: who calls a service that nobody runs is told so at once."""
    with ClusterRpcProxy(CONFIG, timeout=TIMEOUT_S) as cluster:
        error_of(UnknownService, cluster[name_of("nobody")].anything)


@check("large body")
def large_body():
    with running(Squares), ClusterRpcProxy(CONFIG, timeout=TIMEOUT_S) as cluster:
        for size in (0, 1, 131_072, 16 * 1024 * 1024):
            text = os.urandom(size).hex()[:size]
            assert cluster[Squares.name].digest(text) == hashlib.sha256(text.encode()).hexdigest()


@check("events")
def events():
    dispatch = event_dispatcher(CONFIG)
    with running(One, Other):
        for number in range(10):
            dispatch(SOURCE, "pooled", number)
            dispatch(SOURCE, "broadcast", number)
        expected = [(kind, number) for kind in ("pooled", "broadcast") for number in range(10)]
        assert next_results(40) == sorted(2 * expected)  # each service has its own pool
        for number in range(10):
            dispatch(SOURCE, "single", number)
        assert next_results(10) == [("single", number) for number in range(10)]
        dispatch(SOURCE, "pooled", "the last")
        assert next_results(2) == [("pooled", "the last")] * 2


@check("messages")
def messages():
    with running(Sums, Consumers), ClusterRpcProxy(CONFIG, timeout=TIMEOUT_S) as cluster:
        cluster[Sums.name].sort(*range(10))
        assert next_results(10) == [("even", number) for number in range(0, 10, 2)] + [
            ("odd", number) for number in range(1, 10, 2)
        ]
        assert not Consumers.failures


def goes_on_after(interrupt):
    """The service consumes again by itself: the request it had not answered comes back."""
    Patient.go_on = Event()
    with running(Patient):
        with ClusterRpcProxy(CONFIG, timeout=TIMEOUT_S) as cluster:
            cluster[Patient.name].wait.call_async("unacked")
            assert next_results(1) == ["unacked"]
            interrupt()
            assert next_results(1) == ["unacked"]
            Patient.go_on.send()
        with ClusterRpcProxy(CONFIG, timeout=TIMEOUT_S) as cluster:
            assert cluster[Patient.name].wait("new") == "new"
        assert next_results(1) == ["new"]


@check("reconnect after a forced close")
def reconnect_after_a_forced_close():
    goes_on_after(force_close)


@check("reconnect after a cut")
def reconnect_after_a_cut():
    goes_on_after(cut)


@check("what stopped services leave")
def leftovers():
    """Durable queues, in case that they are started again; and nothing in them."""
    queues = [f"rpc-{service.name}" for service in (Squares, Sums, Patient)]
    queues += [f"evt-{SOURCE}-pooled--{service.name}.pooled" for service in (One, Other)]
    queues += [f"evt-{SOURCE}-single", even.name, odd.name]
    with Connection(URL) as connection, connection.channel() as channel:
        for queue in queues:
            assert channel.queue_declare(queue, passive=True) == (queue, 0, 0)
            channel.queue_delete(queue)
        channel.exchange_delete(CONFIG["rpc_exchange"])


main()
