"""The rates mode `detailed`: what channels, queues and exchanges had to do with each other."""

from interop.parity_http.scenario import scenario
from interop.parity_http.stage import Stage
from interop.parity_http.steps import Step

DETAILS = "columns=message_stats,incoming,outgoing,deliveries,publishes"


@scenario(rates_mode="detailed")
def published(stage: Stage) -> None:
    """To two exchanges and nowhere, with confirms and without."""
    stage.vhost()
    connection = stage.connect()
    plain, confirming = connection.channel(1), connection.channel(2)
    name_channels(stage)
    confirming.call("confirm.select")
    plain.exchange("x", "fanout")
    for queue in ("a", "b"):
        plain.declare(queue)
        plain.bind(queue, "x")
    for channel in (plain, confirming):
        channel.publish("x", "", b"m")
        channel.publish("x", "", b"m")
        channel.publish("", "a", b"m")
        channel.publish("amq.direct", "nope", b"m")
        channel.publish("amq.direct", "nope", b"m", mandatory=True)
        channel.wait("basic.return")
    confirming.wait_confirms(5)
    stage.play("""
        WAIT /channels/$ch1 message_stats.return_unroutable=1 publishes.length=3
        WAIT /channels/$ch2 message_stats.confirm=5 publishes.length=3
        WAIT /queues/$v/a incoming.length=2 incoming.0.stats.publish_details incoming.1.stats.publish_details
        WAIT /exchanges/$v/x outgoing.length=2 incoming.length=2
    """)
    look(stage)


@scenario(rates_mode="detailed")
def got(stage: Stage) -> None:
    """By consumers and without them, acknowledged, returned and rejected."""
    stage.vhost()
    connection = stage.connect()
    one, other = connection.channel(1), connection.channel(2)
    name_channels(stage)
    for queue in ("a", "b"):
        one.declare(queue)
    for _ in range(4):
        one.publish("", "a", b"m")
    one.publish("", "b", b"m")
    one.settle("a", "b")
    assert one.get("a")
    assert one.get("a")
    assert one.get("b", no_ack=True)
    one.get("b")  # there is none
    one.ack(1)
    one.nack(2)
    one.sync()
    other.consume("a", "c")
    other.wait_deliveries(3)
    other.ack(1)
    other.reject(2, requeue=False)
    other.sync()
    one.consume("b", "n", no_ack=True)
    one.publish("", "b", b"m")
    one.wait_deliveries(1)
    stage.play("""
        WAIT /channels/$ch1 message_stats.deliver_no_ack=1 message_stats.get_empty=1 deliveries.length=2
        WAIT /channels/$ch2 message_stats.ack=1 deliveries.length=1
        WAIT /queues/$v/a message_stats.ack=2 message_stats.deliver=3 deliveries.length=2
        WAIT /queues/$v/b message_stats.deliver_no_ack=1 deliveries.length=1 incoming.length=1
    """)
    look(stage)


@scenario(rates_mode="detailed")
def gone(stage: Stage) -> None:
    """Channels, exchanges and queues that are gone have nothing to do with others any more."""
    stage.vhost()
    connection = stage.connect()
    stays, leaves = connection.channel(1), connection.channel(2)
    stays.exchange("x", "fanout")
    for queue in ("a", "b"):
        stays.declare(queue)
        stays.bind(queue, "x")
    for channel in (stays, leaves):
        channel.publish("x", "", b"m")
        channel.publish("", "a", b"m")
        channel.settle("a", "b")
        assert channel.get("a")
        assert channel.get("b")
    stage.play("""
        WAIT /queues/$v/a incoming.length=2 deliveries.length=2
        WAIT /exchanges/$v/x incoming.length=2 outgoing.length=2
    """)
    leaves.close()
    stage.play("""
        WAIT /queues/$v/a incoming.length=2 deliveries.length=1
        WAIT /exchanges/$v/x incoming.length=1 outgoing.length=2
        DELETE /queues/$v/b
        WAIT /exchanges/$v/x incoming.length=1 outgoing.length=1
        DELETE /exchanges/$v/x
        WAIT /queues/$v/a incoming.length=1 deliveries.length=1
    """)


@scenario(rates_mode="detailed")
def samples(stage: Stage) -> None:
    """Samples, which are kept for ten minutes."""
    stage.vhost()
    channel = stage.connect().channel()
    name_channels(stage)
    channel.declare("a")
    for _ in range(3):
        channel.publish("", "a", b"m")
    channel.settle("a")
    asked = "msg_rates_age=60&msg_rates_incr=5"
    stage.play(f"""
        WAIT /queues/$v/a?{asked} incoming.0.stats.publish_details.samples.1.sample=3
        WAIT /channels/$ch1?{asked} publishes.0.stats.publish_details.samples.1.sample=3
    """)
    for each in (asked, "msg_rates_age=600&msg_rates_incr=5", "lengths_age=60"):
        stage.play(
            [
                Step("GET", f"{path}?{each}&{DETAILS}")
                for path in ("/queues/$v/a", "/exchanges/$v/amq.default", "/channels/$ch1")
            ]
        )


def name_channels(stage: Stage) -> None:
    """Call the channels of the connection `ch1`, `ch2` …."""
    stage.play("WAIT /channels 0.reductions")
    for row in stage.look("/channels"):
        stage.call_it(f"ch{row['number']}", row["name"])


def look(stage: Stage) -> None:
    """At everything that shows pairs, and at lists, which do not."""
    stage.play(f"""
        GET /channels/$ch1
        GET /channels/$ch2
        GET /queues/$v/a?{DETAILS}
        GET /queues/$v/b?{DETAILS}
        GET /exchanges/$v/amq.default
        GET /exchanges/$v/x
        GET /exchanges/$v/amq.direct
        GET /channels?columns=name,publishes,deliveries
        GET /queues/$v?{DETAILS}
        GET /exchanges/$v?{DETAILS}
        GET /overview?columns=rates_mode
        GET /queues/$v/a?disable_stats=true
        GET /exchanges/$v/amq.default?disable_stats=true
    """)
