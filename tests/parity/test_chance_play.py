"""What scripts do to a broker, what is told of it, and what is made of two brokers that differ."""

import itertools
from collections.abc import Sequence

import pytest
from click.testing import CliRunner

from interop.parity.chance.__main__ import main
from interop.parity.chance.hunt import Finding, Hunt, scenario_of, summary
from interop.parity.chance.player import told_apart
from interop.parity.chance.steps import Step, parse
from interop.parity.codec import Frame
from interop.parity.compare import perform
from interop.parity.script import Broker
from tests.parity.fake_broker import Answer, fake_broker, message, method

GET = "basic_get('a1', queue='q1')\n"
PURGE = "queue_purge('b1', queue='q1')\n"
DECLARE = "queue_declare('a1', queue='q1')\n"


def notes(text: str, **answers: Answer) -> list[str]:
    """What the transcript of the script is, against a broker that answers so."""
    with fake_broker(**answers) as broker:
        performance = perform(scenario_of(parse(text)), broker)
    assert performance.failure == ""
    return performance.transcript["notes"]


def settled_by(text: str) -> list[tuple[str, int]]:
    """The methods and tags by which deliveries are settled on a broker whose gets give the tags 1, 2, 3 …"""
    tags = itertools.count(1)
    seen: list[tuple[str, int]] = []

    def get(_: Frame) -> Sequence[bytes]:
        return message("basic.get-ok", b"body", delivery_tag=next(tags))

    def settle(frame: Frame) -> Sequence[bytes]:
        seen.append((frame.name, frame.fields["delivery_tag"]))
        return []

    notes(text, basic_get=get, **{f"basic_{how}": settle for how in ("ack", "nack", "reject")})
    return seen


def test_each_step_is_told_with_what_it_led_to() -> None:
    told = notes(DECLARE + GET, basic_get=lambda _: [method("basic.get-empty")])
    assert told == [
        "queue_declare('a1', queue='q1')",
        "    a1: queue.declare-ok queue='q1.*' message_count=0 consumer_count=0",
        "    q1: 0 ready, 0 consumers",
        "basic_get('a1', queue='q1')",
        "    a1: basic.get-empty cluster_id=''",
    ]


def test_a_channel_that_does_not_open_is_a_failure() -> None:
    opened = itertools.count(1)

    def hang_up_on_the_fourth(frame: Frame) -> Sequence[bytes]:
        """The first three are those that look at the queue, at time and at the disk."""
        return [b"" if next(opened) == 4 else method("channel.open-ok", frame.channel)]

    with fake_broker(channel_open=hang_up_on_the_fourth) as broker:
        performance = perform(scenario_of(parse("confirm_select('a1')\n" + DECLARE)), broker)
    assert performance.failure == "a1 did not open"


def test_what_other_processes_send_is_told_apart() -> None:
    lines = ["basic.return x", "header 1", "body 1", "basic.deliver y", "header 2", "tx.commit-ok", "basic.cancel z"]
    told = told_apart([*(("", line) for line in lines), ("confirms", "basic.ack delivery_tag=1")])
    assert told == [
        ("", "basic.deliver y"),
        ("", "header 2"),
        ("cancelled", "basic.cancel z"),
        ("commit", "tx.commit-ok"),
        ("confirms", "basic.ack delivery_tag=1"),
        ("returned", "basic.return x"),
        ("returned", "header 1"),
        ("returned", "body 1"),
    ]


def test_deliveries_are_settled_by_their_place() -> None:
    steps = GET * 3 + "basic_ack('a1', nth=1)\nbasic_nack('a1', nth=-1)\nbasic_reject('a1', nth=5)\nbasic_ack('a1')\n"
    assert settled_by(steps) == [("basic.ack", 2), ("basic.nack", 3), ("basic.reject", 1)]


def test_several_are_settled_at_once() -> None:
    assert settled_by(GET * 3 + "basic_ack('a1', nth=1, multiple=True)\n" + "basic_ack('a1')\n" * 2) == [
        ("basic.ack", 2),
        ("basic.ack", 3),
    ]


def test_what_needs_no_settling_is_not_settled() -> None:
    assert settled_by("basic_get('a1', queue='q1', no_ack=True)\nbasic_ack('a1')\n") == []


