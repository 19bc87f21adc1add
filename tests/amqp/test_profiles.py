"""The switches that act in the conversation with a client, each in every profile."""

from pathlib import Path
from typing import Any

import pytest
from pamqp.commands import Basic, Channel, Connection, Exchange, Queue, Tx

from amqpy.amqp.state import State
from amqpy.auth.token_backend import rules_of
from amqpy.config import Config
from amqpy.profile import PROFILES, documented
from tests.amqp.client import HEADER, Client, Received, make_broker, make_users, names, publish_frames, start_ok
from tests.profiles import switch


def opened(profile: str) -> Client:
    return Client.opened(make_broker(Config(cluster_name="rabbit@test", profile=profile)))


def started(profile: str, *, from_loopback: bool = True, **settings: Any) -> tuple[Client, Received]:  # noqa: ANN401
    """A client that has read connection.start."""
    config = Config(cluster_name="rabbit@test", profile=profile, **settings)
    client = Client(make_broker(config), from_loopback=from_loopback)
    (start,) = client.feed(HEADER)
    return client, start


def test_every_switch_is_tested() -> None:
    folder = Path(__file__).parents[1]
    pages = [path for name in ("core", "amqp", "management") for path in (folder / name).glob("test_*profiles*.py")]
    text = "".join(path.read_text("utf-8") for path in pages)
    assert not [name for name in documented() if f'switch("{name}"' not in text.replace("switch(\n    ", "switch(")]


# --- the handshake


@switch("version", "3.10.8", "3.13.7", "4.0.5", "4.3.6")
def test_the_version(profile: str, expected: str) -> None:
    assert started(profile)[1].method.server_properties["version"] == expected
    assert started(profile, version="1.2.3")[1].method.server_properties["version"] == "1.2.3"


@switch("mechanisms", "PLAIN AMQPLAIN", "PLAIN AMQPLAIN", "ANONYMOUS AMQPLAIN PLAIN", "AMQPLAIN PLAIN ANONYMOUS")
def test_the_mechanisms(profile: str, expected: str) -> None:
    client, start = started(profile)
    assert start.method.mechanisms == expected
    tune = client.send(start_ok("whoever", "ANONYMOUS"), channel=0)
    assert names(tune) == (["Connection.Tune"] if "ANONYMOUS" in expected else [])
    assert client.session.user_name == ("guest" if "ANONYMOUS" in expected else "")
    client, start = started(profile, auth_mechanisms=("ANONYMOUS",))
    assert start.method.mechanisms == "ANONYMOUS"
    assert names(client.send(start_ok("", "ANONYMOUS"), channel=0)) == ["Connection.Tune"]


def test_the_anonymous_are_the_default_user() -> None:
    client, _ = started("rabbitmq-4", default_user="app", default_pass="hunter2", from_loopback=False)
    client.send(start_ok("", "ANONYMOUS"), channel=0)
    assert (client.session.user_name, client.session.state) == ("app", State.TUNING)


def test_the_anonymous_may_be_for_loopback_only() -> None:
    client, _ = started("rabbitmq-4", from_loopback=False)
    (close,) = client.send(start_ok("", "ANONYMOUS", authentication_failure_close=True), channel=0)
    assert close.method.reply_text == (
        "ACCESS_REFUSED - Login was refused using authentication mechanism ANONYMOUS. "
        "For details see the broker logfile."
    )


def test_nobody_is_anonymous_where_the_default_user_has_another_password() -> None:
    broker = make_broker(Config(cluster_name="rabbit@test", profile="rabbitmq-4"))
    users = make_users(broker)
    users.change_password("guest", "new")
    client = Client(broker, users=users)
    client.feed(HEADER)
    assert client.send(start_ok("", "ANONYMOUS"), channel=0) == []
    assert client.session.is_closed


AMQP_1 = b"AMQP\x03\x01\x00\x00"


