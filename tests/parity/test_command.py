"""`python -m interop.parity`, and the scenarios as a whole."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from interop import rabbitmq
from interop.parity import scenarios
from interop.parity.__main__ import main, matches
from interop.parity.listening import Listening
from interop.parity.scenario import SCENARIOS, scenario
from interop.parity.script import Stage
from tests.parity.fake_broker import fake_broker, method


def test_without_rabbitmq_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(rabbitmq, "SERVER_SCRIPT", tmp_path / "missing")
    result = CliRunner().invoke(main, ["--subject", "amqp://127.0.0.1/"])
    assert result.exit_code == 1
    assert result.output == "Error: RabbitMQ is not installed: apt-get install rabbitmq-server\n"


def test_exit_code_and_last_line_tell_the_result() -> None:
    arguments = ["--only", "channels.flow"]
    with fake_broker() as one, fake_broker(channel_flow=lambda _: [method("channel.flow-ok", active=False)]) as other:
        urls = [f"amqp://guest:guest@{each.host}:{each.port}/" for each in (one, other)]
        same = CliRunner().invoke(main, [*arguments, "-v", "--reference", urls[0], "--subject", urls[0]])
        differs = CliRunner().invoke(main, [*arguments, "--reference", urls[0], "--subject", urls[1]])
    assert same.exit_code == 0
    assert re.fullmatch(r"passed channels\.flow\n1 passed, 0 failed in \d+ s against RabbitMQ 3\.10\.8\n", same.output)
    assert differs.exit_code == 1
    assert "-channel.flow-ok active=True" in differs.output
    assert "+channel.flow-ok active=False" in differs.output
    assert re.search(r"^0 passed, 1 failed in \d+ s against RabbitMQ 3\.10\.8$", differs.output, re.MULTILINE)


def test_what_needs_brokers_of_its_own_is_left_out_where_they_are_given() -> None:
    with fake_broker() as one:
        url = f"amqp://guest:guest@{one.host}:{one.port}/"
        result = CliRunner().invoke(main, ["--only", "tls.http_in_tls", "--reference", url, "--subject", url])
    assert result.exit_code == 0
    assert result.output.startswith("1 left out: they need brokers that are started for them\n0 passed")


def test_an_unknown_scenario_is_a_usage_error() -> None:
    assert CliRunner().invoke(main, ["--only", "nothing.like.it"]).exit_code == 2


def test_every_scenario_says_what_it_is_for() -> None:
    scenarios.load()
    assert [each.name for each in SCENARIOS.values() if not each.purpose.strip()] == []


def test_every_meant_difference_says_why() -> None:
    scenarios.load()
    assert [each.name for each in SCENARIOS.values() if not all(differs.why for differs in each.differs)] == []


@pytest.mark.parametrize(
    ("name", "pattern", "expected"),
    [
        ("queues.declare[plain]", "queues.*", True),
        ("queues.declare[plain]", "queues.declare[plain]", True),
        ("queues.declare[plain]", "*.declare[p*", True),
        ("queues.declarep", "queues.declare[plain]", False),
    ],
)
def test_globs_take_square_brackets_as_they_are(name: str, pattern: str, expected: bool) -> None:
    assert matches(name, (pattern,)) is expected


def test_each_case_may_want_another_listener() -> None:
    wanted = {"one": Listening(), "other": Listening(login_from="common_name")}

    @scenario(each=["one", "other"], listening=wanted)
    def listened_for(stage: Stage, case: str) -> None: ...

    made = [SCENARIOS.pop(f"test_command.listened_for[{case}]").listening for case in wanted]
    assert made == list(wanted.values())


def test_names_of_cases_are_checked() -> None:
    with pytest.raises(ValueError, match=r"has no case \['c'\]"):
        scenario(each=["a", "b"], differs={"c": None})(lambda stage, case: None)  # type: ignore[dict-item]
