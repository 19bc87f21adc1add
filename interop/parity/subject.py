"""`python -m interop.parity.subject`: amqpy with an administrator's door on its standard input and output.

It takes the options of `amqpy serve`, and one command per line:

    {"operation": "set_policy", "arguments": {"vhost": "/", "name": "p", …}}

Each is answered with one line, a JSON text: "ok", or the reason why not. The end of the input stops the broker.
"""

import json
import os
import sys
import traceback
from collections.abc import AsyncIterator, Mapping
from typing import Any

import click
import trio

from amqpy import app, log
from amqpy.auth import EVERYTHING, Permission, User, hash_password
from amqpy.cli import setting_options
from amqpy.config import Config, load
from amqpy.server.reactor import Reactor

STDIN = 0


@click.command()
@setting_options
def main(**options: object) -> None:
    """Run the broker until SIGINT, SIGTERM or the end of the input."""
    given = {name: value for name, value in options.items() if value not in (None, ())}
    trio.run(serve, load(given, {}, None))


async def serve(config: Config) -> None:
    with app.stop_signals() as stop:
        async with trio.open_nursery() as serving:
            reactor = await serving.start(app.serve, config, log.configure(config.log_level), stop)
            async with trio.open_nursery() as commanding:
                commanding.start_soon(take_commands, Administrator(reactor, config), stop)
                await stop.wait()
                commanding.cancel_scope.cancel()


async def take_commands(administrator: "Administrator", stop: trio.Event) -> None:
    async for line in lines(STDIN):
        command = json.loads(line)
        outcome = administrator.perform(command["operation"], command["arguments"])
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
    """Performs operations of the broker's administration by name, and those on users itself."""

    def __init__(self, reactor: Reactor, config: Config) -> None:
        self._reactor = reactor
        self._users = reactor.users
        password = config.default_pass.encode()
        self._operator = self._users.log_in(config.default_user, password, from_loopback=True)
        self._made: dict[str, User] = {config.default_user: self._operator}

    def perform(self, operation: str, arguments: Mapping[str, Any]) -> str:
        broker = self._reactor.broker
        broker.advance(self._reactor.now_ms())
        outcome = "ok"
        try:
            act = getattr(self, operation, None) or getattr(broker.administration, operation)
            act(**arguments)
        except ValueError as refusal:
            outcome = str(refusal)
        except Exception:
            # Whoever compares transcripts shall see what went wrong; the broker goes on.
            outcome = traceback.format_exc(limit=-3)
        broker.settle()
        for link in list(self._reactor.links):
            self._reactor.resume(link)  # a turn: what the operation wrote to the outboxes is sent
        return outcome

    def add_vhost(self, name: str, **metadata: Any) -> None:  # noqa: ANN401
        """Whoever makes a virtual host gets every permission in it, as over RabbitMQ's HTTP API."""
        self._reactor.broker.administration.add_vhost(name, **metadata)
        self._operator.permissions[name] = EVERYTHING

    def add_user(self, name: str, password: str) -> None:
        self._made[name] = User(name, hash_password(password.encode(), os.urandom(4)), {})
        self._users.add(self._made[name])

    def delete_user(self, name: str) -> None:
        self._made.pop(name).permissions.clear()

    def set_permissions(self, vhost: str, user: str, configure: str, write: str, read: str) -> None:
        self._made[user].permissions[vhost] = Permission(configure, write, read)


if __name__ == "__main__":
    main()
