"""Versions of the database: what each is, and how an older one becomes the newest."""

import sqlite3
from pathlib import Path

import pytest

from amqpy.core.durability.records import LaneRecord, LaneState, TopicPermissionRecord, UserRecord
from amqpy.store import schema, statements
from amqpy.store.rows import KINDS
from amqpy.store.sqlite import SqliteStore
from amqpy.store.store import StoreError
from tests.store.material import Run, SqliteOpener, ask, by_size, key_of, lane_record, message_of


@pytest.fixture
def opener(tmp_path: Path) -> SqliteOpener:
    return SqliteOpener(tmp_path)


def test_a_newer_version_is_refused(opener: SqliteOpener) -> None:
    Run(opener).close()
    other = sqlite3.connect(opener.path)
    other.execute("PRAGMA user_version = 7")
    other.close()
    with pytest.raises(StoreError, match=r"amqpy.db is of a newer amqpy: its version is 7, this amqpy knows up to 3"):
        opener.open()


def test_the_format_is_the_one_of_its_version() -> None:
    """Whoever changes a record or a table must also write a migration, and then this test."""
    columns = {kind.table: (kind.key, list(kind.columns)) for kind in KINDS.values()}
    assert len(schema.MIGRATIONS) == 2
    assert columns == {
        "vhosts": (("name",), ["name", "description", "tags", "default_queue_type", "protected_from_deletion"]),
        "users": (("name",), ["name", "password_hash", "tags", "limits", "hashing_algorithm"]),
        "permissions": (("user", "vhost"), ["user", "vhost", "configure", "write", "read"]),
        "topic_permissions": (("user", "vhost", "exchange"), ["user", "vhost", "exchange", "write", "read"]),
        "parameters": (("vhost", "component", "name"), ["vhost", "component", "name", "value"]),
        "exchanges": (("vhost", "name"), ["vhost", "name", "type", "auto_delete", "internal", "arguments"]),
        "queues": (("vhost", "name"), ["vhost", "name", "type", "auto_delete", "arguments"]),
        "bindings": (
            ("vhost", "source", "destination_kind", "destination", "routing_key", "arguments"),
            ["vhost", "source", "destination_kind", "destination", "routing_key", "arguments"],
        ),
        "lanes": (("number",), ["number", "vhost", "owner_kind", "owner", "level", "front"]),
    }


def test_messages_of_the_first_version_are_kept(run: Run, opener: SqliteOpener) -> None:
    """It knew no runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statements, "RUN_MIN", 10**9)
        run.write(run.batch(by_size([3] * 20), puts=[lane_record(1)]))
    run.close()
    with sqlite3.connect(opener.path) as other:
        for kind, name in ("VIEW", "queue_messages"), ("TABLE", "runs"), ("TABLE", "gone"):
            other.execute(f"DROP {kind} {name}")
        other.execute("CREATE VIEW queue_messages AS SELECT key, body FROM messages")
        take_topic_permissions_away(other)
        other.execute("PRAGMA user_version = 1")
    other.close()
    assert run.start().lanes == {1: LaneState(20, 0, 20, 60)}
    assert ask(run, "PRAGMA user_version") == 3
    run.write(run.batch({key_of(1, at): message_of(b"new") for at in range(20, 60)}, removed=[key_of(1, 0)]))
    assert list(run.all(1)) == list(range(1, 60))
    assert ask(run, "SELECT count(*) FROM messages") == 19
    assert ask(run, "SELECT sum(bytes) FROM queue_messages WHERE queue = 'q'") == 59 * 3


def test_users_of_the_second_version_are_kept(run: Run, opener: SqliteOpener) -> None:
    """It knew one algorithm for passwords, and no topic permissions."""
    user, topic = UserRecord("u", b"hash", "[]", "{}", "sha256"), TopicPermissionRecord("u", "/", "x", "a", "b")
    run.write(run.batch(puts=[user]))
    run.close()
    with sqlite3.connect(opener.path) as other:
        take_topic_permissions_away(other)
        other.execute("PRAGMA user_version = 2")
    other.close()
    assert run.start().records == [user]
    assert ask(run, "PRAGMA user_version") == 3
    changed = user._replace(hashing_algorithm="sha512")
    run.write(run.batch(puts=[changed, topic]))
    run.write(run.batch(puts=[topic._replace(read="c")]))
    assert run.crash().records == [changed, topic._replace(read="c")]


def take_topic_permissions_away(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE users DROP COLUMN hashing_algorithm")
    connection.execute("DROP TABLE topic_permissions")


def test_older_versions_are_brought_up_to_date_step_by_step(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.write(run.batch(by_size([1]), puts=[lane_record(1)]))

    def add_colour(connection: sqlite3.Connection) -> None:
        connection.execute("ALTER TABLE queues ADD COLUMN colour TEXT")

    def paint(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE lanes SET owner = 'painted'")

    run.close()
    monkeypatch.setattr(SqliteStore, "migrations", [*schema.MIGRATIONS, add_colour, fail])
    with pytest.raises(StoreError, match="no such column"):
        run.opener.open()
    monkeypatch.setattr(SqliteStore, "migrations", [*schema.MIGRATIONS, add_colour, paint])
    assert ask(run, "PRAGMA user_version") == 3
    loaded = run.start()
    assert loaded.records == [LaneRecord(1, "/", "queue", "painted", 0, 0)]
    assert ask(run, "PRAGMA user_version") == 5
    assert ask(run, "SELECT count(colour) FROM queues") == 0
    assert list(run.all(1)) == [0]


def fail(connection: sqlite3.Connection) -> None:
    connection.execute("SELECT no_such_column")
