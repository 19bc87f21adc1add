"""The format of rabbitmq.conf. Every answer here is that of RabbitMQ 4.3's own parser, but for the texts of errors."""

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqpy.config.rabbitmq_conf import Entry, Include, last_of_each, parse, substitute


def entries(text: str, file: str = "f") -> list[Entry]:
    return [line for line in parse(text, file) if isinstance(line, Entry)]


def values(text: str) -> dict[str, str]:
    return {entry.name: entry.value for entry in entries(text)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=1", {"a": "1"}),
        ("a = 1\n", {"a": "1"}),
        ("\t a.b-c_9.D \t=\t1 \t\r\n", {"a.b-c_9.D": "1"}),
        ("", {}),
        ("\n \t\n\r\n# a = 1\n  # b\n#", {}),
        ("a = 1 # c", {"a": "1"}),
        ("a = pa#ss", {"a": "pa"}),
        ("a = x = y  z", {"a": "x = y  z"}),
        ('a = "x"', {"a": '"x"'}),
        ("a = 'x # y' # z", {"a": "x # y"}),
        ("a = ''", {"a": ""}),
        ("a = 'x\ny'\nb = 1", {"a": "x\ny", "b": "1"}),
        ("a = it's", {"a": "it's"}),
        ("a = 'x", {"a": "'x"}),
        ("a = '''\n x\ny'z\n'''\nb = 1", {"a": " x\ny'z", "b": "1"}),
        ("a = 1\na = 2\nb = 3", {"a": "2", "b": "3"}),
        ("a = ü€😀", {"a": "ü€😀"}),
        ("a = x\ry", {"a": "x\ry"}),
        (r"a\.b.c = 1", {r"a\.b.c": "1"}),
    ],
)
def test_lines(text: str, expected: dict[str, str]) -> None:
    assert values(text) == expected


def test_an_escaped_dot_is_part_of_a_name() -> None:
    (entry,) = entries(r"loopback_users.first\.last\.2 = true")
    assert entry.key == ("loopback_users", "first.last.2")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a", "f:1:2: expected '='"),
        ("a 1", "f:1:3: expected '='"),
        ("a..b = 1", "f:1:2: expected '='"),
        ("include", "f:1:8: expected '='"),
        ("include two files", "f:1:9: expected '='"),
        ("includefile", "f:1:12: expected '='"),
        ("a =", "f:1:4: expected a value"),
        ("a = \n", "f:1:5: expected a value"),
        ("b = 1\n\n  a = # c", "f:3:7: expected a value"),
        ("= 1", "f:1:1: expected a key"),
        ("  ä = 1", "f:1:3: expected a key"),
        ("[rabbit]", "f:1:1: expected a key"),
        ("\ufeffa = 1", "f:1:1: expected a key"),
        ("a = 'x'y", "f:1:8: expected the end of the line after the closing quote"),
        ("a = 'x\ny'z", "f:2:3: expected the end of the line after the closing quote"),
    ],
)
def test_what_is_no_line(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(problem)}$"):
        parse(text, "f")


def test_other_files_are_included() -> None:
    assert parse("a = 1\n\tinclude  d/*.conf # c\ninclude = 1", "f") == [
        Entry(("a",), "1", "f:1"),
        Include("d/*.conf", "f:2"),
        Entry(("include",), "1", "f:3"),
    ]


@pytest.mark.parametrize(
    ("value", "file"), [("$(<f)", "f"), ("$(< /d/f )", "/d/f"), ("x$(<f)", None), ("$(f)", None), ("$(<)", None)]
)
def test_a_value_may_be_in_a_file(value: str, file: str | None) -> None:
    assert Entry(("a",), value, "f:1").file == file


def test_each_entry_knows_its_line_and_hides_its_value() -> None:
    first, second = entries("# c\na.b = hunter2\n\nc = 'x\n\ny'\n", "d/f.conf")
    assert (first.label, second.label) == ("d/f.conf:2: a.b", "d/f.conf:4: c")
    assert repr(first) == "<d/f.conf:2: a.b>"


def test_a_comment_right_behind_a_value_is_noticed() -> None:
    assert [entry.is_cut for entry in entries("a = pa#ss\nb = pa #ss\nc = 'pa'#ss\nd = pa")] == [
        True,
        False,
        False,
        False,
    ]


