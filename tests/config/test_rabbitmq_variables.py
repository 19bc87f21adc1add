"""The environment variables of RabbitMQ, of its container image, and of Bitnami's."""

import logging
import socket
from pathlib import Path
from typing import Any

import pytest

from amqpy.config import Config, rabbitmq_variables
from amqpy.config.sources import load, read
from amqpy.config.values import ConfigError, Note

HOST = socket.gethostname().partition(".")[0]

TAKEN: list[tuple[dict[str, str], dict[str, Any]]] = [
    ({"RABBITMQ_DEFAULT_USER_TAGS": "monitoring,policymaker"}, {"default_user_tags": ("monitoring", "policymaker")}),
    ({"RABBITMQ_DEFAULT_PERMISSIONS_CONFIGURE": "^a"}, {"default_permissions_configure": "^a"}),
    ({"RABBITMQ_DEFAULT_PERMISSIONS_WRITE": "^a"}, {"default_permissions_write": "^a"}),
    ({"RABBITMQ_DEFAULT_PERMISSIONS_READ": "^a"}, {"default_permissions_read": "^a"}),
    ({"RABBITMQ_NODE_IP_ADDRESS": "0.0.0.0"}, {"host": "0.0.0.0"}),
    ({"RABBITMQ_NODE_IP_ADDRESS": "auto"}, {}),
    ({"RABBITMQ_NODE_IP_ADDRESS": ""}, {}),
    ({"RABBITMQ_NODENAME": "hare@burrow"}, {"cluster_name": "hare@burrow"}),
    ({"RABBITMQ_NODENAME": "hare"}, {"cluster_name": f"hare@{HOST}"}),
    ({"RABBITMQ_MNESIA_DIR": "/d", "RABBITMQ_MNESIA_BASE": "/b"}, {"data_dir": "/d"}),
    ({"RABBITMQ_MNESIA_BASE": "/b"}, {"data_dir": "/b/amqpy"}),
    (
        {"RABBITMQ_MNESIA_BASE": "/b", "RABBITMQ_NODENAME": "hare@burrow"},
        {"data_dir": "/b/hare@burrow", "cluster_name": "hare@burrow"},
    ),
    ({"RABBITMQ_LOG": "debug"}, {"log_level": "debug"}),
    ({"RABBITMQ_LOG": "warning,connection=info,+color"}, {"log_level": "info"}),
    ({"RABBITMQ_LOG": "+color,+json"}, {"log_format": "json"}),
    ({"RABBITMQ_LOG": "error,-json"}, {"log_level": "error", "log_format": "text"}),
    ({"RABBITMQ_PRODUCT_NAME": "Hare", "RABBITMQ_PRODUCT_VERSION": "1"}, {"product": "Hare", "version": "1"}),
    (
        {"RABBITMQ_USERNAME": "app", "RABBITMQ_PASSWORD": "s3cret", "RABBITMQ_VHOST": "orders"},
        {"default_user": "app", "default_pass": "s3cret", "default_vhost": "orders"},
    ),
    ({"RABBITMQ_NODE_PORT_NUMBER": "5673"}, {"port": 5673}),
    ({"RABBITMQ_NODE_PORT_NUMBER": "5673", "RABBITMQ_NODE_PORT": "5674"}, {"port": 5674}),
    ({"RABBITMQ_DISK_FREE_LIMIT": "{mem_relative, 1.5}"}, {"disk_free_limit": "1.5"}),
    ({"RABBITMQ_DISK_FREE_LIMIT": "2GB"}, {"disk_free_limit": "2GB"}),
    ({"RABBITMQ_DEFAULT_USER": "app", "RABBITMQ_USERNAME": "other"}, {"default_user": "app"}),
]


@pytest.mark.parametrize(("environ", "expected"), TAKEN)
def test_a_variable_is_a_setting(environ: dict[str, str], expected: dict[str, object]) -> None:
    assert load(environ=environ) == Config(**expected)  # type: ignore[arg-type]
    assert read(environ=environ).notes == []


def test_every_variable_is_tried_here() -> None:
    tried = {name for environ, _ in TAKEN for name in environ}
    variables = {variable.name for variable in rabbitmq_variables.VARIABLES}
    assert variables <= tried


