"""The warnings about a broker that strangers can reach."""

import logging
from typing import Any

import pytest

from amqpy.config import Config, exposure

WITHOUT_TLS = "no TLS: who is on the way can read passwords and messages"
KNOWN = "guest may log in from other machines with the password that everybody knows"


def warnings(**settings: object) -> list[str]:
    config = Config(**settings)  # type: ignore[arg-type]
    notes = list(exposure.notes(config, config.addresses))
    assert all(note.level == logging.WARNING for note in notes)
    return [note.text for note in notes]


@pytest.mark.parametrize(
    "listen",
    [
        (),
        ("127.0.0.1:1",),
        ("127.8.8.8:1", "[::1]:1"),
        ("localhost:1",),
        ("unix:/run/amqp.sock",),
    ],
)
def test_nobody_else_can_reach_it(listen: tuple[str, ...]) -> None:
    assert warnings(listen=listen, loopback_users=()) == []


@pytest.mark.parametrize("address", ["0.0.0.0:1", "[::]:1", "192.0.2.1:1", "broker.example:1", "[fe80::1%eth0]:1"])
def test_others_can_reach_it(address: str) -> None:
    assert warnings(listen=("127.0.0.1:1", address)) == [f"{address} has {WITHOUT_TLS}"]


@pytest.mark.parametrize("address", ["http://0.0.0.0:1", "https://0.0.0.0:1"])
def test_the_management_api_is_looked_at_too(address: str) -> None:
    config = Config(management_listen=(address,))
    expected = [] if address.startswith("https") else [f"0.0.0.0:1 has {WITHOUT_TLS}"]
    assert [note.text for note in exposure.notes(config, config.management_addresses)] == expected


def test_tls_is_no_worry() -> None:
    listen = ("amqps://0.0.0.0:1", "amqps://[::]:1")
    assert warnings(listen=listen, tls_cert=("cert.pem",)) == []
    assert warnings(listen=listen, tls_cert=("cert.pem",), loopback_users=()) == [KNOWN]


def test_everybody_knows_the_password_of_guest() -> None:
    everywhere = {"host": "0.0.0.0", "port": 1}
    assert warnings(**everywhere, loopback_users=()) == [KNOWN, f"0.0.0.0:1 has {WITHOUT_TLS}"]
    assert KNOWN not in warnings(**everywhere, loopback_users=(), default_pass="s3cret")
    assert KNOWN not in warnings(**everywhere, loopback_users=(), default_user="app")
    assert KNOWN not in warnings(**everywhere)


METRICS = "shows metrics to everybody who can reach it"
ASKING = {"prometheus_tls_verify": "verify_peer", "prometheus_tls_fail_if_no_peer_cert": True}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, []),
        ({"prometheus_host": "::1"}, []),
        ({"prometheus_host": "0.0.0.0"}, [f"0.0.0.0:15692 {METRICS}"]),
        ({"prometheus_listen": ("[::]:1", "127.0.0.1:1")}, [f"[::]:1 {METRICS}"]),
        ({"prometheus_listen": ("https://[::]:1",)}, [f"https://[::]:1 {METRICS}"]),
        ({"prometheus_listen": ("https://[::]:1",), **ASKING}, []),
        ({"prometheus_listen": ("[::]:1",), **ASKING}, [f"[::]:1 {METRICS}"]),
    ],
)
def test_metrics_need_no_login(settings: dict[str, Any], expected: list[str]) -> None:
    config = Config(loopback_users=(), **settings)
    assert [note.text for note in exposure.notes(config, config.addresses, config.prometheus_addresses)] == expected
