"""The tools of the command line, on a management API that is told its answers."""

import pytest

from tests.ctl.fake import Tools


@pytest.fixture
def tools(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Tools:
    for name in ("AMQPY_URL", "AMQPY_CONTROL_SOCKET", "AMQPY_DATA_DIR", "RABBITMQ_NODENAME"):
        monkeypatch.delenv(name, raising=False)
    return Tools(capsys)
