"""`amqpy top`: what it asks for, what it prints where there is no terminal, and what it does on one."""

import io
import json
import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from amqpy.ctl.api import Api, ApiError, SocketAddress
from amqpy.ctl.failures import Unreachable
from amqpy.ctl.options import Call, Options
from amqpy.ctl.snapshot import CONNECTIONS, QUEUES, Kind, Look, Snapshot, View, plain
from amqpy.ctl.top import watch
from tests.ctl.fake import FakeApi, Tools
from tests.ctl.healthy import HERE, OVERVIEW, well
from tests.serving import COMMAND, DEADLINE_S, environment, serving

QUEUE_COUNT = 1000
BY_MESSAGES = View(QUEUES, QUEUES.columns[0])
ROW = {
    "name": "a \x1b[31m[red]",
    "vhost": "/",
    "messages": 7,
    "messages_ready": 5,
    "messages_unacknowledged": 2,
    "consumers": 1,
    "memory": 14_000,
    "message_stats": {"publish_details": {"rate": 12.34}},
}


def page_of(rows: list[dict[str, Any]], found: int | None = None, pages: int = 1) -> dict[str, Any]:
    return {"items": rows, "filtered_count": len(rows) if found is None else found, "page_count": pages}


def asked(api: FakeApi, kind: str) -> list[Mapping[str, object]]:
    """The queries of the requests for a kind."""
    return [query for method, path, query in api.asked if path == kind and isinstance(query, dict)]


def look_at(api: FakeApi) -> Look:
    return Look(Call(Options(connect=lambda options: api)))


# --- where there is no terminal


def test_a_table_is_printed(tools: Tools) -> None:
    said = tools.run("top", well(**{"GET queues": page_of([ROW])}))
    assert (said.code, said.err) == (0, "")
    assert said.lines[0] == "rabbit@test is up for 1 d 2 h"
    assert "alarms    no alarms" in said.lines
    assert said.lines[-3:] == [
        "1 queues by messages",
        "messages  ready  unacked  in/s  out/s  ack/s  consumers  memory  vhost  name",
        r"       7      5        2  12.3                        1   14 kB  /      a \33[31m[red]",
    ]


def test_the_broker_sorts_and_sends_one_page(tools: Tools) -> None:
    api = well(**{"GET queues": page_of([], 10_000, 500)})
    said = tools.run("top --once --sort in/s --name err", api)
    assert "10000 queues by in/s, page 1 of 500" in said.lines
    (query,) = asked(api, "queues")
    assert query["sort"] == "message_stats.publish_details.rate"
    assert (query["page"], query["page_size"], query["sort_reverse"], query["name"]) == (1, 20, True, "err")
    assert "memory" in str(query["columns"]).split(",")


def test_names_are_sorted_by_the_alphabet(tools: Tools) -> None:
    api = well(**{"GET connections": page_of([])})
    said = tools.run("top connections --sort name --rows 3 -p /", api)
    assert said.code == 65, "there is no such virtual host"
    api.answers["GET vhosts /"] = {"name": "/"}
    said = tools.run("top connections --sort name --rows 3 -p /", api)
    assert "0 connections by name" in said.lines
    (query,) = asked(api, "connections")
    assert (query["sort"], query["sort_reverse"], query["page_size"], query["X-Vhost"]) == ("name", False, 3, "/")


def test_it_can_be_json(tools: Tools) -> None:
    said = tools.run("top connections --formatter json", well(**{"GET connections": page_of([{"name": "c"}])}))
    assert json.loads(said.out) == {"overview": OVERVIEW, "node": HERE, "connections": [{"name": "c"}]}


def test_alarms_are_told(tools: Tools) -> None:
    short = {**HERE, "mem_alarm": True, "disk_free_alarm": True}
    said = tools.run("top", well(**{"GET nodes": [short], "GET queues": page_of([])}))
    assert "alarms    ALARM: too little memory and disk; publishers are blocked" in said.lines


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("top connections --sort memory", "connections are sorted by one of in/s, out/s, channels, state, "),
        ("top queues --sort size", "--sort : 'size' is not one of "),
        ("top streams", "'streams' is not one of 'queues', 'connections'"),
        ("top --rows 501", "--rows : 501 is not in the range"),
        (["top", "-p", "a\nb"], "cannot be sent in a header"),
    ],
)
def test_mistakes_are_told(line: list[str] | str, mistake: str, tools: Tools) -> None:
    said = tools.run(line, well())
    assert (said.code, said.out) == (64, "")
    assert mistake in said.err


