"""The pytest plugin, in runs inside of this one."""

import subprocess
import sys
from itertools import count

import pika  # noqa: F401  (or each run would import it anew)
import pytest

import amqpy.testing.fixtures  # noqa: F401
from amqpy.testing.pytest_items import session_port

pytest_plugins = ["pytester"]

NUMBERS = count()

APP = """
import pika
import pytest
from amqpy.testing import broker_fixture, session_broker

def publish(url, body=b"x"):
    connection = pika.BlockingConnection(pika.URLParameters(url))
    connection.channel().queue_declare("q")
    connection.channel().basic_publish("", "q", body)
    connection.close()
"""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> "Run":
    return Run(pytester)


class Run:
    """Runs tests."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self._pytester = pytester

    def __call__(self, tests: str, *options: str, ini: str = "") -> pytest.RunResult:
        name = f"test_app_{next(NUMBERS)}"  # a module of its own: all runs are in one process
        path = self._pytester.makepyfile(**{name: APP + tests})
        self._pytester.makeini(f"[pytest]\n{ini or 'filterwarnings = default'}")
        return self._pytester.runpytest_inprocess("-p", "no:cacheprovider", *options, path)


def test_fixtures(run: Run) -> None:
    result = run("""
orders_mq = broker_fixture(scope="module", profile="rabbitmq-4")

def test_one(amqp_broker, amqp_url):
    assert amqp_broker.url == amqp_url
    publish(amqp_url)
    assert amqp_broker.queue("q").bodies == [b"x"]

def test_fresh(amqp_broker):
    assert amqp_broker.queues == []

def test_module_first(orders_mq):
    publish(orders_mq.url)

def test_module_second(orders_mq):
    assert orders_mq.queues == ["q"]

def test_session(amqp_session_broker):
    assert amqp_session_broker is session_broker()
    publish(amqp_session_broker.url)
""")
    result.assert_outcomes(passed=5)


def test_marks_add_up(run: Run) -> None:
    result = run(
        """
pytestmark = pytest.mark.amqp(clock="frozen", seed=1)

@pytest.mark.amqp(clock="ticking")
class TestApp:
    def test_near(self, amqp_broker):
        assert not amqp_broker.clock.frozen

    @pytest.mark.amqp(clock="frozen")
    def test_nearest(self, amqp_broker):
        assert amqp_broker.clock.frozen

def test_far(amqp_broker):
    assert amqp_broker.clock.frozen

@pytest.mark.amqp("frozen")
def test_wrong(amqp_broker):
    pass

@pytest.mark.amqp(clok="frozen")
def test_unknown(amqp_broker):
    pass
""",
        "--strict-markers",
    )
    result.assert_outcomes(passed=3, errors=2)
    result.stdout.fnmatch_lines(["*takes settings by name*", "*TypeError: no setting 'clok'*"])


LEAKING = """
@pytest.fixture
def app():
    connections = []
    yield connections
    for each in connections:
        with pytest.raises(pika.exceptions.AMQPError):
            each.process_data_events(1)

def test_leak(app, amqp_broker):
    app.append(pika.BlockingConnection(pika.URLParameters(amqp_broker.url)))
"""


def test_leaks_are_warnings(run: Run) -> None:
    result = run(LEAKING)
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*LeakWarning: connection '127.0.0.1:* of user 'guest' is open, with 0 channels"])


def test_leaks_as_errors_or_not_at_all(run: Run) -> None:
    run(LEAKING, ini="filterwarnings = error::amqpy.testing.LeakWarning").assert_outcomes(passed=1, errors=1)
    run(LEAKING, ini="amqp_leaks = none\nfilterwarnings = default").assert_outcomes(passed=1, warnings=0)


def test_a_fault_that_never_fires_fails(run: Run) -> None:
    result = run("""
def test_nothing(amqp_broker):
    amqp_broker.faults.drop_publish()
""")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*FaultNotFired: the fault never fired, so it tested nothing: drop_publish()*"])


FAILING = """
def test_failing(amqp_broker):
    publish(amqp_broker.url, b"hello")
    amqp_broker.assert_published(body=b"hallo", timeout=0)

def test_passing(amqp_broker):
    publish(amqp_broker.url, b"hello")
"""


def test_the_transcript_is_under_a_test_that_failed(run: Run) -> None:
    result = run(FAILING)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "E       AssertionError: expected to be published: body=b'hallo'",
            "E       found 0 of 1 published; nearest:",
            "E           body: wanted b'hallo', was b'hello'",
            "*transcript of <TestBroker amqp://guest:guest@127.0.0.1:*",
            "*published '' key 'q' -> q * hello",
        ]
    )
    result.stdout.no_fnmatch_line("*questions.py*")  # the traceback ends in the test


@pytest.mark.parametrize(("when", "count"), [("never", 0), ("failed", 1), ("always", 2)])
def test_when_there_is_a_transcript(run: Run, when: str, count: int) -> None:
    result = run(FAILING, f"--amqp-transcript={when}", "-rA")
    lines = [line for line in result.outlines if "transcript of <TestBroker" in line]
    assert len(lines) == count


def test_a_bug_of_the_broker_fails_the_test(run: Run) -> None:
    result = run("""
def test_bug(amqp_broker, monkeypatch):
    from amqpy.core.topology import Topology
    monkeypatch.setattr(Topology, "declare_queue", lambda *arguments, **options: 1 / 0)
    with pytest.raises(pika.exceptions.AMQPError):
        publish(amqp_broker.url)
""")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*BrokerBug: the test broker met an internal error: ZeroDivisionError*"])


def test_unused_it_imports_nothing_but_pytest() -> None:
    code = (
        "import sys, pytest; before = set(sys.modules); import amqpy.pytest_plugin;"
        "print(sorted(name for name in set(sys.modules) - before))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "trio" not in found
    assert "amqpy.core" not in found
    assert "amqpy.testing.pytest_items" in found


def test_there_is_a_port_for_each_worker(monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config) -> None:
    class Ini:
        def getini(self, name: str) -> str:
            return {"amqp_port": "5672"}[name]

    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    assert session_port(Ini()) == 5672  # type: ignore[arg-type]
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw3")
    assert session_port(Ini()) == 5675  # type: ignore[arg-type]
