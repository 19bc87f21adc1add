"""The tables of the database, and migrations from older versions (docs/store.md describes them).

Each kind of record has a table with a column for each of its fields; the column `id` only keeps the order. All
messages are in one table, by lane and position, so that a queue's next messages lie side by side.
"""

import sqlite3
from collections.abc import Callable
from typing import Final

from amqpy.core.durability.journal import POSITION_BITS, POSITIONS
from amqpy.store.rows import KINDS, Kind
from amqpy.store.store import StoreError

APPLICATION_ID: Final = int.from_bytes(b"AMQp", "big")

TABLES: Final = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
INSERT INTO meta VALUES ('run', 0), ('is_clean', 1);

-- Small columns come first, so that they are read without reading past a body.
CREATE TABLE messages (
    key INTEGER PRIMARY KEY,
    shared INTEGER,
    expires_at INTEGER,
    transient INTEGER,
    traces TEXT,
    address BLOB NOT NULL,
    header BLOB NOT NULL,
    body BLOB
);
CREATE INDEX transient_messages ON messages (transient) WHERE transient IS NOT NULL;

CREATE TABLE bodies (id INTEGER PRIMARY KEY, refs INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TRIGGER forget_body AFTER DELETE ON messages WHEN old.shared IS NOT NULL BEGIN
    UPDATE bodies SET refs = refs - 1 WHERE id = old.shared;
    DELETE FROM bodies WHERE id = old.shared AND refs <= 0;
END;

CREATE TABLE garbage (first INTEGER PRIMARY KEY, last INTEGER NOT NULL);
"""

RUNS: Final = """
CREATE TABLE runs (
    first INTEGER PRIMARY KEY,
    last INTEGER NOT NULL,
    transient INTEGER,
    address BLOB NOT NULL,
    step INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    cuts TEXT NOT NULL,
    content BLOB NOT NULL
);
CREATE TABLE gone (first INTEGER PRIMARY KEY, last INTEGER NOT NULL);
CREATE TRIGGER forget_gone AFTER DELETE ON runs BEGIN
    DELETE FROM gone WHERE first BETWEEN old.first AND old.last;
END;
"""

_DIGITS: Final = "'0123456789ABCDEF'"


def _octet_of(blob: str, position: str) -> str:
    """The octet at a position of a blob, from 1 on, as a number."""
    high, low = (f"instr({_DIGITS}, substr(hex(substr({blob}, {position}, 1)), {at}, 1))" for at in (1, 2))
    return f"(16 * {high} + {low} - 17)"


def _names_in(blob: str, start: str) -> str:
    """The columns of the two names of an address that begins behind `start` bytes: each has its length before it."""
    first = _octet_of(blob, f"1 + {start}")
    second = _octet_of(blob, f"2 + {start} + {first}")
    return (
        f"CAST(substr({blob}, 2 + {start}, {first}) AS TEXT) AS exchange,\n"
        f"    CAST(substr({blob}, 3 + {start} + {first}, {second}) AS TEXT) AS routing_key"
    )


_KEY_IN_RUN: Final = "r.first + c.key / 2 - 1"
_BODY_IN_RUN: Final = "json_extract(r.cuts, '$[' || (c.key - 1) || ']')"
"""The place where the body begins of the message that ends at `c.value`."""


def _is_there(table: str) -> str:
    return f"({table}.transient IS NULL OR {table}.transient = (SELECT value FROM meta WHERE name = 'run'))"


def _is_of_lane(key: str) -> str:
    return f"{key} BETWEEN l.number << {POSITION_BITS} AND (l.number << {POSITION_BITS}) + {POSITIONS - 1}"


def _is_no(table: str, key: str, first: str) -> str:
    """No range of the table that begins at `first` or later has the key."""
    return f"NOT EXISTS (SELECT 1 FROM {table} AS g WHERE g.first BETWEEN {first} AND {key} AND g.last >= {key})"


VIEW: Final = f"""
CREATE VIEW queue_messages AS
SELECT
    l.vhost AS vhost,
    l.owner AS queue,
    l.owner_kind AS owner_kind,
    l.level AS level,
    m.key & {POSITIONS - 1} AS position,
    {_names_in("m.address", "0")},
    length(coalesce(m.body, b.body)) AS bytes,
    m.expires_at AS expires_at,
    json_extract(m.traces, '$.due_at') AS due_at,
    coalesce(json_extract(m.traces, '$.delivery_count'), 0) AS delivery_count,
    m.transient IS NULL AS durable,
    m.key AS key,
    coalesce(m.body, b.body) AS body
FROM lanes AS l
CROSS JOIN messages AS m ON {_is_of_lane("m.key")}
LEFT JOIN bodies AS b ON b.id = m.shared
WHERE {_is_there("m")} AND {_is_no("garbage", "m.key", "0")}
UNION ALL
SELECT
    l.vhost,
    l.owner,
    l.owner_kind,
    l.level,
    {_KEY_IN_RUN} & {POSITIONS - 1},
    {_names_in("r.address", "(c.key / 2 - 1) * r.step")},
    c.value - {_BODY_IN_RUN},
    NULL,
    NULL,
    0,
    r.transient IS NULL,
    {_KEY_IN_RUN},
    substr(r.content, 1 + {_BODY_IN_RUN}, c.value - {_BODY_IN_RUN})
FROM lanes AS l
CROSS JOIN runs AS r ON {_is_of_lane("r.first")}
CROSS JOIN json_each(CASE WHEN json_valid(r.cuts) THEN r.cuts ELSE '[]' END) AS c ON c.key % 2 = 0 AND c.key > 0
WHERE {_is_there("r")} AND {_is_no("garbage", _KEY_IN_RUN, "0")} AND {_is_no("gone", _KEY_IN_RUN, "r.first")};
"""


def table_of(kind: Kind) -> str:
    columns = ", ".join(f"{name} {column}" for name, column in kind.columns.items())
    return f"CREATE TABLE {kind.table} (id INTEGER PRIMARY KEY, {columns}, UNIQUE ({', '.join(kind.key)}));\n"


def definition() -> str:
    """The SQL script that sets up an empty database."""
    return "".join(map(table_of, KINDS.values())) + TABLES + RUNS + VIEW


Migration = Callable[[sqlite3.Connection], None]


def _add_runs(connection: sqlite3.Connection) -> None:
    connection.execute("DROP VIEW queue_messages")
    for statement in _statements(RUNS + VIEW):
        connection.execute(statement)


def _add_topic_permissions(connection: sqlite3.Connection) -> None:
    # All passwords were hashed by the same algorithm until then.
    connection.execute("ALTER TABLE users ADD COLUMN hashing_algorithm TEXT NOT NULL DEFAULT 'sha256'")
    connection.execute(
        "CREATE TABLE topic_permissions (id INTEGER PRIMARY KEY, user TEXT NOT NULL, vhost TEXT NOT NULL, "
        "exchange TEXT NOT NULL, write TEXT NOT NULL, read TEXT NOT NULL, UNIQUE (user, vhost, exchange))"
    )


def _statements(script: str) -> list[str]:
    found, statement = [], ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            found.append(statement)
            statement = ""
    return found


MIGRATIONS: Final[list[Migration]] = [_add_runs, _add_topic_permissions]
"""The first one migrates version 1 to version 2, and so on. Each runs within a transaction and must not end it."""


def check_usable(connection: sqlite3.Connection, path: str, migrations: list[Migration] = MIGRATIONS) -> int:
    """Returns the version of the database; 0 for an empty one. Raises StoreError for one that is not ours or too new,
    and sqlite3.Error."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (things,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    assert isinstance(version, int)
    if application != APPLICATION_ID and (application or version or things):
        raise StoreError(f"{path} is a database, but not one of amqpy")
    newest = 1 + len(migrations)
    if version > newest:
        raise StoreError(f"{path} is of a newer amqpy: its version is {version}, this amqpy knows up to {newest}")
    return version


def check_current(connection: sqlite3.Connection, path: str) -> None:
    """Checks that the database has the current version, for read-only use. Raises StoreError, sqlite3.Error."""
    if check_usable(connection, path) != 1 + len(MIGRATIONS):
        raise StoreError(f"{path} is of an older amqpy: start the broker once to bring it up to date")


def prepare(connection: sqlite3.Connection, path: str, migrations: list[Migration] = MIGRATIONS) -> None:
    """Creates the tables, or migrates them: all or nothing. Raises StoreError, sqlite3.Error."""
    version, newest = check_usable(connection, path, migrations), 1 + len(migrations)
    if version == newest:
        return
    connection.execute("BEGIN IMMEDIATE")
    if version == 0:
        for statement in _statements(definition()):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    else:
        for migrate in migrations[version - 1 :]:
            migrate(connection)
    connection.execute(f"PRAGMA user_version = {newest}")
    connection.execute("COMMIT")
