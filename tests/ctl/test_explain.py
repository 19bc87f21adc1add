"""`amqpy ctl explain`."""

import json

import pytest

from amqpy.ctl.api import ApiError
from tests.ctl.fake import NOT_FOUND, FakeApi, Tools

TOLD = {"queues": ["q"], "text": "reaches 1 queue: 'q'.\n\nline\x1b[2J"}


def test_the_text(tools: Tools) -> None:
    api = FakeApi({"POST explain": TOLD})
    said = tools.run("ctl explain orders order.created", api)
    assert (said.code, said.err) == (0, "")
    assert said.lines == [
        "Explaining the way of a message to exchange 'orders' in vhost '/' ...",
        "reaches 1 queue: 'q'.",
        "",
        "line\\33[2J",
    ]
    asked = {"vhost": "/", "exchange": "orders", "routing_key": "order.created", "headers": {}}
    assert api.asked[-1] == ("POST", "explain", asked)


def test_headers_and_a_virtual_host(tools: Tools) -> None:
    api = FakeApi({"POST explain": TOLD})
    line = ["ctl", "-q", "explain", "-p", "shop", "", "--headers", '{"a": 1}']
    assert tools.run(line, api).lines[0] == "reaches 1 queue: 'q'."
    assert api.asked[-1][2] == {"vhost": "shop", "exchange": "", "routing_key": "", "headers": {"a": 1}}


def test_json(tools: Tools) -> None:
    said = tools.run("ctl explain x --formatter json", FakeApi({"POST explain": TOLD}))
    assert json.loads(said.out) == TOLD


@pytest.mark.parametrize("headers", ["x", "[1]", "7", "[" * 100_000])
def test_headers_that_are_no_object(headers: str, tools: Tools) -> None:
    said = tools.run(["ctl", "explain", "x", "--headers", headers], FakeApi({"POST explain": TOLD}))
    assert said.code == 64
    assert "the headers " in said.err


def test_what_is_not_there(tools: Tools) -> None:
    said = tools.run("ctl explain x -p none", FakeApi({"POST explain": NOT_FOUND}))
    assert (said.code, said.err) == (65, "Virtual host 'none' does not exist\n")
    said = tools.run("ctl explain x", FakeApi({"POST explain": ApiError(401, "not entitled")}))
    assert said.code == 69
