"""`amqpy ctl search` and `amqpy ctl move`."""

import json
from typing import Any

import pytest

from amqpy.ctl.api import ApiError
from tests.ctl.fake import NOT_FOUND, FakeApi, Tools

SEARCH = "GET queues / q search"
MOVE = "POST queues / q move"
NOTHING = {"moved": 0, "unroutable": 0, "refused": 0, "without_origin": 0, "scanned": 0, "matched": 0}


def item(position: int, payload: str) -> dict[str, Any]:
    return {
        "position": position,
        "exchange": "",
        "routing_key": "q",
        "redelivered": False,
        "payload_bytes": len(payload),
        "payload": payload,
        "properties": [],
    }


def page(*items: dict[str, Any], next_offset: int | None = None) -> dict[str, Any]:
    return {"items": list(items), "scanned": 9, "next_offset": next_offset}


def told(**more: Any) -> dict[str, Any]:  # noqa: ANN401
    return {**NOTHING, "queues": {}, "reasons": {}, "items": [], **more}


# --- search


def test_a_table(tools: Tools) -> None:
    api = FakeApi({SEARCH: page(item(1, "one"), item(3, "a\tb\x1b"))})
    said = tools.run("ctl search q --body o", api)
    assert (said.code, said.err) == (0, "")
    assert said.lines == [
        "Searching queue 'q' in vhost '/' ...",
        "position\texchange\trouting_key\tredelivered\tpayload_bytes\tpayload",
        "1\t\tq\tfalse\t3\tone",
        "3\t\tq\tfalse\t4\ta\\11b\\33",
    ]
    query = {"filter": '{"body":"o"}', "state": "ready", "truncate": "64", "offset": 0, "count": 20}
    assert api.asked[-1] == ("GET", "queues///q/search", query)


class Pages(FakeApi):
    """Answers with one page after the other."""

    def __init__(self, *pages: dict[str, Any]) -> None:
        super().__init__({})
        self.pages = list(pages)

    def request(self, method: str, path: tuple[str, ...], body: object = None, **more: Any) -> Any:  # noqa: ANN401
        super().request(method, path, body, **more) if path[-1] != "search" else self.asked.append(
            (method, "/".join(path), more["query"])
        )
        return self.pages.pop(0)


def test_page_by_page(tools: Tools) -> None:
    api = Pages(page(item(1, "a"), next_offset=700), page(next_offset=1400), page(item(1500, "b"), next_offset=1500))
    said = tools.run(["ctl", "search", "q", "--count", "2", "--filter", '{"headers": {"a": 1}}'], api)
    assert [line.split("\t")[0] for line in said.lines[2:]] == ["1", "1500", "There may be more: --offset 1500"]
    assert [asked[2]["offset"] for asked in api.asked] == [0, 700, 1400]  # type: ignore[index]
    assert [asked[2]["count"] for asked in api.asked] == [2, 1, 1]  # type: ignore[index]


def test_the_last_page(tools: Tools) -> None:
    said = tools.run("ctl -q search q --offset 5", FakeApi({SEARCH: page(item(6, "a"))}))
    assert len(said.lines) == 2


def test_json(tools: Tools) -> None:
    api = FakeApi({SEARCH: page(item(1, "one"))})
    said = tools.run("ctl search q --formatter json --state unacked", api)
    assert json.loads(said.out) == [item(1, "one")]
    assert api.asked[-1][2] == {"filter": "{}", "state": "unacked", "offset": 0, "count": 20}


@pytest.mark.parametrize("command", ["search", "move"])
@pytest.mark.parametrize("text", ["x", "[1]", "7", "[" * 100_000])
def test_filters_that_are_no_object(command: str, text: str, tools: Tools) -> None:
    api = FakeApi({})
    said = tools.run(["ctl", command, "q", "--filter", text], api)
    assert said.code == 64
    assert "the filter " in said.err
    assert not api.asked


@pytest.mark.parametrize(("command", "key"), [("search", SEARCH), ("move", MOVE)])
def test_what_is_not_there_or_refused(command: str, key: str, tools: Tools) -> None:
    said = tools.run(f"ctl {command} q", FakeApi({key: NOT_FOUND}))
    assert (said.code, said.err) == (69, "Error:\nthere is no queue 'q' in virtual host '/'\n")
    missing = ApiError(404, "NOT_FOUND - no exchange 'x' in vhost '/'")
    assert tools.run(f"ctl {command} q", FakeApi({key: missing})).err.startswith("Error:\nNOT_FOUND - no exchange 'x'")
    said = tools.run(f"ctl {command} q", FakeApi({key: ApiError(400, "filter has no condition x")}))
    assert (said.code, said.err) == (69, "Error:\nfilter has no condition x\n")


# --- move


def test_back(tools: Tools) -> None:
    answer = told(scanned=9, matched=5, moved=3, queues={"work": 2, "mo\tre": 1}, without_origin=1, unroutable=1)
    api = FakeApi({MOVE: answer})
    said = tools.run("ctl move q", api)
    assert (said.code, said.err) == (0, "")
    assert said.lines == [
        "Moving messages of queue 'q' in vhost '/' ...",
        "3 moved, of 5 that match, of 9 looked at",
        "  2 to 'work'",
        "  1 to 'mo\\11re'",
        "  1 stays: no queue would get it",
        "  1 stays: it has not died, as far as is known",
    ]
    assert api.asked[-1] == ("POST", "queues///q/move", {"filter": {}, "dry_run": False})


@pytest.mark.parametrize(
    ("options", "to"),
    [
        ("--to other", {"routing_key": "other"}),
        ("--exchange x", {"exchange": "x"}),
        ("--exchange x --routing-key k", {"exchange": "x", "routing_key": "k"}),
        ("--routing-key k", {"routing_key": "k"}),
    ],
)
def test_elsewhere(options: str, to: dict[str, str], tools: Tools) -> None:
    api = FakeApi({"POST queues shop q move": told(matched=4, refused=3, reasons={"queue 'x' is full": 3})})
    said = tools.run(f"ctl move q -p shop {options} --body o --count 4 --dry-run", api)
    assert said.lines[1:] == ["0 would be moved, of 4 that match, of 0 looked at", "  3 would stay: queue 'x' is full"]
    assert api.asked[-1][2] == {"filter": {"body": "o"}, "dry_run": True, "count": 4, "to": to}


def test_a_queue_and_an_exchange_are_too_much(tools: Tools) -> None:
    for options in ("--exchange x", "--routing-key k"):
        said = tools.run(f"ctl move q --to other {options}", FakeApi({}))
        assert said.code == 64
        assert "--to names a queue" in said.err


def test_what_has_ended_it(tools: Tools) -> None:
    said = tools.run("ctl -q move q", FakeApi({MOVE: told(moved=1, stopped="ACCESS_REFUSED - no")}))
    assert said.lines[0].startswith("1 moved")
    assert (said.code, said.err) == (69, "Error:\nstopped before the end: ACCESS_REFUSED - no\n")


def test_a_move_in_json(tools: Tools) -> None:
    said = tools.run("ctl move q --formatter json", FakeApi({MOVE: told(moved=1)}))
    assert json.loads(said.out) == told(moved=1)
