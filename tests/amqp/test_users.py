"""Users as an administrator changes them, seen from the connections they have; and limits on connections."""

from functools import partial
from typing import Any

import pytest
from pamqp import commands
from pamqp.base import Frame as Method

from amqpy.config import Config
from amqpy.core.passwords import hash_password
from amqpy.core.permissions import EVERYTHING, Permission
from amqpy.core.users import Users
from amqpy.errors import AdministrationError
from tests.amqp.client import HEADER, Client, Received, make_broker, names, remains, start_ok

CLOSE_OK = commands.Connection.CloseOk()


class Guest(Client):
    last: Received
    """What it was told last while it connected."""


class House:
    """A broker, its users, and clients of theirs."""

    def __init__(self, profile: str = Config().profile) -> None:
        self.broker = make_broker(Config(cluster_name="rabbit@test", profile=profile))
        self.users = Users(self.broker, lambda: b"salt")
        self.admin = self.broker.administration

    def add(self, name: str, **more: Any) -> None:  # noqa: ANN401
        """A user whose password is the name and who may do everything."""
        self.users.add_user(name, name, **more)
        self.users.set_permissions(name, "/", ".*", ".*", ".*")

    def log_in(self, name: str = "guest", password: str | None = None, *, vhost: str = "/") -> Guest:
        """A client that has said all it has to say until it may work."""
        client = Guest(self.broker, users=self.users)
        client.feed(HEADER)
        response = f"\0{name}\0{name if password is None else password}"
        tune_ok, open_it = commands.Connection.TuneOk(2047, 131_072, 0), commands.Connection.Open(vhost)
        client.last = client.send(start_ok(response, authentication_failure_close=True), tune_ok, open_it, channel=0)[
            -1
        ]
        return client

    def work(self, name: str = "guest", *channels: int, vhost: str = "/") -> Guest:
        """A client that got in and opened channels."""
        client = self.log_in(name, vhost=vhost)
        assert client.last.name == "Connection.OpenOk"
        for number in channels or (1,):
            client.send(commands.Channel.Open(), channel=number)
        return client


def said(received: Received) -> tuple[int, str]:
    return received.method.reply_code, received.method.reply_text


def refused(received: list[Received]) -> tuple[int, str]:
    (close,) = received
    return said(close)


def declare(name: str, **more: Any) -> Method:  # noqa: ANN401
    return commands.Queue.Declare(queue=name, **more)


# --- limits


def test_a_vhost_full_of_connections() -> None:
    house = House()
    first = house.work()
    house.admin.set_vhost_limits("/", {"max-connections": 2})
    house.work()
    text = "NOT_ALLOWED - access to vhost '/' refused for user 'guest': connection limit (2) is reached"
    assert said(house.log_in().last) == (530, text)
    first.send(commands.Connection.Close(200, "", 0, 0), channel=0)
    house.work()
    assert house.log_in().last.name == "Connection.Close"


def test_a_vhost_closed_to_all_and_open_again() -> None:
    house = House()
    house.admin.set_vhost_limits("/", {"max-connections": 0})
    assert house.log_in().last.name == "Connection.Close"
    house.admin.set_vhost_limits("/", {"max-connections": -1})
    house.work()


def test_connections_that_are_lost_make_room() -> None:
    house = House()
    house.admin.set_vhost_limits("/", {"max-connections": 1})
    house.users.set_limits("guest", {"max-connections": 1})
    for _ in range(3):
        house.work().session.lost()
    assert remains(house.broker) == {}


def test_a_users_connections_in_all_vhosts_together() -> None:
    house = House()
    house.add("other")
    house.admin.add_vhost("second")
    house.users.set_permissions("guest", "second", "", "", "")
    house.users.set_limits("guest", {"max-connections": 2})
    house.work()
    house.work(vhost="second")
    text = "NOT_ALLOWED - connection refused for user 'guest': user connection limit (2) is reached"
    assert said(house.log_in().last) == (530, text)
    house.work("other")


