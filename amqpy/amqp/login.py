"""The login of a client, by the mechanism that it chose.

Source: `rabbit_reader:auth_phase`, `auth_fail`.
"""

from typing import TYPE_CHECKING

from amqpy.amqp import connection_events
from amqpy.auth import MECHANISMS, LoginFailed, Mechanism, User, Users
from amqpy.errors import CommandInvalid, LoginRefused, SyntaxFault

if TYPE_CHECKING:
    from amqpy.amqp.connection import ConnectionSession


class Login:
    """The login of one connection, which may take several responses.

    It does not keep its connection: objects that refer to each other are not freed at once.
    """

    def __init__(self, users: Users, *, from_loopback: bool) -> None:
        self._users = users
        self._from_loopback = from_loopback
        self._mechanism: Mechanism | None = None

    @property
    def offered(self) -> bytes:
        """The offered mechanisms, as connection.start lists them."""
        return " ".join(self._users.mechanisms).encode()

    def choose(self, name: str) -> None:
        """Sets the mechanism that the client chose. Raises CommandInvalid if it is not offered."""
        if name not in self._users.mechanisms:
            raise CommandInvalid(f"unknown authentication mechanism '{name}'")
        self._mechanism = MECHANISMS[name](self._users, from_loopback=self._from_loopback)

    def respond(self, connection: "ConnectionSession", response: bytes) -> User | bytes:
        """Takes a response; returns the user, or the next challenge. `connection` is for events.

        Raises LoginRefused, whose text does not give the reason, and SyntaxFault.
        """
        assert self._mechanism is not None
        mechanism = self._mechanism
        events = connection.broker.events
        try:
            answer = mechanism.respond(response)
        except LoginFailed as failure:
            connection.log.error("login failed: %s", str(failure))
            events.tell(
                "user.authentication.failure", connection_events.of_login, connection, failure.user_name, str(failure)
            )
            raise _refused(mechanism.name) from None
        except SyntaxFault as fault:
            events.tell("user.authentication.failure", connection_events.of_login, connection, None, fault.text)
            raise
        if isinstance(answer, User):
            events.tell("user.authentication.success", connection_events.of_login, connection, answer.name)
            self._mechanism = None
        return answer


def _refused(mechanism: str) -> LoginRefused:
    text = f"Login was refused using authentication mechanism {mechanism}. For details see the broker logfile."
    return LoginRefused(text, method_id=(0, 0))
