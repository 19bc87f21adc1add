"""amqpy as a program of its own, with its administrator's door."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from interop.kit.brokers import Amqpy, ended, private_folder
from interop.parity.connection import Broker
from interop.parity.listening import Listening, Secured


class Subject(Amqpy):
    """`interop.parity.subject`, which is an administrator's door as well: one line there, one line back."""

    module = ("interop.parity.subject",)
    talks = True

    def perform(self, operation: str, arguments: Mapping[str, Any]) -> str:
        if (password := arguments.get("password")) not in {None, "", "other"}:
            self.secrets.add(password)
        command = json.dumps({"operation": operation, "arguments": arguments})
        return str(json.loads(self.program.ask(command)))


@contextlib.contextmanager
def running_amqpy(
    *,
    profile: str = "rabbitmq-3.10",
    settings: str = "",
    listening: Listening | None = None,
    secured: Secured | None = None,
) -> Iterator[Broker]:
    """An amqpy that keeps what is durable, as RabbitMQ does, and accepts connections. `settings` are lines of TOML.

    It ends at the first bug: that raises ProgramFailed at the end, even if every frame was right until then.
    """
    with private_folder() as folder:
        config = folder / "amqpy.toml"
        config.write_text(f"{settings}\n{listening.amqpy_toml() if listening else ''}")
        options = ("--strict", "--profile", profile, "--config", str(config))
        with ended(Subject(folder, options, tls=secured.tls if secured else None)) as amqpy:
            amqpy.start()
            yield Broker.at(amqpy.address.url, amqpy, secured)
            amqpy.stop()