def test_a_full_vhost_is_told_before_a_full_user_and_that_before_no_access() -> None:
    house = House()
    house.admin.set_vhost_limits("/", {"max-connections": 0})
    house.users.set_limits("guest", {"max-connections": 0})
    house.users.clear_permissions("guest", "/")
    texts = []
    for change in (
        partial(house.admin.clear_vhost_limits, "/"),
        partial(house.users.clear_limits, "guest"),
        partial(house.admin.delete_vhost, "/"),
    ):
        texts.append(said(house.log_in().last)[1])
        change()
    texts.append(said(house.log_in().last)[1])
    assert texts == [
        "NOT_ALLOWED - access to vhost '/' refused for user 'guest': connection limit (0) is reached",
        "NOT_ALLOWED - connection refused for user 'guest': user connection limit (0) is reached",
        "NOT_ALLOWED - access to vhost '/' refused for user 'guest'",
        "NOT_ALLOWED - vhost / not found",
    ]


def test_a_users_channels_on_all_connections_together() -> None:
    house = House()
    house.users.set_limits("guest", {"max-channels": 3})
    first, second = house.work("guest", 1, 2), house.work("guest", 1)
    first.send(commands.Channel.Close(200, "", 0, 0), channel=1)
    assert names(second.send(commands.Channel.Open(), channel=2)) == ["Channel.OpenOk"]
    text = "number of channels opened for user 'guest' has reached the maximum allowed user limit of (3)"
    assert refused(second.send(commands.Channel.Open(), channel=3)) == (530, f"NOT_ALLOWED - {text}")
    assert names(first.send(commands.Channel.Open(), channel=3)) == ["Channel.OpenOk"]


def test_no_limit_of_channels() -> None:
    house = House()
    house.users.set_limits("guest", {"max-channels": 0, "max-connections": 5})
    house.users.set_limits("guest", {"max-channels": -1})
    assert house.users.user("guest").limits == {"max-channels": -1, "max-connections": 5}
    house.work("guest", 1, 2)
    house.users.clear_limits("guest", "max-channels")
    assert house.users.user("guest").limits == {"max-connections": 5}
    house.work("guest", 1, 2)


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        ({"max-channels": "x"}, 'max-channels should be a number, actually was <<"x">>'),
        ({"max-foo": 1}, 'Unrecognised terms [{<<"max-foo">>,1}] in user-limits'),
        ({"max-queues": 1}, 'Unrecognised terms [{<<"max-queues">>,1}] in user-limits'),
    ],
)
def test_limits_that_are_none(limits: dict[str, int], text: str) -> None:
    users = House().users
    with pytest.raises(AdministrationError) as caught:
        users.set_limits("guest", limits)
    assert caught.value.text == text
    assert users.user("guest").limits == {}


# --- connections that an administrator ends


def test_deleting_a_vhost_closes_its_connections() -> None:
    house = House()
    house.admin.add_vhost("second")
    house.users.set_permissions("guest", "second", ".*", ".*", ".*")
    there, here = house.work(vhost="second"), house.work()
    there.send(declare("mine", exclusive=True), declare("q"), commands.Basic.Consume(queue="q", consumer_tag="c"))
    house.admin.delete_vhost("second")
    assert refused(there.received()) == (320, "CONNECTION_FORCED - vhost 'second' is deleted")
    assert there.send(declare("q")) == []
    assert there.send(CLOSE_OK, channel=0) == []
    assert there.session.is_closed
    assert here.received() == []
    assert names(here.send(declare("q"))) == ["Queue.DeclareOk"]
    house.admin.add_vhost("second")
    assert house.log_in(vhost="second").last.name == "Connection.Close"


def test_consumers_of_a_deleted_vhost_are_told_first() -> None:
    house = House()
    client = house.log_in()
    client.session.terms.capabilities = frozenset(("consumer_cancel_notify",))
    client.send(commands.Channel.Open())
    client.send(declare("q"), commands.Basic.Consume(queue="q", consumer_tag="c"))
    house.admin.delete_vhost("/")
    assert names(client.received()) == ["Basic.Cancel", "Connection.Close"]


