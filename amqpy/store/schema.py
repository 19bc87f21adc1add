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

# The length of the exchange's name, which is the first octet of the address.
_DIGITS = "'0123456789ABCDEF'"
_HEX = "hex(substr(m.address, 1, 1))"
_LENGTH = f"(16 * instr({_DIGITS}, substr({_HEX}, 1, 1)) + instr({_DIGITS}, substr({_HEX}, 2, 1)) - 17)"

VIEW: Final = f"""
CREATE VIEW queue_messages AS
SELECT
    l.vhost AS vhost,
    l.owner AS queue,
    l.owner_kind AS owner_kind,
    l.level AS level,
    m.key & {POSITIONS - 1} AS position,
    CAST(substr(m.address, 2, {_LENGTH}) AS TEXT) AS exchange,
    CAST(substr(m.address, 3 + {_LENGTH}) AS TEXT) AS routing_key,
    length(coalesce(m.body, b.body)) AS bytes,
    m.expires_at AS expires_at,
    json_extract(m.traces, '$.due_at') AS due_at,
    coalesce(json_extract(m.traces, '$.delivery_count'), 0) AS delivery_count,
    m.transient IS NULL AS durable,
    m.key AS key,
    coalesce(m.body, b.body) AS body
FROM lanes AS l
CROSS JOIN messages AS m
    ON m.key BETWEEN l.number << {POSITION_BITS} AND (l.number << {POSITION_BITS}) + {POSITIONS - 1}
LEFT JOIN bodies AS b ON b.id = m.shared
WHERE (m.transient IS NULL OR m.transient = (SELECT value FROM meta WHERE name = 'run'))
    AND NOT EXISTS (SELECT 1 FROM garbage AS g WHERE m.key BETWEEN g.first AND g.last);
"""


def table_of(kind: Kind) -> str:
    columns = ", ".join(f"{name} {column}" for name, column in kind.columns.items())
    return f"CREATE TABLE {kind.table} (id INTEGER PRIMARY KEY, {columns}, UNIQUE ({', '.join(kind.key)}));\n"


def definition() -> str:
    """The SQL script that sets up an empty database."""
    return "".join(map(table_of, KINDS.values())) + TABLES + VIEW


Migration = Callable[[sqlite3.Connection], None]
MIGRATIONS: Final[list[Migration]] = []
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


def _statements(script: str) -> list[str]:
    found, statement = [], ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            found.append(statement)
            statement = ""
    return found
