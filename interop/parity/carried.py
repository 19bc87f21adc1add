"""What RabbitMQ 4.3 carries over from one queue to the next: that a message was delivered.

A dead letter that was delivered before it died is redelivered there to whoever gets it first, although its new queue
never delivered it. To amqpy it is a new message. Nothing else may differ in such a line, and no other message may.
"""

from collections.abc import Sequence

from interop.parity.scenario import Transcript, within

SINCE = "4.3"
OLD, NEW = "redelivered=True", "redelivered=False"


def without_earlier_deliveries(reference: Transcript, subject: Transcript, version: str) -> Transcript:
    """The transcript of RabbitMQ as amqpy must have it."""
    if not within(version, SINCE, ""):
        return reference
    return {where: as_new(lines, subject.get(where, ())) for where, lines in reference.items()}


def as_new(lines: Sequence[str], shown: Sequence[str]) -> list[str]:
    """Dead letters are new where they are new in `shown`."""
    result = list(lines)
    for number, (line, other) in enumerate(zip(lines[:-1], shown, strict=False)):
        if OLD in line and other == line.replace(OLD, NEW) and is_dead_letter(lines[number + 1]):
            result[number] = other
    return result


def is_dead_letter(line: str) -> bool:
    return "header class=60" in line and r"\x07x-deathA" in line
