"""The switches of the stream protocol."""

from amqpy.config import Config
from amqpy.wire.stream_frames import Code, Key, array, longlong, octet, octets, short, string
from tests.amqp.client import make_broker
from tests.profiles import switch
from tests.stream.client import Client, deliveries

OLD = (1, 2, 5, 6, 7, *range(9, 16), *range(22, 26))


def opened(profile: str, user: str = "guest", password: str = "guest") -> Client:
    return Client.opened(make_broker(Config(profile=profile)), user, password)


@switch("stream_commands", None, (*OLD, 28, 29, 30), (*OLD, 28, 29, 30), (*OLD, *range(28, 32)))
def test_versions_of_commands(profile: str, expected: tuple[int, ...] | None) -> None:
    (told,) = opened(profile).call(Key.EXCHANGE_COMMAND_VERSIONS, array([]))
    if expected is None:
        assert told.key == Key.CLOSE
    else:
        versions = [short(key) + short(1) + short(2 if key == Key.PUBLISH else 1) for key in expected]
        assert told.rest == array(versions)


@switch("stream_answers_routes", False, True, True, True)
def test_the_key_of_an_answer(profile: str, expected: bool) -> None:
    (told,) = opened(profile).call(Key.PARTITIONS, string("amq.direct"))
    assert (told.key, told.is_response, told.code) == (Key.PARTITIONS, expected, Code.OK)


@switch("stream_reads_offsets", Code.NO_OFFSET, Code.OK, Code.OK, Code.OK)
def test_who_may_store_an_offset(profile: str, expected: Code) -> None:
    client = opened(profile)
    client.create("s")
    reader = Client.opened(client.broker, "reader", "hunter2")
    reader.notify(Key.STORE_OFFSET, string("c") + string("s") + longlong(1))
    assert reader.code(Key.QUERY_OFFSET, string("c") + string("s")) is expected


@switch("stream_renews_secret", Key.CLOSE, Key.CLOSE, Key.SASL_AUTHENTICATE, Key.SASL_AUTHENTICATE)
def test_a_login_on_an_open_connection(profile: str, expected: Key) -> None:
    (told,) = opened(profile).call(Key.SASL_AUTHENTICATE, string("PLAIN") + octets(b"\0guest\0guest"))
    assert told.key == expected


@switch("stream_holds_credit", 1, 0, 0, 0)
def test_a_little_credit(profile: str, expected: int) -> None:
    client = opened(profile)
    client.create("s")
    client.declare("s")
    for _ in range(4):
        client.publish(b"a")
    client.subscribe("s", credit=2)
    assert len(deliveries(client.notify(Key.CREDIT, octet(0) + short(1)))) == expected
