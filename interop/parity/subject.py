"""`python -m interop.parity.subject`: amqpy with an administrator's door on its standard input and output.

It takes the options of `amqpy serve`, and one command per line:

    {"operation": "set_policy", "arguments": {"vhost": "/", "name": "p", …}}

Each is answered with one line, a JSON text: "ok", or the reason why not. The end of the input stops the broker.
"""

import json
import os
import sys
import traceback
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import trio

from amqpy import app, log, process
from amqpy.amqp import views
from amqpy.amqp.connection import ConnectionSession
from amqpy.cli import config_option, setting_options
from amqpy.config import SETTINGS, Config
from amqpy.config.sources import load
from amqpy.core.permissions import EVERYTHING
from amqpy.errors import AdministrationError
from amqpy.server.entrance import Entrance
from amqpy.server.reactor import now_ms

STDIN = 0
DISK_FREE = 10**12


@click.command()
@setting_options
@config_option
def main(*, config_files: Sequence[Path], **options: object) -> None:
    """Run the broker until SIGINT, SIGTERM or the end of the input."""
    given = {name: value for name, value in options.items() if value not in (None, ())}
    trio.run(serve, load(given, {}, config_files))


async def serve(config: Config) -> None:
    with process.stop_signals() as stop:
        async with trio.open_nursery() as serving:
            broker = await serving.start(app.serve, config, log.configure(config.log_level), stop)
            async with trio.open_nursery() as commanding:
                commanding.start_soon(take_commands, Administrator(broker), stop)
                await stop.wait()
                commanding.cancel_scope.cancel()


async def take_commands(administrator: "Administrator", stop: trio.Event) -> None:
    async for line in lines(STDIN):
        command = json.loads(line)
        outcome = administrator.perform(command["operation"], command["arguments"])
        await administrator.work_is_done()
        sys.stdout.write(json.dumps(outcome) + "\n")
        sys.stdout.flush()
    stop.set()


async def lines(descriptor: int) -> AsyncIterator[bytes]:
    buffer = bytearray()
    async with trio.lowlevel.FdStream(os.dup(descriptor)) as stream:
        async for chunk in stream:
            buffer += chunk
            *whole, rest = buffer.split(b"\n")
            for line in whole:
                yield bytes(line)
            buffer = rest


class Administrator:
    """Performs operations of the broker's administration by name, and those on users."""

    def __init__(self, broker: app.RunningBroker) -> None:
        self._reactor = broker.reactor
        self._users = broker.users
        self._operator = broker.config.default_user

    def perform(self, operation: str, arguments: Mapping[str, Any]) -> str:
        try:
            act = getattr(self, operation, None) or getattr(self._reactor.broker.administration, operation)
            answer = self._reactor.administer(lambda: act(**arguments), self._operator)
        except AdministrationError as refusal:
            return "not found" if refusal.missing else refusal.text  # over HTTP, 404 has no text of its own
        except Exception:
            # Whoever compares transcripts shall see what went wrong; the broker goes on.
            return traceback.format_exc(limit=-3)
        return answer if isinstance(answer, str) else "ok"

    async def work_is_done(self) -> None:
        """Waits until what an operation has begun is done, as the management API does before it answers: policies are
        applied to many queues bit by bit."""
        lines = self._reactor.broker.scheduler.jobs.lines
        while None in lines:
            await trio.lowlevel.checkpoint()

    def set_disk_free_limit(self, absolute: str) -> None:
        """The broker is told of a disk: without a data directory it has none, and a real one changes."""
        broker = self._reactor.broker
        broker.resources.note_disk(DISK_FREE)
        broker.administration.set_disk_free_limit(absolute)

    def set_setting(self, name: str, value: Any) -> None:  # noqa: ANN401 - whatever it takes
        """The broker reads its settings when it needs them, as RabbitMQ; its entrance is made of them."""
        broker = self._reactor.broker
        broker.config = replace(broker.config, **{name: value})
        self._reactor.entrance = Entrance(broker.config, self._reactor.log, now_ms)

    def clear_setting(self, name: str) -> None:
        self.set_setting(name, SETTINGS[name].default)

    def look_at_connection(self, peer_port: int) -> str:
        for each in self._reactor.connections:
            if isinstance(each.session, ConnectionSession) and each.session.terms.peer.peer_port == peer_port:
                return json.dumps(views.connection(each.session))
        raise AdministrationError(f"no connection from {peer_port}")

    def add_vhost(self, name: str, **metadata: Any) -> None:  # noqa: ANN401
        """Whoever makes a virtual host gets every permission in it, as over RabbitMQ's HTTP API."""
        self._reactor.broker.administration.add_vhost(name, **metadata)
        self._users.set_permissions(self._operator, name, *EVERYTHING)

    def add_user(self, name: str, **given: Any) -> None:  # noqa: ANN401
        self._users.add_user(name, **given)

    def change_password(self, user: str, password: str) -> None:
        self._users.change_password(user, password)

    def clear_password(self, user: str) -> None:
        self._users.clear_password(user)

    def delete_user(self, name: str) -> None:
        self._users.delete_user(name)

    def set_permissions(self, vhost: str, user: str, configure: str, write: str, read: str) -> None:
        self._users.set_permissions(user, vhost, configure, write, read)

    def set_topic_permissions(self, vhost: str, user: str, exchange: str, write: str, read: str) -> None:
        self._users.set_topic_permissions(user, vhost, exchange, write, read)

    def clear_topic_permissions(self, vhost: str, user: str, exchange: str | None = None) -> None:
        self._users.clear_topic_permissions(user, vhost, exchange)

    def set_user_limits(self, user: str, limits: dict[str, int]) -> None:
        self._users.set_limits(user, limits)

    def clear_user_limits(self, user: str) -> None:
        self._users.clear_limits(user)


if __name__ == "__main__":
    main()
