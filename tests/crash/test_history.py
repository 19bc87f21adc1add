"""Brokers that lie, as their clients would see it: each lie must be found, and what is allowed must not."""

from collections import deque
from typing import TYPE_CHECKING, cast

import pytest

from interop.crash.actors import Publisher, Round
from interop.crash.check import tells_of_death, verdicts
from interop.crash.churn import Content, State, look_at_bindings, look_at_contents
from interop.crash.history import Commit, Consumption, History, Outcome, Sent
from interop.crash.topology import topology
from interop.kit.address import Address
from interop.parity import codec
from interop.parity.inbox import Incoming

if TYPE_CHECKING:
    from interop.kit.client import Client


@pytest.fixture
def history() -> History:
    return History(topology(delayed=True))


def sent(history: History, queue: str = "plain", *, persistent: bool = True, commit: Commit | None = None) -> Sent:
    (route,) = [each for each in history.topology.routes if each.exchange == "" and each.key == queue]
    return history.publishes("publisher", route, is_persistent=persistent, priority=0, commit=commit)


def confirmed(history: History, queue: str = "plain", *, persistent: bool = True) -> Sent:
    message = sent(history, queue, persistent=persistent)
    history.confirmed(message)
    return message


def deliver(
    history: History, message: Sent | str, queue: str = "plain", *, again: bool = False, to: Consumption | None = None
) -> None:
    body = f"{message} ".encode() if isinstance(message, str) else message.body
    history.delivered(history.topology.queues[queue], body, redelivered=again, to=to or Consumption("somebody"))


def kinds(history: History, left: dict[str, set[str]] | None = None) -> list[str]:
    """What was found when it was delivered, and what is wrong with what is left."""
    return [finding.kind for finding in history.findings] + [each.kind for each in verdicts(history, left or {})]


# --- what is left


def test_a_confirmed_message_is_missed(history: History) -> None:
    there, lost = confirmed(history), confirmed(history)
    history.ended()
    (verdict,) = verdicts(history, {"plain": {there.name}})
    assert verdict.kind == "lost"
    assert lost.name in verdict.text


def test_a_copy_in_each_queue_is_missed(history: History) -> None:
    (route,) = [each for each in history.topology.routes if each.exchange == "crash.fanout"]
    message = history.publishes("publisher", route, is_persistent=True, priority=0)
    history.confirmed(message)
    left = {queue: {message.name} for queue in route.queues[1:]}
    assert [verdict.names for verdict in verdicts(history, left)] == [((route.queues[0], message.name),)]


def test_what_nobody_promised_may_be_gone(history: History) -> None:
    sent(history)
    history.refused(sent(history))
    confirmed(history, persistent=False)
    history.ended()
    assert kinds(history) == []


def test_transient_messages_stay_as_long_as_the_broker_lives(history: History) -> None:
    confirmed(history, persistent=False)
    assert kinds(history) == ["lost"]


def test_quorum_queues_keep_transient_messages(history: History) -> None:
    confirmed(history, "quorum", persistent=False)
    history.ended()
    assert kinds(history) == ["lost"]


def test_what_was_acked_may_be_gone(history: History) -> None:
    message = confirmed(history)
    deliver(history, message)
    history.settles("plain", [message.name], is_ack=True)
    assert kinds(history) == []


def test_what_came_back_after_its_ack_must_be_acked_again(history: History) -> None:
    message = confirmed(history)
    deliver(history, message)
    history.settles("plain", [message.name], is_ack=True)
    history.ended()
    deliver(history, message, again=True)
    assert kinds(history) == ["lost"]


def test_a_rejected_message_is_in_one_place(history: History) -> None:
    message = confirmed(history, "work")
    deliver(history, message, "work")
    history.settles("work", [message.name], is_ack=False)
    history.ended()
    assert kinds(history, {"work.retry": {message.name}}) == []
    assert kinds(history, {"work": {message.name}}) == []
    assert kinds(history, {"work": {message.name}, "work.dead": {message.name}}) == ["duplicate"]
    assert kinds(history) == ["lost"]


def test_an_ack_that_was_proven_to_be_stored_holds(history: History) -> None:
    message = confirmed(history, "work")
    deliver(history, message, "work")
    settlements = history.settles("work", [message.name], is_ack=True)
    history.processed(settlements)
    history.ended()
    assert kinds(history, {"work.retry": {message.name}}) == []
    history.life -= 1
    kept = confirmed(history, "kept")
    history.ended()
    assert kinds(history, {"work.retry": {message.name}, "kept": {kept.name}}) == ["resurrected"]


