"""amqpy: a RabbitMQ-compatible AMQP 0-9-1 broker in Python.

What is named here is for programs that have a broker inside (docs/embedding.md). It is imported when it is first asked
for: `import amqpy` alone costs next to nothing, and needs no event loop.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from amqpy.version import __version__

if TYPE_CHECKING:
    from amqpy.app import RunningBroker as RunningBroker
    from amqpy.app import serve as serve
    from amqpy.config import Config as Config
    from amqpy.config.values import ConfigError as ConfigError
    from amqpy.config.values import TcpAddress as TcpAddress
    from amqpy.config.values import TlsAddress as TlsAddress
    from amqpy.config.values import UnixAddress as UnixAddress
    from amqpy.core.users import Authenticator as Authenticator
    from amqpy.core.users import Credentials as Credentials
    from amqpy.core.users import LoginFailed as LoginFailed
    from amqpy.in_thread import run_in_thread as run_in_thread
    from amqpy.store.store import StoreError as StoreError

_HOMES = {
    "Authenticator": "amqpy.core.users",
    "Config": "amqpy.config",
    "ConfigError": "amqpy.config.values",
    "Credentials": "amqpy.core.users",
    "LoginFailed": "amqpy.core.users",
    "RunningBroker": "amqpy.app",
    "StoreError": "amqpy.store.store",
    "TcpAddress": "amqpy.config.values",
    "TlsAddress": "amqpy.config.values",
    "UnixAddress": "amqpy.config.values",
    "run_in_thread": "amqpy.in_thread",
    "serve": "amqpy.app",
}
"""The modules that have them."""

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
