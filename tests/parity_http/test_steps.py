"""Steps are printed and read back."""

import pytest

from interop.parity_http.steps import Step, parse, parse_step, text_of

LINES = {
    "GET /whoami": Step("GET", "/whoami"),
    "nobody: OPTIONS !/api": Step("OPTIONS", "!/api", who="nobody"),
    'PUT /queues/$v/q {"durable": true}': Step("PUT", "/queues/$v/q", '{"durable": true}'),
    "GET /queues [x-vhost: $v]": Step("GET", "/queues", headers=(("x-vhost", "$v"),)),
    'u: POST /x [accept: a/b] [origin: http://c] ["a", 1]': Step(
        "POST", "/x", '["a", 1]', "u", (("accept", "a/b"), ("origin", "http://c"))
    ),
    "DELETE /x []": Step("DELETE", "/x", "[]"),
    "PUT /x [content-type: ] {": Step("PUT", "/x", "{", headers=(("content-type", ""),)),
}


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_a_step(line: str) -> None:
    assert parse_step(line) == LINES[line]
    assert str(LINES[line]) == line


def test_a_script_is_read_back() -> None:
    assert parse(text_of(list(LINES.values()))) == list(LINES.values())


def test_comments_and_empty_lines_are_no_steps() -> None:
    assert parse("\n  # a comment\n\n  GET /x\n") == [Step("GET", "/x")]


@pytest.mark.parametrize("line", ["get /x", "GET", "GET x", "a b: GET /x"])
def test_other_lines_are_refused(line: str) -> None:
    with pytest.raises(ValueError, match="no step"):
        parse(line)


def test_a_wait_has_values_or_only_keys() -> None:
    assert parse_step('WAIT /x messages=3 0.a.b state="up" c=null').wanted == {
        "messages": 3,
        "0.a.b": ...,
        "state": "up",
        "c": None,
    }
