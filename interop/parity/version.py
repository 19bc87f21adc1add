"""Which version a broker says it is, and which of amqpy's profiles fits it."""

from dataclasses import replace

from amqpy.profile import PROFILES
from interop.parity.connection import Broker, Connection
from interop.parity.rewriting import written_anew


def version_of(broker: Broker) -> str:
    """The version in the properties that a broker greets its clients with; empty if there is none."""
    connection = Connection(broker)
    connection.recording = False
    try:
        connection.send_bytes(connection.version.header)
        (start,) = connection.wait("connection.start")
    finally:
        connection.drop()
    told = start["server_properties"].get("version", "") if start else ""
    return told.removeprefix("S'").removesuffix("'")


def comparable(subject: Broker, version: str) -> Broker:
    """amqpy, as what it shows is to be compared with RabbitMQ `version`."""
    return replace(subject, view=written_anew) if release(version) >= (3, 13) else subject


def profile_for(version: str) -> str:
    """The profile of the newest RabbitMQ that is not newer than `version`, such as `4.0.5`, or of the oldest."""
    return max(PROFILES, key=lambda name: rank(PROFILES[name].version, version))


def rank(version: str, wanted: str) -> tuple[bool, tuple[int, ...]]:
    """What is too new comes last, the newest of it at the end; what is not comes first, the newest at the front."""
    number = release(version)
    return (True, number) if number <= release(wanted) else (False, tuple(-part for part in number))


def release(version: str) -> tuple[int, ...]:
    """The first two numbers, as later ones only mend."""
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
