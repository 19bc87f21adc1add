"""pika in TLS."""

import os
import ssl

import pika
from checks import AMQPS_URL, AUTHORITY, CERTIFICATE, TLS_SIZES, check, main, name_of
from pika.exceptions import ProbableAuthenticationError

BODIES = [os.urandom(size) for size in TLS_SIZES]


def connect(context, credentials=None):
    parameters = pika.URLParameters(AMQPS_URL)
    parameters.ssl_options = pika.SSLOptions(context, parameters.host)
    if credentials is not None:
        parameters.credentials = credentials
    return pika.BlockingConnection(parameters)


@check("TLS: bodies of several sizes")
def bodies():
    with connect(ssl.create_default_context(cafile=AUTHORITY)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        queue = channel.queue_declare(name_of("tls"), exclusive=True).method.queue
        for body in BODIES:
            channel.basic_publish("", queue, body)
        assert [channel.basic_get(queue, auto_ack=True)[2] for _ in BODIES[:2]] == BODIES[:2]
        received = [body for _, (_, _, body) in zip(BODIES[2:], channel.consume(queue, auto_ack=True), strict=False)]
        assert received == BODIES[2:]


@check("TLS: an unknown authority is refused")
def unknown_authority():
    try:
        connect(ssl.create_default_context())
    except ssl.SSLCertVerificationError:
        return
    raise AssertionError("it trusts anybody")


@check("TLS: login by certificate")
def external():
    context = ssl.create_default_context(cafile=AUTHORITY)
    try:
        connect(context, pika.credentials.ExternalCredentials())
    except ProbableAuthenticationError as error:
        assert "mechanism EXTERNAL" in str(error), error
    else:
        raise AssertionError("it came in without a certificate")
    context.load_cert_chain(CERTIFICATE)
    with connect(context, pika.credentials.ExternalCredentials()) as connection:
        channel = connection.channel()
        queue = channel.queue_declare("", exclusive=True).method.queue
        user = pika.URLParameters(AMQPS_URL).credentials.username
        channel.basic_publish("", queue, b"", pika.BasicProperties(user_id=user))
        assert channel.basic_get(queue, auto_ack=True)[1].user_id == user


main()
