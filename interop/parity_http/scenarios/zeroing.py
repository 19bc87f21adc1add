"""Requests that make RabbitMQ forget, which others would notice. They come last, for scenarios are played in the order
of their names."""

from interop.parity_http.scenario import scenario
from interop.parity_http.stage import Stage


@scenario()
def counted_again(stage: Stage) -> None:
    """What was counted is forgotten, and told again of what is still there."""
    stage.call_it("n", stage.side.names[0])
    stage.vhost()
    stage.everybody("v")
    channel = stage.connect().channel()
    channel.declare("q")
    for _ in range(3):
        channel.publish("", "q", b"m")
    counted = "lengths_age=60&lengths_incr=5&msg_rates_age=60&msg_rates_incr=5"
    shown = "message_stats.publish=3 messages=3"
    stage.play(f"""
        WAIT /queues/$v/q?{counted} {shown} messages_details.samples.1.sample=3
        management: DELETE /reset
        monitoring: DELETE /reset
        policymaker: DELETE /reset/$n
        DELETE /reset/nope
        GET /reset
        DELETE /reset
        WAIT /queues/$v/q {shown}
        WAIT /exchanges/$v/amq.default message_stats.publish_in=3
        DELETE /reset/$n
        WAIT /queues/$v/q {shown}
        WAIT /exchanges/$v/amq.default message_stats.publish_in=3
        GET /queues/$v/q?columns=name,messages,message_stats
        GET /exchanges/$v/amq.default
    """)
    stage.prime()


@scenario()
def reset(stage: Stage) -> None:
    """To forget all statistics."""
    stage.call_it("n", stage.side.names[0])
    stage.play("""
        DELETE /reset/$n
        DELETE /reset/nope
        DELETE /reset
    """)
    stage.prime()