def test_a_terminal_needs_rich(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "amqpy.ctl.screen", raising=False)
    monkeypatch.setitem(sys.modules, "rich.console", None)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    said = tools.run("top", well())
    assert (said.code, said.out) == (78, "")
    assert said.err.startswith("Error:\namqpy top needs the package rich (pip install 'amqpy-broker[terminal]')")
    assert tools.run("top --once", well(**{"GET queues": page_of([ROW])})).code == 0


# --- what keys do


@pytest.mark.parametrize(
    ("keys", "kind", "sort", "page"),
    [
        ("y", "queues", "memory", 1),
        (" ", "queues", "messages", 2),
        ("  b", "queues", "messages", 2),
        ("b", "queues", "messages", 1),
        ("  m", "queues", "messages", 1),
        ("\t", "connections", "in/s", 1),
        ("\tc", "connections", "channels", 1),
        ("\ty", "connections", "in/s", 1),
        (" \t\t", "queues", "messages", 1),
        ("?", "queues", "messages", 1),
    ],
)
def test_keys_change_the_view(keys: str, kind: str, sort: str, page: int) -> None:
    view = BY_MESSAGES
    for key in keys:
        view = view.pressed(key)
    assert (view.kind.name, view.sort.name, view.page) == (kind, sort, page)


def test_page_keys_turn_pages() -> None:
    assert BY_MESSAGES.pressed("\x1b[6~").page == 2
    assert BY_MESSAGES.pressed("\x1b[6~").pressed("\x1b[5~").page == 1


@pytest.mark.parametrize("kind", [QUEUES, CONNECTIONS])
def test_each_key_has_one_meaning(kind: Kind) -> None:
    keys = [column.key for column in kind.columns]
    assert len({*keys, "q", "b", " ", "\t"}) == len(keys) + 4


class ScriptedScreen:
    """A terminal on which keys are pressed."""

    rows = 5

    def __init__(self, *keys: str) -> None:
        self.keys = list(keys)
        self.waited: list[float] = []
        self.shown: list[tuple[Snapshot, str]] = []

    def show(self, snapshot: Snapshot, trouble: str = "") -> None:
        self.shown.append((snapshot, trouble))

    def wait(self, seconds: float) -> str:
        self.waited.append(seconds)
        return self.keys.pop(0)


def test_it_goes_on_until_q() -> None:
    screen = ScriptedScreen("", "\t", "q")
    watch(look_at(well(**{"GET queues": page_of([ROW]), "GET connections": page_of([])})), screen, BY_MESSAGES, 1)
    assert [snapshot.view.kind for snapshot, _ in screen.shown] == [QUEUES, QUEUES, CONNECTIONS]


def test_a_look_that_takes_long_is_followed_by_a_long_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    look = look_at(well(**{"GET queues": page_of([ROW])}))

    def slow(view: View, rows: int) -> Snapshot:
        nonlocal now
        now += 0.1 if view.page == 1 else 3
        return look(view, rows)

    monkeypatch.setattr("amqpy.ctl.top.monotonic", lambda: now)
    screen = ScriptedScreen("", " ", "q")
    watch(slow, screen, BY_MESSAGES, 2)
    assert screen.waited == [2, 2, pytest.approx(27)]


def test_the_last_page_is_the_last() -> None:
    screen = ScriptedScreen(" ", "q")
    api = well(**{"GET queues": page_of([ROW])})
    answer = api.request

    def request(method: str, path: tuple[str, ...], *rest: object, query: Any = None, **more: Any) -> Any:  # noqa: ANN401
        if path == ("queues",) and query["page"] > 1:
            raise ApiError(400, "Page out of range, …", {"error": "page_out_of_range"})
        return answer(method, path, *rest, query=query or {}, **more)

    api.request = request  # type: ignore[method-assign]
    watch(look_at(api), screen, BY_MESSAGES, 1)
    assert [snapshot.view.page for snapshot, _ in screen.shown] == [1, 1]


