"""pika with a broker in TLS: the broker's certificate, which may change, and the client's, which may be the login."""

from __future__ import annotations

import os
import signal
import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pika
import pytest

from interop.kit.brokers import Amqpy, ended
from interop.kit.tls import make_tls

from .blocking import get_body

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = 'auth_mechanisms = ["PLAIN", "EXTERNAL"]\nssl_cert_login_from = "common_name"\ndefault_user = "client"\n'


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Amqpy]:
    """Its only user is the one whom the client's certificate names."""
    config = tmp_path / "amqpy.toml"
    config.write_text(CONFIG)
    tls = make_tls(tmp_path, asks_for_certificates=True)
    with ended(Amqpy(tmp_path, ("--strict", "--config", str(config)), in_memory=True, tls=tls)) as broker:
        broker.start()
        yield broker
        broker.stop()


def trusting(broker: Amqpy, *, certificate: bool = False) -> ssl.SSLContext:
    assert broker.tls is not None
    context = ssl.create_default_context(cafile=str(broker.tls.authority))
    if certificate:
        context.load_cert_chain(broker.tls.client)
    return context


@contextmanager
def connected(
    broker: Amqpy, context: ssl.SSLContext, credentials: object = None
) -> Iterator[pika.adapters.blocking_connection.BlockingChannel]:
    parameters = pika.ConnectionParameters(
        "localhost",
        broker.tls_address.port,
        ssl_options=pika.SSLOptions(context, "localhost"),
        credentials=credentials or pika.PlainCredentials("client", "guest"),
    )
    with pika.BlockingConnection(parameters) as connection:
        yield connection.channel()


def test_messages_of_all_sizes_go_through(broker: Amqpy) -> None:
    bodies = [bytes([size % 251]) * size for size in (0, 1, 16_000, 16_384, 100_000, 3_000_000)]
    with connected(broker, trusting(broker)) as channel:
        channel.queue_declare("q")
        for body in bodies:
            channel.basic_publish("", "q", body)
        assert [get_body(channel, "q") for _ in bodies] == bodies


def test_a_certificate_is_a_login(broker: Amqpy) -> None:
    with connected(broker, trusting(broker, certificate=True), pika.credentials.ExternalCredentials()) as channel:
        channel.basic_publish("", "q", b"hello", pika.BasicProperties(user_id="client"))


def test_without_a_certificate_it_is_none(broker: Amqpy) -> None:
    with (
        pytest.raises(pika.exceptions.ProbableAuthenticationError, match="mechanism EXTERNAL"),
        connected(broker, trusting(broker), pika.credentials.ExternalCredentials()),
    ):
        pass


def test_who_does_not_trust_the_broker_does_not_come(broker: Amqpy) -> None:
    with pytest.raises(ssl.SSLCertVerificationError), connected(broker, ssl.create_default_context()):
        pass
    with connected(broker, trusting(broker)) as channel:
        channel.queue_declare("q")


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
def test_sighup_reads_certificates_anew_and_leaves_connections_alone(broker: Amqpy, tmp_path: Path) -> None:
    before = trusting(broker)
    with connected(broker, before) as channel:
        channel.queue_declare("q")
        make_tls(tmp_path)
        os.kill(broker.pid, signal.SIGHUP)
        broker.program.wait_for_line("certificates were read anew", 30)
        with connected(broker, trusting(broker)) as other:
            other.basic_publish("", "q", b"by a new certificate")
        with pytest.raises(ssl.SSLCertVerificationError), connected(broker, before):
            pass
        assert get_body(channel, "q") == b"by a new certificate"
