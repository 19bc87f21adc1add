"""Scripts made by chance, and how they become short."""

from itertools import count

from interop.parity_http.chance import examine, script_of
from interop.parity_http.shrink import Shrinker, simpler_steps
from interop.parity_http.steps import Script, Step, parse, text_of
from tests.parity_http.fake_api import Told, fake_api


def test_a_seed_makes_the_same_script_each_time() -> None:
    assert script_of(7) == script_of(7)
    assert script_of(7) != script_of(8)


def test_scripts_can_be_printed_and_read_back() -> None:
    for seed in range(30):
        assert parse(text_of(script_of(seed))) == script_of(seed)


def test_scripts_ask_for_nothing_that_is_late() -> None:
    for seed in range(30):
        queues = [step.path for step in script_of(seed) if step.method == "GET" and step.path.startswith("/queues/$v")]
        assert all("?" in path or "/bindings" in path or path.count("/") != 3 for path in queues)


def test_the_shortest_script_has_only_what_is_needed() -> None:
    script = parse("""
        PUT /a
        u: PUT /b?x=1 [accept: y] {"one": 1, "two": {"three": 3, "four": 4}}
        PUT /c
        GET /d
    """)

    def shows(candidate: Script) -> bool:
        return any("four" in step.body for step in candidate) and any(step.path == "/d" for step in candidate)

    assert Shrinker(shows).shortest(script) == parse("""
        PUT /b {"two": {"four": 2}}
        GET /d
    """)


def test_probes_are_bounded() -> None:
    tried: list[Script] = []

    def shows(candidate: Script) -> bool:
        tried.append(candidate)
        return False

    Shrinker(shows, probes=5).shortest([Step("GET", f"/{each}") for each in range(50)])
    assert len(tried) == 5


def test_a_body_that_is_no_object_is_as_simple_as_it_can_be() -> None:
    assert list(simpler_steps(Step("PUT", "/x", "[1]"))) == []
    assert list(simpler_steps(Step("PUT", "/x", "{"))) == []


def test_a_difference_is_found_and_shortened() -> None:
    with fake_api() as one, fake_api({"GET /api/bindings/v/e/x1/e/x2": Told(value=[])}) as other:
        same = examine(1, one.side, one.side, steps=5)
        finding = examine(1, one.side, other.side, steps=5)
    assert not same.differs
    assert finding.script == parse("GET /bindings/$v/e/x1/e/x2")
    assert not finding.unsteady
    assert "\n".join(finding.lines()) == (
        "seed 1: differs\nGET /bindings/$v/e/x1/e/x2\nGET /bindings/$v/e/x1/e/x2: status: expected 404, got 200 []"
    )


def test_a_reference_that_differs_from_itself_is_told() -> None:
    numbers = count()
    with fake_api({"GET /api/bindings/v": lambda: Told(value=next(numbers))}) as one, fake_api() as other:
        assert examine(1, one.side, other.side, steps=5).unsteady
