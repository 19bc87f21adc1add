"""Two APIs, one difference: is it seen, and is nothing seen where there is none?"""

import pytest

from interop.parity_http.compare import Outcome, Performance, compare, differences
from interop.parity_http.normalise import Shown
from interop.parity_http.scenario import Differs, Scenario
from interop.parity_http.stage import Exchange, Stage
from tests.parity_http.fake_api import JSON, Answers, Told, fake_api

GOOD = Told(value={"name": "q", "messages": 1, "tags": ["a"], "rate": 0.5})


def play(stage: Stage) -> None:
    stage.play("GET /x")


def outcome(reference: Answers, subject: Answers, *differs: Differs, alike: bool = False) -> Outcome:
    with fake_api(reference) as one, fake_api(subject) as other:
        return compare(Scenario("fake", play, "", differs), one.side, other.side, alike=alike)


def told(answer: Told) -> Answers:
    return {"GET /api/x": answer}


def test_equal_apis_pass() -> None:
    assert outcome(told(GOOD), told(GOOD)).passed


def test_what_is_normalised_is_no_difference() -> None:
    other = Told(value={"name": "q", "messages": 1, "tags": ["a"], "rate": 2.5})
    assert outcome(told(GOOD), told(other)).passed


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            Told(404, {"error": "x"}),
            'GET /x: status: expected 200 {"name": "q", "messages": 1, "tags": ["a"], "rate": "<float>"}, '
            'got 404 {"error": "x"}',
        ),
        (
            Told(value={"name": "p", "messages": 1, "tags": ["a"], "rate": 0.5}),
            'GET /x: body.name: expected "q", got "p"',
        ),
        (
            Told(value={"name": "q", "messages": 1.0, "tags": ["a"], "rate": 0.5}),
            "GET /x: body.messages: expected 1, got 1.0",
        ),
        (
            Told(value={"name": "q", "messages": True, "tags": ["a"], "rate": 0.5}),
            "GET /x: body.messages: expected 1, got true",
        ),
        (
            Told(value={"name": "q", "messages": 1, "tags": ["b"], "rate": 0.5}),
            'GET /x: body.tags[0]: expected "a", got "b"',
        ),
        (
            Told(value={"name": "q", "messages": 1, "tags": [], "rate": 0.5}),
            'GET /x: body.tags: expected ["a"], got []',
        ),
        (Told(value={"name": "q", "tags": ["a"], "rate": 0.5}), "GET /x: body.messages: expected 1, got nothing"),
        (
            Told(value={"name": "q", "messages": 1, "tags": ["a"], "rate": 0.5, "more": None}),
            "GET /x: body.more: expected nothing, got null",
        ),
        (
            Told(value=GOOD.value, headers=JSON | {"vary": "accept"}),
            'GET /x: header.vary: expected "origin", got "accept"',
        ),
        (
            Told(value=GOOD.value, headers={"content-type": "application/json"}),
            'GET /x: header.vary: expected "origin", got nothing',
        ),
        (
            Told(raw=b'{"name": "q","messages":1,"tags":["a"],"rate":0.5}'),
            "GET /x: form: expected compact, got white space",
        ),
    ],
)
def test_one_difference_is_seen(answer: Told, said: str) -> None:
    found = outcome(told(GOOD), told(answer))
    assert list(map(str, found.differences)) == [said]
    assert not found.passed


def test_where_rabbitmq_crashes_amqpy_gives_a_reason() -> None:
    crash = Told(500, headers={})
    reasoned = Told(400, {"error": "bad_request", "reason": "not_integer"})
    assert outcome(told(crash), told(reasoned)).passed
    stack = Told(400, {"error": "bad_request", "reason": "Request to node rabbit@here failed with {'EXIT', …}"})
    assert outcome(told(stack), told(reasoned)).passed
    assert not outcome(told(reasoned), told(stack)).passed
    assert not outcome(told(crash), told(Told(400))).passed
    assert not outcome(told(crash), told(crash)).passed
    assert outcome(told(crash), told(crash), alike=True).passed
    assert not outcome(told(crash), told(reasoned), alike=True).passed


