"""Definitions that are imported when a broker starts."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import trio

from amqpy import app
from amqpy.app import RunningBroker
from amqpy.config import Config
from amqpy.config.values import ConfigError

LOG = logging.getLogger("amqpy.tests")
USER = {"name": "u", "password": "secret", "tags": ["administrator"]}
QUEUE = {"name": "q", "vhost": "/", "arguments": {"x-expires": 60_000}}


async def started(config: Config) -> RunningBroker:
    """A broker that has started with these settings, and stopped."""
    stop = trio.Event()
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            running: RunningBroker = await nursery.start(app.serve, config, LOG, stop)
            stop.set()
    return running


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "definitions.json"


def write(file: Path, definitions: object) -> None:
    """Definitions, or just a text, after the mark that some editors put first."""
    text = definitions if isinstance(definitions, str) else json.dumps(definitions)
    file.write_text(f"\ufeff{text}", "utf-8")


def config_of(file: Path, **settings: Any) -> Config:  # noqa: ANN401
    return Config(listen=("127.0.0.1:0",), load_definitions=str(file), cluster_name="rabbit@test", **settings)


async def test_definitions_are_imported(file: Path) -> None:
    write(file, {"users": [USER], "queues": [QUEUE], "vhosts": [{"name": "v"}]})
    running = await started(config_of(file))
    broker = running.reactor.broker
    assert [user.name for user in running.users] == ["u"]
    assert set(broker.vhosts) == {"/", "v"}
    assert broker.vhosts["v"].permissions == {}
    assert list(broker.vhosts["/"].queues) == ["q"]


async def test_without_users_among_them_there_is_the_default_one(file: Path) -> None:
    write(file, {"users": [], "queues": [QUEUE]})
    assert [user.name for user in (await started(config_of(file))).users] == ["guest"]


async def test_definitions_are_imported_at_each_start(file: Path, tmp_path: Path) -> None:
    write(file, {"users": [USER], "queues": [QUEUE]})
    config = config_of(file, data_dir=str(tmp_path / "data"))
    await started(config)
    write(file, {"users": [{**USER, "tags": "x"}]})
    running = await started(config)
    assert [(user.name, user.tags) for user in running.users] == [("u", ("x",))]
    assert list(running.reactor.broker.vhosts["/"].queues) == ["q"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[]", "not a JSON object"),
        ("{", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ('{"users": [{"name": "u"}]}', "tags_not_present"),
        ('{"queues": [{"name": "q", "vhost": "nope"}]}', "Virtual host 'nope' does not exist"),
    ],
)
async def test_a_broker_with_bad_definitions_does_not_start(file: Path, text: str, reason: str) -> None:
    write(file, text)
    with pytest.raises(ConfigError) as caught:
        await app.serve(config_of(file), LOG)
    assert str(caught.value) == f"load_definitions: {file}: {reason}"


async def test_nor_does_one_without_the_file(file: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        await app.serve(config_of(file), LOG)
    assert "No such file" in str(caught.value)
