"""`amqpy config check` and `amqpy config show`, and what `amqpy serve` says of its settings."""

import json
from pathlib import Path

import pytest

from amqpy.cli import main
from tests.serving import serving


@pytest.fixture(autouse=True)
def without_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AMQPY_CONFIG", "RABBITMQ_CONFIG_FILE", "RABBITMQ_CONFIG_FILES"):
        monkeypatch.delenv(name, raising=False)


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """The lines of a command that succeeds."""
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out.splitlines()


def test_show_tells_what_is_set_and_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "rabbitmq.conf"
    file.write_text("heartbeat = 7\n\nloopback_users.a = true\nloopback_users.b = true\ndefault_pass = hunter2\n")
    table = tmp_path / "broker.toml"
    table.write_text('default_user = "ü\\u001b"')
    monkeypatch.setenv("AMQPY_FRAME_MAX", "8192")
    monkeypatch.setenv("RABBITMQ_NODENAME", "a@b")
    lines = said(capsys, "config", "show", "--config", str(file), "--config", str(table), "--port", "1", "--memory")
    width = len("loopback_users")
    assert lines == [
        f"{'setting':{width}}  value       source",
        f"{'port':{width}}  1           --port",
        f"{'data_dir':{width}}              --data-dir",
        f'{"default_user":{width}}  "ü\\u001b"   {table}: default_user',
        f"{'default_pass':{width}}  (hidden)    {file}:5: default_pass",
        f'{"loopback_users":{width}}  ["a", "b"]  {file}:3: loopback_users.a and 1 more',
        f"{'frame_max':{width}}  8192        AMQPY_FRAME_MAX",
        f"{'heartbeat':{width}}  7           {file}:1: heartbeat",
        f'{"cluster_name":{width}}  "a@b"       RABBITMQ_NODENAME',
    ]


def test_show_all_has_the_defaults_too(capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys, "config", "show", "--all", "--port", "1")
    assert [line.split()[0:2] for line in lines[1:3]] == [["host", '"127.0.0.1"'], ["port", "1"]]
    assert lines[1].endswith("  the default")
    assert any("default_pass " in line and "(hidden)" in line for line in lines)
    assert not any('"guest"' in line for line in lines if line.startswith("default_pass"))


def test_check_tells_what_is_to_be_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "rabbitmq.conf"
    file.write_text("listeners.tcp.1 = 0.0.0.0:5672\nloopback_users = none\nraft.data_dir = x\ncluster_name = a#b\n")
    assert said(capsys, "config", "check", "--config", str(file)) == [
        f"warning: {file}:4: cluster_name ends before a #; 'in quotes' that would be part of it",
        "info: without a meaning here: raft.data_dir",
        "warning: guest may log in from other machines with the password that everybody knows",
        "warning: 0.0.0.0:5672 has no TLS: who is on the way can read passwords and messages",
        "the settings are good; 3 are not left at their defaults",
    ]


@pytest.mark.parametrize("command", ["check", "show"])
def test_what_is_wrong_is_one_line_and_code_2(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "rabbitmq.conf"
    file.write_text("\nssl_options.crl_check = peer\n")
    assert main(["config", command, "--config", str(file)]) == 2
    problem = f"amqpy: {file}:2: ssl_options.crl_check: revoked certificates are named in the setting tls_crl\n"
    assert capsys.readouterr() == ("", problem)


def test_serve_says_the_same_in_its_log(tmp_path: Path) -> None:
    file = tmp_path / "rabbitmq.conf"
    file.write_text("listeners.tcp.1 = 127.0.0.1:0\nmqtt.exchange = x\nlog.console.formatter = json\n")
    with serving("--config", str(file), RABBITMQ_HOME="/opt") as broker:
        broker.ready()
        broker.stop()
    found = [json.loads(line) for line in broker.lines]
    assert [each["msg"] for each in found[:2]] == [
        "without a meaning here: mqtt.exchange",
        "without a meaning here: RABBITMQ_HOME",
    ]
    assert {each["level"] for each in found} == {"info"}


def test_serve_warns_when_strangers_can_reach_it() -> None:
    with serving("--host", "0.0.0.0", "--port", "0", AMQPY_LOOPBACK_USERS="") as broker:
        broker.ready()
        broker.stop()
    assert "[warning] [-] guest may log in from other machines with the password that everybody knows" in broker.log
    assert f"[warning] [-] 0.0.0.0:{broker.port} has no TLS" in broker.log


def test_variables_may_name_several_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in (("a.conf", "heartbeat = 1\nchannel_max = 1"), ("b.conf", "heartbeat = 2")):
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("AMQPY_CONFIG", f"{tmp_path / 'a.conf'}:{tmp_path / 'b.conf'}")
    lines = said(capsys, "config", "show")
    assert [line.split()[:2] for line in lines[1:]] == [["channel_max", "1"], ["heartbeat", "2"]]
