"""Questions that back ends answer, in their own time, while the connections wait for it: logins, permissions.

A connection that is over before it has its answer cancels the question. How long a login may take is the handshake
timeout's to say, which runs on; other questions end by the back end's own limits.

Source: `rabbit_access_control:try_authenticate`.
"""

from typing import TYPE_CHECKING

import trio

from amqpy.core.users import Credentials, LoginFailed

if TYPE_CHECKING:
    import logging

    from amqpy.core.principals import Principal, Question
    from amqpy.core.users import Authenticator

LOGINS_MAX = 100
"""Logins asked about at a time; more wait in line. Who connects to the broker is not to flood a directory with that."""


async def answer_to(question: "Question", log: "logging.LoggerAdapter[logging.Logger]") -> object:
    """Asks. The answer of one that fails is its error; a login is refused then."""
    try:
        return await question.ask(question.about)
    except LoginFailed as failure:
        return failure
    except Exception as error:
        log.exception("authenticator failed")
        if isinstance(question.about, Credentials):
            name = question.about.user_name
            return LoginFailed(name, f"the authenticator failed authenticating {name}: {error!r}")
        return error


class InLine:
    """An authenticator that asks another one, about so many logins at a time."""

    def __init__(self, authenticator: "Authenticator") -> None:
        self._authenticator = authenticator
        self._limit = trio.CapacityLimiter(LOGINS_MAX)

    async def __call__(self, credentials: Credentials) -> "str | Principal":
        async with self._limit:
            return await self._authenticator(credentials)
