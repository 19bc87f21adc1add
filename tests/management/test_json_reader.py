"""JSON as RabbitMQ reads it; the expected values are those of `rabbit_json:decode`."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqpy.management.json_reader import TYPED_MAX, read_json, strict

VALUES: dict[str, Any] = {
    "{}": {},
    '{"a": 1,}': {"a": 1},
    "[1, ]": [1],
    "{'a': 1, \"b\": 'c'}": {"a": 1, "b": "c"},
    "''": "",
    "'it\"s'": 'it"s',
    r"'it\'s'": "it's",
    r'"it\'s"': "it's",
    "{/* x */}": {},
    "{/** / * **/}": {},
    "/* x */ {} // y": {},
    '{"a" /* x */ : /* y */ 1 /* z */}': {"a": 1},
    "// x\n[1 // y\n, 2]": [1, 2],
    "[1, /* c */]": [1],
    "[/* c */]": [],
    "true//": True,
    r'"\x\v\0"': r"\x\v\0",
    r'"\u12zz\u00e9"': r"\u12zzé",
    r'"\\x\/\n"': "\\x/\n",
    '"// no /* comment */, ]"': "// no /* comment */, ]",
    '{"a": ", }",}': {"a": ", }"},
    r'"\ud800" // half': "\ufffd",
    '"\t"': "\t",
    '\ufeff["x",]': ["x"],
}

NONE = [
    *("", " ", "{", "{,}", "[,]", "[ ,]", "[1,,]", "[,1]", '{"a":,}', '{"a":1,,"b":2}', "{}{}", "[1 2]", "[1,]]", ","),
    *("{'a\": 1}", "'x", '"x', "{a: 1}", "{#x}", "/", "{/}", "/* x", "{/* x }", "//", "{1: 2}", '{"a" 1}', "[1]/2"),
    *("nul", "True", "NaN", "[Infinity]", "1e400", "01", "1.", ".5", "+1", "-", "0x1", '{"a":1/**/2}', "tru/**/e", "'"),
]


def is_none(text: str) -> bool:
    try:
        read_json(text.encode())
    except ValueError:
        return True
    return False


@pytest.mark.parametrize(("text", "value"), VALUES.items())
def test_values(text: str, value: object) -> None:
    read = read_json(text.encode())
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_json(text: str) -> None:
    assert is_none(text)


def test_nesting_has_an_end() -> None:
    assert is_none("[" * 100_000)


def test_what_nobody_types_must_be_strict() -> None:
    items = "1," * (TYPED_MAX // 2)
    assert len(read_json(f"[{items}1]".encode())) == TYPED_MAX // 2 + 1
    assert is_none(f"[{items}]")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(json_values)
def test_strict_json_stays_as_it_is(value: object) -> None:
    text = json.dumps(value)
    assert strict(text) == text
    assert json.loads(strict(json.dumps(value, ensure_ascii=False, indent=1))) == value
