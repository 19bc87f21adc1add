"""Users that are not the broker's: tokens and their scopes, a web service and its answers."""

from typing import Any

from interop.parity.back_ends import token
from interop.parity.scenario import Differs, scenario
from interop.parity.script import Channel, Stage

TOLD = {"authentication_failure_close": True}
EVERYTHING = ("configure:*/*", "write:*/*/*", "read:*/*/*")
BEFORE = "4"
"""Those of other releases run where they can see neither the key nor the web service."""


def refused(stage: Stage, user: str, password: str) -> None:
    """A login that must fail."""
    connection = stage.dial()
    connection.recording = False
    connection.send_bytes(connection.version.header)
    connection.wait("connection.start")
    connection.recording = True
    connection.send(
        "connection.start-ok",
        client_properties={"capabilities": TOLD},
        mechanism="PLAIN",
        response=f"\0{user}\0{password}",
        locale="en_US",
    )
    connection.wait("connection.close")


def working(stage: Stage, *scopes: str, **claims: Any) -> Channel:  # noqa: ANN401
    """A channel of a user who is a token."""
    return stage.channel(user="whoever", password=token(*(scopes or EVERYTHING), **claims))


# --- tokens


@scenario(before=BEFORE)
def a_token_is_a_user(stage: Stage) -> None:
    """It declares, publishes and gets what its scopes permit."""
    channel = working(stage)
    queue = channel.declare(exclusive=True)
    channel.bind(queue, "amq.topic", "a.#")
    channel.publish("", queue, b"1")
    channel.publish("amq.topic", "a.b", b"2", properties=b"")
    channel.get(queue, no_ack=True)


@scenario(
    each={
        "a list": {"aud": ["other", "rmq"]},
        "a text": {"aud": "rmq"},
        "a text with blanks": {"aud": "other rmq"},
        "scopes in a text": {"scope": "rmq.configure:*/* openid"},
        "without expiry": {"exp": None},
    },
    before=BEFORE,
)
def tokens_that_are_accepted(stage: Stage, claims: dict[str, Any]) -> None:
    """The audience and the scopes may be lists or texts."""
    working(stage, **claims).declare(exclusive=True)


@scenario(
    each={
        "another key": {"key": "theirs"},
        "an unknown key": {"key_id": "unknown"},
        "no key": {"key_id": None},
        "another audience": {"aud": "other"},
        "a longer audience": {"aud": "rmq2"},
        "expired": {"exp": 1_700_000_000},
    },
    before=BEFORE,
)
def tokens_that_are_refused(stage: Stage, claims: dict[str, Any]) -> None:
    """403, with the same words as for a wrong password."""
    refused(stage, "whoever", token(*EVERYTHING, **claims))


@scenario(
    each={
        "a word": "guest",
        "three words": "a.b.c",
        "unsigned": "eyJhbGciOiJub25lIiwia2lkIjoicGFyaXR5In0.eyJhdWQiOiJybXEiLCJleHAiOjk5OTk5OTk5OTl9.",
    },
    before=BEFORE,
)
def passwords_that_are_no_tokens(stage: Stage, password: str) -> None:
    """403, too."""
    refused(stage, "whoever", password)


@scenario(
    each=[
        "read:%2F/q",
        "read:/q",
        "read:*/q",
        "tag:administrator",
        "read:other/*",
        "read:*",
        "configure:*2F/x",
        "read:%2f*/q",
    ],
    before=BEFORE,
)
def entry(stage: Stage, scope: str) -> None:
    """Any permission scope about the virtual host lets in."""
    connection = stage.dial()
    connection.recording = False
    connection.send_bytes(connection.version.header)
    connection.wait("connection.start")
    connection.send(
        "connection.start-ok", client_properties={}, mechanism="PLAIN", response=f"\0\0{token(scope)}", locale="en_US"
    )
    connection.wait("connection.tune")
    connection.send("connection.tune-ok", channel_max=10, frame_max=131_072, heartbeat=0)
    connection.recording = True
    connection.send("connection.open", virtual_host="/")
    connection.wait("connection.open-ok", "connection.close")


