"""Requests that make RabbitMQ forget, which others would notice. They come last, for scenarios are played in the order
of their names."""

from interop.parity_http.scenario import scenario
from interop.parity_http.stage import Stage


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