@pytest.mark.parametrize(
    ("step", "expected"), [("HEAD /x", 0), ("nobody: HEAD /x", 0), ("GET /x", 1), ("PUT /HEAD {}", 1)]
)
def test_an_answer_without_a_body_needs_no_reason(step: str, expected: int) -> None:
    crashed, refused = (Performance([Exchange(step, Shown(status, {}, ""))]) for status in (500, 404))
    assert len(list(differences(crashed, refused))) == expected


KNOWN = Differs("it is so", "GET /x*", "body.name", '"q"', '"p"')
OTHER = Told(value={"name": "p", "messages": 1, "tags": ["a"], "rate": 0.5})


def test_a_known_difference_is_excused() -> None:
    assert outcome(told(GOOD), told(OTHER), KNOWN).passed
    assert not outcome(told(GOOD), told(OTHER), KNOWN, alike=True).passed


def test_a_known_difference_that_is_none_is_a_complaint() -> None:
    assert outcome(told(GOOD), told(GOOD), KNOWN).complaints == ["no longer so: GET /x*: body.name"]
    assert outcome(told(GOOD), told(GOOD), KNOWN, alike=True).passed


def test_a_difference_that_is_known_everywhere_is_excused() -> None:
    refused = Told(400, {"error": "bad_request", "reason": ["not_string", "exchange"]})
    assert outcome(told(GOOD), told(refused)).passed
    assert not outcome(told(GOOD), told(refused), alike=True).passed
    assert not outcome(told(refused), told(GOOD)).passed


def test_a_known_difference_of_another_version_does_not_count() -> None:
    later = Differs("it is so", "GET /x", "body.name", since="4.0")
    assert not outcome(told(GOOD), told(OTHER), later).passed


def test_an_api_that_hangs_up_is_a_difference() -> None:
    found = outcome(told(GOOD), told(Told(0)))
    assert [each.where for each in found.differences] == ["status"]
    assert found.differences[0].got == "0"


def test_a_script_that_breaks_on_one_side_is_a_difference() -> None:
    def choosy(stage: Stage) -> None:
        stage.play("GET /x").value["messages"].bit_length()

    with fake_api(told(GOOD)) as one, fake_api(told(Told(value={}))) as other:
        differences = compare(Scenario("fake", choosy), one.side, other.side).differences
    assert "KeyError" in str(differences[-1])


def test_a_script_that_breaks_on_the_reference_is_a_complaint() -> None:
    def broken(stage: Stage) -> None:
        raise ZeroDivisionError

    with fake_api() as one:
        assert "ZeroDivisionError" in compare(Scenario("fake", broken), one.side, one.side).complaints[0]


def test_a_script_that_goes_another_way_is_a_difference() -> None:
    def follow(stage: Stage) -> None:
        stage.play(f"GET /{stage.play('GET /x').value['name']}")

    with fake_api(told(GOOD)) as one, fake_api(told(OTHER)) as other:
        differences = compare(Scenario("fake", follow), one.side, other.side).differences
    assert str(differences[-1]) == "GET /q: the script: expected this request, got GET /p"


def test_of_long_lists_that_look_alike_the_lengths_are_told() -> None:
    long = ["x" * 500]
    found = outcome(told(Told(value={"a": long})), told(Told(value={"a": [*long, "y"]})))
    assert [str(each) for each in found.differences] == ["GET /x: body.a.length: expected 1, got 2"]


@pytest.mark.parametrize("mode", ["basic", "detailed"])
def test_a_scenario_is_for_brokers_in_one_rates_mode(mode: str) -> None:
    of_mode = Scenario("fake", play, rates_mode=mode)
    assert [each for each in ("basic", "detailed") if of_mode.is_for("3.10.8", each)] == [mode]
