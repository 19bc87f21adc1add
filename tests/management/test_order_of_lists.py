"""The order of lists of which only some columns are shown: RabbitMQ sorts most by what is left of their items."""

import pytest

from .harness import Site

POLICY = {"definition": {"max-length": 1}}


async def column(site: Site, path: str, name: str) -> list[object]:
    return [row[name] if row else None for row in (await site.get(f"/api/{path}")).json]


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("columns=pattern,priority", ["b", "c", "a"]),
        ("columns=pattern", ["a", "b", "c"]),
        ("columns=pattern&sort_reverse=true", ["c", "b", "a"]),
        ("columns=pattern&sort=name", ["a", "b", "c"]),
        ("columns=pattern&sort=pattern&sort_reverse=true", ["c", "b", "a"]),
        ("columns=pattern&sort=", ["b", "c", "a"]),
        ("sort=name", ["c", "b", "a"]),
    ],
)
async def test_policies_have_their_order_by_what_is_shown(site: Site, query: str, shown: list[str]) -> None:
    for name, pattern, priority in (("3", "a", 7), ("2", "b", 1), ("1", "c", 2)):
        body = {**POLICY, "pattern": pattern, "priority": priority}
        assert (await site.put(f"/api/policies/%2F/{name}", body)).status == 201
    assert await column(site, f"policies/%2F?{query}", "pattern") == shown


async def test_users_have_their_order_by_what_is_shown(site: Site) -> None:
    for user in list(site.users):
        if user.name != "guest":
            site.users.delete_user(user.name)
    for name, tag in (("a", "z"), ("b", "y"), ("z", "x")):
        site.add_user(name, tag)
    assert await column(site, "users", "name") == ["a", "b", "guest", "z"]
    assert await column(site, "users?columns=tags", "tags") == [["administrator"], ["x"], ["y"], ["z"]]
    assert await column(site, "users?sort=tags&columns=name", "name") == ["a", "b", "guest", "z"]
    assert await column(site, "users?sort=tags&columns=name,tags", "name") == ["guest", "z", "b", "a"]
    assert (await site.get("/api/users?columns=nope")).json == [[]] * 4


@pytest.mark.parametrize("profile", ["rabbitmq-4.0"])
async def test_newer_versions_sort_users_before_columns_are_left_out(site: Site) -> None:
    for name, tag in (("a", "z"), ("b", "y")):
        site.add_user(name, tag)
    shown = await column(site, "users?sort=tags&columns=name", "name")
    assert [name for name in shown if name in {"a", "b", "guest"}] == ["guest", "b", "a"]


async def test_bindings_have_their_order_by_what_is_shown(site: Site) -> None:
    for queue, key in (("a", "z"), ("b", "y")):
        site.declare(queue)
        await site.post(f"/api/bindings/%2F/e/amq.direct/q/{queue}", {"routing_key": key})
    shown = await column(site, "exchanges/%2F/amq.direct/bindings/source?columns=routing_key", "routing_key")
    assert shown == ["y", "z"]


async def test_queues_have_their_order_before_columns_are_left_out(site: Site) -> None:
    for name, length in (("a", 2), ("b", 1)):
        await site.put(f"/api/queues/%2F/{name}", {"arguments": {"x-max-length": length}})
    shown = await column(site, "queues?columns=arguments", "arguments")
    assert shown == [{"x-max-length": 2}, {"x-max-length": 1}]


async def test_objects_are_sorted_by_their_sizes_keys_and_values(site: Site) -> None:
    arguments = [{"x": 1, "y": 1}, {"b": 2}, {"b": 10}, {"a": 3}, {}, {"a": ["x"]}]
    for number, each in enumerate(arguments):
        await site.put(f"/api/exchanges/%2F/x{number}", {"arguments": each})
    shown = await column(site, "exchanges/%2F?sort=arguments", "arguments")
    assert [each for each in shown if each] == [{"a": 3}, {"a": ["x"]}, {"b": 2}, {"b": 10}, {"x": 1, "y": 1}]
    assert shown[0] == {}