class Connections:
    """A broker, or none, for each connection that is made in turn."""

    def __init__(self, *brokers: FakeApi | None) -> None:
        self._brokers = list(brokers)

    def __call__(self, options: Options) -> FakeApi:
        broker = self._brokers.pop(0)
        if broker is None:
            raise Unreachable("nobody listens")
        return broker


class Leaving(FakeApi):
    """A broker that answers for one look."""

    def __init__(self) -> None:
        super().__init__(well(**{"GET queues": page_of([ROW])}).answers)

    def request(self, *request: Any, **more: Any) -> Any:  # noqa: ANN401 (any JSON)
        if any(path == "queues" for _, path, _ in self.asked):
            raise Unreachable("it was closed")
        return super().request(*request, **more)


def test_a_broker_that_goes_away_is_waited_for() -> None:
    connections = Connections(Leaving(), None, None, Leaving())
    screen = ScriptedScreen("", "", "", "q")
    watch(Look(Call(Options(connect=connections))), screen, BY_MESSAGES, 1)
    away = "no answer: nobody listens"
    assert [trouble for _, trouble in screen.shown] == ["", away, away, ""]


def test_a_connection_that_was_closed_meanwhile_is_no_trouble() -> None:
    screen = ScriptedScreen("", "", "q")
    watch(Look(Call(Options(connect=Connections(Leaving(), Leaving(), Leaving())))), screen, BY_MESSAGES, 1)
    assert [trouble for _, trouble in screen.shown] == ["", "", ""]


def test_a_broker_that_is_not_there_is_no_reason_to_wait(tools: Tools) -> None:
    with pytest.raises(Unreachable):
        watch(look_at(FakeApi({"GET overview": Unreachable("nobody listens")})), ScriptedScreen(), BY_MESSAGES, 1)


# --- a page on a terminal


def drawn(snapshot: Snapshot, trouble: str = "", width: int = 100) -> list[str]:
    from rich.console import Console

    from amqpy.ctl.screen import page

    console = Console(file=io.StringIO(), width=width, height=30, force_terminal=True, color_system=None)
    with console.capture() as captured:
        console.print(page(snapshot, trouble))
    return [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in captured.get().splitlines()]


def test_a_page_has_the_same_and_the_keys() -> None:
    snapshot = look_at(well(**{"GET queues": page_of([ROW])}))(BY_MESSAGES, 5)
    lines = drawn(snapshot)
    printed = [line for line in plain(snapshot) if line]
    assert [line.split() for line in printed[:-2]] == [line.split() for line in lines[: len(printed) - 1] if line]
    row = next(line for line in lines if "[red]" in line)
    assert row.split() == ["7", "5", "2", "12.3", "1", "14", "kB", "/", "a", r"\33[31m[red]"]
    assert lines[-1].startswith("q end  Tab other list  Space next  b back  sort by   m messages  r ready")


def test_a_narrow_terminal_has_the_numbers() -> None:
    lines = drawn(look_at(well(**{"GET queues": page_of([{**ROW, "name": "n" * 300}])}))(BY_MESSAGES, 5), width=80)
    assert all(len(line) <= 80 for line in lines)
    (row,) = [line for line in lines if "nnn" in line]
    assert row.split()[:4] == ["7", "5", "2", "12.3"]
    assert row.endswith("…")


def test_trouble_takes_the_place_of_the_keys() -> None:
    lines = drawn(look_at(well(**{"GET queues": page_of([])}))(BY_MESSAGES, 5), "no answer: gone\x1b")
    assert lines[-1] == r"no answer: gone\33"


def test_a_page_fits() -> None:
    from rich.console import Console

    from amqpy.ctl.screen import RichScreen

    console = Console(file=io.StringIO(), width=100, height=30, force_terminal=True)
    rows = RichScreen(console=console).rows
    assert RichScreen(3, console).rows == 3
    api = well(**{"GET queues": page_of([ROW] * rows)})
    assert len(drawn(look_at(api)(BY_MESSAGES, rows))) <= 30


needs_pty = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo terminals")


