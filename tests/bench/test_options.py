"""The command line: brokers that run already, and runs that were saved."""

import os
import subprocess
import sys

import pytest

from interop.bench.options import RunningPeer, parse, without_passwords
from interop.kit.address import Address
from interop.kit.process import is_alive


def test_a_peer_has_all_of_its_url() -> None:
    (peer,) = parse(["--peer", "LavinMQ=amqp://me:p%40ss=@localhost:5673/my%2Fhost"]).peer
    assert peer == RunningPeer("LavinMQ", Address("localhost", 5673, "me", "p@ss=", "my/host"))


def test_a_process_belongs_to_the_peer_before_it() -> None:
    pid = str(os.getpid())
    peers = [
        "--peer",
        "A 1=amqp://a",
        "--peer-pid",
        pid,
        "--peer",
        "b=amqp://b",
        "--peer",
        "c=amqp://c",
        "--peer-pid",
        pid,
    ]
    assert [(peer.name, peer.pid) for peer in parse(peers).peer] == [("A 1", int(pid)), ("b", None), ("c", int(pid))]
    assert not parse([]).peer


PID = ["--peer-pid", str(os.getpid())]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--peer", "amqp://localhost"], "argument --peer: not NAME=URL: amqp://localhost"),
        (["--peer", "=amqp://localhost"], "argument --peer: not NAME=URL: =amqp://localhost"),
        (["--peer", "a|b=amqp://localhost"], "argument --peer: not NAME=URL"),
        (["--peer", "a=http://localhost"], "argument --peer: not an amqp:// URL: http://localhost"),
        (["--peer", "a=amqp://localhost:port"], "argument --peer: Port could not be cast"),
        (PID, "each belongs to the --peer before it"),
        (["--peer", "a=amqp://a", *PID, *PID], "each belongs to the --peer before it"),
        (["--peer", "a=amqp://a", "--peer-pid", "me"], "argument --peer-pid: no such process: me"),
        (["--peer", "a=amqp://a", "--peer", "a=amqp://b"], "two brokers of the name a"),
        (["--peer", "amqpy=amqp://a"], "two brokers of the name amqpy"),
        (["--peer", "RabbitMQ=amqp://a"], "two brokers of the name RabbitMQ"),
        (["--base", "main", "--peer", "main=amqp://a"], "two brokers of the name main"),
        (["--from-json", "run.json", "--peer", "a=amqp://a"], "--from-json measures nothing"),
        (["--from-json", "run.json", "--json", "run.json"], "--from-json measures nothing"),
    ],
)
def test_bad_input_is_refused(arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(arguments)
    assert complaint in capsys.readouterr().err


def test_a_process_that_ended_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        while is_alive(child.pid):  # then it is a zombie, until it is waited for
            pass
        with pytest.raises(SystemExit):
            parse(["--peer", "a=amqp://a", "--peer-pid", str(child.pid)])
    with pytest.raises(SystemExit):
        parse(["--peer", "a=amqp://a", "--peer-pid", str(child.pid)])
    assert capsys.readouterr().err.count(f"no such process: {child.pid}") == 2


def test_the_name_of_an_own_broker_is_free_when_it_is_not_started() -> None:
    assert parse(["--broker", "amqpy", "--peer", "RabbitMQ=amqp://a"]).peer[0].name == "RabbitMQ"


def test_a_password_is_not_published() -> None:
    command = "scripts/bench --peer LavinMQ=amqp://me:secret@localhost/x --peer b=amqp://localhost:5672/@ --rounds 2"
    assert without_passwords(command) == command.replace("secret", "…")
