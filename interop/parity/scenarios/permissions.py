"""What users may do: permissions on names, topic permissions on routing keys, and the regular expressions of both."""

from collections.abc import Mapping, Sequence

from interop.parity import codec
from interop.parity.scenario import scenario
from interop.parity.script import Channel, Stage

NAMES: Sequence[str | bytes] = (
    "a", "ab", "aab", "abc", "a.b", "A.B", "a1_-", "a b", "a\nb", "a\n", "aba", "aaa" * 30, "a\tb", "{a}",
    "[a]", "ab\\",
    "é", "É", b"\xe9\xc9\xb5", b"\xa0\x85\xff",
)  # fmt: skip

PATTERNS: Mapping[str, Sequence[str]] = {
    "plain": ["", ".*", "^$", "a", "^a", "b$", "^a$", "^a.b$", r"^a\.b$", "^(a|A).", "^(?:a|ab)$", "|", "a|", "()"],
    "repeated": [
        "^a+b$", "^a*$", "^a?b", "^a{2}b", "^a{1,2}b", "^a{1,}b", "^a{,2}b", "^a{x", "^(ab?)+$", "^(a|b)*?c$",
        "^(a*)*$",
        "a{0}b", "(a+)+$", "^(a?)*b$", "x*", "^a++a", "^a?+ab$",
    ],
    "groups": [
        "^(?!a)", "^(?!amq\\.).*", "^(?=.*b)a", "(?<=a)b", "(?<!a)b", "(?<=a|aa)b$", "^(?>a|ab)c$",
        "^(?<n>a)b", "^(?P<n>a)b",
        "^(?'n'a)b", "^a(?#x)b$", "(?i)^A", "^(?i:A)B", "(?i)é", "(?s)a.b", "(?m)^b$", "(?x)^ a b $", "(?-i)A",
        "^((a)b)+$",
        "(a(?i)b|c)c", "(?i-s)^A.B", "(?U)a+",
    ],
    "classes": [
        "^[ab]+$", "^[^a]", "[a-b]{3}", r"^[\d_-]", "[]]", "^[^]a]", "^[a-]", r"[\]]", "[[:alpha:]]{3}", "[[:^alpha:]]",
        "[[:punct:]]", "^[[:word:]]+$", "[[:blank:]]", "[[:cntrl:]]", "[[:space:]]", "[[:upper:]]", "[[:lower:]]",
        "[[:graph:]]{3}", "[[:print:]]{4}", "[é]", "^[é]{2}$", r"[\Q]\E]", r"[\x00-\x20]", r"[\n\t]",
        "[[:xdigit:]]{3}", "[.-a]",
    ],
    "escapes": [
        r"^\w+$", r"\W", r"\d", r"^\D+$", r"\s", r"^\S+$", r"\h", r"\H{4}", r"\v", r"^\V+$", r"^\N+$", r"\R",
        r"a\x62", r"a\142",
        r"\x{61}b", r"\Qa.b\E", r"\bb", r"a\Bb", r"\Aa\z", r"a\Z", r"a\z", r"^\.", r"\Ga", r"a\Kb", r"\{a\}",
        r"\cA", r"\e|\f|\a",
        r"^\C\C$", r"^.{4}$", r"\j", r"\_",
    ],
    "references": [
        r"^(a)b\1$", r"(a)\g1", r"(a)\g{-1}", r"(?P<n>a)(?P=n)", r"(?<n>a)\k<n>", r"(?i)(a)\1", r"(a)?\1b",
        r"\07",
    ],
}  # fmt: skip


def member(stage: Stage, label: str = "u", *, configure: str = ".*", write: str = ".*", read: str = ".*") -> str:
    user = stage.admin.add_user(label)
    stage.admin.set_permissions(user, "/", configure=configure, write=write, read=read)
    return user


def channel_of(stage: Stage, user: str) -> Channel:
    return stage.channel(user=user, password="hunter2")


