"""A broker on virtual time, which must be as empty after a test as before it."""

from collections.abc import AsyncIterator

import pytest
import trio
from trio.testing import MockClock

from amqpy.config import Config

from .peer import Server


@pytest.fixture
async def server(autojump_clock: MockClock, nursery: trio.Nursery) -> AsyncIterator[Server]:
    server = Server(Config(cluster_name="rabbit@test", strict=True))
    await nursery.start(server.reactor.run)
    yield server
    await server.hang_up()
    await trio.testing.wait_all_tasks_blocked()
    assert [task.name for task in nursery.child_tasks] == ["amqpy.server.reactor.Reactor.run"]
    assert not server.reactor.nursery.child_tasks
    assert server.reactor.internal_errors == 0
