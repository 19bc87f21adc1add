"""`amqpy ctl stuck`."""

import json

from tests.ctl.fake import NOT_FOUND, FakeApi, Tools

FOUND = [
    {"kind": "full", "vhost": "/", "name": "q", "text": "Queue 'q' is full."},
    {"kind": "no_consumers", "vhost": "shop", "name": "x", "text": "Queue '\x1b' has 1 ready message."},
    {"kind": "alarm", "vhost": "", "name": "disk", "text": "The alarm for disk is set."},
]


def test_a_line_for_each(tools: Tools) -> None:
    said = tools.run("ctl stuck", FakeApi({"GET stuck": FOUND}))
    assert (said.code, said.err) == (0, "")
    assert said.lines == [
        "Looking for what keeps messages from getting on ...",
        "Queue 'q' is full.",
        "shop: Queue '\\33' has 1 ready message.",
        "The alarm for disk is set.",
    ]


def test_in_one_virtual_host(tools: Tools) -> None:
    api = FakeApi({"GET stuck shop": []})
    assert tools.run("ctl stuck -p shop", api).lines[1:] == ["Nothing is found that keeps messages from getting on."]
    assert tools.run("ctl -q stuck -p shop", api).out == ""
    said = tools.run("ctl stuck -p none", FakeApi({"GET stuck none": NOT_FOUND}))
    assert (said.code, said.err) == (65, "Virtual host 'none' does not exist\n")


def test_json(tools: Tools) -> None:
    said = tools.run("ctl stuck --formatter json", FakeApi({"GET stuck": FOUND}))
    assert json.loads(said.out) == FOUND
