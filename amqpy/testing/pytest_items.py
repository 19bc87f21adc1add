"""The settings of a test's brokers, and its outcome, as pytest knows them. Imports nothing but pytest."""

import os
from collections.abc import Mapping
from typing import Any, Final

import pytest

BROKERS: "Final[pytest.StashKey[list[Any]]]" = pytest.StashKey()
"""The brokers of a test, for its transcript."""

REPORT: "Final[pytest.StashKey[pytest.TestReport]]" = pytest.StashKey()

WORKER = "PYTEST_XDIST_WORKER"


def marked(node: pytest.Item) -> dict[str, Any]:
    """The settings of the marks of module, class and test: the nearest wins."""
    settings: dict[str, Any] = {}
    for mark in node.iter_markers("amqp"):
        if mark.args:
            raise pytest.UsageError("the mark amqp takes settings by name: @pytest.mark.amqp(profile='rabbitmq-4')")
        settings = {**mark.kwargs, **settings}
    return settings


def of_ini(config: pytest.Config) -> dict[str, Any]:
    """The settings in pytest's configuration."""
    profile = config.getini("amqp_profile")
    return {"profile": profile} if profile else {}


def session_port(config: pytest.Config) -> int:
    """The port of the session's broker. Workers of pytest-xdist have one each: the next ones."""
    port = int(config.getini("amqp_port") or 0)
    worker = os.environ.get(WORKER, "")
    return port + int(worker.removeprefix("gw")) if port and worker.startswith("gw") else port


def leaks_of(config: pytest.Config, settings: Mapping[str, Any]) -> tuple[str, ...]:
    """The kinds of leaks that are looked for at the end of a test."""
    given = settings.get("leaks")
    if given is not None:
        return (given,) if isinstance(given, str) else tuple(given)
    kinds = config.getini("amqp_leaks").replace(",", " ").split()
    return () if kinds == ["none"] else tuple(kinds)


def has_failed(node: Any) -> bool:  # noqa: ANN401 (an item, or a collector of them)
    report = node.stash.get(REPORT, None)
    return report is not None and bool(report.failed)
