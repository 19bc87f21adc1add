"""Samples: what charts are drawn from."""

from interop.parity_http.scenario import scenario
from interop.parity_http.stage import Stage
from interop.parity_http.steps import Step

RANGES = [
    "lengths_age=60&lengths_incr=5",
    "msg_rates_age=60&msg_rates_incr=5",
    "data_rates_age=60&data_rates_incr=5",
    "lengths_age=600&lengths_incr=5",
    "lengths_age=5&lengths_incr=5",
    "lengths_age=1&lengths_incr=1",
    "lengths_age=60",
    "lengths_incr=5",
    "lengths_age=x&lengths_incr=5",
    "lengths_age=60&lengths_incr=x",
    "lengths_age=0&lengths_incr=5",
    "lengths_age=60&lengths_incr=0",
    "lengths_age=-60&lengths_incr=5",
    "lengths_age=60000&lengths_incr=5",
    "lengths_age=2505&lengths_incr=5",
    "lengths_age=1.5&lengths_incr=1",
    "lengths_age=&lengths_incr=",
    "msg_rates_age=60000&msg_rates_incr=1",
    "node_stats_age=60&node_stats_incr=5",
    "lengths_age=60&lengths_incr=5&msg_rates_age=60&msg_rates_incr=5&data_rates_age=60&data_rates_incr=5",
]

UNEVEN = [
    "lengths_age=60&lengths_incr=60",
    "lengths_age=60&lengths_incr=7",
    "lengths_age=2500&lengths_incr=5",
    "lengths_age=3600&lengths_incr=60",
]
"""Others, which tell what the moment was in which something was counted."""


@scenario()
def ranges(stage: Stage) -> None:
    """Samples of a queue, its exchange, its virtual host, and of all; and ranges that are none."""
    stage.vhost()
    stage.play("PUT /queues/$v/q {}")
    # RabbitMQ loses what a channel has counted that is closed at once, as those of this API are.
    channel = stage.connect().channel()
    channel.call("confirm.select")
    for _ in range(3):
        channel.publish("", "q", b"m")
    channel.wait_confirms(3)
    counted = "lengths_age=60&lengths_incr=5&msg_rates_age=60&msg_rates_incr=5"
    stage.play(f"""
        WAIT /queues/$v/q?{counted} messages_details.samples.1.sample=3 message_stats.publish_details.samples.1.sample=3
        WAIT /exchanges/$v/amq.default?{counted} message_stats.publish_in_details.samples.1.sample=3
        WAIT /vhosts/$v?{counted} messages_details.samples.1.sample=3 message_stats.publish_details.samples.1.sample=3
    """)
    columns = "columns=messages_details,message_stats,name"
    for path in ("/queues/$v/q", "/exchanges/$v/amq.default", "/vhosts/$v", "/queues/$v"):
        stage.play([Step("GET", f"{path}?{each}&{columns}") for each in RANGES])
    for path in ("/overview?columns=queue_totals.messages_details", "/nodes?columns=fd_used_details,name"):
        stage.play([Step("GET", f"{path}&{each}") for each in (*RANGES, *UNEVEN)])


@scenario()
def of_connections(stage: Stage) -> None:
    """Bytes of a connection, and what its channel counted."""
    stage.vhost()
    channel = stage.connect().channel()
    channel.publish("", "nope", b"m")
    channel.sync()
    stage.play("""
        WAIT /connections 0.recv_oct_details
        WAIT /channels?msg_rates_age=60&msg_rates_incr=5 0.message_stats.publish_details.samples.0.sample=1
        GET /connections?data_rates_age=60&data_rates_incr=5&columns=recv_oct_details
        GET /connections?data_rates_age=60000&data_rates_incr=5
        GET /channels?msg_rates_age=60&msg_rates_incr=5&columns=message_stats
        GET /channels?msg_rates_age=60000&msg_rates_incr=5
        GET /vhosts/$v/connections?data_rates_age=60&data_rates_incr=5&columns=recv_oct_details
    """)
