"""Faults, one class per AMQP reply code, and errors of administration.

A fault is raised where the error is found and has its reply code and level; one place in the connection turns it into
`channel.close` or `connection.close`. Anything else that is raised is a bug of ours.

Source: AMQP 0-9-1 section 1.2.1 (reply codes); the level of each code as RabbitMQ's codegen has it.
"""

import re
from typing import ClassVar


class AmqpFault(Exception):
    """A refusal with a reply code. `text` is the text that the peer reads after the code's name."""

    code: ClassVar[int]
    name: ClassVar[str]

    def __init__(self, text: str, method_id: tuple[int, int] | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.method_id = method_id
        """Class and method id of the method that failed, filled in by its dispatcher; (0, 0) for none."""

    @property
    def reply_text(self) -> str:
        """The reply text. The caller cuts it to the 255 bytes of a short string."""
        return f"{self.name} - {self.text}"


class ChannelFault(AmqpFault):
    """A fault that closes the channel; the connection and its other channels stay open."""


class ConnectionFault(AmqpFault):
    """A fault that closes the whole connection."""


class AccessRefused(ChannelFault):
    code, name = 403, "ACCESS_REFUSED"


class NotFound(ChannelFault):
    code, name = 404, "NOT_FOUND"


class ResourceLocked(ChannelFault):
    code, name = 405, "RESOURCE_LOCKED"


class PreconditionFailed(ChannelFault):
    code, name = 406, "PRECONDITION_FAILED"


class UnfitProperty(PreconditionFailed):
    """A property that queues of a type cannot have."""


class ConnectionForced(ConnectionFault):
    code, name = 320, "CONNECTION_FORCED"


class LoginRefused(ConnectionFault):
    """A failed login: 403 like AccessRefused, but before there is any channel."""

    is_remote = False
    """True if all that is wrong is that the client is not on this machine."""

    code, name = 403, "ACCESS_REFUSED"


class FrameFault(ConnectionFault):
    code, name = 501, "FRAME_ERROR"


class SyntaxFault(ConnectionFault):
    code, name = 502, "SYNTAX_ERROR"


class CommandInvalid(ConnectionFault):
    code, name = 503, "COMMAND_INVALID"


class ChannelStateFault(ConnectionFault):
    code, name = 504, "CHANNEL_ERROR"


class UnexpectedFrame(ConnectionFault):
    code, name = 505, "UNEXPECTED_FRAME"


class ResourceError(ConnectionFault):
    code, name = 506, "RESOURCE_ERROR"


class NotAllowed(ConnectionFault):
    code, name = 530, "NOT_ALLOWED"


class Unimplemented(ConnectionFault):
    code, name = 540, "NOT_IMPLEMENTED"


class InternalFault(ConnectionFault):
    """A bug of ours, as the peer sees it."""

    code, name = 541, "INTERNAL_ERROR"

    @property
    def reply_text(self) -> str:
        return self.name


class Denied(ConnectionFault):
    """A deprecated feature that RabbitMQ refuses by default, with the code of an internal error."""

    code, name = 541, "INTERNAL_ERROR"


class AdministrationError(Exception):
    """A refused operation of an administrator. No AMQP fault: there is no reply code, and nothing closes.

    The text is RabbitMQ's, and is meant to be shown to the administrator.
    """

    def __init__(self, text: str, *, missing: bool = False, term: list[object] | str | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.missing = missing
        """True if an object does not exist, false if a value is refused."""
        self.term = term
        """The same as the management API tells it, where that has an Erlang term and not the text."""


_ESCAPES = {ord(char): f"\\{name}" for char, name in zip('\b\t\n\v\f\r\x1b"\\', 'btnvfre"\\', strict=True)}
"""The characters that Erlang prints with a backslash before them."""

_ESCAPES_OF_ATOMS = {
    **{control: f"\\{control:03o}" for control in range(32)},
    **_ESCAPES,
    ord('"'): '"',
    ord("'"): "\\'",
    127: "\\d",
}
"""The same in atoms, whose quotes are others."""


def escaped(value: str) -> str:
    """Escapes text for the inside of an Erlang string."""
    return value.translate(_ESCAPES)


def erlang_text(raw: bytes) -> str:
    """Bytes as Erlang prints a binary in an error text: a string if all of it is printable, else numbers.

    Erlang passes the bytes on as they are. Those that are no UTF-8 are read as Latin-1, or clients could not decode the
    text.
    """
    if raw and all(32 <= c < 127 or c >= 160 or c in _ESCAPES for c in raw):
        try:
            shown = raw.decode()
        except UnicodeDecodeError:
            shown = raw.decode("latin-1")
        return f'<<"{shown.translate(_ESCAPES)}">>'
    return f"<<{','.join(map(str, raw))}>>"


def erlang_string(text: str) -> list[int]:
    """Text as a string of Erlang: the list of its octets, which JSON shows as just that."""
    return list(text.encode("utf-8", "surrogateescape"))


def erlang_atom(name: str) -> str:
    """A name as Erlang prints an atom: in quotes, unless it looks like one."""
    if re.fullmatch("[a-z][a-zA-Z0-9_@]*", name):
        return name
    return f"'{name.translate(_ESCAPES_OF_ATOMS)}'"
