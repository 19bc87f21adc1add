"""The administrator's doors: what is asked for, what the outcome looks like, and that nothing is left behind."""

import http.server
import json
import threading
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pytest
from cryptography.x509.oid import NameOID

from interop.parity.admin import UNDONE_BY, Admin, NoDoor
from interop.parity.amqpy import running_amqpy
from interop.parity.compare import compare
from interop.parity.listening import Listening, two_listeners
from interop.parity.management import COMMANDS, REQUESTS, Management
from interop.parity.scenario import Scenario
from interop.parity.script import Broker, Stage
from tests.parity.fake_broker import fake_broker


class Remembering:
    """A door that remembers what was asked for, and refuses what is in `refused`."""

    def __init__(self, **refused: str) -> None:
        self.asked: list[tuple[str, Mapping[str, Any]]] = []
        self._refused = refused

    def perform(self, operation: str, arguments: Mapping[str, Any]) -> str:
        self.asked.append((operation, arguments))
        return self._refused.get(operation, "ok")


def test_what_was_made_is_unmade_in_reverse_order() -> None:
    door = Remembering()
    admin = Admin(door, "run")
    vhost = admin.add_vhost()
    admin.set_policy("p", "q", {"max-length": 1}, vhost=vhost)
    del door.asked[:]
    admin.unmake()
    assert door.asked == [
        ("clear_policy", {"vhost": "v.run", "name": "p.run"}),
        ("delete_vhost", {"name": "v.run"}),
    ]


def test_what_was_refused_or_unmade_by_the_script_is_not_unmade_again() -> None:
    door = Remembering(set_operator_policy="no")
    admin = Admin(door, "run")
    admin.set_policy("p", "q", {})
    admin.clear_policy("p")
    admin.set_policy("p", "q", {}, operator=True)
    del door.asked[:]
    admin.unmake()
    assert door.asked == []


def test_an_outcome_is_a_line_of_the_transcript() -> None:
    def play(stage: Stage) -> None:
        stage.admin.set_policy("p", "q", {"max-length": -1})

    def broker(host: Broker, reason: str) -> Broker:
        return Broker(host.host, host.port, host.user, host.password, Remembering(set_policy=reason))

    scenario = Scenario("fake", play, "a scenario for a test")
    with fake_broker() as fake:
        assert compare(scenario, broker(fake, "one\n"), broker(fake, "one\n")).passed
        (complaint,) = compare(scenario, broker(fake, "one\n"), broker(fake, "other\n")).complaints
    assert complaint.splitlines() == [
        "administration",
        r"-set_policy / p.*: 'one\n'",
        r"+set_policy / p.*: 'other\n'",
    ]


def test_without_a_door_a_scenario_fails() -> None:
    with pytest.raises(AssertionError, match="without an administrator's door"):
        Admin(NoDoor(), "run").add_vhost()


# RabbitMQ's door


class Request(NamedTuple):
    method: str
    path: str
    content: Any


