"""Celery in TLS: a worker, its caller and results, each with a connection of its own."""

import ssl

from checks import AMQPS_URL, AUTHORITY, CERTIFICATE, TLS_SIZES, check, main
from kombu.exceptions import OperationalError
from tasks import add, digest
from workers import DEADLINE_S, application, raises, worker

TRUSTING = {"ca_certs": AUTHORITY, "cert_reqs": ssl.CERT_REQUIRED, "server_hostname": "localhost"}


@check("TLS: bodies of several sizes")
def bodies():
    with application("tls", broker_url=AMQPS_URL, broker_use_ssl=TRUSTING) as app, worker(app):
        for text in ["x" * size for size in TLS_SIZES]:
            assert tuple(digest.delay(text).get(timeout=DEADLINE_S)) == digest(text)


@check("TLS: an unknown authority is refused")
def unknown_authority():
    """That is for ever, but for Celery it is a connection that is lost, to be tried again as often as it is told to."""
    nobody = {**TRUSTING, "ca_certs": None}
    with application("nobody", broker_url=AMQPS_URL, broker_use_ssl=TRUSTING) as app:
        with app.connection_for_write(ssl=nobody) as connection:
            error = raises(OperationalError, add.apply_async, (1, 2), connection=connection, retry=False)
        assert "certificate verify failed" in str(error), error


@check("TLS: login by certificate")
def external():
    settings = {
        "broker_url": AMQPS_URL,
        "broker_login_method": "EXTERNAL",
        "broker_use_ssl": {**TRUSTING, "certfile": CERTIFICATE},
    }
    with application("external", **settings) as app, worker(app):
        assert add.delay(1, 2).get(timeout=DEADLINE_S) == 3


main()
