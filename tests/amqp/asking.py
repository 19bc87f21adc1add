"""A client whose user has rights that must be asked for, and nobody asks: the answers are what a test says."""

from collections.abc import Hashable
from typing import Any

from pamqp.commands import Channel

from amqpy.amqp.state import InputState
from amqpy.core.broker import Broker
from amqpy.core.ports import Kind, Verb, Verdict
from amqpy.core.principals import BackendUser, Question, Undecided
from amqpy.core.users import Credentials
from amqpy.core.vhost import Vhost
from tests.amqp.client import HEADER, OPENING, Client, Received, names, start_ok
from tests.amqp.test_handshake import never

ENTRY = ("enter",)


class Oracle:
    """Rights that are asked for, one by one. A `core.principals.Rights`."""

    def __init__(self, expires_at_s: float | None = None) -> None:
        self.decisions: dict[Hashable, Verdict] = {}
        self.denied: dict[Hashable, Verdict] = {}
        """What is not permitted, and how."""
        self.expires_at_s = expires_at_s

    def decide(self, matter: Hashable) -> Verdict:
        if matter not in self.decisions:
            raise Undecided(Question(self.ask, matter))
        return self.decisions[matter]

    async def ask(self, matter: Hashable) -> None:
        raise AssertionError("nobody asks here")

    def may_enter(self, vhost: Vhost, peer_host: str) -> Verdict:
        return self.decide(ENTRY)

    def may(self, vhost: Vhost, verb: Verb, kind: Kind, name: str) -> Verdict:
        return self.decide((verb, kind, name))

    def may_use_topic(self, vhost: Vhost, verb: Verb, exchange: str, routing_key: str) -> Verdict:
        return self.decide((verb, "topic", exchange, routing_key))

    def renewal(self, secret: bytes) -> Question | None:
        return None if self.expires_at_s is None else Question(self.ask, Credentials("bob", secret))

    def note_tags(self, tags: tuple[str, ...]) -> None:
        pass

    def forget(self) -> None:
        self.decisions.clear()


class Asking(Client):
    """A client whose user has rights that are asked for."""

    def __init__(
        self,
        broker: Broker | None = None,
        oracle: Oracle | None = None,
        *,
        name: str = "bob",
        **more: Any,  # noqa: ANN401 (as Client has them)
    ) -> None:
        super().__init__(broker, authenticator=never, **more)
        self.oracle = oracle or Oracle()
        self.user = BackendUser(name, (), [self.oracle])

    def log_in(self, **capabilities: bool) -> None:
        self.feed(HEADER)
        self.send(start_ok(**capabilities), channel=0)
        assert names(self.answer(self.user)) == ["Connection.Tune"]

    def work(self, *channels: int, **capabilities: bool) -> "Asking":
        """Gets in, and opens channels."""
        self.log_in(**capabilities)
        self.send(*OPENING[1:], channel=0)
        assert names(self.decide(ENTRY)) == ["Connection.OpenOk"]
        for number in channels or (1,):
            self.send(Channel.Open(), channel=number)
        return self

    @property
    def matter(self) -> object:
        """What is being asked."""
        question = self.session.question
        assert (question is not None) == (self.input_state() is InputState.AWAITING_ANSWER)
        return question and question.about

    def decide(self, *matters: Hashable) -> list[Received]:
        """The answers come: to these questions, which must be the ones that are asked, in this order."""
        received = []
        for matter in matters:
            assert self.matter == matter
            self.oracle.decisions[matter] = self.oracle.denied.get(matter, True)
            received += self.answer(None)
        return received

    def decide_all(self) -> list[Received]:
        received = []
        while self.session.question is not None:
            received += self.decide(self.session.question.about)
        return received


def permission(verb: str, name: str, kind: str = "queue") -> tuple[str, str, str]:
    return verb, kind, name


WRITE = permission("write", "amq.default", "exchange")


def said(received: list[Received]) -> tuple[int, str]:
    (close,) = received
    return close.method.reply_code, close.method.reply_text