@scenario(
    each=[
        "configure:*/p",
        "configure:*/p*",
        "configure:*/*p",
        "configure:*/*p*",
        "configure:*/p*y",
        "configure:*/p*t*y",
        "configure:*/p**y",
        "configure:*/parity%2Apa",
        "configure:*/parity*",
        "configure:*/*rity",
        "configure:*/*ty*ty",
        "configure:*/%70arity*",
        "configure:*/parity.parity%zz",
        "configure:*/parity+parity",
        "configure:%2F/parity.parity",
        "configure:%2F/PARITY.parity",
        "configure:*/parity.parity/x",
        "configure:*/parity.parity/x/y",
        "write:*/parity.parity read:*/*",
        "configure:*/{sub}.parity",
    ],
    before=BEFORE,
)
def patterns(stage: Stage, scope: str) -> None:
    """Wildcards and percent signs in the name of a queue."""
    channel = working(stage, *scope.split(), "read:*/x", sub="parity")
    channel.call("queue.declare", queue="parity.parity", exclusive=True)


@scenario(
    each={
        "two parts": ("write:*/*", "read:*/*"),
        "three parts": EVERYTHING,
        "this key": ("write:*/amq.topic/a.b", "write:*/*", "read:*/amq.topic/a.b", "read:*/*"),
        "other keys": ("write:*/amq.topic/c*", "write:*/*", "read:*/amq.topic/c*", "read:*/*"),
        "other exchanges": ("write:*/amq.fanout/*", "write:*/*", "read:*/x/*", "read:*/*"),
    },
    before=BEFORE,
)
def topics(stage: Stage, scopes: tuple[str, ...]) -> None:
    """Topic exchanges need the third part, for publishing and binding."""
    connection = stage.connect(user="x", password=token("configure:*/*", *scopes))
    queue = connection.channel(1).declare(exclusive=True)
    connection.channel(2).send("queue.bind", queue=queue, exchange="amq.topic", routing_key="a.b")
    connection.channels[2].wait("queue.bind-ok", "channel.close")
    connection.channel(3).send("exchange.bind", destination="amq.fanout", source="amq.topic", routing_key="a.b")
    connection.channels[3].wait("exchange.bind-ok", "channel.close")
    connection.channel(4).publish("amq.topic", "a.b", b"x")
    connection.channels[4].sync()


@scenario(before=BEFORE)
def a_new_secret(stage: Stage) -> None:
    """Its scopes count at once."""
    connection = stage.connect(user="x", password=token("configure:*/a*"))
    connection.channel(1).call("queue.declare", queue="b", exclusive=True)
    connection.call("connection.update-secret", new_secret=token("configure:*/b*"), reason="why not")
    connection.channel(2).call("queue.declare", queue="b", exclusive=True)
    connection.channel(3).call("queue.declare", queue="a", exclusive=True)


@scenario(each=["garbage", "an expired token"], before=BEFORE)
def a_new_secret_that_is_refused(stage: Stage, kind: str) -> None:
    """It ends the connection."""
    connection = stage.connect(user="x", password=token(*EVERYTHING))
    secret = "garbage" if kind == "garbage" else token(*EVERYTHING, exp=1_700_000_000)
    connection.call("connection.update-secret", new_secret=secret, reason="why not")


@scenario(before=BEFORE)
def a_new_secret_of_a_user_with_a_password(stage: Stage) -> None:
    """Nobody looks at it."""
    stage.connect().call("connection.update-secret", new_secret="whatever", reason="why not")


# --- a web service


@scenario(before=BEFORE)
def a_user_of_a_web_service(stage: Stage) -> None:
    """It declares, publishes and gets what the service permits."""
    channel = stage.channel(user="web", password="web")
    queue = channel.declare("parity-web", exclusive=True)
    channel.bind(queue, "amq.topic", "a.#")
    for number in range(20):
        channel.publish("", queue, b"%d" % number)
    channel.publish("amq.topic", "a.b", b"last")
    channel.drain(queue)


@scenario(each={"wrong": ("web", "wrong"), "unknown": ("nobody", "nobody")}, before=BEFORE)
def users_that_a_web_service_refuses(stage: Stage, credentials: tuple[str, str]) -> None:
    """403, with the same words as for a wrong password."""
    refused(stage, *credentials)


FAILED = ", backend rabbit_auth_backend_http returned an error: {500,"
BROKEN = "RabbitMQ breaks the error at column 80"


