"""The two ends of a connection, and what they agreed on in the handshake.

Source: AMQP 0-9-1 section 2.2.4; `rabbit_reader`: the record `connection`.
"""

from typing import TYPE_CHECKING, Final, NamedTuple

from amqpy.amqp.handshake import AMQP_0_9_1, Version, connection_name

if TYPE_CHECKING:
    from amqpy.amqp.peer_certificate import PeerCertificate
    from amqpy.config import Config
    from amqpy.profile import Profile
    from amqpy.wire.values import Table


class CipherSuite(NamedTuple):
    """A cipher suite by its parts, under Erlang's names."""

    key_exchange: str = ""
    cipher: str = ""
    hash: str = ""


def suite_of(name: str) -> CipherSuite:
    """The parts of a cipher suite that OpenSSL calls by this name: `TLS_AES_256_GCM_SHA384`,
    `ECDHE-RSA-AES128-GCM-SHA256`, `AES256-SHA`."""
    key_exchange, rest = "any", name.removeprefix("TLS_").replace("_", "-")
    if not name.startswith("TLS_"):
        exchange, sign, rest = name.rpartition("-AES") if "-AES" in name else name.rpartition("-CHACHA")
        rest = sign.lstrip("-") + rest
        key_exchange = exchange.lower().replace("-", "_") or "rsa"
    cipher, _, mac = rest.rpartition("-") if "POLY1305" not in rest else ("CHACHA20-POLY1305", "", "")
    cipher = cipher.lower().replace("-", "_").replace("aes128", "aes_128").replace("aes256", "aes_256")
    if "gcm" in cipher or "ccm" in cipher or not mac:
        return CipherSuite(key_exchange, cipher, "aead")
    return CipherSuite(key_exchange, f"{cipher}_cbc", mac.lower())


class TlsFacts(NamedTuple):
    """The facts about the TLS of a connection, known after its handshake."""

    protocol: str
    """`tlsv1.3`"""
    suite: CipherSuite
    certificate: "PeerCertificate | None"
    """The client's, if it was asked for one and has one; then it is good."""


class Peer(NamedTuple):
    """The two ends of a transport."""

    name: str = ""
    """`peer:port -> host:port`"""
    peer_host: str = ""
    peer_port: int = 0
    host: str = ""
    port: int = 0
    tls: TlsFacts | None = None
    """None without TLS."""


NO_PEER: Final = Peer()


class Terms:
    """The facts about one connection, which the handshake fills in step by step."""

    def __init__(self, peer: Peer, pid: str, connected_at_ms: int, config: "Config", profile: "Profile") -> None:
        self.peer = peer
        self.profile = profile
        self.pid = pid
        """A name that no other connection or channel ever had."""
        self.connected_at_ms = connected_at_ms
        """In the time of Unix."""
        self.use_version(AMQP_0_9_1)
        self.client_properties: Table = {}
        self.capabilities: frozenset[str] = frozenset()
        """The capabilities of the client that count."""
        self.mechanism_name = ""
        self.frame_max = config.frame_max
        self.channel_max = config.channel_max
        self.heartbeat_s = 0

    def use_version(self, version: Version) -> None:
        """Sets the version of AMQP that is spoken, and its methods."""
        self.version = version
        self.methods = version.methods

    def client_can(self, capability: str) -> bool:
        return capability in self.capabilities

    @property
    def given_name(self) -> str | None:
        """The name that the application gave the connection; None without one."""
        return connection_name(self.client_properties)