def test_a_client_that_does_not_answer_is_given_up() -> None:
    house = House()
    client = house.work()
    house.admin.delete_vhost("/")
    client.received()
    client.wait(house.broker.config.close_timeout_ms)
    assert client.session.is_closed


def test_deleting_a_user_closes_its_connections() -> None:
    house = House()
    house.add("other")
    theirs, also_theirs, mine = house.work("other"), house.work("other"), house.work()
    theirs.send(declare("mine", exclusive=True))
    house.users.delete_user("other")
    for client in (theirs, also_theirs):
        assert refused(client.received()) == (320, "CONNECTION_FORCED - user 'other' is deleted")
    assert mine.received() == []
    assert house.broker.vhosts["/"].queues == {}
    assert said(house.log_in("other").last)[0] == 403


def test_a_user_who_is_deleted_while_connecting_does_not_get_in() -> None:
    house = House()
    house.add("other")
    client = Client(house.broker, users=house.users)
    client.feed(HEADER)
    client.send(start_ok("\0other\0other"), commands.Connection.TuneOk(2047, 131_072, 0), channel=0)
    house.users.delete_user("other")
    (close,) = client.send(commands.Connection.Open("/"), channel=0)
    assert said(close) == (530, "NOT_ALLOWED - access to vhost '/' refused for user 'other'")


# --- who may do what


def test_permissions_count_at_once() -> None:
    house = House()
    house.add("other")
    client = house.work("other", 1, 2)
    client.send(declare("q"))
    assert client.publish("q") == []
    house.users.set_permissions("other", "/", configure="", write="", read=".*")
    (close,) = client.publish("q")
    text = "ACCESS_REFUSED - write access to exchange 'amq.default' in vhost '/' refused for user 'other'"
    assert said(close) == (403, text)
    house.users.clear_permissions("other", "/")
    (close,) = client.send(commands.Basic.Get(queue="q"), channel=2)
    assert said(close)[1] == "ACCESS_REFUSED - read access to queue 'q' in vhost '/' refused for user 'other'"


def test_what_was_permitted_to_a_deleted_user_is_not_to_one_of_that_name() -> None:
    house = House()
    house.add("other")
    house.work("other").publish("q")
    house.users.delete_user("other")
    house.add("other")
    house.users.set_permissions("other", "/", configure="", write="", read="")
    (close,) = house.work("other").publish("q")
    assert said(close)[0] == 403


def test_topic_permissions_close_the_channel_in_the_method_that_they_refuse() -> None:
    house = House()
    house.add("other")
    house.users.set_topic_permissions("other", "/", "amq.topic", write="^a", read="^b")
    text = "ACCESS_REFUSED - {} access to topic '{}' in exchange 'amq.topic' in vhost '/' refused for user 'other'"
    topic: dict[str, Any] = {"exchange": "amq.topic", "routing_key": "c"}
    ends: dict[str, Any] = {"source": "amq.topic", "destination": "amq.fanout", "routing_key": "c"}
    client = house.work("other")
    client.send(declare("q"))
    for method in (
        commands.Queue.Bind(queue="q", **topic),
        commands.Queue.Unbind(queue="q", **topic),
        commands.Exchange.Bind(**ends),
        commands.Exchange.Unbind(**ends),
    ):
        *_, close = house.work("other").send(method)
        assert said(close) == (403, text.format("read", "c"))
        assert (close.method.class_id, close.method.method_id) == divmod(method.index, 1 << 16)
    assert client.publish("a", exchange="amq.topic") == []
    (close,) = client.publish("c", exchange="amq.topic")
    assert said(close) == (403, text.format("write", "c"))
    assert (close.method.class_id, close.method.method_id) == (60, 40)


