"""Logins that an authenticator decides, in its own time, while the connections wait for it.

A connection that is over before its authenticator has answered cancels it. How long that may be is the handshake
timeout's to say, which runs on.

Source: `rabbit_access_control:try_authenticate`.
"""

from typing import TYPE_CHECKING

import trio

from amqpy.core.users import LoginFailed

if TYPE_CHECKING:
    import logging

    from amqpy.amqp.login import Question

LOGINS_MAX = 100
"""Questions asked at a time; more wait in line. A directory is not to be flooded by whoever connects to the broker."""


class Logins:
    """The questions of all connections to their authenticators."""

    def __init__(self) -> None:
        self._limit = trio.CapacityLimiter(LOGINS_MAX)

    async def ask(self, question: "Question", log: "logging.LoggerAdapter[logging.Logger]") -> str | LoginFailed:
        """Asks, when it is its turn. An authenticator that fails refuses the login."""
        authenticator, credentials = question
        async with self._limit:
            try:
                return await authenticator(credentials)
            except LoginFailed as failure:
                return failure
            except Exception as error:
                log.exception("authenticator failed")
                name = credentials.user_name
                return LoginFailed(name, f"the authenticator failed authenticating {name}: {error!r}")
