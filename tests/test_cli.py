"""The `amqpy` command as its user meets it: exit codes, the one line of a refusal, the log, signals."""

import json
import logging
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from amqpy import __version__, process
from amqpy.cli import main
from amqpy.log import LOGGER, TRIO_ACCEPT, JsonFormatter
from amqpy.testing import control_server
from amqpy.wire.methods import AMQP_0_9_1, Connection
from tests.serving import AMQP_HEADER, COMMAND, DEADLINE_S, environment, serving
from tests.wire.twins import JUDGES

AT_BEST = list(JUDGES)[-1]
"""The language of the scanner that is used unless somebody asks for the other."""

needs_ipv6 = pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
needs_unix = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this platform has no unix sockets")


@contextmanager
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit code and standard error of a command that must say one line and nothing else."""
    code = main(arguments)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("amqpy: ")
    assert captured.err.count("\n") == 1
    return code, captured.err.removeprefix("amqpy: ").rstrip("\n")


def greeting(client: socket.socket) -> bytes:
    """The first bytes a broker answers to an AMQP protocol header."""
    client.settimeout(DEADLINE_S)
    client.sendall(AMQP_HEADER)
    return client.recv(11)


START = b"\x01\x00\x00"  # a method frame on channel 0, as connection.start is


# --- usage ---------------------------------------------------------------------------------------


def version(**variables: str) -> str:
    command = [*COMMAND, "--version"]
    return subprocess.run(command, env=environment(**variables), capture_output=True, text=True, check=True).stdout


def test_the_version_is_the_distributions_and_tells_of_the_part_in_c() -> None:
    assert version() == f"amqpy {__version__} (scans messages in {AT_BEST})\n"
    assert version(AMQPY_PURE="1") == f"amqpy {__version__} (scans messages in Python)\n"


def test_the_log_tells_of_the_part_in_c() -> None:
    for variables, language in ({}, AT_BEST), ({"AMQPY_PURE": "1"}, "Python"):
        with serving("--port", "0", **variables) as broker:
            broker.ready()
            assert f"[info] [-] messages are scanned in {language}" in broker.log
            assert "AMQPY_PURE" not in broker.log
            broker.stop()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "Missing command."),
        (["zzz"], "No such command 'zzz'."),
        (["serve", "now"], "Got unexpected extra argument (now)"),
        (["serve", "--port"], "Option '--port' requires an argument."),
        (["serve", "--port", "http"], "--port must be an integer from 0 to 65535"),
        (["serve", "--port", "65536"], "--port must be an integer from 0 to 65535"),
        (["serve", "--host", ""], "--host must be a text, not empty"),
        (
            ["serve", "--listen", "5672"],
            "--listen must be a list of HOST:PORT, [IPV6]:PORT, amqps://HOST:PORT or unix:PATH",
        ),
        (["serve", "--log-level", "loud"], "--log-level must be one of debug, info, warning, error"),
        (["serve", "--memory", "--data-dir", "d"], "--memory and --data-dir exclude each other"),
        (
            ["serve", "--port", "1", "--listen", "h:1"],
            "--listen replaces --host and --port: give one or the other",
        ),
    ],
)
def test_a_bad_command_line_is_one_line_and_code_2(
    arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refused(capsys, *arguments) == (2, problem)


def test_an_unknown_option_is_one_line_and_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    code, problem = refused(capsys, "serve", "--prot", "1")
    assert code == 2
    assert "--prot" in problem


def test_a_bad_variable_is_one_line_and_code_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMQPY_HEARTBEAT", "never")
    assert refused(capsys, "serve") == (2, "AMQPY_HEARTBEAT must be an integer from 0 to 65535")


def test_a_bad_file_is_one_line_and_code_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "broker.toml"
    code, problem = refused(capsys, "serve", "--config", str(file))
    assert (code, problem.startswith(f"cannot read {file}: ")) == (2, True)
    file.write_text("heartbeats = 1\n")
    monkeypatch.setenv("AMQPY_CONFIG", str(file))
    assert refused(capsys, "serve") == (2, f"{file}: unknown setting 'heartbeats'; did you mean 'heartbeat'?")


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--help"]) == 0
    said = capsys.readouterr().out
    for option in ("host", "port", "listen", "data-dir", "memory", "config", "log-level", "strict"):
        assert f"--{option}" in said


# --- what the machine refuses --------------------------------------------------------------------


def test_a_taken_port_is_one_line_and_code_1() -> None:
    with taken_port() as port, serving("--port", str(port)) as broker:
        assert broker.exit_code() == 1
        assert broker.log.lower() == f"amqpy: cannot listen on 127.0.0.1:{port}: address already in use"


def test_one_taken_port_of_several_is_enough_to_refuse() -> None:
    addresses = ["--listen", "127.0.0.1:0", "--listen"]
    with taken_port() as port, serving(*addresses, f"127.0.0.1:{port}") as broker:
        assert broker.exit_code() == 1
        assert broker.log.startswith("amqpy: ")


def test_an_unknown_host_is_one_line_and_code_1() -> None:
    with serving("--host", "host.invalid") as broker:
        assert broker.exit_code() == 1
        assert len(broker.lines) == 1
        assert broker.log.startswith("amqpy: cannot listen on host.invalid:5672: ")


def test_a_data_directory_that_cannot_be_made_is_one_line_and_code_1(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for directory in (tmp_path / "file", tmp_path / "file" / "below"):
        with serving("--port", "0", "--data-dir", str(directory)) as broker:
            assert broker.exit_code() == 1
            assert broker.log.startswith(f"amqpy: cannot make the data directory {directory}: ")


# --- serving -------------------------------------------------------------------------------------


def test_port_0_takes_a_free_port_and_logs_it() -> None:
    with serving("--port", "0") as broker:
        broker.ready()
        with socket.create_connection(("127.0.0.1", broker.port)) as client:
            assert greeting(client).startswith(START)
        broker.stop()


def test_every_address_is_listened_on(tmp_path: Path) -> None:
    with serving("--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0") as broker:
        broker.ready()
        assert len(set(broker.addresses)) == 2
        for address in broker.addresses:
            with socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2]))) as client:
                assert greeting(client).startswith(START)
        broker.stop()


@needs_unix
def test_a_unix_socket_is_there_as_long_as_the_broker(tmp_path: Path) -> None:
    path = tmp_path / "amqp.sock"
    with serving("--listen", f"unix:{path}") as broker:
        broker.ready()
        assert broker.addresses == [f"unix:{path}"]
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            assert greeting(client).startswith(START)
        broker.stop()
    assert not path.exists()


@needs_unix
def test_a_unix_socket_left_by_a_crash_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "amqp.sock"
    for _ in range(2):
        with serving("--listen", f"unix:{path}") as broker:
            broker.ready()  # and is killed at the end


@needs_ipv6
def test_ipv6() -> None:
    with serving("--listen", "[::1]:0") as broker:
        broker.ready()
        assert broker.addresses[0].startswith("[::1]:")
        with socket.create_connection(("::1", broker.port)) as client:
            assert greeting(client).startswith(START)
        broker.stop()


def test_the_log_says_honestly_what_is_kept(tmp_path: Path) -> None:
    directory = tmp_path / "data" / "amqpy"
    with serving("--port", "0", "--data-dir", str(directory)) as broker:
        broker.ready()
        assert f"[info] [-] what is durable is kept in {directory}; 0 messages are there" in broker.log
        broker.stop()
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    with serving("--port", "0", "--memory", AMQPY_DATA_DIR=str(tmp_path / "none")) as broker:
        broker.ready()
        assert "[info] [-] everything is kept in memory" in broker.log
        broker.stop()
    assert not (tmp_path / "none").exists()


def test_a_variable_that_is_no_setting_is_warned_about() -> None:
    with serving("--port", "0", AMQPY_PROT="1") as broker:
        broker.ready()
        assert "[warning] [-] AMQPY_PROT is not a setting and has no effect" in broker.log
        broker.stop()


def test_the_log_level_hides_what_is_below() -> None:
    with serving("--port", "0", "--log-level", "warning", AMQPY_PROT="1") as broker:
        broker.read_until("AMQPY_PROT")
        broker.signal(signal.SIGTERM)
        broker.exit_code()
        assert "[info]" not in broker.log


def test_the_user_of_rabbitmqs_container_image_and_no_password_in_the_log() -> None:
    variables = {"RABBITMQ_DEFAULT_USER": "app", "RABBITMQ_DEFAULT_PASS": "s3cret-one"}
    with serving("--port", "0", "--log-level", "debug", **variables) as broker:
        broker.ready()
        for user, password, welcome in (
            ("app", "s3cret-one", True),
            ("app", "s3cret-two", False),
            ("guest", "guest", False),
        ):
            with broker.connect(user=user, password=password) as client:
                assert client.is_let_in() is welcome
        broker.stop()
        assert "s3cret" not in broker.log


def test_the_example_of_the_readme() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
    example = readme.partition("```python\n")[2].partition("```")[0]
    with serving("--port", "0") as broker:
        here = example.replace("@localhost/", f"@127.0.0.1:{broker.ready().port}/")
        said = subprocess.run([sys.executable, "-c", here], capture_output=True, text=True, check=False)
        assert (said.stdout, said.stderr) == ("b'Hello World!'\n", "")
        broker.stop()


# --- stopping ------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_exits_0(number: signal.Signals) -> None:
    with serving("--port", "0") as broker:
        with broker.ready().connect() as client:
            assert client.is_let_in()
            broker.signal(number)
            assert client.hears(b"CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'")
            client.socket.sendall(AMQP_0_9_1.encode(0, Connection.CloseOk))
        assert broker.exit_code() == 0
        assert "Traceback" not in broker.log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_the_process_at_once(number: signal.Signals) -> None:
    with serving("--port", "0") as broker, broker.ready().connect() as client:
        assert client.is_let_in()
        broker.signal(number)
        broker.read_until("stopping")  # and waits for the client's close-ok, which does not come
        broker.signal(number)
        assert broker.exit_code() == 128 + number


def test_a_connection_that_is_not_open_yet_does_not_hold_up_the_stop() -> None:
    with serving("--port", "0") as broker:
        broker.ready()
        with socket.create_connection(("127.0.0.1", broker.port)) as silent:
            assert greeting(silent).startswith(START)
            broker.signal(signal.SIGTERM)
            while silent.recv(65536):
                pass
        assert broker.exit_code() == 0


def test_the_start_imports_little() -> None:
    """What is not imported costs neither time nor memory; these would be noticed."""
    heavy = {"asyncio", "rich", "importlib.metadata", "sqlite3", "unittest", "urllib.request", "tomllib"}
    script = "import sys, amqpy.cli, amqpy.app; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert "trio" in said.split()
    assert not heavy & set(said.split())


# --- what the process is given


@pytest.fixture
def own_log() -> Iterator[None]:
    """Puts the loggers of this process back."""
    loggers = [logging.getLogger(name) for name in (LOGGER, TRIO_ACCEPT)]
    before = [(each.handlers[:], each.propagate, each.level) for each in loggers]
    yield
    for logger, (handlers, propagate, level) in zip(loggers, before, strict=True):
        logger.handlers[:], logger.propagate = handlers, propagate
        logger.setLevel(level)


@pytest.mark.usefixtures("own_log")
def test_serve_runs_a_broker_with_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[Any, logging.Logger]] = []
    monkeypatch.setattr(process, "run", lambda config, logger: given.append((config, logger)))
    for name in [name for name in os.environ if name.startswith(("AMQPY_", "RABBITMQ_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AMQPY_LOG_FORMAT", "json")
    assert main(["serve", "--memory", "--port", "0", "--log-level", "warning"]) == 0
    ((config, logger),) = given
    assert (config.data_dir, config.log_format) == (None, "json")
    assert logger.getEffectiveLevel() == logging.WARNING
    assert isinstance(logger.handlers[0].formatter, JsonFormatter)


@pytest.mark.usefixtures("own_log")
def test_test_server_tells_where_it_is(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def run(serve: partial[object]) -> None:
        assert serve.func is control_server.serve
        settings = dict(serve.keywords)
        assert (settings.pop("log").name, settings.pop("on_ready")("amqp://a/", "http://b")) == ("amqpy.control", None)
        assert settings == {"port": 1, "control_port": 2, "profile": "rabbitmq-4.0", "stops_with_stdin": True}

    monkeypatch.setattr(process, "until_signal", run)
    options = ["--port", "1", "--control-port", "2", "--profile", "rabbitmq-4.0", "--stop-with-parent"]
    assert main(["test-server", *options]) == 0
    assert json.loads(capsys.readouterr().out) == {"amqp_url": "amqp://a/", "control_url": "http://b"}
