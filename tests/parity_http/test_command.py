"""`python -m interop.parity_http`, and the scenarios as a whole."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from interop import rabbitmq
from interop.parity_http import addresses, scenarios
from interop.parity_http.__main__ import main
from interop.parity_http.scenario import SCENARIOS, scenario
from interop.parity_http.stage import Stage
from tests.parity_http.fake_api import Told, fake_api

SCRIPT = "GET /x\n"


def test_without_rabbitmq_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(rabbitmq, "SERVER_SCRIPT", tmp_path / "missing")
    result = CliRunner().invoke(main, ["--subject", "http://127.0.0.1/"])
    assert result.exit_code == 1
    assert result.output == "Error: RabbitMQ is not installed: apt-get install rabbitmq-server\n"


def test_exit_code_and_last_lines_tell_the_result() -> None:
    with fake_api({"GET /api/x": Told(value={"a": 1})}) as one, fake_api({"GET /api/x": Told(value={"a": 2})}) as other:
        arguments = ["--script", "-", "--reference", one.url, "--subject"]
        same = CliRunner().invoke(main, [*arguments, one.url], input=SCRIPT)
        differs = CliRunner().invoke(main, [*arguments, other.url], input=SCRIPT)
    assert same.exit_code == 0
    assert re.search(r"^1 passed, 0 failed with 0 differences in 1 requests$", same.output, re.MULTILINE)
    assert same.output.endswith("s against RabbitMQ 3.10.8\n")
    assert differs.exit_code == 1
    assert "  GET /x: body.a: expected 1, got 2\n" in differs.output


def test_a_script_is_played_to_brokers_in_any_rates_mode() -> None:
    with fake_api({"GET /api/x": Told(value={"a": 1})}) as one:
        arguments = ["--script", "-", "--reference", one.url, "--subject", one.url, "--rates-mode", "detailed"]
        assert "1 passed, 0 failed" in CliRunner().invoke(main, arguments, input=SCRIPT).output


def test_answers_can_be_shown() -> None:
    with fake_api({"GET /api/x": Told(value={"a": 1})}) as one:
        arguments = ["--script", "-", "--reference", one.url, "--subject", one.url, "--show"]
        assert "{'a': 1}" in CliRunner().invoke(main, arguments, input=SCRIPT).output


def test_a_script_that_is_none_is_a_usage_error() -> None:
    assert CliRunner().invoke(main, ["--script", "-"], input="nonsense").exit_code == 2


def test_an_unknown_scenario_is_a_usage_error() -> None:
    assert CliRunner().invoke(main, ["--only", "nothing.like.it"]).exit_code == 2


def test_scenarios_are_listed_with_their_purpose() -> None:
    one_case = CliRunner().invoke(main, ["--list", "--only", "methods.without_credentials[GET]"])
    assert len(one_case.output.splitlines()) == 1
    listed = CliRunner().invoke(main, ["--list", "--only", "methods.options"])
    assert listed.output == "methods.options: OPTIONS of whoever asks, wherever.\n"


def test_scripts_of_seeds_are_printed() -> None:
    result = CliRunner().invoke(main, ["--seeds", "3:5", "--print"])
    assert result.output.count("# seed") == 2


def test_every_scenario_has_a_purpose() -> None:
    scenarios.load()
    assert not [each.name for each in SCENARIOS.values() if not each.purpose]


def test_a_name_is_taken_once() -> None:
    def options(stage: Stage) -> None:
        """Of the same name as another."""

    scenarios.load()
    options.__module__ = "x.methods"
    with pytest.raises(ValueError, match=r"two scenarios are called methods\.options"):
        scenario()(options)


def test_addresses_are_told_once() -> None:
    assert len(set(addresses.ALL)) == len(addresses.ALL)
