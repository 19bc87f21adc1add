"""A transaction of a channel: what tx.commit will do.

Publishes are routed when they come and delivered at the commit; answers are checked when they come and take
effect at the commit.

Source: AMQP 0-9-1 section 1.9; `rabbit_channel` for what happens when.
"""

from operator import itemgetter
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from amqpy.core.message import Message, Target
from amqpy.core.queues.queue import ReturnWay

if TYPE_CHECKING:
    from amqpy.core.ledger import Owed

Verdict: TypeAlias = Literal["ack", "drop"] | ReturnWay
Taken: TypeAlias = "list[tuple[int, Owed]]"


class Publish(NamedTuple):
    queues: tuple[Target, ...]
    message: Message
    mandatory: bool


class Transaction:
    """Publishes and answers since the last commit or rollback."""

    def __init__(self) -> None:
        self.publishes: list[Publish] = []
        self.answers: list[tuple[Verdict, Taken]] = []

    def publish(self, queues: tuple[Target, ...], message: Message, mandatory: bool) -> None:
        self.publishes.append(Publish(queues, message, mandatory))

    def answer(self, verdict: Verdict, taken: Taken) -> None:
        """Answers of one kind in a row are carried out as one, in the order of their tags."""
        if self.answers and self.answers[-1][0] == verdict:
            self.answers[-1][1].extend(taken)
        else:
            self.answers.append((verdict, taken))

    def commit(self) -> tuple[list[Publish], list[tuple[Verdict, Taken]]]:
        """Everything to be done, in order; the next transaction starts empty."""
        publishes, answers = self.publishes, self.answers
        self.publishes, self.answers = [], []
        return publishes, [(verdict, sorted(taken, key=itemgetter(0))) for verdict, taken in answers]

    def rollback(self) -> Taken:
        """What was answered and now is not, by tag."""
        _, answers = self.commit()
        return sorted((entry for _, taken in answers for entry in taken), key=itemgetter(0))
