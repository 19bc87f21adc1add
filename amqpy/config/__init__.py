"""The settings of a broker, and the places that they are read from.

`settings` is the table of all of them; `tls`, `auth` and `limits` have those of a subject. `values` has the kinds of
values. `sources` reads them: TOML, RabbitMQ's files and variables, our own variables, options.
"""

from amqpy.config.settings import SETTINGS, Config
from amqpy.config.values import ConfigError, TcpAddress, TlsAddress, UnixAddress

__all__ = ["SETTINGS", "Config", "ConfigError", "TcpAddress", "TlsAddress", "UnixAddress"]
