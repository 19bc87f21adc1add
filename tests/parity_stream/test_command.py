"""`python -m interop.parity_stream`, its scenarios as a whole, and what it takes for equal."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from interop import rabbitmq
from interop.parity_stream import __main__ as command
from interop.parity_stream import scenarios
from interop.parity_stream.annotations import in_order
from interop.parity_stream.compare import with_reason
from interop.parity_stream.scenario import SCENARIOS, scenario
from interop.parity_stream.stage import Stage
from interop.parity_stream.told import told
from interop.stream import codec

END = "the connection ends"
CLOSE = "Close #1 code=13 reason='unknown frame'"


@pytest.fixture(autouse=True)
def _loaded() -> None:
    scenarios.load()


def test_without_rabbitmq_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(rabbitmq, "SERVER_SCRIPT", tmp_path / "missing")
    result = CliRunner().invoke(command.main, [])
    assert (result.exit_code, result.output) == (
        1,
        "Error: RabbitMQ is not installed: apt-get install rabbitmq-server\n",
    )


def test_an_unknown_scenario_is_a_usage_error() -> None:
    assert CliRunner().invoke(command.main, ["--only", "nothing.like.it"]).exit_code == 2


def test_scenarios_are_listed_with_their_purpose() -> None:
    listed = CliRunner().invoke(command.main, ["--list", "--only", "handshake.whole"])
    assert listed.output == "handshake.whole: From the first frame to the last.\n"


def test_every_scenario_has_a_purpose() -> None:
    assert not [each.name for each in SCENARIOS.values() if not each.purpose]


def test_a_name_is_taken_once() -> None:
    def whole(stage: Stage) -> None:
        """Of the same name as another."""

    whole.__module__ = "x.handshake"
    with pytest.raises(ValueError, match=r"two scenarios are called handshake\.whole"):
        scenario()(whole)


@pytest.mark.parametrize("version", ["3.10.8", "4.0.5"])
def test_what_is_known_to_differ_is_there(version: str) -> None:
    known = command.known_names(version)
    assert known <= {name for name, each in SCENARIOS.items() if each.is_for(version)}


class Played:
    """As much of an outcome as is looked at."""

    def __init__(self, name: str, passed: bool) -> None:
        self.scenario = SCENARIOS[name]
        self.passed = passed


def test_what_is_not_listed_is_unexpected_and_so_is_what_passes_although_it_is() -> None:
    first, second, third, fourth = list(SCENARIOS)[:4]
    played = [Played(first, False), Played(second, False), Played(third, True), Played(fourth, True)]
    assert command.unexpected(played, {first, third}) == [second, third]  # type: ignore[arg-type]


def test_amqpy_may_say_why_it_ends_a_connection_and_rabbitmq_may_not_be_contradicted() -> None:
    answered = ["Create response #1 code=1"]
    assert with_reason([*answered, END], [*answered, CLOSE, END]) == [*answered, CLOSE, END]
    assert with_reason([*answered, END], [CLOSE, END]) == [*answered, END]
    assert with_reason([*answered], [*answered, CLOSE, END]) == answered
    assert with_reason([CLOSE, END], [END]) == [CLOSE, END]


def annotated(*pairs: bytes) -> bytes:
    inner = b"".join(pairs)
    return b"\0Sp\x45\0Sr\xc1" + bytes([len(inner) + 1, 2 * len(pairs)]) + inner + b"\0Su\xa0\1m"


def test_only_the_order_of_annotations_is_hidden() -> None:
    first, second = b"\xa3\1a\xa1\1x", b"\xa3\1b\x54\5"
    assert in_order(annotated(first, second)) == in_order(annotated(second, first)) == annotated(first, second)
    assert in_order(annotated(first)) != in_order(annotated(second))
    for odd in (b"", b"\0Sr", b"\0Sr\xc1\x09\2\xa3", b"\0Sr\xc1\4\2\xff\xff", b"\0Sp"):
        assert in_order(odd) == odd


def test_ports_and_descriptions_are_hidden_and_codes_are_not() -> None:
    opened = codec.parsed(
        codec.response(
            "Open", 1, 1, properties=[("advertised_host", "h"), ("advertised_port", "5552"), ("version", "1")]
        )[4:]
    )
    assert told(opened, 5552) == (
        "Open response #1 code=1 properties={'advertised_host': 'h', 'advertised_port': <port>, 'version': …}"
    )
    assert told(opened, 5553) != told(opened, 5552)
    refused = codec.parsed(codec.response("Create", 2, 17)[4:])
    assert told(refused, 5552) == "Create response #2 code=17"
