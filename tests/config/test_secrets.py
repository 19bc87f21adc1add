"""A secret is in nothing that is printed or logged, wherever it comes from and whatever goes wrong."""

import subprocess
from pathlib import Path

import pytest

from amqpy.config import SETTINGS, Config
from amqpy.config.sources import SourcedValue
from amqpy.config.values import setting_info
from tests.serving import COMMAND, DEADLINE_S, environment, serving

SECRET = "hunter2"
SECRETS = [name for name, setting in SETTINGS.items() if setting_info(setting).secret]


def write(directory: Path, name: str, text: str) -> str:
    path = directory / name
    path.write_text(text)
    return str(path)


class Source:
    """A way to set the default user's password: options and variables."""

    def __init__(self, *options: str, **variables: str) -> None:
        self.options, self.variables = options, variables


def sources(directory: Path) -> dict[str, Source]:
    return {
        "rabbitmq.conf": Source("--config", write(directory, "a.conf", f"default_pass = {SECRET}\n")),
        "a cut value": Source("--config", write(directory, "cut.conf", f"default_pass = {SECRET}#{SECRET}\n")),
        "substitution": Source("--config", write(directory, "b.conf", "default_pass = $(HIDDEN)\n"), HIDDEN=SECRET),
        "TOML": Source("--config", write(directory, "a.toml", f'default_pass = "{SECRET}"\n')),
        "a variable": Source(AMQPY_DEFAULT_PASS=SECRET),
        "RabbitMQ's": Source(RABBITMQ_DEFAULT_PASS=SECRET),
        "Bitnami's": Source(RABBITMQ_PASSWORD=SECRET),
        "a file": Source(RABBITMQ_DEFAULT_PASS_FILE=write(directory, "secret", f"{SECRET}\n")),
        "no setting": Source(RABBITMQ_ERLANG_COOKIE=SECRET, AMQPY_DEFAULT_PASSWORD=SECRET),
    }


SOURCES = ["rabbitmq.conf", "a cut value", "substitution", "TOML", "a variable", "RabbitMQ's", "Bitnami's", "a file"]
SOURCES += ["no setting"]


@pytest.mark.parametrize("name", SOURCES)
def test_serve_never_tells(name: str, tmp_path: Path) -> None:
    source = sources(tmp_path)[name]
    with serving("--port", "0", "--log-level", "debug", *source.options, **source.variables) as broker:
        broker.ready()
        for password in (SECRET, f"{SECRET}-wrong", "guest"):
            with broker.connect(password=password) as client:
                client.is_let_in()
        broker.stop()
    assert SECRET not in broker.log


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("arguments", [["config", "show", "--all"], ["config", "check"], ["serve", "--port", "x"]])
def test_other_commands_never_tell(name: str, arguments: list[str], tmp_path: Path) -> None:
    source = sources(tmp_path)[name]
    command = [*COMMAND, *arguments, *source.options]
    done = subprocess.run(
        command, env=environment(**source.variables), capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    assert done.returncode == (2 if "serve" in arguments else 0)
    assert done.stdout + done.stderr
    assert SECRET not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("a.conf", f"default_pass = '{SECRET}'{SECRET}"),
        ("a.conf", f"default_pass {SECRET}"),
        ("a.conf", f"default_pass = $({SECRET})"),
        ("a.conf", f"default_pass = encrypted:{SECRET}"),
        ("a.conf", f"default_pass = x\ndefault_vhost = $(default_pass){'x' * 255}{SECRET}"),
        ("a.conf", f"default_users.a.password = {SECRET}"),
        ("a.conf", f"auth_ldap.other_bind.password = {SECRET}"),
        ("a.conf", f"heartbeat = {SECRET}"),
        ("a.toml", f'default_pass = "{SECRET}'),
        ("a.toml", f'default_pass = ["{SECRET}"]'),
        ("a.toml", f"default_pass = {SECRET}"),
        ("a", f"default_pass = \xff{SECRET}\n{SECRET}"),
    ],
)
def test_errors_in_files_never_tell(file: str, text: str, tmp_path: Path) -> None:
    command = [*COMMAND, "serve", "--config", write(tmp_path, file, text)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert SECRET not in done.stdout + done.stderr


@pytest.mark.parametrize("name", SECRETS)
def test_no_representation_has_a_secret(name: str) -> None:
    assert SECRET not in repr(Config(**{name: SECRET}))  # type: ignore[arg-type]
    assert SECRET not in repr(SourcedValue(name, SECRET, "a source"))


def test_there_are_secrets() -> None:
    assert "default_pass" in SECRETS
