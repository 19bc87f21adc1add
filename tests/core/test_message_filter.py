"""Filters of messages."""

from typing import Any

import pytest

from amqpy.core.message import Message, address_of
from amqpy.core.message_filter import MessageFilter
from amqpy.errors import AdministrationError
from amqpy.wire.values import Field, array_field, table_field
from tests.core.core_harness import content_header, longstr, properties_header

DEATHS = array_field(
    [
        table_field({"queue": longstr("late"), "reason": longstr("expired")}),
        table_field({"queue": longstr("work"), "reason": longstr("rejected")}),
    ]
)
HEADERS = {
    "text": longstr("é"),
    "number": Field("long", 7),
    "one": Field("byte", 1),
    "half": Field("double", 0.5),
    "yes": Field("bool", True),
    "nothing": Field("void", None),
    "table": table_field({"a": Field("long", 1), "b": array_field([Field("bool", True)])}),
    "x-death": DEATHS,
}
MESSAGE = Message(address_of("x", "a.b"), content_header(HEADERS), b'{"id": 42, "name": "\xc3\xa9"}')


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, True),
        ({"body": '"id": 42'}, True),
        ({"body": "é"}, True),
        ({"body": "É"}, False),
        ({"body": ""}, True),
        ({"body": None, "headers": None}, True),
        ({"routing_key": "a.b"}, True),
        ({"routing_key": "a"}, False),
        ({"exchange": "x"}, True),
        ({"exchange": ""}, False),
        ({"exchange": "x", "routing_key": "a.b", "body": "42"}, True),
        ({"exchange": "x", "routing_key": "a.b", "body": "43"}, False),
        ({"headers": {}}, True),
        ({"headers": {"text": "é"}}, True),
        ({"headers": {"text": "e"}}, False),
        ({"headers": {"text": None}}, True),
        ({"headers": {"none": None}}, False),
        ({"headers": {"number": 7, "text": "é"}}, True),
        ({"headers": {"number": 7, "text": "e"}}, False),
        ({"headers": {"number": 7.0}}, True),
        ({"headers": {"number": "7"}}, False),
        ({"headers": {"one": True}}, False),
        ({"headers": {"yes": 1}}, False),
        ({"headers": {"yes": True}}, True),
        ({"headers": {"half": 0.5}}, True),
        ({"headers": {"nothing": None}}, True),
        ({"headers": {"table": {"b": [True], "a": 1}}}, True),
        ({"headers": {"table": {"b": [None], "a": None}}}, True),
        ({"headers": {"table": {"a": 1}}}, False),
        ({"headers": {"table": {"b": [True, True], "a": 1}}}, False),
        ({"headers": {"table": [1]}}, False),
        ({"death_reason": "rejected"}, True),
        ({"death_reason": "maxlen"}, False),
        ({"death_queue": "late"}, True),
        ({"death_queue": "late", "death_reason": "expired"}, True),
        ({"death_queue": "late", "death_reason": "rejected"}, False),
    ],
    ids=str,
)
def test_what_matches(asked: dict[str, object], expected: bool) -> None:
    assert MessageFilter.of(asked).matches(MESSAGE) == expected


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({}, True),
        ({"message_id": "7"}, True),
        ({"message_id": "8"}, False),
        ({"message_id": None}, True),
        ({"app_id": None}, False),
        ({"delivery_mode": 2, "priority": 3}, True),
        ({"delivery_mode": 1}, False),
    ],
    ids=str,
)
def test_properties(properties: dict[str, object], expected: bool) -> None:
    header = properties_header(message_id="7", delivery_mode=2, priority=3)
    message = Message(address_of("", "q"), header, b"")
    assert MessageFilter.of({"properties": properties}).matches(message) == expected


@pytest.mark.parametrize("value", [longstr("x"), array_field([longstr("x")]), array_field([table_field({})])], ids=str)
def test_a_history_that_is_none(value: Field) -> None:
    message = Message(address_of("", "q"), content_header({"x-death": value}), b"")
    assert not MessageFilter.of({"death_queue": "x"}).matches(message)


def test_octets_that_are_no_text() -> None:
    message = Message(address_of("", "q"), content_header(), b"\xff\xed\xa0\x80")
    assert not MessageFilter.of({"body": "ÿ"}).matches(message)
    assert MessageFilter.of({"body": "\ud800"}).matches(message)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"bodi": "x"}, "filter has no condition bodi, only body, routing_key"),
        ({"body": 5}, "filter: body should be a text"),
        ({"exchange": ["x"]}, "filter: exchange should be a text"),
        ({"headers": "x"}, "filter: headers should be an object"),
        ({"properties": []}, "filter: properties should be an object"),
        ({"properties": {"headers": {}}}, "filter: there is no property headers"),
        ({"death_reason": True}, "filter: death_reason should be a text"),
    ],
)
def test_what_is_no_filter(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(AdministrationError, match=said):
        MessageFilter.of(asked)
