"""The user of a connection, whichever back end knows it, and its rights.

The broker's own users (`users.User`) are principals: their permissions are those of the virtual hosts. `BackendUser` is
one whose rights come from elsewhere: from the scopes of a token, or from a service that is asked. All back ends that
authorize a user must agree.

Whoever must ask for a permission cannot answer within a turn. It raises `Undecided` then: the operation, which has not
changed anything yet, is left; the question is asked outside; and the operation is begun again.

Source: `rabbit_access_control`, `rabbit_authz_backend`.
"""

from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from amqpy.core.ports import Client, Kind, TopicVerb, Verb, Verdict
    from amqpy.core.vhost import Vhost


class Question(NamedTuple):
    """A question to somebody outside of the broker, who may take as long as it takes."""

    ask: Callable[[Any], Awaitable[object]]
    about: object
    """The argument of `ask`. Its repr may get into a log."""


class Undecided(Exception):
    """A permission that must be asked for. Once that is done, the same operation finds it decided."""

    def __init__(self, question: Question) -> None:
        super().__init__(question)
        self.question = question
        self.again: tuple[int, int, Any] | None = None
        """The frame to be heard again, if it is not the one that was being heard."""


class Rights(Protocol):
    """The rights of one user, as one back end sees them. Those that return a verdict may raise Undecided."""

    def may_enter(self, vhost: "Vhost", peer_host: str) -> "Verdict":
        """True if the user may connect to a virtual host that exists, from this address."""

    def may(self, vhost: "Vhost", verb: "Verb", kind: "Kind", name: str) -> "Verdict":
        """True if it has this permission on a queue or an exchange."""

    def may_use_topic(self, vhost: "Vhost", verb: "TopicVerb", exchange: str, routing_key: str) -> "Verdict":
        """True if it may publish to a topic exchange with this routing key (write), or bind with it (read)."""

    @property
    def expires_at_s(self) -> float | None:
        """The Unix time at which its credentials expire; None for never."""

    def renewal(self, secret: bytes) -> Question | None:
        """A question that replaces the credentials by new ones, and raises LoginFailed; None if there are none that
        could expire."""

    def note_tags(self, tags: tuple[str, ...]) -> None:
        """Takes note of all tags of the user, which may come from several back ends."""

    def forget(self) -> None:
        """Forgets what was asked, to ask again. Nothing that is decided within a turn is remembered here."""


class Account(Protocol):
    """The counted connections and channels of everybody with one name."""

    clients: "dict[Client, None]"
    """The open connections."""

    def check_connection(self) -> None:
        """Raises NotAllowed if there are as many connections as allowed."""

    def check_channel(self) -> None:
        """Raises NotAllowed if there are as many channels as allowed."""


class Principal(Rights, Account, Protocol):
    """A user, as its connections need it."""

    name: str
    tags: tuple[str, ...]

    @property
    def key(self) -> Hashable:
        """The same for all users that have the same rights at any time: routes are remembered by it."""


class Unlimited:
    """The account of those whose name is not one of the broker's users: limits are set for these only."""

    def __init__(self) -> None:
        self.clients: dict[Client, None] = {}

    def check_connection(self) -> None:
        pass

    def check_channel(self) -> None:
        pass


class BackendUser:
    """A user of one connection whose rights come from back ends. A `Principal`.

    `account` is that of the broker's user of the same name, if there is one, which has the limits.
    """

    def __init__(
        self, name: str, tags: tuple[str, ...], rights: Sequence[Rights], account: Account | None = None
    ) -> None:
        self.name = name
        self._rights = tuple(rights)
        self.note_tags(tags)
        self._account = account or Unlimited()
        self.clients = self._account.clients

    @property
    def key(self) -> Hashable:
        # Two tokens of one name may permit different things.
        return self

    def may_enter(self, vhost: "Vhost", peer_host: str) -> "Verdict":
        return _all(each.may_enter(vhost, peer_host) for each in self._rights)

    def may(self, vhost: "Vhost", verb: "Verb", kind: "Kind", name: str) -> "Verdict":
        return _all(each.may(vhost, verb, kind, name) for each in self._rights)

    def may_use_topic(self, vhost: "Vhost", verb: "TopicVerb", exchange: str, routing_key: str) -> "Verdict":
        return _all(each.may_use_topic(vhost, verb, exchange, routing_key) for each in self._rights)

    @property
    def expires_at_s(self) -> float | None:
        times = [each.expires_at_s for each in self._rights]
        return min((at for at in times if at is not None), default=None)

    def renewal(self, secret: bytes) -> Question | None:
        questions = [each.renewal(secret) for each in self._rights]
        asked = [question for question in questions if question is not None]
        return Question(self._renew, asked) if asked else None

    async def _renew(self, questions: list[Question]) -> None:
        for question in questions:
            tags = await question.ask(question.about)
            if isinstance(tags, tuple):
                self.note_tags(tags)

    def note_tags(self, tags: tuple[str, ...]) -> None:
        self.tags = tags
        for each in self._rights:
            each.note_tags(tags)

    def forget(self) -> None:
        for each in self._rights:
            each.forget()

    def check_connection(self) -> None:
        self._account.check_connection()

    def check_channel(self) -> None:
        self._account.check_channel()


def _all(verdicts: "Iterable[Verdict]") -> "Verdict":
    """The first that is not true, or true. Those behind it are not asked."""
    return next((verdict for verdict in verdicts if not verdict), True)