@switch("offers_amqp_1", HEADER, HEADER, AMQP_1, AMQP_1)
def test_the_answer_to_other_protocols(profile: str, expected: bytes) -> None:
    for header in (b"AMQP\x00\x01\x00\x00", b"AMQP\x01\x01\x00\x08", b"GET / HT", b"\x16\x03\x01\x00\xa5\x01\x00\x00"):
        client = Client(make_broker(Config(profile=profile)))
        client.session.receive(header, 0)
        assert client.take_output() == expected
        assert client.session.is_closed
    for header in (b"AMQP\x00\x00\x09\x02", b"AMQP\x00\x00\x0a\x00", AMQP_1):
        client = Client(make_broker(Config(profile=profile)))
        client.session.receive(header, 0)
        assert client.take_output() == HEADER


@switch("serves_amqp_0_8", True, True, False, False)
def test_the_answer_to_0_8(profile: str, expected: bool) -> None:
    for header in (b"AMQP\x01\x01\x08\x00", b"AMQP\x01\x01\x09\x01"):
        client = Client(make_broker(Config(profile=profile)))
        client.session.receive(header, 0)
        start_of_start = b"\x00\x0a\x00\x0a\x08\x00"
        output = client.take_output()
        assert output[7:13] == start_of_start if expected else output == AMQP_1
        assert client.session.is_closed is not expected


@switch("frame_max_floor", 4096, 4096, 4096, 8192)
def test_the_least_frame_max(profile: str, expected: int) -> None:
    client, _ = started(profile)
    client.send(start_ok(), channel=0)
    (close,) = client.send(Connection.TuneOk(1, expected - 1, 0), Connection.Open("/"), channel=0)
    assert close.method.reply_text == (
        f"NOT_ALLOWED - negotiated frame_max = {expected - 1} is lower than the minimum allowed value ({expected})"
    )
    client, _ = started(profile)
    client.send(start_ok(), channel=0)
    assert names(client.send(Connection.TuneOk(1, expected, 0), Connection.Open("/"), channel=0)) == [
        "Connection.OpenOk"
    ]


@pytest.mark.parametrize("profile", PROFILES)
def test_a_small_frame_max_of_ours_shuts_nobody_out(profile: str) -> None:
    client, _ = started(profile, frame_max=4096)
    client.send(start_ok(), channel=0)
    assert names(client.send(Connection.TuneOk(1, 4096, 0), Connection.Open("/"), channel=0)) == ["Connection.OpenOk"]


# --- on a channel


@switch("max_message_size", 134_217_728, 134_217_728, 16_777_216, 16_777_216)
def test_the_largest_message(profile: str, expected: int) -> None:
    client = opened(profile)
    assert client.broker.max_message_size == expected
    assert started(profile, max_message_size=0)[0].broker.max_message_size == 0
    client.send(Queue.Declare(queue="q", durable=True))
    size = 16_777_217
    received = client.feed(publish_frames("q", bytes(size)))
    if size <= expected:
        assert received == []
        return
    (close,) = received
    assert (close.method.reply_code, close.method.reply_text) == (
        406,
        f"PRECONDITION_FAILED - message size {size} is larger than configured max size {expected}",
    )


@switch("global_qos", 2, 2, 2, 4)
def test_a_prefetch_for_the_channel(profile: str, expected: int) -> None:
    assert delivered_with_a_prefetch_for_the_channel(opened(profile)) == expected


def delivered_with_a_prefetch_for_the_channel(client: Client) -> int:
    """How many of six messages two consumers get, if the channel may have two."""
    client.send(Queue.Declare(queue="q", durable=True))
    for _ in range(6):
        client.publish("q")
    assert names(client.send(Basic.Qos(0, 2, True))) == ["Basic.QosOk"]
    received = client.send(Basic.Consume(queue="q", consumer_tag="1"), Basic.Consume(queue="q", consumer_tag="2"))
    return names(received).count("Basic.Deliver")


@switch("any_delivery_mode", ["Channel.Close"], [], [], [])
def test_a_delivery_mode_that_does_not_exist(profile: str, expected: list[str]) -> None:
    client = opened(profile)
    frames = bytearray(publish_frames("nowhere", b"m", delivery_mode=1))
    frames[frames.rindex(b"\x10\x00\x01") + 2] = 3
    assert names(client.feed(bytes(frames))) == expected


