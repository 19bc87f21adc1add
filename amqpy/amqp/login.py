"""The login of a client, by the mechanism that it chose.

The passwords of `Users` are checked at once. With an authenticator the login is a question to it, and what comes of the
login is said later: the server asks, and `conclude` takes the answer.

Source: `rabbit_reader:auth_phase`, `auth_fail`; `rabbit_access_control:check_user_login`.
"""

import logging

from amqpy.amqp.connection_events import of_login
from amqpy.amqp.sasl import MECHANISMS, LoginContext, Mechanism
from amqpy.amqp.terms import Terms
from amqpy.core.events.events import Events
from amqpy.core.principals import Principal, Question
from amqpy.core.users import Authenticator, LoginFailed, Users
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
        authenticator: Authenticator | None,
    ) -> None:
        self._users = users
        self._offered = offered
        self._context = context
        self._terms = terms
        self._events = events
        self._log = log
        self._authenticator = authenticator
        self._mechanism: Mechanism | None = None

    @property
    def has_begun(self) -> bool:
        """True if the client has chosen a mechanism."""
        return self._mechanism is not None

    @property
    def offered(self) -> bytes:
        """The offered mechanisms, as connection.start lists them."""
        return " ".join(self._offered).encode()

    def choose(self, name: str) -> None:
        """Sets the mechanism that the client chose. Raises CommandInvalid if it is not offered."""
        if name not in self._offered:
            raise CommandInvalid(f"unknown authentication mechanism '{name}'")
        self._mechanism = MECHANISMS[name](self._context)
        self._terms.mechanism_name = name

    def respond(self, response: bytes) -> Principal | bytes | Question:
        """Takes a response; returns the user, the next challenge, or a question that decides.

        Raises LoginRefused, whose text does not give the reason, and SyntaxFault.
        """
        assert self._mechanism is not None
        try:
            found = self._mechanism.respond(response)
        except SyntaxFault as fault:
            self._events.tell("user.authentication.failure", of_login, self._terms, None, fault.text)
            raise
        except LoginFailed as failure:
            raise self._refuse(failure) from None
        if isinstance(found, bytes):
            return found
        if self._authenticator is not None:
            return Question(self._authenticator, found)
        try:
            return self._accept(self._users.log_in(*found, from_loopback=self._context.from_loopback))
        except LoginFailed as failure:
            raise self._refuse(failure) from None

    def conclude(self, answer: str | Principal | LoginFailed) -> Principal:
        """Takes the answer to the question: the user, or the name of one of the broker's, or why there is none. Raises
        LoginRefused."""
        if isinstance(answer, LoginFailed):
            raise self._refuse(answer)
        from_loopback = self._context.from_loopback
        try:
            if isinstance(answer, str):
                return self._accept(self._users.admit(answer, from_loopback=from_loopback))
            self._users.check_loopback(answer.name, from_loopback=from_loopback)
            return self._accept(answer)
        except LoginFailed as failure:
            raise self._refuse(failure) from None

    def _accept(self, user: Principal) -> Principal:
        self._events.tell("user.authentication.success", of_login, self._terms, user.name)
        self._mechanism = None
        return user

    def _refuse(self, failure: LoginFailed) -> LoginRefused:
        reason = str(failure)
        self._log.error("%s login refused: %s", self._terms.mechanism_name, reason)
        self._events.tell("user.authentication.failure", of_login, self._terms, failure.user_name, reason)
        mechanism = self._terms.mechanism_name
        text = f"Login was refused using authentication mechanism {mechanism}. For details see the broker logfile."
        refused = LoginRefused(text, method_id=(0, 0))
        refused.is_remote = failure.is_remote
        return refused
