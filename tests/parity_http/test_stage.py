"""A stage sends what a script says, and clears away what it has made."""

import json
from dataclasses import replace
from itertools import count

from interop.parity_http.client import Answer
from interop.parity_http.side import authorization
from interop.parity_http.stage import PASSWORD, Stage, has, has_reported
from tests.parity_http.fake_api import Told, fake_api

ROW = {"reductions": 1, "messages_details": {}, "effective_policy_definition": {}}


def answer(value: object) -> Answer:
    return Answer(200, {}, json.dumps(value).encode())


def test_names_stand_in_paths_bodies_and_headers() -> None:
    with fake_api() as api:
        stage = Stage(api.side)
        stage.call_it("c", "a b/c")
        stage.play('PUT /x/$v/$c [x-vhost: $v] {"name": "$c"}')
        (key, headers, body) = api.asked[-1]
    assert key == f"PUT /api/x/v.{stage.run_id}/a%20b%2Fc"
    assert headers["x-vhost"] == f"v.{stage.run_id}"
    assert body == b'{"name": "a b/c"}'
    assert stage.exchanges[-1].step == 'PUT /x/$v/$c [x-vhost: $v] {"name": "$c"}'


def test_who_asks() -> None:
    with fake_api() as api:
        stage = Stage(api.side)
        stage.play("""
            GET /x
            u: GET /x
            nobody: GET /x
            wrong: GET /x
            GET /x [authorization: Bearer y]
            GET /x [authorization: -]
        """)
        given = [headers.get("authorization") for _, headers, _ in api.asked]
    assert given == [
        authorization("guest", "guest"),
        authorization(f"u.{stage.run_id}", PASSWORD),
        None,
        authorization("guest", "wrong"),
        "Bearer y",
        None,
    ]


def test_bodies_and_their_types() -> None:
    with fake_api() as api:
        Stage(api.side).play("""
            PUT /x {}
            PUT /x
            PUT /x [content-type: text/plain] x
            PUT /x [content-type: -] x
            GET /x
        """)
        sent = [(headers.get("content-type"), headers.get("content-length"), body) for _, headers, body in api.asked]
    assert sent == [
        ("application/json", "2", b"{}"),
        (None, "0", b""),
        ("text/plain", "1", b"x"),
        (None, "1", b"x"),
        (None, None, b""),
    ]


def test_a_path_may_be_outside_of_the_api() -> None:
    with fake_api() as api:
        Stage(api.side).play("GET !/stats")
        assert api.asked[-1][0] == "GET /stats"


def test_octets_that_are_no_utf8_are_sent() -> None:
    with fake_api() as api:
        Stage(api.side).play('PUT /x {"a": "\udcff"}')
        assert api.asked[-1][2] == b'{"a": "\xff"}'


def test_what_was_prepared_is_told_only_if_it_failed() -> None:
    with fake_api({"PUT /api/vhosts/w": Told(404)}) as api:
        stage = Stage(api.side)
        stage.vhost()
        stage.user("u", "management", "v")
        assert stage.exchanges == []
        assert len(api.asked) == 3
        stage.vhost("w")
        assert [exchange.step for exchange in stage.exchanges] == ["PUT /vhosts/$w"]


def test_it_waits_until_there_is_what_it_waits_for() -> None:
    numbers = count()
    with fake_api({"GET /api/x": lambda: Told(value={"messages": next(numbers)})}) as api:
        stage = Stage(api.side)
        stage.play("WAIT /x messages=3")
    assert len(api.asked) == 4
    assert stage.exchanges[-1].shown.body == "came"


def test_what_does_not_come_is_told_and_the_script_goes_on() -> None:
    with fake_api({"GET /api/x": Told(value={})}) as api:
        stage = Stage(replace(api.side, patience_s=0.0))
        stage.play("""
            WAIT /x messages=3
            GET /x
        """)
    assert [exchange.shown.body for exchange in stage.exchanges] == ["not", {}]


def test_what_is_wanted_is_found() -> None:
    rows = answer([{"a": {"b": 0}, "c": None}])
    assert has(rows, {"0.a.b": 0})
    assert has(rows, {"0.a.b": ...})
    assert has(rows, {"0.c": None})
    assert has(rows, {"length": 1})
    assert not has(rows, {"0.a.b": 1})
    assert not has(rows, {"0.d": ...})
    assert not has(rows, {"0.d": None})
    assert not has(rows, {"1.a": ...})
    assert not has(Answer(404, {}, rows.body), {"length": 1})


def test_queues_have_reported_when_all_in_an_answer_have() -> None:
    assert has_reported(answer([]))
    assert has_reported(answer(ROW))
    assert not has_reported(answer({"name": "q", "reductions": 1}))
    assert not has_reported(answer([ROW, {"name": "q"}]))
    assert not has_reported(answer({"items": [{"name": "q"}]}))
    assert has_reported(Answer(404, {}, b"{}"))


def test_what_was_made_is_gone_at_the_end() -> None:
    rows: list[dict[str, str]] = []
    with fake_api({"GET /api/vhosts": Told(value=rows), "GET /api/users": Told(value={"error": "x"})}) as api:
        stage = Stage(api.side)
        rows += [{"name": "/"}, {"name": f"v.{stage.run_id}"}, {"name": f"a/{stage.run_id}"}]
        stage.leave()
        assert [key for key, _, _ in api.asked if key.startswith("DELETE")] == [
            f"DELETE /api/vhosts/v.{stage.run_id}",
            f"DELETE /api/vhosts/a%2F{stage.run_id}",
        ]


def test_queues_are_waited_for_where_they_are_late() -> None:
    numbers = count()
    told = {"GET /api/queues/v/q": lambda: Told(value=ROW if next(numbers) > 2 else {"reductions": 1})}
    with fake_api(told) as api:
        stage = Stage(replace(api.side, is_late=True))
        stage.play("GET /queues/$v/q")
    assert len(api.asked) == 4
    assert [exchange.shown.body for exchange in stage.exchanges] == [ROW | {"reductions": "<integer>"}]


def test_queues_are_not_waited_for_if_nothing_late_is_asked_for() -> None:
    with fake_api() as api:
        Stage(replace(api.side, is_late=True)).play("""
            GET /queues/$v/q?disable_stats=true
            GET /queues/$v?columns=name
            GET /queues/$v/q/bindings
        """)
        assert len(api.asked) == 3
