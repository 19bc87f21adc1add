"""The answers to requests, and the refusals with RabbitMQ's error bodies.

Source: `rabbit_mgmt_util`: `bad_request`, `not_found`, `not_authorised`, `halt_response`.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from email.utils import formatdate
from html import escape
from types import MappingProxyType
from typing import Final, NamedTuple

from amqpy.errors import AdministrationError, AmqpFault

JSON: Final = "application/json"
REALM: Final = {"www-authenticate": 'Basic realm="RabbitMQ Management"'}

SURROGATE: Final = re.compile("[\ud800-\udfff]")

ACCESS_REFUSED: Final = "Access refused."

Headers = Mapping[str, str]
NO_HEADERS: Final[Headers] = MappingProxyType({})


class Answer(NamedTuple):
    """An answer without a list: the status, and a value for JSON or octets of another type."""

    status: int
    value: object = None
    headers: Headers = NO_HEADERS
    content_type: str = JSON
    bare: bool = False
    """True if it goes out before anything is known about the resource, and without the headers of the others."""
    dated: bool = True

    @property
    def body(self) -> bytes:
        if isinstance(self.value, bytes):
            return self.value
        return b"" if self.value is None else as_json(self.value)


CREATED: Final = Answer(201)
DONE: Final = Answer(204)


def now() -> str:
    """The header `date` of an answer."""
    return formatdate(usegmt=True)


def early(status: int) -> Answer:
    """The answer to a request that is not understood at all."""
    return Answer(status, bare=True, dated=False)


def put(created: bool) -> Answer:
    """The answer to a PUT, which has made something or changed it."""
    return CREATED if created else DONE


def as_json(value: object) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError:
        # A lone surrogate stands for an octet that is not UTF-8: a name may have any.
        return SURROGATE.sub("\ufffd", text).encode()


class Refusal(Exception):
    """A refusal: its status and its body, `{"error": …, "reason": …}`, or none."""

    def __init__(self, status: int, error: str = "", reason: object = None, headers: Headers = NO_HEADERS) -> None:
        super().__init__(f"{status} {error}: {reason}")
        value = {"error": error, "reason": reason} if error else None
        self.answer = Answer(status, value, headers)


class Malformed(Refusal):
    """A request that cannot be read."""

    def __init__(self) -> None:
        super().__init__(400)
        self.answer = early(400)


def bad_request(reason: object, error: str = "bad_request") -> Refusal:
    return Refusal(400, error, reason)


@contextmanager
def escaped(escapes: bool) -> Iterator[None]:
    """Makes a refusal by an administrator's operation one whose text may stand in HTML, if it `escapes`."""
    try:
        yield
    except AdministrationError as error:
        raise bad_request(escape(error.text, quote=False) if escapes else error.text) from None


def not_found() -> Refusal:
    """There is no such path or object."""
    return Refusal(404, "Object Not Found", "Not Found")


def missing(reason: object) -> Refusal:
    """Something that an operation needs was not found while it was done."""
    return Refusal(404, "not_found", reason)


def not_entitled(reason: str) -> Refusal:
    """The user is known, and may not do this."""
    return Refusal(401, "not_authorised", reason)


class BadLogin(Refusal):
    """The refusal of credentials."""


def login_failed(features: Collection[str] = ()) -> BadLogin:
    """The refusal of credentials, by what the version has (`Profile.management`)."""
    reason = "Not_Authorized" if "Not_Authorized" in features else "Login failed"
    return BadLogin(401, "not_authorized", reason, {} if "no-realm" in features else REALM)


def of_fault(fault: AmqpFault) -> Refusal:
    """A refusal by an operation of AMQP that is not one on a channel: declaring, deleting, binding, purging."""
    if fault.code in {403, 530}:
        return not_entitled(ACCESS_REFUSED)
    return missing(fault.text) if fault.code == 404 else bad_request(fault.text)
