"""Dead letters that RabbitMQ 4.3 takes for redelivered."""

import pytest

from interop.parity.carried import without_earlier_deliveries

NEW = "basic.get-ok delivery_tag=1 redelivered=False exchange='' routing_key='q' message_count=0"
OLD = NEW.replace("False", "True")
DEAD = r"header class=60 weight=0 size=1 properties=' \x00\x00\x00\x01N\x07x-deathA\x00\x00'"
ALIVE = r"header class=60 weight=0 size=1 properties='\x00\x00'"


@pytest.mark.parametrize(
    ("version", "reference", "subject", "same"),
    [
        ("4.3.6", [OLD, DEAD], [NEW, DEAD], True),
        ("4.0.5", [OLD, DEAD], [NEW, DEAD], False),
        ("4.3.6", [OLD, ALIVE], [NEW, ALIVE], False),
        ("4.3.6", [NEW, DEAD], [OLD, DEAD], False),
        ("4.3.6", [OLD], [NEW], False),
        ("4.3.6", [OLD, DEAD], [NEW.replace("count=0", "count=1"), DEAD], False),
        ("4.3.6", [f"    a1: {OLD}", f"    a1: {DEAD}"], [f"    a1: {NEW}", f"    a1: {DEAD}"], True),
        ("4.3.6", [OLD, DEAD, OLD, ALIVE], [NEW, DEAD, OLD, ALIVE], True),
        ("4.3.6", [OLD, DEAD], [OLD, DEAD], True),
        ("4.3.6", [OLD, DEAD], [], False),
    ],
)
def test_only_a_dead_letter_may_be_new(version: str, reference: list[str], subject: list[str], same: bool) -> None:
    shown = {"a channel": subject}
    assert (without_earlier_deliveries({"a channel": reference}, shown, version) == shown) is same
