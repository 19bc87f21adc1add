"""A watch over the whole test run: what was used to log in is in no record of a log, no event and no fault.

The secrets of a test are the passwords and tokens of whoever logs in, or is made a user. What everybody could guess,
since it is short or somebody's name, does not count: the log may have such a word for another reason.
"""

import functools
import logging
from collections.abc import Callable
from typing import Any

from amqpy.core import passwords, users
from amqpy.core.events import events
from amqpy.errors import AmqpFault

LENGTH_MIN = 5
SECRETS_MAX = 100
"""Only the newest are looked for: state machines make up thousands of passwords."""
SIGNS = ("eyJ", "PRIVATE KEY")
"""How every token begins that is signed, and what stands in the file of every key."""

CLIENT_LIBRARIES = ("pika", "aio_pika", "aiormq")
"""What they log is theirs."""


class Watch:
    """Knows the secrets of a test, and notes what tells of one."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self._secrets: dict[str, None] = {}
        self._names = {"guest"}

    def begin_test(self) -> None:
        self.told.clear()
        self._secrets.clear()

    def learn(self, name: str, secret: bytes | None) -> None:
        self._names.add(name)
        text = (secret or b"").decode(errors="replace")
        self._secrets.pop(text, None)
        if len(text) >= LENGTH_MIN:
            self._secrets[text] = None
        if len(self._secrets) > SECRETS_MAX:
            del self._secrets[next(iter(self._secrets))]

    def judge(self, text: str) -> None:
        if any(each in text for each in (*SIGNS, *(self._secrets.keys() - self._names))):
            self.told.append(text)


def before(owner: Any, name: str, see: Callable[..., None]) -> None:  # noqa: ANN401 - a module or a class
    """Has every call of a function seen, with its arguments, before it is made."""
    function = getattr(owner, name)

    @functools.wraps(function)
    def seen(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401
        see(*arguments, **named)
        return function(*arguments, **named)

    setattr(owner, name, seen)


def is_ours(logger: logging.Logger) -> bool:
    return logger.name.partition(".")[0] not in CLIENT_LIBRARIES


def whole(record: logging.LogRecord) -> str:
    return logging.Formatter("%(name)s %(message)s").format(record)


def begin(watch: Watch) -> None:
    """Sets the watch for the rest of the process."""
    before(users.Credentials, "__new__", lambda cls, name, password: watch.learn(name, password))
    for module in passwords, users:
        before(module, "hash_password", lambda password, *how: watch.learn("", password))
    before(logging.Logger, "handle", lambda logger, record: watch.judge(whole(record)) if is_ours(logger) else None)
    before(events, "fields", lambda properties: watch.judge(repr(properties)))
    before(AmqpFault, "__init__", lambda fault, text, *more, **named: watch.judge(text))
