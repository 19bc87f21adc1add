"""RabbitMQ's file of enabled plugins."""

import logging
from pathlib import Path

import pytest

from amqpy.config import Config
from amqpy.config.sources import load, read
from amqpy.config.values import ConfigError


def texts(path: Path) -> list[tuple[int, str]]:
    notes = read(environ={"RABBITMQ_ENABLED_PLUGINS_FILE": str(path)}).notes
    return [(note.level, note.text) for note in notes]


@pytest.mark.parametrize(
    "text",
    [
        "[rabbitmq_management,rabbitmq_prometheus].\n",
        "%% by hand\n[ rabbitmq_management , % this one\n 'rabbitmq_sharding' ] .",
        "[].",
    ],
)
def test_plugins_that_are_built_in_are_no_news(text: str, tmp_path: Path) -> None:
    (tmp_path / "plugins").write_text(text)
    assert texts(tmp_path / "plugins") == []


def test_plugins_that_are_not_there_are_named(tmp_path: Path) -> None:
    path = tmp_path / "plugins"
    path.write_text("[rabbitmq_management,rabbitmq_mqtt,'rabbitmq_top'].")
    assert texts(path) == [
        (logging.WARNING, f"{path}: there is no plugin rabbitmq_mqtt"),
        (logging.WARNING, f"{path}: there is no plugin rabbitmq_top"),
    ]


def test_the_file_need_not_be_there(tmp_path: Path) -> None:
    assert texts(tmp_path / "none") == []
    assert read(environ={"RABBITMQ_ENABLED_PLUGINS_FILE": ""}).notes == []


@pytest.mark.parametrize("text", ["", "rabbitmq_management", "[rabbitmq_management]", "[a]. [b].", "[{a, b}].", "\xff"])
def test_anything_else_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "plugins").write_text(text)
    with pytest.raises(ConfigError, match=r"^RABBITMQ_ENABLED_PLUGINS_FILE: .*plugins has no list of plugins$"):
        texts(tmp_path / "plugins")


def test_where_the_management_api_listens_in_an_image(tmp_path: Path) -> None:
    environ = {"RABBITMQ_MANAGEMENT_BIND_IP": "0.0.0.0", "RABBITMQ_MANAGEMENT_PORT_NUMBER": "1"}
    config = load(environ=environ)
    assert (config.management_host, config.management_port, config.prometheus_host) == ("0.0.0.0", 1, "0.0.0.0")
    (tmp_path / "a.conf").write_text("management.tcp.ip = 127.0.0.2\nmanagement.tcp.port = 2\n")
    config = load(environ=environ, files=[tmp_path / "a.conf"])
    assert (config.management_host, config.management_port) == ("127.0.0.2", 2), "a file is stronger"
    assert Config().management_host != "0.0.0.0"