# --- $(NAME)


def substituted(text: str, **environ: str) -> dict[str, str]:
    return {entry.name: entry.value for entry in substitute(last_of_each(entries(text)), environ)}


def test_names_stand_for_other_keys_and_for_variables() -> None:
    assert substituted("a.b = 1\nc = <$(a.b)>$( X )$(d)\nd = $(a.b)", X="2") == {"a.b": "1", "c": "<1>21", "d": "1"}


def test_a_key_wins_over_a_variable() -> None:
    assert substituted("X = 1\na = $(X)", X="2")["a"] == "1"


@pytest.mark.parametrize("text", ["$", "$(", "$x", "(x)", "${x}", "$ (x)"])
def test_what_stands_for_itself(text: str) -> None:
    assert substituted(f"a = {text}") == {"a": text}


@pytest.mark.parametrize("text", ["a = $(a)", "a = $(b)\nb = $(a)", "a = $(b)$(b)\nb = $(a)$(a)"])
def test_circles_end(text: str) -> None:
    with pytest.raises(ValueError, match=r"^f:1: a stands for itself, or for too much$"):
        substituted(text)


def test_a_value_does_not_grow_without_limit() -> None:
    with pytest.raises(ValueError, match=r"^f:2: b stands for itself, or for too much$"):
        substituted(f"a = {'x' * 100_000}\nb = {'$(a)' * 11}")
    assert len(substituted(f"a = {'x' * 100_000}\nb = {'$(a)' * 9}")["b"]) == 900_000


def test_a_name_that_nothing_has_is_not_told() -> None:
    with pytest.raises(ValueError, match=r"^f:1: a: no key and no environment variable has the name in its \$\(…\)$"):
        substituted("a = hunter$(hunter2)")


# --- properties

WORDS = st.text("abz09_-.", min_size=1, max_size=6)
KEYS = st.lists(WORDS, min_size=1, max_size=4).map(tuple)
VALUES = st.text(min_size=1, max_size=20).filter(
    lambda text: text == text.strip(" \t") and not set(text) & set("#\n\r'")
)
BLANKS = st.text(" \t", max_size=2)
COMMENTS = st.one_of(st.just(""), st.text(max_size=9).map(lambda text: " #" + text.replace("\n", "")))


ENDS = st.sampled_from(["\n", "\r\n"])


@given(st.lists(st.tuples(KEYS, VALUES, BLANKS, COMMENTS, ENDS, st.booleans())))
def test_what_is_written_is_read(lines: list[tuple[tuple[str, ...], str, str, str, str, bool]]) -> None:
    text = ""
    for key, value, blanks, comment, end, is_quoted in lines:
        shown = f"'{value}'" if is_quoted else value
        text += f"{blanks}{Entry(key, '', '').name}{blanks}={blanks}{shown}{comment}{end}"
    assert [(entry.key, entry.value) for entry in entries(text)] == [(key, value) for key, value, *_ in lines]


@given(st.text(st.sampled_from("ab.\\='#\n\r \t$()"), max_size=40))
def test_any_text_is_read_or_refused_with_its_place(text: str) -> None:
    try:
        found = entries(text)
    except ValueError as error:
        place = re.match(r"f:(\d+):(\d+): ", str(error))
        assert place is not None
        line, column = map(int, place.groups())
        assert 1 <= line <= text.count("\n") + 1
        assert 1 <= column <= len(text.split("\n")[line - 1]) + 1
    else:
        assert len(found) <= text.count("=")
        assert all(entry.key and all(entry.key) for entry in found)


LONG = 200_000


@pytest.mark.parametrize(
    "text",
    [
        f"a = {' ' * LONG}x",
        f"a = x{' ' * LONG}y",
        "a\\." * LONG,
        "a." * LONG + "!",
        f"{' ' * LONG}!",
        f"a = {'#' * LONG}",
        f"a = {chr(39) * (LONG + 1)}x",
        f"a = {chr(13) * LONG}",
    ],
)
def test_long_lines_cost_no_more_than_their_length(text: str) -> None:
    with suppress(ValueError):
        parse(text, "f")
