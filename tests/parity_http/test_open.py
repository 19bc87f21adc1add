"""What is listed as open is there, and does not hide what is not."""

import pytest

from interop.parity_http import __main__ as command
from interop.parity_http import scenarios
from interop.parity_http.scenario import SCENARIOS


class Played:
    """As much of an outcome as is looked at."""

    def __init__(self, name: str, passed: bool) -> None:
        self.scenario = SCENARIOS[name]
        self.passed = passed


@pytest.mark.parametrize("version", ["3.10.8", "4.0.5"])
def test_every_open_scenario_is_there(version: str) -> None:
    scenarios.load()
    assert command.open_names(version) <= SCENARIOS.keys()


def test_what_is_not_listed_is_unexpected(capsys: pytest.CaptureFixture[str]) -> None:
    scenarios.load()
    first, second, third = list(SCENARIOS)[:3]
    played = [Played(first, False), Played(second, False), Played(third, True)]
    found = command.unexpected(played, {first, third})  # type: ignore[arg-type]
    assert [each.scenario.name for each in found] == [second]
    assert "1 of these are listed as open" in capsys.readouterr().out


def test_each_release_has_its_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(command.OPEN, "5.0", "README.md")
    assert command.open_names("5.0.1") != command.open_names("3.10.8") == command.open_names("9.9.9")
