"""Regular expressions: what they match, what is refused, and that neither takes long."""

import re
import warnings
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqpy.patterns import PatternError, compile_pattern, quoted, restored_pattern
from amqpy.patterns.parser import DEPTH_MAX, PATTERN_MAX
from amqpy.patterns.program import STEPS_MAX, UNIT
from amqpy.patterns.properties import PROPERTIES


def matches(pattern: str, text: str) -> bool:
    return compile_pattern(pattern).search(text)


def work(pattern: str, text: str) -> int:
    """The units of work that a search takes."""
    spent = [0]
    compile_pattern(pattern).search(text, spent.append)
    return spent[-1]


# --- what they match

FOUND: list[tuple[str, list[str], list[str]]] = [
    ("", ["", "a"], []),
    ("^$", ["", "\n"], ["a"]),
    (".*", ["", "a\nb"], []),
    ("b", ["abc"], ["", "ac", "B"]),
    ("^a.c$", ["abc", "abc\n"], ["a\nc", "abcd", "xabc", "abc\n\n"]),
    (r"^a\.", ["a.b"], ["ab"]),
    ("^(a|bc|)d$", ["ad", "bcd", "d"], ["bd", "abcd"]),
    ("^a{2,3}$", ["aa", "aaa"], ["a", "aaaa"]),
    ("^a{2}$", ["aa"], ["a", "aaa"]),
    ("^a{2,}?$", ["aa", "aaaaa"], ["a"]),
    ("^a{,2}$", ["a{,2}"], ["aa"]),
    ("^a{x}$", ["a{x}"], ["a"]),
    ("^(?:ab)+$", ["ab", "abab"], ["", "aba"]),
    ("^(a?)*b$", ["b", "aab"], ["a"]),
    ("^(a*)*$", ["", "aaa"], ["b"]),
    ("^(?!amq\\.).*", ["app", ""], ["amq.direct"]),
    ("^(?=.*a)(?=.*b)[ab]+$", ["ab", "ba"], ["a", "bb", "abc"]),
    ("(?<=a)b", ["ab"], ["b", "cb"]),
    ("(?<!a|xy)b", ["b", "yb"], ["ab", "xyb"]),
    ("^(?>a|ab)c$", ["ac"], ["abc"]),
    ("^a++b$", ["aab"], ["b"]),
    ("^a*+a$", [], ["a", "aa"]),
    ("(?i)^é$", ["é"], ["É"]),  # octets
    ("(?i)^[a-c]x(?-i)y$", ["BXy"], ["BXY"]),
    ("^a(?i:b)c$", ["aBc"], ["aBC"]),
    ("^(a(?i)b|c)d$", ["aBd", "Cd"], ["ABd", "cD"]),
    ("(?s)^a.c$", ["a\nc"], []),
    ("(?m)^b$", ["a\nb\nc"], ["ab"]),
    ("(?x) ^ a b # all of it\n $", ["ab"], ["a b"]),
    (r"^\Qa.b\E.$", ["a.bc"], ["axbc"]),
    (r"^[\Q]\E]$", ["]"], ["Q", "E", "\\"]),
    ("^[[:alpha:]_]+$", ["aZ_"], ["a1", ""]),
    ("^[^[:digit:]]$", ["a"], ["1"]),
    ("^[[:^digit:]]$", ["a"], ["1"]),
    (r"^[]a\]-]+$", ["]a-"], ["b"]),
    (r"^[\d.-]+$", ["1.2-3"], ["a"]),
    (r"^\d\D\w\W\s\S$", ["1aa- a"], ["aaaaaa"]),
    (r"^\h\H\v\V\N$", ["\ta\nbc"], ["\ta\nb\n"]),
    (r"^a\Rb$", ["a\r\nb", "a\nb"], ["ab"]),
    (r"^\x41\x{42}\103\t\e\cA$", ["ABC\t\x1b\x01"], []),
    (r"^\.\*\/\-\_\@$", [".*/-_@"], []),
    (r"\Aa\z", ["a"], ["a\n"]),
    (r"\Aa\Z", ["a", "a\n"], ["ab"]),
    (r"\bq\b", ["a.q.b"], ["aqb"]),
    (r"a\Bb", ["ab"], ["a.b"]),
    (r"^(a|b)\1$", ["aa", "bb"], ["ab", "a"]),
    (r"^(?<n>a|b)(?P=n)\k<n>\g{1}\g1\g{-1}$", ["bbbbbb"], ["bbbbba"]),
    (r"(?i)^(a)\1$", ["aA"], []),
    (r"^(a)?\1$", ["aa"], ["", "a"]),
    (r"^(a|b(?=\1))*", ["x"], []),
    ("^a(?#nothing)*b$", ["b", "aab"], []),
    ("^.{2}$", ["é"], ["e"]),  # octets
    ("^[é]{2}$", ["é"], []),
    ("caf\udce9", ["caf\udce9"], ["café"]),
]


