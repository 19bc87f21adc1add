"""Where amqpy does not answer as RabbitMQ in whatever scenario, and why. What is about one scenario alone stands there.

What follows from such a difference is another one: a list has something in it on one side only.
"""

from collections.abc import Iterator, Sequence

from interop.parity_http.scenario import Differs

GOES_ON = ("20*", "401 *", '404 {"error": "not_found", *')
"""The answers of a broker that has not looked at a value."""

TOO_DEEP = ("too deep*", "a value may not be nested more than*")
LISTS = "RabbitMQ takes a list for arguments, and keeps what is none: a client could not be told"


def too_deep(reason: str) -> Iterator[Differs]:
    """Values that amqpy refuses for this reason."""
    why = "amqpy reads values by recursion, and so has a limit to how deep they may be nested"
    yield Differs(why, "*", "status", "20*", f'400 {{"error": "bad_request", "reason": "{reason}')
    yield Differs(why, "*", "body.reason", "*", f'"{reason}')


def refused(why: str, term: str) -> Iterator[Differs]:
    """Values that amqpy refuses with this term, and RabbitMQ does not."""
    got = f'400 {{"error": "bad_request", "reason": ["{term}", *'
    return (Differs(why, "*", "status", expected, got) for expected in GOES_ON)


def too_long(what: str) -> Iterator[Differs]:
    """Texts that amqpy refuses because a client of AMQP could not be told them."""
    got = f'400 {{"error": "bad_request", "reason": "{what}'
    return (Differs("it does not fit into a method or a table of AMQP", "*", "status", each, got) for each in GOES_ON)


KNOWN: Sequence[Differs] = (
    *refused("RabbitMQ keeps values of any type where a text should be, and others stumble over them", "not_string"),
    *(differs for reason in TOO_DEEP for differs in too_deep(reason)),
    Differs(LISTS, '* {"arguments": [*', "status", "20*", '400 {"error": "bad_request", "reason": "not_json"}'),
    Differs(LISTS, 'POST /bindings/* {"arguments": [*', "header.location"),
    *refused("no integer of AMQP is that large: RabbitMQ keeps it, and cuts it when a client is told", "not_int64"),
    *too_long("* should be less than 255 bytes, actually was *"),
    *too_long("a key has more than 255 bytes*"),
    Differs(
        "RabbitMQ calls an exchange type invalid, not unknown, if the word was ever said to it, as a key in a body",
        "*",
        "body.reason*",
        "*invalid exchange type '*",
        "*unknown exchange type '*",
    ),
    Differs("its other metadata store is not here", "*GET /feature-flags*", "body*", since="4.0", before="4.1"),
    Differs(
        "RabbitMQ 4.0 cannot show virtual hosts in pages",
        "*GET /vhosts?*page=*",
        "status",
        "*as RabbitMQ crashes",
        "200 *",
        since="4.0",
        before="4.1",
    ),
    Differs(
        "RabbitMQ 4.0 cannot show names that are no UTF-8",
        "*",
        "status",
        "*as RabbitMQ crashes",
        "200 *�*",
        since="4.0",
        before="4.1",
    ),
    Differs(
        "RabbitMQ cannot print the name of a protocol that is beyond ASCII",
        "*GET /health/checks/protocol-listener/%*",
        "status",
        "*as RabbitMQ crashes",
        "503 *",
        since="4.0",
    ),
    Differs(
        "RabbitMQ shows where in its sources a value of a type that it does not know was noticed",
        "POST /definitions*",
        "body.reason",
        '"{function_clause,*',
        '"function_clause"',
    ),
)
