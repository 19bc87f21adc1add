"""What may differ is hidden, all else stays."""

import json
import time
from typing import Any

import pytest

from interop.parity_http import masks
from interop.parity_http.client import Answer
from interop.parity_http.normalise import Normaliser, Shown, form_of
from interop.parity_http.rules import RULES

JSON = {"content-type": "application/json"}


def shown(value: object, resource: str = "/x", *, headers: dict[str, str] | None = None, raw: bytes = b"") -> Shown:
    body = raw or json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogateescape")
    return Normaliser("cafe", ["rabbit@here"])(Answer(200, JSON | (headers or {}), body), resource)


def test_names_of_the_run_and_the_node() -> None:
    assert shown({"name": "q.cafe", "in": ["rabbit@here"], "rabbit@here": 1}).body == {
        "name": "q.*",
        "in": ["<node>"],
        "<node>": 1,
    }


def test_times_of_deaths_that_the_broker_set() -> None:
    now, deaths = int(time.time()), {"x-death": [{"time": 0, "count": 1}]}
    assert shown(deaths).body == deaths
    assert shown({"time": now}).body == {"time": now}
    for set_at in (now, now + 1):
        assert shown({"x-death": [{"time": set_at}]}).body == {"x-death": [{"time": "<recent>"}]}


def test_the_machine_of_the_node() -> None:
    assert shown({"reason": "Node x@here is gone"}).body == {"reason": "Node x@<host> is gone"}


def test_names_of_connections() -> None:
    assert shown({"name": "127.0.0.1:5123 -> 127.0.0.1:5672 (1)"}).body == {"name": "<connection> (1)"}


@pytest.mark.parametrize(
    ("key", "value", "hidden"),
    [
        ("connected_at", 1_700_000_000_000, "<integer>"),
        ("connected_at", "now", "<text>"),
        ("peer_port", 5123, "<integer>"),
        ("rate", 0.5, "<float>"),
        ("rate", 0, "<integer>"),
        ("consumer_utilisation", 0, "<number>"),
        ("consumer_utilisation", 0.5, "<number>"),
        ("consumer_utilisation", None, None),
        ("password_hash", "A" * 48, "<a hash>"),
        ("password_hash", "", ""),
        ("properties_key", "k~F21e9", "k~<hash>"),
        ("properties_key", "~", "~"),
        ("garbage_collection", {"minor_gcs": 5}, {"minor_gcs": "<integer>"}),
        ("messages", 5, 5),
        ("recv_cnt", 5, "<integer>"),
    ],
)
def test_values_by_their_keys(key: str, value: object, hidden: object) -> None:
    assert shown({key: value}).body == {key: hidden}
    assert shown([{"a": {key: value}}]).body == [{"a": {key: hidden}}]


def test_what_comes_and_goes_is_left_out() -> None:
    assert shown({"idle_since": "2026-01-01", "name": "q"}).body == {"name": "q"}


def test_a_rule_may_be_for_some_addresses_only() -> None:
    assert shown({"messages": 0, "recv_oct": 7}, "/vhosts/$v").body == {"recv_oct": "<integer>"}
    assert shown({"messages": 1}, "/vhosts/$v").body == {"messages": 1}
    assert shown({"messages": 0}, "/queues/$v/q").body == {"messages": 0}


def test_lists_in_no_order_are_sorted_by_what_is_left_of_them() -> None:
    told = {"queues": [{"name": "b.cafe"}, {"name": "a.cafe"}]}
    assert shown(told, "/definitions").body == {"queues": [{"name": "a.*"}, {"name": "b.*"}]}
    assert shown(told, "/other").body == {"queues": [{"name": "b.*"}, {"name": "a.*"}]}


def test_headers_that_matter() -> None:
    told = {"Server": "Cowboy", "date": "today", "vary": "origin", "content-length": "7", "location": "q.cafe/k~F21e9"}
    assert shown({"a": 1}, headers={name.lower(): value for name, value in told.items()}).headers == {
        "content-type": "application/json",
        "date": "<there>",
        "vary": "origin",
        "content-length": "that of the body",
        "location": "q.*/k~<hash>",
    }


@pytest.mark.parametrize(
    ("told", "method", "said"),
    [
        ("0", "GET", "0"),
        ("9", "GET", "another than that of the body"),
        ("9", "HEAD", "that of the body"),
        ("2", "GET", "that of the body"),
    ],
)
def test_lengths(told: str, method: str, said: str) -> None:
    answer = Answer(200, JSON | {"content-length": told}, b"{}")
    assert Normaliser("cafe", ["n"])(answer, "/x", method=method).headers["content-length"] == said


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ('{"a":"b c\\n\\u0001"}', ""),
        ('{"a": 1}', "white space"),
        ('{"a":"\\u00e9"}', "escapes"),
        ('["\\u00e9" ]', "white space and escapes"),
    ],
)
def test_the_form_of_json(text: str, form: str) -> None:
    assert form_of(text) == form


def test_what_is_no_json() -> None:
    assert shown(None, raw=b"{").form == "no JSON"
    assert Normaliser("cafe", ["n"])(Answer(301, {"location": "/x"}), "/x").body == ""


@pytest.mark.parametrize(
    ("mask", "value", "hidden"),
    [
        (
            masks.typed,
            {"a": [1, None, True, "", "x", 1.5]},
            {"a": ["<integer>", "<null>", "<boolean>", "<empty text>", "<text>", "<float>"]},
        ),
        (masks.typed, "<integer>", "<integer>"),
        (masks.shaped, [{"a": 1}, {"a": 2}, {"b": 1}], [{"a": "<integer>"}, {"b": "<integer>"}]),
        (masks.shaped, [], []),
        (masks.counted, {"rate": 0.0}, masks.LEFT_OUT),
        (masks.counted, 5, "<integer>"),
        (masks.only("a", "b"), [{"name": "a"}, {"name": "c"}], [{"name": "a"}]),
        (masks.only("a"), ["a", "c"], ["a"]),
        (masks.only("a", "b"), ["b", "a"], ["a", "b"]),
        (masks.only("a"), {"name": "c"}, {"name": "c"}),
        (masks.without("a"), [{"name": "a"}, {"name": "b"}, "a"], [{"name": "b"}, "a"]),
        (masks.without("a"), {"name": "a"}, {"name": "a"}),
        (masks.unordered, [2, 1], [1, 2]),
        (masks.anything, [1], "<anything>"),
        (masks.readable, ["a", [72, 105]], ["a", "Hi"]),
        (masks.readable, [1, 2], [1, 2]),
        (masks.readable, [], []),
        (masks.without_rate_alone, {"rate": 0.5}, masks.LEFT_OUT),
        (masks.without_rate_alone, {"rate": 0.5, "samples": []}, {"rate": 0.5, "samples": []}),
        (masks.without_rate_alone, 5, 5),
        (masks.without_rate_alone, 0, masks.LEFT_OUT),
        (
            masks.stepped,
            [{"sample": each, "timestamp": at} for at, each in enumerate([3, 3, 0, 3])],
            {"length": 4, "values": [3, 0, 3], "others": [{"timestamp": "<integer>"}]},
        ),
        (masks.stepped, [{"a": 1}], [{"a": 1}]),
        (masks.stepped, "x", "x"),
    ],
)
def test_masks(mask: masks.Mask, value: Any, hidden: Any) -> None:  # noqa: ANN401
    assert mask(value) == hidden


def test_every_rule_says_why() -> None:
    assert all(rule.why and rule.patterns for rule in RULES)