@pytest.mark.parametrize(("pattern", "text", "expected"), [
    (pattern, text, expected)
    for pattern, found, not_found in FOUND
    for expected, texts in ((True, found), (False, not_found))
    for text in texts
])  # fmt: skip
def test_a_search(pattern: str, text: str, expected: bool) -> None:
    assert matches(pattern, text) is expected


def pieces(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    quantifiers = st.sampled_from(["*", "+", "?", "*?", "+?", "??", "{2}", "{0,2}", "{1,}"])
    group = st.sampled_from(["(?:{})", "({})", "(?={})", "(?!{})", "(?i:{})"]).flatmap(
        lambda form: inner.map(form.format)
    )
    return st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda two: f"(?:{two[0]}|{two[1]})"),
        st.tuples(st.one_of(st.sampled_from(ATOMS), group), quantifiers).map("".join),
        group,
    )


ATOMS = ["a", "b", ".", "[ab]", "[^a]", r"\.", r"\w", r"\d", "B"]
OTHERS = ["^", "$", r"\b", ""]

patterns = st.recursive(st.sampled_from([*ATOMS, *OTHERS]), pieces, max_leaves=12)
texts = st.text("abB.\n1", max_size=8)


@given(patterns, st.lists(texts, min_size=1, max_size=5))
def test_a_search_finds_what_python_finds(pattern: str, some: list[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        known = re.compile(pattern)
    program = compile_pattern(pattern)
    for text in some:
        # Python's `$` stands before a newline at the end, and its `.` is no newline, as in PCRE.
        assert program.search(text) is (known.search(text) is not None), (pattern, text)


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_quoted_text_matches_itself_only(text: str, other: str) -> None:
    program = compile_pattern(rf"\A{quoted(text)}\z")
    assert program.search(text)
    assert program.search(other) is (text == other)


SOME = "Aa5_!$+ \n\xa0£ª«¬\xad²µ"


@pytest.mark.parametrize(
    ("name", "those"),
    [
        *(("Lu", "A"), ("Ll", "aµ"), ("L&", "Aaµ"), ("L", "Aaªµ"), ("N", "5²"), ("Nd", "5"), ("P", "_!«"), ("Pi", "«")),
        *(("S", "$+£¬"), ("Sc", "$£"), ("Z", " \xa0"), ("C", "\n\xad"), ("Cf", "\xad"), ("Cn", ""), ("Any", SOME)),
        *(("Xan", "Aa5ª²µ"), ("Xwd", "Aa5_ª²µ"), ("Xsp", " \n\xa0"), ("Xuc", "$\xa0£ª«¬\xad²µ"), ("Latin", "Aaª")),
        *(("Common", "5_!$+ \n\xa0£«¬\xad²µ"), ("Greek", "")),
    ],
)
def test_unicode_properties(name: str, those: str) -> None:
    """As Erlang finds them."""
    assert "".join(char for char in SOME if ord(char) in PROPERTIES[name]) == those
    for char in filter(str.isascii, SOME):
        has = char in those
        for pattern in (rf"\p{{{name}}}", rf"\P{{^{name}}}", rf"[\p{{{name}}}]", rf"[^\P{{{name}}}]"):
            assert compile_pattern(rf"\A{pattern}\z").search(char) is has, (pattern, char)
        assert compile_pattern(rf"\A\P{{{name}}}\z").search(char) is not has


def test_what_looks_like_one_character() -> None:
    assert compile_pattern(r"^\X\z").search("\r\n")
    assert not compile_pattern(r"^\X\z").search("\n\r")
    assert compile_pattern(r"^\pL+\PL\z").search("ab1")
    assert compile_pattern(r"^[\X\R\B]{3}\z").search("XRB")


# --- what is refused


@pytest.mark.parametrize(
    ("pattern", "text", "at"),
    [
        ("(", "missing )", 1),
        ("(a|(b)", "missing )", 6),
        ("a)", "unmatched parentheses", 1),
        ("[a", "missing terminating ] for character class", 2),
        ("*", "nothing to repeat", 0),
        ("^*", "nothing to repeat", 1),
        ("a**", "nothing to repeat", 2),
        ("a{2}{3}", "nothing to repeat", 6),
        ("[b-a]", "range out of order in character class", 3),
        ("a{3,2}", "numbers out of order in {} quantifier", 5),
        ("a{65536}", "number too big in {} quantifier", 7),
        ("\\", "\\ at end of pattern", 1),
        ("[[:nope:]]", "unknown POSIX class name", 3),
        ("[:alpha:]", "POSIX named classes are supported only within a class", 0),
        ("[[.a.]]", "POSIX collating elements are not supported", 1),
        ("(?<=a*)b", "lookbehind assertion is not fixed length", 6),
        (r"(a)\2", "reference to non-existent subpattern", 5),
        (r"\g{n}a", "reference to non-existent subpattern", 6),
        ("(?<n>a)(?<n>b)", "two named subpatterns have the same name", 11),
        ("(?y)", "unrecognized character after (? or (?-", 2),
        ("a(?i", "unrecognized character after (? or (?-", 4),
        ("(?<n", "syntax error in subpattern name (missing terminator)", 4),
        ("(?P<name (", "syntax error in subpattern name (missing terminator)", 8),
        (r"a\x{4", "non-hex character in \\x{} (closing brace missing?)", 5),
        (r"a\x{4g}", "non-hex character in \\x{} (closing brace missing?)", 5),
        (r"a\o", "missing opening brace after \\o", 2),
        (r"a\c", "\\c at end of pattern", 3),
        ("(?#", "missing ) after comment", 3),
        ("(*FAIL)", "(*VERB) not recognized or malformed", 2),
        (r"\p", "malformed \\P or \\p sequence", 2),
        (r"\p{L", "malformed \\P or \\p sequence", 4),
        (r"\p{Foo}", "unknown property name after \\P or \\p", 6),
        (r"[\p{lu}]", "unknown property name after \\P or \\p", 6),
        (r"\pQ", "unknown property name after \\P or \\p", 2),
        (r"\x{100}", "character value in \\x{} or \\o{} is too large", 7),
        (r"\Nx\u", "PCRE does not support \\L, \\l, \\N{name}, \\U, or \\u", 4),
        ("(?R)", "recursion, conditions and callouts are not supported", 2),
        ("(?|a)", "branch reset is not supported", 3),
        ("(" * (DEPTH_MAX + 1) + ")" * (DEPTH_MAX + 1), "parentheses are too deeply nested", DEPTH_MAX + 1),
        ("x" * (PATTERN_MAX + 1), "regular expression is too large", PATTERN_MAX + 1),
        ("((a{100}){100}){100}", "regular expression is too large", 20),
    ],
)
def test_patterns_that_are_none(pattern: str, text: str, at: int) -> None:
    with pytest.raises(PatternError) as caught:
        compile_pattern(pattern)
    assert (caught.value.text, caught.value.at) == (text, at)
    assert not restored_pattern(pattern).search(pattern)


@given(st.text(r"()[]{}?*+^$|\.:=!<>-,:#ab1xQEgkpPi'", max_size=40))
def test_any_text_is_a_pattern_or_refused(pattern: str) -> None:
    try:
        program = compile_pattern(pattern)
    except PatternError as error:
        assert 0 <= error.at <= len(pattern)  # noqa: PT017
    else:
        program.search("ab1")


# --- what takes long


def hostile() -> Iterator[tuple[str, str]]:
    letters = "a" * 255
    yield "(a+)+$", f"{letters[1:]}b"
    yield "^(a|a)*$", f"{letters[1:]}b"
    yield "^(a?){200}a{200}$", letters[:199]
    yield ".*.*.*.*.*.*x", letters
    yield "((a*)*)*b", letters
    yield "(?=(a+)+b)", letters
    yield "(?:(?:a{0,50}){0,50})b", letters
    yield "(?!.*x)(?!.*y).*z", letters
    yield r"(a*)*\1b", letters
    yield r"(a*)(a*)(a*)(a*)\4\3\2\1b", letters
    yield "(?i)[^\\x00-\\xff]" * 200, letters
    yield "|".join(f"a{{{count}}}b" for count in range(1, 100)), letters
    yield "(?:" * DEPTH_MAX + "a*" + ")*" * DEPTH_MAX + "b", letters
    yield "(?=" * DEPTH_MAX + "a*" + ")" * DEPTH_MAX + "b", letters
    yield "(?>" * DEPTH_MAX + "a" + ")++" * DEPTH_MAX + "b", letters


@pytest.mark.parametrize(("pattern", "text"), [*hostile()])
def test_no_search_takes_long(pattern: str, text: str) -> None:
    """It is not timed but counted."""
    assert not matches(pattern, text)
    assert work(pattern, text) <= (STEPS_MAX + 256) // UNIT


def test_what_made_other_engines_explode_takes_steps_in_proportion() -> None:
    short, long = (work("^(a|a)*(a+)+$", "a" * count + "b") for count in (120, 240))
    assert 0 < long <= 3 * short < STEPS_MAX // UNIT


def test_a_search_that_gives_up_is_no_match_even_within_a_negative_assertion() -> None:
    explosive = r"(a*)(a*)(a*)(a*)\4\3\2\1b"
    assert not matches(f"^(?!{explosive})", "a" * 255)


def test_a_search_that_was_little_work_is_not_counted() -> None:
    assert work("^a", "ab") == 0
    assert work(".*", "a" * 255) == 0
    assert work("^app\\..*", "app." + "a" * 251) == 0
    assert work("orders", "app.orders.created") == 0
    assert work("orders", "a" * 255) > 0
