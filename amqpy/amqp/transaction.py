"""A transaction of a channel: the publishes and acknowledgements that tx.commit will carry out.

Publishes are routed when they arrive and delivered at the commit; acknowledgements are checked when they arrive and
take effect at the commit.

Source: AMQP 0-9-1 section 1.9; `rabbit_channel` for what happens when.
"""

from collections import deque
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from amqpy.core.consumer import ReturnWay
from amqpy.core.exchanges import Exchange
from amqpy.core.jobs import Jobs, Steps
from amqpy.core.message import Message, Target
from amqpy.errors import erlang_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amqpy.core.consumer import Delivery
    from amqpy.core.portions import Taken
    from amqpy.core.unacked import Lots

Verdict: TypeAlias = Literal["ack", "drop"] | ReturnWay
Answers: TypeAlias = "list[tuple[Verdict, Taken]]"


class Publish(NamedTuple):
    exchange: Exchange
    targets: tuple[Target, ...]
    message: Message
    mandatory: bool


class Transaction:
    """Publishes and acknowledgements since the last commit or rollback."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._publishes: deque[Publish] = deque()
        self._answers: Answers = []

    def publish(self, exchange: Exchange, targets: tuple[Target, ...], message: Message, mandatory: bool) -> None:
        self._publishes.append(Publish(exchange, targets, message, mandatory))

    def answer(self, verdict: Verdict, taken: "Taken | Lots") -> None:
        """Notes deliveries to settle. Those of one kind in a row are settled together, in the order of their tags."""
        if not self._answers or self._answers[-1][0] != verdict:
            self._answers.append((verdict, []))
        noted = self._answers[-1][1]
        if isinstance(taken, list):
            noted.extend(taken)
            self._jobs.spend(len(taken))
        else:
            self._jobs.do(_note(noted, taken))

    @property
    def uncommitted_publishes(self) -> int:
        return len(self._publishes)

    @property
    def uncommitted_answers(self) -> int:
        """The number of deliveries that the commit will acknowledge, reject or requeue."""
        return sum(len(taken) for _, taken in self._answers)

    def answered(self) -> "Iterator[Delivery]":
        """The deliveries that the commit will acknowledge, reject or requeue."""
        return (delivery for _, taken in self._answers for _, delivery in taken)

    def end(self) -> tuple[deque[Publish], Answers]:
        """Returns everything to be carried out or undone, and starts an empty transaction."""
        publishes, answers = self._publishes, self._answers
        self._publishes, self._answers = deque(), []
        return publishes, answers


def undelivered(vhost: str, queue: str) -> str:
    """The reason why a message cannot be delivered to a queue that is gone: a term as Erlang prints it in this place,
    in lines of 80 columns, whose parts are indented by 4.

    Source: `io_lib_pretty`.
    """
    parts = [_binary(vhost), "queue", _binary(queue)]
    resource = f"{{resource,{','.join(parts)}}}"
    if len(resource) < 40:
        return f"failed to deliver message: {{not_found,{resource}}}"
    if len(resource) >= 47:
        resource, column = "{resource", 42
        for part, brackets in zip(parts, (1, 1, 2), strict=True):
            size = len(part) + 1
            if size + brackets < 80 - column:
                resource, column = f"{resource},{part}", column + size
            else:
                resource += f",\n{' ' * 35}{part}"
                column = 35 + size if size + brackets < 80 - 36 else 80
        resource += "}"
    return f"failed to deliver message: {{not_found,\n{' ' * 31}{resource}}}"


def _binary(name: str) -> str:
    return erlang_text(name.encode("utf-8", "surrogateescape"))


def _note(noted: "Taken", lots: "Lots") -> Steps:
    for lot in lots:
        noted.extend(lot)
        yield len(lot)


def all_answered(answers: Answers) -> "Taken":
    """All deliveries settled in a transaction, in no order."""
    found: Taken = []
    for _, taken in answers:
        found.extend(taken)
    return found
