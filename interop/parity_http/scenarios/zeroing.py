"""What makes RabbitMQ forget, which others would notice: scenarios are played in the order of their names, so this comes
last."""

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
