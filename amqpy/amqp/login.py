"""The login of a client, by the mechanism that it chose.

Source: `rabbit_reader:auth_phase`, `auth_fail`.
"""

import logging

from amqpy.amqp.connection_events import of_login
from amqpy.amqp.sasl import MECHANISMS, LoginContext, Mechanism
from amqpy.amqp.terms import Terms
from amqpy.core.events.events import Events
from amqpy.core.users import LoginFailed, User, Users
from amqpy.errors import CommandInvalid, LoginRefused, SyntaxFault


class Login:
    """The login of one connection, which may take several responses."""

    def __init__(
        self,
        users: Users,
        offered: tuple[str, ...],
        context: LoginContext,
        terms: Terms,
        events: Events,
        log: logging.LoggerAdapter[logging.Logger],
    ) -> None:
        self._users = users
        self._offered = offered
        self._context = context
        self._terms = terms
        self._events = events
        self._log = log
        self._mechanism: Mechanism | None = None

    @property
    def offered(self) -> bytes:
        """The offered mechanisms, as connection.start lists them."""
        return " ".join(self._offered).encode()

    def choose(self, name: str) -> None:
        """Sets the mechanism that the client chose. Raises CommandInvalid if it is not offered."""
        if name not in self._offered:
            raise CommandInvalid(f"unknown authentication mechanism '{name}'")
        self._mechanism = MECHANISMS[name](self._users, self._context)
        self._terms.mechanism_name = name

    def respond(self, response: bytes) -> User | bytes:
        """Takes a response; returns the user, or the next challenge.

        Raises LoginRefused, whose text does not give the reason, and SyntaxFault.
        """
        assert self._mechanism is not None
        mechanism = self._mechanism
        try:
            answer = mechanism.respond(response)
        except LoginFailed as failure:
            self._log.error("login failed: %s", str(failure))
            self._events.tell("user.authentication.failure", of_login, self._terms, failure.user_name, str(failure))
            raise _refused(mechanism.name) from None
        except SyntaxFault as fault:
            self._events.tell("user.authentication.failure", of_login, self._terms, None, fault.text)
            raise
        if isinstance(answer, User):
            self._events.tell("user.authentication.success", of_login, self._terms, answer.name)
            self._mechanism = None
        return answer


def _refused(mechanism: str) -> LoginRefused:
    text = f"Login was refused using authentication mechanism {mechanism}. For details see the broker logfile."
    return LoginRefused(text, method_id=(0, 0))