@switch("checks_user_id_last", "user_id", "user_id", "expiration", "expiration")
def test_a_message_with_several_faults(profile: str, expected: str) -> None:
    client = opened(profile)
    (close,) = client.publish("q", user_id="nobody", expiration="soon")
    assert expected in close.method.reply_text
    client = opened(profile)
    (close,) = client.publish("q", user_id="nobody", expiration="5")
    assert "user_id" in close.method.reply_text


@switch("deleted_fails_commit", "Tx.CommitOk", "Channel.Close", "Channel.Close", "Channel.Close")
def test_a_commit_for_a_queue_that_is_gone(profile: str, expected: str) -> None:
    client = opened(profile)
    client.send(Tx.Select(), Queue.Declare(queue="q", durable=True))
    client.publish("q", mandatory=True)
    client.send(Queue.Delete(queue="q"), Queue.Declare(queue="q", durable=True))
    (answer,) = client.send(Tx.Commit())
    assert answer.name == expected
    count = client.broker.vhosts["/"].queues["q"].ready_count
    assert count == (1 if expected == "Tx.CommitOk" else 0)
    if expected == "Channel.Close":
        assert answer.method.reply_text == "PRECONDITION_FAILED - partial tx completion"


@switch("gone_ends_commit", "Tx.CommitOk", "Channel.Close", "Channel.Close", "Connection.Close")
def test_a_commit_for_a_queue_of_whose_name_there_is_none(profile: str, expected: str) -> None:
    client = opened(profile)
    client.send(*(Queue.Declare(queue=name, durable=True) for name in ("q", "other")))
    client.publish("other", b"0")
    client.send(Tx.Select(), Basic.Get(queue="other"), Basic.Ack(delivery_tag=1))
    for number, queue in enumerate(("other", "q", "other"), 1):
        client.publish(queue, b"%d" % number)
    client.send(Queue.Delete(queue="q"))
    (answer,) = client.send(Tx.Commit())
    assert answer.name == expected
    observer = Client.opened(client.broker)
    left = [each.body for each in observer.send(*[Basic.Get(queue="other", no_ack=True)] * 3)]
    if expected != "Connection.Close":
        assert left == [b"1", b"3", b""]
    else:
        assert left == [b"0", b"1", b""]
        assert (answer.method.reply_code, answer.method.class_id, answer.method.method_id) == (506, 90, 20)
        assert answer.method.reply_text == (
            'RESOURCE_ERROR - failed to deliver message: {not_found,{resource,<<"/">>,queue,<<"q">>}}'
        )


@switch("returns_replies", ["Basic.Return"], ["Basic.Return"], ["Basic.Return"], [])
def test_a_mandatory_direct_reply(profile: str, expected: list[str]) -> None:
    asker = opened(profile)
    responder = Client.opened(asker.broker)
    responder.send(Queue.Declare(queue="q", exclusive=True), Basic.Consume(queue="q", no_ack=True))
    asker.send(Basic.Consume(queue="amq.rabbitmq.reply-to", no_ack=True))
    asker.publish("q", reply_to="amq.rabbitmq.reply-to")
    (request,) = responder.received()
    assert names(responder.publish(request.properties.reply_to, mandatory=True)) == expected
    assert names(asker.received()) == ["Basic.Deliver"]


@switch("unknown_type_closes_channel", "Connection.Close", "Channel.Close", "Channel.Close", "Channel.Close")
def test_unknown_exchange_types(profile: str, expected: str) -> None:
    (close,) = opened(profile).send(Exchange.Declare(exchange="x", exchange_type="x-new"))
    assert close.name == expected
    assert close.method.reply_text.endswith(" - unknown exchange type 'x-new'")


@switch("transient_queues", *["Queue.DeclareOk"] * 4)
def test_transient_queues(profile: str, expected: str) -> None:
    client = opened(profile)
    assert names(client.send(Queue.Declare(queue="own", exclusive=True))) == ["Queue.DeclareOk"]
    assert names(client.send(Queue.Declare(queue="q"))) == [expected]
    config = Config(
        cluster_name="rabbit@test", profile=profile, deprecated_features_permit_transient_nonexcl_queues=False
    )
    client = Client.opened(make_broker(config))
    assert names(client.send(Queue.Declare(queue="own", exclusive=True))) == ["Queue.DeclareOk"]
    (close,) = client.send(Queue.Declare(queue="q"))
    assert close.name == "Connection.Close"
    assert (close.method.reply_code, close.method.class_id, close.method.method_id) == (541, 50, 10)
    assert close.method.reply_text == (
        "INTERNAL_ERROR - Feature `transient_nonexcl_queues` is deprecated.\nIts use is not permitted per the "
        "configuration (overriding the default, which is permitted):\n"
        '    "deprecated_features.permit.transient_nonexcl_queues = false"\nIts use will not be permit...'
    )