def again(channel: Channel) -> Channel:
    return channel.reopen() if channel.closed else channel


@scenario(each=list(PATTERNS))
def patterns(stage: Stage, kind: str) -> None:
    """A queue that is not there may be deleted by whom the pattern allows."""
    user = member(stage)
    for pattern in PATTERNS[kind]:
        stage.admin.set_permissions(user, "/", configure=pattern)
        channel = channel_of(stage, user)
        for name in NAMES:
            channel = again(channel)
            reply = channel.call("queue.delete", queue=name)
            stage.note(f"{pattern!r} {name!r} {reply and reply.method}")
        channel.connection.close()


@scenario()
def a_pattern_that_explodes(stage: Stage) -> None:
    """It does not match, however long the name; the next one is answered."""
    user = member(stage, configure="^(a?){40}(a|a)*(a+)+$")
    channel = channel_of(stage, user)
    channel.call("queue.delete", queue="a" * 200 + "b")
    channel.reopen().call("queue.delete", queue="a")


@scenario()
def verbs(stage: Stage) -> None:
    """Each operation, by a user that lacks one permission after the other."""
    queue, exchange, other = stage.name(), stage.name("x"), stage.name("y")
    channel = stage.channel()
    channel.declare(queue)
    for name in (exchange, other):
        channel.exchange(name, "topic")
    for lacking in ("configure", "write", "read"):
        user = member(stage, lacking, **{lacking: ""})
        channel = channel_of(stage, user)
        for method, fields in (
            ("queue.declare", {"queue": stage.name("new"), "auto_delete": True}),
            ("queue.bind", {"queue": queue, "exchange": exchange}),
            ("queue.unbind", {"queue": queue, "exchange": exchange}),
            ("queue.purge", {"queue": queue}),
            ("exchange.declare", {"exchange": stage.name("new"), "exchange_type": "fanout", "auto_delete": True}),
            ("exchange.bind", {"destination": other, "source": exchange}),
            ("exchange.unbind", {"destination": other, "source": exchange}),
            ("exchange.delete", {"exchange": stage.name("no")}),
            ("basic.get", {"queue": queue}),
        ):
            channel = again(channel)
            channel.call(method, **fields)
        channel = again(channel)
        channel.publish(exchange, "k")
        channel.sync()


# --- topic permissions


def topics(stage: Stage, *, write: str, read: str) -> tuple[str, str, str]:
    """A user with these topic permissions, a topic exchange that they are for, and a queue."""
    user, exchange, queue = member(stage), stage.name("t"), stage.name()
    channel = stage.channel()
    channel.exchange(exchange, "topic")
    channel.declare(queue)
    stage.admin.set_topic_permissions(user, "/", exchange=exchange, write=write, read=read)
    return user, exchange, queue


@scenario()
def topic_bindings(stage: Stage) -> None:
    """To bind and to unbind is to read, by the key and at the source; what is bound stays bound."""
    user, exchange, queue = topics(stage, write="", read=r"^a\.")
    channel = channel_of(stage, user)
    for key in ("a.b", "b.a", "#", ""):
        for method in ("queue.bind", "queue.unbind"):
            channel = again(channel)
            channel.call(method, queue=queue, exchange=exchange, routing_key=key)
        for method in ("exchange.bind", "exchange.unbind"):
            for source, destination in ((exchange, "amq.fanout"), ("amq.fanout", exchange)):
                channel = again(channel)
                channel.call(method, source=source, destination=destination, routing_key=key)


@scenario(
    each={"empty": "", "prefix": r"^a\.", "user": r"^{username}\.", "vhost": "^{vhost}", "client": "^{client_id}$"}
)
def topic_publishing(stage: Stage, write: str) -> None:
    """To publish is to write, with the routing key; the default exchange and other types do not care."""
    user, exchange, queue = topics(stage, write=write, read=".*")
    stage.channel().bind(queue, exchange, "#")
    channel = channel_of(stage, user)
    for key in ("a.b", "", f"{user}.b", "uxb", "/", "{client_id}"):
        for where in (exchange, "amq.topic", "amq.direct", ""):
            channel = again(channel)
            channel.publish(where, key, b"m")
            channel.sync()


