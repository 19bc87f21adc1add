"""Values in error texts that are too long for a line. All texts are what Erlang/OTP 25 prints."""

import json

import pytest

from amqpy.core.administration.erlang_terms import Atom, as_erlang_term, with_term

POLICY = {"pattern": "^q", "definition": {"max-length": 5}, "priority": 1, "apply-to": "queues"}
MISSING = [
    (Atom("not_found"), (Atom("resource"), "orders", Atom("queue"), "first")),
    (Atom("not_found"), (Atom("resource"), "orders", Atom("exchange"), "second")),
]


@pytest.mark.parametrize(
    ("column", "term", "shown"),
    [
        (
            0,
            sorted(POLICY.items()),
            """
[{<<"apply-to">>,<<"queues">>},
 {<<"definition">>,#{<<"max-length">> => 5}},
 {<<"pattern">>,<<"^q">>},
 {<<"priority">>,1}]""",
        ),
        (
            56,
            (list(b"range out of order in character class"), 3),
            """
{"range out of order in character class",
                                                         3}""",
        ),
        (
            60,
            (Atom("no_such_vhost"), "a virtual host"),
            """
{no_such_vhost,
                                                             <<"a virtual host">>}""",
        ),
        (
            0,
            (Atom("resources_missing"), MISSING),
            """
{resources_missing,
    [{not_found,{resource,<<"orders">>,queue,<<"first">>}},
     {not_found,{resource,<<"orders">>,exchange,<<"second">>}}]}""",
        ),
        (
            0,
            {
                "short": 1,
                "a key that is quite a bit longer than that": [1, 2, "a text that does not fit on the same line"],
                "z": {},
            },
            """
#{<<"a key that is quite a bit longer than that">> =>
      [1,2,<<"a text that does not fit on the same line">>],
  <<"short">> => 1,<<"z">> => #{}}""",
        ),
        (
            10,
            "".join(map(chr, range(1, 41))),
            """
<<1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,
            26,27,28,29,30,31,32,33,34,35,36,37,38,39,40>>""",
        ),
        (
            30,
            (
                Atom("an_atom_that_is_long_enough"),
                ["and what", "comes after it, which is", (Atom("so"), "long"), "that it breaks"],
            ),
            """
{an_atom_that_is_long_enough,
                                  [<<"and what">>,
                                   <<"comes after it, which is">>,
                                   {so,<<"long">>},
                                   <<"that it breaks">>]}""",
        ),
        (
            0,
            [
                *("one of several texts", "in a list that are", "put on a line", "until it is full"),
                *(1, 2, 3, 4, (Atom("a"), Atom("tuple")), 5, 6),
            ],
            """
[<<"one of several texts">>,<<"in a list that are">>,<<"put on a line">>,
 <<"until it is full">>,1,2,3,4,
 {a,tuple},
 5,6]""",
        ),
    ],
)
def test_a_long_term_is_broken_into_lines(column: int, term: object, shown: str) -> None:
    before = "." * column
    assert as_erlang_term(term, before) == shown[1:]
    assert with_term(f"a line\n{before}", term, "!") == f"a line\n{before}{shown[1:]}!"


def test_what_fits_stays_on_one_line() -> None:
    term = ["x" * 71]
    assert as_erlang_term(term) == f'[<<"{"x" * 71}">>]'
    assert as_erlang_term([*term, 1]) == f'[<<"{"x" * 71}">>,\n 1]'


def test_the_text_before_counts_by_its_octets() -> None:
    term = ["x" * 30, "y" * 20]
    assert "\n" not in as_erlang_term(term, "e" * 10)
    assert "\n" in as_erlang_term(term, "é" * 10)


def test_what_is_very_deep_is_cut_off() -> None:
    deep = json.loads("[" * 500 + "]" * 500)
    assert "[...]" in as_erlang_term(deep)