def on_one_line(close: str, text: str, ids: tuple[int, int]) -> Differs:
    """The close with an error of the web service in its text, which RabbitMQ breaks."""
    begins, whole = f"{close} reply_text=", f'{text}{FAILED}"oops"}}'
    # A broken one may be cut before the quotes in it, and is shown in other quotes then.
    lines = [repr(f"{text}{FAILED}\n{more}") for more in ("", '"')]
    cut = lines[0][:-1] if close.startswith("channel") else lines[1][:-2]
    return Differs(BROKEN, [f"{begins}{cut}…"], [f"{begins}{whole!r} class_id={ids[0]} method_id={ids[1]}"])


@scenario(
    each=["web-no", "web-oops"],
    differs={
        "web-oops": on_one_line(
            "connection.close reply_code=530",
            "NOT_ALLOWED - access to vhost '/' refused for user 'web-oops'",
            (10, 40),
        )
    },
    before=BEFORE,
)
def a_web_service_refuses_entry(stage: Stage, user: str) -> None:
    """530, and the error if it is one."""
    connection = stage.dial()
    connection.recording = False
    connection.send_bytes(connection.version.header)
    connection.wait("connection.start")
    connection.send(
        "connection.start-ok", client_properties={}, mechanism="PLAIN", response=f"\0{user}\0{user}", locale="en_US"
    )
    connection.wait("connection.tune")
    connection.send("connection.tune-ok", channel_max=10, frame_max=131_072, heartbeat=0)
    connection.recording = True
    connection.send("connection.open", virtual_host="/")
    connection.wait("connection.open-ok", "connection.close")


OPERATIONS = {
    "a declaration": ("queue.declare", {"queue": "q-{}"}, "queue 'q-{}'", (50, 10)),
    "a purge": ("queue.purge", {"queue": "q-{}"}, "queue 'q-{}'", (50, 30)),
    "an exchange": ("exchange.declare", {"exchange": "e-{}", "exchange_type": "direct"}, "exchange 'e-{}'", (40, 10)),
    "its deletion": ("exchange.delete", {"exchange": "e-{}"}, "exchange 'e-{}'", (40, 20)),
    "a binding": ("queue.bind", {"queue": "q", "exchange": "e-{}"}, "exchange 'e-{}'", (50, 20)),
    "a topic": (
        "exchange.bind",
        {"destination": "amq.direct", "source": "amq.topic", "routing_key": "{}"},
        "topic '{}' in exchange 'amq.topic'",
        (40, 30),
    ),
    "a get": ("basic.get", {"queue": "q-{}"}, "queue 'q-{}'", (60, 70)),
}
"""Operations, each with what it may not do, and its ids."""


@scenario(
    each={f"{name}, {word}": (name, word) for name in OPERATIONS for word in ("no", "oops")},
    differs={
        f"{name}, oops": on_one_line(
            "channel.close reply_code=403",
            f"ACCESS_REFUSED - access to {what.format('oops')} in vhost '/' refused for user 'web'",
            ids,
        )
        for name, (_, _, what, ids) in OPERATIONS.items()
    },
    before=BEFORE,
)
def a_web_service_refuses(stage: Stage, case: tuple[str, str]) -> None:
    """403, and the error if it is one: of a queue, an exchange, a routing key."""
    name, word = case
    method, fields, _, _ = OPERATIONS[name]
    filled = {field: value.format(word) for field, value in fields.items()}
    stage.channel(user="web", password="web").call(method, **filled)


@scenario(
    each={f"{word}, {exchange}": (word, exchange) for word in ("no", "oops") for exchange in ("amq.topic", "e")},
    differs={
        f"oops, {exchange}": on_one_line(
            "channel.close reply_code=403",
            f"ACCESS_REFUSED - access to {what} in vhost '/' refused for user 'web'",
            (60, 40),
        )
        for exchange, what in {"amq.topic": "topic 'oops' in exchange 'amq.topic'", "e": "exchange 'e-oops'"}.items()
    },
    before=BEFORE,
)
def a_web_service_refuses_a_message(stage: Stage, case: tuple[str, str]) -> None:
    """403: for its exchange, or its routing key. What comes behind it on the channel is ignored."""
    word, exchange = case
    channel = stage.channel(user="web", password="web")
    channel.publish(exchange if exchange == "amq.topic" else f"e-{word}", word, b"x")
    channel.publish("", "nowhere", b"x")
    channel.sync()
