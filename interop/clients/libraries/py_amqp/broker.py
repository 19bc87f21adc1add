"""What the programs of this folder share."""

from urllib.parse import unquote, urlsplit

import amqp
from checks import URL

TIMEOUT_S = 30


def connect(**options):
    """A connection, open as soon as it is entered."""
    url = urlsplit(URL)
    options = {"userid": url.username, "password": url.password, "virtual_host": unquote(url.path[1:]), **options}
    return amqp.Connection(f"{url.hostname}:{url.port}", **options)


def drain(connection, arrived, count):
    """Let events in until so many things have arrived."""
    while len(arrived) < count:
        connection.drain_events(timeout=TIMEOUT_S)


def texts(messages):
    return [message.body for message in messages]
