"""The properties of events about connections and logins, under RabbitMQ's names.

Each docstring names the events that have the properties.

Source: `rabbit_reader`: its `CREATION_EVENT_KEYS` and `AUTH_NOTIFICATION_INFO_KEYS`.
"""

import ipaddress
from typing import Final

from amqpy.amqp.terms import CipherSuite, Terms, TlsFacts
from amqpy.core.events.event_properties import ACTOR, erlang_rows
from amqpy.core.events.events import EventProperties
from amqpy.profile import Profile


def of_tls(terms: Terms) -> dict[str, str]:
    """The facts about a connection's TLS, empty without it, or without a certificate of the client."""
    tls = terms.peer.tls or NO_TLS
    suite, certificate = tls.suite, tls.certificate
    serial_number = "" if certificate is None else certificate.serial_number
    has_serial_number = "peer_cert_serial_number" in terms.profile.more_event_properties
    return {
        **({"peer_cert_serial_number": serial_number} if has_serial_number else {}),
        "peer_cert_subject": "" if certificate is None else certificate.subject,
        "peer_cert_issuer": "" if certificate is None else certificate.issuer,
        "peer_cert_validity": "" if certificate is None else certificate.validity,
        "ssl_protocol": tls.protocol,
        "ssl_key_exchange": suite.key_exchange,
        "ssl_cipher": suite.cipher,
        "ssl_hash": suite.hash,
    }


NO_TLS: Final = TlsFacts("", CipherSuite(), None)
OF_TLS_AT_LOGIN: Final = (
    "ssl_protocol",
    "ssl_cipher",
    "peer_cert_issuer",
    "peer_cert_serial_number",
    "peer_cert_subject",
    "peer_cert_validity",
)
"""The facts about TLS that events about logins have, if there are any."""


def of_login(terms: Terms, user_name: str | None, error: str | None = None) -> EventProperties:
    """user.authentication.success; user.authentication.failure with an error, and perhaps without a name."""
    peer = terms.peer
    properties: dict[str, object] = {
        "connection_type": "network",
        "host": erlang_address(peer.host),
        "connection_name": peer.name,
        "peer_host": erlang_address(peer.peer_host),
        "peer_port": peer.peer_port,
        "protocol": terms.version.number,
        "auth_mechanism": terms.mechanism_name,
        "ssl": peer.tls is not None,
    }
    if peer.tls is not None:
        facts = of_tls(terms)
        properties |= {name: facts[name] for name in OF_TLS_AT_LOGIN if facts.get(name)}
    if user_name is not None:
        properties["name"] = user_name
    if error is not None:
        # In Erlang a text is a list of characters.
        properties["error"] = [ord(character) for character in error]
    return properties


def of_connection(terms: Terms, user_name: str, vhost_name: str, node: str) -> EventProperties:
    """connection.created"""
    peer = terms.peer
    return {
        **of_connection_end(terms, node),
        "type": "network",
        "port": peer.port,
        "peer_port": peer.peer_port,
        "host": erlang_address(peer.host),
        "peer_host": erlang_address(peer.peer_host),
        "ssl": peer.tls is not None,
        **of_tls(terms),
        "auth_mechanism": terms.mechanism_name,
        "protocol": terms.version.number,
        "user": user_name,
        "vhost": vhost_name,
        "timeout": terms.heartbeat_s,
        "frame_max": terms.frame_max,
        "channel_max": terms.channel_max,
        "connected_at": terms.connected_at_ms,
        ACTOR: user_name,
    }


def of_connection_end(terms: Terms, node: str) -> EventProperties:
    """connection.closed"""
    given_name = terms.given_name
    return {
        **({} if given_name is None else {"user_provided_name": given_name}),
        "name": terms.peer.name,
        "pid": terms.pid,
        "node": node,
        "client_properties": erlang_rows(terms.client_properties),
    }


def of_channel_end(pid: str, user_name: str, consumer_count: int, profile: Profile) -> EventProperties:
    """channel.closed"""
    count = {"consumer_count": consumer_count} if "consumer_count" in profile.more_event_properties else {}
    return {"pid": pid, ACTOR: user_name, **count}


def erlang_address(host: str) -> str:
    """An IP address as Erlang prints it: a tuple of numbers."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    raw = address.packed
    size = 1 if address.version == 4 else 2
    numbers = (int.from_bytes(raw[at : at + size], "big") for at in range(0, len(raw), size))
    return f"{{{','.join(map(str, numbers))}}}"