def test_a_commit_without_an_answer_is_whole(history: History) -> None:
    commit = Commit()
    first, second = sent(history, commit=commit), sent(history, commit=commit)
    history.ended()
    assert kinds(history) == []
    assert kinds(history, {"plain": {first.name, second.name}}) == []
    assert kinds(history, {"plain": {second.name}}) == ["partial commit"]


def test_a_commit_with_an_answer_is_there(history: History) -> None:
    commit = Commit()
    message = sent(history, commit=commit)
    history.committed(commit, [message])
    history.ended()
    assert kinds(history) == ["lost"]


# --- what is delivered


def test_an_unmarked_redelivery_is_found(history: History) -> None:
    message = confirmed(history)
    deliver(history, message)
    history.ended()
    deliver(history, message)
    assert [finding.kind for finding in history.findings] == ["not marked"]


def test_a_marked_redelivery_after_a_crash_is_allowed(history: History) -> None:
    message, other = confirmed(history), confirmed(history)
    deliver(history, message)
    history.ended()
    deliver(history, message, again=True)
    deliver(history, other, again=True)
    assert history.findings == []


def test_a_mark_without_a_reason_is_found(history: History) -> None:
    deliver(history, confirmed(history), again=True)
    assert [finding.kind for finding in history.findings] == ["marked"]


def test_a_message_goes_to_one_consumer_at_a_time(history: History) -> None:
    message = confirmed(history)
    deliver(history, message)
    deliver(history, message, again=True)
    assert [finding.kind for finding in history.findings] == ["duplicate"]


def test_what_was_requeued_may_go_to_another_consumer(history: History) -> None:
    message = confirmed(history)
    deliver(history, message)
    history.gives_back("plain", [message.name], "requeued")
    deliver(history, message, again=True)
    assert history.findings == []


def test_an_answered_message_does_not_come_again_without_a_crash(history: History) -> None:
    message = confirmed(history)
    deliver(history, message)
    history.settles("plain", [message.name], is_ack=True)
    deliver(history, message, again=True)
    assert [finding.kind for finding in history.findings] == ["duplicate"]


def test_a_committed_ack_holds(history: History) -> None:
    message = confirmed(history)
    deliver(history, message)
    (settlement,) = history.settles("plain", [message.name], is_ack=True)
    settlement.is_committed = True
    history.ended()
    deliver(history, message, again=True)
    assert [finding.kind for finding in history.findings] == ["resurrected"]


def test_what_was_rolled_back_is_never_delivered(history: History) -> None:
    message = sent(history, commit=Commit(Outcome.ROLLED_BACK))
    deliver(history, message)
    assert [finding.kind for finding in history.findings] == ["rolled back"]


@pytest.mark.parametrize(("queue", "expected"), [("plain", ["transient"]), ("quorum", [])])
def test_transient_messages_do_not_outlive_the_broker(history: History, queue: str, expected: list[str]) -> None:
    message = confirmed(history, queue, persistent=False)
    history.ended()
    deliver(history, message, queue, again=True)
    assert [finding.kind for finding in history.findings] == expected


def test_the_order_of_publishing_is_kept(history: History) -> None:
    first, second, third = (confirmed(history) for _ in range(3))
    consumption = Consumption("consumer")
    for message in (first, third, second):
        deliver(history, message, to=consumption)
    (finding,) = history.findings
    assert finding.kind == "order"
    assert f"{second.name} after {third.name}" in finding.text


def test_what_was_taken_out_for_good_does_not_come_back(history: History) -> None:
    message = confirmed(history)
    history.emptied()
    deliver(history, message)
    deliver(history, "2/nobody/1")
    assert [finding.kind for finding in history.findings] == ["came back", "unknown"]


def test_a_body_comes_as_it_was_sent(history: History) -> None:
    deliver(history, confirmed(history).name + " ")
    assert [finding.kind for finding in history.findings] == ["damaged"]


