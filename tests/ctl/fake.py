"""A management API that is told its answers, and the tools on it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest

from amqpy.ctl import tools
from amqpy.ctl.api import NONE, Api, ApiError
from amqpy.ctl.failures import Unreachable
from amqpy.ctl.options import Options

NODE = "rabbit@test"
NOT_FOUND = ApiError(404, "Not Found")

Asked = tuple[str, str, object]
"""A request: its method, its path, and its body or query."""


class FakeApi(Api):
    """Answers with what it was given for a path; a refusal is raised. Without an answer, nothing is there."""

    def __init__(self, answers: Mapping[str, object], host: str | None = None) -> None:
        self.answers = {"GET overview": {"node": NODE}, **answers}
        self.asked: list[Asked] = []
        self.of_host = host
        self.pid: int | None = None

    def request(
        self,
        method: str,
        path: tuple[str, ...],
        body: object = None,
        *,
        query: Mapping[str, object] = NONE,
        headers: Mapping[str, str] = NONE,
    ) -> Any:  # noqa: ANN401 (any JSON)
        key = f"{method} {' '.join(path)}"
        self.asked.append((method, "/".join(path), body if body is not None else {**query, **headers}))
        answer = self.answers.get(key, NOT_FOUND if method == "GET" else None)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def changes(self) -> list[Asked]:
        """The requests that change something."""
        return [each for each in self.asked if each[0] != "GET"]

    @property
    def host(self) -> str | None:
        return self.of_host

    def check(self) -> None:
        pass

    def process_id(self) -> int | None:
        return self.pid

    def close(self) -> None:
        pass


class Nowhere(FakeApi):
    """A broker that does not run."""

    def __init__(self) -> None:
        super().__init__({})

    def request(self, *request: object, **more: object) -> Any:  # noqa: ANN401 (any JSON)
        raise Unreachable("/run/control.sock: No such file or directory")

    def check(self) -> None:
        raise Unreachable("/run/control.sock: No such file or directory")

    def process_id(self) -> int | None:
        self.check()
        return None


class Said(NamedTuple):
    """Exit code, standard output and standard error of a command."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


class Tools:
    """Runs tools."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def run(self, line: list[str] | str, api: FakeApi | None = None) -> Said:
        """Runs `TOOL ARGUMENT …` on an API."""
        tool, *arguments = line.split() if isinstance(line, str) else line
        options = Options(connect=lambda options: api or FakeApi({}))
        code = tools.COMMANDS[tool]().main(arguments, prog_name=f"amqpy {tool}", standalone_mode=False, obj=options)
        return Said(code or 0, *self._capsys.readouterr())