class FakeApi(http.server.ThreadingHTTPServer):
    """Answers every request with `status` and `reason`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.requests: list[Request] = []
        self.status = 204
        self.reason: object = None

    @property
    def door(self) -> Management:
        return Management(f"http://guest:guest@127.0.0.1:{self.server_address[1]}/")


class Answering(http.server.BaseHTTPRequestHandler):
    server: FakeApi

    def answer(self) -> None:
        text = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append(Request(self.command, self.path, json.loads(text) if text else None))
        self.send_response(self.server.status)
        self.end_headers()
        if self.server.status >= 300:
            self.wfile.write(json.dumps({"error": "bad_request", "reason": self.server.reason}).encode())

    do_PUT = do_DELETE = answer

    def log_message(self, *_: object) -> None:
        """Tests say nothing when all is well."""


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi() as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield server
        server.shutdown()
        serving.join()


def test_a_policy_becomes_a_request(api: FakeApi) -> None:
    Admin(api.door, "run").set_policy("a/b", "^q", {"expires": 1}, priority=7, apply_to="queues")
    assert api.requests == [
        Request(
            "PUT",
            "/api/policies/%2F/a%2Fb.run",
            {"pattern": "^q", "definition": {"expires": 1}, "priority": 7, "apply-to": "queues"},
        )
    ]


def test_the_reason_is_told_as_it_is_without_html(api: FakeApi) -> None:
    api.status, api.reason = 400, 'Validation failed\n\n&lt;&lt;"x"&gt;&gt; is not\n'
    assert Admin(api.door, "run").set_policy("p", "q", {}) == 'Validation failed\n\n<<"x">> is not\n'


def test_clearing_what_is_not_there(api: FakeApi) -> None:
    api.status, api.reason = 404, "Not Found"
    assert Admin(api.door, "run").clear_policy("p") == "not found"


def test_an_answer_that_is_no_refusal_is_a_failure(api: FakeApi) -> None:
    api.status = 500
    with pytest.raises(AssertionError, match=r"PUT policies/%2F/p\.run: 500"):
        Admin(api.door, "run").set_policy("p", "q", {})


def test_what_makes_undone_can_be_requested() -> None:
    assert {*UNDONE_BY, *(undo for undo, _ in UNDONE_BY.values())} <= REQUESTS.keys() | COMMANDS.keys()


# amqpy's door


def test_a_user_made_by_the_door_has_the_permissions_given() -> None:
    with running_amqpy() as amqpy:
        stage = Stage(amqpy)
        user = stage.admin.add_user(password="mine")
        stage.admin.set_permissions(user, "/", configure="^mine")
        connection = stage.connect(user=user, password="mine")
        assert connection.channel().declare("mine", exclusive=True) == "mine"
        refused = connection.channel(2).call("queue.declare", queue="other")
        stage.leave()
    assert refused is not None
    assert refused["reply_code"] == 403


def test_a_connection_in_tls_is_seen_with_the_name_in_its_certificate() -> None:
    listening = Listening(login_from="common_name")
    with two_listeners(listening) as (_, secured), running_amqpy(listening=listening, secured=secured) as broker:
        stage = Stage(broker)
        certificate = secured.issue([[(NameOID.ORGANIZATION_NAME, "shop")], [(NameOID.COMMON_NAME, stage.name("app"))]])
        connection = stage.connect(tls=secured.context(certificate))
        shown = json.loads(stage.admin.look_at_connection(connection.socket.getsockname()[1]))
        stage.leave()
    assert shown["ssl_protocol"] == "tlsv1.3"
    assert shown["peer_cert_subject"] == f"CN=app.{stage.run_id},O=shop"


def test_an_operation_that_does_not_exist_says_so() -> None:
    with running_amqpy() as amqpy:
        outcome = Admin(amqpy.door, "run").perform("paint", colour="red")
    assert "AttributeError" in outcome


# --- limits of the whole broker


def test_limits_are_set_back_unless_they_have_been() -> None:
    door = Remembering(set_disk_free_limit="Bad argument.")
    admin = Admin(door, "run")
    admin.set_memory_high_watermark(0)
    admin.set_memory_high_watermark(absolute="1GB")
    admin.set_disk_free_limit("x")
    del door.asked[:]
    admin.unmake()
    assert door.asked == [("set_memory_high_watermark", {"fraction": 0.4})]
    admin.set_memory_high_watermark(0)
    admin.set_memory_high_watermark(0.4)
    del door.asked[:]
    admin.unmake()
    assert door.asked == []


@pytest.mark.parametrize(
    ("operation", "arguments", "command"),
    [
        ("set_memory_high_watermark", {"fraction": 0.4}, ("set_vm_memory_high_watermark", "0.4")),
        ("set_memory_high_watermark", {"absolute": "1GB"}, ("set_vm_memory_high_watermark", "absolute", "1GB")),
        ("set_disk_free_limit", {"absolute": "1GB"}, ("set_disk_free_limit", "1GB")),
    ],
)
def test_what_is_asked_of_rabbitmqctl(operation: str, arguments: dict[str, Any], command: tuple[str, ...]) -> None:
    asked: list[tuple[str, ...]] = []
    answers = iter(["", "Error (argument validation): Bad argument."])

    def control(*arguments: str) -> str:
        asked.append(arguments)
        return next(answers)

    door = Management("http://guest:guest@127.0.0.1:1/", control)
    assert [door.perform(operation, arguments) for _ in range(2)] == ["ok", "Bad argument."]
    assert asked == [command, command]


def test_who_knows_only_an_address_cannot_run_rabbitmqctl() -> None:
    with pytest.raises(AssertionError, match="nobody can set_disk_free_limit"):
        Management("http://guest:guest@127.0.0.1:1/").perform("set_disk_free_limit", {"absolute": "1GB"})


def test_amqpy_answers_when_an_operation_is_done() -> None:
    """A policy is applied to many queues bit by bit."""
    with running_amqpy() as broker:
        stage = Stage(broker)
        channel = stage.channel()
        names = [channel.declare(stage.name(f"q{number}"), exclusive=True) for number in range(2000)]
        stage.admin.set_policy("p", stage.run_id, {"max-length": 1})
        for body in (b"1", b"2"):
            channel.publish("", names[-1], body)
        answer = channel.call("queue.declare", queue=names[-1], passive=True)
        stage.leave()
    assert answer is not None
    assert answer["message_count"] == 1