@scenario(each=["CC", "BCC"])
def topic_copies(stage: Stage, header: str) -> None:
    """More routing keys are judged from 4.0 on."""
    user, exchange, _ = topics(stage, write="^a", read="")
    channel = channel_of(stage, user)
    for keys in (["a", "ab"], ["a", "b"], ["c", "b"]):
        channel = again(channel)
        channel.publish(exchange, "a", b"m", properties=codec.properties(headers={header: keys}))
        channel.sync()


@scenario(before="4.0")
def topic_copies_and_other_faults(stage: Stage) -> None:
    """Which of several faults of a message is told."""
    user, exchange, _ = topics(stage, write="^a", read="")
    channel = channel_of(stage, user)
    for faulty in ({"user_id": "somebody"}, {"expiration": "x"}, {"delivery_mode": 5}):
        for key in ("a", "b"):
            channel = again(channel)
            channel.publish(exchange, key, b"m", properties=codec.properties(headers={"CC": ["b"]}, **faulty))
            channel.sync()


@scenario()
def topic_in_a_transaction(stage: Stage) -> None:
    """It is judged when it is published."""
    user, exchange, _ = topics(stage, write="^a", read="")
    channel = channel_of(stage, user)
    channel.call("tx.select")
    channel.publish(exchange, "a", b"m")
    channel.publish(exchange, "b", b"m")
    channel.sync()


@scenario()
def topic_order(stage: Stage) -> None:
    """The permission on the exchange and its existence come first; internal ones are refused first, too."""
    user, exchange, queue = topics(stage, write="", read="")
    internal = stage.name("i")
    stage.channel().exchange(internal, "topic", internal=True)
    admin = stage.admin
    for name in (internal, stage.name("no")):
        admin.set_topic_permissions(user, "/", exchange=name, write="", read="")
    channel = channel_of(stage, user)
    for name in (internal, stage.name("no")):
        channel = again(channel)
        channel.publish(name, "k")
        channel.sync()
        channel = again(channel)
        channel.call("queue.bind", queue=queue, exchange=name, routing_key="k")
        channel = again(channel)
        channel.call("queue.bind", queue=stage.name("noq"), exchange=name, routing_key="k")
    channel = again(channel)
    channel.call("queue.bind", queue=stage.name("noq"), exchange=exchange, routing_key="k")
    channel = again(channel)
    channel.call("queue.unbind", queue=stage.name("noq"), exchange=exchange, routing_key="k")
    admin.set_permissions(user, "/", write="^$", read="^$")
    channel = channel_of(stage, user)
    channel.publish(exchange, "k")
    channel.sync()


@scenario()
def topic_permissions_come_and_go(stage: Stage) -> None:
    """They are for one user, virtual host and exchange, which need not exist, and end with the user."""
    user, exchange, _ = topics(stage, write="^a", read="")
    admin = stage.admin

    def look() -> None:
        channel = channel_of(stage, user)
        channel.publish(exchange, "b")
        channel.sync()
        channel.connection.close()

    look()
    admin.set_topic_permissions(user, "/", exchange=exchange, write="b", read="")
    look()
    admin.set_topic_permissions(user, "/", exchange=exchange, write="c", read="")
    admin.set_topic_permissions(user, "/", exchange="other", write="^$", read="^$")
    admin.clear_topic_permissions(user, "/", exchange="other")
    look()
    admin.clear_topic_permissions(user, "/")
    look()
    admin.set_topic_permissions(user, "/", exchange=exchange, write="c", read="")
    admin.delete_user(user)
    admin.add_user()
    admin.set_permissions(user, "/")
    look()
