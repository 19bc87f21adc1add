"""Kombu in TLS."""

import os
import ssl

from amqp.exceptions import AccessRefused
from checks import AMQPS_URL, AUTHORITY, CERTIFICATE, TLS_SIZES, check, main, name_of
from kombu import Connection, Producer, Queue

BODIES = [os.urandom(size) for size in TLS_SIZES]
TRUSTING = {"ca_certs": AUTHORITY, "cert_reqs": ssl.CERT_REQUIRED, "server_hostname": "localhost"}
WITH_CERTIFICATE = {**TRUSTING, "certfile": CERTIFICATE}
CONFIRMED = {"confirm_publish": True}


@check("TLS: bodies of several sizes")
def bodies():
    with Connection(AMQPS_URL, ssl=TRUSTING, transport_options=CONFIRMED) as connection:
        queue = Queue(name_of("tls"), durable=False, exclusive=True)(connection.default_channel)
        queue.declare()
        producer = Producer(connection)
        for body in BODIES:
            producer.publish(body, routing_key=queue.name)
        received = [queue.get(no_ack=True).body for _ in BODIES]
        assert received == ["", *BODIES[1:]]  # py-amqp does not join what has no parts


@check("TLS: an unknown authority is refused")
def unknown_authority():
    refused(ssl.SSLCertVerificationError, ssl={**TRUSTING, "ca_certs": None})


@check("TLS: login by certificate")
def external():
    error = refused(AccessRefused, ssl=TRUSTING, login_method="EXTERNAL")
    assert "mechanism EXTERNAL" in str(error), error
    with Connection(AMQPS_URL, ssl=WITH_CERTIFICATE, login_method="EXTERNAL") as connection:
        queue = Queue(name_of("external"), durable=False, exclusive=True)(connection.default_channel)
        queue.declare()
        Producer(connection).publish("", routing_key=queue.name, user_id=connection.userid)
        assert queue.get(no_ack=True).properties["user_id"] == connection.userid


def refused(expected, **options):
    """With what it was."""
    with Connection(AMQPS_URL, **options) as connection:
        try:
            connection.connect()
        except expected as error:
            return error
    raise AssertionError("it came in")


main()