@pytest.mark.parametrize(("profile", "permitted", "expected"), [("rabbitmq-3.13", False, 4), ("rabbitmq-4.3", True, 2)])
def test_a_prefetch_for_the_channel_may_be_permitted(profile: str, permitted: bool, expected: int) -> None:
    config = Config(cluster_name="rabbit@test", profile=profile, deprecated_features_permit_global_qos=permitted)
    assert delivered_with_a_prefetch_for_the_channel(Client.opened(make_broker(config))) == expected


@switch("more_event_properties", None, 1, 1, 1)
def test_how_many_consumers_a_channel_had(profile: str, expected: int | None) -> None:
    watcher = opened(profile)
    watcher.send(Queue.Declare(queue="told"))
    for key in ("channel.closed", "connection.created"):
        watcher.send(Queue.Bind(queue="told", exchange="amq.rabbitmq.event", routing_key=key))
    watcher.send(Basic.Consume(queue="told", no_ack=True))
    client = Client.opened(watcher.broker)
    client.send(Queue.Declare(queue="q", durable=True), Basic.Consume(queue="q"))
    client.send(Channel.Close(200, "", 0, 0))
    watcher.broker.settle()
    created, closed = (told.properties.headers for told in watcher.received())
    assert closed.get("consumer_count") == expected
    assert ("peer_cert_serial_number" in created) is (profile == "rabbitmq-4.3")


@switch("passive_needs_permission", "Queue.DeclareOk", "Queue.DeclareOk", "Queue.DeclareOk", "Channel.Close")
def test_passive_declarations_of_strangers(profile: str, expected: str) -> None:
    owner = opened(profile)
    owner.send(Queue.Declare(queue="q", durable=True))
    users = make_users(owner.broker)
    users.set_permissions("outsider", "/", configure="", write="", read="")
    stranger = Client(owner.broker, users=users)
    stranger.feed(HEADER)
    stranger.send(start_ok("\0outsider\0hunter2"), Connection.TuneOk(1, 131_072, 0), Connection.Open("/"), channel=0)
    received = stranger.send(Channel.Open(), Queue.Declare(queue="q", passive=True))
    assert received[-1].name == expected


@switch("timeout_cancels", "Channel.Close", "Channel.Close", "Channel.Close", "Basic.Cancel")
def test_a_consumer_that_takes_too_long(profile: str, expected: str) -> None:
    config = Config(cluster_name="rabbit@test", profile=profile, consumer_timeout_ms=60_000)
    client = Client.opened(make_broker(config), consumer_cancel_notify=True)
    client.send(Queue.Declare(queue="q", durable=True, arguments={"x-queue-type": "quorum"}))
    client.send(Basic.Consume(queue="q", consumer_tag="t"))
    client.publish("q")
    received = []
    for now_ms in range(10_000, 100_000, 10_000):
        client.now_ms = now_ms
        received += client.feed(b"")
    assert names(received) == [expected]


# --- tokens


@switch("token_needs_expiry", False, False, False, True)
def test_tokens_without_expiry(profile: str, expected: bool) -> None:
    assert rules_of(Config(profile=profile)).requires_expiry == expected
    for required in True, False:
        assert rules_of(Config(profile=profile, auth_oauth2_require_exp=required)).requires_expiry == required


@switch("client_id_first", True, False, False, False)
def test_the_name_of_a_token(profile: str, expected: bool) -> None:
    names = ("client_id", "sub") if expected else ("sub", "client_id")
    assert rules_of(Config(profile=profile)).name_claims == names
    preferred = rules_of(Config(profile=profile, auth_oauth2_preferred_username_claims=("email",)))
    assert preferred.name_claims == ("email", *names)