def test_topic_permissions_for_copies_in_version_4() -> None:
    house = House("rabbitmq-4.0")
    house.users.set_topic_permissions("guest", "/", "amq.topic", write="^a", read="")
    for name in ("CC", "BCC"):
        client = house.work()
        assert client.publish("a", exchange="amq.topic", headers={name: ["ab"]}) == []
        (close,) = client.publish("a", exchange="amq.topic", headers={name: ["ab", "c"]})
        assert said(close)[1].startswith("ACCESS_REFUSED - write access to topic 'c' in exchange 'amq.topic'")
        assert (close.method.class_id, close.method.method_id) == (60, 40)


def test_an_impersonator_may_put_any_name_on_messages() -> None:
    house = House()
    house.add("other", tags=["impersonator"])
    client = house.work("other")
    assert client.publish("q", user_id="guest") == []
    house.users.set_tags("other", ["administrator"])
    assert client.publish("q", user_id="anybody") == []  # the tags it logged in with
    (close,) = house.work("other").publish("q", user_id="guest")
    text = "user_id property set to 'guest' but authenticated user was 'other'"
    assert said(close) == (406, f"PRECONDITION_FAILED - {text}")


def test_passwords() -> None:
    house = House()
    house.add("other")
    house.users.change_password("other", "new")
    assert said(house.log_in("other").last)[0] == 403
    assert house.log_in("other", "new").last.name == "Connection.OpenOk"
    for clear in partial(house.users.change_password, "other", ""), partial(house.users.clear_password, "other"):
        clear()
        for password in ("", "new", "other"):
            assert said(house.log_in("other", password).last)[0] == 403
    house.users.add_user("hashed", password_hash=hash_password(b"known", b"1234"))
    house.users.set_permissions("hashed", "/", "", "", "")
    assert house.log_in("hashed", "known").last.name == "Connection.OpenOk"
    assert "new" not in repr(house.users.user("other"))


def test_users_are_listed() -> None:
    house = House()
    house.users.add_user("other", "hunter2", tags=["a", "b"])
    assert [(user.name, user.tags) for user in house.users] == [("guest", ("administrator",)), ("other", ("a", "b"))]
    assert house.broker.vhosts["/"].permissions == {"guest": Permission(".*", ".*", ".*")}


def test_users_and_vhosts_that_are_not_there() -> None:
    users = House().users
    for operation, *arguments in (
        (users.delete_user,),
        (users.change_password, "x"),
        (users.set_tags, ["x"]),
        (users.set_permissions, "nope", "(", "", ""),
        (users.clear_permissions, "nope"),
        (users.set_topic_permissions, "nope", "x", "(", ""),
        (users.clear_topic_permissions, "nope"),
        (users.change_password_hash, "?"),
        (users.clear_password,),
        (users.set_limits, {"max-channels": 1}),
        (users.clear_limits,),
    ):
        with pytest.raises(AdministrationError) as caught:
            operation("nope", *arguments)
        assert (caught.value.text, caught.value.missing) == ('User "nope" does not exist', True)
    for operation, *arguments in (
        (users.set_permissions, "(", "", ""),
        (users.clear_permissions,),
        (users.set_topic_permissions, "x", "(", ""),
        (users.clear_topic_permissions, "x"),
    ):
        with pytest.raises(AdministrationError) as caught:
            operation("guest", "nope", *arguments)
        assert (caught.value.text, caught.value.missing) == ("Virtual host 'nope' does not exist", True)


def test_what_is_refused_changes_nothing() -> None:
    house = House()
    users = house.users
    with pytest.raises(AdministrationError) as caught:
        users.add_user("guest", "other")
    assert (caught.value.text, caught.value.missing) == ('User "guest" already exists', False)
    assert users.log_in("guest", b"guest", from_loopback=True) is users.user("guest")
    with pytest.raises(AdministrationError) as caught:
        users.set_permissions("guest", "/", "", "(", "")
    assert caught.value.text == """Invalid regular expression '(': {"missing )",1}"""
    assert house.broker.vhosts["/"].permissions == {"guest": Permission(*EVERYTHING)}
