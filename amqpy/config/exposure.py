"""Warnings about a broker that strangers can reach.

RabbitMQ's default user has a password that everybody knows, so it may log in from the same machine only; and who lifts
that often does not mean to.
"""

import ipaddress
import logging
from collections.abc import Iterable, Iterator

from amqpy.config.settings import SETTINGS, Config
from amqpy.config.values import HttpsAddress, Note, TcpAddress, TlsAddress, UnixAddress


def notes(
    config: Config, addresses: Iterable[TcpAddress | UnixAddress], metrics: Iterable[TcpAddress] = ()
) -> Iterator[Note]:
    """Yields what an operator should know about a broker that listens on addresses beyond this machine; on some for
    metrics, for which nobody logs in."""
    yield from _notes_on_metrics(config, metrics)
    exposed = [address for address in addresses if not is_local(address)]
    if not exposed:
        return
    known = (SETTINGS["default_user"].default, SETTINGS["default_pass"].default)
    if (config.default_user, config.default_pass) == known and config.default_user not in config.loopback_users:
        text = f"{config.default_user} may log in from other machines with the password that everybody knows"
        yield Note(logging.WARNING, text)
    for address in exposed:
        if not isinstance(address, TlsAddress | HttpsAddress):
            yield Note(logging.WARNING, f"{address} has no TLS: who is on the way can read passwords and messages")


def _notes_on_metrics(config: Config, addresses: Iterable[TcpAddress]) -> Iterator[Note]:
    tls = config.prometheus_tls
    asks_for_certificates = tls.verify == "verify_peer" and tls.fail_if_no_peer_cert
    for address in addresses:
        if not is_local(address) and not (asks_for_certificates and isinstance(address, HttpsAddress)):
            yield Note(logging.WARNING, f"{address} shows metrics to everybody who can reach it")


def is_local(address: TcpAddress | UnixAddress) -> bool:
    """Tells if only this machine can connect there."""
    if isinstance(address, UnixAddress):
        return True
    try:
        return ipaddress.ip_address(address.host.partition("%")[0]).is_loopback
    except ValueError:
        return address.host == "localhost"