def test_what_is_rolled_back_is_to_be_settled_again() -> None:
    answer = "tx_select('a1')\n" + GET + "basic_ack('a1')\nbasic_ack('a1')\ntx_rollback('a1')\nbasic_ack('a1')\n"
    assert "tx.rollback-ok" not in answer
    tags = itertools.count(1)
    seen: list[int] = []

    def note(frame: Frame) -> list[bytes]:
        seen.append(frame.fields["delivery_tag"])
        return []

    told = notes(
        answer,
        tx_select=lambda _: [method("tx.select-ok")],
        tx_rollback=lambda _: [method("tx.rollback-ok")],
        basic_get=lambda _: message("basic.get-ok", b"body", delivery_tag=next(tags)),
        basic_ack=note,
    )
    assert seen == [1, 1]
    assert "    a1: tx.rollback-ok" in told


def test_a_closed_channel_is_opened_again_for_the_next_step() -> None:
    answers = iter([[method("channel.close", reply_code=404, reply_text="NOT_FOUND")], [method("basic.get-empty")]])
    told = notes(GET * 2, basic_get=lambda _: next(answers))
    assert [line.partition(" reply_code")[0].strip() for line in told if line.startswith(" ")] == [
        "a1: channel.close",
        "a1: basic.get-empty cluster_id=''",
    ]


def purging(count: int) -> dict[str, Answer]:
    return {
        "queue_purge": lambda frame: [method("queue.purge-ok", frame.channel, message_count=count)],
        "basic_get": lambda frame: [method("basic.get-empty", frame.channel)],
    }


LONG = DECLARE + GET * 3 + PURGE + GET * 2


def test_a_difference_is_found_and_shortened() -> None:
    with fake_broker(**purging(1)) as reference, fake_broker(**purging(2)) as subject:
        finding = Hunt(reference, subject).examine(parse(LONG), "seed 5")
    assert finding.differs
    assert not finding.unsteady
    assert list(finding.lines()) == [
        "seed 5: differs",
        "queue_purge('b1', queue='q1')",
        "notes",
        " queue_purge('b1', queue='q1')",
        "-    b1: queue.purge-ok message_count=1",
        "+    b1: queue.purge-ok message_count=2",
    ]


def test_brokers_alike_do_not_differ() -> None:
    with fake_broker(**purging(1)) as reference, fake_broker(**purging(1)) as subject:
        assert not Hunt(reference, subject).examine(parse(LONG), "seed 5").differs


def test_a_reference_unlike_itself_is_told_and_nothing_is_shortened() -> None:
    counts = itertools.count()
    changing: dict[str, Answer] = {
        **purging(0),
        "queue_purge": lambda frame: [method("queue.purge-ok", frame.channel, message_count=next(counts))],
    }
    with fake_broker(**changing) as reference, fake_broker(**purging(7)) as subject:
        finding = Hunt(reference, subject).examine(parse(LONG), "seed 5")
    assert finding.differs
    assert finding.unsteady
    assert next(finding.lines()) == "seed 5: the reference differs from itself"
    assert finding.script == parse(LONG)


def test_the_summary_says_what_happened_and_what_differs() -> None:
    findings = [
        Finding("1", ["    a1: basic.get-ok delivery_tag=1", "    a1: basic.get-ok delivery_tag=2"]),
        Finding("2", [], [Step("drain", "a1")], ["it differs"]),
        Finding("3", [], [Step("drain", "a1")], ["it differs"], unsteady=True),
        Finding("4", []),
    ]
    happened, counted = summary(findings)
    assert "got 25 %" in happened
    assert "returned 0 %" in happened
    assert counted == "4 scripts, 1 differ, 1 not the same twice on the reference"


def url(broker: Broker) -> str:
    return f"amqp://guest:guest@{broker.host}:{broker.port}/"


def test_the_exit_code_tells_a_difference() -> None:
    with fake_broker(**purging(1)) as one, fake_broker(**purging(2)) as other:
        arguments = ["--script", "-", "--reference", url(one), "--subject"]
        same = CliRunner().invoke(main, [*arguments, url(one), "--show"], input=PURGE)
        differs = CliRunner().invoke(main, [*arguments, url(other), "--no-shrink"], input=PURGE)
    assert (same.exit_code, differs.exit_code) == (0, 1)
    assert "purge-ok message_count=1" in same.output
    assert "1 scripts, 0 differ" in same.output
    assert "+    b1: queue.purge-ok message_count=2" in differs.output
    assert "1 scripts, 1 differ" in differs.output


def test_printed_scripts_can_be_played() -> None:
    printed = CliRunner().invoke(main, ["--seeds", "3:5", "--print"])
    assert printed.exit_code == 0
    assert printed.output.count("# seed") == 2
    assert parse(printed.output)


@pytest.mark.parametrize("arguments", [["--seeds", "many"], ["--seeds", "1:"], ["--script", "-"]])
def test_what_cannot_be_played_is_a_usage_error(arguments: list[str]) -> None:
    assert CliRunner().invoke(main, arguments, input="no step").exit_code == 2
