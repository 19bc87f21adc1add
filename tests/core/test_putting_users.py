"""Users as an administrator puts them: new, or in place of what they were."""

from typing import Any

import pytest

from amqpy.core.durability.records import UserRecord
from amqpy.core.passwords import NO_PASSWORD, Password
from amqpy.errors import AdministrationError
from tests.core.recorded import DurableHarness, core_with, restarted

HASH = Password(bytes(36), "sha256")


def put(core: DurableHarness, name: str, **given: Any) -> None:  # noqa: ANN401
    core.users.put_user(name, **{"tags": (), **given})


def told(core: DurableHarness) -> dict[str, int]:
    return {name: count for name, count in core.broker.events.counts.items() if name.startswith("user.")}


def test_a_new_user() -> None:
    core = core_with()
    core.facts()
    before = told(core)
    put(core, "u", password_hash=HASH.hash, tags=["a"], limits={"max-channels": 5})
    record = UserRecord("u", HASH.hash, '["a"]', '{"max-channels":5}', "sha256")
    assert [fact.record for fact in core.facts()] == [record]
    assert {name: count - before.get(name, 0) for name, count in told(core).items()} == {
        "user.created": 1,
        "user.tags.set": 1,
        "user.limits.set": 1,
    } | {name: 0 for name in before if name not in {"user.created", "user.tags.set", "user.limits.set"}}
    assert restarted(core).users.user("u").limits == {"max-channels": 5}


@pytest.mark.parametrize(
    ("given", "event", "password"),
    [
        ({}, "user.password.cleared", NO_PASSWORD),
        ({"password_hash": HASH.hash}, None, HASH),
        ({"password": "other"}, "user.password.changed", None),
    ],
)
def test_a_user_is_changed(given: dict[str, Any], event: str | None, password: Password | None) -> None:
    core = core_with()
    put(core, "u", password="secret", tags=["a"], limits={"max-channels": 5})
    user, before = core.users.user("u"), told(core)
    put(core, "u", limits={"max-connections": 1}, **given)
    assert core.users.user("u") is user
    assert (user.tags, user.limits) == ((), {"max-channels": 5, "max-connections": 1})
    assert password is None or user.password == password
    new = {name for name, count in told(core).items() if count != before.get(name)}
    assert new == {"user.tags.set", "user.limits.set"} | ({event} if event else set())
    assert restarted(core).users.user("u").password == user.password


@pytest.mark.parametrize(
    "given",
    [
        {"password": "a", "password_hash": HASH.hash},
        {"password_hash": "?"},
        {"limits": {"x": 1}},
        {"limits": {"max-channels": "x"}},
    ],
)
@pytest.mark.parametrize("name", ["guest", "new"])
def test_a_refused_user_stays_as_it_was(name: str, given: dict[str, Any]) -> None:
    core = core_with()
    core.facts()
    with pytest.raises(AdministrationError):
        put(core, name, **given)
    assert not core.facts()
    assert (core.users.find("new"), core.users.user("guest").tags) == (None, ("administrator",))


def test_limits_are_judged_before_it_is_asked_whose_they_are() -> None:
    with pytest.raises(AdministrationError) as caught:
        core_with().users.set_limits("nope", {"x": 1})
    assert caught.value.text == 'Unrecognised terms [{<<"x">>,1}] in user-limits'