@needs_pty
def test_keys_are_read_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    import pty
    import termios

    from rich.console import Console

    from amqpy.ctl.screen import RichScreen

    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    snapshot = look_at(well(**{"GET queues": page_of([ROW])}))(BY_MESSAGES, 5)
    drawn = io.StringIO()
    with os.fdopen(theirs) as keyboard:
        monkeypatch.setattr(sys, "stdin", keyboard)
        with RichScreen(console=Console(file=drawn, force_terminal=True, width=100, height=30)) as screen:
            assert termios.tcgetattr(theirs) != before
            screen.show(snapshot)
            assert screen.wait(0) == ""
            os.write(ours, b"m")
            assert screen.wait(DEADLINE_S) == "m"
            os.write(ours, b"\x1b[6~")
            assert screen.wait(DEADLINE_S) == "\x1b[6~"
        assert termios.tcgetattr(theirs) == before
        assert "queues by messages" in drawn.getvalue()
    os.close(ours)


@needs_pty
def test_a_terminal_that_is_gone_is_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.console import Console

    from amqpy.ctl.screen import RichScreen

    reading, writing = os.pipe()
    monkeypatch.setattr("amqpy.ctl.screen.single_keys", lambda leave: reading)
    with RichScreen(console=Console(file=io.StringIO(), force_terminal=True)) as screen:
        os.close(writing)
        assert screen.wait(DEADLINE_S) == "q"
    os.close(reading)


def test_without_a_keyboard_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.console import Console

    from amqpy.ctl.screen import RichScreen

    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with RichScreen(console=Console(file=io.StringIO(), force_terminal=True)) as screen:
        assert screen.wait(0.001) == ""


# --- a broker


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The control socket of a broker with many queues, of which a few have messages."""
    directory = tmp_path_factory.mktemp("d")
    file = directory / "definitions.json"
    queue = {"vhost": "/", "durable": False, "auto_delete": False, "arguments": {}}
    queues = [{"name": f"q{number}", **queue} for number in range(QUEUE_COUNT)]
    file.write_text(json.dumps({"vhosts": [{"name": "/"}], "queues": queues}))
    options = ("--port", "0", "--management-port", "0", "--load-definitions", str(file))
    with serving(*options, AMQPY_CONTROL_SOCKET=str(directory / "c.sock")) as broker:
        broker.ready()
        with closing(Api(SocketAddress(str(directory / "c.sock")))) as api:
            for name, count in ("q7", 1), ("q500", 3), ("q999", 2):
                body = {"properties": {}, "routing_key": name, "payload": "x", "payload_encoding": "string"}
                for _ in range(count):
                    assert api.post("exchanges", "/", "amq.default", "publish", body=body) == {"routed": True}
        yield directory / "c.sock"


def test_the_queues_with_the_most_messages_come_first(control: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "top", "--rows", "4", "--socket", str(control)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    at = lines.index(f"{QUEUE_COUNT} queues by messages, page 1 of {QUEUE_COUNT // 4}")
    rows = [(line.split()[0], line.split()[-1]) for line in lines[at + 2 :]]
    assert rows[:3] == [("3", "q500"), ("2", "q999"), ("1", "q7")]
    assert len(rows) == 4


@needs_pty
def test_it_is_live_on_a_terminal(control: Path) -> None:
    import pty
    import termios

    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (30, 120))
    before = termios.tcgetattr(theirs)
    command = [*COMMAND, "top", "--interval", "600", "--socket", str(control)]
    variables = environment(TERM="xterm")
    process = subprocess.Popen(command, env=variables, stdin=theirs, stdout=theirs, stderr=theirs)
    seen, deadline = b"", time.monotonic() + DEADLINE_S

    def read_until(words: bytes) -> None:
        nonlocal seen
        while words not in seen:
            assert select.select([ours], [], [], deadline - time.monotonic())[0], seen
            seen += os.read(ours, 65536)
        seen = seen.partition(words)[2]

    try:
        read_until(b"queues by messages, page 1 of ")
        read_until(b"q500")
        os.write(ours, b"n")
        read_until(b"queues by name, page 1 of ")
        os.write(ours, b" ")
        read_until(b"queues by name, page 2 of ")
        os.write(ours, b"\t")
        read_until(b"connections by in/s")
        os.write(ours, b"q")
        read_until(b"\x1b[?1049l")  # the page that was there before is back
        assert process.wait(DEADLINE_S) == 0
        assert termios.tcgetattr(theirs) == before
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)
