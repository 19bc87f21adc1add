"""The broker that aiormq's tests take from a container: here it is running already."""

import os
from types import SimpleNamespace

import pytest
from yarl import URL


@pytest.fixture(scope="session")
def amqp_direct_url():
    return URL(os.environ["AMQP_URL"])


@pytest.fixture(scope="session")
def rabbitmq_container(amqp_direct_url):
    tls_port = int(os.environ.get("AMQPS_PORT", "5671"))
    return SimpleNamespace(ports={"5672/tcp": amqp_direct_url.port, "5671/tcp": tls_port})
