"""The addresses for HTTP, and what their TLS is like."""

from typing import Any

import pytest

from amqpy.config import Config
from amqpy.config.values import HttpsAddress, TcpAddress

PLAIN = TcpAddress("127.0.0.1", 15672)
SECURE = HttpsAddress("127.0.0.1", 15671)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [PLAIN]),
        ({"port": 1}, [PLAIN._replace(port=1)]),
        ({"host": "::1"}, [PLAIN._replace(host="::1")]),
        # As in RabbitMQ, TLS takes the place of what is there by default.
        ({"tls_port": 2}, [SECURE._replace(port=2)]),
        ({"tls_port": 0}, [SECURE._replace(port=0)]),
        ({"tls_cert": ("c.pem",)}, [SECURE]),
        ({"tls_host": "::1"}, [PLAIN]),
        ({"tls_host": "::1", "tls_port": 2}, [HttpsAddress("::1", 2)]),
        ({"port": 1, "tls_port": 2}, [PLAIN._replace(port=1), SECURE._replace(port=2)]),
        ({"host": "::1", "tls_cert": ("c.pem",)}, [TcpAddress("::1", 15672), HttpsAddress("::1", 15671)]),
        ({"listen": ("[::]:1", "https://0.0.0.0:2")}, [TcpAddress("::", 1), HttpsAddress("0.0.0.0", 2)]),
        ({"listen": ("127.0.0.1:1",), "port": 3, "tls_port": 2}, [PLAIN._replace(port=1)]),
    ],
)
def test_addresses(settings: dict[str, Any], expected: list[TcpAddress]) -> None:
    found = Config(**{f"management_{name}": value for name, value in settings.items()}).management_addresses
    assert found == tuple(expected)
    assert list(map(type, found)) == list(map(type, expected))
    metrics = Config(**{f"prometheus_{name}": value for name, value in settings.items()}).prometheus_addresses
    usual = {15672: 15692, 15671: 15691}
    assert metrics == tuple(each._replace(port=usual.get(each.port, each.port)) for each in found)
    assert list(map(type, metrics)) == list(map(type, expected))


@pytest.mark.parametrize("plugin", ["management", "prometheus"])
def test_tls_is_that_for_amqp_unless_it_has_settings(plugin: str) -> None:
    broker: dict[str, Any] = {"tls_cert": ("b.pem",), "tls_verify": "verify_peer", "tls_ca": "a.pem"}
    assert getattr(Config(**broker), f"{plugin}_tls") == Config(**broker).tls
    own = getattr(Config(**{**broker, f"{plugin}_tls_cert": ("w.pem",)}), f"{plugin}_tls")
    assert (own.name, own.cert, own.verify, own.ca) == (f"{plugin}_tls", ("w.pem",), "verify_none", None)
    # Nothing that restricts is lost where the certificate was forgotten: there is no start.
    forgotten = getattr(Config(**{**broker, f"{plugin}_tls_versions": ("tlsv1.3",)}), f"{plugin}_tls")
    assert (forgotten.name, forgotten.cert) == (f"{plugin}_tls", ())


def test_the_usual_port_may_be_chosen_beside_tls() -> None:
    addresses = Config(management_port=15672, management_tls_port=2).management_addresses
    assert addresses == (PLAIN, SECURE._replace(port=2))


def test_a_password_is_not_shown() -> None:
    assert "fish" not in repr(Config(management_tls_key_password="fish").management_tls)


OF_TLS: list[tuple[str, str, Any]] = [
    ("port = 15671", "port", 15671),
    ("ip = ::1", "host", "::1"),
    ("certfile = /c.pem", "cert", ("/c.pem",)),
    ("keyfile = /k.pem", "key", ("/k.pem",)),
    ("cacertfile = /a.pem", "ca", "/a.pem"),
    ("password = fish", "key_password", "fish"),
    ("verify = verify_peer", "verify", "verify_peer"),
    ("fail_if_no_peer_cert = true", "fail_if_no_peer_cert", True),
    ("versions.1 = tlsv1.3", "versions", ("tlsv1.3",)),
    ("ciphers.1 = ECDHE-ECDSA-AES128-GCM-SHA256", "ciphers", "ECDHE-ECDSA-AES128-GCM-SHA256"),
]
WEB_TLS = [
    (f"{plugin}.ssl.{line}", f"{plugin}_tls_{name}", value)
    for plugin in ("management", "prometheus")
    for line, name, value in OF_TLS
]
"""Lines of rabbitmq.conf, and the settings that they make."""
