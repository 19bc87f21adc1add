"""Where a broker listens, and who logs in."""

from dataclasses import dataclass
from typing import Self
from urllib.parse import quote, unquote, urlsplit

STANDARD_PORT = 5672
STANDARD_TLS_PORT = 5671
STANDARD_PORTS = {"amqp": STANDARD_PORT, "amqps": STANDARD_TLS_PORT}


@dataclass(frozen=True)
class Address:
    """The parts of an AMQP URL."""

    host: str
    port: int
    user: str = "guest"
    password: str = "guest"
    vhost: str = "/"
    tls: bool = False

    @classmethod
    def parse(cls, url: str) -> Self:
        parts = urlsplit(url)
        if parts.scheme not in STANDARD_PORTS or not parts.hostname:
            raise ValueError(f"not an amqp:// URL: {url}")
        return cls(
            parts.hostname,
            parts.port or STANDARD_PORTS[parts.scheme],
            unquote(parts.username or "guest"),
            unquote(parts.password or "guest"),
            unquote(parts.path.removeprefix("/")) or "/",
            parts.scheme == "amqps",
        )

    @property
    def url(self) -> str:
        """With the virtual host spelled out: some libraries take `/` at the end for a virtual host without a name."""
        user, password, vhost = (quote(each, safe="") for each in (self.user, self.password, self.vhost))
        return f"amqp{'s' if self.tls else ''}://{user}:{password}@{self.host}:{self.port}/{vhost}"