def test_what_nobody_took_is_unmarked_after_a_stop_in_good_order(history: History) -> None:
    before = confirmed(history, "kept")
    history.ended()
    deliver(history, before, "kept", again=True)
    assert history.findings == []
    message = confirmed(history, "kept")
    history.is_stopping = True
    history.ended()
    deliver(history, message, "kept", again=True)
    assert [finding.kind for finding in history.findings] == ["marked"]


def test_a_letter_tells_where_it_died(history: History) -> None:
    message = confirmed(history, "work")
    headers = {"x-first-death-queue": "work", "x-first-death-reason": "rejected"}
    assert tells_of_death(codec.properties(headers=headers), message)
    assert not tells_of_death(codec.properties(headers=headers | {"x-first-death-queue": "work.retry"}), message)


def test_a_finding_tells_the_story_of_its_message(history: History) -> None:
    message = confirmed(history, "work")
    deliver(history, message, "work")
    history.settles("work", [message.name], is_ack=False)
    deliver(history, message, "work.dead")
    history.ended()
    deliver(history, message, "work.dead", again=True)
    history.find("lost", "as a sample", ("work.dead", message.name))
    lines = history.findings[-1].text.splitlines()
    assert [line.partition(": ")[2] for line in lines[1:]] == [
        "published on '' 'work'; persistent, priority 0, 14 bytes, confirmed",
        "work: delivered to somebody",
        "work: rejected",
        "work.dead: delivered to somebody",
        "work.dead: delivered again to somebody",
    ]


# --- what a publisher is told


class Told:
    """What a client has received."""

    def __init__(self, *events: Incoming) -> None:
        self.events = deque(events)


def confirm(tag: int, *, multiple: bool = False) -> Incoming:
    return Incoming("basic.ack", {"delivery_tag": tag, "multiple": multiple})


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ([confirm(1), confirm(3, multiple=True)], []),
        ([confirm(2), confirm(1), confirm(3)], ["confirms"]),
    ],
)
def test_confirms_come_in_order(history: History, told: list[Incoming], expected: list[str]) -> None:
    publisher = Publisher("publisher", Round(Address("127.0.0.1", 0), history), "seed")
    publisher.unconfirmed = {tag: sent(history) for tag in (1, 2, 3)}
    publisher.take_events(cast("Client", Told(*told)))
    assert [finding.kind for finding in history.findings] == expected
    assert not publisher.unconfirmed


@pytest.mark.parametrize(("queue", "is_returned"), [("kept", True), (None, False)])
def test_returns_are_of_messages_without_a_queue(history: History, queue: str | None, *, is_returned: bool) -> None:
    (route,) = [
        each
        for each in history.topology.routes
        if each.exchange == ("" if queue else "crash.empty") and each.key == (queue or "nobody")
    ]
    message = history.publishes("publisher", route, is_persistent=True, priority=0)
    publisher = Publisher("publisher", Round(Address("127.0.0.1", 0), history), "seed")
    publisher.unconfirmed = {1: message}
    back = [Incoming("basic.return", {}, body=message.body)] if is_returned else []
    publisher.take_events(cast("Client", Told(*back, confirm(1))))
    assert [finding.kind for finding in history.findings] == ["return"]


# --- what comes and goes


@pytest.mark.parametrize(
    ("taken", "found"),
    [
        (["churn/1", "churn/2", "churn/3"], 0),
        (["churn/2"], 0),
        (["churn/1", "churn/3"], 1),
        (["churn/2", "churn/1"], 1),
        (["churn/2", "churn/2"], 1),
        (["churn/2", "churn/9"], 1),
    ],
)
def test_of_a_queue_that_comes_and_goes(history: History, taken: list[str], found: int) -> None:
    """Message 1 is being purged, 2 was confirmed, 3 was not."""
    contents = [Content("churn/1"), Content("churn/2", is_sure=True), Content("churn/3")]
    look_at_contents(history, State(contents={"churn.queue.0": contents}), "churn.queue.0", taken)
    assert len(history.findings) == found


def test_of_bindings_that_come_and_go(history: History) -> None:
    one, two, three = (("churn.exchange.0", "churn.queue.0", key) for key in ("one", "two", "three"))
    probes = {key: ("churn.exchange.0", key) for key in ("one", "two", "three")}
    state = State(bindings={one, two}, unsure={two})
    look_at_bindings(history, state, "churn.queue.0", {"three"}, probes)
    assert [finding.text for finding in history.findings] == [f"{one} is gone", f"{three} is there"]
    assert state.bindings == {three}
