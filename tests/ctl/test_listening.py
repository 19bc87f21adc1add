"""The control socket from the inside: where it is made, and who may do what on it."""

import logging
import os
import socket
import stat
from importlib import util
from pathlib import Path
from typing import Any

import pytest

from amqpy.config import Config
from amqpy.config.control import check_directory, control_path, runtime_directory
from amqpy.core.users import Credentials
from amqpy.in_thread import run_in_thread
from amqpy.management.control import ControlApplication, ControlListener, open_control
from amqpy.management.login import ControlLogins

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this platform has no unix sockets")

LOG = logging.getLogger("tests.control")


def opened(config: Config, port: int | None = 5672, *, by_default: bool = True) -> list[ControlListener]:
    return open_control(config, port, LOG, by_default=by_default)


async def test_it_is_in_the_data_directory(tmp_path: Path) -> None:
    (listener,) = opened(Config(data_dir=str(tmp_path)))
    assert listener.path == tmp_path / "control.sock"
    assert stat.S_IMODE(listener.path.stat().st_mode) == 0o600
    listener.close()
    assert not listener.path.exists()
    listener.close()


async def test_it_is_in_a_directory_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (listener,) = opened(Config())
    assert listener.path == tmp_path / "amqpy" / "5672.sock"
    assert stat.S_IMODE(listener.path.parent.stat().st_mode) == 0o700
    listener.close()


async def test_two_brokers_cannot_have_the_same(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = Config(data_dir=str(tmp_path))
    (listener,) = opened(config)
    with caplog.at_level(logging.INFO, LOG.name):
        assert opened(config) == []
    assert "there is no control socket: cannot listen on" in caplog.text
    with pytest.raises(OSError, match=r"no control socket at .*ddress already in use"):
        opened(Config(control_socket=str(listener.path)))
    listener.close()


def test_there_is_none(tmp_path: Path) -> None:
    assert opened(Config(control_socket="", data_dir=str(tmp_path))) == []
    assert opened(Config(data_dir=str(tmp_path)), by_default=False) == []
    assert opened(Config(), None) == [], "a broker on unix sockets alone, whose port would be its name"


def test_there_is_none_without_hypercorn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("amqpy.management.control.find_spec", lambda name: None if name == "hypercorn" else util)
    with caplog.at_level(logging.INFO, LOG.name):
        assert opened(Config(data_dir=str(tmp_path))) == []
    assert "pip install 'amqpy-broker[management]'" in caplog.text
    with pytest.raises(OSError, match="needs the package hypercorn"):
        opened(Config(control_socket=str(tmp_path / "c.sock")))


async def test_an_embedded_broker_has_one_only_if_it_is_asked_for(tmp_path: Path) -> None:
    (listener,) = opened(Config(control_socket=str(tmp_path / "c.sock")), by_default=False)
    listener.close()


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o777])
def test_a_directory_of_others_is_not_taken_for_ours(
    mode: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "amqpy").mkdir()
    (tmp_path / "amqpy").chmod(mode)
    with caplog.at_level(logging.INFO, LOG.name):
        assert opened(Config()) == []
    assert "is not a directory for us only" in caplog.text


def test_a_link_to_a_directory_is_not_taken_for_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "amqpy").symlink_to(tmp_path / "elsewhere")
    assert opened(Config()) == []


def test_a_directory_of_somebody_else_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_directory(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    if tmp_path.stat().st_uid == 0:
        check_directory(tmp_path)  # root may
    else:
        with pytest.raises(PermissionError, match="belongs to somebody else"):
            check_directory(tmp_path)


def test_without_a_runtime_directory_it_is_named_after_the_user() -> None:
    assert runtime_directory({}) == Path("/tmp") / f"amqpy-{os.geteuid()}"
    assert control_path(Config(), 1, {"TMPDIR": "/t"}) == Path("/t") / f"amqpy-{os.geteuid()}" / "1.sock"


async def test_everybody_is_one_administrator() -> None:
    user = await ControlLogins().log_in(Credentials("", b""), from_loopback=False)
    assert (user.name, user.tags) == ("rmq-cli", ("administrator",))
    vhost: Any = None
    assert user.may_enter(vhost, "")
    assert user.may(vhost, "configure", "queue", "q")
    assert user.may_use_topic(vhost, "write", "x", "k")


async def test_credentials_are_asked_for_if_they_are_given() -> None:
    heard: list[tuple[str, dict[str, Any]]] = []

    def application(name: str) -> Any:  # noqa: ANN401 (an ASGI application)
        async def answer(scope: dict[str, Any], receive: object, send: object) -> None:
            heard.append((name, scope))

        return answer

    control: Any = ControlApplication(application("trusting"), application("asking"))
    given = (b"Authorization", b"Basic x")
    await control({"type": "http", "headers": [(b"host", b"h")]}, None, None)
    await control({"type": "http", "headers": [given]}, None, None)
    await control({"type": "lifespan"}, None, None)
    assert heard == [
        ("trusting", {"type": "http", "headers": [(b"host", b"h"), (b"authorization", b"Basic cm1xLWNsaTo=")]}),
        ("asking", {"type": "http", "headers": [given]}),
    ]


def test_an_embedded_broker_has_none() -> None:
    with run_in_thread(Config(port=0)) as broker:
        assert broker.control is None