def test_a_file_is_stronger_than_a_name_of_the_node(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text("cluster_name = here")
    assert load(environ={"RABBITMQ_NODENAME": "a@b"}, files=[tmp_path / "a.conf"]).cluster_name == "here"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("RABBITMQ_NODE_PORT_NUMBER", "x", "an integer from 0 to 65535"),
        ("RABBITMQ_LOG", "loud", "one of debug, info, warning, error"),
        ("RABBITMQ_DEFAULT_PERMISSIONS_READ", "(", "a regular expression"),
        ("RABBITMQ_DISK_FREE_LIMIT", "x", "a size (`50MB`), a multiple of the memory (`1.5`) or `none`"),
    ],
)
def test_a_wrong_variable(name: str, text: str, expected: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(environ={name: text})
    assert str(refused.value) == f"{name} must be {expected}"


# --- _FILE


@pytest.mark.parametrize("name", ["RABBITMQ_DEFAULT_PASS", "AMQPY_DEFAULT_PASS", "RABBITMQ_PASSWORD"])
def test_a_variable_may_name_a_file_with_the_value(name: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3 cret\r\n\n")
    found = read(environ={f"{name}_FILE": str(tmp_path / "secret")})
    assert found.config.default_pass == "s3 cret"
    assert found.sources == {"default_pass": f"{name}_FILE"}
    assert found.notes == []


def test_a_variable_and_its_file_exclude_each_other() -> None:
    with pytest.raises(ConfigError, match=r"^RABBITMQ_DEFAULT_PASS and RABBITMQ_DEFAULT_PASS_FILE exclude each other$"):
        load(environ={"RABBITMQ_DEFAULT_PASS": "a", "RABBITMQ_DEFAULT_PASS_FILE": "b"})


def test_a_wrong_value_in_a_file_of_a_variable(tmp_path: Path) -> None:
    (tmp_path / "port").write_text("x")
    with pytest.raises(ConfigError, match=r"^AMQPY_PORT_FILE must be an integer from 0 to 65535$"):
        load(environ={"AMQPY_PORT_FILE": str(tmp_path / "port")})


def test_a_file_of_a_variable_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^RABBITMQ_DEFAULT_PASS_FILE: cannot read .*none: No such file"):
        load(environ={"RABBITMQ_DEFAULT_PASS_FILE": str(tmp_path / "none")})


# --- files with settings


@pytest.mark.parametrize("name", ["rabbitmq.conf", "rabbitmq"])
def test_the_file_that_a_variable_names(name: str, tmp_path: Path) -> None:
    (tmp_path / "rabbitmq.conf").write_text("heartbeat = 1\nchannel_max = 1")
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "20-b.conf").write_text("heartbeat = 2")
    (tmp_path / "conf.d" / "10-a.conf").write_text("heartbeat = 3\nchannel_max = 3")
    environ = {"RABBITMQ_CONFIG_FILE": str(tmp_path / name)}
    assert load(environ=environ).heartbeat == 1
    for others in (tmp_path / "conf.d", tmp_path / "conf.d" / "*.conf"):
        found = read(environ=environ | {"RABBITMQ_CONFIG_FILES": str(others)})
        assert (found.config.heartbeat, found.config.channel_max) == (2, 3)
        assert found.notes == []
    (tmp_path / "other.conf").write_text("heartbeat = 9")
    assert load(environ=environ, files=[tmp_path / "other.conf"]).heartbeat == 9


def test_a_file_that_a_variable_names_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^cannot read .*none: No such file"):
        load(environ={"RABBITMQ_CONFIG_FILE": str(tmp_path / "none")})
    assert load(environ={"RABBITMQ_CONFIG_FILES": str(tmp_path / "*.conf")}) == Config()


def test_erlang_terms_are_refused(tmp_path: Path) -> None:
    (tmp_path / "rabbitmq.config").write_text("[].")
    with pytest.raises(ConfigError, match=r"rabbitmq\.config has Erlang terms, which amqpy does not read$"):
        load(environ={"RABBITMQ_CONFIG_FILE": str(tmp_path / "rabbitmq")})
    environ = {"RABBITMQ_ADVANCED_CONFIG_FILE": str(tmp_path / "advanced.config")}
    assert read(environ=environ).notes == []
    (tmp_path / "advanced.config").write_text("[].")
    with pytest.raises(ConfigError, match=r"^RABBITMQ_ADVANCED_CONFIG_FILE: .* has Erlang terms"):
        load(environ=environ)


# --- the others


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("RABBITMQ_SSL_CERTFILE", "/c"),
        ("RABBITMQ_MANAGEMENT_SSL_KEYFILE", "/k"),
        ("RABBITMQ_HASHED_PASSWORD", "h"),
        ("RABBITMQ_LOAD_DEFINITIONS", "yes"),
        ("RABBITMQ_ENABLE_LDAP", "yes"),
    ],
)
def test_what_must_not_be_ignored_is_refused(name: str, text: str) -> None:
    with pytest.raises(ConfigError, match=f"^{name}: "):
        load(environ={name: text})


@pytest.mark.parametrize("environ", [{"RABBITMQ_SSL_CERTFILE": ""}, {"RABBITMQ_ENABLE_LDAP": "no"}])
def test_what_asks_for_nothing_is_not_refused(environ: dict[str, str]) -> None:
    assert load(environ=environ) == Config()


def test_variables_without_a_meaning_are_named_once() -> None:
    environ = {"RABBITMQ_LOGS": "-", "RABBITMQ_ERLANG_COOKIE": "s3cret", "RABBITMQ_HOME": "/opt", "HOME": "/"}
    names = "RABBITMQ_ERLANG_COOKIE, RABBITMQ_HOME, RABBITMQ_LOGS"
    assert read(environ=environ).notes == [Note(logging.INFO, f"without a meaning here: {names}")]
